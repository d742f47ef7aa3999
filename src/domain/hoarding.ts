import { limits } from '../limits.js';

/**
 * Seat-milliseconds one person may hold without buying before claims are refused: what a few of the largest holds come to that are taken
 * to the end of a checkout and not paid. It is forgiven at a steady pace.
 */
export function hoardBudgetMs(event: { readonly maxSeatsPerPerson: number; readonly holdTtlMs: number }): number {
  return limits.hoardHolds * event.maxSeatsPerPerson * (event.holdTtlMs + limits.checkoutTtlMs);
}
