import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Books, booksOfApp, expectBooksBalance, readSeats } from '../support/books.js';
import { createHall, type TestHall } from '../support/events.js';
import { type Checkout, calm, checkOut, ended, intentOf, pastPayByMs, readOrder } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const booksOf = ({ eventId }: TestHall): Books => booksOfApp(app, eventId);
const ledgerOf = async ({ orderId }: Checkout) =>
  (await app.sql('SELECT state, payment, declines, last_decline FROM orders WHERE id = $1', [orderId]))[0];
const declineOnce = ({ payment }: Checkout) => app.provider.confirm(payment.clientSecret, 'pm_card_chargeDeclined');

/** As the provider would send it: signed, and about the order's own payment. */
async function sendFailure({ orderId, payment }: Checkout): Promise<number> {
  const body = JSON.stringify({
    id: `evt_${randomUUID()}`,
    object: 'event',
    type: 'payment_intent.payment_failed',
    data: {
      object: {
        object: 'payment_intent',
        id: payment.paymentIntentId,
        status: 'requires_payment_method',
        amount: 1100,
        currency: 'eur',
        metadata: { order_id: orderId },
        last_payment_error: { code: 'card_declined', decline_code: 'lost_card' },
      },
    },
  });
  const signature = Stripe.webhooks.generateTestHeaderString({ payload: body, secret: app.provider.webhookSecret });
  const headers = { 'content-type': 'application/json', 'stripe-signature': signature };
  return (await fetch(`${app.url}/webhooks/stripe`, { method: 'POST', headers, body })).status;
}

test('Promise 18: a decline is a recorded attempt, not a state: the seats stay until payBy', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  for (const count of [1, 2]) {
    await declineOnce(checkout);
    await checkout.stream.until(({ lastDecline }) => lastDecline !== null);
    expect(await ledgerOf(checkout)).toEqual({
      state: 'AWAITING_PAYMENT',
      payment: 'CREATED',
      declines: count,
      last_decline: 'generic_decline',
    });
    expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, h: 1 });
  }
  await app.advance(hall.eventId, pastPayByMs);
  await ended(checkout.stream, 'EXPIRED');
  expect(await readOrder(checkout)).toMatchObject({ state: 'EXPIRED', endReason: 'EXPIRED' });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 18: a late "failed" never overwrites "captured"', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
  await ended(checkout.stream, 'COMPLETED');
  const before = await ledgerOf(checkout);
  for (let i = 0; i < limits.declinesPerOrder; i += 1) expect(await sendFailure(checkout)).toBe(200);
  expect(await ledgerOf(checkout)).toEqual(before);
  expect(before).toEqual({ state: 'COMPLETED', payment: 'CAPTURED', declines: 0, last_decline: null });
  expect(await readOrder(checkout)).toMatchObject({ endReason: null, tickets: [{ state: 'VALID' }] });
  await expectBooksBalance(booksOf(hall));
});

test('After declinesPerOrder declined attempts an order is called off, and its seats are free', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  for (let i = 1; i < limits.declinesPerOrder; i += 1) await declineOnce(checkout);
  await checkout.stream.until(({ lastDecline }) => lastDecline !== null);
  expect((await readOrder(checkout)).endReason).toBeNull();
  await declineOnce(checkout);
  await ended(checkout.stream, 'CANCELED');
  expect(await readOrder(checkout)).toMatchObject({
    endReason: 'DECLINED',
    lastDecline: 'generic_decline',
    payment: null,
  });
  expect((await intentOf(app, checkout.orderId)).status).toBe('canceled');
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, h: 0 });
  await expectBooksBalance(booksOf(hall));
});

test('A payment that succeeds after the last decline that an order may have still wins', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  await app.provider.settings({ webhookDelayMs: 300 });
  for (let i = 0; i < limits.declinesPerOrder; i += 1) await declineOnce(checkout);
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
  await ended(checkout.stream, 'COMPLETED');
  expect((await readOrder(checkout)).endReason).toBeNull();
  await expectBooksBalance(booksOf(hall));
});
