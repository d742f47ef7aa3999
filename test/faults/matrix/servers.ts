import { closeSync, copyFileSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { deployed } from '../../../bench/support/build.js';
import { type RunningPostgres, startPostgres } from '../../../sandbox/services/postgres.js';
import { type Program, SetupError, startProgram } from '../../../sandbox/services/process.js';
import { type RunningRedis, startRedis } from '../../../sandbox/services/redis.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A Redis that may be killed and started again at its address, with what somebody has put into its file. */
export class RedisServer {
  readonly #dir: string;
  readonly #program: string;
  #server: RunningRedis | null = null;
  #url = '';

  constructor(dir: string, program: string) {
    this.#dir = dir;
    this.#program = program;
  }

  get url(): string {
    return this.#url;
  }

  async start(): Promise<void> {
    const port = this.#url === '' ? {} : { port: Number(new URL(this.#url).port) };
    const server = await startRedis({ dir: this.#dir, durable: false, program: this.#program, ...port });
    if (this.#url !== '' && server.url !== this.#url) {
      await server.stop();
      throw new SetupError('somebody took the port of Redis while it was down');
    }
    this.#server = server;
    this.#url = server.url;
  }

  /** Keeps what it has now, for a restart with old data. */
  async keep(): Promise<void> {
    const client = new Redis(this.#url);
    await client.save().finally(() => client.disconnect());
    copyFileSync(join(this.#dir, 'dump.rdb'), join(this.#dir, 'old.rdb'));
  }

  /** As in a crash, and back with nothing or with what was kept. */
  async crash(data: 'empty' | 'old'): Promise<void> {
    const server = this.#server!;
    process.kill(server.pid, 'SIGKILL');
    await server.ended;
    const file = join(this.#dir, 'dump.rdb');
    if (data === 'old') copyFileSync(join(this.#dir, 'old.rdb'), file);
    else rmSync(file, { force: true });
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}

/** A PostgreSQL that may crash and come back at its address. */
export class PostgresServer {
  readonly #dir: string;
  #server: RunningPostgres | null = null;
  #url = '';

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Of the superuser, database `postgres`. */
  get url(): string {
    return this.#url;
  }

  /** Of another role with the same password. */
  urlOf(user: string): string {
    const url = new URL(this.#url);
    url.username = user;
    return url.href;
  }

  get password(): string {
    return new URL(this.#url).password;
  }

  async start(): Promise<void> {
    const port = this.#url === '' ? {} : { port: Number(new URL(this.#url).port) };
    // Nothing survives a crash of the machine; a crash of the server alone keeps what was committed, since sessions commit synchronously.
    const server = await startPostgres({ dir: this.#dir, durable: false, ...port });
    if (this.#url !== '' && server.url !== this.#url) {
      await server.stop();
      throw new SetupError('somebody took the port of PostgreSQL while it was down');
    }
    this.#server = server;
    this.#url = server.url;
  }

  /** Every session ends in the middle of what it does, nothing is written down in peace, and the next start recovers from the log. */
  async crash(): Promise<void> {
    const server = this.#server!;
    process.kill(server.pid, 'SIGQUIT');
    await server.ended;
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}

const readyMs = 60_000;

/** A process of the API that may be killed and started again at its address. Its role in Postgres tells its sessions from the other one's. */
export class ApiServer {
  readonly name: string;
  readonly port: number;
  readonly logFile: string;
  readonly #script: string;
  readonly #env: Readonly<Record<string, string>>;
  #program: Program | null = null;
  #isUp = false;

  constructor(
    name: string,
    at: { readonly port: number; readonly home: string; readonly script: string },
    env: object,
  ) {
    this.name = name;
    this.port = at.port;
    this.logFile = join(at.home, `${name}.log`);
    this.#script = at.script;
    this.#env = { ...deployed, ...env, PORT: String(at.port) };
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Whether it answers, as far as those know who start and end it. */
  get isUp(): boolean {
    return this.#isUp;
  }

  async start(): Promise<void> {
    const log = openSync(this.logFile, 'a');
    const program = await startProgram(process.execPath, [this.#script], {
      stopSignal: 'SIGTERM',
      cwd: root,
      env: { PATH: process.env.PATH, ...this.#env },
      stdio: ['ignore', 'pipe', log],
    }).finally(() => closeSync(log));
    this.#program = program;
    const listening = new Promise<true>((resolve) => {
      createInterface({ input: program.child.stdout as Readable }).once('line', () => resolve(true));
    });
    const impatience = new Promise<string>((resolve) => setTimeout(() => resolve('no answer'), readyMs).unref());
    const outcome = await Promise.race([listening, program.ended, impatience]);
    if (outcome !== true)
      throw new SetupError(
        `${this.name} did not start (${outcome}): ${readFileSync(this.logFile, 'utf8').slice(-2_000)}`,
      );
    this.#isUp = true;
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#isUp = false;
    this.#program?.child.kill('SIGKILL');
    await this.#program?.ended;
  }

  async stop(): Promise<void> {
    this.#isUp = false;
    await this.#program?.stop();
  }
}
