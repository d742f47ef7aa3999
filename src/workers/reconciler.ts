import { Not } from 'typeorm';
import { Event } from '../entities/events.js';
import { limits } from '../limits.js';
import type { Platform } from '../services/platform.js';
import type { Reconciler } from '../services/reconciler.js';
import { type Loop, startLoop } from './loop.js';

/** Compares the stores all the time, one event after the other. Every process runs it; they take turns. */
export function startReconciler(platform: Platform, reconciler: Reconciler): Loop {
  return startLoop('reconciler', limits.reconcileEveryMs / 4, platform.log, async () => {
    const events = await platform.database.getRepository(Event).find({
      select: { id: true },
      where: { state: Not('DRAFT') },
      order: { startsAt: 'DESC' },
      take: limits.openEvents,
    });
    for (const { id } of events) {
      await reconciler
        .visit(id)
        .catch((error) => platform.log.error({ err: error, eventId: id }, 'the stores could not be compared'));
    }
    return false;
  });
}
