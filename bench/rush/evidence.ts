import type { BuyerRecord } from './records.js';

/** Everything the auditor judges, as plain values: what the stores, the payment provider and the buyers say. */
export interface Evidence {
  readonly ledger: LedgerView;
  readonly live: LiveView;
  readonly intents: readonly IntentView[];
  readonly line: readonly LineEntry[];
  readonly sales: readonly SalesSample[];
  readonly buyers: readonly BuyerRecord[];
}

export interface LedgerView {
  readonly eventId: string;
  readonly capacity: number;
  /** Category index of every seat. */
  readonly categories: readonly number[];
  readonly orders: readonly LedgerOrder[];
  readonly owners: readonly LedgerOwner[];
  readonly tickets: readonly LedgerTicket[];
}

export interface LedgerOrder {
  readonly id: string;
  readonly personId: string;
  readonly holdId: string;
  readonly state: string;
  readonly payment: string;
  readonly currency: string;
  readonly totalMinor: number;
  readonly intentId: string | null;
  readonly lines: readonly { readonly seatIndex: number; readonly totalMinor: number }[];
}

export interface LedgerOwner {
  readonly seatIndex: number;
  readonly orderId: string;
  readonly state: string;
}

export interface LedgerTicket {
  readonly id: string;
  readonly orderId: string;
  readonly seatIndex: number;
  readonly state: string;
  readonly issuedAtMs: number;
}

/** One message of the live sales, as the organizer got it. */
export interface SalesSample {
  /** Server time, ms. */
  readonly nowMs: number;
  readonly epoch: string;
  readonly version: number;
  readonly categories: readonly CategorySample[];
}

export interface CategorySample {
  readonly capacity: number;
  readonly available: number;
  readonly held: number;
  readonly issuing: number;
  readonly sold: number;
  readonly returning: number;
  readonly blocked: number;
}

/** What Redis says at one instant. */
export interface LiveView {
  /** Of the inventory: how often it has been loaded. */
  readonly generation: number;
  /** One letter a seat. */
  readonly status: string;
  /** One letter a seat: whose it is when it is free. */
  readonly channels: string;
  /** `category:letter` and `*:letter` → seats; the letter `i` is issuing and shows as `h` in the status. */
  readonly counts: Readonly<Record<string, number>>;
  readonly cap: number;
  readonly admitted: number;
  readonly waiting: number;
}

/** A line of the provider's listing for auditors. */
export interface IntentView {
  readonly id: string;
  readonly status: string;
  readonly amount: number;
  readonly currency: string;
  readonly amountReceived: number;
  readonly amountRefunded: number;
}

/** An entry of the line's audit stream: the fields as scripts/…/line.lua appends them. */
export interface LineEntry {
  readonly serial: number;
  /** Redis time, ms. */
  readonly atMs: number;
  readonly kind: LineEntryKind;
  readonly entry: string;
  readonly number: number;
  /** Admitted and not ended: before an admission, after an ending. */
  readonly active: number;
  readonly cap: number;
}

/** `walk`: admitted from outside the line; `back`: admitted again, as before Redis was lost. Letters end a place: left, admission over, absent for good, completed. */
export type LineEntryKind = 'join' | 'drawn' | 'present' | 'away' | 'admit' | 'walk' | 'back' | 'L' | 'X' | 'E' | 'C';
