import { issueSeats } from '../../src/redis/orders.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance, readSeats } from '../support/books.js';
import { createHall, holdSeats, newKey, orderSelection, type TestHall } from '../support/events.js';
import { presentKeys } from '../support/keys.js';
import { calm, checkOut, ended, pay, startOrder } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
beforeEach(() => calm(app));

const inspect = ({ eventId }: TestHall) => app.server.services.reconciler.inspect(eventId);
const countsOf = async ({ eventId }: TestHall) => (await readSeats(booksOfApp(app, eventId))).counts;
const generationOf = async ({ eventId }: TestHall): Promise<number> => {
  const [row] = await app.sql<{ generation: number }>('SELECT generation FROM inventory WHERE event_id = $1', [
    eventId,
  ]);
  return row!.generation;
};

async function soldHall(): Promise<TestHall> {
  const hall = await createHall(app.organizer);
  const { stream } = await startOrder(app, hall, ['1-1', '1-2']);
  await pay(app, stream);
  return hall;
}

/** An order that has been called off, and the step that issues its seats as a process would carry it out that has slept since. */
async function canceledOrder(hall: TestHall) {
  const { buyer, orderId, stream } = await checkOut(app, hall, ['1-1']);
  const [order] = await app.sql<{ holdId: string; person: string; prices: string }>(
    'SELECT hold_id AS "holdId", person_id AS person, prices FROM orders WHERE id = $1',
    [orderId],
  );
  await buyer.mutate('cancelOrder', { orderId, idempotencyKey: newKey() }, orderSelection);
  await ended(stream, 'CANCELED');
  const ref = { eventId: hall.eventId, generation: 1 };
  const lateStep = () => issueSeats(app.server.services.platform.redis, { ...order!, ref, orderId, seats: [0] });
  return { holdId: order!.holdId, lateStep };
}

test('Promise 7: an order that is over does not take its seats again, however late a step of it comes', async () => {
  const hall = await createHall(app.organizer);
  const { lateStep } = await canceledOrder(hall);
  expect(await lateStep()).toEqual({ code: 'GONE' });
  expect(await countsOf(hall)).toMatchObject({ '.': 20, i: 0 });
});

test('seats that an order has after its end go back when the stores are compared', async () => {
  const hall = await createHall(app.organizer);
  const { holdId, lateStep } = await canceledOrder(hall);
  // The tombstone of the hold is gone by now.
  const { redis } = app.server.services.platform;
  await redis.del((await presentKeys(redis, hall.eventId)).hold(holdId));
  expect((await lateStep()).code).toBe('OK');
  expect(await countsOf(hall)).toMatchObject({ '.': 19, i: 1 });
  expect(await inspect(hall)).toBe(false);
  expect(await countsOf(hall)).toMatchObject({ '.': 20, i: 0 });
  expect(await inspect(hall)).toBe(true);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('Promise 6: a sold seat that Redis has forgotten is sold again in Redis before anybody has bought it', async () => {
  const hall = await soldHall();
  const { redis } = app.server.services.platform;
  const keys = await presentKeys(redis, hall.eventId);
  await redis.setrange(keys.status, 0, '.');
  await redis.hdel(keys.seats, '0');
  // A sale under way looks like this for a moment: the second look decides.
  expect(await inspect(hall)).toBe(false);
  expect(await generationOf(hall)).toBe(1);
  expect(await inspect(hall)).toBe(false);
  expect(await generationOf(hall)).toBe(2);
  expect(await inspect(hall)).toBe(true);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('a seat that only Redis has sold is free again', async () => {
  const hall = await soldHall();
  const { redis } = app.server.services.platform;
  await redis.setrange((await presentKeys(redis, hall.eventId)).status, 5, 's');
  await inspect(hall);
  await inspect(hall);
  expect(await countsOf(hall)).toMatchObject({ '.': 18, s: 2 });
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('holds, checkouts, sales and refunds under way are in order', async () => {
  const hall = await soldHall();
  const buyer = await app.guest();
  await holdSeats(buyer, hall.eventId, { seatIds: ['1-5'] });
  await checkOut(app, hall, ['1-7']);
  const [order] = await app.sql<{ id: string }>(`SELECT id FROM orders WHERE event_id = $1 AND state = 'COMPLETED'`, [
    hall.eventId,
  ]);
  expect(await inspect(hall)).toBe(true);
  await app.provider.settings({ failureRate: 1, failureMode: 'before' });
  await app.organizer.mutate('refundOrder', { orderId: order!.id, idempotencyKey: newKey() }, orderSelection);
  await inspect(hall);
  expect(await inspect(hall)).toBe(true);
  expect(await generationOf(hall)).toBe(1);
});
