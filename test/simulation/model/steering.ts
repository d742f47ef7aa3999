import { drawOrder } from '../../../src/domain/line.js';
import { limits } from '../../../src/limits.js';
import { burstOf } from '../../../src/redis/inventory.js';
import { startMs } from '../scenario.js';
import type { ShownPlace, StepOf } from '../steps.js';
import { admitPlace, spendTokens } from './admission.js';
import type { Answer } from './answers.js';
import { endPlace, givePlace, note, settle } from './places.js';
import type { World } from './world.js';

/** The entries of the lobby in their drawn order. */
export function drawnOrder(world: World): string[] {
  return drawOrder(`seed of ${world.scenario.run}`, [...world.lobby].sort());
}

/** How many were numbered before the chunk that a step applies. */
export function chunkStart(world: World, { entries, repeated }: StepOf<'draw'>): number {
  return repeated ? Math.max(0, world.drawn - entries) : world.drawn;
}

export function draw(world: World, step: StepOf<'draw'>): Answer {
  if (world.phase !== 'DRAWING') return { code: 'NOT_DRAWING' };
  const from = chunkStart(world, step);
  const order = drawnOrder(world);
  const { length: lobbySize } = order;
  if (from === world.drawn) {
    for (const entry of order.slice(from, from + step.entries)) {
      world.drawn += 1;
      const place = world.places.get(entry);
      // Whoever left the lobby before the draw keeps a number nobody waits for.
      if (place?.state !== 'W') world.gone.add(world.drawn);
      else {
        place.number = world.drawn;
        world.gone.delete(world.drawn);
        note(world, 'drawn', place);
      }
    }
  }
  const numbered = world.drawn;
  if (numbered >= lobbySize) {
    world.phase = 'OPEN';
    world.lobby = [];
    world.drawn = 0;
    world.marks.push('lobby drawn');
  }
  return { code: 'OK', numbered, lobbySize };
}

export function allowNumbers(world: World, { to }: StepOf<'numbers'>): Answer {
  world.numbersTo = Math.max(world.numbersTo, to);
  return { code: 'OK' };
}

export function restore(world: World, { process, places }: StepOf<'restore'>): Answer {
  const restored = places.map((place) => restoreOne(world, place, process));
  return { code: 'OK', restored };
}

function restoreOne(world: World, shown: ShownPlace, process: string | null): boolean {
  const { entry, person, number, state } = shown;
  const known = world.placeOf(person);
  if (known !== null) settle(world, known);
  if (known?.entry === entry) return known.state === 'W' || known.state === 'A';
  const isOfBefore = number <= world.scenario.oldNumbers && !world.givenBack.has(number);
  if (!world.recovering || !isOfBefore || world.places.has(entry) || known?.state === 'A') return false;
  if (number === 0 && world.phase !== 'LOBBY') return false;
  if (known?.state === 'W') {
    // Whoever has a place already keeps the one with the lower number.
    if (known.number <= number) return false;
    endPlace(world, known, 'L');
  }
  const place = givePlace(world, person, entry, number, startMs + shown.since);
  place.attached = process === null ? { until: world.clock + limits.pollPresenceMs } : { process };
  if (number > 0) world.givenBack.add(number);
  note(world, 'join', place);
  const endsAt = startMs + shown.endsAt;
  if (state === 'A' && endsAt > world.clock && world.admittedPlaces().length < world.cap) {
    admitPlace(world, place, endsAt, 'back');
    world.marks.push('admission given back');
    return true;
  }
  if (number === 0) world.lobby.push(entry);
  // Whoever was admitted before counted as gone for those behind, who were told so.
  else if (state === 'W') world.gone.delete(number);
  world.marks.push('place given back');
  return true;
}

export function settings(world: World, { admitPerSecond, cap, room, action }: StepOf<'settings'>): Answer {
  spendTokens(world, 0);
  world.rateMilli = Math.round(admitPerSecond * 1_000);
  world.burst = burstOf(admitPerSecond);
  world.cap = cap;
  world.room = room;
  if (action === 'close') world.phase = 'CLOSED';
  else if (action === 'pause') world.pausedAt ??= world.now;
  else if (action === 'resume' && world.pausedAt !== null) {
    world.pausedMs = world.shift;
    world.pausedAt = null;
  }
  return { code: 'OK', pausedAt: world.pausedAt, pausedMs: world.pausedMs };
}

export function allocate(world: World, { letter, seats, releaseAt }: StepOf<'allocate'>): Answer {
  for (const seat of seats) world.seats[seat]!.channel = letter;
  if (letter !== '.') world.hasChannels = true;
  if (letter < 'A' || letter > 'Z') return { code: 'OK' };
  if (seats.length > 0) world.reserved.add(letter);
  world.releases.set(letter, releaseAt === null ? null : startMs + releaseAt);
  return { code: 'OK' };
}
