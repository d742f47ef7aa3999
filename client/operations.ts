/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
export type BestAvailableInput = {
  /** Wheelchair places among them; the others are the seats beside. In a category of wheelchair places all of them, unless you say otherwise. */
  accessible?: number | null | undefined;
  categoryId: string;
  quantity: number;
  /** Only in this section. */
  sectionId?: string | null | undefined;
};

/** For the receipt. Whatever is left out is not on it. */
export type BuyerInput = {
  /** A few lines. */
  address?: string | null | undefined;
  /** Where the receipt goes by mail. Defaults to the address that the session has proved. */
  email?: string | null | undefined;
  name?: string | null | undefined;
};

export type CancelOrderInput = {
  idempotencyKey: string;
  orderId: string;
};

/** What a place of one category costs, in minor units. */
export type CategoryPriceInput = {
  /** Name of a category of the venue or of standing places. */
  category: string;
  /** Fee on top of that, in hundredths of a per cent of the price: 250 is 2.5 %. */
  feeBasisPoints?: number;
  /** Fee on top of the price. */
  feeMinor?: number;
  priceMinor: number;
  /** Tax on price and fee, in hundredths of a per cent: 1900 is 19 %. */
  taxBasisPoints?: number;
  /** Whether the tax is contained in price and fee; otherwise it is charged on top. */
  taxIncluded?: boolean;
};

export type CategoryQuantityInput = {
  categoryId: string;
  quantity: number;
  /** Only in this section. */
  sectionId?: string | null | undefined;
};

export type CloseSaleInput = {
  eventId: string;
};

/** A workshop needs a name, a start, a currency, a price and a number of standing places; everything else has a default. */
export type CreateEventInput = {
  /** When wheelchair places and their companions' seats become everybody's. Defaults to a day before the start. */
  accessibleReleaseAt?: string | null | undefined;
  activeCap?: number | null | undefined;
  admitPerSecond?: number | null | undefined;
  /** ISO 4217. */
  currency: string;
  /** What everybody wants to be near, in pixels of the plan: best available counts from it. Defaults to the middle of all seats. */
  focalPoint?: PointInput | null | undefined;
  /** How long a hold lives before it is extended or checked out. */
  holdTtlSeconds?: number | null | undefined;
  identity?: Identity;
  maxSeatsPerHold?: number | null | undefined;
  maxSeatsPerPerson?: number | null | undefined;
  name: string;
  prices: Array<CategoryPriceInput>;
  /** Defaults to now. */
  saleOpensAt?: string | null | undefined;
  standing?: Array<StandingPlacesInput>;
  startsAt: string;
  /** IANA time zone. */
  timeZone?: string;
  venueId?: string | null | undefined;
  waitingRoom?: WaitingRoom;
};

/** DRAFT: only its organizer sees it. PUBLISHED: it has an inventory. CLOSED: its sale is over. CANCELED: it does not take place, buyers are paid back. */
export type EventState =
  | 'CANCELED'
  | 'CLOSED'
  | 'DRAFT'
  | 'PUBLISHED';

export type ExtendHoldInput = {
  fence: string;
  holdId: string;
  idempotencyKey: string;
};

export type HoldSeatsInput = {
  /** Opens seats that are kept for those who have it. */
  accessCode?: string | null | undefined;
  /** Somebody of you needs a wheelchair place: those may be named in `seatIds`. */
  accessible?: boolean;
  /** A discount code. One that is not valid holds nothing. */
  code?: string | null | undefined;
  eventId: string;
  /** Your own name for this wish: repeating it returns the same hold. */
  idempotencyKey: string;
  seats: SeatSelection;
};

/** HELD: yours until expiresAt. CHECKOUT: an order is being paid. ISSUING: paid, tickets are being made. SOLD, RELEASED, EXPIRED, LOST: over. RETURNING, RETURNED: the sale is taken back. */
export type HoldState =
  | 'CHECKOUT'
  | 'EXPIRED'
  | 'HELD'
  | 'ISSUING'
  | 'LOST'
  | 'RELEASED'
  | 'RETURNED'
  | 'RETURNING'
  | 'SOLD';

/** What makes a person of an event. ANONYMOUS: any session. EMAIL: a session of a verified address. ACCOUNT: somebody who has signed in. */
export type Identity =
  | 'ACCOUNT'
  | 'ANONYMOUS'
  | 'EMAIL';

export type ImportVenueInput = {
  /** Defaults to the name in the plan. */
  name?: string | null | undefined;
  /** The text of a seating plan in the open JSON format that pretix imports. */
  plan: string;
};

export type JoinQueueInput = {
  /** Your `admission.token` of before, likewise. */
  admission?: string | null | undefined;
  eventId: string;
  /** Your `place` of before: brings it back if the platform has lost the line. */
  place?: string | null | undefined;
};

export type LeaveQueueInput = {
  entryId: string;
};

/** PAID_WITHOUT_TICKETS, TICKETS_WITHOUT_MONEY: for a minute. ENDED_PAYABLE, ENDED_PAID: at the provider, of an order that is over. UNKNOWN_PAYMENT: of no order. AMOUNT_DIFFERS: between provider and ledger. MOVEMENT_UNKNOWN: money moved at the provider and the ledger does not know. REFUND_STUCK: nobody carries it out. BOOKS_DIFFER: postings do not come out. TICKETS_DIFFER: tickets or seats are missing, or too many. */
export type MoneyDifferenceKind =
  | 'AMOUNT_DIFFERS'
  | 'BOOKS_DIFFER'
  | 'ENDED_PAID'
  | 'ENDED_PAYABLE'
  | 'MOVEMENT_UNKNOWN'
  | 'PAID_WITHOUT_TICKETS'
  | 'REFUND_STUCK'
  | 'TICKETS_DIFFER'
  | 'TICKETS_WITHOUT_MONEY'
  | 'UNKNOWN_PAYMENT';

/** Why an order ends without tickets. */
export type OrderEndReason =
  /** It was called off. */
  | 'CANCELED'
  /** Too many attempts to pay were declined; its state is CANCELED. */
  | 'DECLINED'
  /** Nobody paid in time. */
  | 'EXPIRED'
  /** Its seats were somebody else's by then. */
  | 'LOST';

/** How an order is paid. ONLINE: through the provider. CASH: at the box office. INVOICE: on account, later. */
export type OrderMethod =
  | 'CASH'
  | 'INVOICE'
  | 'ONLINE';

/** The life of an order. Final: COMPLETED, CANCELED, EXPIRED, LOST, REFUNDED. */
export type OrderState =
  | 'AWAITING_PAYMENT'
  | 'CANCELED'
  | 'CANCELING'
  | 'COMPLETED'
  | 'CONFIRMED'
  | 'EXPIRED'
  | 'ISSUING'
  | 'LOST'
  | 'PAYMENT_DELAYED'
  | 'PAYMENT_PREPARING'
  | 'REFUNDED'
  | 'REFUNDING';

/** CREATE makes the payment, SETTLE waits for it and asks what it has become, ISSUE makes tickets, CAPTURE takes the money, CANCEL calls the payment off, RETURN takes seats back, REFUND pays back, RELEASE gives the seats up. */
export type OrderStep =
  | 'CANCEL'
  | 'CAPTURE'
  | 'CREATE'
  | 'ISSUE'
  | 'REFUND'
  | 'RELEASE'
  | 'RETURN'
  | 'SETTLE';

/** Whether a part answers. */
export type PartState =
  | 'DOWN'
  | 'UP';

export type PointInput = {
  x: number;
  y: number;
};

/** SALE: tickets against a debt. CAPTURE: it is paid. GRANT: tickets taken back, the buyer is owed. PAYOUT: paid back. PAYOUT_FAILED: it came back. DISPUTE: the bank has taken the money. DISPUTE_WON: it gave it back. */
export type PostingKind =
  | 'CAPTURE'
  | 'DISPUTE'
  | 'DISPUTE_WON'
  | 'GRANT'
  | 'PAYOUT'
  | 'PAYOUT_FAILED'
  | 'SALE';

export type PublishEventInput = {
  eventId: string;
};

/** LEFT, EXPIRED (away too long, or the admission ran out) and COMPLETED (bought) are final: join again for a new place. */
export type QueueEntryState =
  | 'ADMITTED'
  | 'COMPLETED'
  | 'EXPIRED'
  | 'LEFT'
  | 'WAITING';

/** LOBBY: before the sale. DRAWING: the lobby is being put in order. OPEN: admitting. PAUSED: everything waits and keeps its place. SOLD_OUT: nothing is left, as yet. CLOSED: over. */
export type QueuePhase =
  | 'CLOSED'
  | 'DRAWING'
  | 'LOBBY'
  | 'OPEN'
  | 'PAUSED'
  | 'SOLD_OUT';

/** RECEIPT: of what was paid. CREDIT_NOTE: of what was given back. */
export type ReceiptKind =
  | 'CREDIT_NOTE'
  | 'RECEIPT';

/** ORGANIZER, BUYER: asked for. EVENT: the event does not take place. LOST: paid too late, the seats were gone. PROVIDER: made at the provider. DISPUTE: the bank gave it back. AGAIN: an earlier one had failed. */
export type RefundReason =
  | 'AGAIN'
  | 'BUYER'
  | 'DISPUTE'
  | 'EVENT'
  | 'LOST'
  | 'ORGANIZER'
  | 'PROVIDER';

/** REQUESTED: the provider has not taken it yet. PENDING: it is on its way. FAILED: it came back; the money is owed still, and the organizer pays it out again. */
export type RefundState =
  | 'FAILED'
  | 'PENDING'
  | 'REQUESTED'
  | 'SUCCEEDED';

export type ReleaseHoldInput = {
  fence: string;
  holdId: string;
  idempotencyKey: string;
};

/** Whether seats can be had now. */
export type SaleState =
  | 'CANCELED'
  | 'CLOSED'
  | 'DRAFT'
  | 'OPEN'
  | 'PAUSED'
  | 'SCHEDULED'
  | 'SOLD_OUT';

/** What you know already. */
export type SeatMapCursor = {
  epoch: string;
  layoutVersion: number;
  version: number;
};

/** Exactly one of them. */
export type SeatSelection =
  {   /** The best block of neighbouring seats of a category. */
  bestAvailable: BestAvailableInput; seatIds?: never; standing?: never; }
  |  { bestAvailable?: never;   /** These seats, all or none. */
  seatIds: Array<string>; standing?: never; }
  |  { bestAvailable?: never; seatIds?: never;   /** Standing places of a category. */
  standing: CategoryQuantityInput; };

export type SignInInput = {
  email: string;
  password: string;
};

/** Standing places, sold without a number. */
export type StandingPlacesInput = {
  /** Category of the venue, or a new one. */
  category: string;
  name: string;
  places: number;
  /** Section of the venue, or a new one. */
  section: string;
};

export type StartCheckoutInput = {
  /** Whom the receipt is made out to. What the order was begun with stays. */
  buyer?: BuyerInput | null | undefined;
  fence: string;
  holdId: string;
  idempotencyKey: string;
  /** How it is paid. CASH and INVOICE are for the event's organizer: tickets at once. */
  method?: OrderMethod;
  /** Pay what the hold costs without the code it was made with, its totalWithoutCode. */
  withoutCode?: boolean;
};

export type StartGuestSessionInput = {
  /** Free text for your own logs; it is not stored. */
  clientName?: string | null | undefined;
};

/** PENDING_CAPTURE: yours, the money is being taken. VALID: it opens the door. VOID: it does not any more. */
export type TicketState =
  | 'PENDING_CAPTURE'
  | 'VALID'
  | 'VOID';

/** What is left out stays as it is. */
export type UpdateAdmissionInput = {
  activeCap?: number | null | undefined;
  admitPerSecond?: number | null | undefined;
  eventId: string;
  waitingRoom?: WaitingRoom | null | undefined;
};

/** All of it: what is left out is said no longer. */
export type UpdateSellerInput = {
  /** A few lines. */
  address?: string | null | undefined;
  legalName?: string | null | undefined;
  taxId?: string | null | undefined;
};

/** GUEST: a buyer, with or without an account. ORGANIZER, ADMIN: somebody who steers events. */
export type ViewerRole =
  | 'ADMIN'
  | 'GUEST'
  | 'ORGANIZER';

/** AUTO: whoever comes holds seats at once; a line forms by itself when more come than may be admitted. ALWAYS: everybody joins the line first. NEVER: there is no line. */
export type WaitingRoom =
  | 'ALWAYS'
  | 'AUTO'
  | 'NEVER';

export type EventPartsFragment = { id: string, name: string, startsAt: string, timeZone: string, currency: string, saleOpensAt: string, saleState: SaleState, state: EventState, waitingRoom: WaitingRoom, admitPerSecond: number, activeCap: number, maxSeatsPerPerson: number, maxSeatsPerHold: number, categories: Array<{ id: string, name: string, color: string, accessible: boolean, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }> };

export type EventQueryVariables = Exact<{
  id: string;
}>;


export type EventQuery = { event: { id: string, name: string, startsAt: string, timeZone: string, currency: string, saleOpensAt: string, saleState: SaleState, state: EventState, waitingRoom: WaitingRoom, admitPerSecond: number, activeCap: number, maxSeatsPerPerson: number, maxSeatsPerHold: number, categories: Array<{ id: string, name: string, color: string, accessible: boolean, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }> } | null };

export type EventsQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
}>;


export type EventsQuery = { events: { edges: Array<{ cursor: string, node: { id: string, name: string, startsAt: string, timeZone: string, currency: string, saleOpensAt: string, saleState: SaleState, state: EventState, waitingRoom: WaitingRoom, admitPerSecond: number, activeCap: number, maxSeatsPerPerson: number, maxSeatsPerHold: number, categories: Array<{ id: string, name: string, color: string, accessible: boolean, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }> } }>, pageInfo: { endCursor: string | null, hasNextPage: boolean } } };

export type MoneyReportQueryVariables = Exact<{
  eventId: string;
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type MoneyReportQuery = { moneyReport: { eventId: string, comparedTo: string | null, totals: Array<{ currency: string, orders: number, captured: { amountMinor: number }, refunded: { amountMinor: number }, disputed: { amountMinor: number }, clearing: { amountMinor: number }, cash: { amountMinor: number }, organizer: { amountMinor: number }, fees: { amountMinor: number }, tax: { amountMinor: number }, owedByBuyers: { amountMinor: number }, owedToBuyers: { amountMinor: number } }>, categories: Array<{ categoryId: string, name: string, tickets: number, voided: number, prices: { amountMinor: number, currency: string } }>, differences: Array<{ kind: MoneyDifferenceKind, subject: string, orderId: string | null, detail: string, foundAt: string, endedAt: string | null }>, orders: { edges: Array<{ cursor: string, node: { id: string, state: OrderState, method: OrderMethod, paymentIntentId: string | null, lines: Array<{ seatId: string, ticket: TicketState | null }>, postings: Array<{ kind: PostingKind, ref: string, buyer: number, clearing: number, cash: number, organizer: number, fees: number, tax: number, postedAt: string }>, refunds: Array<{ id: string, reason: RefundReason, state: RefundState, providerId: string | null, amount: { amountMinor: number, currency: string } }>, steps: Array<{ step: OrderStep, attempt: number, tries: number, outcome: string | null, finishedAt: string | null }> } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } };

export type MoneySumsFragment = { currency: string, orders: number, captured: { amountMinor: number }, refunded: { amountMinor: number }, disputed: { amountMinor: number }, clearing: { amountMinor: number }, cash: { amountMinor: number }, organizer: { amountMinor: number }, fees: { amountMinor: number }, tax: { amountMinor: number }, owedByBuyers: { amountMinor: number }, owedToBuyers: { amountMinor: number } };

export type OrderPartsFragment = { id: string, eventId: string, state: OrderState, version: number, payBy: string, now: string, lastDecline: string | null, endReason: OrderEndReason | null, paymentReadyAt: string | null, total: { amountMinor: number, currency: string }, lines: Array<{ seatId: string, description: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }>, payment: { paymentIntentId: string, clientSecret: string, apiUrl: string, publishableKey: string } | null, tickets: Array<{ id: string, orderId: string, seatId: string, state: TicketState, description: string, qr: string | null }> };

export type StartCheckoutMutationVariables = Exact<{
  input: StartCheckoutInput;
}>;


export type StartCheckoutMutation = { startCheckout: { order: { id: string, eventId: string, state: OrderState, version: number, payBy: string, now: string, lastDecline: string | null, endReason: OrderEndReason | null, paymentReadyAt: string | null, total: { amountMinor: number, currency: string }, lines: Array<{ seatId: string, description: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }>, payment: { paymentIntentId: string, clientSecret: string, apiUrl: string, publishableKey: string } | null, tickets: Array<{ id: string, orderId: string, seatId: string, state: TicketState, description: string, qr: string | null }> } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, state: string }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, retryAfterMs: number }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, seatIds: Array<string> }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type CancelOrderMutationVariables = Exact<{
  input: CancelOrderInput;
}>;


export type CancelOrderMutation = { cancelOrder: { order: { id: string, eventId: string, state: OrderState, version: number, payBy: string, now: string, lastDecline: string | null, endReason: OrderEndReason | null, paymentReadyAt: string | null, total: { amountMinor: number, currency: string }, lines: Array<{ seatId: string, description: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }>, payment: { paymentIntentId: string, clientSecret: string, apiUrl: string, publishableKey: string } | null, tickets: Array<{ id: string, orderId: string, seatId: string, state: TicketState, description: string, qr: string | null }> } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, state: string }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type OrderQueryVariables = Exact<{
  id: string;
}>;


export type OrderQuery = { order: { id: string, eventId: string, state: OrderState, version: number, payBy: string, now: string, lastDecline: string | null, endReason: OrderEndReason | null, paymentReadyAt: string | null, total: { amountMinor: number, currency: string }, lines: Array<{ seatId: string, description: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }>, payment: { paymentIntentId: string, clientSecret: string, apiUrl: string, publishableKey: string } | null, tickets: Array<{ id: string, orderId: string, seatId: string, state: TicketState, description: string, qr: string | null }> } | null };

export type OrderUpdatedSubscriptionVariables = Exact<{
  orderId: string;
}>;


export type OrderUpdatedSubscription = { orderUpdated: { id: string, eventId: string, state: OrderState, version: number, payBy: string, now: string, lastDecline: string | null, endReason: OrderEndReason | null, paymentReadyAt: string | null, total: { amountMinor: number, currency: string }, lines: Array<{ seatId: string, description: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }>, payment: { paymentIntentId: string, clientSecret: string, apiUrl: string, publishableKey: string } | null, tickets: Array<{ id: string, orderId: string, seatId: string, state: TicketState, description: string, qr: string | null }> } };

export type MyOrdersQueryVariables = Exact<{ [key: string]: never; }>;


export type MyOrdersQuery = { viewer: { personId: string, role: ViewerRole, expiresAt: string, orders: Array<{ id: string, eventId: string, state: OrderState, version: number, payBy: string, now: string, lastDecline: string | null, endReason: OrderEndReason | null, paymentReadyAt: string | null, total: { amountMinor: number, currency: string }, lines: Array<{ seatId: string, description: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }>, payment: { paymentIntentId: string, clientSecret: string, apiUrl: string, publishableKey: string } | null, tickets: Array<{ id: string, orderId: string, seatId: string, state: TicketState, description: string, qr: string | null }> }> } | null };

export type ImportVenueMutationVariables = Exact<{
  input: ImportVenueInput;
}>;


export type ImportVenueMutation = { importVenue: { venue: { id: string, name: string, seatCount: number } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, errors: Array<{ path: string, message: string }> }
    > } };

export type CreateEventMutationVariables = Exact<{
  input: CreateEventInput;
}>;


export type CreateEventMutation = { createEvent: { event: { id: string, name: string, startsAt: string, timeZone: string, currency: string, saleOpensAt: string, saleState: SaleState, state: EventState, waitingRoom: WaitingRoom, admitPerSecond: number, activeCap: number, maxSeatsPerPerson: number, maxSeatsPerHold: number, categories: Array<{ id: string, name: string, color: string, accessible: boolean, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }> } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type PublishEventMutationVariables = Exact<{
  input: PublishEventInput;
}>;


export type PublishEventMutation = { publishEvent: { event: { id: string, name: string, startsAt: string, timeZone: string, currency: string, saleOpensAt: string, saleState: SaleState, state: EventState, waitingRoom: WaitingRoom, admitPerSecond: number, activeCap: number, maxSeatsPerPerson: number, maxSeatsPerHold: number, categories: Array<{ id: string, name: string, color: string, accessible: boolean, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }> } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type UpdateAdmissionMutationVariables = Exact<{
  input: UpdateAdmissionInput;
}>;


export type UpdateAdmissionMutation = { updateAdmission: { event: { id: string, name: string, startsAt: string, timeZone: string, currency: string, saleOpensAt: string, saleState: SaleState, state: EventState, waitingRoom: WaitingRoom, admitPerSecond: number, activeCap: number, maxSeatsPerPerson: number, maxSeatsPerHold: number, categories: Array<{ id: string, name: string, color: string, accessible: boolean, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }> } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type CloseSaleMutationVariables = Exact<{
  input: CloseSaleInput;
}>;


export type CloseSaleMutation = { closeSale: { event: { id: string, name: string, startsAt: string, timeZone: string, currency: string, saleOpensAt: string, saleState: SaleState, state: EventState, waitingRoom: WaitingRoom, admitPerSecond: number, activeCap: number, maxSeatsPerPerson: number, maxSeatsPerHold: number, categories: Array<{ id: string, name: string, color: string, accessible: boolean, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }> } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type QueueEntryPartsFragment = { id: string, eventId: string, phase: QueuePhase, state: QueueEntryState, number: number | null, position: number | null, peopleAhead: number | null, nextPushInMs: number | null, now: string, estimatedWait: { fromMs: number, toMs: number | null } | null, admission: { token: string, expiresAt: string } | null };

export type JoinQueueMutationVariables = Exact<{
  input: JoinQueueInput;
}>;


export type JoinQueueMutation = { joinQueue: { entry: { place: string, id: string, eventId: string, phase: QueuePhase, state: QueueEntryState, number: number | null, position: number | null, peopleAhead: number | null, nextPushInMs: number | null, now: string, estimatedWait: { fromMs: number, toMs: number | null } | null, admission: { token: string, expiresAt: string } | null } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, retryAfterMs: number }
      | { code: string, message: string, path: Array<string> | null, retryAfterMs: number }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type LeaveQueueMutationVariables = Exact<{
  input: LeaveQueueInput;
}>;


export type LeaveQueueMutation = { leaveQueue: { entry: { id: string, eventId: string, phase: QueuePhase, state: QueueEntryState, number: number | null, position: number | null, peopleAhead: number | null, nextPushInMs: number | null, now: string, estimatedWait: { fromMs: number, toMs: number | null } | null, admission: { token: string, expiresAt: string } | null } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, retryAfterMs: number }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type QueueEntryQueryVariables = Exact<{
  id: string;
}>;


export type QueueEntryQuery = { queueEntry: { place: string, id: string, eventId: string, phase: QueuePhase, state: QueueEntryState, number: number | null, position: number | null, peopleAhead: number | null, nextPushInMs: number | null, now: string, estimatedWait: { fromMs: number, toMs: number | null } | null, admission: { token: string, expiresAt: string } | null } | null };

export type QueuePositionChangedSubscriptionVariables = Exact<{
  entryId: string;
}>;


export type QueuePositionChangedSubscription = { queuePositionChanged: { id: string, eventId: string, phase: QueuePhase, state: QueueEntryState, number: number | null, position: number | null, peopleAhead: number | null, nextPushInMs: number | null, now: string, estimatedWait: { fromMs: number, toMs: number | null } | null, admission: { token: string, expiresAt: string } | null } };

export type ReceiptPartsFragment = { kind: ReceiptKind, number: string, issuedAt: string, path: string, pathExpiresAt: string, total: { amountMinor: number, currency: string } };

export type OrderReceiptsQueryVariables = Exact<{
  orderId: string;
}>;


export type OrderReceiptsQuery = { order: { id: string, receipt: { kind: ReceiptKind, number: string, issuedAt: string, path: string, pathExpiresAt: string, total: { amountMinor: number, currency: string } } | null, creditNotes: Array<{ kind: ReceiptKind, number: string, issuedAt: string, path: string, pathExpiresAt: string, total: { amountMinor: number, currency: string } }> } | null };

export type SellerQueryVariables = Exact<{ [key: string]: never; }>;


export type SellerQuery = { seller: { legalName: string | null, address: string | null, taxId: string | null } | null };

export type UpdateSellerMutationVariables = Exact<{
  input: UpdateSellerInput;
}>;


export type UpdateSellerMutation = { updateSeller: { seller: { legalName: string | null, address: string | null, taxId: string | null } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type SalesPartsFragment = { eventId: string, epoch: string, version: number, waiting: number, admitted: number, paymentsDelayedSince: string | null, now: string, categories: Array<{ categoryId: string, name: string, capacity: number, available: number, held: number, issuing: number, sold: number, returning: number, blocked: number, revenue: { amountMinor: number, currency: string } }>, minutes: Array<{ minute: string, sold: number, revenue: { amountMinor: number, currency: string } }>, revenue: { amountMinor: number, currency: string } };

export type SalesQueryVariables = Exact<{
  eventId: string;
}>;


export type SalesQuery = { sales: { eventId: string, epoch: string, version: number, waiting: number, admitted: number, paymentsDelayedSince: string | null, now: string, categories: Array<{ categoryId: string, name: string, capacity: number, available: number, held: number, issuing: number, sold: number, returning: number, blocked: number, revenue: { amountMinor: number, currency: string } }>, minutes: Array<{ minute: string, sold: number, revenue: { amountMinor: number, currency: string } }>, revenue: { amountMinor: number, currency: string } } | null };

export type SalesChangedSubscriptionVariables = Exact<{
  eventId: string;
}>;


export type SalesChangedSubscription = { salesChanged: { eventId: string, epoch: string, version: number, waiting: number, admitted: number, paymentsDelayedSince: string | null, now: string, categories: Array<{ categoryId: string, name: string, capacity: number, available: number, held: number, issuing: number, sold: number, returning: number, blocked: number, revenue: { amountMinor: number, currency: string } }>, minutes: Array<{ minute: string, sold: number, revenue: { amountMinor: number, currency: string } }>, revenue: { amountMinor: number, currency: string } } };

export type HoldPartsFragment = { id: string, eventId: string, state: HoldState, fence: string, expiresAt: string, payBy: string | null, extensionsEndAt: string, expiryWarning: boolean, orderId: string | null, now: string, seats: Array<{ id: string, index: number, sectionName: string, rowLabel: string | null, seatLabel: string | null, categoryId: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string } }>, total: { amountMinor: number, currency: string } };

export type SeatMapQueryVariables = Exact<{
  eventId: string;
}>;


export type SeatMapQuery = { seatMap: { eventId: string, layoutVersion: number, seatCount: number, categories: Array<{ id: string, name: string, color: string, accessible: boolean, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string }, total: { amountMinor: number, currency: string } }>, sections: Array<{ id: string, name: string, firstSeats: Array<number>, counts: Array<number>, rows: Array<{ label: string, seats: Array<{ id: string, index: number, label: string, x: number, y: number, categoryId: string }> }>, standing: Array<{ name: string, categoryId: string, firstSeat: number, count: number }> }> } | null };

export type SeatMapChangedSubscriptionVariables = Exact<{
  eventId: string;
  sectionId?: string | null | undefined;
  since?: SeatMapCursor | null | undefined;
}>;


export type SeatMapChangedSubscription = { seatMapChanged:
    | { epoch: string, version: number, fromVersion: number, layoutVersion: number, seats: string, states: string }
    | { epoch: string, version: number, layoutVersion: number, states: string }
   };

export type HoldSeatsMutationVariables = Exact<{
  input: HoldSeatsInput;
}>;


export type HoldSeatsMutation = { holdSeats: { hold: { id: string, eventId: string, state: HoldState, fence: string, expiresAt: string, payBy: string | null, extensionsEndAt: string, expiryWarning: boolean, orderId: string | null, now: string, seats: Array<{ id: string, index: number, sectionName: string, rowLabel: string | null, seatLabel: string | null, categoryId: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string } }>, total: { amountMinor: number, currency: string } } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, available: number }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, limit: number }
      | { code: string, message: string, path: Array<string> | null, retryAfterMs: number }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, opensAt: string }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, seatIds: Array<string> }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, limit: number }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type ExtendHoldMutationVariables = Exact<{
  input: ExtendHoldInput;
}>;


export type ExtendHoldMutation = { extendHold: { hold: { id: string, eventId: string, state: HoldState, fence: string, expiresAt: string, payBy: string | null, extensionsEndAt: string, expiryWarning: boolean, orderId: string | null, now: string, seats: Array<{ id: string, index: number, sectionName: string, rowLabel: string | null, seatLabel: string | null, categoryId: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string } }>, total: { amountMinor: number, currency: string } } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null, extensionsEndAt: string }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, state: string }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, retryAfterMs: number }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type ReleaseHoldMutationVariables = Exact<{
  input: ReleaseHoldInput;
}>;


export type ReleaseHoldMutation = { releaseHold: { hold: { id: string, eventId: string, state: HoldState, fence: string, expiresAt: string, payBy: string | null, extensionsEndAt: string, expiryWarning: boolean, orderId: string | null, now: string, seats: Array<{ id: string, index: number, sectionName: string, rowLabel: string | null, seatLabel: string | null, categoryId: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string } }>, total: { amountMinor: number, currency: string } } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, state: string }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, retryAfterMs: number }
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type HoldQueryVariables = Exact<{
  id: string;
}>;


export type HoldQuery = { hold: { id: string, eventId: string, state: HoldState, fence: string, expiresAt: string, payBy: string | null, extensionsEndAt: string, expiryWarning: boolean, orderId: string | null, now: string, seats: Array<{ id: string, index: number, sectionName: string, rowLabel: string | null, seatLabel: string | null, categoryId: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string } }>, total: { amountMinor: number, currency: string } } | null };

export type HoldUpdatedSubscriptionVariables = Exact<{
  holdId: string;
}>;


export type HoldUpdatedSubscription = { holdUpdated: { id: string, eventId: string, state: HoldState, fence: string, expiresAt: string, payBy: string | null, extensionsEndAt: string, expiryWarning: boolean, orderId: string | null, now: string, seats: Array<{ id: string, index: number, sectionName: string, rowLabel: string | null, seatLabel: string | null, categoryId: string, price: { amountMinor: number, currency: string }, fee: { amountMinor: number, currency: string } }>, total: { amountMinor: number, currency: string } } };

export type StartGuestSessionMutationVariables = Exact<{
  input: StartGuestSessionInput;
}>;


export type StartGuestSessionMutation = { startGuestSession: { session: { token: string, expiresAt: string, personId: string } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, retryAfterMs: number }
    > } };

export type SignInMutationVariables = Exact<{
  input: SignInInput;
}>;


export type SignInMutation = { signIn: { session: { token: string, expiresAt: string, personId: string } | null, errors: Array<
      | { code: string, message: string, path: Array<string> | null }
      | { code: string, message: string, path: Array<string> | null, retryAfterMs: number }
      | { code: string, message: string, path: Array<string> | null }
    > } };

export type SystemStatusQueryVariables = Exact<{ [key: string]: never; }>;


export type SystemStatusQuery = { systemStatus: { database: PartState, redis: PartState, now: string } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const EventPartsFragmentDoc = new TypedDocumentString(`
    fragment EventParts on Event {
  id
  name
  startsAt
  timeZone
  currency
  saleOpensAt
  saleState
  state
  waitingRoom
  admitPerSecond
  activeCap
  maxSeatsPerPerson
  maxSeatsPerHold
  categories {
    id
    name
    color
    accessible
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
}
    `, {"fragmentName":"EventParts"}) as unknown as TypedDocumentString<EventPartsFragment, unknown>;
export const MoneySumsFragmentDoc = new TypedDocumentString(`
    fragment MoneySums on MoneyTotals {
  currency
  orders
  captured {
    amountMinor
  }
  refunded {
    amountMinor
  }
  disputed {
    amountMinor
  }
  clearing {
    amountMinor
  }
  cash {
    amountMinor
  }
  organizer {
    amountMinor
  }
  fees {
    amountMinor
  }
  tax {
    amountMinor
  }
  owedByBuyers {
    amountMinor
  }
  owedToBuyers {
    amountMinor
  }
}
    `, {"fragmentName":"MoneySums"}) as unknown as TypedDocumentString<MoneySumsFragment, unknown>;
export const OrderPartsFragmentDoc = new TypedDocumentString(`
    fragment OrderParts on Order {
  id
  eventId
  state
  version
  total {
    amountMinor
    currency
  }
  lines {
    seatId
    description
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
  payBy
  now
  payment {
    paymentIntentId
    clientSecret
    apiUrl
    publishableKey
  }
  lastDecline
  endReason
  paymentReadyAt
  tickets {
    id
    orderId
    seatId
    state
    description
    qr
  }
}
    `, {"fragmentName":"OrderParts"}) as unknown as TypedDocumentString<OrderPartsFragment, unknown>;
export const QueueEntryPartsFragmentDoc = new TypedDocumentString(`
    fragment QueueEntryParts on QueueEntry {
  id
  eventId
  phase
  state
  number
  position
  peopleAhead
  estimatedWait {
    fromMs
    toMs
  }
  nextPushInMs
  admission {
    token
    expiresAt
  }
  now
}
    `, {"fragmentName":"QueueEntryParts"}) as unknown as TypedDocumentString<QueueEntryPartsFragment, unknown>;
export const ReceiptPartsFragmentDoc = new TypedDocumentString(`
    fragment ReceiptParts on Receipt {
  kind
  number
  issuedAt
  total {
    amountMinor
    currency
  }
  path
  pathExpiresAt
}
    `, {"fragmentName":"ReceiptParts"}) as unknown as TypedDocumentString<ReceiptPartsFragment, unknown>;
export const SalesPartsFragmentDoc = new TypedDocumentString(`
    fragment SalesParts on Sales {
  eventId
  epoch
  version
  categories {
    categoryId
    name
    capacity
    available
    held
    issuing
    sold
    returning
    blocked
    revenue {
      amountMinor
      currency
    }
  }
  minutes {
    minute
    sold
    revenue {
      amountMinor
      currency
    }
  }
  waiting
  admitted
  paymentsDelayedSince
  revenue {
    amountMinor
    currency
  }
  now
}
    `, {"fragmentName":"SalesParts"}) as unknown as TypedDocumentString<SalesPartsFragment, unknown>;
export const HoldPartsFragmentDoc = new TypedDocumentString(`
    fragment HoldParts on Hold {
  id
  eventId
  state
  fence
  seats {
    id
    index
    sectionName
    rowLabel
    seatLabel
    categoryId
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
  }
  total {
    amountMinor
    currency
  }
  expiresAt
  payBy
  extensionsEndAt
  expiryWarning
  orderId
  now
}
    `, {"fragmentName":"HoldParts"}) as unknown as TypedDocumentString<HoldPartsFragment, unknown>;
export const EventDocument = new TypedDocumentString(`
    query Event($id: ID!) {
  event(id: $id) {
    ...EventParts
  }
}
    fragment EventParts on Event {
  id
  name
  startsAt
  timeZone
  currency
  saleOpensAt
  saleState
  state
  waitingRoom
  admitPerSecond
  activeCap
  maxSeatsPerPerson
  maxSeatsPerHold
  categories {
    id
    name
    color
    accessible
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
}`) as unknown as TypedDocumentString<EventQuery, EventQueryVariables>;
export const EventsDocument = new TypedDocumentString(`
    query Events($first: Int!, $after: String) {
  events(first: $first, after: $after) {
    edges {
      cursor
      node {
        ...EventParts
      }
    }
    pageInfo {
      endCursor
      hasNextPage
    }
  }
}
    fragment EventParts on Event {
  id
  name
  startsAt
  timeZone
  currency
  saleOpensAt
  saleState
  state
  waitingRoom
  admitPerSecond
  activeCap
  maxSeatsPerPerson
  maxSeatsPerHold
  categories {
    id
    name
    color
    accessible
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
}`) as unknown as TypedDocumentString<EventsQuery, EventsQueryVariables>;
export const MoneyReportDocument = new TypedDocumentString(`
    query MoneyReport($eventId: ID!, $first: Int, $after: String) {
  moneyReport(eventId: $eventId) {
    eventId
    comparedTo
    totals {
      ...MoneySums
    }
    categories {
      categoryId
      name
      tickets
      voided
      prices {
        amountMinor
        currency
      }
    }
    differences {
      kind
      subject
      orderId
      detail
      foundAt
      endedAt
    }
    orders(first: $first, after: $after) {
      edges {
        cursor
        node {
          id
          state
          method
          paymentIntentId
          lines {
            seatId
            ticket
          }
          postings {
            kind
            ref
            buyer
            clearing
            cash
            organizer
            fees
            tax
            postedAt
          }
          refunds {
            id
            reason
            state
            providerId
            amount {
              amountMinor
              currency
            }
          }
          steps {
            step
            attempt
            tries
            outcome
            finishedAt
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    fragment MoneySums on MoneyTotals {
  currency
  orders
  captured {
    amountMinor
  }
  refunded {
    amountMinor
  }
  disputed {
    amountMinor
  }
  clearing {
    amountMinor
  }
  cash {
    amountMinor
  }
  organizer {
    amountMinor
  }
  fees {
    amountMinor
  }
  tax {
    amountMinor
  }
  owedByBuyers {
    amountMinor
  }
  owedToBuyers {
    amountMinor
  }
}`) as unknown as TypedDocumentString<MoneyReportQuery, MoneyReportQueryVariables>;
export const StartCheckoutDocument = new TypedDocumentString(`
    mutation StartCheckout($input: StartCheckoutInput!) {
  startCheckout(input: $input) {
    order {
      ...OrderParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on Rebuilding {
        retryAfterMs
      }
      ... on HoldNotActive {
        state
      }
      ... on SeatsUnavailable {
        seatIds
      }
    }
  }
}
    fragment OrderParts on Order {
  id
  eventId
  state
  version
  total {
    amountMinor
    currency
  }
  lines {
    seatId
    description
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
  payBy
  now
  payment {
    paymentIntentId
    clientSecret
    apiUrl
    publishableKey
  }
  lastDecline
  endReason
  paymentReadyAt
  tickets {
    id
    orderId
    seatId
    state
    description
    qr
  }
}`) as unknown as TypedDocumentString<StartCheckoutMutation, StartCheckoutMutationVariables>;
export const CancelOrderDocument = new TypedDocumentString(`
    mutation CancelOrder($input: CancelOrderInput!) {
  cancelOrder(input: $input) {
    order {
      ...OrderParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on OrderNotCancelable {
        state
      }
    }
  }
}
    fragment OrderParts on Order {
  id
  eventId
  state
  version
  total {
    amountMinor
    currency
  }
  lines {
    seatId
    description
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
  payBy
  now
  payment {
    paymentIntentId
    clientSecret
    apiUrl
    publishableKey
  }
  lastDecline
  endReason
  paymentReadyAt
  tickets {
    id
    orderId
    seatId
    state
    description
    qr
  }
}`) as unknown as TypedDocumentString<CancelOrderMutation, CancelOrderMutationVariables>;
export const OrderDocument = new TypedDocumentString(`
    query Order($id: ID!) {
  order(id: $id) {
    ...OrderParts
  }
}
    fragment OrderParts on Order {
  id
  eventId
  state
  version
  total {
    amountMinor
    currency
  }
  lines {
    seatId
    description
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
  payBy
  now
  payment {
    paymentIntentId
    clientSecret
    apiUrl
    publishableKey
  }
  lastDecline
  endReason
  paymentReadyAt
  tickets {
    id
    orderId
    seatId
    state
    description
    qr
  }
}`) as unknown as TypedDocumentString<OrderQuery, OrderQueryVariables>;
export const OrderUpdatedDocument = new TypedDocumentString(`
    subscription OrderUpdated($orderId: ID!) {
  orderUpdated(orderId: $orderId) {
    ...OrderParts
  }
}
    fragment OrderParts on Order {
  id
  eventId
  state
  version
  total {
    amountMinor
    currency
  }
  lines {
    seatId
    description
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
  payBy
  now
  payment {
    paymentIntentId
    clientSecret
    apiUrl
    publishableKey
  }
  lastDecline
  endReason
  paymentReadyAt
  tickets {
    id
    orderId
    seatId
    state
    description
    qr
  }
}`) as unknown as TypedDocumentString<OrderUpdatedSubscription, OrderUpdatedSubscriptionVariables>;
export const MyOrdersDocument = new TypedDocumentString(`
    query MyOrders {
  viewer {
    personId
    role
    expiresAt
    orders {
      ...OrderParts
    }
  }
}
    fragment OrderParts on Order {
  id
  eventId
  state
  version
  total {
    amountMinor
    currency
  }
  lines {
    seatId
    description
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
  payBy
  now
  payment {
    paymentIntentId
    clientSecret
    apiUrl
    publishableKey
  }
  lastDecline
  endReason
  paymentReadyAt
  tickets {
    id
    orderId
    seatId
    state
    description
    qr
  }
}`) as unknown as TypedDocumentString<MyOrdersQuery, MyOrdersQueryVariables>;
export const ImportVenueDocument = new TypedDocumentString(`
    mutation ImportVenue($input: ImportVenueInput!) {
  importVenue(input: $input) {
    venue {
      id
      name
      seatCount
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on VenuePlanInvalid {
        errors {
          path
          message
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<ImportVenueMutation, ImportVenueMutationVariables>;
export const CreateEventDocument = new TypedDocumentString(`
    mutation CreateEvent($input: CreateEventInput!) {
  createEvent(input: $input) {
    event {
      ...EventParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
    }
  }
}
    fragment EventParts on Event {
  id
  name
  startsAt
  timeZone
  currency
  saleOpensAt
  saleState
  state
  waitingRoom
  admitPerSecond
  activeCap
  maxSeatsPerPerson
  maxSeatsPerHold
  categories {
    id
    name
    color
    accessible
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
}`) as unknown as TypedDocumentString<CreateEventMutation, CreateEventMutationVariables>;
export const PublishEventDocument = new TypedDocumentString(`
    mutation PublishEvent($input: PublishEventInput!) {
  publishEvent(input: $input) {
    event {
      ...EventParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
    }
  }
}
    fragment EventParts on Event {
  id
  name
  startsAt
  timeZone
  currency
  saleOpensAt
  saleState
  state
  waitingRoom
  admitPerSecond
  activeCap
  maxSeatsPerPerson
  maxSeatsPerHold
  categories {
    id
    name
    color
    accessible
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
}`) as unknown as TypedDocumentString<PublishEventMutation, PublishEventMutationVariables>;
export const UpdateAdmissionDocument = new TypedDocumentString(`
    mutation UpdateAdmission($input: UpdateAdmissionInput!) {
  updateAdmission(input: $input) {
    event {
      ...EventParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
    }
  }
}
    fragment EventParts on Event {
  id
  name
  startsAt
  timeZone
  currency
  saleOpensAt
  saleState
  state
  waitingRoom
  admitPerSecond
  activeCap
  maxSeatsPerPerson
  maxSeatsPerHold
  categories {
    id
    name
    color
    accessible
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
}`) as unknown as TypedDocumentString<UpdateAdmissionMutation, UpdateAdmissionMutationVariables>;
export const CloseSaleDocument = new TypedDocumentString(`
    mutation CloseSale($input: CloseSaleInput!) {
  closeSale(input: $input) {
    event {
      ...EventParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
    }
  }
}
    fragment EventParts on Event {
  id
  name
  startsAt
  timeZone
  currency
  saleOpensAt
  saleState
  state
  waitingRoom
  admitPerSecond
  activeCap
  maxSeatsPerPerson
  maxSeatsPerHold
  categories {
    id
    name
    color
    accessible
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
    total {
      amountMinor
      currency
    }
  }
}`) as unknown as TypedDocumentString<CloseSaleMutation, CloseSaleMutationVariables>;
export const JoinQueueDocument = new TypedDocumentString(`
    mutation JoinQueue($input: JoinQueueInput!) {
  joinQueue(input: $input) {
    entry {
      ...QueueEntryParts
      place
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on Rebuilding {
        retryAfterMs
      }
      ... on QueueFull {
        retryAfterMs
      }
    }
  }
}
    fragment QueueEntryParts on QueueEntry {
  id
  eventId
  phase
  state
  number
  position
  peopleAhead
  estimatedWait {
    fromMs
    toMs
  }
  nextPushInMs
  admission {
    token
    expiresAt
  }
  now
}`) as unknown as TypedDocumentString<JoinQueueMutation, JoinQueueMutationVariables>;
export const LeaveQueueDocument = new TypedDocumentString(`
    mutation LeaveQueue($input: LeaveQueueInput!) {
  leaveQueue(input: $input) {
    entry {
      ...QueueEntryParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on Rebuilding {
        retryAfterMs
      }
    }
  }
}
    fragment QueueEntryParts on QueueEntry {
  id
  eventId
  phase
  state
  number
  position
  peopleAhead
  estimatedWait {
    fromMs
    toMs
  }
  nextPushInMs
  admission {
    token
    expiresAt
  }
  now
}`) as unknown as TypedDocumentString<LeaveQueueMutation, LeaveQueueMutationVariables>;
export const QueueEntryDocument = new TypedDocumentString(`
    query QueueEntry($id: ID!) {
  queueEntry(id: $id) {
    ...QueueEntryParts
    place
  }
}
    fragment QueueEntryParts on QueueEntry {
  id
  eventId
  phase
  state
  number
  position
  peopleAhead
  estimatedWait {
    fromMs
    toMs
  }
  nextPushInMs
  admission {
    token
    expiresAt
  }
  now
}`) as unknown as TypedDocumentString<QueueEntryQuery, QueueEntryQueryVariables>;
export const QueuePositionChangedDocument = new TypedDocumentString(`
    subscription QueuePositionChanged($entryId: ID!) {
  queuePositionChanged(entryId: $entryId) {
    ...QueueEntryParts
  }
}
    fragment QueueEntryParts on QueueEntry {
  id
  eventId
  phase
  state
  number
  position
  peopleAhead
  estimatedWait {
    fromMs
    toMs
  }
  nextPushInMs
  admission {
    token
    expiresAt
  }
  now
}`) as unknown as TypedDocumentString<QueuePositionChangedSubscription, QueuePositionChangedSubscriptionVariables>;
export const OrderReceiptsDocument = new TypedDocumentString(`
    query OrderReceipts($orderId: ID!) {
  order(id: $orderId) {
    id
    receipt {
      ...ReceiptParts
    }
    creditNotes {
      ...ReceiptParts
    }
  }
}
    fragment ReceiptParts on Receipt {
  kind
  number
  issuedAt
  total {
    amountMinor
    currency
  }
  path
  pathExpiresAt
}`) as unknown as TypedDocumentString<OrderReceiptsQuery, OrderReceiptsQueryVariables>;
export const SellerDocument = new TypedDocumentString(`
    query Seller {
  seller {
    legalName
    address
    taxId
  }
}
    `) as unknown as TypedDocumentString<SellerQuery, SellerQueryVariables>;
export const UpdateSellerDocument = new TypedDocumentString(`
    mutation UpdateSeller($input: UpdateSellerInput!) {
  updateSeller(input: $input) {
    seller {
      legalName
      address
      taxId
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
    }
  }
}
    `) as unknown as TypedDocumentString<UpdateSellerMutation, UpdateSellerMutationVariables>;
export const SalesDocument = new TypedDocumentString(`
    query Sales($eventId: ID!) {
  sales(eventId: $eventId) {
    ...SalesParts
  }
}
    fragment SalesParts on Sales {
  eventId
  epoch
  version
  categories {
    categoryId
    name
    capacity
    available
    held
    issuing
    sold
    returning
    blocked
    revenue {
      amountMinor
      currency
    }
  }
  minutes {
    minute
    sold
    revenue {
      amountMinor
      currency
    }
  }
  waiting
  admitted
  paymentsDelayedSince
  revenue {
    amountMinor
    currency
  }
  now
}`) as unknown as TypedDocumentString<SalesQuery, SalesQueryVariables>;
export const SalesChangedDocument = new TypedDocumentString(`
    subscription SalesChanged($eventId: ID!) {
  salesChanged(eventId: $eventId) {
    ...SalesParts
  }
}
    fragment SalesParts on Sales {
  eventId
  epoch
  version
  categories {
    categoryId
    name
    capacity
    available
    held
    issuing
    sold
    returning
    blocked
    revenue {
      amountMinor
      currency
    }
  }
  minutes {
    minute
    sold
    revenue {
      amountMinor
      currency
    }
  }
  waiting
  admitted
  paymentsDelayedSince
  revenue {
    amountMinor
    currency
  }
  now
}`) as unknown as TypedDocumentString<SalesChangedSubscription, SalesChangedSubscriptionVariables>;
export const SeatMapDocument = new TypedDocumentString(`
    query SeatMap($eventId: ID!) {
  seatMap(eventId: $eventId) {
    eventId
    layoutVersion
    seatCount
    categories {
      id
      name
      color
      accessible
      price {
        amountMinor
        currency
      }
      fee {
        amountMinor
        currency
      }
      total {
        amountMinor
        currency
      }
    }
    sections {
      id
      name
      firstSeats
      counts
      rows {
        label
        seats {
          id
          index
          label
          x
          y
          categoryId
        }
      }
      standing {
        name
        categoryId
        firstSeat
        count
      }
    }
  }
}
    `) as unknown as TypedDocumentString<SeatMapQuery, SeatMapQueryVariables>;
export const SeatMapChangedDocument = new TypedDocumentString(`
    subscription SeatMapChanged($eventId: ID!, $sectionId: ID, $since: SeatMapCursor) {
  seatMapChanged(eventId: $eventId, sectionId: $sectionId, since: $since) {
    ... on SeatMapSnapshot {
      epoch
      version
      layoutVersion
      states
    }
    ... on SeatMapDelta {
      epoch
      version
      fromVersion
      layoutVersion
      seats
      states
    }
  }
}
    `) as unknown as TypedDocumentString<SeatMapChangedSubscription, SeatMapChangedSubscriptionVariables>;
export const HoldSeatsDocument = new TypedDocumentString(`
    mutation HoldSeats($input: HoldSeatsInput!) {
  holdSeats(input: $input) {
    hold {
      ...HoldParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on Rebuilding {
        retryAfterMs
      }
      ... on SaleNotOpen {
        opensAt
      }
      ... on SeatsUnavailable {
        seatIds
      }
      ... on NoAdjacentSeats {
        available
      }
      ... on TooManySeats {
        limit
      }
      ... on PersonLimitReached {
        limit
      }
    }
  }
}
    fragment HoldParts on Hold {
  id
  eventId
  state
  fence
  seats {
    id
    index
    sectionName
    rowLabel
    seatLabel
    categoryId
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
  }
  total {
    amountMinor
    currency
  }
  expiresAt
  payBy
  extensionsEndAt
  expiryWarning
  orderId
  now
}`) as unknown as TypedDocumentString<HoldSeatsMutation, HoldSeatsMutationVariables>;
export const ExtendHoldDocument = new TypedDocumentString(`
    mutation ExtendHold($input: ExtendHoldInput!) {
  extendHold(input: $input) {
    hold {
      ...HoldParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on Rebuilding {
        retryAfterMs
      }
      ... on HoldNotActive {
        state
      }
      ... on ExtensionLimit {
        extensionsEndAt
      }
    }
  }
}
    fragment HoldParts on Hold {
  id
  eventId
  state
  fence
  seats {
    id
    index
    sectionName
    rowLabel
    seatLabel
    categoryId
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
  }
  total {
    amountMinor
    currency
  }
  expiresAt
  payBy
  extensionsEndAt
  expiryWarning
  orderId
  now
}`) as unknown as TypedDocumentString<ExtendHoldMutation, ExtendHoldMutationVariables>;
export const ReleaseHoldDocument = new TypedDocumentString(`
    mutation ReleaseHold($input: ReleaseHoldInput!) {
  releaseHold(input: $input) {
    hold {
      ...HoldParts
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on Rebuilding {
        retryAfterMs
      }
      ... on HoldNotActive {
        state
      }
    }
  }
}
    fragment HoldParts on Hold {
  id
  eventId
  state
  fence
  seats {
    id
    index
    sectionName
    rowLabel
    seatLabel
    categoryId
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
  }
  total {
    amountMinor
    currency
  }
  expiresAt
  payBy
  extensionsEndAt
  expiryWarning
  orderId
  now
}`) as unknown as TypedDocumentString<ReleaseHoldMutation, ReleaseHoldMutationVariables>;
export const HoldDocument = new TypedDocumentString(`
    query Hold($id: ID!) {
  hold(id: $id) {
    ...HoldParts
  }
}
    fragment HoldParts on Hold {
  id
  eventId
  state
  fence
  seats {
    id
    index
    sectionName
    rowLabel
    seatLabel
    categoryId
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
  }
  total {
    amountMinor
    currency
  }
  expiresAt
  payBy
  extensionsEndAt
  expiryWarning
  orderId
  now
}`) as unknown as TypedDocumentString<HoldQuery, HoldQueryVariables>;
export const HoldUpdatedDocument = new TypedDocumentString(`
    subscription HoldUpdated($holdId: ID!) {
  holdUpdated(holdId: $holdId) {
    ...HoldParts
  }
}
    fragment HoldParts on Hold {
  id
  eventId
  state
  fence
  seats {
    id
    index
    sectionName
    rowLabel
    seatLabel
    categoryId
    price {
      amountMinor
      currency
    }
    fee {
      amountMinor
      currency
    }
  }
  total {
    amountMinor
    currency
  }
  expiresAt
  payBy
  extensionsEndAt
  expiryWarning
  orderId
  now
}`) as unknown as TypedDocumentString<HoldUpdatedSubscription, HoldUpdatedSubscriptionVariables>;
export const StartGuestSessionDocument = new TypedDocumentString(`
    mutation StartGuestSession($input: StartGuestSessionInput!) {
  startGuestSession(input: $input) {
    session {
      token
      expiresAt
      personId
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on Overloaded {
        retryAfterMs
      }
    }
  }
}
    `) as unknown as TypedDocumentString<StartGuestSessionMutation, StartGuestSessionMutationVariables>;
export const SignInDocument = new TypedDocumentString(`
    mutation SignIn($input: SignInInput!) {
  signIn(input: $input) {
    session {
      token
      expiresAt
      personId
    }
    errors {
      ... on UserError {
        code
        message
        path
      }
      ... on Overloaded {
        retryAfterMs
      }
    }
  }
}
    `) as unknown as TypedDocumentString<SignInMutation, SignInMutationVariables>;
export const SystemStatusDocument = new TypedDocumentString(`
    query SystemStatus {
  systemStatus {
    database
    redis
    now
  }
}
    `) as unknown as TypedDocumentString<SystemStatusQuery, SystemStatusQueryVariables>;