import { bookFailedRefund, bookRefund } from './balance.js';
import { stepRefusal } from './currencies.js';
import { holdsMoney } from './disputes.js';
import { makeId, nowSeconds } from './ids.js';
import { announceCharge } from './intents.js';
import { sandboxLimits } from './limits.js';
import { methodOf, type RefundMode } from './methods.js';
import { type Cause, type IntentRecord, noCause, type RefundRecord, type RefundStatus } from './records.js';
import { badParameter, done, fullRefusal, type Outcome, type Refusal, refused, unexpectedState } from './refusals.js';
import { renderRefund } from './render-books.js';
import type { World } from './world.js';

export interface WantedRefund {
  /** All that is left when undefined. */
  readonly amount: number | undefined;
  readonly reason: RefundRecord['reason'];
  readonly metadata: Readonly<Record<string, string>>;
  /** What the settings and the payment method say when undefined. */
  readonly mode?: RefundMode | undefined;
}

export function createRefund(
  world: World,
  intent: IntentRecord,
  wanted: WantedRefund,
  cause: Cause,
): Outcome<RefundRecord> {
  if (intent.status !== 'succeeded' || intent.charge === null)
    return refused(unexpectedState(intent, 'refunded', ['succeeded']));
  const left = intent.amountReceived - intent.amountRefunded;
  const amount = wanted.amount ?? left;
  const refusal = judge(world, intent, intent.charge.id, amount, left);
  return refusal === undefined
    ? done(giveBack(world, intent, intent.charge.id, amount, wanted, cause))
    : refused(refusal);
}

function judge(
  world: World,
  intent: IntentRecord,
  chargeId: string,
  amount: number,
  left: number,
): Refusal | undefined {
  if (intent.disputeId !== null && holdsMoney(world.store.disputes.get(intent.disputeId)))
    return chargeRefusal(
      'charge_disputed',
      `Charge ${chargeId} has been charged back; it cannot be refunded.`,
      chargeId,
    );
  if (left === 0)
    return chargeRefusal('charge_already_refunded', `Charge ${chargeId} has already been refunded.`, chargeId);
  if (amount > left) {
    // The provider gives this refusal no code.
    const message = `A refund of ${amount} is greater than the ${left} not yet refunded on the charge.`;
    return { ...badParameter('amount', message), remembered: true };
  }
  const step = stepRefusal(amount, intent.currency, 'amount');
  if (step !== undefined) return step;
  return world.store.refunds.size >= sandboxLimits.refunds ? fullRefusal('refunds') : undefined;
}

function chargeRefusal(code: string, message: string, chargeId: string): Refusal {
  return { status: 400, type: 'invalid_request_error', code, message, chargeId, remembered: true };
}

/** How a refund begins, and what becomes of it after `slowMs`. */
const courses: Readonly<Record<RefundMode, Pick<RefundRecord, 'status' | 'settlesTo'>>> = {
  succeed: { status: 'succeeded', settlesTo: null },
  succeedLater: { status: 'pending', settlesTo: 'succeeded' },
  failLater: { status: 'pending', settlesTo: 'failed' },
  bounceLater: { status: 'succeeded', settlesTo: 'failed' },
  pending: { status: 'pending', settlesTo: null },
};

function giveBack(
  world: World,
  intent: IntentRecord,
  chargeId: string,
  amount: number,
  wanted: WantedRefund,
  cause: Cause,
): RefundRecord {
  const { refundMode, slowMs } = world.settings;
  const mode = wanted.mode ?? (refundMode === 'succeed' ? methodOf(intent.methodName).refunds : refundMode);
  const { status, settlesTo } = courses[mode];
  const id = makeId('re_');
  const refund: RefundRecord = {
    id,
    created: nowSeconds(),
    amount,
    currency: intent.currency,
    intentId: intent.id,
    chargeId,
    metadata: wanted.metadata,
    reason: wanted.reason,
    status,
    failureReason: null,
    balanceId: bookRefund(world, intent, id, amount),
    failureBalanceId: null,
    settleAtMs: settlesTo === null ? null : Date.now() + slowMs,
    settlesTo,
  };
  const refunded = withRefunded(intent, amount);
  world.store.putIntent(refunded);
  world.store.putRefund(refund);
  world.announce('refund.created', JSON.stringify(renderRefund(refund, refunded)), cause);
  announceCharge(world, refunded, 'charge.refunded', cause);
  if (settlesTo !== null) scheduleSettlement(world, refund);
  return refund;
}

function withRefunded(intent: IntentRecord, amount: number): IntentRecord {
  const charge =
    intent.charge === null ? null : { ...intent.charge, amountRefunded: intent.charge.amountRefunded + amount };
  return { ...intent, amountRefunded: intent.amountRefunded + amount, charge };
}

/** Takes up refunds that were under way when the sandbox last stopped. */
export function resumeRefunds(world: World): void {
  for (const refund of world.store.refunds.oldestFirst())
    if (refund.settlesTo !== null) scheduleSettlement(world, refund);
}

function scheduleSettlement(world: World, refund: RefundRecord): void {
  world.at(refund.settleAtMs ?? 0, () => {
    const present = world.store.refunds.get(refund.id);
    // Somebody may have settled it by hand meanwhile.
    if (present?.settlesTo != null) settleRefund(world, present, present.settlesTo, undefined);
  });
}

/** Ends a pending refund, or returns one that had succeeded. */
export function settleRefund(
  world: World,
  refund: RefundRecord,
  status: Exclude<RefundStatus, 'pending'>,
  reason: string | undefined,
): Outcome<RefundRecord> {
  const possible = refund.status === 'pending' || (refund.status === 'succeeded' && status === 'failed');
  if (!possible) return refused(badParameter('status', `A refund that is ${refund.status} cannot become ${status}.`));
  const returned = status !== 'succeeded';
  const settled: RefundRecord = {
    ...refund,
    status,
    failureReason: returned
      ? (reason ?? (status === 'failed' ? 'expired_or_canceled_card' : 'merchant_request'))
      : null,
    failureBalanceId: returned ? bookFailedRefund(world, refund) : null,
    settleAtMs: null,
    settlesTo: null,
  };
  world.store.putRefund(settled);
  const intent = world.store.intents.get(refund.intentId);
  // Money that could not be given back is the seller's again, and may be given back another time.
  if (returned && intent !== undefined) world.store.putIntent(withRefunded(intent, -refund.amount));
  const object = JSON.stringify(renderRefund(settled, intent));
  const previous = { status: refund.status };
  world.announce('refund.updated', object, noCause, previous);
  world.announce('charge.refund.updated', object, noCause, previous);
  if (status === 'failed') world.announce('refund.failed', object, noCause);
  return done(settled);
}
