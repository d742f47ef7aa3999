import { randomUUID } from 'node:crypto';
import { limits } from '../../src/limits.js';
import { hashPassword } from '../../src/services/accounts.js';
import type { TestApp } from './app.js';
import { ApiClient, type Data } from './client.js';
import { createHall, holdSeats, newKey, orderStream, plainPlan, startCheckout, type TestHall } from './events.js';
import { eventually } from './eventually.js';
import { keysOf } from './keys.js';
import { pay } from './orders.js';

export type World = Awaited<ReturnType<typeof arrange>>;

/** Everything the cases of refusals are about. It stands still while they run: nothing is due and nobody is being served. */
export async function arrange(app: TestApp) {
  const [owner, other] = await Promise.all([app.guest(), app.guest()]);
  const hall = (options: object = {}) => createHall(app.organizer, options);
  const hold = async ({ eventId, rows }: TestHall, seat = 0, key = newKey()): Promise<Data> => {
    const answer = await holdSeats(owner, eventId, { seatIds: [rows[0]![seat]!] }, key);
    return answer.hold;
  };
  const open = await hall({ event: { maxSeatsPerPerson: 11 } });
  const heldKey = newKey();
  const held = await hold(open, 0, heldKey);
  const inCheckout = await hold(open, 1);
  const checkoutKey = newKey();
  const { order } = await startCheckout(owner, inCheckout, checkoutKey);
  const paid = await hold(open, 2);
  const { order: toPay } = await startCheckout(owner, paid);
  await pay(app, owner.subscribe(orderStream, { orderId: toPay.id }));
  const first = owner.subscribe(orderStream, { orderId: order.id });
  await first.until(({ state }) => state === 'AWAITING_PAYMENT');
  first.stop();
  const released = await hold(open, 3);
  const releaseInput = { holdId: released.id, fence: released.fence, idempotencyKey: newKey() };
  await owner.mutate('releaseHold', releaseInput, 'hold { state }');
  const { entry } = await owner.mutate('joinQueue', { eventId: open.eventId }, 'entry { id }');

  const closed = await hall();
  const heldInClosed = await hold(closed);
  await app.organizer.mutate('closeSale', { eventId: closed.eventId }, 'event { id }');
  const waiting = await hall({ event: { waitingRoom: 'NEVER' } });
  const heldInWaiting = await hold(waiting);
  await app.organizer.mutate('updateAdmission', { eventId: waiting.eventId, waitingRoom: 'ALWAYS' }, 'event { id }');
  const unopened = await hall({ event: { saleOpensAt: '2100-01-01T00:00:00Z' } });
  const small = await hall({ rows: 1, seatsPerRow: 3, standing: 1 });
  await hold(small, 1);
  await holdSeats(owner, small.eventId, { standing: { categoryId: small.categoryId('Standing'), quantity: 1 } });
  const long = await hall({ event: { holdTtlSeconds: limits.holdMaxMs / 1_000 } });
  const heldLong = await hold(long);

  const { redis } = app.server.services.platform;
  const timed = await hall();
  const expired = await hold(timed);
  await redis.hset(keysOf(timed.eventId).meta, 'lastNow', Date.now() + limits.holdTtlMs + 60_000);
  const rebuilt = await hall();
  const lost = await hold(rebuilt);
  await redis.del(keysOf(rebuilt.eventId).meta);
  await app.server.services.inventory.rebuild(rebuilt.eventId);
  await redis.hset(keysOf(rebuilt.eventId).meta, 'recoverUntil', 0);

  const { venue } = await app.organizer.mutate('importVenue', { plan: JSON.stringify(plainPlan()) }, 'venue { id }');
  const draftInput = {
    venueId: venue.id,
    name: 'Draft',
    startsAt: '2030-01-01T19:00:00Z',
    currency: 'EUR',
    prices: [{ category: 'Stalls', priceMinor: 1000 }],
  };
  const { event: draft } = await app.organizer.mutate('createEvent', draftInput, 'event { id }');
  // Whoever looks first after the opening turns the phase: that is no change made by a refused request.
  for (const { eventId } of [open, closed, waiting, small, long, timed, rebuilt]) {
    await holdSeats(other, eventId, { seatIds: ['1-1'] });
  }
  // The workers have written down which sales are open.
  await eventually(async () => {
    const unseen = await app.sql(
      `SELECT FROM inventory i JOIN event e ON e.id = i.event_id WHERE i.opened_at IS NULL AND e.state = 'PUBLISHED' AND e.sale_opens_at <= now()`,
    );
    expect(unseen).toEqual([]);
  });
  await eventually(async () => {
    expect(await app.sql(`SELECT FROM orders WHERE state = 'COMPLETED' AND receipt_at IS NULL`)).toEqual([]);
  });
  return {
    owner, other, rival: await signInRival(app), open, heldKey, held, inCheckout, checkoutKey, order, completed: toPay, released,
    entry, closed, heldInClosed, waiting, heldInWaiting, unopened, small, heldLong, timed, expired, lost, draftInput, draft, releaseInput,
  }; // biome-ignore format: one list of names
}

/** An organizer who owns nothing of the above. */
export async function signInRival(app: TestApp): Promise<ApiClient> {
  const organizerId = randomUUID();
  await app.sql(`INSERT INTO organizer (id, name) VALUES ($1, 'Rival')`, [organizerId]);
  await app.sql(
    `INSERT INTO account (id, email, password_hash, role, organizer_id) VALUES ($1, 'rival@example.com', $2, 'ORGANIZER', $3)`,
    [randomUUID(), await hashPassword('a good password'), organizerId],
  );
  const input = { email: 'rival@example.com', password: 'a good password' };
  const { session } = await app.anonymous.mutate('signIn', input, 'session { token }');
  return new ApiClient(app.url, session.token);
}
