import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance } from '../support/books.js';
import type { Data } from '../support/client.js';
import { createHall, newKey, orderSelection } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { ended, intentsOf, pay, stall, startOrder } from '../support/orders.js';
import { crowd } from '../support/payment-calls.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const stepsOf = (orderId: string) =>
  app.sql<Data>(`SELECT attempt, outcome FROM order_step WHERE order_id = $1 AND step = 'CREATE' ORDER BY attempt`, [
    orderId,
  ]);

test('Promise 19: a stored failure that made a payment is found by our id, and no second one is made', async () => {
  const hall = await createHall(app.organizer);
  await app.provider.settings({ failureRate: 1, failureMode: 'after' });
  const { orderId, stream } = await startOrder(app, hall, [hall.rows[0]![0]!]);
  await eventually(async () => expect(await intentsOf(app, orderId)).toHaveLength(1));
  await app.provider.settings({ failureRate: 0 });
  await pay(app, stream);
  expect(await stepsOf(orderId)).toEqual([{ attempt: 1, outcome: 'created' }]);
  expect(await intentsOf(app, orderId)).toHaveLength(1);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('Promise 19: a stored failure that made nothing leads to the next attempt', async () => {
  const hall = await createHall(app.organizer);
  await app.provider.settings({ failureRate: 1, failureMode: 'before' });
  const { failedOnPurpose } = (await app.provider.state()).api;
  const { orderId, stream } = await startOrder(app, hall, [hall.rows[0]![0]!]);
  await eventually(async () => expect((await app.provider.state()).api.failedOnPurpose).toBe(failedOnPurpose + 1));
  await app.provider.settings({ failureRate: 0 });
  await pay(app, stream);
  expect(await stepsOf(orderId)).toEqual([
    { attempt: 1, outcome: 'nothing at the provider' },
    { attempt: 2, outcome: 'created' },
  ]);
  expect(await intentsOf(app, orderId)).toHaveLength(1);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('Promise 19: an answer that never comes holds nobody else up, and the same attempt is repeated', async () => {
  const hall = await createHall(app.organizer);
  await app.provider.settings({ failureRate: 1, failureMode: 'hang' });
  const stuck = await startOrder(app, hall, [hall.rows[0]![0]!]);
  await eventually(async () => expect(await intentsOf(app, stuck.orderId)).toHaveLength(1));
  await app.provider.settings({ failureRate: 0 });
  const other = await startOrder(app, hall, [hall.rows[1]![0]!]);
  await pay(app, other.stream);
  expect(await stepsOf(stuck.orderId)).toEqual([{ attempt: 1, outcome: null }]);
  await pay(app, stuck.stream);
  expect(await stepsOf(stuck.orderId)).toEqual([{ attempt: 1, outcome: 'created' }]);
  expect(await intentsOf(app, stuck.orderId)).toHaveLength(1);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('Promise 19: a call carries the key order:step:attempt, which is stored before it goes out', async () => {
  const hall = await createHall(app.organizer);
  await app.provider.settings({ latencyMs: 500 });
  const { orderId, stream } = await startOrder(app, hall, [hall.rows[0]![0]!]);
  await eventually(async () => {
    const [step] = await app.sql<Data>(
      'SELECT step, attempt, first_call_at, lease FROM order_step WHERE order_id = $1',
      [orderId],
    );
    expect(step).toEqual({ step: 'CREATE', attempt: 1, first_call_at: expect.any(Date), lease: expect.any(String) });
  });
  await app.provider.settings({ latencyMs: 0 });
  await pay(app, stream);
  const { data } = await app.provider.client().events.list({ limit: 100 });
  const keys = data.flatMap(({ data: { object }, request }) => {
    const { metadata } = object as { metadata?: { order_id?: string } };
    return metadata?.order_id === orderId && request?.idempotency_key ? [request.idempotency_key] : [];
  });
  expect([...new Set(keys)].sort()).toEqual([`${orderId}:CAPTURE:1`, `${orderId}:CREATE:1`]);
});

test('Promise 19: an attempt whose key may have been forgotten is looked up, and does not go out again', async () => {
  const hall = await createHall(app.organizer);
  await app.provider.settings({ failureRate: 1, failureMode: 'hang' });
  const order = await startOrder(app, hall, [hall.rows[0]![0]!]);
  const { orderId, stream } = order;
  await eventually(async () => expect(await intentsOf(app, orderId)).toHaveLength(1));
  const stalled = await stall(app, order);
  await app.sql(`UPDATE order_step SET first_call_at = first_call_at - interval '21 hours' WHERE order_id = $1`, [
    orderId,
  ]);
  await app.provider.settings({ failureRate: 0 });
  const { replayed } = (await app.provider.state()).api;
  await stalled.resume();
  await pay(app, stream);
  expect((await app.provider.state()).api.replayed).toBe(replayed);
  expect(await intentsOf(app, orderId)).toHaveLength(1);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('Promise 19: a payment that is far down in the list of the provider is found there, however often the list has to be begun again', async () => {
  const hall = await createHall(app.organizer);
  await app.provider.fail({ endpoint: 'create', mode: 'after', times: 1 });
  const order = await startOrder(app, hall, [hall.rows[0]![0]!]);
  const { orderId, stream } = order;
  await eventually(async () => expect(await intentsOf(app, orderId)).toHaveLength(1));
  const stalled = await stall(app, order);
  await crowd(app.provider, 150);
  // The provider has had enough when half of it has been read.
  await app.provider.fail({ endpoint: 'list', mode: 'limit', times: 1, matching: 'starting_after' });
  await stalled.resume();
  await pay(app, stream);
  expect(await app.provider.faults()).toMatchObject([
    { endpoint: 'create', met: 1 },
    { endpoint: 'list', met: 1 },
  ]);
  await app.provider.clearFaults();
  expect(await stepsOf(orderId)).toEqual([{ attempt: 1, outcome: 'created' }]);
  expect(await intentsOf(app, orderId)).toHaveLength(1);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});

test('Connections cut in the middle of calls move money once', async () => {
  const hall = await createHall(app.organizer);
  const orders = await Promise.all(hall.rows[0]!.slice(0, 8).map((seat) => startOrder(app, hall, [seat])));
  const payments = await Promise.all(orders.map(({ stream }) => stream.until(({ payment }) => payment !== null)));
  const { failedOnPurpose } = (await app.provider.state()).api;
  await app.provider.settings({ failureRate: 0.7, failureMode: 'cut' });
  await Promise.all(
    orders.map(async ({ buyer, orderId }, at) => {
      // Cut or not, the payment is made.
      if (at % 2 === 0) await app.provider.confirm(payments[at]!.payment.clientSecret, 'pm_card_visa').catch(() => {});
      if (at % 2 === 1) await buyer.mutate('cancelOrder', { orderId, idempotencyKey: newKey() }, orderSelection);
    }),
  );
  await eventually(async () =>
    expect((await app.provider.state()).api.failedOnPurpose).toBeGreaterThan(failedOnPurpose + 8),
  );
  await app.provider.settings({ failureRate: 0 });
  await Promise.all(orders.map(({ stream }, at) => ended(stream, at % 2 === 0 ? 'COMPLETED' : 'CANCELED')));
  await expectBooksBalance(booksOfApp(app, hall.eventId));
});
