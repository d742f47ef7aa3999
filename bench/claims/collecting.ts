import { randomUUID } from 'node:crypto';
import { limits } from '../../src/limits.js';
import type { RedisMeter, Window } from '../support/redis-meter.js';
import type { ClaimHall, Claims } from './claims.js';
import { longestCategory } from './states.js';

/** As many as one claim collects without asking to be called again, each of so many seats. */
export const expiredHolds = limits.claimReclaimHolds - 1;
export const expiredSeats = 4;

const untilFirstMs = 3_000;
/** The few people of a hall hold more at a time here than anybody may. */
const unlimited = { seatsPerPerson: 1_000_000 };
const betweenMs = 50;

/**
 * Claims that first collect what has expired: before each of them holds have come to their end that nobody has collected. They are made
 * before the window begins, with deadlines one group after the other.
 */
export async function measureCollecting(
  meter: RedisMeter,
  claims: Claims,
  hall: ClaimHall,
  times: number,
): Promise<Window> {
  const firstAtMs = performance.now() + untilFirstMs;
  const dueAtMs = (group: number) => firstAtMs + group * betweenMs;
  const runs = hall.facts.runs.filter(({ length }) => length >= expiredSeats);
  for (let group = 0; group < times; group += 1) {
    const made = Array.from({ length: expiredHolds }, (_, at) => {
      const { start } = runs[(group * expiredHolds + at) % runs.length]!;
      return claims.hold(hall, {
        holdId: randomUUID(),
        person: hall.people[at % hall.people.length]!,
        selection: { kind: 'seats', indexes: Array.from({ length: expiredSeats }, (_, i) => start + i) },
        ttlMs: Math.round(dueAtMs(group) - performance.now()),
        ...unlimited,
      });
    });
    await Promise.all(made);
  }
  if (performance.now() >= firstAtMs) throw new Error('the holds expired before the window began');
  const window = await meter.window('evalsha', async () => {
    for (let group = 0; group < times; group += 1) {
      await new Promise((resolve) => setTimeout(resolve, dueAtMs(group) + betweenMs / 2 - performance.now()));
      await claimAndRelease(claims, hall);
    }
  });
  if (window.calls !== times) throw new Error(`${times} claims took ${window.calls} calls: somebody collected before`);
  return window;
}

async function claimAndRelease(claims: Claims, hall: ClaimHall): Promise<void> {
  const [holdId, person] = [randomUUID(), hall.people[0]!];
  const selection = { kind: 'best', category: longestCategory(hall.facts), quantity: expiredSeats } as const;
  const claimed = await claims.hold(hall, { holdId, person, selection, ...unlimited });
  if (claimed.code !== 'OK') throw new Error(`a claim was answered ${claimed.code}`);
  const { fence } = claimed.hold;
  const released = await claims.release(hall.ref, { holdId, person, fence });
  if (released !== 'OK') throw new Error(`a release was answered ${released}`);
}
