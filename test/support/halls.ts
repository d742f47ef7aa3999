import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { encodePriceList } from '../../src/domain/money.js';
import type { SeatRun } from '../../src/domain/seat-runs.js';
import { type LedgerHold, loadInventory, redisNowMs, type StandingArea } from '../../src/redis/inventory.js';
import type { EventRef } from '../../src/redis/keys.js';
import { serverOf } from '../../src/redis/script.js';
import { type ClaimAnswer, claimSeats, type Selection } from '../../src/redis/seat-holds.js';
import { type EventKeys, keysOf } from './keys.js';

/** An event that only Redis knows: no process serves it and no loop touches it. */
export interface ScriptHall {
  readonly ref: EventRef;
  readonly keys: EventKeys;
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
  const runs: SeatRun[] = [];
  const areas: StandingArea[] = [];
  const categories: number[] = [];
  const capacities: number[] = [];
  const add = (category: number, count: number) => {
    capacities[category] = (capacities[category] ?? 0) + count;
    categories.push(...Array<number>(count).fill(category));
    return categories.length - count;
  };
  for (const [quality, { category, seats }] of rows.entries())
    runs.push({ category, section: 0, start: add(category, seats), length: seats, quality, focus: 0 });
  for (const { category, places } of standing)
    areas.push({ category, section: 0, firstSeat: add(category, places), count: places });
  const eventId = randomUUID();
  const nowMs = await redisNowMs(redis);
  const ref = { eventId, generation: 1 };
  const letters = status ?? '.'.repeat(categories.length);
  await loadInventory(redis, {
    ref,
    server: serverOf(redis)!,
    layoutVersion: 1,
    opensAtMs: nowMs - 60_000,
    line: { admitPerSecond: 100, activeCap: 100, waitingRoom: 'NEVER' },
    sale: {
      phase: 'OPEN',
      oldNumbers: 0,
      numbersTo: 100_000,
      behindLobby: false,
      recoveryMs: 0,
      pausedAtMs: null,
      pausedMs: 0,
    },
    categories: Uint8Array.from(categories),
    channels: letters.replaceAll(/[^.A-Zx]/g, '.'),
    releases: new Map(),
    runs: runs.sort((a, b) => a.category - b.category || a.quality - b.quality),
    stretches: [],
    standing: areas,
    holds: [...letters].flatMap((letter, seat) => (letter === 'r' ? [returning(seat)] : [])),
    revenue: new Map(),
    minutes: new Map(),
    hoardRefillPerMs: 1_000,
    firstVersion: 1,
    notBeforeMs: nowMs,
  });
  return { ref, keys: keysOf(eventId), capacities };
}

/** A sale that is being taken back. */
const returning = (seat: number): LedgerHold => ({
  holdId: randomUUID(),
  orderId: randomUUID(),
  person: 'returning',
  fence: 0,
  state: 'RETURNING',
  seats: [seat],
  prices: '',
  payByMs: 0,
  freeAtMs: 0,
  rememberMs: 0,
});

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
  return claimSeats(redis, ref, {
    holdId,
    person,
    digest: JSON.stringify(selection),
    selection,
    letters: '.',
    prices,
    ttlMs,
    maxMs: 2 * ttlMs,
    seatsPerPerson,
    hoardBudgetMs: Number.MAX_SAFE_INTEGER,
    newEntryId: randomUUID(),
    categories: capacities.length,
  });
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
