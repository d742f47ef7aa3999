import { categoryOf } from '../../../src/domain/layout.js';
import type { Observation } from '../observe.js';
import type { Scenario } from '../scenario.js';
import { add, changeOf, clockOf, fieldOf, isKnown, isOpenTo, isPast, type Rule } from './deed.js';

export const countsAddUp: Rule = ({ after }, scenario) => {
  const sums = new Map<string, number>();
  for (const [name, count] of after.counts) {
    if (count < 0) return `${name} is ${count}`;
    if (!name.endsWith('revenue')) add(sums, name.slice(0, name.indexOf(':')), count);
  }
  const capacities = new Map(capacitiesOf(scenario));
  for (const channel of after.channels) add(capacities, `@${channel}`, 1);
  for (const [scope, sum] of sums)
    if (sum !== (capacities.get(scope) ?? 0)) return `${scope} adds up to ${sum}, not ${capacities.get(scope)}`;
  const shown = new Map([...'.hsrx'].map((letter) => [letter, 0]));
  for (const letter of after.status) add(shown, letter, 1);
  for (const [letter, count] of shown) {
    const counted = (after.counts.get(`*:${letter}`) ?? 0) + (letter === 'h' ? (after.counts.get('*:i') ?? 0) : 0);
    if (counted !== count) return `${counted} ${letter} are counted and ${count} shown`;
  }
  return null;
};

const capacities = new WeakMap<Scenario, ReadonlyMap<string, number>>();

/** Places of every category and of all. */
function capacitiesOf(scenario: Scenario): ReadonlyMap<string, number> {
  const known = capacities.get(scenario);
  if (known !== undefined) return known;
  const counted = new Map([['*', scenario.layout.seatCount]]);
  for (const category of categoryOf(scenario.layout)) add(counted, `${category}`, 1);
  capacities.set(scenario, counted);
  return counted;
}

const live: ReadonlySet<string> = new Set(['HELD', 'CHECKOUT', 'ISSUING']);

export const oneOwner: Rule = ({ after }) => {
  const owners = new Map<number, string>();
  for (const [hold, fields] of after.holds) {
    if (!live.has(fields.get('state') ?? '')) continue;
    for (const seat of fields.get('seats')!.split(',').map(Number)) {
      if (owners.has(seat)) return `seat ${seat} is in ${owners.get(seat)} and in ${hold}`;
      if (after.seats.get(seat) !== hold) return `seat ${seat} of ${hold} belongs to ${after.seats.get(seat)}`;
      owners.set(seat, hold);
    }
  }
  for (const [seat, letter] of [...after.status].entries()) {
    const owner = after.seats.get(seat);
    if ('hsr'.includes(letter) !== (owner !== undefined)) return `seat ${seat} is ${letter}, and its owner ${owner}`;
  }
  return null;
};

/** Whoever has a seat loses it by time or by what is done with that very hold, never by what somebody else asks for. */
export const nobodyLosesASeat: Rule = ({ call: { step }, before, after, now }) => {
  const named = 'hold' in step ? step.hold : '';
  for (const [seat, hold] of before.seats) {
    const isKept = after.seats.get(seat) === hold || hold === named || isPast(before, hold, now);
    if (!isKept) return `seat ${seat} was taken from ${hold} by ${step.op}`;
  }
  return null;
};

/** Whoever is given seats is given all that were asked for. */
export const claimsAreWhole: Rule = ({ call: { step }, answer, before }) => {
  if ((step.op !== 'claim' && step.op !== 'change') || answer.code !== 'OK') return null;
  const { wish } = step;
  const seats = answer.seats as readonly number[];
  const isRepeated =
    step.op === 'claim' ? isKnown(before, step.hold) : answer.fence === Number(fieldOf(before, step.hold, 'fence'));
  if (isRepeated) return null;
  const isWhole = wish.kind === 'seats' ? `${seats}` === `${wish.indexes}` : seats.length === wish.quantity;
  return isWhole ? null : `${step.op} of ${step.hold} was given the seats ${seats}`;
};

export const losersChangeNothing: Rule = ({ call: { step }, answer, before, after, published, now }) => {
  if ((step.op !== 'claim' && step.op !== 'change') || answer.code === 'OK') return null;
  if (isAnythingPast(before, now)) return null;
  if (published.seats.length > 0 || published.line.length > 0) return `a refused ${step.op} published something`;
  const changed = changeOf(before, after);
  return changed && `a refused ${step.op} changed ${changed}`;
};

/** Whether there is something that time alone has ended, and that whoever comes next may write down. */
function isAnythingPast(seen: Observation, now: number): boolean {
  const { meta } = seen;
  const clock = clockOf(seen, now);
  const opens = meta.get('phase') === 'LOBBY' && now >= Number(meta.get('opensAt'));
  const ends = [...seen.admitted.values(), ...seen.awayUntil.values()].some((endsAt) => clock >= endsAt);
  const channels = [...new Set(`${seen.channels}${meta.get('reserved')}`)].filter((letter) => letter !== '.');
  const isOpened = channels.some((channel) => isOpenTo(seen, channel, '', now));
  return opens || ends || isOpened || [...seen.holds.keys()].some((hold) => isPast(seen, hold, now));
}

const refusals: ReadonlySet<string> = new Set([
  'NO_HOLD',
  'NOT_YOURS',
  'STALE_FENCE',
  'EXPIRED',
  'WRONG_STATE',
  'LOST',
  'GONE',
  'NOT_ISSUING',
  'NOT_SOLD',
  'NOTHING',
]);

/** Whoever is not the owner, or believes in an earlier claim, another order or another generation, is refused and moves nothing. */
export const strangersMoveNothing: Rule = ({ call, answer, before, after, published, now }) => {
  const { step, fence, order } = call;
  if (step.epoch === 'earlier') {
    if (answer.code !== 'WRONG_EPOCH') return `a caller of an earlier generation was answered ${answer.code}`;
    const changed = published.seats.length > 0 ? 'something' : changeOf(before, after);
    return changed && `a caller of an earlier generation changed ${changed}`;
  }
  if (!('hold' in step) || fieldOf(before, step.hold, 'owner') === '') return null;
  const has = (field: string, value: string) => fieldOf(before, step.hold, field) === value;
  const isRepeated = step.op === 'change' && fieldOf(before, step.hold, 'changes').includes(`${step.hold}-${step.key}`);
  const isStranger = 'person' in step && step.op !== 'claim' && !has('owner', step.person);
  const isStale = 'fence' in step && !isRepeated && !has('fence', fence);
  const isOther = order?.orderId.endsWith('other') === true;
  const isRefused = refusals.has(answer.code);
  const isKept = isStranger ? answer.code === 'NOT_YOURS' : isStale ? answer.code === 'STALE_FENCE' : isRefused;
  if ((isStranger || isStale || isOther) && !isKept) return `${step.op} of ${step.hold} was answered ${answer.code}`;
  const moved = ['seats', 'state', 'owner', 'fence'].find((field) => !has(field, fieldOf(after, step.hold, field)));
  if (!isRefused || moved === undefined || isPast(before, step.hold, now)) return null;
  return `a refused ${step.op} changed ${moved} of ${step.hold}`;
};

/** Of the places that are asked for by name exactly those are refused that are somebody's. */
export const claimsAreJudgedByDeadlines: Rule = ({ call: { step }, answer, before, now }) => {
  if ((step.op !== 'claim' && step.op !== 'change') || step.wish.kind !== 'seats' || answer.code !== 'TAKEN')
    return null;
  const taken = answer.indexes as readonly number[];
  for (const seat of step.wish.indexes) {
    const hold = before.seats.get(seat);
    const isOwn = step.op === 'change' && hold === step.hold;
    const isFree = hold === undefined || isPast(before, hold, now);
    const isObtainable = isOwn || (isFree && isOpenTo(before, before.channels[seat]!, step.letters, now));
    if (isObtainable === taken.includes(seat))
      return `seat ${seat} was judged wrongly: it ${isObtainable ? 'could' : 'could not'} be had`;
  }
  return null;
};

const actions: ReadonlySet<string> = new Set(['extend', 'release', 'checkout', 'change']);

export const nobodyActsAfterTheDeadline: Rule = ({ call: { step }, answer, before, now }) => {
  if (!('hold' in step) || !actions.has(step.op) || answer.code !== 'OK') return null;
  // A repeated call is told the present state, which is that it is over.
  const isActed = isPast(before, step.hold, now) && answer.state !== 'EXPIRED';
  return isActed ? `${step.op} of ${step.hold} after its deadline` : null;
};

const waysOut: Readonly<Record<string, readonly string[]>> = {
  HELD: ['CHECKOUT', 'RELEASED', 'EXPIRED'],
  CHECKOUT: ['ISSUING', 'RELEASED', 'EXPIRED'],
  ISSUING: ['SOLD', 'RELEASED'],
  SOLD: ['RETURNING'],
  RETURNING: ['RETURNED'],
  RELEASED: ['ISSUING'],
  EXPIRED: ['ISSUING'],
};

/** A hold gives its seats back on its one way out, and whoever had them is charged for them no longer. */
export const stockComesBackOnce: Rule = ({ before, after }) => {
  for (const hold of before.holds.keys()) {
    const [from, to] = [fieldOf(before, hold, 'state'), fieldOf(after, hold, 'state')];
    const isAllowed = from === to || from === '' || to === '' || waysOut[from]?.includes(to) === true;
    if (!isAllowed) return `${hold} went from ${from} to ${to}`;
  }
  const seats = new Map<string, number>();
  for (const hold of after.seats.values()) add(seats, fieldOf(after, hold, 'owner'), 1);
  for (const [person, count] of after.people) {
    if (count < 0) return `${person} is ${count}`;
    // Of a sale that is long over only its seats are known, not whose it was.
    if (person.includes('|') || seats.has('')) continue;
    if (count !== (seats.get(person) ?? 0))
      return `${person} has ${seats.get(person) ?? 0} seats and is charged ${count}`;
  }
  return null;
};
