import type { Random } from '../../../bench/rush/random.js';
import { limits } from '../../../src/limits.js';
import { liveHolds } from '../model/stock.js';
import type { World } from '../model/world.js';

/** When the next step happens: at once, a little later, much later, or next to an instant at which something ends. */
export function nextInstant(random: Random, world: World, haste: number): number {
  const { now } = world;
  if (random.hits(0.5)) return now;
  if (random.hits(0.2)) return edge(random, world) ?? now;
  if (random.hits(0.5)) return now + random.between(1, 900);
  if (random.hits(0.025 * haste)) return now + random.pick([60_000, 180_000, 600_000, limits.pauseMaxMs]);
  return now + random.between(1_000, 8_000);
}

/** An instant to come at which something ends, or the one just before or after it; never far ahead, so that others are not passed over. */
function edge(random: Random, world: World): number | null {
  const { now } = world;
  const ahead = edges(world).filter((instant) => instant + 1 > now);
  if (ahead.length === 0) return null;
  ahead.sort((a, b) => a - b);
  const instant = random.pick(ahead.slice(0, 3)) + random.pick([-1, 0, 0, 1]);
  return Math.max(now, instant);
}

function edges(world: World): number[] {
  const { shift, pausedAt } = world;
  const holds = liveHolds(world);
  const byClock = [
    ...holds.filter(({ state }) => state === 'HELD').map(({ freeAt }) => freeAt),
    ...[...world.places.values()].flatMap(({ admissionEndsAt, awayUntil, attached }) => [
      admissionEndsAt,
      awayUntil,
      attached !== null && 'until' in attached ? attached.until : null,
    ]),
  ].filter((instant) => instant !== null);
  const byTime = [
    ...holds.filter(({ state }) => state === 'CHECKOUT').map(({ freeAt }) => freeAt),
    ...[...world.releases.values()].filter((instant) => instant !== null),
    ...[...world.beats.values()].map((beat) => beat + limits.processLeaseMs),
    world.opensAt,
    world.recoveredAt,
  ];
  if (pausedAt === null) return [...byClock.map((instant) => instant + shift), ...byTime];
  // While its clock stands still only the end of that moves a sale.
  return [...byTime, pausedAt + limits.pauseMaxMs];
}
