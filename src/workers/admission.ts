import { Event } from '../entities/events.js';
import { limits } from '../limits.js';
import { admitFromLine } from '../redis/line.js';
import { drawLine } from '../services/draw.js';
import type { EventCatalogue } from '../services/event-catalogue.js';
import type { InventoryService } from '../services/inventory.js';
import type { Platform } from '../services/platform.js';
import { startLoop } from './loop.js';

/**
 * Moves the lines of all published events and ends what is over: holds, admissions, absences. Every process runs it; the scripts bound what all of them do together,
 * and correctness needs none of them.
 */
export function startAdmission(
  platform: Platform,
  events: EventCatalogue,
  inventory: InventoryService,
): { stop(): Promise<void> } {
  let published: string[] = [];
  let listedAtMs = Number.NEGATIVE_INFINITY;
  let sweptAtMs = Number.NEGATIVE_INFINITY;
  const list = async () => {
    const nowMs = platform.clock.nowMs();
    if (nowMs - listedAtMs < limits.mirrorCheckMs && published.length > 0) return;
    const rows = await platform.database.getRepository(Event).find({
      select: { id: true },
      where: [{ state: 'PUBLISHED' }, { state: 'CLOSED' }],
      order: { startsAt: 'DESC' },
      take: limits.openEvents,
    });
    published = rows.map(({ id }) => id);
    listedAtMs = nowMs;
  };
  const loop = startLoop('admission', limits.admitEveryMs, platform.log, async () => {
    await list();
    const nowMs = platform.clock.nowMs();
    const sweeping = nowMs - sweptAtMs >= limits.sweepEveryMs;
    if (sweeping) sweptAtMs = nowMs;
    await Promise.all(
      published.map(async (eventId) => {
        const event = await events.published(eventId);
        if (event === null) return;
        const round = event.event.waitingRoom || sweeping ? await admitFromLine(platform.redis, event.ref) : 'not due';
        if (round === null) return void (await inventory.wrongEpoch(eventId));
        if (round !== 'not due' && round.phase === 'DRAWING') await drawLine(platform, event.ref);
      }),
    );
    return false;
  });
  return loop;
}
