import type { IntentStatus } from '../domain/order-states.js';
import type { ProviderEndpoint } from '../domain/provider-calls.js';

/** A payment intent as the provider last described it. Amounts are minor units. */
export interface Intent {
  readonly id: string;
  readonly status: IntentStatus;
  readonly amountMinor: number;
  readonly currency: string;
  readonly clientSecret: string | null;
  readonly orderId: string | null;
  readonly lastDecline: string | null;
}

/**
 * What a call came to. `unknown`: nobody can say whether the provider acted, so the same attempt is repeated with the same key.
 * `broken`: the provider stored a failure under this key, so repeating it is no use. `refused`: it did not act, and says why.
 */
export type ProviderAnswer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | UnknownAnswer
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string; readonly code: string };

/**
 * `outage`: it did not answer, or said that it is broken. `limited`: it wants fewer calls, or the quota is spent. `delayed`: no call was made,
 * because it is known not to answer.
 */
export interface UnknownAnswer {
  readonly kind: 'unknown';
  readonly reason: string;
  readonly retryAfterMs?: number;
  readonly trouble?: 'outage' | 'limited' | 'delayed';
  /** What the provider's own refusal of too many calls was about. */
  readonly limited?: 'account' | 'endpoint';
}

export interface CreateIntent {
  readonly orderId: string;
  readonly eventId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly idempotencyKey: string;
}

/** A refund as the provider last described it. `refundId`: ours, where we made it. */
export interface ProviderRefund {
  readonly id: string;
  readonly intentId: string | null;
  readonly refundId: string | null;
  readonly amountMinor: number;
  readonly state: 'PENDING' | 'SUCCEEDED' | 'FAILED';
  readonly failure: string | null;
}

/** A dispute as the provider last described it. `withdrawn`: the bank has taken the money for the time being, or for good. */
export interface ProviderDispute {
  readonly id: string;
  readonly intentId: string | null;
  readonly amountMinor: number;
  readonly state: 'OPEN' | 'WON' | 'LOST';
  readonly withdrawn: boolean;
}

/** A payment intent as looked up to be compared: what has been taken, and what of that has gone back or is on its way. */
export interface AuditedIntent extends Intent {
  readonly eventId: string | null;
  readonly receivedMinor: number;
  readonly refundedMinor: number;
}

/**
 * Money that has moved on the provider's account. `source`: what it moved for, as it is now; null: nothing that is ours. Amounts are in the
 * currency of the payment, whatever the account is kept in.
 */
export interface ProviderMovement {
  readonly id: string;
  readonly category: string;
  readonly source: {
    readonly kind: 'charge' | 'refund' | 'dispute';
    readonly id: string;
    readonly amountMinor: number;
    readonly intentId: string | null;
    /** Of a charge: ours, where the payment is. */
    readonly orderId: string | null;
  } | null;
}

/** A stretch of time of a list. Both ends are in it, to the second. */
export interface ListWindow {
  readonly fromMs: number;
  readonly toMs: number;
  /** What the page before ended with; null: the first. */
  readonly after: string | null;
}

/** A page of a list, newest first. `after`: what it ends with, where there are more. */
export interface ListPage<T> {
  readonly items: readonly T[];
  readonly after: string | null;
}

export interface CreateRefund {
  readonly intentId: string;
  readonly refundId: string;
  readonly amountMinor: number;
  readonly idempotencyKey: string;
}

/** Since when the provider does not answer, and when it is next asked whether it does. */
export interface Outage {
  readonly sinceMs: number;
  readonly askedAgainInMs: number;
}

/** What has been counted so far, by endpoint. */
export interface CallCounts {
  readonly outcomes: ReadonlyMap<ProviderEndpoint, ReadonlyMap<string, number>>;
  readonly waits: ReadonlyMap<ProviderEndpoint, { readonly count: number; readonly ms: number }>;
  readonly inFlight: number;
}

/** What stands around every call of the provider. */
export interface Calls {
  make<T>(endpoint: ProviderEndpoint, act: () => Promise<ProviderAnswer<T>>): Promise<ProviderAnswer<T>>;
  /** Null: it answers, as far as this process knows. */
  outage(): Outage | null;
  counts(): CallCounts;
}

/** The payment provider. No call is made inside a transaction. */
export interface PaymentGateway {
  readonly calls: Pick<Calls, 'outage' | 'counts'>;
  createIntent(request: CreateIntent): Promise<ProviderAnswer<Intent>>;
  retrieveIntent(intentId: string): Promise<ProviderAnswer<Intent>>;
  captureIntent(intentId: string, idempotencyKey: string): Promise<ProviderAnswer<Intent>>;
  cancelIntent(intentId: string, idempotencyKey: string): Promise<ProviderAnswer<Intent>>;
  createRefund(request: CreateRefund): Promise<ProviderAnswer<ProviderRefund>>;
  retrieveRefund(id: string): Promise<ProviderAnswer<ProviderRefund>>;
  /** The newest refunds of an intent, bounded. */
  listRefunds(intentId: string): Promise<ProviderAnswer<readonly ProviderRefund[]>>;
  retrieveDispute(id: string): Promise<ProviderAnswer<ProviderDispute>>;
  /** Looks for an order's intent by our id in its metadata, among those made since an instant. */
  findIntent(orderId: string, sinceMs: number): Promise<ProviderAnswer<Intent | null>>;
  /** For comparing, after everything else: one intent, and the pages of what was made, of what moved and of what was told. */
  auditIntent(intentId: string): Promise<ProviderAnswer<AuditedIntent>>;
  listIntents(window: ListWindow): Promise<ProviderAnswer<ListPage<AuditedIntent>>>;
  listMovements(window: ListWindow): Promise<ProviderAnswer<ListPage<ProviderMovement>>>;
  listEvents(window: ListWindow): Promise<ProviderAnswer<ListPage<ProviderEvent>>>;
  /** Checks the signature over the raw body and reads the event; null when it is not from the provider. */
  readWebhook(body: Buffer, signature: string): ProviderEvent | null;
}

/** A provider's event about an intent; a hint, never the truth. */
export interface ProviderEvent {
  readonly id: string;
  readonly type: string;
  /** Of the platform's own account; another's is none of our business. */
  readonly own: boolean;
  readonly intent: Intent | null;
  /** A refund or a dispute that has changed, by its id at the provider. */
  readonly changed: { readonly kind: 'refund' | 'dispute'; readonly id: string } | null;
}
