import type Stripe from 'stripe';
import type { ChargeRecord, IntentRecord, PaymentError } from './records.js';
import { noBilling, offeredTypes, renderChargeMethod, renderMethod, renderMethodOptions } from './render-methods.js';

/** Where the buyer's authentication page lives; known once the server listens. */
export type PageUrl = (intentId: string) => string;

function renderError(error: PaymentError, intent: IntentRecord): Stripe.PaymentIntent.LastPaymentError {
  return {
    ...(error.chargeId === null ? {} : { charge: error.chargeId }),
    code: error.code,
    ...(error.declineCode === null ? {} : { decline_code: error.declineCode }),
    message: error.message,
    payment_method: renderMethod(error.methodId, intent.methodName, intent.created),
    type: error.type,
  };
}

function renderNextAction(intent: IntentRecord, pageUrl: PageUrl): Stripe.PaymentIntent.NextAction | null {
  if (intent.status !== 'requires_action') return null;
  const target = { url: pageUrl(intent.id), return_url: intent.returnUrl };
  return { type: 'redirect_to_url', redirect_to_url: target };
}

export function amountCapturable(intent: IntentRecord): number {
  return intent.status === 'requires_capture' ? intent.amount : 0;
}

/** What a buyer may see of an intent with its client secret: no metadata, no charge, nothing of the seller's. */
export function renderPublicIntent(intent: IntentRecord, pageUrl: PageUrl) {
  return {
    id: intent.id,
    object: 'payment_intent' as const,
    amount: intent.amount,
    automatic_payment_methods: intent.automaticMethods
      ? { allow_redirects: intent.redirects ? 'always' : 'never', enabled: true }
      : null,
    canceled_at: intent.canceledAt,
    cancellation_reason: intent.cancellationReason,
    capture_method: intent.captureMethod,
    client_secret: intent.clientSecret,
    confirmation_method: 'automatic',
    created: intent.created,
    currency: intent.currency,
    description: intent.description,
    last_payment_error: intent.lastError === null ? null : renderError(intent.lastError, intent),
    livemode: false,
    next_action: renderNextAction(intent, pageUrl),
    payment_method: intent.methodId,
    payment_method_types: offeredTypes(intent),
    processing: null,
    receipt_email: intent.receiptEmail,
    setup_future_usage: null,
    shipping: null,
    source: null,
    status: intent.status,
  };
}

export function renderIntent(intent: IntentRecord, pageUrl: PageUrl): Stripe.PaymentIntent {
  return {
    allowed_payment_method_types: intent.allowedTypes === null ? null : [...intent.allowedTypes],
    amount_capturable: amountCapturable(intent),
    amount_received: intent.amountReceived,
    application: null,
    application_fee_amount: null,
    customer: null,
    customer_account: null,
    excluded_payment_method_types: intent.excludedTypes.length === 0 ? null : [...intent.excludedTypes],
    latest_charge: intent.charge?.id ?? null,
    managed_payments: null,
    metadata: { ...intent.metadata },
    on_behalf_of: null,
    payment_method_configuration_details: null,
    payment_method_options: renderMethodOptions(intent),
    payment_record: null,
    review: null,
    statement_descriptor: null,
    statement_descriptor_suffix: intent.statementSuffix,
    transfer_group: null,
    // Last: a spread costs nothing there, and half a microsecond a field where more come after it.
    ...renderPublicIntent(intent, pageUrl),
  };
}

export function renderCharge(intent: IntentRecord, charge: ChargeRecord): Stripe.Charge {
  const failed = charge.status === 'failed';
  return {
    id: charge.id,
    object: 'charge',
    amount: intent.amount,
    amount_captured: charge.amountCaptured,
    amount_refunded: charge.amountRefunded,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: charge.balanceId,
    billing_details: noBilling,
    calculated_statement_descriptor: null,
    captured: charge.captured,
    created: charge.created,
    currency: intent.currency,
    customer: null,
    description: intent.description,
    disputed: intent.disputeId !== null,
    failure_balance_transaction: null,
    failure_code: charge.failureCode,
    failure_message: charge.failureMessage,
    fraud_details: {},
    livemode: false,
    metadata: { ...intent.metadata },
    on_behalf_of: null,
    outcome: {
      advice_code: null,
      network_advice_code: null,
      network_decline_code: null,
      network_status: failed ? 'declined_by_network' : 'approved_by_network',
      reason: charge.failureCode,
      seller_message: null,
      type: failed ? 'issuer_declined' : 'authorized',
    },
    paid: !failed,
    payment_intent: intent.id,
    payment_method: charge.methodId,
    payment_method_details: renderChargeMethod(intent, charge),
    receipt_email: intent.receiptEmail,
    receipt_number: null,
    receipt_url: null,
    refunded: charge.amountRefunded > 0 && charge.amountRefunded >= (charge.amountCaptured || intent.amount),
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: intent.statementSuffix,
    status: charge.status,
    transfer_data: null,
    transfer_group: null,
  };
}
