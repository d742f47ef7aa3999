import type Stripe from 'stripe';
import { methodOf } from './methods.js';
import type { ChargeRecord, IntentRecord, PaymentError, RefundRecord } from './records.js';

/** Where the buyer's authentication page lives; known once the server listens. */
export type PageUrl = (intentId: string) => string;

const noAddress = { city: null, country: null, line1: null, line2: null, postal_code: null, state: null };
const noBilling = { address: noAddress, email: null, name: null, phone: null, tax_id: null };

function renderMethod(id: string, name: string | null, created: number): Stripe.PaymentMethod {
  const { brand, last4 } = methodOf(name);
  return {
    id,
    object: 'payment_method',
    billing_details: noBilling,
    card: {
      brand,
      checks: null,
      country: 'DE',
      display_brand: brand,
      exp_month: 12,
      exp_year: 2040,
      funding: 'credit',
      generated_from: null,
      last4,
      networks: { available: [brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created,
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: 'card',
  };
}

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
    automatic_payment_methods: intent.automaticMethods ? { allow_redirects: 'always', enabled: true } : null,
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
    payment_method_types: ['card'],
    processing: null,
    receipt_email: intent.receiptEmail,
    setup_future_usage: null,
    shipping: null,
    source: null,
    status: intent.status,
  };
}

export function renderIntent(intent: IntentRecord, pageUrl: PageUrl, expandCharge = false): Stripe.PaymentIntent {
  const captureMethod = intent.cardCaptureManual ? { capture_method: 'manual' as const } : {};
  return {
    ...renderPublicIntent(intent, pageUrl),
    allowed_payment_method_types: null,
    amount_capturable: amountCapturable(intent),
    amount_received: intent.amountReceived,
    application: null,
    application_fee_amount: null,
    customer: null,
    customer_account: null,
    excluded_payment_method_types: null,
    latest_charge:
      intent.charge === null || !expandCharge ? (intent.charge?.id ?? null) : renderCharge(intent, intent.charge),
    managed_payments: null,
    metadata: { ...intent.metadata },
    on_behalf_of: null,
    payment_method_configuration_details: null,
    payment_method_options: {
      card: {
        installments: null,
        mandate_options: null,
        network: null,
        request_three_d_secure: 'automatic',
        ...captureMethod,
      },
    },
    payment_record: null,
    review: null,
    statement_descriptor: null,
    statement_descriptor_suffix: intent.statementSuffix,
    transfer_group: null,
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
    balance_transaction: null,
    billing_details: noBilling,
    calculated_statement_descriptor: null,
    captured: charge.captured,
    created: charge.created,
    currency: intent.currency,
    customer: null,
    description: intent.description,
    disputed: false,
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

function renderChargeMethod(intent: IntentRecord, charge: ChargeRecord): Stripe.Charge.PaymentMethodDetails {
  const { brand, last4 } = methodOf(intent.methodName);
  return {
    type: 'card',
    card: {
      amount_authorized: charge.status === 'failed' ? null : intent.amount,
      authorization_code: null,
      brand,
      ...(charge.captureBefore === null ? {} : { capture_before: charge.captureBefore }),
      checks: null,
      country: 'DE',
      electronic_commerce_indicator: null,
      exp_month: 12,
      exp_year: 2040,
      funding: 'credit',
      installments: null,
      last4,
      mandate: null,
      network: brand,
      network_transaction_id: null,
      regulated_status: 'unregulated',
      three_d_secure: null,
      transaction_link_id: null,
      wallet: null,
    },
  };
}

export function renderRefund(refund: RefundRecord, intent?: IntentRecord): Stripe.Refund {
  return {
    id: refund.id,
    object: 'refund',
    amount: refund.amount,
    balance_transaction: null,
    charge: refund.chargeId,
    created: refund.created,
    currency: refund.currency,
    customer: null,
    customer_account: null,
    ...(refund.failureReason === null ? {} : { failure_reason: refund.failureReason }),
    metadata: { ...refund.metadata },
    payment_intent: refund.intentId,
    payment_method: intent?.methodId ?? null,
    reason: refund.reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: refund.status,
    transfer_reversal: null,
  };
}
