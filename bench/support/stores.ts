import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { postgresHome, type RunningPostgres, startPostgres } from '../../sandbox/services/postgres.js';
import { type RunningRedis, startRedis } from '../../sandbox/services/redis.js';
import { type BenchClient, connectClient } from './client.js';
import { Startup } from './startup.js';
import { describePostgres, describeRedis, type StoreFacts } from './surroundings.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The stores of one bench, durable as in earnest, started for it alone and stopped, last first, by `stop`. */
export class Stores {
  readonly home: string;
  readonly facts: StoreFacts[] = [];
  readonly #keep: boolean;
  readonly #stops: (() => Promise<void>)[] = [];
  readonly #postgresDirs: string[] = [];
  readonly #startup = new Startup();

  constructor(name: string, keep: boolean) {
    this.#keep = keep;
    this.home = join(root, '.floodgate', 'bench', `${name}-${process.pid}`);
    mkdirSync(this.home, { recursive: true });
  }

  /** A Redis that nobody else uses. */
  async startRedis(options: { readonly port?: number } = {}): Promise<RunningRedis> {
    const dir = join(this.home, 'redis');
    const cacheDir = join(root, '.floodgate', 'programs');
    const redis = await this.#startup.start(() => startRedis({ dir, durable: true, cacheDir, ...options }));
    this.onStop(() => redis.stop());
    return redis;
  }

  /** `name`: of its directory, where there is more than one. */
  async startPostgres(name = 'postgres'): Promise<RunningPostgres> {
    const dir = join(this.home, name);
    this.#postgresDirs.push(dir);
    const postgres = await this.#startup.start(() => startPostgres({ dir, durable: true }));
    this.onStop(() => postgres.stop());
    if (this.facts.every((fact) => fact.name !== 'Postgres')) this.facts.push(await describePostgres(postgres.url));
    return postgres;
  }

  /** A client of a Redis, with the scripts of the product. */
  async connect(redis: RunningRedis): Promise<BenchClient> {
    const client = await connectClient(redis.url);
    this.onStop(async () => client.disconnect());
    if (this.facts.every(({ name }) => name !== 'Redis')) this.facts.push(await describeRedis(client));
    return client;
  }

  onStop(stop: () => Promise<void>): void {
    this.#stops.push(stop);
  }

  /** Stops what has been started, also in the middle of starting. */
  async stop(): Promise<void> {
    await this.#startup.end();
    for (const stop of this.#stops.splice(0).toReversed()) await stop();
    if (this.#keep) return;
    for (const dir of this.#postgresDirs) rmSync(postgresHome(dir), { recursive: true, force: true });
    rmSync(this.home, { recursive: true, force: true });
  }
}
