import { limits } from '../../../src/limits.js';
import type { StepOf } from '../steps.js';
import type { Answer } from './answers.js';
import { endPlace, givePlace, goAway, isHere, nextNumber, note, settle, waitingCount } from './places.js';
import { collect, freeToEverybody, isAnythingLeft, liveHolds } from './stock.js';
import type { ModelPlace, World } from './world.js';

const oneToken = 1_000_000;

/** Admissions a second by the thousandth: the organizer's, or what the provider can serve if that is less. */
function rateMilli(world: Bucket): number {
  if (world.providerMilli === 0) return world.rateMilli;
  const checkoutShare = (world.checkouts + 20) / (world.decided + 20);
  return Math.min(world.rateMilli, Math.floor(world.providerMilli / checkoutShare));
}

/** Admissions saved up at most: those of a second. */
function burst(world: Bucket): number {
  if (world.providerMilli === 0) return world.burst;
  return Math.min(world.burst, Math.max(1, Math.ceil(rateMilli(world) / 1_000)));
}

type Bucket = Pick<
  World,
  'rateMilli' | 'burst' | 'tokens' | 'tokensAt' | 'clock' | 'providerMilli' | 'checkouts' | 'decided'
>;

/** Tokens by now, in millionths. */
export function tokens(world: Bucket): number {
  if (world.providerMilli < 0) return Math.min(0, world.tokens);
  return Math.min(burst(world) * oneToken, world.tokens + (world.clock - world.tokensAt) * rateMilli(world));
}

export function spendTokens(world: World, count: number, level = tokens(world)): void {
  world.tokens = level - count * oneToken;
  world.tokensAt = world.clock;
}

/** Whether somebody may come in without having joined. */
export function isDoorOpen(world: World): boolean {
  if (world.phase !== 'SOLD_OUT' && waitingCount(world) > 0) return false;
  return tokens(world) >= oneToken && world.admittedPlaces().length < world.cap;
}

export function admitPlace(world: World, place: ModelPlace, endsAt: number, kind: 'admit' | 'walk' | 'back'): void {
  note(world, kind, place);
  const admissionEndsAt = Math.max(endsAt, world.keptUntil.get(place.person) ?? 0);
  Object.assign(place, { state: 'A', since: world.now, admissionEndsAt, awayUntil: null, undecided: true });
  world.gone.add(place.number);
}

/** Lets a person in on the spot, from the line if they stand in it; null if the numbers have run out. */
export function comeIn(world: World, person: string, entry: string): ModelPlace | null {
  // An admission that is over is one more that has decided, and moves the rate; it was the old one that filled the bucket.
  const level = tokens(world);
  const known = world.placeOf(person);
  if (known !== null) settle(world, known);
  let place = known;
  if (place?.state !== 'W') {
    const number = nextNumber(world);
    if (number === null) return null;
    if (known !== null) world.places.delete(known.entry);
    place = givePlace(world, person, entry, number);
  }
  spendTokens(world, 1, level);
  admitPlace(world, place, world.clock + limits.admissionTtlMs, 'walk');
  world.marks.push('walked in');
  return place;
}

/** Of the admitted who hold nothing. */
export function shoppers(world: World): ModelPlace[] {
  const holders = new Set(liveHolds(world).map(({ owner }) => owner));
  return world.admittedPlaces().filter(({ person }) => !holders.has(person));
}

export function admit(world: World, { checkoutsPerSecond }: StepOf<'admit'>): Answer {
  collect(world);
  for (const place of [...world.places.values()]) settle(world, place);
  if (world.phase === 'OPEN' && !isAnythingLeft(world)) {
    world.phase = 'SOLD_OUT';
    world.marks.push('sold out');
  } else if (world.phase === 'SOLD_OUT' && isAnythingLeft(world)) {
    world.phase = 'OPEN';
    world.marks.push('open again after being sold out');
  }
  world.providerMilli = Math.round(checkoutsPerSecond * 1_000);
  const admitted = admitNext(world);
  return { code: 'OK', admitted, waiting: waitingCount(world), phase: world.shownPhase };
}

/** In the order of their numbers, as many as there are tokens, slots and seats for; whoever is not there is passed over. */
function admitNext(world: World): number {
  const free = freeToEverybody(world);
  if (world.phase !== 'OPEN' || free === 0 || world.pausedAt !== null || world.recovering) return 0;
  const slots = world.cap - world.admittedPlaces().length;
  const wanted = free * limits.shoppersPerSeat - shoppers(world).length;
  const room = Math.min(limits.admitBatch, Math.floor(tokens(world) / oneToken), slots, wanted);
  const line = world.waitingPlaces().filter(({ awayUntil }) => awayUntil === null);
  line.sort((a, b) => a.number - b.number);
  let admitted = 0;
  for (const place of line) {
    if (admitted >= room) break;
    if (isHere(world, place)) {
      admitPlace(world, place, world.clock + limits.admissionTtlMs, 'admit');
      admitted += 1;
    } else goAway(world, place);
  }
  spendTokens(world, admitted);
  return admitted;
}

/** Ends the admission of a buyer who holds nothing else. */
export function completePlace(world: World, person: string): void {
  const place = world.placeOf(person);
  if (place?.state === 'A' && world.holdsOf(person).length === 0) endPlace(world, place, 'C');
}
