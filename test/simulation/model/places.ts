import { limits } from '../../../src/limits.js';
import type { PlaceState } from '../../../src/redis/line.js';
import type { ModelPlace, World } from './world.js';

/** Time alone opens a sale; whoever comes first after the opening finds it open. */
export function open(world: World): void {
  if (world.phase !== 'LOBBY' || world.now < world.opensAt || world.pausedAt !== null || world.recovering) return;
  world.phase = world.lobby.length > 0 ? 'DRAWING' : 'OPEN';
  world.lastNumber = Math.max(world.lastNumber, world.lobby.length);
}

/** Those of a draw who have no number yet count as waiting, as the frozen list says. */
export function waitingCount(world: World): number {
  return world.waitingPlaces().length + world.lobby.length - world.drawn;
}

export function isAdmitted(world: World, person: string): boolean {
  const place = world.placeOf(person);
  return place?.state === 'A' && world.clock < place.admissionEndsAt!;
}

/** An admission does not end before this. */
export function keepAdmission(world: World, person: string, until: number): void {
  if (!isAdmitted(world, person)) return;
  const place = world.placeOf(person)!;
  place.admissionEndsAt = Math.max(place.admissionEndsAt!, until);
}

export function endPlace(world: World, place: ModelPlace, state: PlaceState): void {
  if (world.phase === 'LOBBY') world.lobby = world.lobby.filter((entry) => entry !== place.entry);
  if (place.undecided) world.decided += 1;
  Object.assign(place, {
    state,
    since: world.now,
    admissionEndsAt: null,
    awayUntil: null,
    attached: null,
    undecided: false,
  });
  if (place.number > 0) world.gone.add(place.number);
  note(world, state, place);
}

export function note(world: World, kind: string, { entry, number }: ModelPlace): void {
  world.trail.push(`${kind} ${entry} ${number}`);
}

/** An absence or an admission whose time is over has ended, whoever has come by. */
export function settle(world: World, place: ModelPlace): void {
  if (place.state === 'W' && place.awayUntil !== null && world.clock >= place.awayUntil) endPlace(world, place, 'E');
  if (place.state === 'A' && world.clock >= place.admissionEndsAt!) endPlace(world, place, 'X');
}

export function isHere(world: World, { attached }: ModelPlace): boolean {
  if (attached === null) return false;
  if ('until' in attached) return attached.until > world.clock;
  const beat = world.beats.get(attached.process);
  return beat !== undefined && world.now - beat <= limits.processLeaseMs;
}

export function goAway(world: World, place: ModelPlace): void {
  place.awayUntil = world.clock + limits.absenceMs;
  note(world, 'away', place);
}

export function comeBack(world: World, place: ModelPlace, attached: NonNullable<ModelPlace['attached']>): void {
  place.attached = attached;
  if (place.awayUntil === null) return;
  place.awayUntil = null;
  note(world, 'present', place);
  world.marks.push('back from absence');
}

/** A poll is presence for a while; a living process that serves the person knows better. */
export function countPoll(world: World, place: ModelPlace): void {
  const isServed = place.attached !== null && 'process' in place.attached && isHere(world, place);
  if (!isServed) comeBack(world, place, { until: world.clock + limits.pollPresenceMs });
}

export function givePlace(world: World, person: string, entry: string, number: number, since = world.now): ModelPlace {
  const times = { since, admissionEndsAt: null, awayUntil: null, attached: null };
  const place: ModelPlace = { entry, person, number, state: 'W', ...times, undecided: false };
  world.places.set(entry, place);
  world.entryOf.set(person, entry);
  return place;
}

/** The next number, as far as the ledger has allowed them; null: more are needed. */
export function nextNumber(world: World): number | null {
  if (world.lastNumber >= world.numbersTo) return null;
  world.lastNumber += 1;
  return world.lastNumber;
}
