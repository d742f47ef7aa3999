import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type Config, readConfig } from '../../src/config.js';
import { makeDataSource } from '../../src/database/data-source.js';
import { type Clock, systemClock } from '../../src/domain/clock.js';
import { type RunningServer, startServer } from '../../src/server/server.js';
import { ApiClient } from './client.js';
import { keysOf } from './keys.js';
import { type PaymentSandbox, startPaymentSandbox } from './payment-sandbox.js';
import { createTestStores, type TestStores } from './stores.js';

/** The wall clock, moved by hand. */
export class TestClock implements Clock {
  #offsetMs = 0;
  #advancedMs = 0;
  readonly randomId = systemClock.randomId;
  readonly randomBytes = systemClock.randomBytes;

  nowMs(): number {
    return Date.now() + this.#offsetMs;
  }

  elapsedMs(): number {
    return performance.now() + this.#advancedMs;
  }

  /** Backwards too, as when somebody sets the clock of a machine. */
  advance(ms: number): void {
    this.#offsetMs += ms;
    this.#advancedMs += Math.max(0, ms);
  }
}

export interface TestApp {
  readonly url: string;
  readonly config: Config;
  readonly stores: TestStores;
  readonly provider: PaymentSandbox;
  readonly clock: TestClock;
  readonly server: RunningServer;
  /** A client without a token. */
  readonly anonymous: ApiClient;
  /** The first administrator. */
  readonly organizer: ApiClient;
  /** A new guest session. */
  guest(): Promise<ApiClient>;
  /**
   * Moves the time of an event and of the processes forward. Redis time never runs backwards for an event, so from here on the event's
   * time stands still until the next call: nothing expires by accident.
   */
  advance(eventId: string, ms: number): Promise<void>;
  /** Rows of the ledger. */
  sql<T = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

/** A whole platform in this process, on its own stores, with its own payment provider. */
export async function startTestApp(
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly settings?: Parameters<PaymentSandbox['settings']>[0];
  } = {},
): Promise<TestApp> {
  const [stores, provider] = await Promise.all([
    createTestStores(),
    startPaymentSandbox({ settings: { quotaPerSecond: 0, quotaPerEndpointPerSecond: 0, ...options.settings } }),
  ]);
  const dir = mkdtempSync(join(tmpdir(), 'floodgate-app-'));
  const config = readConfig({
    PORT: '0',
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
    STRIPE_SECRET_KEY: provider.secretKey,
    STRIPE_WEBHOOK_SECRET: provider.webhookSecret,
    STRIPE_API_URL: provider.url,
    STRIPE_CALLS_PER_SECOND: '0',
    STRIPE_CALLS_PER_ENDPOINT_PER_SECOND: '0',
    CHECKOUT_WAIT_MS: '0',
    TOKEN_KEY_FILE: join(dir, 'token-key.json'),
    LOG_LEVEL: 'silent',
    ...options.env,
  });
  const migrations = await makeDataSource(stores.databaseUrl, 1).initialize();
  await migrations.runMigrations();
  await migrations.destroy();
  const clock = new TestClock();
  const log = pino({ level: process.env.FLOODGATE_TEST_LOG ?? 'silent' }, pino.destination({ dest: 2, sync: true }));
  const server = await startServer(config, { clock, log });
  await provider.settings({ webhookUrl: `${server.url}/webhooks/stripe` });
  const { services } = server;
  const created = await services.accounts.bootstrap('organizer@example.com', 'Test organizer');
  const session = await services.accounts.signIn(created!.email, created!.password);
  const anonymous = new ApiClient(server.url, null);
  const clients: ApiClient[] = [anonymous];
  const clientFor = (token: string) => {
    const client = new ApiClient(server.url, token);
    clients.push(client);
    return client;
  };
  return {
    url: server.url,
    config,
    stores,
    provider,
    clock,
    server,
    anonymous,
    organizer: clientFor('token' in session ? session.token : ''),
    guest: async () => clientFor((await services.accounts.startGuestSession()).token),
    advance: async (eventId, ms) => {
      const { redis } = services.platform;
      const { meta } = keysOf(eventId);
      const [seconds, micros] = await redis.time();
      const redisNowMs = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
      const lastNowMs = Number(await redis.hget(meta, 'lastNow'));
      await redis.hset(meta, 'lastNow', Math.max(redisNowMs, lastNowMs) + ms);
      clock.advance(ms);
    },
    sql: (text, values = []) => services.platform.database.query(text, [...values]),
    close: async () => {
      for (const client of clients) client.close();
      await server.close();
      await provider.stop();
      await stores.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
