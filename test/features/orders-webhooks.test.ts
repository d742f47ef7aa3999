import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Books, booksOfApp, expectBooksBalance } from '../support/books.js';
import { createHall, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { type Checkout, calm, checkOut, ended, pastPayByMs, readOrder } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const booksOf = ({ eventId }: TestHall): Books => booksOfApp(app, eventId);

test.each([
  ['twice', { webhookDuplicates: 1 }],
  ['ten times', { webhookDuplicates: 9 }],
  ['out of order', { webhookDuplicates: 2, webhookShuffleMs: 400 }],
])('An order ends the same when webhooks come %s', async (_how, settings) => {
  const hall = await createHall(app.organizer);
  await app.provider.settings(settings);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
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
  const hall = await createHall(app.organizer);
  await app.provider.settings({ webhookDelayMs: 1_500 });
  const late = await checkOut(app, hall, [hall.rows[0]![0]!]);
  await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
  await app.provider.settings({ webhookDelayMs: 0, webhookLossRate: 1 });
  const never = await checkOut(app, hall, [hall.rows[1]![0]!]);
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
    hall = await createHall(app.organizer);
    checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
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
