import { auditBuyers } from './audit-buyers.js';
import { auditLedger } from './audit-ledger.js';
import { auditLine } from './audit-line.js';
import { auditSales } from './audit-sales.js';
import { auditLosses, auditSoldOut } from './audit-told.js';
import type { Evidence } from './evidence.js';
import type { Violation } from './records.js';

export interface Verdict {
  readonly violations: readonly Violation[];
  /** What was looked at, so that an empty list of violations can be told from an empty audit. */
  readonly examined: Readonly<Record<string, number>>;
}

/** Judges a run by what the stores and the clients say, without asking the server. Pure: the same evidence, the same verdict. */
export function audit(evidence: Evidence): Verdict {
  const { ledger, live, intents, line, sales, buyers } = evidence;
  return {
    violations: [
      ...auditLedger(evidence),
      ...auditLine(line, buyers, live.generation),
      ...auditLosses(evidence),
      ...auditSoldOut(evidence),
      ...auditSales(sales, ledger),
      ...auditBuyers(evidence),
    ],
    examined: {
      seats: ledger.capacity,
      orders: ledger.orders.length,
      tickets: ledger.tickets.length,
      paymentIntents: intents.length,
      lineEntries: line.length,
      admissions: line.filter(({ kind }) => kind === 'admit' || kind === 'walk' || kind === 'back').length,
      salesSamples: sales.length,
      buyers: buyers.length,
      clientMessages: buyers.reduce((sum, buyer) => sum + buyer.positionMessages + buyer.mapMessages, 0),
      losses: buyers.reduce(
        (sum, { lostHolds, lostAdmissions, lostPlaces }) => sum + lostHolds + lostAdmissions + lostPlaces,
        0,
      ),
      claims: buyers.reduce((sum, buyer) => sum + buyer.beliefs.length, 0),
    },
  };
}
