import { limits } from '../../../src/limits.js';
import type { Call } from '../calls.js';
import { priceMinor } from '../scenario.js';
import { completePlace } from './admission.js';
import { type Answer, newFence } from './answers.js';
import { endHold, forgetDeadline, isClaimable, take } from './stock.js';
import type { ModelHold, ModelOrder, World } from './world.js';

/** Every channel's places: an order keeps what it has been sold. */
const everyLetter = '.ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** The hold as long as it is this order's. */
function holdOf(world: World, { hold: name, orderId }: ModelOrder): ModelHold | null {
  const hold = world.hold(name);
  return hold?.orderId === orderId ? hold : null;
}

export function confirm(world: World, { order }: Call): Answer {
  const hold = holdOf(world, order!);
  if (hold?.state === 'ISSUING' || hold?.state === 'SOLD') return { code: 'OK' };
  if (hold?.state !== 'CHECKOUT') return { code: 'LOST' };
  hold.payBy = order!.payBy;
  hold.freeAt = order!.payBy + limits.settleGraceMs;
  return { code: 'OK' };
}

/** The order's own seats, or the same seats again if they are free. */
export function issue(world: World, { order }: Call): Answer {
  const { hold: name, person: owner, seats, prices, orderId } = order!;
  const hold = holdOf(world, order!);
  if (hold?.state === 'ISSUING' || hold?.state === 'SOLD') return { code: 'OK', fence: hold.fence };
  if (hold?.state === 'CHECKOUT') {
    hold.state = 'ISSUING';
    return { code: 'OK', fence: hold.fence };
  }
  // An order that has given its seats back does not get them again.
  if (hold?.over || !seats.every((seat) => isClaimable(world, seat, everyLetter))) return { code: 'GONE' };
  take(world, name, seats);
  const { now, clock } = world;
  const again = { state: 'ISSUING' as const, owner, seats, prices, orderId, fence: 0, createdAt: now, heldAt: clock };
  const known = world.hold(name);
  const fresh = { extensionsEndAt: null, payBy: null, digest: '', extendedBy: [], changedBy: [], over: false };
  const before = { ...fresh, ...known };
  world.holds.set(name, { ...before, ...again, name, freeAt: now, forgotten: false });
  world.marks.push('seated again');
  return { code: 'OK', fence: newFence };
}

export function sell(world: World, { order }: Call): Answer {
  const hold = holdOf(world, order!);
  if (hold?.state === 'SOLD') return { code: 'OK' };
  if (hold?.state !== 'ISSUING') return { code: 'NOT_ISSUING' };
  hold.state = 'SOLD';
  forgetDeadline(world, hold.owner);
  world.spent.delete(hold.owner);
  let total = 0;
  for (const [category, minor] of revenueOf(world, hold.seats)) {
    world.revenue.set(category, (world.revenue.get(category) ?? 0) + minor);
    total += minor;
  }
  const minute = Math.floor(world.now / 60_000);
  for (const [field, by] of [
    ['sold', hold.seats.length],
    ['revenue', total],
  ] as const)
    world.minutes.set(`${minute}:${field}`, (world.minutes.get(`${minute}:${field}`) ?? 0) + by);
  completePlace(world, hold.owner);
  return { code: 'OK' };
}

/** Minor units by category. */
export function revenueOf(world: World, seats: readonly number[]): Map<number, number> {
  const revenue = new Map<number, number>();
  for (const seat of seats) {
    const { category } = world.seats[seat]!;
    revenue.set(category, (revenue.get(category) ?? 0) + priceMinor(category));
  }
  return revenue;
}

export function giveBack(world: World, { order }: Call): Answer {
  const { hold: name, person: owner, seats, orderId, prices } = order!;
  const hold = world.holds.get(name);
  const isItsOwn = seats.every((seat) => world.seats[seat]!.hold === name);
  if (hold === undefined || !isItsOwn || (hold.state !== 'SOLD' && hold.state !== 'RETURNING'))
    return { code: 'NOT_SOLD' };
  if (hold.state === 'RETURNING') return { code: 'OK' };
  for (const [category, minor] of revenueOf(world, seats))
    world.revenue.set(category, world.revenue.get(category)! - minor);
  if (hold.forgotten) Object.assign(hold, { fence: 0, digest: '', createdAt: world.now, payBy: null, over: false });
  Object.assign(hold, { state: 'RETURNING', owner, orderId, prices, freeAt: world.now, forgotten: false });
  return { code: 'OK' };
}

export function free(world: World, { order }: Call): Answer {
  const hold = holdOf(world, order!);
  if (hold !== null) hold.over = true;
  if (hold?.state === 'CHECKOUT' || hold?.state === 'ISSUING') {
    endHold(world, hold, 'RELEASED', world.clock);
    return { code: 'OK' };
  }
  if (hold?.state !== 'RETURNING') return { code: 'NOTHING' };
  hold.state = 'RETURNED';
  for (const seat of world.seats) if (seat.hold === hold.name) seat.hold = null;
  return { code: 'OK' };
}

/** Time removes the tombstone; what was sold stays sold. An order that has ended is never heard of again. */
export function forget(world: World, name: string): Answer {
  const hold = world.holds.get(name)!;
  hold.forgotten = true;
  if (hold.state !== 'SOLD') {
    world.holds.delete(name);
    world.orders.delete(name);
  }
  return { code: 'OK' };
}
