import { cpus, loadavg, release, totalmem, type } from 'node:os';
import type { Redis } from 'ioredis';
import pg from 'pg';

/** Where something was measured. */
export interface Surroundings {
  readonly machine: {
    readonly cores: number;
    readonly processor: string;
    readonly memoryGib: number;
    readonly system: string;
    readonly node: string;
  };
  readonly stores: readonly StoreFacts[];
  /** Load averages of 1, 5 and 15 minutes: on a machine that others use as well they tell how much noise there was. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Version and durability of a store. */
export interface StoreFacts {
  readonly name: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
}

export function describeMachine(): Surroundings['machine'] {
  const all = cpus();
  return {
    cores: all.length,
    processor: all[0]?.model.trim() ?? 'unknown',
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.versions.node,
  };
}

export const loadAverages = (): readonly number[] => loadavg();

export async function describeRedis(client: Redis): Promise<StoreFacts> {
  const info = await client.info('server');
  const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown';
  const settings = ['appendonly', 'appendfsync', 'save', 'maxmemory-policy', 'io-threads'];
  const facts: [string, string][] = [['version', version]];
  for (const name of settings) {
    const [, value] = (await client.config('GET', name)) as string[];
    facts.push([name, value || 'none']);
  }
  return { name: 'Redis', facts };
}

export async function describePostgres(databaseUrl: string): Promise<StoreFacts> {
  const names = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers'];
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; setting: string }>(
      'SELECT name, current_setting(name) AS setting FROM pg_settings WHERE name = ANY($1)',
      [names],
    );
    return { name: 'Postgres', facts: rows.map(({ name, setting }) => [name, setting] as const) };
  } finally {
    await client.end();
  }
}
