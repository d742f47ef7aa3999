import { randomUUID } from 'node:crypto';
import type { VenuePlan } from '../../sandbox/venues/stadium.js';
import { categoryOf, type Layout } from '../../src/domain/layout.js';
import {
  type AccessibleStretch,
  accessibleStretches,
  companionSeats,
  type SeatRun,
  seatRuns,
} from '../../src/domain/seat-runs.js';
import { parseVenuePlan } from '../../src/domain/venue-plan.js';
import { type LineSettings, loadInventory, redisNowMs } from '../../src/redis/inventory.js';
import type { EventRef } from '../../src/redis/keys.js';
import { serverOf } from '../../src/redis/script.js';
import type { BenchClient } from './client.js';

/** The static facts of a hall, as publishing an event makes them. */
export interface HallFacts {
  readonly layout: Layout;
  readonly runs: readonly SeatRun[];
  readonly stretches: readonly AccessibleStretch[];
  readonly categories: Uint8Array;
  /** One letter a seat: `A` wheelchair places and their companions', `.` everybody else's. */
  readonly channels: string;
}

export function readHall(plan: VenuePlan): HallFacts {
  const parsed = parseVenuePlan(JSON.stringify(plan));
  if ('errors' in parsed) throw new Error(JSON.stringify(parsed.errors));
  const { layout } = parsed;
  const stretches = accessibleStretches(layout);
  const letters = Array<string>(layout.seatCount).fill('.');
  for (const stretch of stretches) {
    letters.fill('A', stretch.places, stretch.places + stretch.placeCount);
    for (const seat of companionSeats(stretch)) letters[seat] = 'A';
  }
  return { layout, runs: seatRuns(layout), stretches, categories: categoryOf(layout), channels: letters.join('') };
}

interface HallOptions {
  /** Seats that have been sold before. */
  readonly sold: Iterable<number>;
  readonly line: LineSettings;
  /** The sale opens in so many milliseconds; 0: it is open. */
  readonly opensInMs: number;
  /** Numbers the line may give. */
  readonly numbers: number;
}

/** Loads an event into Redis as the product does after publication. No process serves it and no loop touches it. */
export async function loadHall(client: BenchClient, facts: HallFacts, options: HallOptions): Promise<EventRef> {
  const { sold, line, opensInMs, numbers } = options;
  const ref = { eventId: randomUUID(), generation: 1 };
  const nowMs = await redisNowMs(client);
  await loadInventory(client, {
    ref,
    server: serverOf(client)!,
    layoutVersion: 1,
    opensAtMs: nowMs + opensInMs,
    line,
    sale: {
      phase: opensInMs > 0 ? 'LOBBY' : 'OPEN',
      oldNumbers: 0,
      numbersTo: numbers,
      behindLobby: false,
      recoveryMs: 0,
      pausedAtMs: null,
      pausedMs: 0,
    },
    categories: facts.categories,
    channels: facts.channels,
    releases: new Map(),
    runs: facts.runs,
    stretches: facts.stretches,
    standing: [],
    holds: Array.from(sold, (seat) => ({
      holdId: `sold-${seat}`,
      orderId: `order-${seat}`,
      person: `buyer-${seat}`,
      fence: 0,
      state: 'SOLD' as const,
      seats: [seat],
      prices: '',
      payByMs: 0,
      freeAtMs: 0,
      rememberMs: 0,
    })),
    revenue: new Map(),
    minutes: new Map(),
    hoardRefillPerMs: 1_000,
    firstVersion: 1,
    notBeforeMs: nowMs,
  });
  return ref;
}
