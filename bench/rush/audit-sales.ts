import type { LedgerView, SalesSample } from './evidence.js';
import type { Violation } from './records.js';
import { violation } from './violations.js';

/** Live sales as the organizer saw them, against the ledger (promise 26). A run has no refunds of issued tickets. */
export function auditSales(samples: readonly SalesSample[], ledger: LedgerView): Violation[] {
  const issuedAtMs = ledger.tickets.map((ticket) => ticket.issuedAtMs).sort((a, b) => a - b);
  const incomplete: unknown[] = [];
  const ahead: unknown[] = [];
  const backwards: unknown[] = [];
  let issued = 0;
  let last: SalesSample | null = null;
  for (const sample of samples) {
    for (const one of sample.categories) {
      const { available, held, issuing, sold, returning, blocked, capacity } = one;
      if (available + held + issuing + sold + returning + blocked !== capacity)
        incomplete.push({ nowMs: sample.nowMs, ...one });
    }
    while (issued < issuedAtMs.length && issuedAtMs[issued]! <= sample.nowMs) issued += 1;
    const sold = soldOf(sample);
    if (sold > issued) ahead.push({ nowMs: sample.nowMs, version: sample.version, sold, ledger: issued });
    if (last && sample.epoch === last.epoch && sample.version < last.version)
      backwards.push({ before: last.version, after: sample.version });
    last = sample;
  }
  const sold = last === null ? null : soldOf(last);
  const valid = ledger.tickets.filter((ticket) => ticket.state !== 'VOID').length;
  return [
    ...violation('every sample of the live sales adds up to the capacity', incomplete),
    ...violation('live sales never exceed the ledger', ahead),
    ...violation('live sales never go back to an older version', backwards),
    ...violation(
      'live sales equal the ledger in the end',
      sold === valid ? [] : [{ sold, ledger: valid, samples: samples.length }],
    ),
  ];
}

function soldOf(sample: SalesSample): number {
  return sample.categories.reduce((sum, { sold }) => sum + sold, 0);
}
