import { limits } from '../limits.js';
import type { Platform } from '../services/platform.js';
import type { ReceiptIssuing } from '../services/receipt-issuing.js';
import { type Loop, startLoop } from './loop.js';

/** Numbers what was sold and what was given back, soon after. Every process runs it. */
export function startReceipts(platform: Platform, issuing: ReceiptIssuing): Loop {
  return startLoop('receipts', limits.receiptEveryMs, platform.log, () => issuing.issueDue());
}
