import { limits } from '../limits.js';
import type { MoneyReconciler } from '../services/money-reconciler.js';
import type { Platform } from '../services/platform.js';
import { type Loop, startLoop } from './loop.js';

/** Compares money at the provider with the ledger all the time. Every process runs it; they take turns. */
export function startMoneyReconciler(platform: Platform, reconciler: MoneyReconciler): Loop {
  return startLoop('money-reconciler', limits.moneyTurnMs / 4, platform.log, async () => {
    await reconciler.visit();
    return false;
  });
}
