import { limits } from '../../src/limits.js';
import { globalKeys } from '../../src/redis/keys.js';
import { startTestApp, type TestApp } from '../support/app.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
  // Money is compared when the test says so.
  await app.server.services.platform.redis.set(globalKeys.moneyTurn, 'test');
});
afterAll(() => app.close());

test('A list that breaks off is followed from there, and what has been compared is not read again', async () => {
  const client = app.provider.client();
  for (let i = 0; i < 105; i += 1) await client.paymentIntents.create({ amount: 500, currency: 'eur' });
  await app.provider.fail({ endpoint: 'list', mode: 'unavailable', matching: 'starting_after' });
  const cursor = async () =>
    (await app.sql<{ after: string | null }>(`SELECT after FROM money_cursor WHERE feed = 'payments'`))[0]?.after;
  // Once everything that has happened is older than what is compared.
  app.clock.advance(limits.moneyRestMs + 1_000);
  await app.server.services.moneyReconciler.round();
  expect(await cursor()).toMatch(/^pi_/);
  await app.provider.clearFaults();
  await app.server.services.moneyReconciler.round();
  expect(await cursor()).toBeNull();
  for (const endpoint of ['list', 'listEvents', 'listBalance'] as const)
    await app.provider.fail({ endpoint, mode: 'none' });
  await app.server.services.moneyReconciler.round();
  // A page each of what is new; the payments were compared a moment ago.
  const pages = (await app.provider.faults()).map(({ endpoint, met }) => [endpoint, met]);
  expect(pages).toEqual([
    ['list', 0],
    ['listEvents', 1],
    ['listBalance', 1],
  ]);
});
