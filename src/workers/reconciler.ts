import { Not } from 'typeorm';
import { Event } from '../entities/events.js';
import { limits } from '../limits.js';
import type { Platform } from '../services/platform.js';
import type { Services } from '../services/services.js';
import { type Loop, startLoop } from './loop.js';

/** Compares the stores all the time, one event after the other, and gives uses of codes back for which no order was written. Every process runs it; they take turns. */
export function startReconciler(
  platform: Platform,
  { reconciler, codes }: Pick<Services, 'reconciler' | 'codes'>,
): Loop {
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
    await codes.sweep();
    return false;
  });
}
