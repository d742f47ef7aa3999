import { readFileSync } from 'node:fs';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data } from '../support/client.js';
import { createHall, holdSeats, newKey, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import {
  calm,
  checkOut,
  ended,
  followOrder,
  intentOf,
  pastFreeAtMs,
  pay,
  stall,
  startOrder,
} from '../support/orders.js';

let app: TestApp;
let hall: TestHall;
const orders: Record<string, string> = {};

const query = readFileSync(new URL('../../client/operations/money.graphql', import.meta.url), 'utf8');
const report = async (variables: object = {}, client: ApiClient = app.organizer): Promise<Data> =>
  (await client.run(query, { eventId: hall.eventId, ...variables })).moneyReport;

const table = (client: ApiClient | null, eventId = hall.eventId) =>
  fetch(`${app.url}/events/${eventId}/money.csv`, {
    headers: client?.token ? { authorization: `Bearer ${client.token}` } : {},
  });

/** Rows of cells, as RFC 4180 has them. */
function readTable(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain = '', end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)!.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === '\r\n') rows.push([]);
    if (end === '') break;
  }
  return rows.slice(0, -1);
}

/** Rows by the names of their columns. */
async function readJournal(): Promise<Record<string, string>[]> {
  const [names, ...rows] = readTable(await (await table(app.organizer)).text());
  return rows.map((row) => Object.fromEntries(names!.map((name, at) => [name, row[at]!])));
}

async function buy(seats: readonly string[]): Promise<string> {
  const { orderId, stream } = await startOrder(app, hall, seats);
  await pay(app, stream);
  return orderId;
}

async function sell(seats: readonly string[], method: string): Promise<string> {
  const { hold } = await holdSeats(app.organizer, hall.eventId, { seatIds: seats });
  const input = { holdId: hold.id, fence: hold.fence, method, idempotencyKey: newKey() };
  const { order } = await app.organizer.mutate('startCheckout', input, 'order { id }');
  await ended(followOrder(app.organizer, order.id), 'COMPLETED');
  return order.id;
}

const refund = (orderId: string, seatIds: readonly string[] | null) =>
  app.organizer.mutate('refundOrder', { orderId, seatIds, idempotencyKey: newKey() }, 'order { id }');

/** One event with everything that may happen to money. */
beforeAll(async () => {
  app = await startTestApp();
  hall = await createHall(app.organizer);
  const late = await checkOut(app, hall, ['2-10']);
  orders.late = late.orderId;
  const { resume } = await stall(app, late);
  await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
  await app.provider.client().paymentIntents.capture(late.payment.paymentIntentId);
  await app.advance(hall.eventId, pastFreeAtMs);
  const { hold } = await holdSeats(await app.guest(), hall.eventId, { seatIds: ['2-10'] });
  expect(hold.state).toBe('HELD');
  await resume();
  await ended(late.stream, 'REFUNDED');
  await calm(app);
  orders.some = await buy(['1-1', '1-2']);
  await refund(orders.some, ['1-2']);
  orders.there = await buy(['1-3']);
  await app.provider.refund((await intentOf(app, orders.there)).id, { amount: 300 });
  orders.disputed = await buy(['1-4']);
  await app.provider.dispute((await intentOf(app, orders.disputed)).id, { amount: 1100 });
  orders.failed = await buy(['1-5']);
  await refund(orders.failed, null);
  orders.cash = await sell(['1-6'], 'CASH');
  orders.invoice = await sell(['1-7', '1-8'], 'INVOICE');
  await eventually(async () => expect(await app.sql('SELECT FROM order_step WHERE finished_at IS NULL')).toEqual([]));
  const [{ id }] = (await app.sql<{ id: string }>('SELECT provider_id AS id FROM refund WHERE order_id = $1', [
    orders.failed,
  ])) as [{ id: string }];
  await app.provider.settleRefund(id, 'failed');
  await eventually(async () => {
    const [row] = await app.sql<{ kinds: string[] }>('SELECT array_agg(kind ORDER BY kind) AS kinds FROM posting');
    expect(row!.kinds).toEqual(expect.arrayContaining(['DISPUTE', 'PAYOUT_FAILED']));
    const back = await app.sql('SELECT FROM refund WHERE order_id = $1 AND done', [orders.there]);
    expect(back).toHaveLength(1);
  });
});
afterAll(() => app.close());

test('The sums of a report are those of the provider, to the cent, and come out among themselves', async () => {
  const { totals } = await report();
  expect(totals).toHaveLength(1);
  const { currency, orders: count, ...amounts } = totals[0];
  const sums = Object.fromEntries(Object.entries<Data>(amounts).map(([name, { amountMinor }]) => [name, amountMinor]));
  expect({ currency, count, ...sums }).toEqual({
    currency: 'EUR',
    count: 7,
    captured: 7700,
    refunded: 2500,
    disputed: 1100,
    clearing: 3000,
    cash: 1100,
    organizer: 6000 - 300 + 1000 - 1000,
    fees: 600,
    tax: 0,
    owedByBuyers: 2200 + 1100,
    owedToBuyers: 1100,
  });
  expect(sums.clearing + sums.cash + sums.owedByBuyers - sums.owedToBuyers).toBe(sums.organizer + sums.fees + sums.tax);
  const there = (await app.provider.balance()).eur!;
  const amount = (name: keyof typeof there) => there[name]?.amount ?? 0;
  expect(sums.captured - sums.cash).toBe(amount('charge'));
  expect(sums.refunded).toBe(-amount('refund') - amount('refund_failure'));
  expect(sums.disputed).toBe(-amount('dispute') - amount('dispute_reversal'));
  const intents = await app.provider.intents();
  const kept = intents.reduce((sum, intent) => sum + intent.amount_received - intent.amount_refunded, 0);
  expect(sums.clearing).toBe(kept - sums.disputed);
  expect(await report()).toMatchObject({
    categories: [{ name: 'Stalls', tickets: 6, voided: 2, prices: { amountMinor: 6000 } }],
  });
});

test('Every order of a report tells by itself what happened to each of its cents and seats', async () => {
  const nodes: Data[] = [];
  let after: string | null = null;
  do {
    const page: Data = (await report({ first: 3, after })).orders;
    expect(page.edges.length).toBeLessThanOrEqual(3);
    nodes.push(...page.edges.map(({ node }: Data) => node));
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after !== null);
  expect(nodes.map(({ id }) => id)).toEqual(
    ['late', 'some', 'there', 'disputed', 'failed', 'cash', 'invoice'].map((name) => orders[name]),
  );
  const byName = (name: string) => nodes.find(({ id }) => id === orders[name])!;
  const kindsOf = (name: string) => byName(name).postings.map(({ kind }: Data) => kind);
  expect(kindsOf('late')).toEqual(['CAPTURE', 'PAYOUT']);
  expect(kindsOf('some')).toEqual(['SALE', 'CAPTURE', 'GRANT', 'PAYOUT']);
  expect(kindsOf('disputed')).toEqual(['SALE', 'CAPTURE', 'DISPUTE']);
  expect(kindsOf('failed')).toEqual(['SALE', 'CAPTURE', 'GRANT', 'PAYOUT', 'PAYOUT_FAILED']);
  expect(byName('some').lines).toEqual([
    { seatId: '1-1', ticket: 'VALID' },
    { seatId: '1-2', ticket: 'VOID' },
  ]);
  expect(byName('late')).toMatchObject({ state: 'REFUNDED', lines: [{ seatId: '2-10', ticket: null }] });
  expect(byName('there').refunds).toMatchObject([{ reason: 'PROVIDER', amount: { amountMinor: 300 } }]);
  expect(byName('failed').refunds).toMatchObject([{ state: 'FAILED' }]);
  expect(byName('some').steps.map(({ step }: Data) => step)).toEqual([
    'CREATE',
    'SETTLE',
    'ISSUE',
    'CAPTURE',
    'RETURN',
    'REFUND',
    'RELEASE',
  ]);
  for (const { postings } of nodes)
    for (const { buyer, clearing, cash, organizer, fees, tax } of postings)
      expect(buyer + clearing + cash + organizer + fees + tax).toBe(0);
});

test('A report names what differs, and says up to when money has been compared', async () => {
  await app.server.services.moneyReconciler.round();
  expect((await report()).differences).toEqual([]);
  expect((await report()).comparedTo).not.toBeNull();
  await app.sql('UPDATE orders SET captured_minor = captured_minor + 5 WHERE id = $1', [orders.some]);
  app.clock.advance(61_000);
  await app.server.services.moneyReconciler.round();
  expect((await report()).differences).toMatchObject([{ kind: 'BOOKS_DIFFER', orderId: orders.some, endedAt: null }]);
  await app.sql('UPDATE orders SET captured_minor = captured_minor - 5 WHERE id = $1', [orders.some]);
  app.clock.advance(61_000);
  await app.server.services.moneyReconciler.round();
  expect((await report()).differences).toMatchObject([{ kind: 'BOOKS_DIFFER', endedAt: expect.any(String) }]);
  await calm(app);
});

test('A report and its table are for the organizer of the event alone', async () => {
  const guest = await app.guest();
  for (const [client, code, status] of [
    [app.anonymous, 'UNAUTHENTICATED', 401],
    [guest, 'FORBIDDEN', 403],
  ] as const) {
    const { errors } = await client.send(query, { eventId: hall.eventId });
    expect(errors).toMatchObject([{ extensions: { code } }]);
    const answer = await table(client);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code } }] });
  }
  expect((await table(app.organizer, '00000000-0000-0000-0000-000000000000')).status).toBe(404);
  const wrong = await app.organizer.send(query, { eventId: hall.eventId, first: 101 });
  expect(wrong.errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', path: ['first'] } }]);
  const lost = await app.organizer.send(query, { eventId: hall.eventId, after: 'x' });
  expect(lost.errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', path: ['after'] } }]);
});

test('The table has every posting, with amounts as text and in minor units, and sums to the same', async () => {
  const answer = await table(app.organizer);
  expect(answer.headers.get('content-type')).toContain('text/csv');
  expect(answer.headers.get('content-disposition')).toContain(`money-${hall.eventId}.csv`);
  const rows = await readJournal();
  const [{ count }] = (await app.sql<{ count: number }>('SELECT count(*)::int AS count FROM posting')) as [
    { count: number },
  ];
  expect(rows).toHaveLength(count);
  expect(rows.reduce((sum, row) => sum + Number(row.clearing_minor), 0)).toBe(3000);
  const paidOut = rows.find((row) => row.order_id === orders.there && row.posting === 'PAYOUT');
  expect(paidOut).toMatchObject({
    clearing: '-3.00',
    clearing_minor: '-300',
    buyer: '3.00',
    currency: 'EUR',
    method: 'ONLINE',
  });
});

test('What buyers have written is text in the table, whatever it begins with', async () => {
  const names = ['=HYPERLINK("http://x.example","a,b")', '+1', '-1', '@SUM(A1)', '\tx', '  =1', 'Ann "A", Ltd.', '＝1'];
  for (const name of names) {
    await app.sql('UPDATE orders SET buyer_name = $2 WHERE id = $1', [orders.cash, name]);
    const row = (await readJournal()).find(({ order_id }) => order_id === orders.cash)!;
    expect(row.buyer_name).toBe(name.startsWith('Ann') ? name : `'${name}`);
  }
});

test('A table of 40,000 orders is made as it is read, and breaks off with its reader', async () => {
  const big = await createHall(app.organizer);
  await app.sql(
    `WITH made AS (
       INSERT INTO orders (id, event_id, person_id, hold_id, generation, fence, state, payment, currency, total_minor, captured_minor, prices, pay_by, free_at, created_at)
       SELECT gen_random_uuid(), $1, 'person', gen_random_uuid(), 1, 1, 'COMPLETED', 'CAPTURED', 'EUR', 1100, 1100, '', now(), now(), now() - interval '1 day'
       FROM generate_series(1, 40000) RETURNING id, event_id, created_at)
     INSERT INTO posting (order_id, kind, event_id, currency, buyer, organizer, fees, clearing, posted_at)
     SELECT id, k.kind, event_id, 'EUR', k.sign * 1100, -k.own * 1000, -k.own * 100, k.taken * 1100, created_at
     FROM made CROSS JOIN (VALUES ('SALE', 1, 1, 0), ('CAPTURE', -1, 0, 1)) AS k(kind, sign, own, taken)`,
    [big.eventId],
  );
  const answer = await table(app.organizer, big.eventId);
  let lines = 0;
  let most = 0;
  const before = process.memoryUsage().heapUsed;
  for await (const chunk of answer.body!) {
    // A line may end between two chunks: its two characters are not looked for together.
    lines += Buffer.from(chunk).toString('latin1').split('\n').length - 1;
    most = Math.max(most, process.memoryUsage().heapUsed - before);
  }
  expect(lines).toBe(80_001);
  // The whole is some 13 MB as text and ten times as much as rows.
  expect(most).toBeLessThan(100 * 1_048_576);
  const broken = await table(app.organizer, big.eventId);
  await broken.body!.cancel();
  const { moneyReport } = await app.organizer.run(query, { eventId: big.eventId, first: 1 });
  expect(moneyReport.totals).toMatchObject([{ orders: 40_000, clearing: { amountMinor: 44_000_000 } }]);
});
