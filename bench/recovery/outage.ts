import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { SetupError } from '../../sandbox/services/process.js';
import type { RunningRedis } from '../../sandbox/services/redis.js';
import { eventKeys, sharedKeys } from '../../src/redis/keys.js';
import type { Stores } from '../support/stores.js';

const probeEveryMs = 2;
const lookEveryMs = 10;
const patienceMs = 120_000;

/** Ends Redis as a crash would, and everything it has written with it. */
export async function loseRedis(stores: Stores, redis: RunningRedis): Promise<void> {
  process.kill(redis.pid, 'SIGKILL');
  await redis.ended;
  rmSync(join(stores.home, 'redis'), { recursive: true, force: true });
}

/** Starts an empty one behind the same address; answers also the instant from which it answered, ms since 1970. */
export async function startEmptyRedis(
  stores: Stores,
  port: number,
): Promise<{ readonly redis: RunningRedis; readonly acceptsAtMs: number }> {
  const starting = stores.startRedis({ port });
  const [redis, acceptsAtMs] = await Promise.all([starting, firstAnswer(port)]);
  if (redis.port !== port) throw new SetupError(`port ${port} was taken while Redis was gone`);
  return { redis, acceptsAtMs };
}

async function firstAnswer(port: number): Promise<number> {
  const deadlineMs = Date.now() + patienceMs;
  while (Date.now() < deadlineMs) {
    if (await answers(port)) return Date.now();
    await pause(probeEveryMs);
  }
  throw new SetupError('Redis did not come back');
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
    socket.on('data', (text) => {
      resolve(text.toString().startsWith('+PONG'));
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
  });
}

/** What could be seen in Redis, ms since 1970. */
export interface Seen {
  /** The first key of the event's new generation. */
  readonly loadingAtMs: number;
  /** Scripts find the new generation. */
  readonly openAtMs: number;
  /** The first place of before, and the last one. */
  readonly firstPlaceAtMs: number;
  readonly allPlacesAtMs: number;
}

/** Looks at an event until it is loaded under a generation above `before` and so many places are back. */
export async function watchRecovery(
  url: string,
  event: { readonly eventId: string; readonly before: number; readonly places: number },
): Promise<Seen> {
  const { eventId, before, places } = event;
  const client = new Redis(url, { retryStrategy: () => lookEveryMs, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  const ref = { eventId, generation: before + 1 };
  const keys = eventKeys(ref);
  const seen = { loadingAtMs: 0, openAtMs: 0, firstPlaceAtMs: 0, allPlacesAtMs: 0 };
  const deadlineMs = Date.now() + patienceMs;
  try {
    while (seen.allPlacesAtMs === 0) {
      if (Date.now() > deadlineMs)
        throw new Error(`not everybody is back after ${patienceMs} ms: ${JSON.stringify(seen)}`);
      const [loading, generation, back] = await look(client, keys);
      const nowMs = Date.now();
      if (loading && seen.loadingAtMs === 0) seen.loadingAtMs = nowMs;
      if (generation > ref.generation) throw new Error('the event was loaded more than once');
      if (generation === ref.generation && seen.openAtMs === 0) seen.openAtMs = nowMs;
      if (back > 0 && seen.firstPlaceAtMs === 0) seen.firstPlaceAtMs = nowMs;
      if (seen.openAtMs > 0 && back >= places) seen.allPlacesAtMs = nowMs;
      await pause(lookEveryMs);
    }
    return seen;
  } finally {
    client.disconnect();
  }
}

async function look(client: Redis, keys: ReturnType<typeof eventKeys>): Promise<[boolean, number, number]> {
  const [loading, generation, ...back] = await Promise.all([
    client.exists(keys.status),
    client.hget(keys.meta, 'generation'),
    client.zcard(keys.present),
    client.zcard(keys.away),
    client.zcard(keys.admitted),
  ]);
  return [loading === 1, Number(generation), back.reduce((sum, count) => sum + count, 0)];
}

/** The generation in which Redis serves an event, and whether places of before are still awaited. */
export async function readState(
  url: string,
  eventId: string,
): Promise<{ readonly generation: number; readonly recovering: boolean }> {
  const client = new Redis(url);
  try {
    const { meta, line } = eventKeys({
      eventId,
      generation: Number(await client.hget(sharedKeys(eventId).meta, 'generation')),
    });
    const [generation, recovering] = await Promise.all([
      client.hget(meta, 'generation'),
      client.hget(line, 'recovering'),
    ]);
    return { generation: Number(generation), recovering: recovering === '1' };
  } finally {
    client.disconnect();
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
