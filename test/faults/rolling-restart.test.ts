import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workersOf } from '../../bench/rush/stack.js';
import { findPort } from '../../sandbox/services/process.js';
import { startApiProcess } from '../support/api-process.js';
import { eventually } from '../support/eventually.js';
import { expectSound, rushThrough } from '../support/rush.js';
import { createTestStores } from '../support/stores.js';

jest.setTimeout(180_000);

test('Promise 31: a rolling restart under load, twice, with other scripts side by side, loses no hold, place or payment', async () => {
  const report = expectSound(
    await rushThrough([
      ['rolling-restart', 4],
      ['rolling-restart', 14],
    ]),
    ['rolling-restart', 'rolling-restart'],
  );
  expect(report.generation).toBe(1);
  expect(report.losses).toEqual({ holds: 0, admissions: 0, places: 0 });
  // Everybody who was connected has been told to come back.
  expect(report.sockets.reconnects).toBeGreaterThan(20);
});

test('Processes that are to be replaced by ones that do not start go on serving', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'floodgate-replace-'));
  const stores = await createTestStores();
  const api = await startApiProcess({
    PORT: String(await findPort()),
    WEB_CONCURRENCY: '2',
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
    STRIPE_SECRET_KEY: 'sk_test_unused',
    STRIPE_WEBHOOK_SECRET: 'whsec_unused',
    TOKEN_KEY_FILE: join(dir, 'token-key.json'),
    LOG_LEVEL: 'silent',
  });
  try {
    const workers = () => workersOf(api.pid).toSorted();
    const before = workers();
    expect(before).toHaveLength(2);
    // Without Redis nothing starts, and what runs waits for it.
    await stores.redis.kill();
    process.kill(api.pid, 'SIGHUP');
    await eventually(() => expect(workers()).toHaveLength(3));
    await eventually(() => expect(workers()).toEqual(before));
    await stores.redis.start();
    await eventually(async () => expect((await fetch(`${api.url}/health`)).status).toBe(200));
    expect(workers()).toEqual(before);

    process.kill(api.pid, 'SIGHUP');
    await eventually(() => expect(workers().filter((pid) => !before.includes(pid))).toHaveLength(2));
    await eventually(() => expect(workers()).toHaveLength(2));
    expect((await fetch(`${api.url}/health`)).status).toBe(200);
  } finally {
    await api.stop();
    await stores.close();
    rmSync(dir, { recursive: true });
  }
});
