import type Stripe from 'stripe';
import { nowSeconds } from './ids.js';
import { methodOf } from './methods.js';
import type { BalanceRecord, DisputeRecord, IntentRecord, RefundRecord } from './records.js';
import type { Store } from './store.js';

/** How long money takes to become available. */
const clearingSeconds = 2 * 24 * 60 * 60;

export function renderRefund(refund: RefundRecord, intent?: IntentRecord): Stripe.Refund {
  return {
    id: refund.id,
    object: 'refund',
    amount: refund.amount,
    balance_transaction: refund.balanceId,
    charge: refund.chargeId,
    created: refund.created,
    currency: refund.currency,
    customer: null,
    customer_account: null,
    ...(refund.failureBalanceId === null ? {} : { failure_balance_transaction: refund.failureBalanceId }),
    ...(refund.failureReason === null ? {} : { failure_reason: refund.failureReason }),
    metadata: { ...refund.metadata },
    payment_intent: refund.intentId,
    payment_method: intent?.methodId ?? null,
    ...(refund.status === 'pending' ? { pending_reason: 'processing' } : {}),
    reason: refund.reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: refund.status,
    transfer_reversal: null,
  };
}

export function renderBalance(movement: BalanceRecord): Stripe.BalanceTransaction {
  const { fee, currency } = movement;
  const disputed = movement.category === 'dispute';
  const about = { application: null, currency, description: disputed ? 'Dispute fee' : 'Processing fees' };
  const availableOn = movement.created + clearingSeconds;
  return {
    id: movement.id,
    object: 'balance_transaction',
    amount: movement.amount,
    available_on: availableOn,
    balance_type: 'payments',
    created: movement.created,
    currency,
    description: movement.description,
    exchange_rate: null,
    fee,
    fee_details: fee === 0 ? [] : [{ amount: fee, type: 'stripe_fee', ...about }],
    net: movement.amount - fee,
    reporting_category: movement.category,
    source: movement.sourceId,
    status: availableOn <= nowSeconds() ? 'available' : 'pending',
    type: movement.type,
  };
}

const noEvidence: Stripe.Dispute.Evidence = {
  access_activity_log: null,
  billing_address: null,
  cancellation_policy: null,
  cancellation_policy_disclosure: null,
  cancellation_rebuttal: null,
  customer_communication: null,
  customer_email_address: null,
  customer_name: null,
  customer_purchase_ip: null,
  customer_signature: null,
  duplicate_charge_documentation: null,
  duplicate_charge_explanation: null,
  duplicate_charge_id: null,
  enhanced_evidence: {},
  product_description: null,
  receipt: null,
  refund_policy: null,
  refund_policy_disclosure: null,
  refund_refusal_explanation: null,
  service_date: null,
  service_documentation: null,
  shipping_address: null,
  shipping_carrier: null,
  shipping_date: null,
  shipping_documentation: null,
  shipping_tracking_number: null,
  uncategorized_file: null,
  uncategorized_text: null,
};

export function renderDispute(dispute: DisputeRecord, store: Store): Stripe.Dispute {
  const { type, brand } = methodOf(store.intents.get(dispute.intentId)?.methodName ?? null);
  const movements = dispute.balanceIds.map((id) => store.balance.get(id)).filter((found) => found !== undefined);
  const inquiry = dispute.status.startsWith('warning_');
  const answered = !['needs_response', 'warning_needs_response'].includes(dispute.status);
  return {
    id: dispute.id,
    object: 'dispute',
    amount: dispute.amount,
    balance_transactions: movements.map(renderBalance),
    charge: dispute.chargeId,
    created: dispute.created,
    currency: dispute.currency,
    enhanced_eligibility_types: [],
    evidence: noEvidence,
    evidence_details: {
      due_by: dispute.dueBy,
      enhanced_eligibility: {},
      has_evidence: answered,
      past_due: false,
      submission_count: answered ? 1 : 0,
      submission_method: answered ? 'manual' : 'not_submitted',
    },
    intended_submission_method: null,
    is_charge_refundable: inquiry || dispute.status === 'won',
    livemode: false,
    metadata: {},
    payment_intent: dispute.intentId,
    ...(type === 'card' && {
      payment_method_details: {
        card: {
          brand,
          case_type: inquiry ? 'inquiry' : 'chargeback',
          network: brand,
          network_reason_code: null,
        },
        type: 'card',
      },
    }),
    reason: dispute.reason,
    status: dispute.status,
  };
}

/** The seller. */
export function renderAccount(): Stripe.Account {
  return {
    id: 'acct_floodgatesandbox',
    object: 'account',
    charges_enabled: true,
    country: 'DE',
    default_currency: 'eur',
    details_submitted: true,
    email: 'seller@example.com',
    metadata: {},
    payouts_enabled: true,
    type: 'standard',
  };
}
