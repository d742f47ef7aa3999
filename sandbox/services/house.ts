import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeLock } from './house-lock.js';
import { describeHouse } from './house-text.js';
import { runScript, startScript } from './node-script.js';
import { postgresHome, startPostgres } from './postgres.js';
import { findPort, portIsFree, SetupError } from './process.js';
import { startRedis } from './redis.js';
import {
  checkDatabase,
  checkDisk,
  checkRedis,
  type HouseSettings,
  keptSecret,
  pathsOf,
  readSettings,
} from './settings.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const webhookPath = '/webhooks/stripe';
const portPatienceMs = 5_000;
// The server gets the longest time, because it lets running requests finish.
const stopGraceMs = 30_000;

/**
 * Brings up everything a running Floodgate needs, prints what is where, and stays until a signal or until a part ends.
 * Returns the exit code: 0 after a signal, 1 after a failure, which it has told in one line. Nothing it started is left running.
 */
export async function runHouse(args: readonly string[]): Promise<number> {
  const stopped = new AbortController();
  // A Ctrl-C arrives twice under npm, which passes it on to us as well; a second one therefore means nothing.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.abort());
  const stopAsked = once(stopped.signal, 'abort');

  const house = new House(stopped.signal);
  let failure: unknown;
  try {
    process.stdout.write(await house.open(readSettings(args, process.env, root)));
    failure = await Promise.race([house.brokenPart, stopAsked.then(() => undefined)]);
  } catch (error) {
    failure = error;
  }
  const isFailure = failure !== undefined && !stopped.signal.aborted;
  if (isFailure) process.stderr.write(`${tellFailure(failure)}\n`);
  else process.stdout.write('\nStopping …\n');
  await house.close();
  return isFailure ? 1 : 0;
}

function tellFailure(failure: unknown): string {
  if (failure instanceof SetupError) return failure.message;
  const { code, message, path, stack } = failure as NodeJS.ErrnoException;
  if (code === 'ENOSPC') return 'The disk is full: free at least 1 GiB and start again.';
  if (code !== undefined && ['EACCES', 'EROFS', 'EPERM', 'ENOTDIR', 'EEXIST'].includes(code)) {
    return `${path ?? message} cannot be written: give yourself the right to, or set FLOODGATE_HOME to another directory.`;
  }
  return stack ?? String(failure);
}

/** A server that stays as long as the house does. */
interface Part {
  readonly url: string;
  readonly logFile: string;
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

class House {
  /** Settles with a SetupError when a part that should stay has ended by itself. */
  readonly brokenPart: Promise<SetupError>;
  #tellBroken: (error: SetupError) => void = () => undefined;
  /** In the order of starting; stopped in the opposite order. */
  readonly #parts: Part[] = [];
  #unlock: () => void = () => undefined;
  readonly #stopped: AbortSignal;
  #mailboxUrl: string | undefined;

  constructor(stopped: AbortSignal) {
    this.#stopped = stopped;
    this.brokenPart = new Promise((resolve) => {
      this.#tellBroken = resolve;
    });
  }

  /** Starts all parts and resolves to the text that tells what runs where. Rejects if stopped meanwhile. */
  async open(settings: HouseSettings): Promise<string> {
    const paths = pathsOf(settings.home);
    this.#unlock = takeLock(paths.lock);
    await checkPort(settings);
    if (settings.fresh) forget(settings.home);
    checkDisk(settings.home);

    const databaseUrl = await this.#database(settings);
    const redisUrl = await this.#redis(settings);
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      HOST: settings.host,
      PORT: String(settings.port),
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      TOKEN_KEY_FILE: process.env.TOKEN_KEY_FILE || paths.tokenKey,
      ...(settings.stripeKey === undefined ? await this.#payments(settings) : {}),
      ...(process.env.SMTP_URL ? {} : await this.#mailbox(settings)),
    };
    const script = { root, env, logDir: paths.logs, signal: this.#stopped };
    this.#stopped.throwIfAborted();
    const demo = await runScript('sandbox/seed.ts', script);
    const server = await this.#add('The server', () =>
      startScript('src/main.ts', { ...script, watch: settings.watch, stopGraceMs }),
    );
    const paymentsUrl = env.STRIPE_API_URL;
    return describeHouse({
      settings,
      databaseUrl,
      redisUrl,
      paymentsUrl,
      mailboxUrl: this.#mailboxUrl,
      apiUrl: server.url,
      postgresHome: settings.databaseUrl === undefined ? postgresHome(paths.postgres) : settings.home,
      demo,
    });
  }

  /** Stops every part, last started first. */
  async close(): Promise<void> {
    for (const part of this.#parts.toReversed()) await part.stop();
    this.#unlock();
  }

  async #database({ databaseUrl, home }: HouseSettings): Promise<string> {
    if (databaseUrl !== undefined) {
      await checkDatabase(databaseUrl);
      return databaseUrl;
    }
    const dir = pathsOf(home).postgres;
    return (await this.#add('PostgreSQL', () => startPostgres({ dir, durable: true, port: 15_432 }))).url;
  }

  async #redis({ redisUrl, home }: HouseSettings): Promise<string> {
    if (redisUrl !== undefined) {
      await checkRedis(redisUrl);
      return redisUrl;
    }
    const { redis: dir, programs: cacheDir } = pathsOf(home);
    return (await this.#add('Redis', () => startRedis({ dir, durable: true, port: 16_379, cacheDir }))).url;
  }

  /** Starts the payment sandbox and returns what the server must know of it. */
  async #payments({ home, host, port }: HouseSettings): Promise<NodeJS.ProcessEnv> {
    const paths = pathsOf(home);
    const secrets = {
      STRIPE_SECRET_KEY: keptSecret(join(paths.payments, 'secret-key'), 'sk_test_'),
      STRIPE_WEBHOOK_SECRET: keptSecret(join(paths.payments, 'webhook-secret'), 'whsec_'),
    };
    const env = {
      ...process.env,
      ...secrets,
      HOST: '127.0.0.1',
      PORT: String(await findPort(14_242)),
      WEBHOOK_URL: `http://${reachableHost(host)}:${port}${webhookPath}`,
      STATE_FILE: join(paths.payments, 'state.json'),
    };
    const options = { root, env, logDir: paths.logs, signal: this.#stopped };
    const sandbox = await this.#add('The payment sandbox', () => startScript('sandbox/payments/main.ts', options));
    return { ...secrets, STRIPE_API_URL: sandbox.url };
  }

  /** Starts the mailbox and returns what the server must know of it. */
  async #mailbox({ home }: HouseSettings): Promise<NodeJS.ProcessEnv> {
    const smtpPort = await findPort(11_025);
    const env = {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: String(await findPort(18_025)),
      SMTP_PORT: String(smtpPort),
    };
    const options = { root, env, logDir: pathsOf(home).logs, signal: this.#stopped };
    const mailbox = await this.#add('The mailbox', () => startScript('sandbox/mail/main.ts', options));
    this.#mailboxUrl = mailbox.url;
    return { SMTP_URL: `smtp://127.0.0.1:${smtpPort}` };
  }

  async #add<P extends Part>(name: string, start: () => Promise<P>): Promise<P> {
    this.#stopped.throwIfAborted();
    const part = await start();
    this.#parts.push(part);
    void part.ended.then((reason) => {
      this.#tellBroken(new SetupError(`${name} ended by itself (${reason}): see ${part.logFile} and start again.`));
    });
    return part;
  }
}

/** Listening on every address is no address to connect to. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

async function checkPort({ host, port }: HouseSettings): Promise<void> {
  if (port === 0) return;
  const deadlineMs = Date.now() + portPatienceMs;
  try {
    // A run that was killed a moment ago may still be letting go of it.
    while (!(await portIsFree(port, host))) {
      if (Date.now() > deadlineMs) {
        throw new SetupError(`Port ${port} on ${host} is taken: PORT=${port + 1} npm start takes another one.`);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') throw new SetupError(`Port ${port} needs root: PORT=4000 npm start takes another one.`);
    if (code === undefined || error instanceof SetupError) throw error;
    throw new SetupError(`HOST=${host} is no address of this machine (${code}): unset it to listen on 127.0.0.1.`);
  }
}

/** Removes all state but the programs that were fetched and the lock that we hold. */
function forget(home: string): void {
  const { programs, lock, postgres } = pathsOf(home);
  rmSync(postgresHome(postgres), { recursive: true, force: true });
  for (const path of readdirSync(home).map((name) => join(home, name))) {
    if (path !== programs && path !== lock) rmSync(path, { recursive: true, force: true });
  }
}
