import { startTestApp, type TestApp } from '../support/app.js';
import { createHall, holdSeats, orderStream, salesTotals, startCheckout } from '../support/events.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

test('Promise 2: of N claimants of one seat exactly one wins', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const buyers = await Promise.all(Array.from({ length: 20 }, () => app.guest()));
  const answers = await Promise.all(buyers.map((buyer) => holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] })));
  expect(answers.filter(({ hold }) => hold !== null)).toHaveLength(1);
  expect(answers.flatMap(({ errors }) => errors.map((e: { code: string }) => e.code))).toEqual(
    Array(19).fill('SEATS_UNAVAILABLE'),
  );
});

test('A buyer who holds, pays and follows the order gets valid tickets', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, eventId, { seatIds: rows[0]!.slice(0, 2) });
  const { order } = await startCheckout(buyer, hold);
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  const { payment } = await stream.until(({ payment }) => payment !== null);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  const done = await stream.until(({ state }) => state === 'COMPLETED');
  expect(done.tickets.map((t: { state: string }) => t.state)).toEqual(['VALID', 'VALID']);
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({
    capacity: 20,
    available: 18,
    sold: 2,
    held: 0,
    issuing: 0,
  });
});
