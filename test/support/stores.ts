import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Client } from 'pg';
import { type RunningRedis, startRedis } from '../../sandbox/services/redis.js';

/** The Redis of one test file: a process of its own, so that a test may flush, kill and restart it. */
export interface TestRedis {
  /** The pid of the running server; after `start()` it is another one. */
  readonly pid: number;
  /** Ends it as an operator would; memory is lost, since nothing is persisted. Safe to call when it is not running. */
  stop(): Promise<void>;
  /** Ends it as a crash would (SIGKILL). */
  kill(): Promise<void>;
  /** Starts it again, empty, on the same port. */
  start(): Promise<void>;
}

export interface TestStores {
  /** postgresql://… of an empty database (or a copy of `template`) that only this caller uses. */
  readonly databaseUrl: string;
  /** redis://127.0.0.1:port; stays the same over stop and start. */
  readonly redisUrl: string;
  readonly redis: TestRedis;
  /** Drops the database, whoever is still connected, and ends Redis. */
  close(): Promise<void>;
}

/**
 * Gives a test file its own database and its own Redis. Call it in beforeAll and `close()` in afterAll.
 * `template` names a database to copy, to which nobody may be connected.
 */
export async function createTestStores(options: { template?: string } = {}): Promise<TestStores> {
  const database = `test_${randomBytes(8).toString('hex')}`;
  const template = options.template === undefined ? '' : ` TEMPLATE "${options.template}"`;
  await onServer(`CREATE DATABASE "${database}"${template}`);
  const databaseUrl = new URL(fromEnvironment('FLOODGATE_TEST_POSTGRES'));
  databaseUrl.pathname = `/${database}`;
  const { redis, url } = await createTestRedis(database);
  return {
    databaseUrl: databaseUrl.href,
    redisUrl: url,
    redis,
    close: async () => {
      await redis.stop();
      await onServer(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`);
    },
  };
}

async function createTestRedis(name: string): Promise<{ redis: TestRedis; url: string }> {
  const options = {
    dir: join(fromEnvironment('FLOODGATE_TEST_DIR'), name),
    durable: false,
    program: fromEnvironment('FLOODGATE_TEST_REDIS_PROGRAM'),
  };
  let server: RunningRedis = await startRedis(options);
  const { port, url } = server;
  const redis: TestRedis = {
    get pid() {
      return server.pid;
    },
    stop: () => server.stop(),
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.ended;
    },
    start: async () => {
      await server.stop();
      server = await startRedis({ ...options, port });
      if (server.port !== port) throw new Error(`port ${port} was taken while Redis was stopped`);
    },
  };
  return { redis, url };
}

async function onServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: fromEnvironment('FLOODGATE_TEST_POSTGRES') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function fromEnvironment(name: string): string {
  const value = process.env[name];
  if (value === undefined)
    throw new Error(`${name} is not set: run this by npm test, whose global setup starts the servers`);
  return value;
}
