import { limits } from '../../src/limits.js';
import { globalKeys } from '../../src/redis/keys.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance } from '../support/books.js';
import { createHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { calm, checkOut, stall } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
  // Money is compared when a test says so.
  await app.server.services.platform.redis.set(globalKeys.moneyTurn, 'test');
});
afterAll(() => app.close());
afterEach(async () => {
  await app.provider.settings({ webhookHold: false });
  await calm(app);
});

/** mulberry32, as small as a generator gets. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

type Random = ReturnType<typeof randomOf>;

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(random(left.length), 1)[0]!);
}

const eventsAbout = async (id: string): Promise<string[]> => {
  const { data } = await app.provider.client().events.list({ limit: 100 });
  return data.filter((event) => JSON.stringify(event).includes(id)).map((event) => event.id);
};

/** Every event of a payment that has not been decided about, 0, 1, 2 or 10 times, in any order. The others are lost for good. */
async function deliver(intentId: string, random: Random): Promise<void> {
  const about = (await eventsAbout(intentId)).map((id) => ({ id, times: [0, 1, 2, 10][random(4)]! }));
  const sent = about.flatMap(({ id, times }) => Array.from({ length: times }, () => id));
  await app.provider.loseWebhooks({ about: intentId });
  for (const id of shuffled(sent, random)) {
    const received = await app.provider.resendWebhooks({ events: [id] });
    expect(received.map(({ status }) => status)).toEqual([200]);
  }
}

/** Whatever never came is found by comparing. */
async function compare(): Promise<void> {
  app.clock.advance(limits.moneyUnmatchedMs + 1_000);
  await app.server.services.moneyReconciler.round();
}

/** All that the ledger says of an order, but for names and times. */
async function stateOf(orderId: string) {
  const rows = (sql: string) => app.sql(sql, [orderId]);
  const [order, tickets, refunds, postings, waiting] = await Promise.all([
    rows('SELECT state, payment, captured_minor, refunded_minor, dispute FROM orders WHERE id = $1'),
    rows('SELECT seat_index, state FROM ticket WHERE order_id = $1 ORDER BY 1'),
    rows('SELECT reason, state, amount_minor, seats, done FROM refund WHERE order_id = $1 ORDER BY amount_minor'),
    rows(
      'SELECT kind, buyer, clearing, cash, organizer, fees, tax FROM posting WHERE order_id = $1 ORDER BY kind, clearing',
    ),
    app.sql('SELECT id FROM webhook_event WHERE due_at IS NOT NULL'),
  ]);
  return { order, tickets, refunds, postings, waiting };
}

const expected = {
  order: [{ state: 'COMPLETED', payment: 'CAPTURED', captured_minor: 2200, refunded_minor: 300, dispute: 'WON' }],
  tickets: [
    { seat_index: 0, state: 'VALID' },
    { seat_index: 1, state: 'VALID' },
  ],
  refunds: [
    { reason: 'PROVIDER', state: 'SUCCEEDED', amount_minor: 300, seats: [], done: true },
    { reason: 'PROVIDER', state: 'FAILED', amount_minor: 400, seats: [], done: true },
  ],
  waiting: [],
};

test.each([1, 2, 3, 4, 5, 6])(
  'Promise 17: webhooks that come 0, 1, 2 or 10 times, late and out of order, end in the same state (seed %i)',
  async (seed) => {
    const random = randomOf(seed);
    const hall = await createHall(app.organizer);
    await app.provider.settings({ webhookHold: true });
    const { orderId, payment } = await checkOut(app, hall, ['1-1', '1-2']);
    const { paymentIntentId: intentId, clientSecret } = payment;
    await app.provider.confirm(clientSecret, 'pm_card_visa');
    await deliver(intentId, random);
    await compare();
    await eventually(async () => expect((await stateOf(orderId)).order).toMatchObject([{ state: 'COMPLETED' }]));
    await app.provider.refund(intentId, { amount: 300 });
    const failing = await app.provider.refund(intentId, { amount: 400, mode: 'pending' });
    // What is told of it while it is on its way, or nothing.
    if (random(2) === 0) await deliver(intentId, random);
    await app.provider.settleRefund(failing.id, 'failed');
    const dispute = await app.provider.dispute(intentId, { amount: 500 });
    if (random(2) === 0) await deliver(intentId, random);
    await app.provider.moveDispute(dispute.id, 'won');
    await deliver(intentId, random);
    await compare();
    const state = await eventually(async () => {
      const now = await stateOf(orderId);
      expect(now).toMatchObject(expected);
      return now;
    });
    const sums = (account: string) =>
      state.postings.reduce((sum, posting) => sum + Number(posting[account as keyof typeof posting]), 0);
    expect(['buyer', 'clearing', 'organizer', 'fees'].map(sums)).toEqual([-400, 1900, -1300, -200]);
    // Everything once more changes nothing.
    for (const id of shuffled(await eventsAbout(intentId), random)) await app.provider.resendWebhooks({ events: [id] });
    await eventually(async () => expect(await stateOf(orderId)).toEqual(state));
  },
);

test.each(['sent', 'reversed'] as const)(
  'Promise 17: an older event that comes after a newer one is no news (%s)',
  async (order) => {
    const hall = await createHall(app.organizer);
    await app.provider.settings({ webhookHold: true });
    const checkout = await checkOut(app, hall, ['1-1']);
    const { paymentIntentId: intentId, clientSecret } = checkout.payment;
    const { resume } = await stall(app, checkout);
    await app.provider.confirm(clientSecret, 'pm_card_visa');
    await app.provider.client().paymentIntents.cancel(intentId);
    await app.provider.releaseWebhooks({ about: intentId, order, times: 2 });
    await resume();
    await eventually(async () =>
      expect((await stateOf(checkout.orderId)).order).toMatchObject([{ state: 'CANCELED' }]),
    );
    expect(await stateOf(checkout.orderId)).toMatchObject({ tickets: [], postings: [] });
    await expectBooksBalance(booksOfApp(app, hall.eventId));
  },
);
