import { startTestApp, type TestApp } from '../support/app.js';
import { createHall, holdSeats, newKey } from '../support/events.js';

const selection = 'order { id state paymentReadyAt now payment { paymentIntentId clientSecret } }';

async function startCheckout(app: TestApp, seat: number) {
  const hall = await createHall(app.organizer);
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [hall.rows[0]![seat]!] });
  const input = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
  return (await buyer.mutate('startCheckout', input, selection)).order;
}

describe('startCheckout', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ env: { CHECKOUT_WAIT_MS: '5000' } });
  });
  afterAll(() => app.close());

  test('The payment form comes with the answer if it is there in time', async () => {
    const order = await startCheckout(app, 0);
    expect(order).toMatchObject({ state: 'AWAITING_PAYMENT', paymentReadyAt: null });
    expect(order.payment.clientSecret).toMatch(/_secret_/);
  });
});

describe('startCheckout that does not wait', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ settings: { latencyMs: 500 } });
  });
  afterAll(() => app.close());

  test('Until the payment form is there, paymentReadyAt says when it should be', async () => {
    const order = await startCheckout(app, 0);
    expect(order).toMatchObject({ state: 'PAYMENT_PREPARING', payment: null });
    expect(Date.parse(order.paymentReadyAt)).toBeGreaterThan(Date.parse(order.now));
  });
});
