import { fitCode } from '../../src/domain/best-available.js';
import { shoppers, tokens } from './model/admission.js';
import { countSeats, liveHolds } from './model/stock.js';
import type { ModelHold, ModelPlace, World } from './model/world.js';
import type { Observation } from './observe.js';

/** A part of the state of an event in words that the model and Redis can both be put into: one text per detail. */
type Portrait = Readonly<Record<string, string>>;

function sorted(lines: Iterable<string>): string {
  const list = [...lines];
  return list.length > 1 ? list.sort().join('\n') : (list[0] ?? '');
}

/** Whatever is counted as nothing need not be written down. */
function entries(pairs: Iterable<readonly [string | number, string | number]>): string {
  const lines: string[] = [];
  for (const [name, value] of pairs) if (value !== 0) lines.push(`${name} ${value}`);
  return sorted(lines);
}

/** What the model says. `holds`: those that are portrayed besides the ones that have seats. */
export function portrayModel(world: World, holds: ReadonlySet<string>, tables: readonly string[]): Portrait[] {
  return [portrayHall(world, holds, tables), portrayLine(world), portrayMoving(world)];
}

function portrayHall(world: World, holds: ReadonlySet<string>, tables: readonly string[]): Portrait {
  const owners: [number, string][] = [];
  for (const [seat, { hold }] of world.seats.entries()) if (hold !== null) owners.push([seat, hold]);
  const names = new Set([...holds, ...owners.map(([, hold]) => hold)]);
  const shown = [...names].map((name) => world.hold(name)).filter((hold) => hold !== null);
  return {
    status: world.status(),
    channels: world.seats.map(({ channel }) => channel).join(''),
    counts: entries(countSeats(world)),
    owners: entries(owners),
    holds: sorted(shown.map(holdLine)),
    deadlines: entries(shown.filter(({ state }) => state === 'HELD').map(({ name, freeAt }) => [name, freeAt])),
    payments: entries(shown.filter(({ state }) => state === 'CHECKOUT').map(({ name, freeAt }) => [name, freeAt])),
    people: portrayPeople(world),
    fits: sorted(tables.map((table) => `${table} ${tableOf(world, table)}`)),
  };
}

function portrayLine(world: World): Portrait {
  const places = [...world.places.values()];
  const waiting = world.waitingPlaces();
  const away = waiting.filter(({ awayUntil }) => awayUntil !== null);
  const present = waiting.filter(({ awayUntil }) => awayUntil === null);
  const admitted = world.admittedPlaces();
  return {
    sale: `${world.phase} ${world.pausedAt ?? ''} ${world.pausedMs} ${world.room}`,
    persons: entries(world.entryOf),
    places: sorted(places.map(placeLine)),
    lobby: sorted(world.lobby),
    present: entries(present.map(({ entry, number }) => [entry, number])),
    away: entries(away.map(({ entry, number }) => [entry, number])),
    awayUntil: entries(away.map(({ entry, awayUntil }) => [entry, awayUntil!])),
    attached: entries(places.flatMap(attachedLine)),
    admitted: entries(admitted.map(({ entry, admissionEndsAt }) => [entry, admissionEndsAt!])),
    undecided: sorted(places.filter(({ undecided }) => undecided).map(({ entry }) => entry)),
    gone: [...world.gone].sort((a, b) => a - b).join(' '),
  };
}

/** What means something else as time goes by. */
function portrayMoving(world: World): Portrait {
  return {
    minutes: entries([...world.minutes].filter(([field]) => isRecent(field, world.now))),
    line: [world.lastNumber, world.numbersTo, world.cap, tokens(world), world.decided, world.checkouts].join(' '),
    shopping: sorted(liveShoppers(world)),
  };
}

/** Of an admission that is over it does not matter. */
function liveShoppers(world: World): string[] {
  const { clock } = world;
  return shoppers(world)
    .filter(({ admissionEndsAt }) => admissionEndsAt! > clock)
    .map(({ entry }) => entry);
}

const stored = new WeakMap<Observation['state'], Portrait>();

/** What Redis has. */
export function portrayRedis(seen: Observation, world: World): Portrait[] {
  let line = stored.get(seen.state);
  if (line === undefined) {
    line = portrayStoredLine(seen);
    stored.set(seen.state, line);
  }
  return [portrayStoredHall(seen, world), line, portrayStoredMoving(seen, world)];
}

function portrayStoredMoving(seen: Observation, world: World): Portrait {
  const { line, admitted } = seen;
  const { clock, now } = world;
  const [next, numbersTo, cap, decided, checkouts] = ['next', 'numbersTo', 'cap', 'decided', 'checkouts'].map((field) =>
    line.get(field),
  );
  return {
    minutes: entries([...seen.minutes].filter(([field]) => isRecent(field, now))),
    line: [next, numbersTo, cap, tokensOf(seen, world), decided, checkouts].join(' '),
    shopping: sorted(seen.shopping.filter((entry) => (admitted.get(entry) ?? 0) > clock)),
  };
}

function portrayStoredHall(seen: Observation, world: World): Portrait {
  const holds = [...seen.holds].filter(([, fields]) => fields.size > 0);
  return {
    status: seen.status,
    channels: seen.channels,
    counts: entries(seen.counts),
    owners: entries(seen.seats),
    holds: sorted(holds.map(([name, fields]) => storedHold(name, fields))),
    deadlines: entries(seen.deadlines),
    payments: entries(seen.payments),
    people: entries(seen.people),
    fits: sorted([...seen.fits].map(([table, codes]) => `${table} ${readCodes(codes, world, table)}`)),
  };
}

function portrayStoredLine(seen: Observation): Portrait {
  return {
    sale: ['phase', 'pausedAt', 'pausedMs', 'waitingRoom'].map((field) => seen.meta.get(field)).join(' '),
    persons: entries(seen.persons),
    places: sorted([...seen.places].map(([entry, place]) => placeLine({ entry, ...place }))),
    lobby: sorted(seen.lobby),
    present: entries(seen.present),
    away: entries(seen.away),
    awayUntil: entries(seen.awayUntil),
    attached: entries(seen.attached),
    admitted: entries(seen.admitted),
    undecided: sorted(seen.undecided),
    gone: seen.gone.join(' '),
  };
}

function holdLine(hold: ModelHold): string {
  const { name, owner, state, fence, seats, freeAt, payBy, orderId, heldAt, digest, prices } = hold;
  const isBought = state === 'SOLD' || state === 'RETURNING' || state === 'RETURNED';
  const times = isBought ? '' : `${freeAt} ${hold.extensionsEndAt ?? ''} ${payBy ?? ''} ${heldAt}`;
  return `${name} ${owner} ${state} ${fence} ${seats} ${orderId ?? ''} ${digest} ${prices} ${times}`;
}

function storedHold(name: string, fields: ReadonlyMap<string, string>): string {
  const number = (field: string) => Number(fields.get(field) ?? 0);
  const optional = (field: string) => (fields.has(field) ? number(field) : null);
  const text = (field: string) => fields.get(field) ?? '';
  return holdLine({
    name,
    owner: text('owner'),
    state: text('state') as ModelHold['state'],
    fence: number('fence'),
    seats: text('seats').split(',').map(Number),
    freeAt: number('freeAt'),
    extensionsEndAt: optional('extensionsEndAt'),
    payBy: optional('payBy'),
    orderId: fields.get('orderId') ?? null,
    heldAt: number('heldAt'),
    digest: text('digest'),
    prices: text('prices'),
    createdAt: 0,
    extendedBy: [],
    changedBy: [],
    over: false,
    forgotten: false,
  });
}

/** As the scripts keep them, made anew from the holds of each. */
function portrayPeople(world: World): string {
  const fields = new Map<string, number>();
  const count = (field: string, by: number) => fields.set(field, (fields.get(field) ?? 0) + by);
  for (const seat of world.seats.keys()) {
    const owner = world.ownerOf(seat);
    if (owner !== null) count(owner.owner, 1);
  }
  for (const { owner, seats, heldAt } of liveHolds(world)) {
    count(`${owner}|holds`, 1);
    count(`${owner}|held`, seats.length);
    count(`${owner}|since`, seats.length * heldAt);
  }
  for (const [person, until] of world.keptUntil) fields.set(`${person}|until`, until);
  for (const [person, { amount, at }] of world.spent) {
    fields.set(`${person}|spent`, amount);
    fields.set(`${person}|spentAt`, at);
  }
  return entries(fields);
}

function placeLine({
  entry,
  number,
  person,
  state,
  since,
}: Pick<ModelPlace, 'entry' | 'number' | 'person' | 'since'> & { readonly state: string }): string {
  return `${entry} ${number} ${person} ${state} ${since}`;
}

function attachedLine({ entry, attached }: ModelPlace): [string, string][] {
  if (attached === null) return [];
  return [[entry, 'process' in attached ? attached.process : `@${attached.until}`]];
}

/** Minutes are told for an hour; older ones are forgotten at some time. */
function isRecent(field: string, now: number): boolean {
  return Number(field.split(':')[0]) > Math.floor(now / 60_000) - 60;
}

/** Tokens by now: the script writes them down only when somebody is admitted. */
function tokensOf({ line }: Observation, { clock }: World): number {
  const number = (field: string) => Number(line.get(field));
  return tokens({
    clock,
    tokens: number('tokens'),
    tokensAt: number('tokensAt'),
    rateMilli: number('rateMilli'),
    burst: number('burst'),
    providerMilli: number('providerMilli'),
    decided: number('decided'),
    checkouts: number('checkouts'),
  });
}

/** Letters of which there may be tables, and everything they are kept for. */
export function tableNames({ runs }: World): string[] {
  const scopes = new Set(runs.flatMap(({ category, section }) => [`${category}`, `${category}:${section}`]));
  return [...'.ABC'].flatMap((letter) => [...scopes].map((scope) => `${letter}:${scope}`));
}

function runsOf({ runs }: World, table: string) {
  const [letter, category, section] = table.split(':');
  const own = runs.filter((run) => `${run.category}` === category && (!section || `${run.section}` === section));
  return { letter: letter!, own };
}

function tableOf(world: World, table: string): string {
  const { letter, own } = runsOf(world, table);
  const status = world.status();
  return own.map(({ start, length }) => fitCode(status.slice(start, start + length), letter)).join('');
}

/** Where no seat has ever been of this letter, nothing need be written down. */
function readCodes(codes: string, world: World, table: string): string {
  const { own } = runsOf(world, table);
  return codes.replaceAll('\0', '#').padEnd(own.length, '#');
}

export interface Difference {
  readonly part: string;
  readonly lines: readonly string[];
}

/** What differs, as lines for people; null if nothing does. */
export function difference(expected: readonly Portrait[], seen: readonly Portrait[]): Difference | null {
  for (const [i, portrait] of expected.entries()) {
    const other = seen[i]!;
    for (const part in portrait)
      if (portrait[part] !== other[part]) return { part, lines: compareLines(portrait[part]!, other[part]!) };
  }
  return null;
}

export function compareLines(expected: string, seen: string): string[] {
  const [wanted, found] = [expected.split('\n'), seen.split('\n')];
  const missing = wanted.filter((line) => !found.includes(line)).map((line) => `expected  ${line}`);
  const surplus = found.filter((line) => !wanted.includes(line)).map((line) => `in Redis  ${line}`);
  return [...missing, ...surplus];
}

/** What has been written into the audit stream by one step; endings that come together may come in any order. */
export function compareTrail(world: World, seen: Observation): Difference | null {
  const expected = sorted(world.trail);
  const found = sorted(seen.trail.map(({ kind, entry, number }) => `${kind} ${entry} ${number}`));
  return expected === found ? null : { part: 'audit', lines: compareLines(expected, found) };
}
