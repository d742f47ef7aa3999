import { randomUUID } from 'node:crypto';
import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance, readSeats } from '../support/books.js';
import type { ApiClient, Data } from '../support/client.js';
import { createHall, holdSeats, newKey, startCheckout, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { holdLock } from '../support/locks.js';
import { calm, followOrder, intentOf, pay } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const booksOf = ({ eventId }: TestHall) => booksOfApp(app, eventId);

const selection = `order {
  id state refunded { amountMinor } refunds { id reason state amount { amountMinor } seatIds failure settledAt } tickets { seatId state }
}`;
const query = `query ($id: ID!) { ${selection.replace('order', 'order(id: $id)')} }`;

interface Bought {
  readonly buyer: ApiClient;
  readonly orderId: string;
}

async function buy(hall: TestHall, seatIds: readonly string[]): Promise<Bought> {
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds });
  const { order } = await startCheckout(buyer, hold);
  await pay(app, followOrder(buyer, order.id));
  return { buyer, orderId: order.id };
}

const read = async ({ buyer, orderId }: Bought): Promise<Data> => (await buyer.run(query, { id: orderId })).order;

const refund = (orderId: string, seatIds: readonly string[] | null = null, idempotencyKey = newKey()): Promise<Data> =>
  app.organizer.mutate('refundOrder', { orderId, seatIds, idempotencyKey }, selection);

/** Nothing is left to do for this order. */
async function atRest(bought: Bought): Promise<Data> {
  return eventually(async () => {
    const open = await app.sql('SELECT FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [bought.orderId]);
    expect(open).toEqual([]);
    return read(bought);
  });
}

test('Some tickets of an order are refunded by what they cost, and only their seats go back', async () => {
  const hall = await createHall(app.organizer);
  const [first, second, third] = hall.rows[0]!;
  const bought = await buy(hall, [first!, second!, third!]);
  const { order, errors } = await refund(bought.orderId, [second!]);
  expect(errors).toEqual([]);
  expect(order).toMatchObject({ state: 'COMPLETED', refunded: { amountMinor: 1100 } });
  const done = await atRest(bought);
  expect(done).toMatchObject({
    state: 'COMPLETED',
    refunds: [{ reason: 'ORGANIZER', state: 'SUCCEEDED', amount: { amountMinor: 1100 }, seatIds: [second] }],
  });
  expect(done.tickets.map(({ state }: Data) => state)).toEqual(['VALID', 'VOID', 'VALID']);
  expect(await intentOf(app, bought.orderId)).toMatchObject({ amount_received: 3300, amount_refunded: 1100 });
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 18, s: 2, r: 0 });
  const next = await holdSeats(await app.guest(), hall.eventId, { seatIds: [second] });
  expect(next.hold).toMatchObject({ state: 'HELD' });
  await expectBooksBalance(booksOf(hall));
});

test('Refunds of one order are carried out one after the other, and the last one ends it', async () => {
  const hall = await createHall(app.organizer);
  const seats = hall.rows[0]!.slice(0, 3);
  const bought = await buy(hall, seats);
  await Promise.all(seats.map((seat) => refund(bought.orderId, [seat])));
  const done = await atRest(bought);
  expect(done).toMatchObject({ state: 'REFUNDED', refunded: { amountMinor: 3300 } });
  expect(done.refunds.map(({ state }: Data) => state)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
  expect(await intentOf(app, bought.orderId)).toMatchObject({ amount_refunded: 3300 });
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, s: 0, r: 0 });
  await expectBooksBalance(booksOf(hall));
});

test('A refund whose turn has come is finished before another one, whenever that one was written', async () => {
  const hall = await createHall(app.organizer);
  const [first, second] = hall.rows[0]!;
  const bought = await buy(hall, [first!, second!]);
  await app.provider.settings({ latencyMs: 1_000 });
  await refund(bought.orderId, [first!]);
  await eventually(async () => {
    const [step] = await app.sql('SELECT step, lease FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [
      bought.orderId,
    ]);
    expect(step).toMatchObject({ step: 'REFUND', lease: expect.any(String) });
  });
  await refund(bought.orderId, [second!]);
  // As if another process with another clock had written it, and this one had lost its lease.
  await app.sql(`UPDATE refund SET created_at = created_at - interval '1 hour' WHERE order_id = $1 AND NOT begun`, [
    bought.orderId,
  ]);
  await app.sql(
    `UPDATE order_step SET lease = $2, leased_until = '2000-01-01' WHERE order_id = $1 AND finished_at IS NULL`,
    [bought.orderId, randomUUID()],
  );
  await app.provider.settings({ latencyMs: 0 });
  expect(await atRest(bought)).toMatchObject({
    state: 'REFUNDED',
    refunds: [{ state: 'SUCCEEDED' }, { state: 'SUCCEEDED' }],
  });
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, s: 0, r: 0 });
  await expectBooksBalance(booksOf(hall));
});

test('However many ask at the same time for the same tickets, their money goes back once', async () => {
  const hall = await createHall(app.organizer);
  const [first, second] = hall.rows[0]!;
  const bought = await buy(hall, [first!, second!]);
  const key = newKey();
  const answers = await Promise.all([
    ...Array.from({ length: 5 }, () => refund(bought.orderId, [first!])),
    ...Array.from({ length: 5 }, () => refund(bought.orderId, [first!], key)),
    ...Array.from({ length: 5 }, () => refund(bought.orderId)),
  ]);
  expect(answers.some(({ errors }) => errors.length === 0)).toBe(true);
  await atRest(bought);
  await refund(bought.orderId);
  const done = await atRest(bought);
  expect(done).toMatchObject({ state: 'REFUNDED', refunded: { amountMinor: 2200 } });
  expect(await intentOf(app, bought.orderId)).toMatchObject({ amount_refunded: 2200 });
  await expectBooksBalance(booksOf(hall));
});

test('Buyers give tickets back by themselves within the rules of the event, less the fees it keeps', async () => {
  const hall = await createHall(app.organizer);
  const [first, second] = hall.rows[0]!;
  const bought = await buy(hall, [first!, second!]);
  const giveBack = (seatIds: readonly string[] | null) =>
    bought.buyer.mutate('returnTickets', { orderId: bought.orderId, seatIds, idempotencyKey: newKey() }, selection);
  const rules = (until: string | null, keepFees: boolean) =>
    app.organizer.mutate('updateReturns', { eventId: hall.eventId, until, keepFees }, 'event { buyersReturnUntil }');
  expect((await giveBack([first!])).errors).toMatchObject([{ code: 'RETURNS_CLOSED', path: ['input', 'orderId'] }]);
  await rules('2020-01-01T00:00:00Z', true);
  expect((await giveBack([first!])).errors).toMatchObject([{ code: 'RETURNS_CLOSED' }]);
  await rules('2100-01-01T00:00:00Z', true);
  expect((await giveBack([first!])).order).toMatchObject({ refunded: { amountMinor: 1000 } });
  await atRest(bought);
  await rules('2100-01-01T00:00:00Z', false);
  expect((await giveBack(null)).order).toMatchObject({ state: 'REFUNDING', refunded: { amountMinor: 2100 } });
  const done = await atRest(bought);
  expect(done).toMatchObject({ state: 'REFUNDED', refunds: [{ reason: 'BUYER' }, { reason: 'BUYER' }] });
  expect(await intentOf(app, bought.orderId)).toMatchObject({ amount_received: 2200, amount_refunded: 2100 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 25: whoever refunds an order opens no door with what is left of it', async () => {
  const hall = await createHall(app.organizer);
  const [first, second] = hall.rows[0]!;
  const bought = await buy(hall, [first!, second!]);
  const input = { orderId: bought.orderId, seatIds: [first], idempotencyKey: newKey() };
  const { order } = await app.organizer.mutate('refundOrder', input, 'order { tickets { state qr } }');
  expect(order.tickets).toEqual([
    { state: 'VOID', qr: null },
    { state: 'VALID', qr: null },
  ]);
  const own = await bought.buyer.run('query ($id: ID!) { order(id: $id) { tickets { qr } } }', { id: bought.orderId });
  expect(own.order.tickets).toEqual([{ qr: null }, { qr: expect.any(String) }]);
});

test('A refund is asked for by names that are right: what is wrong is named, and nothing happens', async () => {
  const hall = await createHall(app.organizer);
  const [first, second] = hall.rows[0]!;
  const bought = await buy(hall, [first!]);
  const wrong: [readonly string[], string, string[]][] = [
    [[], 'INVALID_INPUT', ['input', 'seatIds']],
    [[first!, first!], 'INVALID_INPUT', ['input', 'seatIds']],
    [['9-9'], 'NOT_FOUND', ['input', 'seatIds', '0']],
    [[first!, second!], 'NOT_FOUND', ['input', 'seatIds', '1']],
    [Array.from({ length: 21 }, (_, at) => `1-${at + 1}`), 'TOO_MANY_SEATS', ['input', 'seatIds']],
  ];
  for (const [seatIds, code, path] of wrong)
    expect((await refund(bought.orderId, seatIds)).errors).toMatchObject([{ code, path }]);
  expect(await read(bought)).toMatchObject({ state: 'COMPLETED', refunds: [] });
});

test('The box office sells for cash and on account without the provider, and pays back as it was paid', async () => {
  const hall = await createHall(app.organizer);
  const [first, second, third] = hall.rows[0]!;
  const sell = async (seatIds: readonly string[], method: string) => {
    const { hold } = await holdSeats(app.organizer, hall.eventId, { seatIds });
    const input = { holdId: hold.id, fence: hold.fence, method, idempotencyKey: newKey() };
    const { order } = await app.organizer.mutate('startCheckout', input, selection);
    const bought = { buyer: app.organizer, orderId: order.id as string };
    await followOrder(app.organizer, order.id).until(({ state }) => state === 'COMPLETED');
    return bought;
  };
  const cash = await sell([first!], 'CASH');
  const account = await sell([second!, third!], 'INVOICE');
  expect(
    await app.sql('SELECT cash, clearing FROM posting WHERE order_id = $1 AND kind = $2', [cash.orderId, 'CAPTURE']),
  ).toEqual([{ cash: 1100, clearing: 0 }]);
  const owed = () => app.sql('SELECT sum(buyer)::int AS owed FROM posting WHERE order_id = $1', [account.orderId]);
  expect(await owed()).toEqual([{ owed: 2200 }]);
  // A ticket of a bill that has not been paid makes the bill smaller.
  await refund(account.orderId, [second!]);
  await atRest(account);
  expect(await owed()).toEqual([{ owed: 1100 }]);
  const paid = { orderId: account.orderId, idempotencyKey: newKey() };
  for (let i = 0; i < 2; i += 1) await app.organizer.mutate('recordPayment', paid, selection);
  expect(await owed()).toEqual([{ owed: 0 }]);
  // What was paid on account goes back the same way, and never touches the provider's money.
  await refund(account.orderId);
  await atRest(account);
  const accounts =
    'SELECT sum(cash)::int AS cash, sum(clearing)::int AS clearing, sum(buyer)::int AS buyer FROM posting WHERE order_id = $1';
  expect(await app.sql(accounts, [account.orderId])).toEqual([{ cash: 0, clearing: 0, buyer: 0 }]);
  await refund(cash.orderId);
  expect(await atRest(cash)).toMatchObject({ state: 'REFUNDED', refunds: [{ state: 'SUCCEEDED' }] });
  await expectBooksBalance(booksOf(hall));
  expect((await app.provider.intents()).filter(({ metadata }) => metadata.event_id === hall.eventId)).toEqual([]);
});

test('A posting that is not balanced is refused by the ledger, and none is ever changed', async () => {
  const hall = await createHall(app.organizer);
  const bought = await buy(hall, [hall.rows[0]![0]!]);
  const insert = `INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, organizer, posted_at)
    SELECT id, 'GRANT', 'x', event_id, currency, -5, 4, now() FROM orders WHERE id = $1`;
  await expect(app.sql(insert, [bought.orderId])).rejects.toThrow('posting_balanced');
  for (const change of ['UPDATE posting SET buyer = 0', 'DELETE FROM posting', 'TRUNCATE posting'])
    await expect(app.sql(change)).rejects.toThrow('append-only');
  const above = 'UPDATE orders SET refunded_minor = captured_minor + 1 WHERE id = $1';
  await expect(app.sql(above, [bought.orderId])).rejects.toThrow('orders_refunded');
});

test('An event canceled by two at the same moment is canceled, for both', async () => {
  const hall = await createHall(app.organizer);
  const bought = await buy(hall, [hall.rows[0]![0]!]);
  const row = await holdLock(app.stores.databaseUrl, 'SELECT FROM event WHERE id = $1 FOR UPDATE', [hall.eventId]);
  const asked = [1, 2].map(() =>
    app.organizer.mutate('cancelEvent', { eventId: hall.eventId }, 'cancellation { state }'),
  );
  await row.blocked(2);
  await row.release();
  for (const { errors, cancellation } of await Promise.all(asked))
    expect([errors, cancellation.state]).toEqual([[], expect.stringMatching(/RUNNING|DONE/)]);
  await eventually(async () => expect((await read(bought)).state).toBe('REFUNDED'));
});

describe('The canceling of an event that is cut off', () => {
  const cancel = (eventId: string) => app.organizer.mutate('cancelEvent', { eventId }, 'cancellation { state }');
  const written = (eventId: string) =>
    app.sql(
      'SELECT e.state, c.state AS refunds FROM event e LEFT JOIN event_cancellation c ON c.event_id = e.id WHERE e.id = $1',
      [eventId],
    );
  const holdOne = async ({ eventId }: TestHall, seatId: string) =>
    holdSeats(await app.guest(), eventId, { seatIds: [seatId] });

  async function expectFinished(hall: TestHall, bought: Bought): Promise<void> {
    const { errors, cancellation } = await cancel(hall.eventId);
    expect([errors, cancellation.state]).toEqual([[], expect.stringMatching(/RUNNING|DONE/)]);
    expect((await holdOne(hall, hall.rows[0]![2]!)).errors).toMatchObject([{ code: 'SALE_CLOSED' }]);
    await eventually(async () => expect((await read(bought)).state).toBe('REFUNDED'));
    expect((await read(bought)).refunds).toMatchObject([{ reason: 'EVENT', state: 'SUCCEEDED' }]);
    await eventually(async () => expect(await written(hall.eventId)).toEqual([{ state: 'CANCELED', refunds: 'DONE' }]));
    await expectBooksBalance(booksOf(hall));
  }

  test('within the ledger has done nothing, and asked for again is finished', async () => {
    const hall = await createHall(app.organizer);
    const bought = await buy(hall, [hall.rows[0]![0]!]);
    // By then its state has been written.
    await app.sql(`
      CREATE FUNCTION cut_off() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF (SELECT state FROM event WHERE id = NEW.event_id) <> 'CANCELED' THEN RETURN NEW; END IF;
        RAISE EXCEPTION 'cut off' USING ERRCODE = '57P01';
      END $$`);
    await app.sql('CREATE TRIGGER cut_off BEFORE INSERT ON event_cancellation FOR EACH ROW EXECUTE FUNCTION cut_off()');
    try {
      await expect(cancel(hall.eventId)).rejects.toThrow();
    } finally {
      await app.sql('DROP FUNCTION cut_off CASCADE');
    }
    expect(await written(hall.eventId)).toEqual([{ state: 'PUBLISHED', refunds: null }]);
    expect((await holdOne(hall, hall.rows[0]![1]!)).hold).toMatchObject({ state: 'HELD' });
    expect(await read(bought)).toMatchObject({ state: 'COMPLETED', refunds: [] });
    await expectFinished(hall, bought);
  });

  test('before Redis has heard of it pays everybody back all the same, and asked for again ends the sale', async () => {
    const hall = await createHall(app.organizer);
    const bought = await buy(hall, [hall.rows[0]![0]!]);
    // What a process has written that came no further.
    await app.sql(`
      WITH ended AS (UPDATE event SET state = 'CANCELED' WHERE id = '${hall.eventId}' RETURNING id)
      INSERT INTO event_cancellation (event_id, state, started_at) SELECT id, 'RUNNING', now() FROM ended`);
    await eventually(async () => expect((await read(bought)).state).toBe('REFUNDED'));
    expect((await holdOne(hall, hall.rows[0]![1]!)).hold).toMatchObject({ state: 'HELD' });
    await expectFinished(hall, bought);
  });
});

test('An event that does not take place pays every order back, and may be stopped and resumed', async () => {
  const hall = await createHall(app.organizer);
  const orders = await Promise.all(hall.rows[0]!.slice(0, 4).map((seat) => buy(hall, [seat])));
  const unpaid = await app.guest();
  const { hold } = await holdSeats(unpaid, hall.eventId, { seatIds: [hall.rows[1]![0]!] });
  const { order: open } = await startCheckout(unpaid, hold);
  const held = await app.guest();
  const { hold: other } = await holdSeats(held, hall.eventId, { seatIds: [hall.rows[1]![1]!] });
  const fields = 'cancellation { state refunded refunding waiting failed }';
  // The provider takes its time: what is under way stays so.
  await app.provider.settings({ latencyMs: 500 });
  const { cancellation } = await app.organizer.mutate('cancelEvent', { eventId: hall.eventId }, fields);
  expect(cancellation).toMatchObject({ state: 'RUNNING' });
  const stream = app.organizer.subscribe(
    'subscription ($eventId: ID!) { cancellationChanged(eventId: $eventId) { state refunded refunding waiting failed endedAt } }',
    { eventId: hall.eventId },
  );
  const stopped = await app.organizer.mutate('stopCancellation', { eventId: hall.eventId }, fields);
  expect(stopped.cancellation).toMatchObject({ state: 'STOPPED' });
  const again = await Promise.all(
    [1, 2, 3].map(() => app.organizer.mutate('cancelEvent', { eventId: hall.eventId }, fields)),
  );
  expect(again.map((answer) => answer.cancellation.state)).toEqual(['RUNNING', 'RUNNING', 'RUNNING']);
  await app.provider.settings({ latencyMs: 0 });
  const done = await stream.until(({ state }) => state === 'DONE');
  expect(done).toMatchObject({ refunded: 4, refunding: 0, waiting: 0, failed: 0 });
  for (const bought of orders)
    expect(await read(bought)).toMatchObject({ state: 'REFUNDED', refunds: [{ reason: 'EVENT', state: 'SUCCEEDED' }] });
  expect(await read({ buyer: unpaid, orderId: open.id })).toMatchObject({ state: 'CANCELED' });
  const late = await startCheckout(held, other);
  expect(late.errors).toMatchObject([{ code: 'SALE_CLOSED' }]);
  const { event } = await app.anonymous.run(
    `{ event(id: "${hall.eventId}") { state saleState cancellation { state } } }`,
  );
  expect(event).toEqual({ state: 'CANCELED', saleState: 'CANCELED', cancellation: null });
  await expectBooksBalance(booksOf(hall));
});
