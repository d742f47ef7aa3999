import { Not } from 'typeorm';
import { Event } from '../entities/events.js';
import { limits } from '../limits.js';
import type { PublishedEvent } from '../services/event-catalogue.js';
import type { Platform } from '../services/platform.js';
import type { Services } from '../services/services.js';
import { type Loop, startLoop } from './loop.js';

type AdmissionParts = Pick<Services, 'catalogue' | 'inventory' | 'line' | 'draws'>;

/**
 * Moves the lines of all published events and ends what is over: holds, admissions, absences. Every process runs it; the scripts bound
 * what all of them do together, and correctness needs none of them.
 */
export function startAdmission(platform: Platform, parts: AdmissionParts): Loop {
  const { catalogue, inventory, line, draws } = parts;
  let published: string[] = [];
  let listedAtMs = Number.NEGATIVE_INFINITY;
  let sweptAtMs = Number.NEGATIVE_INFINITY;
  const opened = new Set<string>();
  const list = async () => {
    const elapsedMs = platform.clock.elapsedMs();
    if (elapsedMs - listedAtMs < limits.mirrorCheckMs && published.length > 0) return;
    const rows = await platform.database.getRepository(Event).find({
      select: { id: true },
      where: { state: Not('DRAFT') },
      order: { startsAt: 'DESC' },
      take: limits.openEvents,
    });
    published = rows.map(({ id }) => id);
    listedAtMs = elapsedMs;
  };
  /** Small sales, where nobody waits, are looked at less often. */
  const isDue = (event: PublishedEvent) => event.event.waitingRoom === 'ALWAYS' || line.isBusy(event);
  const move = async (eventId: string, sweeping: boolean) => {
    const event = await catalogue.published(eventId);
    if (event === null || !(sweeping || isDue(event))) return;
    const round = await line.admit(event);
    if (round === null) return inventory.wrongEpoch(eventId);
    if (round.phase === 'DRAWING') return draws.draw(event.ref);
    if ((round.phase !== 'OPEN' && round.phase !== 'SOLD_OUT') || opened.has(eventId)) return;
    await draws.noteOpening(event.ref);
    opened.add(eventId);
  };
  return startLoop('admission', limits.admitEveryMs, platform.log, async () => {
    await list();
    const elapsedMs = platform.clock.elapsedMs();
    const sweeping = elapsedMs - sweptAtMs >= limits.sweepEveryMs;
    if (sweeping) sweptAtMs = elapsedMs;
    // One event that cannot be moved holds up no other.
    const moved = await Promise.allSettled(published.map((eventId) => move(eventId, sweeping)));
    const failure = moved.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    return false;
  });
}
