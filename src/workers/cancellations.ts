import { limits } from '../limits.js';
import type { Cancellations } from '../services/cancellations.js';
import type { Platform } from '../services/platform.js';
import { type Loop, startLoop } from './loop.js';

/** Pays the orders of canceled events back, some at a time. Every process runs it; whoever comes second to an order finds it taken. */
export function startCancellations(platform: Platform, cancellations: Cancellations): Loop {
  return startLoop('cancellations', limits.cancellationEveryMs, platform.log, () => cancellations.round());
}
