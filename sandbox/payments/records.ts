/**
 * What the sandbox remembers. Records are small and never changed in place: an operation puts a new record for the same id,
 * and the wire objects with their many constant fields are rendered from it when somebody asks.
 */
export type IntentStatus =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'processing'
  | 'requires_capture'
  | 'succeeded'
  | 'canceled';

export interface ChargeRecord {
  readonly id: string;
  readonly created: number;
  readonly methodId: string;
  readonly status: 'succeeded' | 'failed';
  readonly captured: boolean;
  readonly amountCaptured: number;
  /** Includes an authorisation that was let go: the provider shows it as refunded although no money moved. */
  readonly amountRefunded: number;
  readonly failureCode: string | null;
  readonly failureMessage: string | null;
  /** Seconds; null once captured or for a charge captured at once. */
  readonly captureBefore: number | null;
  /** The balance transaction that brought the money; null until captured. */
  readonly balanceId: string | null;
}

export interface PaymentError {
  readonly type: 'card_error' | 'invalid_request_error';
  readonly code: string;
  readonly declineCode: string | null;
  readonly message: string;
  readonly chargeId: string | null;
  readonly methodId: string;
}

export interface IntentRecord {
  readonly id: string;
  readonly clientSecret: string;
  readonly created: number;
  readonly amount: number;
  readonly currency: string;
  readonly status: IntentStatus;
  readonly metadata: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly receiptEmail: string | null;
  readonly statementSuffix: string | null;
  readonly automaticMethods: boolean;
  readonly captureMethod: 'automatic' | 'automatic_async' | 'manual';
  /** The ways of paying whose options asked for a hold only. */
  readonly manualTypes: readonly string[];
  /** The ways of paying to choose from; null: all. Of both lists only what fits the payment is offered. */
  readonly allowedTypes: readonly string[] | null;
  readonly excludedTypes: readonly string[];
  /** Whether the buyer may be sent elsewhere to approve it. */
  readonly redirects: boolean;
  readonly methodId: string | null;
  readonly methodName: string | null;
  readonly returnUrl: string | null;
  readonly charge: ChargeRecord | null;
  readonly amountReceived: number;
  /** Captured money given back or on its way back. */
  readonly amountRefunded: number;
  readonly lastError: PaymentError | null;
  readonly canceledAt: number | null;
  readonly cancellationReason: string | null;
  /** Milliseconds; when a slow payment settles. */
  readonly settleAtMs: number | null;
  readonly disputeId: string | null;
}

export type RefundStatus = 'pending' | 'succeeded' | 'failed' | 'canceled';

export interface RefundRecord {
  readonly id: string;
  readonly created: number;
  readonly amount: number;
  readonly currency: string;
  readonly intentId: string;
  readonly chargeId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly reason: 'duplicate' | 'fraudulent' | 'requested_by_customer' | null;
  readonly status: RefundStatus;
  readonly failureReason: string | null;
  readonly balanceId: string;
  /** The balance transaction that took the money back when it could not be given. */
  readonly failureBalanceId: string | null;
  /** Milliseconds and what it settles to; null when it has. */
  readonly settleAtMs: number | null;
  readonly settlesTo: 'succeeded' | 'failed' | null;
}

export type DisputeStatus =
  | 'warning_needs_response'
  | 'warning_under_review'
  | 'warning_closed'
  | 'needs_response'
  | 'under_review'
  | 'won'
  | 'lost';

export interface DisputeRecord {
  readonly id: string;
  readonly created: number;
  readonly amount: number;
  readonly currency: string;
  readonly intentId: string;
  readonly chargeId: string;
  readonly reason: string;
  readonly status: DisputeStatus;
  /** Seconds. */
  readonly dueBy: number;
  readonly balanceIds: readonly string[];
}

/** A movement on the seller's balance. Amounts are minor units, negative when money leaves. */
export interface BalanceRecord {
  readonly id: string;
  readonly created: number;
  readonly type: 'charge' | 'payment' | 'refund' | 'payment_refund' | 'refund_failure' | 'adjustment';
  readonly category: 'charge' | 'refund' | 'refund_failure' | 'dispute' | 'dispute_reversal';
  readonly amount: number;
  readonly fee: number;
  readonly currency: string;
  /** The charge, refund or dispute it belongs to. */
  readonly sourceId: string;
  readonly description: string;
}

export interface EventRecord {
  readonly id: string;
  readonly created: number;
  readonly type: string;
  /** The event as sent: JSON, rendered once. */
  readonly body: string;
}

/** Who caused an event: both null when it was time that passed. */
export interface Cause {
  readonly requestId: string | null;
  readonly idempotencyKey: string | null;
}

export const noCause: Cause = Object.freeze({ requestId: null, idempotencyKey: null });
