import { Client, type Pool, type PoolClient } from 'pg';
import type Stripe from 'stripe';
import { readConfig } from '../../src/config.js';
import { makeDataSource } from '../../src/database/data-source.js';
import type { Clock } from '../../src/domain/clock.js';
import { freeCalls } from '../../src/payments/calls.js';
import type { PaymentGateway } from '../../src/payments/gateway.js';
import { StripeGateway } from '../../src/payments/stripe.js';
import type { Channels } from '../../src/pubsub/channels.js';
import { connectRedis } from '../../src/redis/connections.js';
import { EventCatalogue, type PublishedEvent } from '../../src/services/event-catalogue.js';
import { InventoryService } from '../../src/services/inventory.js';
import type { Platform } from '../../src/services/platform.js';
import { type PaymentSandbox, startPaymentSandbox } from '../support/payment-sandbox.js';
import { createTestStores } from '../support/stores.js';
import { eventId, writeEvent } from './event.js';
import { gateStatements, type Statements } from './gate-postgres.js';
import { type Commands, gateCommands } from './gate-redis.js';

/** Enough for everybody's reads beside their transactions. */
const connections = 32;
const spareConnections = 12;

/** Later than any clock that runs by itself, so that Redis' own time never counts. */
export const beginningMs = Date.UTC(2150, 0, 1);

/** The stores and the provider that the runs of one lane share, one run after the other. */
export interface Stage {
  readonly provider: PaymentSandbox;
  /** The provider as its customer sees it, past the platform. */
  readonly account: Stripe;
  readonly gateway: PaymentGateway;
  readonly pool: Pool;
  readonly statements: Statements;
  readonly redis: Platform['redis'];
  readonly commands: Commands;
  /** Looks on: nothing of it passes a gate. */
  readonly observer: Client;
  /** The time Redis answers, in place of its own. */
  readonly time: { nowMs: number };
  /** The published event as every process knows it at the beginning. */
  readonly published: PublishedEvent;
  /** What Redis has of it by then, by key. */
  readonly image: ReadonlyMap<string, Buffer>;
  /** What a process stands on, over the stores of the lane. */
  platform(own: Pick<Platform, 'clock' | 'gateway' | 'log' | 'processId'>): Platform;
  /** Tells the runs of a lane apart at the provider, which forgets nothing. */
  nextRun(): number;
  close(): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const [stores, provider] = await Promise.all([
    createTestStores(),
    startPaymentSandbox({ settings: { quotaPerSecond: 0, quotaPerEndpointPerSecond: 0 } }),
  ]);
  const config = readConfig({
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
    STRIPE_SECRET_KEY: provider.secretKey,
    STRIPE_WEBHOOK_SECRET: provider.webhookSecret,
    STRIPE_API_URL: provider.url,
  });
  const observer = await openLedger(stores.databaseUrl);
  await observer.query(lettingGo);
  const database = await makeDataSource(stores.databaseUrl, connections).initialize();
  const pool = (database.driver as unknown as { master: Pool }).master;
  // Connections that are nobody's do not end by themselves.
  pool.options.idleTimeoutMillis = 0;
  const statements = gateStatements(database, observer);
  await warm(pool);
  const { commands: redis, subscriber } = await connectRedis(stores.redisUrl, () => {});
  const time = { nowMs: beginningMs };
  const commands = gateCommands(redis, time);
  const gateway = new StripeGateway(config.stripe, freeCalls);
  const platform: Stage['platform'] = (own) => ({
    config,
    database,
    redis,
    channels: silent,
    mailer: noMailer,
    ...own,
  });
  const published = await publish(platform({ clock: clockOf(time), gateway, log: silentLog, processId: 'publisher' }));
  let run = 0;
  return {
    provider,
    account: provider.client(),
    gateway,
    pool,
    statements,
    redis,
    commands,
    observer,
    time,
    published,
    image: await takeImage(redis),
    platform,
    nextRun: () => ++run,
    close: async () => {
      redis.disconnect();
      subscriber.disconnect();
      await Promise.all([database.destroy(), observer.end(), provider.stop()]);
      await stores.close();
    },
  };
}

/** So many connections that nobody has to wait for one to be opened, which no gate would know of. */
export async function warm(pool: Pool): Promise<void> {
  if (pool.idleCount >= spareConnections) return;
  const clients: PoolClient[] = [];
  while (pool.idleCount > 0) clients.push(await pool.connect());
  while (clients.length < spareConnections && pool.totalCount < connections) clients.push(await pool.connect());
  for (const client of clients) client.release();
}

const moving = [
  'webhook_event',
  'receipt',
  'posting',
  'refund',
  'ticket',
  'seat_owner',
  'order_step',
  'order_line',
  'orders',
] as const;
/** What is never changed in earnest is begun anew here. */
const lettingGo = 'ALTER TABLE posting DISABLE TRIGGER USER; ALTER TABLE receipt DISABLE TRIGGER USER;';
const clearSql = `${moving.map((table) => `DELETE FROM ${table};`).join(' ')} UPDATE inventory SET generation = 1, line_numbers = 0`;
/** Emptying tables is dear, because every connection forgets what it knew of them; never to do it is dearer in the end. */
const runsBetweenTruncations = 40;

/** Everything as it was when the event had just been published. Answers the number of the playing. */
export async function clear(stage: Stage): Promise<number> {
  const { observer, redis, image } = stage;
  const run = stage.nextRun();
  const pipeline = redis.pipeline().flushdb();
  for (const [key, dump] of image) pipeline.restore(key, 0, dump);
  const truncate = run % runsBetweenTruncations === 0 ? `TRUNCATE ${moving.join(', ')};` : '';
  await Promise.all([observer.query(truncate + clearSql), pipeline.exec()]);
  return run;
}

/** A clock that stands at the time of the run. What it draws is the same in every run that is asked for the same. */
export function clockOf(time: { readonly nowMs: number }, randomId: () => string = () => ''): Clock {
  const nowMs = () => time.nowMs;
  return {
    nowMs,
    elapsedMs: nowMs,
    randomId,
    randomBytes: (length) => Buffer.from(randomId().replaceAll('-', '').repeat(length), 'hex').subarray(0, length),
  };
}

/** Messages to other processes are hints; here all of them are lost. */
const silent = {
  publish: async () => {},
  listen: async () => () => {},
  onReconnect: () => () => {},
} as unknown as Channels;
const noMailer: Platform['mailer'] = {
  enabled: false,
  send: () => false,
  deliver: () => Promise.reject(new Error('no mail')),
  close: () => {},
};
const nothing = () => {};
const silentLog = { error: nothing, warn: nothing, info: nothing, debug: nothing } as unknown as Platform['log'];

async function openLedger(databaseUrl: string): Promise<Client> {
  const migrations = await makeDataSource(databaseUrl, 1).initialize();
  await migrations.runMigrations();
  await migrations.destroy();
  const observer = new Client({ connectionString: databaseUrl });
  await observer.connect();
  await writeEvent(observer);
  // Whatever Postgres does by itself, in its own time, changes which row it finds first.
  for (const table of [...moving, 'inventory'])
    await observer.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
  return observer;
}

async function publish(platform: Platform): Promise<PublishedEvent> {
  const catalogue = new EventCatalogue(platform);
  await new InventoryService(platform, catalogue).rebuild(eventId);
  return (await catalogue.published(eventId))!;
}

async function takeImage(redis: Platform['redis']): Promise<Map<string, Buffer>> {
  const image = new Map<string, Buffer>();
  for (const key of await redis.keys('*')) image.set(key, (await redis.dumpBuffer(key))!);
  return image;
}
