import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Random } from '../../bench/rush/random.js';
import { categoryOf, type Layout } from '../../src/domain/layout.js';
import { type AccessibleStretch, accessibleStretches, type SeatRun, seatRuns } from '../../src/domain/seat-runs.js';
import { parseVenuePlan } from '../../src/domain/venue-plan.js';
import { loadInventory, redisNowMs } from '../../src/redis/inventory.js';
import { serverOf } from '../../src/redis/script.js';
import type { ScriptHall } from './halls.js';
import { keysOf } from './keys.js';

/** A layout that only Redis knows, with the tables that the claim searches. */
export interface ScriptVenue extends ScriptHall {
  readonly layout: Layout;
  readonly runs: readonly SeatRun[];
  readonly stretches: readonly AccessibleStretch[];
}

/** Loads a layout whose sale is open; `channels` is one letter a place. */
export async function loadVenue(
  redis: Redis,
  layout: Layout,
  options: { readonly channels?: string; readonly releases?: ReadonlyMap<string, number> } = {},
): Promise<ScriptVenue> {
  const { channels = '.'.repeat(layout.seatCount), releases = new Map() } = options;
  const ref = { eventId: randomUUID(), generation: 1 };
  const nowMs = await redisNowMs(redis);
  const [runs, stretches, categories] = [seatRuns(layout), accessibleStretches(layout), categoryOf(layout)];
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
    categories,
    channels,
    releases,
    runs,
    stretches,
    standing: layout.sections.flatMap((section, at) =>
      section.standing.map(({ category, firstSeat, count }) => ({ category, section: at, firstSeat, count })),
    ),
    holds: [],
    revenue: new Map(),
    minutes: new Map(),
    hoardRefillPerMs: 1_000,
    firstVersion: 1,
    notBeforeMs: nowMs,
  });
  const capacities = layout.categories.map((_, index) => categories.filter((category) => category === index).length);
  return { ref, keys: keysOf(ref.eventId), capacities, layout, runs, stretches };
}

/** A hall of odd rows: several sections and categories, aisles, wheelchair places in the middle and at the ends of rows. */
export function randomLayout(random: Random): Layout {
  const names = ['Stalls', 'Stalls wheelchair', 'Circle', 'Balcony'];
  let guid = 0;
  const seat = (x: number, category: string) => {
    guid += 1;
    return { seat_guid: `s${guid}`, seat_number: String(guid), position: { x, y: 0 }, category };
  };
  const row = (number: number, category: string) => {
    let x = random.between(0, 3) * 25;
    const seats = Array.from({ length: random.between(1, 14) }, () => {
      const accessible = category === 'Stalls' && random.hits(0.12);
      const at = seat(x, accessible ? 'Stalls wheelchair' : category);
      x += random.hits(0.12) ? 75 : accessible ? 50 : 25;
      return at;
    });
    return { row_number: String(number), position: { x: 0, y: number * 30 }, seats };
  };
  const zones = Array.from({ length: random.between(1, 3) }, (_, zone) => ({
    name: `Section ${zone}`,
    position: { x: zone * 400, y: random.between(0, 60) },
    areas: [],
    rows: Array.from({ length: random.between(1, 6) }, (_, at) =>
      row(at, random.pick(['Stalls', 'Stalls', 'Circle', 'Balcony'])),
    ),
  }));
  const plan = { name: 'Random', categories: names.map((name) => ({ name, color: '#336699' })), zones };
  const parsed = parseVenuePlan(JSON.stringify(plan));
  if ('errors' in parsed) throw new Error(JSON.stringify(parsed.errors));
  return parsed.layout;
}
