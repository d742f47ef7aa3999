/**
 * The error catalogue: every expected refusal of the API, with what it means and what a client does next. The types
 * of the schema and the table in PROTOCOL.md are made from this list and a test holds all three equal.
 */
export const errorCatalogue = {
  INVALID_INPUT: {
    meaning: 'A value of the input is outside what the field accepts; `path` names the field.',
    next: 'Correct the named field and send the request again.',
  },
  UNAUTHENTICATED: {
    meaning: 'No valid token came with the request.',
    next: 'Start a guest session or sign in, then repeat the request with the token.',
  },
  FORBIDDEN: {
    meaning: 'The token is valid, but this is not yours or not for your role.',
    next: 'Do not repeat; use the session that owns it.',
  },
  NOT_FOUND: {
    meaning: 'Nothing of this kind has this id; `path` names the field that carried it.',
    next: 'Do not repeat; look the id up again.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    meaning: 'The idempotency key was used before with another input.',
    next: 'Make a new key for a new intention.',
  },
  OVERLOADED: {
    meaning: 'Too many requests of this kind; nothing was done.',
    next: 'Repeat the request after `retryAfterMs`.',
    extras: { retryAfterMs: 'Int' },
  },
  REBUILDING: {
    meaning: 'The live inventory of the event is being rebuilt from the ledger.',
    next: 'Repeat with the same idempotency key after `retryAfterMs`.',
    extras: { retryAfterMs: 'Int' },
  },
  SALE_NOT_OPEN: {
    meaning: 'The sale has not opened yet.',
    next: 'Join the queue and wait for the stream, or come back at `opensAt`.',
    extras: { opensAt: 'DateTime' },
  },
  SALE_CLOSED: {
    meaning: 'The sale of this event is over.',
    next: 'Do not repeat.',
  },
  NOT_ADMITTED: {
    meaning: 'The event has a waiting room and you hold no live admission.',
    next: 'Join the queue and wait until your entry is ADMITTED.',
  },
  IDENTITY_REQUIRED: {
    meaning: 'This event asks for more than an anonymous session; `identity` says for what.',
    next: 'Get a session with `confirmEmail` (EMAIL) or `signUp`, `signIn` or your issuer (ACCOUNT), then repeat the request with it.',
    extras: { identity: 'String' },
  },
  SALE_PAUSED: {
    meaning: 'The sale is paused. Places, holds and admissions are kept, and their time stands still.',
    next: 'Wait for the stream to leave PAUSED, or repeat after `retryAfterMs`.',
    extras: { retryAfterMs: 'Int' },
  },
  QUEUE_FULL: {
    meaning: 'The line has reached its bound.',
    next: 'Try to join again after `retryAfterMs`.',
    extras: { retryAfterMs: 'Int' },
  },
  SEATS_UNAVAILABLE: {
    meaning: 'At least one of the seats belongs to somebody else; nothing was taken.',
    next: 'Choose other seats from the live seat map; `seatIds` names the taken ones.',
    extras: { seatIds: 'IDs' },
  },
  SOLD_OUT: {
    meaning: 'The category has no free place at this moment, after counting everything that expired.',
    next: 'Watch the seat map: places come back when holds expire.',
  },
  NO_ADJACENT_SEATS: {
    meaning: 'There are free seats, but not that many next to each other.',
    next: 'Hold the seats of one of the `alternatives` by their ids, or ask for fewer; `available` says how many are free, of a large section at least how many.',
    extras: { available: 'Int', alternatives: 'SeatOffers' },
  },
  TOO_MANY_SEATS: {
    meaning: 'One hold may not have that many seats.',
    next: 'Ask for at most `limit` seats.',
    extras: { limit: 'Int' },
  },
  PERSON_LIMIT_REACHED: {
    meaning: 'You would have more seats of this event, held and bought together, than one person may have.',
    next: 'Release a hold or ask for fewer; `limit` is the most one person may have.',
    extras: { limit: 'Int' },
  },
  HOLD_BUDGET_SPENT: {
    meaning: 'You have held many seats for a long time without buying.',
    next: 'Buy what you hold, or try again after `retryAfterMs`.',
    extras: { retryAfterMs: 'Int' },
  },
  CODE_NOT_VALID: {
    meaning: 'The discount code is not one of this event, not valid now, or not for these places. Nothing was held.',
    next: 'Correct the code or leave it out, and send the request again.',
  },
  CODE_USED_UP: {
    meaning: 'The discount code has been used as often as it may be. Nothing was held; a hold that is there stays.',
    next: 'Leave the code out. Of a hold that was made with it: check out with `withoutCode`, or release it.',
  },
  HOLD_EXPIRED: {
    meaning: 'The hold ended by time; its seats are free for anyone.',
    next: 'Hold seats again with a new idempotency key.',
  },
  HOLD_LOST: {
    meaning: 'The hold belongs to an earlier generation of the inventory and did not survive its rebuild.',
    next: 'Hold seats again with a new idempotency key.',
  },
  HOLD_NOT_ACTIVE: {
    meaning: 'The hold is in a state that does not allow this action; `state` says which.',
    next: 'Read the hold again and act on its state.',
    extras: { state: 'String' },
  },
  STALE_FENCE: {
    meaning: 'The fence is not the one of the present hold.',
    next: 'Read the hold again and use its fence.',
  },
  EXTENSION_LIMIT: {
    meaning: 'The hold cannot be extended beyond `extensionsEndAt`.',
    next: 'Check out before it expires.',
    extras: { extensionsEndAt: 'DateTime' },
  },
  ORDER_NOT_CANCELABLE: {
    meaning: 'The order has been paid or has ended; `state` says which.',
    next: 'Follow the order; ask the organizer for a refund if it is complete.',
    extras: { state: 'String' },
  },
  ORDER_NOT_REFUNDABLE: {
    meaning: 'The order has no money that could go back; `state` says where it is.',
    next: 'Read the order again; only a COMPLETED one is refunded.',
    extras: { state: 'String' },
  },
  ORDER_NOT_ON_ACCOUNT: {
    meaning: 'The order was not sold on account, or has not been completed; `state` says where it is.',
    next: 'Read the order again; only a COMPLETED one that was sold by INVOICE is paid so.',
    extras: { state: 'String' },
  },
  RETURNS_CLOSED: {
    meaning: 'Tickets of this event cannot be given back by their buyers, or not any more.',
    next: 'Ask the organizer.',
  },
  MAIL_UNAVAILABLE: {
    meaning: 'No mail can be sent now; nothing was done.',
    next: 'Try again later. If you run the platform: set SMTP_URL.',
  },
  VENUE_PLAN_INVALID: {
    meaning: 'The seating plan has errors; each is named by its path in the file. Nothing was stored.',
    next: 'Correct the plan at the named paths and import it again.',
    extras: { errors: 'PlanErrors' },
  },
} as const;

export type ErrorCode = keyof typeof errorCatalogue;

interface PlanErrorValue {
  readonly path: string;
  readonly message: string;
}

/** Seats offered instead of those asked for. */
export interface SeatOfferValue {
  readonly kind: 'SPLIT' | 'OTHER_SECTION' | 'OTHER_CATEGORY';
  readonly seatIds: readonly string[];
  readonly categoryId: string;
}

/** What the extra fields of an error hold, by the kind named in the catalogue. */
interface ExtraKinds {
  readonly Int: number;
  readonly String: string;
  readonly DateTime: Date;
  readonly IDs: readonly string[];
  readonly PlanErrors: readonly PlanErrorValue[];
  readonly SeatOffers: readonly SeatOfferValue[];
}

type ExtrasOf<C extends ErrorCode> = (typeof errorCatalogue)[C] extends { extras: infer E }
  ? { readonly [K in keyof E]: E[K] extends keyof ExtraKinds ? ExtraKinds[E[K]] : never }
  : object;

/** An expected refusal as a value. `path` names the input field, outermost first. */
export type Refusal<C extends ErrorCode = ErrorCode> = C extends ErrorCode
  ? {
      readonly refused: true;
      readonly code: C;
      readonly message: string;
      readonly path?: readonly string[];
    } & ExtrasOf<C>
  : never;

type RefusalDetails<C extends ErrorCode> = ExtrasOf<C> & {
  readonly message?: string;
  readonly path?: readonly string[];
};

export function refuse<C extends ErrorCode>(
  code: C,
  ...[details]: keyof ExtrasOf<C> extends never ? [RefusalDetails<C>?] : [RefusalDetails<C>]
): Refusal<C> {
  const { message, ...rest } = (details ?? {}) as RefusalDetails<C> & { message?: string };
  return { refused: true, code, message: message ?? errorCatalogue[code].meaning, ...rest } as unknown as Refusal<C>;
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'refused' in value;
}

export function invalidInput(field: string | readonly string[], message: string): Refusal<'INVALID_INPUT'> {
  return refuse('INVALID_INPUT', { path: typeof field === 'string' ? field.split('.') : field, message });
}
