import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import { findPort } from '../../sandbox/services/process.js';
import { limits } from '../../src/limits.js';
import { hashPassword } from '../../src/services/accounts.js';
import { type ApiProcess, startApiProcess } from '../support/api-process.js';
import { ApiClient } from '../support/client.js';
import { createHall, holdSeats, newKey, orderStream } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { type PaymentSandbox, startPaymentSandbox } from '../support/payment-sandbox.js';
import { startSmtp, type TestSmtp } from '../support/smtp.js';
import { createTestStores, type TestStores } from '../support/stores.js';

let stores: TestStores;
let provider: PaymentSandbox;
let smtp: TestSmtp;
let database: Pool;
let env: Record<string, string>;
let api: ApiProcess;
const dir = mkdtempSync(join(tmpdir(), 'floodgate-receipts-'));

beforeAll(async () => {
  const port = await findPort();
  const webhookUrl = `http://127.0.0.1:${port}/webhooks/stripe`;
  const settings = { quotaPerSecond: 0, quotaPerEndpointPerSecond: 0 };
  [stores, provider, smtp] = await Promise.all([
    createTestStores(),
    startPaymentSandbox({ webhookUrl, settings }),
    startSmtp(),
  ]);
  env = {
    PORT: String(port),
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
    STRIPE_SECRET_KEY: provider.secretKey,
    STRIPE_WEBHOOK_SECRET: provider.webhookSecret,
    STRIPE_API_URL: provider.url,
    SMTP_URL: smtp.url,
    TOKEN_KEY_FILE: join(dir, 'token-key.json'),
    LOG_LEVEL: 'silent',
  };
  database = new Pool({ connectionString: stores.databaseUrl, max: 2 });
  api = await startApiProcess(env);
});
afterAll(async () => {
  await api.stop();
  await database.end();
  await provider.stop();
  await smtp.close();
  await stores.close();
  rmSync(dir, { recursive: true, force: true });
});

/** An organizer without anybody having signed up. */
async function organizer(): Promise<ApiClient> {
  const organizerId = randomUUID();
  await database.query('INSERT INTO organizer (id, name) VALUES ($1, $2)', [organizerId, 'Test organizer']);
  await database.query(
    `INSERT INTO account (id, email, password_hash, role, organizer_id) VALUES ($1, 'organizer@example.com', $2, 'ADMIN', $3)`,
    [randomUUID(), await hashPassword('a good password'), organizerId],
  );
  const input = { email: 'organizer@example.com', password: 'a good password' };
  const { session } = await new ApiClient(api.url, null).mutate('signIn', input, 'session { token }');
  return new ApiClient(api.url, session.token);
}

test('Promise 33: a process killed after the mail server took a receipt and before that was written sends it again under the same Message-ID', async () => {
  const seller = await organizer();
  const hall = await createHall(seller);
  const { session } = await new ApiClient(api.url, null).mutate('startGuestSession', {}, 'session { token }');
  const buyer = new ApiClient(api.url, session.token);
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: ['1-1'] });
  const input = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
  const { order } = await buyer.mutate(
    'startCheckout',
    { ...input, buyer: { email: 'buyer@example.com' } },
    'order { id }',
  );
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  const killed = new Promise<void>((resolve) => {
    smtp.beforeAnswer(async () => {
      await api.kill();
      resolve();
    });
  });
  const { payment } = await stream.until((update) => update.payment !== null);
  await provider.confirm(payment.clientSecret, 'pm_card_visa');
  await killed;
  for (const client of [buyer, seller]) client.close();
  smtp.beforeAnswer(async () => {});
  const stateNow = async () =>
    (await database.query('SELECT mail, number FROM receipt WHERE order_id = $1', [order.id])).rows;
  expect(await stateNow()).toEqual([{ mail: 'SENDING', number: 1 }]);
  // As if that had been long ago.
  await database.query(
    `UPDATE graphile_worker._private_jobs SET locked_at = locked_at - $1 * interval '1 millisecond'`,
    [limits.jobMaxMs],
  );
  api = await startApiProcess(env);
  await eventually(async () => expect(await stateNow()).toEqual([{ mail: 'SENT', number: 1 }]));
  await eventually(async () => expect((await database.query('SELECT FROM graphile_worker.jobs')).rows).toEqual([]));
  const ids = smtp.mails.map((mail) => /^Message-ID: (.+)$/im.exec(mail)![1]);
  expect(ids).toHaveLength(2);
  expect(new Set(ids).size).toBe(1);
  expect(smtp.mails.every((mail) => mail.includes('R-000001'))).toBe(true);
});
