import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { buildProduct } from '../../../bench/support/build.js';
import { findPort } from '../../../sandbox/services/process.js';
import { findRedisServer } from '../../../sandbox/services/redis-binary.js';
import { makeDataSource } from '../../../src/database/data-source.js';
import { sharedKeys } from '../../../src/redis/keys.js';
import { hashPassword } from '../../../src/services/accounts.js';
import { ApiClient } from '../../support/client.js';
import { type PaymentSandbox, startPaymentSandbox } from '../../support/payment-sandbox.js';
import { buildGates } from './gates.js';
import { until } from './patience.js';
import { Postman } from './postman.js';
import { ProviderLine } from './provider-line.js';
import { ApiServer, PostgresServer, RedisServer } from './servers.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Where a run puts its files, and the program it has built for itself. */
export interface Workshop {
  readonly home: string;
  readonly script: string;
  readonly redisProgram: string;
  close(): void;
}

export async function openWorkshop(): Promise<Workshop> {
  // Named as those of the tests, whose next run removes what a killed one has left.
  const home = mkdtempSync(join(tmpdir(), `floodgate-test-${process.pid}-`));
  // The OS user that runs PostgreSQL must be able to walk through.
  chmodSync(home, 0o711);
  // Within the tree, where its libraries are found.
  const built = join(root, '.floodgate', 'faults', String(process.pid));
  const redisProgram = await findRedisServer();
  return {
    home,
    // Built once: a process that is killed again and again has to come back fast.
    script: buildProduct(built),
    redisProgram,
    close: () => {
      for (const folder of [home, built]) rmSync(folder, { recursive: true, force: true });
    },
  };
}

const apiNames = ['api_1', 'api_2'] as const;
const organizerLogin = { email: 'organizer@example.com', password: 'a good password' };

/** Everything real that a scene is played on, for one lane alone: a Postgres, a Redis, a provider and two processes of the API. */
export class Stage {
  readonly postgres: PostgresServer;
  readonly redisServer: RedisServer;
  readonly provider: PaymentSandbox;
  readonly line: ProviderLine;
  readonly postman: Postman;
  readonly apis: readonly ApiServer[];
  readonly redis: Redis;
  readonly databaseUrl: string;
  #database: Pool;
  #organizer = '';
  readonly #beside: Promise<unknown>[] = [];

  private constructor(parts: {
    readonly postgres: PostgresServer;
    readonly redisServer: RedisServer;
    readonly provider: PaymentSandbox;
    readonly line: ProviderLine;
    readonly postman: Postman;
    readonly apis: readonly ApiServer[];
  }) {
    this.postgres = parts.postgres;
    this.redisServer = parts.redisServer;
    this.provider = parts.provider;
    this.line = parts.line;
    this.postman = parts.postman;
    this.apis = parts.apis;
    this.databaseUrl = parts.postgres.url;
    this.#database = makePool(this.databaseUrl);
    this.redis = new Redis(parts.redisServer.url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    this.redis.on('error', () => {});
  }

  static async open(workshop: Workshop): Promise<Stage> {
    const home = mkdtempSync(join(workshop.home, 'lane-'));
    chmodSync(home, 0o711);
    mkdirSync(join(home, 'redis'));
    const postgres = new PostgresServer(join(home, 'postgres'));
    const redisServer = new RedisServer(join(home, 'redis'), workshop.redisProgram);
    const settings = { quotaPerSecond: 0, quotaPerEndpointPerSecond: 0, webhookRetryMs: 200 };
    const [provider] = await Promise.all([startPaymentSandbox({ settings }), postgres.start(), redisServer.start()]);
    const line = new ProviderLine(provider);
    const apis: ApiServer[] = [];
    const postman = new Postman(apis, provider.webhookSecret);
    await prepareLedger(postgres);
    for (const name of apiNames) {
      const port = await findPort();
      apis.push(
        new ApiServer(
          name,
          { port, home, script: workshop.script },
          {
            DATABASE_URL: postgres.urlOf(name),
            REDIS_URL: redisServer.url,
            STRIPE_SECRET_KEY: provider.secretKey,
            STRIPE_WEBHOOK_SECRET: provider.webhookSecret,
            STRIPE_API_URL: await line.openEnd(name),
            STRIPE_CALLS_PER_SECOND: '0',
            STRIPE_CALLS_PER_ENDPOINT_PER_SECOND: '0',
            TOKEN_KEY_FILE: join(home, 'token-key.json'),
            LOG_LEVEL: 'warn',
          },
        ),
      );
    }
    await provider.settings({ webhookUrl: await postman.open() });
    const stage = new Stage({ postgres, redisServer, provider, line, postman, apis });
    // One after the other: the first one makes the key that both sign with.
    for (const api of apis) await api.start();
    const { session } = await stage.client(null).mutate('signIn', organizerLogin, 'session { token }');
    stage.#organizer = session.token;
    return stage;
  }

  /** What the processes of the API have complained of last. */
  complaints(): string[] {
    return this.apis.flatMap(({ name, logFile }) => {
      const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
      return lines.slice(-8).map((line) => `${name}: ${tellLine(line)}`);
    });
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    for (const api of this.apis) await api.stop();
    await Promise.all([this.line.close(), this.postman.close(), this.#database.end().catch(() => {})]);
    await Promise.all([this.provider.stop(), this.redisServer.stop(), this.postgres.stop()]);
  }

  /** A client of whichever process is up. */
  client(token: string | null): ApiClient {
    const api = this.apis.find(({ isUp }) => isUp) ?? this.apis[0]!;
    return new ApiClient(api.url, token);
  }

  get organizer(): ApiClient {
    return this.client(this.#organizer);
  }

  get organizerToken(): string {
    return this.#organizer;
  }

  async guest(): Promise<string> {
    const { session } = await this.client(null).mutate('startGuestSession', {}, 'session { token }');
    return session.token;
  }

  readonly sql = async <T>(text: string, values: readonly unknown[] = []): Promise<T[]> =>
    (await this.#database.query(text, [...values])).rows as T[];

  async crashPostgres(): Promise<void> {
    const old = this.#database;
    this.#database = makePool(this.databaseUrl);
    await this.postgres.crash();
    await old.end().catch(() => {});
  }

  /** Kills processes of the API, lets go what they have begun, and waits until Postgres has given up what they held. */
  async kill(apis: readonly ApiServer[], afterwards: () => Promise<void>): Promise<void> {
    await Promise.all(apis.map((api) => api.kill()));
    await afterwards();
    const users = apis.map(({ name }) => name);
    await until('the sessions of the dead to end', async () => {
      const open = await this.sql('SELECT FROM pg_stat_activity WHERE usename = ANY($1)', [users]);
      return open.length === 0;
    });
  }

  /** The leases of the dead have run out. */
  async endLeases(eventId: string): Promise<void> {
    await this.sql(
      `UPDATE order_step s SET leased_until = '2000-01-01' FROM orders o
       WHERE o.id = s.order_id AND o.event_id = $1 AND s.finished_at IS NULL AND s.lease IS NOT NULL`,
      [eventId],
    );
  }

  /** Lets something go on beside the scene; `caughtUp` waits for it. */
  later(work: Promise<unknown>): void {
    // Kept for whoever waits; until then nobody is to hear of a failure as of one that nobody cares for.
    work.catch(() => {});
    this.#beside.push(work);
  }

  async caughtUp(): Promise<void> {
    await Promise.all(this.#beside.splice(0));
  }

  /** A new scene finds everything in order. */
  calm(): void {
    this.postman.forget();
    this.line.calm();
  }

  /** Every process is up, Redis serves the generation of the ledger, and the provider has nothing more to tell. */
  async settled(eventIds: readonly string[]): Promise<void> {
    await until('both processes to be up', () => this.apis.every(({ isUp }) => isUp));
    await until('Redis to serve what the ledger says', async () => {
      const server = await this.redis.info();
      const run = /^run_id:(\S+)/m.exec(server)?.[1] ?? '';
      for (const eventId of eventIds) {
        const [row] = await this.sql<{ generation: number }>('SELECT generation FROM inventory WHERE event_id = $1', [
          eventId,
        ]);
        const epoch = await this.redis.hget(sharedKeys(eventId).meta, 'epoch');
        if (epoch === null || !epoch.startsWith(`${row!.generation}@${run}.`)) return false;
      }
      return true;
    });
    await until('the last webhook to be taken', async () => (await this.provider.state()).webhooksPending === 0);
  }
}

function tellLine(line: string): string {
  if (!line.startsWith('{')) return line;
  const { time, msg, reason, err, step } = JSON.parse(line) as {
    readonly time: number;
    readonly msg: string;
    readonly step?: string;
    readonly reason?: string;
    readonly err?: { readonly message: string };
  };
  return [new Date(time).toISOString().slice(11, 23), step, msg, reason, err?.message].filter(Boolean).join(' · ');
}

function makePool(url: string): Pool {
  const pool = new Pool({ connectionString: url, max: 4 });
  pool.on('error', () => {});
  return pool;
}

/** The schema, a role for each process, an organizer, and the gates. */
async function prepareLedger(postgres: PostgresServer): Promise<void> {
  const migrations = await makeDataSource(postgres.url, 1).initialize();
  await migrations.runMigrations();
  await migrations.destroy();
  const database = makePool(postgres.url);
  for (const name of apiNames) {
    await database.query(`CREATE ROLE ${name} SUPERUSER LOGIN PASSWORD '${postgres.password}'`);
    // What is committed survives a crash of the server, as in earnest.
    await database.query(`ALTER ROLE ${name} SET synchronous_commit = on`);
  }
  await database.query(`ALTER DATABASE postgres SET synchronous_commit = on`);
  await buildGates(database);
  const organizerId = randomUUID();
  await database.query('INSERT INTO organizer (id, name) VALUES ($1, $2)', [organizerId, 'Test organizer']);
  await database.query(
    `INSERT INTO account (id, email, password_hash, role, organizer_id) VALUES ($1, $2, $3, 'ADMIN', $4)`,
    [randomUUID(), organizerLogin.email, await hashPassword(organizerLogin.password), organizerId],
  );
  await database.end();
}
