import { findPort } from '../../sandbox/services/process.js';
import { startApiProcess } from '../support/api-process.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { createHall } from '../support/events.js';
import { holdLock } from '../support/locks.js';
import { buy, receiptOf } from '../support/receipts.js';

// Several processes start one after the other.
jest.setTimeout(180_000);

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

test('Promise 32: receipts of many orders, numbered by three processes at once, have numbers without gaps', async () => {
  const others = await startApiProcess({
    PORT: String(await findPort()),
    WEB_CONCURRENCY: '2',
    DATABASE_URL: app.stores.databaseUrl,
    REDIS_URL: app.stores.redisUrl,
    STRIPE_SECRET_KEY: app.provider.secretKey,
    STRIPE_WEBHOOK_SECRET: app.provider.webhookSecret,
    STRIPE_API_URL: app.provider.url,
    TOKEN_KEY_FILE: app.config.tokenKeyFile,
    LOG_LEVEL: 'silent',
  });
  try {
    const hall = await createHall(app.organizer, { rows: 5, event: { waitingRoom: 'NEVER' } });
    // Until this is let go, nobody gets a number: all three are caught with orders that they want to number.
    const lock = await holdLock(
      app.stores.databaseUrl,
      `INSERT INTO receipt_counter (organizer_id, kind) SELECT id, 'RECEIPT' FROM organizer
         ON CONFLICT (organizer_id, kind) DO UPDATE SET last = receipt_counter.last`,
    );
    const [last, ...seatIds] = hall.rows.flat();
    const purchases = await Promise.all(seatIds.map((seatId) => buy(app, hall, [seatId])));
    await lock.blocked(3);
    await lock.commit();
    await Promise.all(purchases.map(receiptOf));
    // Whoever came to nothing has used up no number either.
    await receiptOf(await buy(app, hall, [last!]));
    const numbered = await app.sql<{ number: number }>(
      `SELECT number FROM receipt WHERE kind = 'RECEIPT' ORDER BY organizer_id, number`,
    );
    expect(numbered.length).toBeGreaterThanOrEqual(50);
    expect(numbered.map(({ number }) => number)).toEqual(numbered.map((_, at) => at + 1));
  } finally {
    await others.stop();
  }
});
