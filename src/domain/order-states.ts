/**
 * The life of an order. One writer at a time moves it: the holder of the lease on its open step. `state` is what people
 * see (PAYMENT_DELAYED: the provider does not answer, the order waits and its deadline moves with it); `payment` is what is known of the provider's intent; `step` is what happens next.
 */
export const orderStates = [
  'PAYMENT_PREPARING',
  'AWAITING_PAYMENT',
  'PAYMENT_DELAYED',
  'ISSUING',
  'CONFIRMED',
  'COMPLETED',
  'CANCELING',
  'CANCELED',
  'EXPIRED',
  'LOST',
  'REFUNDING',
  'REFUNDED',
] as const;
export type OrderState = (typeof orderStates)[number];

const finalStates: ReadonlySet<OrderState> = new Set(['COMPLETED', 'CANCELED', 'EXPIRED', 'LOST', 'REFUNDED']);

export function isFinal(state: OrderState): boolean {
  return finalStates.has(state);
}

/** Whether it has ended, and has no tickets. */
export function isOver(state: OrderState): boolean {
  return isFinal(state) && state !== 'COMPLETED';
}

/** States in which the buyer may still call the order off: nothing has been authorised as far as we know. */
export const cancelableStates: readonly OrderState[] = ['PAYMENT_PREPARING', 'AWAITING_PAYMENT', 'PAYMENT_DELAYED'];

export function isCancelable(state: OrderState): boolean {
  return cancelableStates.includes(state);
}

/** What is known of the payment. CANCELED is reachable from the first three only. */
export type PaymentStatus = 'NONE' | 'CREATED' | 'AUTHORISED' | 'CAPTURED' | 'REFUNDED' | 'CANCELED';

/**
 * The steps. CREATE makes the payment intent. SETTLE waits for the buyer (a webhook, a cancellation or the deadline
 * wakes it), then asks what the intent has become. ISSUE turns seats into tickets. CAPTURE takes the money. CANCEL ends
 * the intent at the provider. RETURN takes the seats of a sale back, without giving them to anybody yet. REFUND gives captured money back.
 * RELEASE returns the seats.
 */
export const orderSteps = ['CREATE', 'SETTLE', 'ISSUE', 'CAPTURE', 'CANCEL', 'RETURN', 'REFUND', 'RELEASE'] as const;
export type OrderStep = (typeof orderSteps)[number];

/** Statuses of a payment intent as the provider names them. */
export type IntentStatus =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'processing'
  | 'requires_capture'
  | 'succeeded'
  | 'canceled';

/**
 * Why an order ends without tickets. CANCELED: it was called off. EXPIRED: nobody paid in time. LOST: its seats were somebody else's. DECLINED:
 * too many attempts to pay were declined.
 */
export const endReasons = ['CANCELED', 'EXPIRED', 'LOST', 'DECLINED'] as const;
export type EndReason = (typeof endReasons)[number];

/** The state an order ends in. */
export function endStateOf(reason: EndReason): OrderState {
  return reason === 'DECLINED' ? 'CANCELED' : reason;
}

/** Statuses of an intent in the order in which they may follow each other: an older one that comes late is no news. */
export const hintRanks: readonly IntentStatus[] = [
  'requires_payment_method',
  'requires_confirmation',
  'requires_action',
  'processing',
  'requires_capture',
  'succeeded',
  'canceled',
];

export function paymentStatusOf(status: IntentStatus): PaymentStatus {
  if (status === 'requires_capture') return 'AUTHORISED';
  if (status === 'succeeded') return 'CAPTURED';
  return status === 'canceled' ? 'CANCELED' : 'CREATED';
}

/** How an order is paid. */
export type OrderMethod = 'ONLINE' | 'CASH' | 'INVOICE';

/** REQUESTED: the provider has not taken it yet. PENDING: taken, on its way. FAILED: it came back; the money is still owed. */
export type RefundState = 'REQUESTED' | 'PENDING' | 'SUCCEEDED' | 'FAILED';

/**
 * Why money goes back. ORGANIZER, BUYER: asked for. EVENT: the event does not take place. LOST: paid too late, the seats were gone.
 * PROVIDER: made at the provider, outside of the platform. DISPUTE: the bank has given it back. AGAIN: an earlier one had failed.
 */
export type RefundReason = 'ORGANIZER' | 'BUYER' | 'EVENT' | 'LOST' | 'PROVIDER' | 'DISPUTE' | 'AGAIN';

export type DisputeState = 'OPEN' | 'WON' | 'LOST';

/**
 * SALE: tickets against a buyer's debt. CAPTURE: the debt is paid. GRANT: tickets taken back, the buyer is owed. PAYOUT: paid back.
 * PAYOUT_FAILED: it came back. DISPUTE: the bank has taken the money. DISPUTE_WON: it gave it back.
 */
export const postingKinds = ['SALE', 'CAPTURE', 'GRANT', 'PAYOUT', 'PAYOUT_FAILED', 'DISPUTE', 'DISPUTE_WON'] as const;
export type PostingKind = (typeof postingKinds)[number];

export type SettleDecision = 'ISSUE' | 'WAIT' | 'CANCEL' | 'RELEASE';

/**
 * What an open order does once the intent's status is known. Money that is authorised or taken always goes on to
 * tickets; only an intent that nobody can pay any more lets the seats go.
 */
export function decideSettlement(facts: {
  readonly status: IntentStatus;
  readonly endRequested: boolean;
  readonly nowMs: number;
  readonly payByMs: number;
  readonly freeAtMs: number;
}): SettleDecision {
  if (facts.status === 'requires_capture' || facts.status === 'succeeded') return 'ISSUE';
  if (facts.status === 'canceled') return 'RELEASE';
  if (facts.status === 'processing') return facts.nowMs < facts.freeAtMs ? 'WAIT' : 'CANCEL';
  return facts.endRequested || facts.nowMs >= facts.payByMs ? 'CANCEL' : 'WAIT';
}
