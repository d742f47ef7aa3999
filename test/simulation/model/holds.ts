import { limits } from '../../../src/limits.js';
import type { Call } from '../calls.js';
import { orderIdOf } from '../calls.js';
import { priceListOf } from '../scenario.js';
import type { HoldStep, StepOf } from '../steps.js';
import { comeIn, isDoorOpen } from './admission.js';
import { type Answer, holdAnswer, isDue, newFence } from './answers.js';
import { isAdmitted, keepAdmission } from './places.js';
import { collect, endHold, hoardingMs, take } from './stock.js';
import { findSeats } from './wishes.js';
import type { ModelHold, World } from './world.js';

const quantityOf = ({ wish }: StepOf<'claim' | 'change'>) =>
  wish.kind === 'seats' ? wish.indexes.length : wish.quantity;

/** Only so many keys of a hold are remembered: a retry that is older than these is a new intention. */
const keysRemembered = 30;
const remember = (keys: readonly string[], key: string) => [...keys, key].slice(-keysRemembered);

export function claim(world: World, step: StepOf<'claim'>): Answer {
  const { now, clock } = world;
  const known = world.hold(step.hold);
  if (known !== null)
    return known.digest !== '' && known.digest !== step.digest ? { code: 'KEY_REUSED' } : holdAnswer(world, known);
  const refused = refuseByPhase(world) ?? refuseUnadmitted(world, step.person) ?? refuseByLimits(world, step);
  if (refused !== null) return refused;
  const seats = findSeats(world, step.wish, step.letters);
  if ('code' in seats) return seats;
  const isIn = world.room === 'NEVER' || isAdmitted(world, step.person);
  if (!isIn && comeIn(world, step.person, step.entry) === null) return { code: 'NUMBERS' };
  take(world, step.hold, seats);
  const freeAt = clock + step.ttlMs;
  const hold: ModelHold = {
    name: step.hold,
    owner: step.person,
    state: 'HELD',
    seats,
    fence: 0,
    createdAt: now,
    heldAt: clock,
    freeAt,
    extensionsEndAt: clock + world.scenario.holdMaxMs,
    payBy: null,
    orderId: null,
    digest: step.digest,
    prices: priceListOf(world.scenario),
    extendedBy: [],
    changedBy: [],
    over: false,
    forgotten: false,
  };
  world.holds.set(step.hold, hold);
  keepFor(world, step.person, freeAt);
  return holdAnswer(world, hold, newFence);
}

/** No admission of this person, present or to come, ends while the hold lives. */
function keepFor(world: World, person: string, until: number): void {
  keepAdmission(world, person, until);
  world.keptUntil.set(person, Math.max(world.keptUntil.get(person) ?? 0, until));
}

function refuseByPhase(world: World): Answer | null {
  const { now, phase, opensAt } = world;
  if (phase === 'CLOSED') return { code: 'SALE_CLOSED' };
  if (world.pausedAt !== null) return { code: 'PAUSED' };
  if (phase === 'LOBBY' && world.recovering && now >= opensAt) return recovering(world);
  return phase === 'LOBBY' || phase === 'DRAWING' ? { code: 'SALE_NOT_OPEN', opensAtMs: opensAt } : null;
}

const recovering = ({ now, recoveredAt }: World): Answer => ({ code: 'RECOVERING', retryAfterMs: recoveredAt - now });

function refuseUnadmitted(world: World, person: string): Answer | null {
  if (world.room === 'NEVER' || isAdmitted(world, person)) return null;
  if (world.recovering) return recovering(world);
  // Where nothing is left that those who wait could have, whoever comes may try.
  const isRoomForced = world.room === 'ALWAYS' && world.phase !== 'SOLD_OUT';
  return isRoomForced || !isDoorOpen(world) ? { code: 'NOT_ADMITTED' } : null;
}

/** Whoever searches finds everything collected; named places are judged one by one, unless their claimant is over a limit. */
function refuseByLimits(world: World, step: StepOf<'claim'>): Answer | null {
  const isOver = () => world.seatsOf(step.person) + quantityOf(step) > world.scenario.seatsPerPerson;
  if (step.wish.kind === 'seats' && !isOver() && hoardingMs(world, step.person) === null) return null;
  collect(world);
  if (isOver()) return { code: 'PERSON_LIMIT' };
  const retryAfterMs = hoardingMs(world, step.person);
  return retryAfterMs === null ? null : { code: 'HOARDING', retryAfterMs };
}

/** Judges an action on a hold: the hold, or the refusal. */
function ownHold(world: World, step: HoldStep, fence: string): ModelHold | Answer {
  const hold = world.hold(step.hold);
  if (hold === null) return { code: 'NO_HOLD' };
  if (hold.owner !== step.person) return { code: 'NOT_YOURS' };
  return fence === `${hold.fence}` ? hold : { code: 'STALE_FENCE' };
}

/** Why a hold cannot be acted on by its owner any more; null: it is held. */
function refuseState(world: World, hold: ModelHold): Answer | null {
  if (hold.state === 'EXPIRED' || isDue(world, hold)) return { code: 'EXPIRED' };
  return hold.state === 'HELD' ? null : { code: 'WRONG_STATE', state: hold.state };
}

export function change(world: World, step: StepOf<'change'>, { fence }: Call): Answer {
  const key = `key-${step.hold}-${step.key}`;
  const isRepeated = world.hold(step.hold)?.changedBy.includes(key) === true;
  const hold = ownHold(world, step, isRepeated ? `${world.hold(step.hold)!.fence}` : fence);
  if ('code' in hold) return hold;
  if (isRepeated) return holdAnswer(world, hold);
  const refused = refuseState(world, hold) ?? refuseChange(world, step, hold);
  if (refused !== null) return refused;
  const seats = findSeats(world, step.wish, step.letters, hold.seats);
  if ('code' in seats) return seats;
  hold.changedBy = remember(hold.changedBy, key);
  const kept = seats.filter((seat) => hold.seats.includes(seat));
  if (kept.length === seats.length && kept.length === hold.seats.length) return holdAnswer(world, hold);
  for (const seat of hold.seats) world.seats[seat]!.hold = null;
  take(world, hold.name, seats);
  hold.seats = seats;
  return holdAnswer(world, hold, newFence);
}

function refuseChange(world: World, step: StepOf<'change'>, hold: ModelHold): Answer | null {
  if (world.phase === 'CLOSED') return { code: 'SALE_CLOSED' };
  if (world.pausedAt !== null) return { code: 'PAUSED' };
  if (world.room !== 'NEVER' && !isAdmitted(world, step.person)) return { code: 'NOT_ADMITTED' };
  const isOver = () =>
    world.seatsOf(step.person) - hold.seats.length + quantityOf(step) > world.scenario.seatsPerPerson;
  if (step.wish.kind === 'seats' && !isOver()) return null;
  collect(world);
  return isOver() ? { code: 'PERSON_LIMIT' } : null;
}

export function extend(world: World, step: StepOf<'extend'>, { fence }: Call): Answer {
  const hold = ownHold(world, step, fence);
  if ('code' in hold) return hold;
  const refused = refuseState(world, hold);
  if (refused !== null) return refused;
  const key = `key-${step.hold}-${step.key}`;
  if (hold.extendedBy.includes(key)) return holdAnswer(world, hold);
  const latest = hold.extensionsEndAt!;
  if (hold.freeAt >= latest) return { code: 'LIMIT', extensionsEndAtMs: latest + world.shift };
  hold.extendedBy = remember(hold.extendedBy, key);
  hold.freeAt = Math.max(hold.freeAt, Math.min(world.clock + step.extensionMs, latest));
  keepFor(world, step.person, hold.freeAt);
  return holdAnswer(world, hold);
}

export function release(world: World, step: StepOf<'release'>, { fence }: Call): Answer {
  const hold = ownHold(world, step, fence);
  if ('code' in hold) return hold;
  const refused = hold.state === 'RELEASED' ? null : refuseState(world, hold);
  if (refused !== null) return refused;
  if (hold.state !== 'RELEASED') endHold(world, hold, 'RELEASED', world.clock);
  return holdAnswer(world, hold);
}

export function checkout(world: World, step: StepOf<'checkout'>, { fence }: Call): Answer {
  const { now, clock } = world;
  const hold = ownHold(world, step, fence);
  if ('code' in hold) return hold;
  const orderId = orderIdOf(step.hold);
  const isRepeated = hold.orderId === orderId && hold.state !== 'RELEASED' && hold.state !== 'EXPIRED';
  if (isRepeated && !isDue(world, hold)) return holdAnswer(world, hold);
  const refused = refuseState(world, hold);
  if (refused !== null) return refused;
  if (world.phase === 'CLOSED') return { code: 'SALE_CLOSED' };
  if (world.room !== 'NEVER' && !isAdmitted(world, step.person)) return { code: 'NOT_ADMITTED' };
  hold.state = 'CHECKOUT';
  hold.orderId = orderId;
  hold.payBy = now + limits.checkoutTtlMs;
  hold.freeAt = now + limits.orphanCheckoutMs;
  const { owner: person, seats, prices, payBy } = hold;
  world.orders.set(step.hold, { orderId, hold: step.hold, person, seats, prices, payBy });
  const place = isAdmitted(world, person) ? world.placeOf(person)! : null;
  if (place?.undecided) {
    place.undecided = false;
    world.decided += 1;
    world.checkouts += 1;
  }
  // A checkout keeps its slot for a bounded time; another live hold may keep it longer.
  const slotEnds = clock + limits.checkoutSlotMs;
  if (world.holdsOf(person).length > 1) keepAdmission(world, person, slotEnds);
  else if (place !== null) place.admissionEndsAt = slotEnds;
  return holdAnswer(world, hold);
}

export function read(world: World, { hold: name }: StepOf<'read'>): Answer {
  const hold = world.hold(name);
  return hold === null ? { code: 'NO_HOLD' } : holdAnswer(world, hold);
}
