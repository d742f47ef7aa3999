import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { postgresHome, startPostgres } from '../../sandbox/services/postgres.js';
import {
  commandLineOf,
  findPort,
  isAlive,
  type Program,
  SetupError,
  startProgram,
} from '../../sandbox/services/process.js';
import { type RunningRedis, startRedis } from '../../sandbox/services/redis.js';
import { buildProduct, deployed } from '../support/build.js';
import { Startup } from '../support/startup.js';
import { childrenOf } from './machine.js';
import type { RushOptions } from './options.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const readyMs = 90_000;
const serverGraceMs = 30_000;
const unlimited = '100000';
const cacheDir = join(root, '.floodgate', 'programs');
// Secrets between the processes of one run; nothing else ever sees them.
const secretKey = 'sk_test_rush';
const webhookSecret = 'whsec_rush';

interface Part {
  readonly name: string;
  readonly pid: number;
  /** Its descendants count as the same program. */
  readonly family: boolean;
  readonly ended: Promise<string>;
  stop(): Promise<void>;
  /** It may end: somebody has ended it on purpose. */
  expendable?: boolean;
}

/** Everything a rush runs against, started for it alone and stopped, last first, by `stop`. */
export class Stack {
  readonly home: string;
  readonly #parts: Part[] = [];
  readonly #keep: boolean;
  databaseUrl = '';
  redisUrl = '';
  paymentsUrl = '';
  serverUrl = '';
  readonly #startup = new Startup();

  constructor(keep: boolean) {
    this.#keep = keep;
    this.home = join(root, '.floodgate', 'rush', String(process.pid));
    mkdirSync(this.home, { recursive: true });
  }

  /** Postgres and Redis as in earnest: durable. */
  async startStores(): Promise<void> {
    const postgres = await this.#startup.start(() =>
      startPostgres({ dir: join(this.home, 'postgres'), durable: true }),
    );
    this.#parts.push({ ...postgres, name: 'postgres', family: true });
    this.databaseUrl = postgres.url;
    const redis = await this.#startup.start(() => startRedis({ dir: this.redisDir, durable: true, cacheDir }));
    this.#parts.push({ ...redis, name: 'redis', family: true });
    this.redisUrl = redis.url;
  }

  get redisDir(): string {
    return join(this.home, 'redis');
  }

  get redisPid(): number {
    return this.#redis().pid;
  }

  /** Ends Redis as a crash does and starts it again at the same address, on what `prepare` leaves of its files. */
  async restartRedis(prepare?: (dir: string) => void): Promise<void> {
    await this.#killRedis();
    prepare?.(this.redisDir);
    const port = Number(new URL(this.redisUrl).port);
    const redis = await this.#startup.start(() => startRedis({ dir: this.redisDir, durable: true, cacheDir, port }));
    this.#parts.push({ ...redis, name: 'redis', family: true });
    if (redis.url !== this.redisUrl) throw new SetupError(`port ${port} was taken while Redis was down`);
  }

  /** Ends Redis as a crash does; another one, which is about to have its address, takes its part. */
  async replaceRedis(redis: RunningRedis): Promise<void> {
    await this.#killRedis();
    this.#parts.push({ ...redis, name: 'redis', family: true });
  }

  /** Lets the server replace its processes one by one by what lies in `dist` below `home` now. */
  async replaceServers(): Promise<void> {
    const server = this.#parts.find(({ name }) => name === 'server')!;
    const before = workersOf(server.pid);
    process.kill(server.pid, 'SIGHUP');
    const deadlineMs = Date.now() + readyMs;
    while (before.some(isAlive)) {
      if (Date.now() > deadlineMs) throw new SetupError('the processes of the server have not been replaced');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  #redis(): Part {
    return this.#parts.findLast(({ name }) => name === 'redis')!;
  }

  async #killRedis(): Promise<void> {
    const redis = this.#redis();
    redis.expendable = true;
    process.kill(redis.pid, 'SIGKILL');
    await redis.ended;
  }

  async startServers(options: RushOptions): Promise<void> {
    const port = await findPort();
    const lifted = options.providerQuota === 'lifted';
    const server = buildProduct(this.home);
    const stripe = { STRIPE_SECRET_KEY: secretKey, STRIPE_WEBHOOK_SECRET: webhookSecret };
    const payments = await this.#startScript('payments', ['--import', 'tsx', 'sandbox/payments/main.ts'], {
      ...stripe,
      HOST: '127.0.0.1',
      PORT: '0',
      WEBHOOK_URL: `http://127.0.0.1:${port}/webhooks/stripe`,
      SETTINGS: JSON.stringify({
        seed: options.seed,
        ...(lifted ? { quotaPerSecond: 0, quotaPerEndpointPerSecond: 0 } : {}),
      }),
    });
    this.paymentsUrl = payments;
    this.serverUrl = await this.#startScript('server', [server], {
      ...deployed,
      ...stripe,
      ...(lifted ? { STRIPE_CALLS_PER_SECOND: unlimited, STRIPE_CALLS_PER_ENDPOINT_PER_SECOND: unlimited } : {}),
      HOST: '127.0.0.1',
      PORT: String(port),
      DATABASE_URL: this.databaseUrl,
      REDIS_URL: this.redisUrl,
      STRIPE_API_URL: payments,
      TOKEN_KEY_FILE: join(this.home, 'token-key.json'),
      WEB_CONCURRENCY: String(options.serverProcesses),
      LOG_LEVEL: process.env.LOG_LEVEL || 'warn',
    });
  }

  /** What a meter should watch: each process of the server by itself, the stores as families. */
  processes(): { readonly name: string; readonly pid: number; readonly family: boolean }[] {
    return this.#parts.flatMap(({ name, pid, family }) => {
      if (name !== 'server') return [{ name, pid, family }];
      return [
        { name: 'server', pid, family },
        ...workersOf(pid).map((worker, i) => ({ name: `server ${i + 1}`, pid: worker, family: false })),
      ];
    });
  }

  /** Resolves with the sentence that says which part ended by itself. */
  broken(): Promise<string> {
    return Promise.race(
      this.#parts.map(async (part) => {
        const reason = await part.ended;
        if (part.expendable) return new Promise<string>(() => undefined);
        return `${part.name} ended by itself (${reason}); see ${this.home}`;
      }),
    );
  }

  async stopServer(): Promise<void> {
    for (const part of this.#parts) if (part.name === 'server') await part.stop();
  }

  /** Stops what has been started, also in the middle of starting. */
  async stop(): Promise<void> {
    await this.#startup.end();
    for (const part of this.#parts.toReversed()) await part.stop();
    if (this.#keep) return;
    rmSync(postgresHome(join(this.home, 'postgres')), { recursive: true, force: true });
    rmSync(this.home, { recursive: true, force: true });
  }

  /** Starts a server of ours; it is ready when it prints a JSON line with `listening`. */
  async #startScript(name: string, script: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
    const logFile = join(this.home, `${name}.log`);
    const log = openSync(logFile, 'a');
    this.#startup.assertGoing();
    const program: Program = await startProgram(process.execPath, script, {
      stopSignal: 'SIGTERM',
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', log],
    }).finally(() => closeSync(log));
    this.#parts.push({
      name,
      pid: program.pid,
      family: false,
      ended: program.ended,
      stop: () => program.stop(serverGraceMs),
    });
    const url = await listeningUrl(program.child.stdout as Readable, program.ended);
    if (url !== null) return url;
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-8).join('\n');
    throw new SetupError(`the ${name} did not start; it said:\n${said}`);
  }
}

export function workersOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => commandLineOf(child).includes('main.'));
}

function listeningUrl(output: Readable, ended: Promise<string>): Promise<string | null> {
  return new Promise((resolve) => {
    const patience = setTimeout(() => resolve(null), readyMs);
    const settle = (url: string | null) => {
      clearTimeout(patience);
      resolve(url);
    };
    createInterface({ input: output }).on('line', (line) => {
      const url = /"listening":"([^"]+)"/.exec(line)?.[1];
      if (url !== undefined) settle(url);
    });
    void ended.then(() => settle(null));
  });
}
