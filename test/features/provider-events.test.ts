import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance, readSeats } from '../support/books.js';
import type { ApiClient, Data } from '../support/client.js';
import { createHall, holdSeats, newKey, startCheckout, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { calm, checkOut, followOrder, intentOf, pay } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(async () => {
  await calm(app);
  await app.provider.settings({ refundMode: 'succeed' });
});

const booksOf = ({ eventId }: TestHall) => booksOfApp(app, eventId);

const fields = `id state dispute refunded { amountMinor } refunds { id reason state failure amount { amountMinor } seatIds } tickets { state }`;

interface Bought {
  readonly buyer: ApiClient;
  readonly orderId: string;
  readonly intentId: string;
}

async function buy(hall: TestHall, seatIds: readonly string[]): Promise<Bought> {
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds });
  const { order } = await startCheckout(buyer, hold);
  await pay(app, followOrder(buyer, order.id));
  return { buyer, orderId: order.id, intentId: (await intentOf(app, order.id)).id };
}

const read = async ({ buyer, orderId }: Bought): Promise<Data> =>
  (await buyer.run(`query ($id: ID!) { order(id: $id) { ${fields} } }`, { id: orderId })).order;

const follow = ({ buyer, orderId }: Bought) =>
  buyer.subscribe(`subscription ($id: ID!) { orderUpdated(orderId: $id) { ${fields} } }`, { id: orderId });

const until = (bought: Bought, seen: (order: Data) => void): Promise<Data> =>
  eventually(async () => {
    const order = await read(bought);
    seen(order);
    const open = await app.sql('SELECT FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [bought.orderId]);
    expect(open).toEqual([]);
    return order;
  });

const refund = (orderId: string) =>
  app.organizer.mutate('refundOrder', { orderId, idempotencyKey: newKey() }, `order { ${fields} }`);

const postings = ({ orderId }: Bought): Promise<{ kind: string; buyer: number; clearing: number }[]> =>
  app.sql('SELECT kind, buyer, clearing FROM posting WHERE order_id = $1 ORDER BY posted_at, kind', [orderId]);

test('A refund that stays under way is told as PENDING, and as SUCCEEDED when the provider says so', async () => {
  const hall = await createHall(app.organizer);
  const bought = await buy(hall, [hall.rows[0]![0]!]);
  await app.provider.settings({ refundMode: 'pending' });
  await refund(bought.orderId);
  const stream = follow(bought);
  const pending = await stream.until(({ state }) => state === 'REFUNDED');
  expect(pending.refunds).toMatchObject([{ state: 'PENDING' }]);
  const [row] = await app.sql<{ id: string }>('SELECT provider_id AS id FROM refund WHERE order_id = $1', [
    bought.orderId,
  ]);
  await app.provider.settleRefund(row!.id, 'succeeded');
  const done = await stream.until(({ refunds }) => refunds[0].state === 'SUCCEEDED');
  expect(done).toMatchObject({ state: 'REFUNDED', refunded: { amountMinor: 1100 } });
  await expectBooksBalance(booksOf(hall));
});

test('A refund that fails later is owed again, told to its buyer, and paid out once more when the organizer says so', async () => {
  const hall = await createHall(app.organizer);
  const bought = await buy(hall, [hall.rows[0]![0]!]);
  await app.provider.settings({ refundMode: 'pending' });
  await refund(bought.orderId);
  await until(bought, ({ refunds }) => expect(refunds).toMatchObject([{ state: 'PENDING' }]));
  const [row] = await app.sql<{ id: string; refundId: string }>(
    'SELECT provider_id AS id, id AS "refundId" FROM refund WHERE order_id = $1',
    [bought.orderId],
  );
  const stream = follow(bought);
  await app.provider.settleRefund(row!.id, 'failed', 'expired_or_canceled_card');
  const failed = await stream.until(({ refunds }) => refunds[0].state === 'FAILED');
  expect(failed).toMatchObject({
    state: 'REFUNDED',
    refunded: { amountMinor: 0 },
    refunds: [{ failure: 'expired_or_canceled_card' }],
    tickets: [{ state: 'VOID' }],
  });
  expect((await postings(bought)).reduce((sum, { buyer }) => sum + buyer, 0)).toBe(-1100);
  // The seats stay as they were decided: somebody else may have them.
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20 });
  await app.provider.settings({ refundMode: 'succeed' });
  const retry = () =>
    app.organizer.mutate('retryRefund', { refundId: row!.refundId, idempotencyKey: newKey() }, `order { ${fields} }`);
  await Promise.all([retry(), retry(), retry()]);
  const done = await until(bought, ({ refunds }) => expect(refunds).toHaveLength(2));
  expect(done).toMatchObject({
    refunded: { amountMinor: 1100 },
    refunds: [{ state: 'FAILED' }, { reason: 'AGAIN', state: 'SUCCEEDED' }],
  });
  expect(await intentOf(app, bought.orderId)).toMatchObject({ amount_refunded: 1100 });
  await expectBooksBalance(booksOf(hall));
});

test('What is paid back in the dashboard is taken over: all of it takes the tickets, part of it leaves them', async () => {
  const hall = await createHall(app.organizer);
  const [first, second, third] = hall.rows[0]!;
  const whole = await buy(hall, [first!]);
  const part = await buy(hall, [second!, third!]);
  await app.provider.refund(whole.intentId);
  await app.provider.refund(part.intentId, { amount: 500 });
  expect(await until(whole, ({ state }) => expect(state).toBe('REFUNDED'))).toMatchObject({
    refunds: [{ reason: 'PROVIDER', state: 'SUCCEEDED', amount: { amountMinor: 1100 }, seatIds: [first] }],
    tickets: [{ state: 'VOID' }],
  });
  expect(await until(part, ({ refunds }) => expect(refunds).toHaveLength(1))).toMatchObject({
    state: 'COMPLETED',
    refunded: { amountMinor: 500 },
    refunds: [{ reason: 'PROVIDER', state: 'SUCCEEDED', amount: { amountMinor: 500 }, seatIds: [] }],
    tickets: [{ state: 'VALID' }, { state: 'VALID' }],
  });
  await app.provider.resendWebhooks();
  // What is left of the money goes back with the tickets.
  await refund(part.orderId);
  expect(await until(part, ({ state }) => expect(state).toBe('REFUNDED'))).toMatchObject({
    refunded: { amountMinor: 2200 },
  });
  expect(await intentOf(app, part.orderId)).toMatchObject({ amount_refunded: 2200 });
  await expectBooksBalance(booksOf(hall));
});

test('A disputed payment is flagged; won, it stays; lost, its tickets are void and its seats free', async () => {
  const hall = await createHall(app.organizer);
  const [first, second] = hall.rows[0]!;
  const kept = await buy(hall, [first!]);
  const lost = await buy(hall, [second!]);
  const disputes = await Promise.all([app.provider.dispute(kept.intentId), app.provider.dispute(lost.intentId)]);
  for (const bought of [kept, lost]) {
    const open = await until(bought, ({ dispute }) => expect(dispute).toBe('OPEN'));
    expect(open).toMatchObject({ state: 'COMPLETED', tickets: [{ state: 'VALID' }] });
    expect((await postings(bought)).reduce((sum, { clearing }) => sum + clearing, 0)).toBe(0);
  }
  await app.provider.moveDispute(disputes[0].id, 'won');
  await app.provider.moveDispute(disputes[1].id, 'lost');
  expect(await until(kept, ({ dispute }) => expect(dispute).toBe('WON'))).toMatchObject({
    state: 'COMPLETED',
    tickets: [{ state: 'VALID' }],
  });
  expect(
    await until(lost, ({ dispute, state }) => expect([dispute, state]).toEqual(['LOST', 'REFUNDED'])),
  ).toMatchObject({
    refunds: [{ reason: 'DISPUTE', state: 'SUCCEEDED', amount: { amountMinor: 1100 } }],
    tickets: [{ state: 'VOID' }],
  });
  expect((await postings(kept)).reduce((sum, { clearing }) => sum + clearing, 0)).toBe(1100);
  expect((await postings(lost)).reduce((sum, { buyer, clearing }) => sum + buyer + clearing, 0)).toBe(0);
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, s: 1, r: 0 });
});

test('Tickets whose authorisation is gone before the money could be taken are void, and their seats free', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, hall.rows[0]!.slice(0, 2));
  await app.provider.fail({ endpoint: 'capture', mode: 'unavailable' });
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
  await checkout.stream.until(({ state }) => state === 'CONFIRMED');
  await app.provider.expire(checkout.payment.paymentIntentId);
  await app.provider.clearFaults();
  const { tickets } = await checkout.stream.until(({ state }) => state === 'CANCELED');
  expect(tickets.map(({ state }: Data) => state)).toEqual(['VOID', 'VOID']);
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, s: 0, r: 0 });
  await expectBooksBalance(booksOf(hall));
});

test('What was paid back in the dashboard unheard is taken off a refund, and the rest goes back', async () => {
  const hall = await createHall(app.organizer);
  const bought = await buy(hall, [hall.rows[0]![0]!]);
  await app.provider.settings({ webhookLossRate: 1 });
  await app.provider.refund(bought.intentId, { amount: 500 });
  await refund(bought.orderId);
  const done = await until(bought, ({ state }) => expect(state).toBe('REFUNDED'));
  expect(done.refunds.map(({ reason, state, amount }: Data) => [reason, state, amount.amountMinor]).sort()).toEqual([
    ['ORGANIZER', 'SUCCEEDED', 600],
    ['PROVIDER', 'SUCCEEDED', 500],
  ]);
  expect(await intentOf(app, bought.orderId)).toMatchObject({ amount_refunded: 1100 });
  await expectBooksBalance(booksOf(hall));
});

test('What was paid back in the dashboard unheard and is more than a refund of ours is granted as well', async () => {
  const hall = await createHall(app.organizer);
  const until2100 = { eventId: hall.eventId, until: '2100-01-01T00:00:00Z', keepFees: true };
  await app.organizer.mutate('updateReturns', until2100, 'event { id }');
  const [seat, ...pair] = hall.rows[0]!.slice(0, 3);
  const [one, two] = [await buy(hall, [seat!]), await buy(hall, pair)];
  await app.provider.settings({ webhookLossRate: 1 });
  await app.provider.refund(one.intentId);
  await app.provider.refund(two.intentId);
  // Of one the fee was to stay paid; of the other one ticket was to stay.
  const returned = (bought: Bought, seatIds: readonly string[], by: ApiClient, how: string) =>
    by.mutate(how, { orderId: bought.orderId, seatIds, idempotencyKey: newKey() }, 'order { id }');
  await returned(one, [seat!], one.buyer, 'returnTickets');
  await returned(two, [pair[0]!], app.organizer, 'refundOrder');
  for (const [bought, expected] of [
    [
      one,
      [
        ['BUYER', 'SUCCEEDED', 0],
        ['PROVIDER', 'SUCCEEDED', 1_100],
      ],
    ],
    [
      two,
      [
        ['ORGANIZER', 'SUCCEEDED', 0],
        ['PROVIDER', 'SUCCEEDED', 0],
        ['PROVIDER', 'SUCCEEDED', 2_200],
      ],
    ],
  ] as const) {
    const { refunds, tickets } = await until(bought, ({ state }) => expect(state).toBe('REFUNDED'));
    const told = refunds.map(({ reason, state, amount }: Data) => [reason, state, amount.amountMinor]);
    expect(told.sort((a: Data, b: Data) => a[0].localeCompare(b[0]) || a[2] - b[2])).toEqual(expected);
    expect(new Set(tickets.map(({ state }: Data) => state))).toEqual(new Set(['VOID']));
    expect((await postings(bought)).reduce((sum, { buyer }) => sum + buyer, 0)).toBe(0);
  }
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, s: 0, r: 0 });
  await expectBooksBalance(booksOf(hall));
});

test('A dashboard refund that a refund of ours leaves no room for waits until it is taken off that one', async () => {
  const hall = await createHall(app.organizer);
  const bought = await buy(hall, hall.rows[0]!.slice(0, 2));
  await app.provider.settings({ webhookHold: true });
  await app.provider.refund(bought.intentId, { amount: 1_500 });
  const seatIds = [hall.rows[0]![0]!];
  await app.provider.fail({ endpoint: 'refund', mode: 'unavailable' });
  await app.organizer.mutate(
    'refundOrder',
    { orderId: bought.orderId, seatIds, idempotencyKey: newKey() },
    'order { id }',
  );
  await app.provider.settings({ webhookHold: false });
  await app.provider.releaseWebhooks();
  await app.provider.clearFaults();
  const { refunds, tickets, state } = await until(bought, (order) => expect(order.refunds).toHaveLength(2));
  expect(state).toBe('COMPLETED');
  expect(refunds.map(({ amount }: Data) => amount.amountMinor).sort()).toEqual([0, 1_500]);
  expect(tickets.map((ticket: Data) => ticket.state).sort()).toEqual(['VALID', 'VOID']);
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, s: 1, r: 0 });
});

test('A lost dispute over less than a refund that waits is taken off it', async () => {
  const hall = await createHall(app.organizer);
  const bought = await buy(hall, [hall.rows[0]![0]!]);
  const dispute = await app.provider.dispute(bought.intentId, { amount: 500 });
  await eventually(async () => expect((await read(bought)).dispute).toBe('OPEN'));
  await refund(bought.orderId);
  await app.provider.moveDispute(dispute.id, 'lost');
  await eventually(async () => {
    const { refunds } = await read(bought);
    const told = refunds.map(({ reason, state, amount }: Data) => [reason, state, amount.amountMinor]);
    expect(told.sort()).toEqual([
      ['DISPUTE', 'SUCCEEDED', 500],
      ['ORGANIZER', 'REQUESTED', 600],
    ]);
  });
  // What the provider does not pay back any more is paid otherwise: an alarm says so until it is.
  await app.sql(`UPDATE refund SET state = 'SUCCEEDED', done = true WHERE order_id = $1 AND state = 'REQUESTED'`, [
    bought.orderId,
  ]);
  await app.sql('UPDATE order_step SET finished_at = now() WHERE order_id = $1 AND finished_at IS NULL', [
    bought.orderId,
  ]);
});

test('A refund that the bank is ahead of is the one of the lost dispute', async () => {
  const hall = await createHall(app.organizer);
  const bought = await buy(hall, [hall.rows[0]![0]!]);
  const dispute = await app.provider.dispute(bought.intentId);
  await until(bought, ({ dispute: state }) => expect(state).toBe('OPEN'));
  await refund(bought.orderId);
  await app.provider.moveDispute(dispute.id, 'lost');
  const done = await until(bought, ({ state }) => expect(state).toBe('REFUNDED'));
  expect(done).toMatchObject({
    dispute: 'LOST',
    refunds: [{ reason: 'DISPUTE', state: 'SUCCEEDED', amount: { amountMinor: 1100 } }],
  });
  expect((await postings(bought)).reduce((sum, { buyer }) => sum + buyer, 0)).toBe(0);
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, s: 0, r: 0 });
});

test("Events of another's account, of unknown types and of unknown payments are stored, answered and change nothing", async () => {
  const hall = await createHall(app.organizer);
  const bought = await buy(hall, [hall.rows[0]![0]!]);
  const before = await read(bought);
  const stranger = await app.provider
    .client()
    .paymentIntents.create({ amount: 5_000, currency: 'eur', payment_method: 'pm_card_visa', confirm: true });
  const made = await app.provider.refund(stranger.id);
  const { id: like } = (await app.provider.client().events.list({ type: 'refund.created' })).data[0]!;
  const object = { id: made.id, payment_intent: bought.intentId };
  const answers = [
    await app.provider.sendWebhook({ like, account: 'acct_other', object }),
    await app.provider.sendWebhook({ like, type: 'refund.invented', object: { ...object, object: 'nothing_known' } }),
    await app.provider.sendWebhook({ like, object: { id: 're_unknown' } }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  // What somebody else's account says of a payment that is named like ours pays for nothing.
  const unpaid = await checkOut(app, hall, [hall.rows[0]![1]!]);
  const { id: paid } = (await app.provider.client().events.list({ type: 'payment_intent.amount_capturable_updated' }))
    .data[0]!;
  const forged = { id: unpaid.payment.paymentIntentId, metadata: { order_id: unpaid.orderId } };
  const { status } = await app.provider.sendWebhook({ like: paid, account: 'acct_other', object: forged });
  expect(status).toBe(200);
  expect(await app.sql('SELECT hint, nudges FROM orders WHERE id = $1', [unpaid.orderId])).toEqual([
    { hint: null, nudges: 0 },
  ]);
  const refused = [
    await app.provider.sendWebhook({ like, secret: 'whsec_of_somebody_else' }),
    await app.provider.sendWebhook({ like, ageSeconds: 3_600 }),
    await app.provider.sendWebhook({ like, bytes: 2_000_000 }),
  ];
  expect(refused.map(({ status }) => status)).toEqual([400, 400, 413]);
  await eventually(async () => {
    expect(await app.sql('SELECT FROM webhook_event WHERE due_at IS NOT NULL')).toEqual([]);
  });
  const stored = await app.sql('SELECT id FROM webhook_event WHERE id = ANY($1)', [
    answers.map(({ eventId }) => eventId),
  ]);
  expect(stored).toHaveLength(3);
  expect(await read(bought)).toEqual(before);
});
