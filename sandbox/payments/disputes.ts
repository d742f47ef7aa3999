import { bookDispute, bookWonDispute } from './balance.js';
import { stepRefusal } from './currencies.js';
import { makeId, nowSeconds } from './ids.js';
import { sandboxLimits } from './limits.js';
import { type DisputeRecord, type DisputeStatus, type IntentRecord, noCause } from './records.js';
import { badParameter, done, fullRefusal, type Outcome, refused, unexpectedState } from './refusals.js';
import { renderDispute } from './render-books.js';
import type { World } from './world.js';

const evidenceSeconds = 14 * 24 * 60 * 60;

interface WantedDispute {
  /** All that was captured when undefined. */
  readonly amount: number | undefined;
  readonly reason: string;
  /** An inquiry takes no money. */
  readonly inquiry: boolean;
}

/** The buyer's bank disputes a charge. One dispute a charge. */
export function openDispute(world: World, intent: IntentRecord, wanted: WantedDispute): Outcome<DisputeRecord> {
  if (intent.status !== 'succeeded' || intent.charge === null || intent.disputeId !== null)
    return refused(unexpectedState(intent, 'disputed', ['succeeded, and not disputed yet']));
  const { reason, inquiry, amount = intent.amountReceived } = wanted;
  if (amount > intent.amountReceived) return refused(badParameter('amount', 'More than was captured is not disputed.'));
  const step = stepRefusal(amount, intent.currency, 'amount');
  if (step !== undefined) return refused(step);
  if (world.store.disputes.size >= sandboxLimits.disputes) return refused(fullRefusal('disputes'));
  const created = nowSeconds();
  const about = { id: makeId('dp_'), amount, currency: intent.currency, chargeId: intent.charge.id };
  const dispute: DisputeRecord = {
    ...about,
    created,
    intentId: intent.id,
    reason,
    status: inquiry ? 'warning_needs_response' : 'needs_response',
    dueBy: created + evidenceSeconds,
    balanceIds: inquiry ? [] : [bookDispute(world, about)],
  };
  world.store.putIntent({ ...intent, disputeId: dispute.id });
  put(world, dispute, ['charge.dispute.created', ...(inquiry ? [] : ['charge.dispute.funds_withdrawn'])]);
  return done(dispute);
}

const next: Readonly<Record<DisputeStatus, readonly DisputeStatus[]>> = {
  warning_needs_response: ['warning_under_review', 'warning_closed', 'needs_response'],
  warning_under_review: ['warning_closed', 'needs_response'],
  warning_closed: [],
  needs_response: ['under_review', 'won', 'lost'],
  under_review: ['needs_response', 'won', 'lost'],
  won: [],
  lost: [],
};

/** Moves a dispute on: evidence was sent, the bank decided, an inquiry became a dispute that takes the money. */
export function moveDispute(world: World, dispute: DisputeRecord, status: DisputeStatus): Outcome<DisputeRecord> {
  if (!next[dispute.status].includes(status)) {
    const message = `A dispute that is ${dispute.status} cannot become ${status}.`;
    return refused(badParameter('status', message));
  }
  const withdrawn = status === 'needs_response' && dispute.balanceIds.length === 0;
  const booked = withdrawn ? [bookDispute(world, dispute)] : status === 'won' ? [bookWonDispute(world, dispute)] : [];
  const moved: DisputeRecord = { ...dispute, status, balanceIds: [...dispute.balanceIds, ...booked] };
  const money = withdrawn
    ? ['charge.dispute.funds_withdrawn']
    : status === 'won'
      ? ['charge.dispute.funds_reinstated']
      : [];
  const closed = next[status].length === 0;
  const types = closed ? [...money, 'charge.dispute.closed'] : ['charge.dispute.updated', ...money];
  put(world, moved, types, { status: dispute.status });
  return done(moved);
}

/** The provider gives nothing back while a bank has, or may take, the money of a charge. */
export function holdsMoney(dispute: DisputeRecord | undefined): boolean {
  return dispute !== undefined && ['needs_response', 'under_review', 'lost'].includes(dispute.status);
}

function put(world: World, dispute: DisputeRecord, eventTypes: readonly string[], previous?: object): void {
  world.store.putDispute(dispute);
  const object = JSON.stringify(renderDispute(dispute, world.store));
  for (const type of eventTypes)
    world.announce(type, object, noCause, type.endsWith('.updated') ? previous : undefined);
}
