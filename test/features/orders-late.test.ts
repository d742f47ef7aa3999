import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance } from '../support/books.js';
import { createHall, holdSeats, newKey } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { type Checkout, calm, checkOut, intentOf, pastFreeAtMs, stall } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const seats = ['1-1', '1-2'];

/** What the ledger alone tells of an order: its tickets, and what every account has of it. */
async function provenOf(orderId: string) {
  const [told] = await app.sql<Record<string, number>>(
    `SELECT (SELECT count(*)::int FROM ticket t WHERE t.order_id = $1 AND t.state = 'VALID') AS tickets,
            (SELECT count(*)::int FROM seat_owner s WHERE s.order_id = $1) AS seats,
            (SELECT count(*)::int FROM refund r WHERE r.order_id = $1 AND r.reason = 'LOST' AND r.state = 'SUCCEEDED') AS "givenBack",
            COALESCE(sum(buyer), 0)::int AS owed, COALESCE(sum(clearing), 0)::int AS kept,
            COALESCE(-sum(organizer + fees + tax), 0)::int AS earned,
            COALESCE(sum(clearing) FILTER (WHERE kind = 'CAPTURE'), 0)::int AS came
     FROM posting WHERE order_id = $1`,
    [orderId],
  );
  return told!;
}

describe('Promise 16: a payment that succeeds after its seats are gone gets the same seats or goes back, never both, never neither, provable from the ledger', () => {
  const payments: readonly [string, (checkout: Checkout) => Promise<unknown>][] = [
    ['authorised', ({ payment }) => app.provider.confirm(payment.clientSecret, 'pm_card_visa')],
    [
      'taken',
      async ({ payment }) => {
        await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
        await app.provider.client().paymentIntents.capture(payment.paymentIntentId);
      },
    ],
  ];
  /** How many of the order's seats somebody else has by then, and whether they are free again. */
  const losses: readonly [string, readonly string[], boolean][] = [
    ['somebody has all of its seats', seats, false],
    ['somebody has one of its seats', ['1-2'], false],
    ['somebody had its seats and gave them back', seats, true],
    ['nobody wanted its seats', [], true],
  ];
  const cases = payments.flatMap(([paid, pay]) => losses.map((loss) => [paid, ...loss, pay] as const));
  test.each(cases)('%s when %s', async (paid, _loss, taken, free, payNow) => {
    const hall = await createHall(app.organizer);
    const late = await checkOut(app, hall, seats);
    const { resume } = await stall(app, late);
    await payNow(late);
    await app.advance(hall.eventId, pastFreeAtMs);
    if (taken.length > 0) {
      const other = await app.guest();
      const { hold } = await holdSeats(other, hall.eventId, { seatIds: taken });
      expect(hold.state).toBe('HELD');
      const input = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
      if (free) await other.mutate('releaseHold', input, 'hold { state }');
    }
    await resume();
    await eventually(async () => {
      const open = await app.sql('SELECT FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [late.orderId]);
      expect(open).toEqual([]);
    });
    const came = free || paid === 'taken' ? 2200 : 0;
    const keeps = free ? 2200 : 0;
    expect(await provenOf(late.orderId)).toEqual({
      tickets: free ? 2 : 0,
      seats: free ? 2 : 0,
      givenBack: !free && paid === 'taken' ? 1 : 0,
      owed: 0,
      kept: keeps,
      earned: keeps,
      came,
    });
    const intent = await intentOf(app, late.orderId);
    expect(intent.amount_received - intent.amount_refunded).toBe(keeps);
    expect(intent.amount_capturable).toBe(0);
    await expectBooksBalance(booksOfApp(app, hall.eventId));
  });
});
