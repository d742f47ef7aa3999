import type { OrderStep } from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { Platform } from '../services/platform.js';
import type { Settlement } from '../services/settlement.js';
import { type Loop, startLoop } from './loop.js';

/** Each kind has its own lane, so that a slow endpoint of the provider holds up nothing else. Cancellations first. */
const lanes: readonly (readonly OrderStep[])[] = [
  ['CANCEL'],
  ['ISSUE', 'RETURN', 'RELEASE'],
  ['SETTLE'],
  ['CREATE'],
  ['CAPTURE'],
  ['REFUND'],
];

/** Takes due steps, up to a bound per lane, as they come and whenever this process makes some due. */
export function startOrderSteps(platform: Platform, settlement: Settlement): { stop(): Promise<void> } {
  const running = new Set<Promise<void>>();
  const loops = new Map<readonly OrderStep[], Loop>();
  for (const kinds of lanes) {
    let inFlight = 0;
    const loop = startLoop(`order-steps ${kinds.join('+')}`, limits.stepPollMs, platform.log, async () => {
      const room = Math.min(limits.stepBatch, limits.stepsPerLane - inFlight);
      if (room <= 0) return false;
      const steps = await settlement.lease(kinds, room);
      for (const step of steps) {
        inFlight += 1;
        const taken = settlement.take(step).finally(() => {
          inFlight -= 1;
          running.delete(taken);
          // A full lane stops looking; the first free place looks again.
          if (inFlight === limits.stepsPerLane - 1) loop.wake();
        });
        running.add(taken);
      }
      return steps.length === room && inFlight < limits.stepsPerLane;
    });
    loops.set(kinds, loop);
  }
  const gathering = new Map<Loop, NodeJS.Timeout>();
  /** What becomes due in the next moment is taken together with what is due now. */
  const gather = (loop: Loop) => {
    if (gathering.has(loop)) return;
    const look = () => {
      gathering.delete(loop);
      loop.wake();
    };
    gathering.set(loop, setTimeout(look, limits.stepGatherMs));
  };
  const forget = settlement.onDue((due) => {
    for (const [kinds, loop] of loops) if (kinds.some((kind) => due.has(kind))) gather(loop);
  });
  return {
    stop: async () => {
      forget();
      for (const timer of gathering.values()) clearTimeout(timer);
      await Promise.all([...loops.values()].map((loop) => loop.stop()));
      await Promise.all(running);
    },
  };
}
