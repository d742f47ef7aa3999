import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance, readSeats } from '../support/books.js';
import { type Cable, layCable } from '../support/cable.js';
import type { Data } from '../support/client.js';
import { createHall, newKey, orderSelection, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { createLine, joinQueue, pollEntry } from '../support/line.js';
import { ended, intentsOf, pay, readOrder, type StartedOrder, startOrder } from '../support/orders.js';

// A breaker is open for as long as it is: that is real time.
jest.setTimeout(60_000);

let app: TestApp;
let cable: Cable;
beforeEach(async () => {
  cable = await layCable();
  app = await startTestApp({ env: { STRIPE_API_URL: cable.url } });
  cable.leadTo(app.provider.port);
});
afterEach(async () => {
  await app.close();
  await cable.close();
});

const deadlineOf = async ({ orderId }: StartedOrder): Promise<Data> =>
  (await app.sql<Data>('SELECT state, pay_by, free_at, created_at FROM orders WHERE id = $1', [orderId]))[0]!;
const delayedSince = `subscription ($eventId: ID!) { salesChanged(eventId: $eventId) { paymentsDelayedSince } }`;

/** So many orders that the provider's silence is noticed. */
async function startMany(hall: TestHall): Promise<StartedOrder[]> {
  const orders = await Promise.all(hall.rows[0]!.slice(0, 8).map((seat) => startOrder(app, hall, [seat])));
  for (const { stream } of orders) await stream.until(({ state }) => state === 'PAYMENT_DELAYED');
  return orders;
}

test('While the payment provider does not answer orders are PAYMENT_DELAYED and organizers see it; afterwards they go on', async () => {
  const hall = await createHall(app.organizer);
  const sales = app.organizer.subscribe(delayedSince, { eventId: hall.eventId });
  expect(await sales.next()).toEqual({ paymentsDelayedSince: null });
  cable.cut();
  const orders = await startMany(hall);
  await sales.until(({ paymentsDelayedSince }) => paymentsDelayedSince !== null);
  expect(await readOrder(orders[0]!)).toMatchObject({ paymentReadyAt: null, payment: null, endReason: null });
  const { orderId, buyer, stream } = orders[7]!;
  // Nobody can pay what nobody has the form of: called off, it ends at once.
  await buyer.mutate('cancelOrder', { orderId, idempotencyKey: newKey() }, orderSelection);
  await ended(stream, 'CANCELED');
  cable.mend();
  await sales.until(({ paymentsDelayedSince }) => paymentsDelayedSince === null);
  await Promise.all(orders.slice(0, 7).map((order) => pay(app, order.stream)));
  for (const order of orders.slice(0, 7)) expect(await intentsOf(app, order.orderId)).toHaveLength(1);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('Without a payment form payBy moves along while payments are delayed, until checkoutMaxMs; then the order is EXPIRED', async () => {
  const hall = await createHall(app.organizer);
  cable.cut();
  const orders = await startMany(hall);
  const stepMs = 300_000;
  for (let ms = stepMs; ms < limits.checkoutMaxMs; ms += stepMs) {
    await app.advance(hall.eventId, stepMs);
    const latestMs = (order: Data) =>
      Math.min(
        order.created_at.getTime() + limits.checkoutMaxMs,
        app.clock.nowMs() + limits.checkoutTtlMs - stepMs / 2,
      );
    await eventually(async () => {
      for (const order of orders) {
        const now = await deadlineOf(order);
        expect(now.state).toBe('PAYMENT_DELAYED');
        expect(now.pay_by.getTime()).toBeGreaterThanOrEqual(latestMs(now));
        expect(now.free_at.getTime()).toBe(now.pay_by.getTime() + limits.settleGraceMs);
      }
    });
    expect((await readSeats(booksOfApp(app, hall.eventId))).counts).toMatchObject({ '.': 12, h: 8 });
  }
  await app.advance(hall.eventId, stepMs);
  for (const { stream } of orders) await ended(stream, 'EXPIRED');
  expect(await readOrder(orders[0]!)).toMatchObject({ endReason: 'EXPIRED' });
  expect((await readSeats(booksOfApp(app, hall.eventId))).counts).toMatchObject({ '.': 20, h: 0 });
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('An order that cannot be settled at payBy keeps its seats until somebody can be asked, and is AWAITING_PAYMENT again', async () => {
  const hall = await createHall(app.organizer);
  const paying = await startOrder(app, hall, [hall.rows[1]![0]!]);
  await paying.stream.until(({ payment }) => payment !== null);
  cable.cut();
  const orders = await startMany(hall);
  await app.advance(hall.eventId, limits.checkoutTtlMs + 1_000);
  await paying.stream.until(({ state }) => state === 'PAYMENT_DELAYED');
  expect((await deadlineOf(paying)).pay_by.getTime()).toBeGreaterThan(app.clock.nowMs());
  expect((await readSeats(booksOfApp(app, hall.eventId))).counts).toMatchObject({ h: 9 });
  cable.mend();
  await paying.stream.until(({ state }) => state === 'AWAITING_PAYMENT');
  const { payment } = await readOrder(paying);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  await ended(paying.stream, 'COMPLETED');
  for (const { stream } of orders) await pay(app, stream);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('Nobody is admitted to a shop that cannot take money, and everybody is afterwards', async () => {
  const hall = await createHall(app.organizer);
  const line = await createLine(app, { activeCap: 10 });
  cable.cut();
  const orders = await startMany(hall);
  const { redis } = app.server.services.platform;
  await eventually(async () => expect(await redis.hget(line.keys.line, 'providerMilli')).toBe('-1000'));
  const waiter = await app.guest();
  const { entry } = await joinQueue(waiter, line.eventId);
  await app.advance(line.eventId, 10_000);
  expect((await pollEntry(waiter, entry.id)).state).toBe('WAITING');
  cable.mend();
  await Promise.all(orders.map(({ stream }) => stream.until(({ payment }) => payment !== null)));
  await eventually(async () => {
    await app.advance(line.eventId, 100);
    expect((await pollEntry(waiter, entry.id)).state).toBe('ADMITTED');
  });
});
