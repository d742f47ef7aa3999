import type { Evidence } from './evidence.js';
import type { Violation } from './records.js';
import { violation } from './violations.js';

const toldWithinMs = 2_000;

/** What somebody had ends before its time only if Redis was lost. */
export function auditLosses({ buyers, live }: Evidence): Violation[] {
  const losers = buyers.filter(
    ({ lostHolds, lostAdmissions, lostPlaces }) => lostHolds + lostAdmissions + lostPlaces > 0,
  );
  return violation(
    'no hold, admission or place is lost while Redis is not',
    live.generation > 1
      ? []
      : losers.map(({ buyer, lostHolds, lostAdmissions, lostPlaces }) => ({
          buyer,
          lostHolds,
          lostAdmissions,
          lostPlaces,
        })),
  );
}

/** Promise 14: whoever still waits when the last place is sold is told so within 2 s. */
export function auditSoldOut({ buyers, ledger, live }: Evidence): Violation[] {
  const atMs = soldOutAtMs(ledger, live);
  if (atMs === null) return [];
  const dueMs = atMs + toldWithinMs;
  const untold = buyers.filter(({ waitingSinceMs, endedAtMs, soldOutAtMs: toldMs }) => {
    if (waitingSinceMs === null || waitingSinceMs > atMs) return false;
    return (toldMs ?? endedAtMs ?? Number.POSITIVE_INFINITY) > dueMs;
  });
  return violation(
    'who waits when everything is sold is told so within 2 s',
    untold.map(({ buyer, waitingSinceMs, soldOutAtMs: toldMs, endedAtMs }) => ({
      buyer,
      atMs,
      waitingSinceMs,
      toldMs,
      endedAtMs,
    })),
  );
}

/** When the last place that everybody may have was sold; null: some are left. */
function soldOutAtMs(ledger: Evidence['ledger'], live: Evidence['live']): number | null {
  const open = new Set([...live.channels].flatMap((letter, seat) => (letter === '.' ? [seat] : [])));
  if ([...open].some((seat) => live.status[seat] !== 's')) return null;
  const issued = ledger.tickets.filter(({ state, seatIndex }) => state !== 'VOID' && open.has(seatIndex));
  return issued.reduce((latest, { issuedAtMs }) => Math.max(latest, issuedAtMs), 0);
}
