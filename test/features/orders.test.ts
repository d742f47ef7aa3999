import { randomUUID } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import Stripe from 'stripe';
import { limits } from '../../src/limits.js';
import { eventKeys } from '../../src/redis/keys.js';
import type { LeasedStep } from '../../src/services/order-ledger.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Books, booksOfApp, expectBooksBalance, expectSeatsAddUp, readSeats } from '../support/books.js';
import type { ApiClient, Data, Stream } from '../support/client.js';
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
import { type HeldLock, holdLock, inventoryLock } from '../support/locks.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => app.provider.settings({ ...quiet, webhookUrl: `${app.url}/webhooks/stripe` }));

// Every test begins at the real time, which is that of an event nobody has moved.
afterEach(() => app.clock.advance(Date.now() - app.clock.nowMs()));

const newHall = (): Promise<TestHall> => createHall(app.organizer);

/** A provider that answers at once and delivers every event once. */
const quiet = {
  latencyMs: 0,
  failureRate: 0,
  failureMode: 'before',
  webhookDelayMs: 0,
  webhookDuplicates: 0,
  webhookShuffleMs: 0,
  webhookLossRate: 0,
  slowMs: 300,
} as const;

const pastPayByMs = limits.checkoutTtlMs + 1_000;
const pastFreeAtMs = limits.checkoutTtlMs + limits.settleGraceMs + 1_000;

const booksOf = ({ eventId }: TestHall): Books => booksOfApp(app, eventId);

interface Checkout {
  readonly buyer: ApiClient;
  readonly hold: Data;
  readonly orderId: string;
  readonly stream: Stream;
  readonly payment: { readonly paymentIntentId: string; readonly clientSecret: string };
}

/** A buyer who stands before the payment form. */
async function checkOut(hall: TestHall, seatIds: readonly string[]): Promise<Checkout> {
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds });
  const { order } = await startCheckout(buyer, hold);
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  const { payment } = await stream.until((update) => update.payment !== null);
  return { buyer, hold, orderId: order.id, stream, payment };
}

const readOrder = async ({ buyer, orderId }: Pick<Checkout, 'buyer' | 'orderId'>): Promise<Data> => {
  const { order } = await buyer.run(
    'query ($id: ID!) { order(id: $id) { id state version lastDecline payment { clientSecret } tickets { id state seatId } } }',
    { id: orderId },
  );
  return order;
};

const ended = (stream: Stream, state: string) => stream.until((update) => update.state === state);

const intentOf = async (orderId: string) =>
  (await app.provider.intents()).find(({ metadata }) => metadata.order_id === orderId)!;

/** As if the worker that has the order's next step had stopped answering, until `resume`. */
async function stall({ orderId }: Checkout): Promise<{ resume(): Promise<void> }> {
  await app.sql(
    `UPDATE order_step SET lease = $2, leased_until = '2100-01-01' WHERE order_id = $1 AND finished_at IS NULL`,
    [orderId, randomUUID()],
  );
  return {
    resume: async () => {
      await app.sql(
        `UPDATE order_step SET leased_until = '2000-01-01', run_at = '2000-01-01' WHERE order_id = $1 AND finished_at IS NULL`,
        [orderId],
      );
    },
  };
}

/** As if a step's outside work had been done and its outcome never been written: somebody takes it again. */
async function repeatStep(orderId: string, step: string): Promise<void> {
  const reopened = await app.sql(
    `UPDATE order_step SET finished_at = NULL, run_at = '2000-01-01' WHERE order_id = $1 AND step = $2 RETURNING step`,
    [orderId, step],
  );
  expect(reopened.flat().length).toBeGreaterThan(0);
  await eventually(async () => {
    expect(await app.sql('SELECT step FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [orderId])).toEqual(
      [],
    );
  });
}

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

const holdStateOf = async (hold: Data, owner: ApiClient): Promise<string> =>
  (await owner.run('query ($id: ID!) { hold(id: $id) { state } }', { id: hold.id })).hold.state;

test('Promise 7: an order called off while its deadline passes and a claim takes its seats over gives nothing back twice', async () => {
  const hall = await newHall();
  const seat = hall.rows[0]![0]!;
  const late = await checkOut(hall, [seat]);
  const { resume } = await stall(late);
  const { order } = await late.buyer.mutate(
    'cancelOrder',
    { orderId: late.orderId, idempotencyKey: newKey() },
    orderSelection,
  );
  expect(order.state).toBe('CANCELING');
  await app.advance(hall.eventId, pastFreeAtMs);
  const next = await app.guest();
  const { hold } = await holdSeats(next, hall.eventId, { seatIds: [seat] });
  expect(hold.state).toBe('HELD');
  await resume();
  await ended(late.stream, 'CANCELED');
  expect(await holdStateOf(hold, next)).toBe('HELD');
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, h: 1 });
  await next.mutate('releaseHold', { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() }, 'hold { state }');
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, h: 0 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 7: returning the seats of an order a second time takes nothing from who has them by then', async () => {
  const hall = await newHall();
  const seat = hall.rows[0]![0]!;
  const first = await checkOut(hall, [seat, hall.rows[0]![1]!]);
  await first.buyer.mutate('cancelOrder', { orderId: first.orderId, idempotencyKey: newKey() }, orderSelection);
  await ended(first.stream, 'CANCELED');
  const next = await app.guest();
  const { hold } = await holdSeats(next, hall.eventId, { seatIds: [seat] });
  await repeatStep(first.orderId, 'RELEASE');
  expect(await holdStateOf(hold, next)).toBe('HELD');
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, h: 1 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 7: money authorised after the seats are gone is let go, and who has them keeps them', async () => {
  const hall = await newHall();
  const seat = hall.rows[0]![0]!;
  const late = await checkOut(hall, [seat]);
  const { resume } = await stall(late);
  await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
  await app.advance(hall.eventId, pastFreeAtMs);
  const next = await checkOut(hall, [seat]);
  await resume();
  await ended(late.stream, 'LOST');
  expect(await intentOf(late.orderId)).toMatchObject({ status: 'canceled', amount_received: 0 });
  await app.provider.confirm(next.payment.clientSecret, 'pm_card_visa');
  expect((await ended(next.stream, 'COMPLETED')).tickets).toMatchObject([{ state: 'VALID', seatId: seat }]);
  await expectBooksBalance(booksOf(hall));
});

test('Promise 7: money captured after the seats are gone is refunded once, and who has them keeps them', async () => {
  const hall = await newHall();
  const seat = hall.rows[0]![0]!;
  const late = await checkOut(hall, [seat]);
  const { resume } = await stall(late);
  await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
  await app.provider.client().paymentIntents.capture(late.payment.paymentIntentId);
  await app.advance(hall.eventId, pastFreeAtMs);
  const next = await app.guest();
  const { hold } = await holdSeats(next, hall.eventId, { seatIds: [seat] });
  await resume();
  await ended(late.stream, 'REFUNDED');
  await repeatStep(late.orderId, 'RELEASE');
  expect(await intentOf(late.orderId)).toMatchObject({ amount_received: 1100, amount_refunded: 1100 });
  expect((await app.provider.state()).refunds).toBe(1);
  expect(await holdStateOf(hold, next)).toBe('HELD');
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, h: 1 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 7: money authorised when the seats are free again buys these very seats', async () => {
  const hall = await newHall();
  const seat = hall.rows[0]![0]!;
  const late = await checkOut(hall, [seat]);
  const { resume } = await stall(late);
  await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
  await app.advance(hall.eventId, pastFreeAtMs);
  const between = await app.guest();
  const { hold } = await holdSeats(between, hall.eventId, { seatIds: [seat] });
  await between.mutate(
    'releaseHold',
    { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() },
    'hold { state }',
  );
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, h: 0 });
  await resume();
  expect((await ended(late.stream, 'COMPLETED')).tickets).toMatchObject([{ state: 'VALID', seatId: seat }]);
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, s: 1 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 20: the price shown when seats are held, fees included, is charged whatever the organizer changes', async () => {
  const hall = await newHall();
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: hall.rows[0]!.slice(0, 2) });
  await app.sql('UPDATE event_category SET price_minor = 9999, fee_minor = 1 WHERE event_id = $1', [hall.eventId]);
  await app.server.services.catalogue.changed(hall.eventId);
  const other = await holdSeats(await app.guest(), hall.eventId, { seatIds: [hall.rows[1]![0]!] });
  expect(other.hold.total).toEqual({ amountMinor: 10_000, currency: 'EUR' });
  const { order } = await startCheckout(buyer, hold);
  expect(order.total).toEqual(hold.total);
  expect(order.lines.map((line: Data) => line.total.amountMinor)).toEqual([1100, 1100]);
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  const { payment } = await stream.until((update) => update.payment !== null);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  await ended(stream, 'COMPLETED');
  expect(await intentOf(order.id)).toMatchObject({ amount: 2200, amount_received: 2200, currency: 'eur' });
});

test('A declined card is shown, the seats stay, and another card works', async () => {
  const hall = await newHall();
  const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_chargeDeclinedInsufficientFunds');
  const declined = await checkout.stream.until(({ lastDecline }) => lastDecline !== null);
  expect(declined).toMatchObject({ state: 'AWAITING_PAYMENT', lastDecline: 'insufficient_funds' });
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, h: 1 });
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
  await ended(checkout.stream, 'COMPLETED');
  await expectBooksBalance(booksOf(hall));
});

test('A payment that the bank wants to have authenticated completes after it, and fails softly without', async () => {
  const hall = await newHall();
  const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
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
  const hall = await newHall();
  const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
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
  await eventually(async () => expect((await intentOf(checkout.orderId)).status).toBe('requires_capture'));
  await app.advance(hall.eventId, limits.orderRereadMs);
  await ended(checkout.stream, 'COMPLETED');
  await expectBooksBalance(booksOf(hall));
});

test('A payment that nobody can cancel after its seats are gone is asked about ever less often, and given back', async () => {
  const hall = await newHall();
  const seat = hall.rows[0]![0]!;
  const checkout = await checkOut(hall, [seat]);
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

test('An order nobody pays gives its seats back at payBy, and everyone who watches the hall sees it', async () => {
  const hall = await newHall();
  const seatMap = `subscription ($eventId: ID!) { seatMapChanged(eventId: $eventId) {
    __typename ... on SeatMapSnapshot { states } ... on SeatMapDelta { seats states } } }`;
  const watchers = await Promise.all([app.guest(), app.guest()]);
  const maps = watchers.map((watcher) => watcher.subscribe(seatMap, { eventId: hall.eventId }));
  for (const map of maps) await map.next();
  const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
  for (const map of maps) await map.until((update) => update.seats === '0' && update.states === 'h');
  await app.advance(hall.eventId, pastPayByMs);
  for (const map of maps) await map.until((update) => update.seats === '0' && update.states === '.');
  await ended(checkout.stream, 'EXPIRED');
  expect((await intentOf(checkout.orderId)).status).toBe('canceled');
  await expectBooksBalance(booksOf(hall));
});

test('An order called off before it is paid ends canceled, once, and one that is paid does not', async () => {
  const hall = await newHall();
  const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
  const cancel = (orderId: string, by: ApiClient) =>
    by.mutate('cancelOrder', { orderId, idempotencyKey: newKey() }, orderSelection);
  const asked = await Promise.all([1, 2, 3].map(() => cancel(checkout.orderId, checkout.buyer)));
  expect(asked.map(({ order, errors }) => [order.id, errors])).toEqual(Array(3).fill([checkout.orderId, []]));
  await ended(checkout.stream, 'CANCELED');
  expect((await cancel(checkout.orderId, checkout.buyer)).order.state).toBe('CANCELED');
  const paid = await checkOut(hall, [hall.rows[0]![0]!]);
  await app.provider.confirm(paid.payment.clientSecret, 'pm_card_visa');
  await ended(paid.stream, 'COMPLETED');
  expect((await cancel(paid.orderId, paid.buyer)).errors).toMatchObject([{ code: 'ORDER_NOT_CANCELABLE' }]);
  await expectBooksBalance(booksOf(hall));
});

test('An order called off while its payment is being made ends canceled without waiting for payBy', async () => {
  const hall = await newHall();
  await app.provider.settings({ latencyMs: 300 });
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

test('An order called off at the moment its payment is written down does not wait for payBy', async () => {
  const hall = await newHall();
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

describe('A rebuild of the inventory', () => {
  /** Begins one that will go on as soon as `release` lets it, before anything else that waits for the inventory. */
  async function rebuildSoon({ eventId }: TestHall): Promise<{ blocked: HeldLock['blocked']; end(): Promise<void> }> {
    const { inventory, platform } = app.server.services;
    const held = await holdLock(app.stores.databaseUrl, inventoryLock, [`inventory:${eventId}`]);
    await platform.redis.hset(eventKeys(eventId).meta, 'runId', 'another server');
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
    const hall = await newHall();
    const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
    const rebuild = await rebuildSoon(hall);
    await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
    await rebuild.blocked(2);
    await rebuild.end();
    await ended(checkout.stream, 'COMPLETED');
    expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, s: 1 });
    await expectBooksBalance(booksOf(hall));
  });

  test('between giving seats back in Redis and in the ledger does not keep them from anybody', async () => {
    const hall = await newHall();
    const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
    const rebuild = await rebuildSoon(hall);
    await checkout.buyer.mutate('cancelOrder', { orderId: checkout.orderId, idempotencyKey: newKey() }, orderSelection);
    await rebuild.blocked(2);
    await rebuild.end();
    await ended(checkout.stream, 'CANCELED');
    expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20 });
    await expectBooksBalance(booksOf(hall));
  });

  test('does not keep a late payment from seats that somebody else had and gave back', async () => {
    const hall = await newHall();
    const seat = hall.rows[0]![0]!;
    const late = await checkOut(hall, [seat]);
    const { resume } = await stall(late);
    await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
    await app.advance(hall.eventId, pastFreeAtMs);
    const between = await checkOut(hall, [seat]);
    await between.buyer.mutate('cancelOrder', { orderId: between.orderId, idempotencyKey: newKey() }, orderSelection);
    await ended(between.stream, 'CANCELED');
    await (await rebuildSoon(hall)).end();
    await resume();
    expect((await ended(late.stream, 'COMPLETED')).tickets).toMatchObject([{ state: 'VALID', seatId: seat }]);
    await expectBooksBalance(booksOf(hall));
  });
});

test('A worker that comes back after its lease has run out changes nothing any more', async () => {
  const hall = await newHall();
  const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
  const { settlement } = app.server.services;
  const gone = await stall(checkout);
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

test.each([
  ['twice', { webhookDuplicates: 1 }],
  ['ten times', { webhookDuplicates: 9 }],
  ['out of order', { webhookDuplicates: 2, webhookShuffleMs: 400 }],
])('An order ends the same when webhooks come %s', async (_how, settings) => {
  const hall = await newHall();
  await app.provider.settings(settings);
  const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_chargeDeclined');
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
  await ended(checkout.stream, 'COMPLETED');
  await eventually(async () => expect((await app.provider.state()).webhooksPending).toBe(0));
  expect(await readOrder(checkout)).toMatchObject({ state: 'COMPLETED', tickets: [{ state: 'VALID' }] });
  const events = await app.sql('SELECT id FROM webhook_event WHERE order_id = $1', [checkout.orderId]);
  expect(events).toHaveLength(4);
  await expectBooksBalance(booksOf(hall));
});

test('An order whose webhooks never come is found paid at payBy, and one that comes later changes nothing', async () => {
  const hall = await newHall();
  await app.provider.settings({ webhookDelayMs: 1_500 });
  const late = await checkOut(hall, [hall.rows[0]![0]!]);
  await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
  await app.provider.settings({ webhookDelayMs: 0, webhookLossRate: 1 });
  const never = await checkOut(hall, [hall.rows[1]![0]!]);
  await app.provider.confirm(never.payment.clientSecret, 'pm_card_visa');
  await app.advance(hall.eventId, pastPayByMs);
  await Promise.all([ended(late.stream, 'COMPLETED'), ended(never.stream, 'COMPLETED')]);
  const before = await readOrder(late);
  await app.provider.settings({ webhookLossRate: 0 });
  await eventually(async () => expect((await app.provider.state()).webhooksPending).toBe(0));
  expect(await readOrder(late)).toEqual(before);
  expect(await app.sql('SELECT id FROM webhook_event WHERE order_id = $1', [never.orderId])).toEqual([]);
  await expectBooksBalance(booksOf(hall));
});

describe('A webhook', () => {
  let hall: TestHall;
  let checkout: Checkout;
  beforeAll(async () => {
    hall = await newHall();
    checkout = await checkOut(hall, [hall.rows[0]![0]!]);
  });

  const event = (intent: object) =>
    JSON.stringify({
      id: `evt_${randomUUID()}`,
      object: 'event',
      type: 'payment_intent.canceled',
      data: {
        object: {
          object: 'payment_intent',
          id: checkout.payment.paymentIntentId,
          status: 'canceled',
          amount: 1100,
          currency: 'eur',
          metadata: { order_id: checkout.orderId },
          ...intent,
        },
      },
    });
  const post = (body: string, signature: string | null) =>
    fetch(`${app.url}/webhooks/stripe`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(signature !== null && { 'stripe-signature': signature }) },
      body,
    });
  const sign = (payload: string, secret = app.provider.webhookSecret, timestamp = Math.floor(Date.now() / 1_000)) =>
    Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });

  test.each([
    ['unsigned', () => null],
    ['signed with the secret of another account', (body: string) => sign(body, 'whsec_other')],
    ['signed long ago', (body: string) => sign(body, app.provider.webhookSecret, 1_700_000_000)],
    ['signed for another body', () => sign('{}')],
  ])('that is %s is refused and changes nothing', async (_how, signature) => {
    const before = await readOrder(checkout);
    const body = event({});
    expect((await post(body, signature(body))).status).toBe(400);
    expect(await app.sql('SELECT id FROM webhook_event WHERE id = $1', [JSON.parse(body).id])).toEqual([]);
    expect(await readOrder(checkout)).toEqual(before);
  });

  test.each([
    ['an order nobody knows', () => ({ metadata: { order_id: randomUUID() } })],
    ['something that is no order', () => ({ metadata: { order_id: "x'; DROP TABLE orders" } })],
    ['a payment that is none of ours', () => ({ metadata: {} })],
    ['another payment than the one the order has', () => ({ id: 'pi_other', status: 'succeeded' })],
  ])('about %s is taken and changes nothing', async (_what, intent) => {
    const before = await readOrder(checkout);
    const body = event(intent());
    expect((await post(body, sign(body))).status).toBe(200);
    expect(await app.sql('SELECT nudges FROM orders WHERE id = $1', [checkout.orderId])).toEqual([{ nudges: 0 }]);
    expect(await readOrder(checkout)).toEqual(before);
  });

  test('about a decline that comes after the money changes nothing', async () => {
    await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
    await ended(checkout.stream, 'COMPLETED');
    const before = await readOrder(checkout);
    const body = event({ status: 'requires_payment_method', last_payment_error: { decline_code: 'stolen_card' } });
    const failed = body.replace('payment_intent.canceled', 'payment_intent.payment_failed');
    expect((await post(failed, sign(failed))).status).toBe(200);
    expect(await readOrder(checkout)).toEqual(before);
    await expectBooksBalance(booksOf(hall));
  });
});

test('Starting the checkout of a hold again, at the same time or later, with whatever key, answers the same order', async () => {
  const hall = await newHall();
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: hall.rows[0]!.slice(0, 3) });
  const key = newKey();
  const together = await Promise.all([key, key, newKey(), newKey()].map((k) => startCheckout(buyer, hold, k)));
  const again = await startCheckout(buyer, hold, key);
  const ids = new Set([...together, again].map(({ order }) => order.id));
  expect(ids.size).toBe(1);
  const [orderId] = ids;
  const stream = buyer.subscribe(orderStream, { orderId });
  const { payment } = await stream.until((update) => update.payment !== null);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  await ended(stream, 'COMPLETED');
  expect((await startCheckout(buyer, hold, newKey())).order).toMatchObject({ id: orderId, state: 'COMPLETED' });
  expect((await app.provider.intents()).filter(({ metadata }) => metadata.order_id === orderId)).toHaveLength(1);
  await expectBooksBalance(booksOf(hall));
});

test('A checkout whose order was never written ends by time, and starting it again says so', async () => {
  const hall = await newHall();
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [hall.rows[0]![0]!] });
  await app.sql('ALTER TABLE order_line ADD CONSTRAINT refused CHECK (false) NOT VALID');
  const { errors } = await buyer.send(
    'mutation ($input: StartCheckoutInput!) { startCheckout(input: $input) { order { id } } }',
    { input: { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() } },
  );
  await app.sql('ALTER TABLE order_line DROP CONSTRAINT refused');
  expect(errors).toHaveLength(1);
  await app.advance(hall.eventId, limits.orphanCheckoutMs);
  const refused = await startCheckout(buyer, hold);
  expect(refused).toMatchObject({ order: null, errors: [{ code: 'HOLD_EXPIRED' }] });
  const next = await holdSeats(await app.guest(), hall.eventId, { seatIds: [hall.rows[0]![0]!] });
  expect(next.hold.state).toBe('HELD');
  await expectSeatsAddUp(booksOf(hall));
});

test('A stream of an order begins with it as it is, never goes back, and ends with its final state', async () => {
  const hall = await newHall();
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [hall.rows[0]![0]!] });
  const { order } = await startCheckout(buyer, hold);
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  const updates: Data[] = [await stream.next()];
  expect(updates[0]!.version).toBeGreaterThanOrEqual(order.version);
  const collect = (fits: (update: Data) => boolean) =>
    stream.until((update) => updates.push(update) > 0 && fits(update));
  const { payment } = updates[0]!.payment ? updates[0]! : await collect((update) => update.payment !== null);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  await collect(({ state }) => state === 'COMPLETED');
  await stream.ended;
  expect(stream.pending()).toEqual([]);
  const versions = updates.map(({ version }) => version);
  expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  const afterwards = buyer.subscribe(orderStream, { orderId: order.id });
  expect(await afterwards.next()).toEqual(updates.at(-1));
  await afterwards.ended;
});

test('Nobody but its owner sees an order or how it is paid, and nobody sees that when it has ended', async () => {
  const hall = await newHall();
  const checkout = await checkOut(hall, [hall.rows[0]![0]!]);
  const secret = checkout.payment.clientSecret;
  for (const other of [await app.guest(), app.organizer]) {
    expect(await readOrder({ buyer: other, orderId: checkout.orderId })).toBeNull();
    await expect(other.subscribe(orderStream, { orderId: checkout.orderId }).next()).rejects.toThrow('NOT_FOUND');
    const theirs = await other.run('{ viewer { orders { id } tickets { id } } }');
    expect(theirs.viewer).toEqual({ orders: [], tickets: [] });
    const input = { orderId: checkout.orderId, idempotencyKey: newKey() };
    const { order, errors } = await other.mutate('cancelOrder', input, orderSelection);
    expect([order, errors]).toMatchObject([null, [{ code: 'FORBIDDEN' }]]);
    const stolen = await startCheckout(other, checkout.hold);
    expect([stolen.order, stolen.errors]).toMatchObject([null, [{ code: 'FORBIDDEN' }]]);
  }
  expect((await readOrder(checkout)).payment.clientSecret).toBe(secret);
  await app.provider.confirm(secret, 'pm_card_visa');
  expect((await ended(checkout.stream, 'COMPLETED')).payment).toBeNull();
  expect((await readOrder(checkout)).payment).toBeNull();
  const rows = await app.sql('SELECT to_jsonb(o)::text AS text FROM orders o WHERE id = $1', [checkout.orderId]);
  expect(JSON.stringify(rows)).not.toContain(secret);
});

test('A buyer finds orders and tickets again, and every ticket can be verified with the published keys', async () => {
  const hall = await newHall();
  const seatIds = hall.rows[0]!.slice(0, 2);
  const checkout = await checkOut(hall, seatIds);
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
  await ended(checkout.stream, 'COMPLETED');
  const { viewer } = await checkout.buyer.run(
    '{ viewer { orders { id state } tickets { id orderId seatId state qr } } }',
  );
  expect(viewer.orders).toEqual([{ id: checkout.orderId, state: 'COMPLETED' }]);
  expect(viewer.tickets.map((ticket: Data) => [ticket.orderId, ticket.seatId])).toEqual(
    seatIds.map((seat) => [checkout.orderId, seat]),
  );
  const keys = createLocalJWKSet(await (await fetch(`${app.url}/.well-known/jwks.json`)).json());
  for (const { id, seatId, qr } of viewer.tickets) {
    const { payload } = await jwtVerify(qr, keys, { issuer: 'floodgate' });
    expect(payload).toMatchObject({ sub: id, use: 'ticket', event: hall.eventId, seat: seatId });
    await expect(jwtVerify(`${qr.slice(0, -4)}AAAA`, keys)).rejects.toThrow();
  }
});
