import { startTestApp, type TestApp } from '../support/app.js';
import { createHall, holdSeats, orderStream, salesTotals, startCheckout } from '../support/events.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

test('An order that costs nothing gets its tickets without asking the provider', async () => {
  const prices = [{ category: 'Stalls', priceMinor: 0, feeMinor: 0 }];
  const { eventId, rows } = await createHall(app.organizer, { event: { prices } });
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, eventId, { seatIds: rows[0]!.slice(0, 2) });
  const { order } = await startCheckout(buyer, hold);
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  const done = await stream.until(({ state }) => state === 'COMPLETED');
  expect(done.tickets.map((ticket: { state: string }) => ticket.state)).toEqual(['VALID', 'VALID']);
  expect(await app.provider.intents()).toEqual([]);
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({ available: 18, sold: 2, held: 0, issuing: 0 });
});
