import type { LeasedStep } from '../../src/services/order-steps.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Books, booksOfApp, expectBooksBalance, readSeats } from '../support/books.js';
import { createHall, newKey, orderSelection, type TestHall } from '../support/events.js';
import { keysOf } from '../support/keys.js';
import { type HeldLock, holdLock, inventoryLock } from '../support/locks.js';
import { calm, checkOut, ended, pastFreeAtMs, readOrder, stall } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const booksOf = ({ eventId }: TestHall): Books => booksOfApp(app, eventId);

/** The open step of an order as the worker that has leased it knows it. */
async function leaseOf(orderId: string): Promise<LeasedStep> {
  const [row] = await app.sql<LeasedStep>(
    `SELECT o.id AS "orderId", s.step, s.attempt, s.tries, s.lease, o.event_id AS "eventId", o.person_id AS "personId", o.hold_id AS "holdId",
            o.generation, o.fence::int, o.state, o.payment, o.currency, o.total_minor AS "totalMinor", o.prices, o.intent_id AS "intentId",
            o.pay_by AS "payBy", o.free_at AS "freeAt", o.created_at AS "createdAt", now() AS "firstCallAt", 'CANCELED' AS "endReason",
            NULL AS hint, 0 AS nudges, '[{"seat": 0, "category": 0, "minor": 1100}]'::json AS lines
     FROM orders o JOIN order_step s ON s.order_id = o.id WHERE o.id = $1 AND s.finished_at IS NULL`,
    [orderId],
  );
  return row!;
}

describe('A rebuild of the inventory', () => {
  /** Begins one that will go on as soon as `release` lets it, before anything else that waits for the inventory. */
  async function rebuildSoon({ eventId }: TestHall): Promise<{ blocked: HeldLock['blocked']; end(): Promise<void> }> {
    const { inventory, platform } = app.server.services;
    const held = await holdLock(app.stores.databaseUrl, inventoryLock, [`inventory:${eventId}`]);
    await platform.redis.hset(keysOf(eventId).meta, 'runId', 'another server');
    const rebuilt = inventory.rebuild(eventId);
    await held.blocked(1);
    return {
      blocked: held.blocked,
      end: async () => {
        await held.release();
        await rebuilt;
      },
    };
  }

  test('between issuing seats in Redis and in the ledger loses neither seats nor money', async () => {
    const hall = await createHall(app.organizer);
    const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
    const rebuild = await rebuildSoon(hall);
    await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
    await rebuild.blocked(2);
    await rebuild.end();
    await ended(checkout.stream, 'COMPLETED');
    expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, s: 1 });
    await expectBooksBalance(booksOf(hall));
  });

  test('between giving seats back in Redis and in the ledger does not keep them from anybody', async () => {
    const hall = await createHall(app.organizer);
    const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
    const rebuild = await rebuildSoon(hall);
    await checkout.buyer.mutate('cancelOrder', { orderId: checkout.orderId, idempotencyKey: newKey() }, orderSelection);
    await rebuild.blocked(2);
    await rebuild.end();
    await ended(checkout.stream, 'CANCELED');
    expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20 });
    await expectBooksBalance(booksOf(hall));
  });

  test('does not keep a late payment from seats that somebody else had and gave back', async () => {
    const hall = await createHall(app.organizer);
    const seat = hall.rows[0]![0]!;
    const late = await checkOut(app, hall, [seat]);
    const { resume } = await stall(app, late);
    await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
    await app.advance(hall.eventId, pastFreeAtMs);
    const between = await checkOut(app, hall, [seat]);
    await between.buyer.mutate('cancelOrder', { orderId: between.orderId, idempotencyKey: newKey() }, orderSelection);
    await ended(between.stream, 'CANCELED');
    await (await rebuildSoon(hall)).end();
    await resume();
    expect((await ended(late.stream, 'COMPLETED')).tickets).toMatchObject([{ state: 'VALID', seatId: seat }]);
    await expectBooksBalance(booksOf(hall));
  });
});

test('A worker that comes back after its lease has run out changes nothing any more', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  const { settlement } = app.server.services;
  const gone = await stall(app, checkout);
  const asked = checkout.buyer.mutate(
    'cancelOrder',
    { orderId: checkout.orderId, idempotencyKey: newKey() },
    orderSelection,
  );
  expect((await asked).order.state).toBe('CANCELING');
  const stale = await leaseOf(checkout.orderId);
  await gone.resume();
  await ended(checkout.stream, 'CANCELED');
  const before = await readOrder(checkout);
  await Promise.all([settlement.take(stale), settlement.take(stale)]);
  expect(await readOrder(checkout)).toEqual(before);
  await expectBooksBalance(booksOf(hall));
});
