import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { SetupError } from './process.js';

/** What `npm start` was asked for, by arguments and environment. */
export interface HouseSettings {
  readonly root: string;
  /** Directory of all state: FLOODGATE_HOME, or .floodgate in the checkout. */
  readonly home: string;
  readonly host: string;
  readonly port: number;
  readonly fresh: boolean;
  readonly watch: boolean;
  /** Absent: a private server is started. */
  readonly databaseUrl?: string;
  readonly redisUrl?: string;
  /** Absent: the payment sandbox is started. */
  readonly stripeKey?: string;
}

const answerTimeoutMs = 5_000;
const minFreeBytes = 1024 ** 3;

export function readSettings(args: readonly string[], env: NodeJS.ProcessEnv, root: string): HouseSettings {
  const unknown = args.find((arg) => arg !== '--fresh' && arg !== '--watch');
  if (unknown !== undefined)
    throw new SetupError(`Unknown argument ${unknown}: there are --fresh (begin anew) and --watch.`);
  const port = Number(env.PORT || 4000);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new SetupError(`PORT=${env.PORT} is not a port: give a number from 0 to 65535.`);
  }
  return {
    root,
    home: resolve(root, env.FLOODGATE_HOME || '.floodgate'),
    host: env.HOST || '127.0.0.1',
    port,
    fresh: args.includes('--fresh'),
    watch: args.includes('--watch'),
    ...(env.DATABASE_URL ? { databaseUrl: env.DATABASE_URL } : {}),
    ...(env.REDIS_URL ? { redisUrl: env.REDIS_URL } : {}),
    ...(env.STRIPE_SECRET_KEY ? { stripeKey: env.STRIPE_SECRET_KEY } : {}),
  };
}

/** Throws SetupError unless the disk below `home` has room for a while. */
export function checkDisk(home: string): void {
  const { bavail, bsize } = statfsSync(home);
  const freeBytes = bavail * bsize;
  if (freeBytes >= minFreeBytes) return;
  const freeMib = Math.floor(freeBytes / 1024 ** 2);
  throw new SetupError(
    `The disk of ${home} has ${freeMib} MiB left: free at least 1 GiB, or set FLOODGATE_HOME to another disk.`,
  );
}

/** Throws SetupError unless a PostgreSQL answers at this URL within five seconds and lets us in. */
export async function checkDatabase(url: string): Promise<void> {
  requireUrl('DATABASE_URL', url, ['postgres:', 'postgresql:'], 'postgresql://user:password@host:5432/database');
  const client = new Client({ connectionString: url, connectionTimeoutMillis: answerTimeoutMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw noAnswer('DATABASE_URL', url, error, 'PostgreSQL');
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Throws SetupError unless a Redis answers at this URL within five seconds and lets us in. */
export async function checkRedis(url: string): Promise<void> {
  requireUrl('REDIS_URL', url, ['redis:', 'rediss:'], 'redis://host:6379');
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: answerTimeoutMs,
    commandTimeout: answerTimeoutMs,
    retryStrategy: () => null,
  });
  let cause: unknown;
  client.on('error', (error) => {
    cause = error;
  });
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    throw noAnswer('REDIS_URL', url, cause ?? error, 'Redis');
  } finally {
    client.disconnect();
  }
}

function requireUrl(name: string, url: string, protocols: readonly string[], example: string): void {
  if (URL.canParse(url) && protocols.includes(new URL(url).protocol)) return;
  throw new SetupError(`${name} is not a URL of the form ${example}: correct it, or unset it to get a private server.`);
}

/** Names the server without its password. */
function noAnswer(name: string, url: string, error: unknown, product: string): SetupError {
  const { hostname, port, pathname } = new URL(url);
  const { message, code } = error as NodeJS.ErrnoException;
  const reason = (message || code || 'no answer').split('\n')[0];
  return new SetupError(
    `${name} (${hostname}${port && `:${port}`}${pathname}) does not work: ${reason}. Correct it, or unset it to get a private ${product}.`,
  );
}

/** A random value that stays the same over restarts: it is kept in `file`, readable by its owner alone. */
export function keptSecret(file: string, prefix: string): string {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  if (!existsSync(file)) writeFileSync(file, `${prefix}${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}

/** The paths below the home directory. */
export function pathsOf(home: string) {
  return {
    lock: join(home, 'running.json'),
    programs: join(home, 'programs'),
    postgres: join(home, 'postgres'),
    redis: join(home, 'redis'),
    payments: join(home, 'payments'),
    tokenKey: join(home, 'token-key.json'),
    logs: join(home, 'logs'),
  } as const;
}
