import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Books, booksOfApp, expectBooksBalance, readSeats } from '../support/books.js';
import type { ApiClient, Data } from '../support/client.js';
import {
  createHall,
  holdSeats,
  newKey,
  orderSelection,
  orderStream,
  startCheckout,
  type TestHall,
} from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { holdLock } from '../support/locks.js';
import { calm, checkOut, ended, intentOf, intentsOf, pastFreeAtMs, pastPayByMs, readOrder } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const booksOf = ({ eventId }: TestHall): Books => booksOfApp(app, eventId);

test('A declined card is shown, the seats stay, and another card works', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_chargeDeclinedInsufficientFunds');
  const declined = await checkout.stream.until(({ lastDecline }) => lastDecline !== null);
  expect(declined).toMatchObject({ state: 'AWAITING_PAYMENT', lastDecline: 'insufficient_funds' });
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, h: 1 });
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
  await ended(checkout.stream, 'COMPLETED');
  await expectBooksBalance(booksOf(hall));
});

test('A payment that the bank wants to have authenticated completes after it, and fails softly without', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  const { paymentIntentId, clientSecret } = checkout.payment;
  await app.provider.confirm(clientSecret, 'pm_card_authenticationRequired');
  await app.provider.authenticate(paymentIntentId, 'fail');
  expect(await checkout.stream.until(({ lastDecline }) => lastDecline !== null)).toMatchObject({
    state: 'AWAITING_PAYMENT',
  });
  await app.provider.confirm(clientSecret, 'pm_card_authenticationRequired');
  await app.provider.authenticate(paymentIntentId, 'success');
  await ended(checkout.stream, 'COMPLETED');
  await expectBooksBalance(booksOf(hall));
});

test('A payment still being processed at payBy is waited for', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  await app.provider.settings({ slowMs: 1_500, webhookLossRate: 1 });
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_slow');
  await app.advance(hall.eventId, pastPayByMs);
  await eventually(async () => {
    const [step] = await app.sql<Data>('SELECT tries FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [
      checkout.orderId,
    ]);
    expect(step.tries).toBeGreaterThan(0);
  });
  expect((await readOrder(checkout)).state).toBe('AWAITING_PAYMENT');
  await eventually(async () => expect((await intentOf(app, checkout.orderId)).status).toBe('requires_capture'));
  await app.advance(hall.eventId, limits.orderRereadMs);
  await ended(checkout.stream, 'COMPLETED');
  await expectBooksBalance(booksOf(hall));
});

test('A payment that nobody can cancel after its seats are gone is asked about ever less often, and given back', async () => {
  const hall = await createHall(app.organizer);
  const seat = hall.rows[0]![0]!;
  const checkout = await checkOut(app, hall, [seat]);
  await app.provider.settings({ slowMs: 2_500, webhookLossRate: 1 });
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_slow');
  await app.advance(hall.eventId, pastFreeAtMs);
  const { hold } = await holdSeats(await app.guest(), hall.eventId, { seatIds: [seat] });
  expect(hold.state).toBe('HELD');
  await ended(checkout.stream, 'EXPIRED');
  const steps = await app.sql(`SELECT step FROM order_step WHERE order_id = $1 AND step = 'CANCEL'`, [
    checkout.orderId,
  ]);
  expect(steps.length).toBeLessThan(8);
  await expectBooksBalance(booksOf(hall));
});

test('A payment that takes days is asked about ever more seldom, down to once in processingRereadMaxMs, and followed at once when its event comes', async () => {
  const hall = await createHall(app.organizer);
  const { orderId, payment, stream } = await checkOut(app, hall, [hall.rows[0]![0]!]);
  await app.provider.settings({ slowMs: 600_000, webhookLossRate: 1 });
  await app.provider.confirm(payment.clientSecret, 'pm_slow');
  const asked = (tries: number) =>
    eventually(async () => {
      const [step] = await app.sql<Data>(
        'SELECT step, attempt, tries, lease, run_at FROM order_step WHERE order_id = $1 AND finished_at IS NULL',
        [orderId],
      );
      expect(step).toMatchObject({ step: 'SETTLE', attempt: 2, tries, lease: null });
      return step.run_at.getTime() as number;
    });
  /** It has been asked about that often: the next time is within a quarter of a pause from here. */
  const expectPause = async (tries: number, fromMs: number, pauseMs: number) => {
    const runAtMs = await asked(tries);
    expect(runAtMs).toBeGreaterThanOrEqual(fromMs + 0.75 * pauseMs - 1);
    expect(runAtMs).toBeLessThanOrEqual(app.clock.nowMs() + 1.25 * pauseMs + 1);
    return runAtMs;
  };
  let fromMs = app.clock.nowMs() + pastFreeAtMs;
  await app.advance(hall.eventId, pastFreeAtMs);
  let tries = 1;
  for (let pauseMs: number = limits.stepRetryMs; pauseMs < 3 * limits.stepRetryMaxMs; pauseMs *= 2) {
    const runAtMs = await expectPause(tries, fromMs, pauseMs);
    app.clock.advance(runAtMs - app.clock.nowMs());
    fromMs = runAtMs;
    tries += 1;
  }
  // Days later.
  const runAtMs = await asked(tries);
  await app.sql('UPDATE order_step SET tries = 30 WHERE order_id = $1 AND finished_at IS NULL', [orderId]);
  app.clock.advance(runAtMs - app.clock.nowMs());
  await expectPause(31, runAtMs, limits.processingRereadMaxMs);
  await app.provider.settings({ webhookLossRate: 0 });
  await app.provider.settlePayment(payment.paymentIntentId, { approved: true });
  await ended(stream, 'COMPLETED');
  await expectBooksBalance(booksOf(hall));
});

test('Promise 21: a capture whose answer is not that the money is there has not captured it: another attempt follows, and tickets are valid when it is', async () => {
  const hall = await createHall(app.organizer);
  const { orderId, payment, stream } = await checkOut(app, hall, [hall.rows[0]![0]!]);
  await app.provider.settings({ slowMs: 600_000 });
  await app.provider.confirm(payment.clientSecret, 'pm_slow_capture');
  const captures = () =>
    app.sql<Data>(
      `SELECT attempt, outcome, tries FROM order_step WHERE order_id = $1 AND step = 'CAPTURE' ORDER BY attempt`,
      [orderId],
    );
  await eventually(async () => {
    // Whatever pause there is before another attempt is over.
    app.clock.advance(limits.stepRetryMs);
    const [first, second] = await captures();
    expect(first).toMatchObject({ attempt: 1, outcome: 'processing' });
    expect(second).toMatchObject({ attempt: 2, outcome: null });
    expect(second.tries).toBeGreaterThan(0);
  });
  expect(
    await app.sql('SELECT state, payment, captured_minor AS captured FROM orders WHERE id = $1', [orderId]),
  ).toEqual([{ state: 'CONFIRMED', payment: 'AUTHORISED', captured: 0 }]);
  expect(await app.sql('SELECT state FROM ticket WHERE order_id = $1', [orderId])).toEqual([
    { state: 'PENDING_CAPTURE' },
  ]);
  expect(await app.sql(`SELECT FROM posting WHERE order_id = $1 AND kind = 'CAPTURE'`, [orderId])).toEqual([]);
  await app.provider.settlePayment(payment.paymentIntentId, { approved: true });
  app.clock.advance(limits.stepRetryMaxMs);
  expect((await ended(stream, 'COMPLETED')).tickets).toMatchObject([{ state: 'VALID' }]);
  expect(await captures()).toMatchObject([{ outcome: 'processing' }, { outcome: 'captured' }]);
  await expectBooksBalance(booksOf(hall));
});

test('An order nobody pays gives its seats back at payBy, and everyone who watches the hall sees it', async () => {
  const hall = await createHall(app.organizer);
  const seatMap = `subscription ($eventId: ID!) { seatMapChanged(eventId: $eventId) {
    __typename ... on SeatMapSnapshot { states } ... on SeatMapDelta { seats states } } }`;
  const watchers = await Promise.all([app.guest(), app.guest()]);
  const maps = watchers.map((watcher) => watcher.subscribe(seatMap, { eventId: hall.eventId }));
  for (const map of maps) await map.next();
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  for (const map of maps) await map.until((update) => update.seats === '0' && update.states === 'h');
  await app.advance(hall.eventId, pastPayByMs);
  for (const map of maps) await map.until((update) => update.seats === '0' && update.states === '.');
  await ended(checkout.stream, 'EXPIRED');
  expect((await intentOf(app, checkout.orderId)).status).toBe('canceled');
  await expectBooksBalance(booksOf(hall));
});

test('An order called off before it is paid ends canceled, once, and one that is paid does not', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  const cancel = (orderId: string, by: ApiClient) =>
    by.mutate('cancelOrder', { orderId, idempotencyKey: newKey() }, orderSelection);
  const asked = await Promise.all([1, 2, 3].map(() => cancel(checkout.orderId, checkout.buyer)));
  expect(asked.map(({ order, errors }) => [order.id, errors])).toEqual(Array(3).fill([checkout.orderId, []]));
  await ended(checkout.stream, 'CANCELED');
  expect((await cancel(checkout.orderId, checkout.buyer)).order.state).toBe('CANCELED');
  const paid = await checkOut(app, hall, [hall.rows[0]![0]!]);
  await app.provider.confirm(paid.payment.clientSecret, 'pm_card_visa');
  await ended(paid.stream, 'COMPLETED');
  expect((await cancel(paid.orderId, paid.buyer)).errors).toMatchObject([{ code: 'ORDER_NOT_CANCELABLE' }]);
  await expectBooksBalance(booksOf(hall));
});

test('An order called off while its payment is being made ends canceled without waiting for payBy', async () => {
  const hall = await createHall(app.organizer);
  await app.provider.settings({ latencyMs: 1_000 });
  for (const seat of hall.rows[0]!.slice(0, 3)) {
    const buyer = await app.guest();
    const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [seat] });
    const { order } = await startCheckout(buyer, hold);
    await eventually(async () => {
      const [step] = await app.sql<Data>('SELECT lease FROM order_step WHERE order_id = $1', [order.id]);
      expect(step.lease).not.toBeNull();
    });
    const stream = buyer.subscribe(orderStream, { orderId: order.id });
    const input = { orderId: order.id, idempotencyKey: newKey() };
    expect((await buyer.mutate('cancelOrder', input, orderSelection)).order.state).toBe('CANCELING');
    const states = new Set<string>();
    await stream.until(({ state }) => states.add(state) && state === 'CANCELED');
    expect([...states].filter((state) => state === 'AWAITING_PAYMENT')).toEqual([]);
  }
  await expectBooksBalance(booksOf(hall));
});

test('An order called off while its payment could not be made yet makes none that waits for payBy', async () => {
  const hall = await createHall(app.organizer);
  await app.provider.fail({ endpoint: 'create', mode: 'unavailable', times: 2 });
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [hall.rows[0]![0]!] });
  const { order } = await startCheckout(buyer, hold);
  await eventually(async () => {
    const [step] = await app.sql<Data>('SELECT tries, lease FROM order_step WHERE order_id = $1', [order.id]);
    expect(step).toMatchObject({ tries: 1, lease: null });
  });
  await buyer.mutate('cancelOrder', { orderId: order.id, idempotencyKey: newKey() }, orderSelection);
  await ended(buyer.subscribe(orderStream, { orderId: order.id }), 'CANCELED');
  for (const { status } of await intentsOf(app, order.id)) expect(status).toBe('canceled');
  await expectBooksBalance(booksOf(hall));
});

test('An order called off at the moment its payment is written down does not wait for payBy', async () => {
  const hall = await createHall(app.organizer);
  await app.provider.settings({ latencyMs: 300, webhookLossRate: 1 });
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [hall.rows[0]![0]!] });
  const { order } = await startCheckout(buyer, hold);
  const row = await holdLock(app.stores.databaseUrl, 'SELECT FROM orders WHERE id = $1 FOR UPDATE', [order.id]);
  await row.blocked(1);
  const asked = buyer.mutate('cancelOrder', { orderId: order.id, idempotencyKey: newKey() }, orderSelection);
  await row.blocked(2);
  await row.release();
  expect((await asked).errors).toEqual([]);
  await ended(buyer.subscribe(orderStream, { orderId: order.id }), 'CANCELED');
  await expectBooksBalance(booksOf(hall));
});
