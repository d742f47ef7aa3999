import { bookCharge } from './balance.js';
import { stepRefusal } from './currencies.js';
import { makeId, nowSeconds } from './ids.js';
import { sandboxLimits } from './limits.js';
import { findMethod, methodOf, methodTypes } from './methods.js';
import type { Cause, ChargeRecord, IntentRecord, IntentStatus, PaymentError } from './records.js';
import { noCause } from './records.js';
import {
  badParameter,
  done,
  fullRefusal,
  missingResource,
  type Outcome,
  type Refusal,
  refused,
  unexpectedState,
} from './refusals.js';
import { renderCharge, renderIntent } from './render.js';
import { offeredTypes } from './render-methods.js';
import type { World } from './world.js';

const confirmable: readonly IntentStatus[] = ['requires_payment_method', 'requires_confirmation', 'requires_action'];
const cancelable: readonly IntentStatus[] = [...confirmable, 'requires_capture'];
const daySeconds = 24 * 60 * 60;

export type NewIntent = Pick<
  IntentRecord,
  | 'amount'
  | 'currency'
  | 'metadata'
  | 'description'
  | 'receiptEmail'
  | 'statementSuffix'
  | 'automaticMethods'
  | 'captureMethod'
  | 'manualTypes'
  | 'allowedTypes'
  | 'excludedTypes'
  | 'redirects'
  | 'returnUrl'
>;

export function createIntent(
  world: World,
  wanted: NewIntent,
  methodName: string | undefined,
  cause: Cause,
): Outcome<IntentRecord> {
  if (world.store.intents.size >= sandboxLimits.intents) return refused(fullRefusal('PaymentIntents'));
  if (methodName !== undefined && findMethod(methodName) === undefined) {
    return refused(missingResource('PaymentMethod', methodName, 'payment_method', 400));
  }
  const id = makeId('pi_');
  const intent: IntentRecord = {
    id,
    clientSecret: makeId(`${id}_secret_`),
    created: nowSeconds(),
    status: methodName === undefined ? 'requires_payment_method' : 'requires_confirmation',
    methodId: methodName === undefined ? null : makeId('pm_'),
    methodName: methodName ?? null,
    charge: null,
    amountReceived: 0,
    amountRefunded: 0,
    lastError: null,
    canceledAt: null,
    cancellationReason: null,
    settleAtMs: null,
    disputeId: null,
    ...wanted,
  };
  change(world, intent, 'payment_intent.created', cause);
  return done(intent);
}

/** The buyer pays: with the named method, or with the one given before. A decline is refused with the intent inside. */
export function confirmIntent(
  world: World,
  intent: IntentRecord,
  with_: { readonly methodName: string | undefined; readonly returnUrl: string | undefined },
  cause: Cause,
): Outcome<IntentRecord> {
  if (!confirmable.includes(intent.status)) return refused(unexpectedState(intent, 'confirmed', confirmable));
  const methodName = with_.methodName ?? (intent.methodId === null ? undefined : (intent.methodName ?? undefined));
  if (methodName === undefined) {
    const missing = unexpectedState(intent, 'confirmed without a payment method', ['a payment_method']);
    return refused({ ...missing, param: 'payment_method' });
  }
  const method = findMethod(methodName);
  if (method === undefined) return refused(missingResource('PaymentMethod', methodName, 'payment_method', 400));
  const unfit = incompatible(intent, method.type);
  if (unfit !== undefined) return refused(unfit);
  const methodId = with_.methodName === undefined && intent.methodId !== null ? intent.methodId : makeId('pm_');
  const attempt: IntentRecord = {
    ...intent,
    methodId,
    methodName,
    returnUrl: with_.returnUrl ?? intent.returnUrl,
    lastError: null,
  };
  if (method.outcome === 'decline')
    return decline(world, attempt, methodId, method.declineCode ?? 'generic_decline', cause);
  if (method.outcome === 'authenticate') {
    return done(change(world, { ...attempt, status: 'requires_action' }, 'payment_intent.requires_action', cause));
  }
  if (method.outcome === 'slow' || method.outcome === 'slowDecline')
    return done(startSlowPayment(world, attempt, cause));
  return done(approve(world, attempt, methodId, cause));
}

function incompatible(intent: IntentRecord, type: string): Refusal | undefined {
  if (offeredTypes(intent).includes(type)) return undefined;
  const { id, currency, captureMethod } = intent;
  const message = `${type} cannot be used for ${id} (currency ${currency}, capture_method ${captureMethod}).`;
  return { ...badParameter('payment_method', message, 'payment_intent_incompatible_payment_method'), intent };
}

/** The bank's answer to a required authentication. */
export function completeAuthentication(world: World, intent: IntentRecord, success: boolean): Outcome<IntentRecord> {
  if (intent.status !== 'requires_action' || intent.methodId === null) {
    return refused(unexpectedState(intent, 'authenticated', ['requires_action']));
  }
  if (success) return done(approve(world, intent, intent.methodId, noCause));
  const failed: PaymentError = {
    type: 'invalid_request_error',
    code: 'payment_intent_authentication_failure',
    declineCode: null,
    message: 'The buyer did not pass the authentication; another payment method is needed.',
    chargeId: null,
    methodId: intent.methodId,
  };
  const next: IntentRecord = { ...intent, status: 'requires_payment_method', methodId: null, lastError: failed };
  return done(change(world, next, 'payment_intent.payment_failed', noCause));
}

export function captureIntent(
  world: World,
  intent: IntentRecord,
  wanted: number | undefined,
  cause: Cause,
): Outcome<IntentRecord> {
  if (intent.status !== 'requires_capture' || intent.charge === null) {
    const action = intent.status === 'succeeded' ? 'captured again: its money has been captured already' : 'captured';
    return refused(unexpectedState(intent, action, ['requires_capture']));
  }
  const { captureBefore } = intent.charge;
  if (captureBefore !== null && captureBefore <= nowSeconds()) {
    const intentNow = expireIntent(world, intent);
    const message = 'The authorisation has expired; the charge cannot be captured any more.';
    const refusal = badParameter('intent', message, 'charge_expired_for_capture');
    return refused({ ...refusal, chargeId: intent.charge.id, intent: intentNow, remembered: true });
  }
  const amount = wanted ?? intent.amount;
  const step = stepRefusal(amount, intent.currency, 'amount_to_capture');
  if (step !== undefined) return refused(step);
  if (amount > intent.amount) {
    return refused(
      badParameter('amount_to_capture', 'More than was authorised cannot be captured.', 'amount_too_large'),
    );
  }
  // Of these the whole amount is taken, and not at once.
  if (methodOf(intent.methodName).outcome === 'slowCapture') return done(startSlowPayment(world, intent, cause));
  return done(takeHeld(world, intent, intent.charge, amount, cause));
}

/** The money of an authorisation comes in. */
function takeHeld(world: World, intent: IntentRecord, held: ChargeRecord, amount: number, cause: Cause): IntentRecord {
  const balanceId = bookCharge(world, intent, held.id, amount);
  const charge: ChargeRecord = { ...held, captured: true, amountCaptured: amount, captureBefore: null, balanceId };
  const captured: IntentRecord = {
    ...intent,
    status: 'succeeded',
    amountReceived: amount,
    charge,
    settleAtMs: null,
  };
  const changed = change(world, captured, 'payment_intent.succeeded', cause);
  announceCharge(world, changed, 'charge.captured', cause);
  return changed;
}

export function cancelIntent(
  world: World,
  intent: IntentRecord,
  reason: string | undefined,
  cause: Cause,
): Outcome<IntentRecord> {
  if (!cancelable.includes(intent.status)) return refused(unexpectedState(intent, 'canceled', cancelable));
  return done(letGo(world, intent, reason ?? null, 'charge.refunded', cause));
}

/** The time to capture has passed: the provider gives the authorisation up. */
export function expireIntent(world: World, intent: IntentRecord): IntentRecord {
  return letGo(world, intent, 'automatic', 'charge.expired', noCause);
}

/** Nothing happens until somebody wants to capture it: the provider does not notice at once either. */
export function expireUnnoticed(world: World, intent: IntentRecord): IntentRecord {
  const charge = intent.charge === null ? null : { ...intent.charge, captureBefore: nowSeconds() };
  const expired = { ...intent, charge };
  world.store.putIntent(expired);
  return expired;
}

function letGo(
  world: World,
  intent: IntentRecord,
  reason: string | null,
  chargeEvent: string,
  cause: Cause,
): IntentRecord {
  // The provider shows a let-go authorisation as a refunded charge and announces it so, although no money came in.
  const released = intent.status === 'requires_capture' && intent.charge !== null;
  const charge = released ? { ...intent.charge, amountRefunded: intent.amount, captureBefore: null } : intent.charge;
  const canceled: IntentRecord = {
    ...intent,
    status: 'canceled',
    charge,
    canceledAt: nowSeconds(),
    cancellationReason: reason,
  };
  change(world, canceled, 'payment_intent.canceled', cause);
  if (released) announceCharge(world, canceled, chargeEvent, cause);
  return canceled;
}

/** Takes up slow payments and short authorisations that were under way when the sandbox last stopped. */
export function resumeIntents(world: World): void {
  for (const intent of world.store.intents.oldestFirst()) {
    if (intent.status === 'processing') scheduleSettlement(world, intent);
    else if (intent.status === 'requires_capture') scheduleExpiry(world, intent);
  }
}

export function announceCharge(world: World, intent: IntentRecord, type: string, cause: Cause): void {
  if (intent.charge !== null) world.announce(type, JSON.stringify(renderCharge(intent, intent.charge)), cause);
}

function change(world: World, intent: IntentRecord, eventType: string, cause: Cause): IntentRecord {
  world.store.putIntent(intent);
  world.announce(eventType, JSON.stringify(renderIntent(intent, world.pageUrl)), cause);
  return intent;
}

function approve(world: World, intent: IntentRecord, methodId: string, cause: Cause): IntentRecord {
  const { type } = methodOf(intent.methodName);
  const manual = intent.manualTypes.includes(type) || intent.captureMethod === 'manual';
  const created = nowSeconds();
  const id = makeId('ch_');
  const heldSeconds = world.settings.authorisationSeconds || (methodTypes[type].authorisationDays ?? 0) * daySeconds;
  const charge: ChargeRecord = {
    id,
    created,
    methodId,
    status: 'succeeded',
    captured: !manual,
    amountCaptured: manual ? 0 : intent.amount,
    amountRefunded: 0,
    failureCode: null,
    failureMessage: null,
    captureBefore: manual ? created + heldSeconds : null,
    balanceId: manual ? null : bookCharge(world, intent, id, intent.amount),
  };
  const paid: IntentRecord = { ...intent, charge, settleAtMs: null, status: manual ? 'requires_capture' : 'succeeded' };
  if (!manual) return change(world, { ...paid, amountReceived: intent.amount }, 'payment_intent.succeeded', cause);
  scheduleExpiry(world, paid);
  return change(world, paid, 'payment_intent.amount_capturable_updated', cause);
}

/** A timer for each of half a million authorisations of a week would be kept for nothing: only short ones get one. */
function scheduleExpiry(world: World, held: IntentRecord): void {
  const captureBefore = held.charge?.captureBefore ?? null;
  if (captureBefore === null || captureBefore - nowSeconds() > sandboxLimits.timedAuthorisationSeconds) return;
  world.at(captureBefore * 1_000, () => {
    const present = world.store.intents.get(held.id);
    if (present?.status === 'requires_capture') expireIntent(world, present);
  });
}

function decline(
  world: World,
  intent: IntentRecord,
  methodId: string,
  declineCode: string,
  cause: Cause,
): Outcome<IntentRecord> {
  const { type } = methodOf(intent.methodName);
  // What is not a card has no decline code; its failures are found out too late for anybody to be told directly.
  const card = type === 'card';
  const code = card ? 'card_declined' : 'payment_intent_payment_attempt_failed';
  const message =
    declineCode === 'insufficient_funds' ? 'The card has insufficient funds.' : `The ${type} payment was declined.`;
  const charge: ChargeRecord = {
    id: makeId('ch_'),
    created: nowSeconds(),
    methodId,
    status: 'failed',
    captured: false,
    amountCaptured: 0,
    amountRefunded: 0,
    failureCode: code,
    failureMessage: message,
    captureBefore: null,
    balanceId: null,
  };
  const error: PaymentError = {
    type: card ? 'card_error' : 'invalid_request_error',
    code,
    declineCode: card ? declineCode : null,
    message,
    chargeId: charge.id,
    methodId,
  };
  const declined: IntentRecord = {
    ...intent,
    status: 'requires_payment_method',
    methodId: null,
    charge,
    lastError: error,
    settleAtMs: null,
  };
  change(world, declined, 'payment_intent.payment_failed', cause);
  return refused({
    status: 402,
    type: 'card_error',
    code: 'card_declined',
    message,
    declineCode,
    chargeId: charge.id,
    intent: declined,
    remembered: true,
  });
}

/** Ends a slow payment, or the capture of one, now; the way its method does when undefined. */
export function settleIntent(world: World, intent: IntentRecord, approved: boolean | undefined): Outcome<IntentRecord> {
  if (intent.status !== 'processing' || intent.methodId === null)
    return refused(unexpectedState(intent, 'settled', ['processing']));
  const fails = methodOf(intent.methodName).outcome === 'slowDecline';
  const held = intent.charge?.status === 'succeeded' ? intent.charge : null;
  if (approved ?? !fails)
    return done(
      held === null
        ? approve(world, intent, intent.methodId, noCause)
        : takeHeld(world, intent, held, intent.amount, noCause),
    );
  decline(world, intent, intent.methodId, 'generic_decline', noCause);
  return done(world.store.intents.get(intent.id) ?? intent);
}

function startSlowPayment(world: World, intent: IntentRecord, cause: Cause): IntentRecord {
  const slow: IntentRecord = { ...intent, status: 'processing', settleAtMs: Date.now() + world.settings.slowMs };
  change(world, slow, 'payment_intent.processing', cause);
  scheduleSettlement(world, slow);
  return slow;
}

function scheduleSettlement(world: World, slow: IntentRecord): void {
  world.at(slow.settleAtMs ?? 0, () => {
    const present = world.store.intents.get(slow.id);
    if (present?.status === 'processing') settleIntent(world, present, undefined);
  });
}
