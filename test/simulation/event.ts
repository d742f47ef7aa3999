import type { Redis } from 'ioredis';
import { categoryOf } from '../../src/domain/layout.js';
import { accessibleStretches, seatRuns } from '../../src/domain/seat-runs.js';
import { dropGeneration, loadInventory } from '../../src/redis/inventory.js';
import { type EventRef, sharedKeys } from '../../src/redis/keys.js';
import { serverOf } from '../../src/redis/script.js';
import { type EventKeys, keysOf } from '../support/keys.js';
import { ledgerRevenue } from './model/world.js';
import { type Scenario, startMs } from './scenario.js';

/** One event in Redis. Nobody else knows of it, and its time stands still until a step moves it. */
export interface SimulatedEvent {
  readonly redis: Redis;
  readonly ref: EventRef;
  readonly keys: EventKeys;
  readonly scenario: Scenario;
}

let serial = 0;

export async function loadEvent(redis: Redis, scenario: Scenario): Promise<SimulatedEvent> {
  serial += 1;
  const ref = { eventId: `${scenario.seed}-${scenario.run}-${serial}`, generation: 1 };
  const { layout, channels, ledger, phase, oldNumbers, numbersTo, behindLobby, recoveryMs } = scenario;
  const { admitPerSecond, cap: activeCap, room: waitingRoom } = scenario;
  await loadInventory(redis, {
    ref,
    server: serverOf(redis)!,
    layoutVersion: 1,
    opensAtMs: startMs + scenario.opensAt,
    line: { admitPerSecond, activeCap, waitingRoom },
    sale: { phase, oldNumbers, numbersTo, behindLobby, recoveryMs, pausedAtMs: null, pausedMs: 0 },
    categories: categoryOf(layout),
    channels,
    releases: new Map([...scenario.releases].map(([letter, at]) => [letter, startMs + at])),
    runs: seatRuns(layout),
    stretches: accessibleStretches(layout),
    standing: layout.sections.flatMap((section, at) =>
      section.standing.map(({ category, firstSeat, count }) => ({ category, section: at, firstSeat, count })),
    ),
    holds: ledger,
    revenue: ledgerRevenue(scenario),
    minutes: new Map(),
    hoardRefillPerMs: scenario.hoardRefillPerMs,
    // Above every fence the ledger knows, as after every rebuild.
    firstVersion: 1 + Math.max(0, ...ledger.map(({ fence }) => fence)),
    notBeforeMs: startMs,
  });
  return { redis, ref, keys: keysOf(ref.eventId), scenario };
}

/** Ten million steps would not fit into memory otherwise. */
export async function dropEvent({ redis, ref, keys }: SimulatedEvent, holds: Iterable<string>): Promise<void> {
  await dropGeneration(redis, ref);
  await redis.unlink(sharedKeys(ref.eventId).meta, ...[...holds].map((hold) => keys.hold(hold)));
}
