import { limits } from '../../../src/limits.js';
import { isDoorOpen } from '../model/admission.js';
import { isAdmitted } from '../model/places.js';
import { liveHolds } from '../model/stock.js';
import type { ModelHold } from '../model/world.js';
import type { HoldStep, Operation, OperationName } from '../steps.js';
import { anyPerson, type Source } from './source.js';
import { drawWish } from './wishes.js';

/** Null: it is another kind of operation, or there is nothing to do it with. */
export function drawHoldStep(op: OperationName, source: Source): Operation | null {
  switch (op) {
    case 'claim':
      return drawClaim(source);
    case 'change':
      return drawChange(source);
    case 'extend':
    case 'release':
    case 'checkout':
      return drawAction(op, source);
    case 'read':
      return { op, hold: anyHold(source)?.name ?? unknownHold };
    default:
      return null;
  }
}

const unknownHold = 'h0';

/** One that is held most of the time, or one that is live; now and then any. */
function anyHold({ random, world }: Source): ModelHold | null {
  const live = liveHolds(world);
  const held = live.filter(({ state }) => state === 'HELD');
  const chosen = held.length > 0 && random.hits(0.75) ? held : live;
  if (chosen.length > 0 && random.hits(0.93)) return random.pick(chosen);
  const all = [...world.holds.values()];
  return all.length > 0 && random.hits(0.3) ? random.pick(all) : null;
}

function drawClaim(source: Source): Operation | null {
  const { random, world, names } = source;
  const inside = world.admittedPlaces().map(({ person }) => person);
  const person = inside.length > 0 && random.hits(0.8) ? random.pick(inside) : anyPerson(source);
  // Whoever could not be let in is refused often enough.
  const isOutside = world.room !== 'NEVER' && !isAdmitted(world, person) && !isDoorOpen(world);
  if ((isOutside || world.pausedAt !== null) && random.hits(0.8)) return null;
  const known = [...world.holds.keys()];
  const hold = known.length > 0 && random.hits(0.05) ? random.pick(known) : names.hold();
  const digest = random.hits(0.9) ? `digest-${hold}` : 'digest-other';
  const ttlMs = random.hits(0.2) ? random.pick([1, 1_000, 60_000]) : world.scenario.holdTtlMs;
  return { op: 'claim', hold, person, ...drawWish(random, world), entry: names.entry(), ttlMs, digest };
}

/** A hold and who asks: its owner with its fence, most of the time. */
function drawHold(source: Source): HoldStep | null {
  const { random } = source;
  const hold = anyHold(source);
  if (hold === null)
    return random.hits(0.1) ? { hold: unknownHold, person: anyPerson(source), fence: 'present' } : null;
  const person = random.hits(0.04) ? anyPerson(source) : hold.owner;
  return { hold: hold.name, person, fence: random.hits(0.04) ? 'earlier' : 'present' };
}

function drawChange(source: Source): Operation | null {
  const { random, world, names } = source;
  const step = drawHold(source);
  if (step === null) return null;
  const { wish, letters } = drawWish(random, world);
  const key = names.key(random);
  if (wish.kind !== 'seats' || random.hits(0.4)) return { op: 'change', ...step, wish, letters, key };
  // Some of the present seats and some others.
  const kept = (world.holds.get(step.hold)?.seats ?? []).filter(() => random.hits(0.6));
  const indexes = [...new Set([...kept, ...wish.indexes])].slice(0, limits.seatsPerHold);
  return { op: 'change', ...step, wish: { kind: 'seats', indexes }, letters, key };
}

function drawAction(op: 'extend' | 'release' | 'checkout', source: Source): Operation | null {
  const { random, names } = source;
  const step = drawHold(source);
  if (step === null) return null;
  if (op !== 'extend') return { op, ...step };
  const { holdExtensionMs } = limits;
  const extensionMs = random.pick([holdExtensionMs, holdExtensionMs, 1_000, 900_000]);
  return { op, ...step, key: names.key(random), extensionMs };
}
