import type {
  EndReason,
  IntentStatus,
  OrderMethod,
  OrderState,
  OrderStep,
  PaymentStatus,
  RefundReason,
  RefundState,
} from '../domain/order-states.js';

/** An open step together with its order, leased to this process. */
export interface LeasedStep {
  readonly orderId: string;
  readonly step: OrderStep;
  readonly attempt: number;
  readonly tries: number;
  readonly firstCallAt: Date;
  readonly lease: string;
  readonly eventId: string;
  readonly personId: string;
  readonly holdId: string;
  readonly generation: number;
  readonly fence: number;
  readonly state: OrderState;
  readonly payment: PaymentStatus;
  readonly method: OrderMethod;
  readonly currency: string;
  readonly totalMinor: number;
  readonly prices: string;
  readonly intentId: string | null;
  readonly payBy: Date;
  readonly freeAt: Date;
  readonly createdAt: Date;
  readonly endReason: EndReason | null;
  readonly hint: IntentStatus | null;
  readonly nudges: number;
  readonly lines: readonly { readonly seat: number; readonly category: number; readonly minor: number }[];
  /** The refund whose turn it is. */
  readonly refund: LeasedRefund | null;
}

export interface LeasedRefund {
  readonly id: string;
  readonly reason: RefundReason;
  readonly amountMinor: number;
  /** Places that are given up for it. */
  readonly seats: readonly number[];
  readonly state: RefundState;
  readonly providerId: string | null;
}

/** What a step came to. Written in one statement with its cause, and only by the holder of the lease. */
export interface StepOutcome {
  readonly from: LeasedStep;
  /** Null: the step stays open and is taken again at `runAtMs`. */
  readonly finish: { readonly outcome: string; readonly next: OrderStep | null; readonly nextAttempt?: number } | null;
  readonly runAtMs: number;
  readonly order?: {
    readonly state?: OrderState;
    readonly payment?: PaymentStatus;
    readonly intentId?: string;
    readonly clientSecret?: string;
    readonly wipeSecret?: boolean;
    readonly endReason?: EndReason;
    readonly lastDecline?: string;
    readonly clearHint?: boolean;
    /** Deadlines only move on. */
    readonly payByMs?: number;
  };
  /**
   * What happens to seats, tickets and money in the same transaction. `issue`: tickets, against a debt. `validate`: it is paid. `owe`: money came
   * for seats that are gone, and is to go back. `void`: tickets whose money can never come. `begin`: the turn
   * of a refund has come. `payOut`: a refund has been taken by the provider. `release`: seats are nobody's any more.
   */
  readonly effect?:
    | { readonly kind: 'issue'; readonly generation: number; readonly fence: number }
    | { readonly kind: 'validate' | 'void' | 'owe' | 'begin' }
    | {
        readonly kind: 'payOut';
        readonly state: RefundState;
        readonly providerId: string | null;
        readonly failure: string | null;
      }
    | { readonly kind: 'release'; readonly generation: number };
}
