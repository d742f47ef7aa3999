import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { encodePriceList } from '../../src/domain/money.js';
import { loadInventory } from '../../src/redis/inventory.js';
import { eventKeys } from '../../src/redis/keys.js';
import { type ClaimAnswer, claimSeats, type EventRef, type Selection } from '../../src/redis/seat-holds.js';

/** An event that only Redis knows: no process serves it and no loop touches it. */
export interface ScriptHall {
  readonly ref: EventRef;
  readonly keys: ReturnType<typeof eventKeys>;
  /** Places of every category. */
  readonly capacities: readonly number[];
}

interface ScriptHallOptions {
  /** Rows of neighbouring seats, best first. */
  readonly rows: readonly { readonly category: number; readonly seats: number }[];
  /** Standing places, behind the seats. */
  readonly standing?: readonly { readonly category: number; readonly places: number }[];
  /** Letters of the places at the start; free if absent. */
  readonly status?: string;
}

/** Loads an event whose sale has been open for a minute, without a waiting room. */
export async function loadHall(redis: Redis, { rows, standing = [], status }: ScriptHallOptions): Promise<ScriptHall> {
  const places = [...rows.map((r) => [r.category, r.seats]), ...standing.map((s) => [s.category, s.places])] as [
    number,
    number,
  ][];
  const categories = Uint8Array.from(places.flatMap(([category, count]) => Array<number>(count).fill(category)));
  const capacities: number[] = [];
  const runs: number[][] = [];
  const areas: number[][] = [];
  let start = 0;
  for (const [at, [category, count]] of places.entries()) {
    capacities[category] = (capacities[category] ?? 0) + count;
    runs[category] ??= [];
    areas[category] ??= [];
    (at < rows.length ? runs : areas)[category]!.push(start, count);
    start += count;
  }
  const eventId = randomUUID();
  await loadInventory(redis, {
    eventId,
    generation: 1,
    runId: 'test',
    layoutVersion: 1,
    opensAtMs: Date.now() - 60_000,
    closed: false,
    line: { admitPerSecond: 100, activeCap: 100, waitingRoom: false },
    status: status ?? '.'.repeat(start),
    categories,
    runs,
    standing: areas,
    holds: [],
    soldByPerson: new Map(),
    revenue: new Map(),
    minutes: new Map(),
    firstVersion: 1,
    notBeforeMs: 0,
  });
  return { ref: { eventId, generation: 1 }, keys: eventKeys(eventId), capacities };
}

export const holdMs = 60_000;

interface ScriptClaim {
  readonly selection: Selection;
  readonly person?: string;
  readonly holdId?: string;
  readonly ttlMs?: number;
  readonly seatsPerPerson?: number;
}

/** A claim for `holdMs`, of a new person unless one is named. */
export function claim(redis: Redis, { ref, capacities }: ScriptHall, request: ScriptClaim): Promise<ClaimAnswer> {
  const { selection, person = randomUUID(), holdId = randomUUID(), ttlMs = holdMs, seatsPerPerson = 100 } = request;
  const prices = encodePriceList(
    'EUR',
    capacities.map(() => ({ priceMinor: 1000, feeMinor: 100 })),
  );
  const digest = JSON.stringify(selection);
  return claimSeats(redis, ref, { holdId, person, digest, selection, prices, ttlMs, maxMs: 2 * ttlMs, seatsPerPerson });
}

/** Sets the event's time, which stands still until Redis time reaches it. */
export async function setNow(redis: Redis, { keys }: ScriptHall, nowMs: number): Promise<void> {
  await redis.hset(keys.meta, 'lastNow', nowMs);
}

/** Everything Redis has of an event, key by key. */
export async function contents(redis: Redis, { keys }: ScriptHall): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const names of redis.scanStream({ match: `${keys.base}*`, count: 1_000 })) {
    for (const name of names as string[]) found[name] = (await redis.dumpBuffer(name))!.toString('base64');
  }
  return found;
}
