import type { QueryRunner } from 'typeorm';
import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { createHall, newKey } from '../support/events.js';
import { followOrder, pay, startOrder } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

/** Every statement that some connection of the platform has prepared. */
async function preparedStatements(): Promise<string[]> {
  const { database } = app.server.services.platform;
  // All of them at once, so that each is another connection.
  const runners: QueryRunner[] = Array.from({ length: limits.databaseConnections }, () => database.createQueryRunner());
  const asked = runners.map((runner) => runner.query('SELECT statement FROM pg_prepared_statements'));
  const rows: { statement: string }[] = (await Promise.all(asked)).flat();
  await Promise.all(runners.map((runner) => runner.release()));
  return [...new Set(rows.map(({ statement }) => statement))];
}

const growing = ['orders', 'order_line', 'order_step', 'seat_owner', 'ticket', 'posting', 'refund', 'webhook_event'];

test('What a sale asks of its ledger is looked up by an index, though it was planned while nothing was sold', async () => {
  const hall = await createHall(app.organizer);
  const { orderId, buyer, stream } = await startOrder(app, hall, ['1-1', '1-2']);
  await pay(app, stream);
  await app.organizer.mutate('refundOrder', { orderId, idempotencyKey: newKey() }, 'order { id }');
  await followOrder(buyer, orderId).until(({ state }) => state === 'REFUNDED');
  const statements = (await preparedStatements()).filter((text) => /^\s*(SELECT|WITH|INSERT|UPDATE|DELETE)/.test(text));
  expect(statements.length).toBeGreaterThan(20);
  const reading: string[] = [];
  for (const text of statements) {
    const plan = await app.sql<{ 'QUERY PLAN': string }>(`EXPLAIN (GENERIC_PLAN) ${text}`);
    const lines = plan.map((line) => line['QUERY PLAN']);
    const read = lines.flatMap((line) => /Seq Scan on (\w+)/.exec(line)?.[1] ?? []);
    if (growing.some((table) => read.includes(table)) || lines.some((line) => /(Hash|Merge) .*Join/.test(line)))
      reading.push(text);
  }
  expect(reading).toEqual([]);
});
