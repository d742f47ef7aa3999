import { makeId, nowSeconds } from './ids.js';
import { announceCharge } from './intents.js';
import { sandboxLimits } from './limits.js';
import { methodOf } from './methods.js';
import { type Cause, type IntentRecord, noCause, type RefundRecord } from './records.js';
import { badParameter, done, type Outcome, refused, unexpectedState } from './refusals.js';
import { renderRefund } from './render.js';
import type { World } from './world.js';

interface WantedRefund {
  /** All that is left when undefined. */
  readonly amount: number | undefined;
  readonly reason: RefundRecord['reason'];
  readonly metadata: Readonly<Record<string, string>>;
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
  if (left === 0) {
    const message = `Charge ${intent.charge.id} has already been refunded.`;
    const code = 'charge_already_refunded';
    return refused({
      status: 400,
      type: 'invalid_request_error',
      code,
      message,
      chargeId: intent.charge.id,
      remembered: true,
    });
  }
  const amount = wanted.amount ?? left;
  if (amount > left) {
    const message = `A refund of ${amount} is greater than the ${left} not yet refunded on the charge.`;
    return refused({ ...badParameter('amount', message), remembered: true });
  }
  if (world.store.refunds.size >= sandboxLimits.refunds) {
    const message = `The sandbox keeps at most ${sandboxLimits.refunds} refunds; start it with an empty state.`;
    return refused({ status: 500, type: 'api_error', code: 'sandbox_full', message, remembered: false });
  }
  return done(giveBack(world, intent, intent.charge.id, amount, wanted, cause));
}

function giveBack(
  world: World,
  intent: IntentRecord,
  chargeId: string,
  amount: number,
  wanted: WantedRefund,
  cause: Cause,
) {
  const { refunds } = methodOf(intent.methodName);
  const later = refunds !== 'succeed';
  const refund: RefundRecord = {
    id: makeId('re_'),
    created: nowSeconds(),
    amount,
    currency: intent.currency,
    intentId: intent.id,
    chargeId,
    metadata: wanted.metadata,
    reason: wanted.reason,
    status: later ? 'pending' : 'succeeded',
    failureReason: null,
    settleAtMs: later ? Date.now() + world.settings.slowMs : null,
    settlesTo: refunds === 'failLater' ? 'failed' : later ? 'succeeded' : null,
  };
  const refunded = withRefunded(intent, amount);
  world.store.putIntent(refunded);
  world.store.putRefund(refund);
  world.announce('refund.created', JSON.stringify(renderRefund(refund, refunded)), cause);
  announceCharge(world, refunded, 'charge.refunded', cause);
  if (later) scheduleSettlement(world, refund);
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
  world.at(refund.settleAtMs ?? 0, () => settle(world, refund));
}

function settle(world: World, refund: RefundRecord): void {
  const status = refund.settlesTo ?? 'succeeded';
  const failureReason = status === 'failed' ? 'expired_or_canceled_card' : null;
  const settled: RefundRecord = { ...refund, status, failureReason, settleAtMs: null, settlesTo: null };
  world.store.putRefund(settled);
  const intent = world.store.intents.get(refund.intentId);
  // Money that could not be given back is the seller's again, and may be given back another time.
  if (status === 'failed' && intent !== undefined) world.store.putIntent(withRefunded(intent, -refund.amount));
  const object = JSON.stringify(renderRefund(settled, intent));
  world.announce('refund.updated', object, noCause);
  if (status === 'failed') world.announce('refund.failed', object, noCause);
}
