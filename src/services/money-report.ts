import { inTransaction, queryAtLarge } from '../database/transaction.js';
import { type Refusal, refuse } from '../domain/errors.js';
import { isUuid } from '../domain/ids.js';
import type { MoneyDifferenceKind } from '../domain/money-differences.js';
import type {
  DisputeState,
  OrderMethod,
  OrderState,
  OrderStep,
  PostingKind,
  RefundReason,
  RefundState,
} from '../domain/order-states.js';
import type { TicketState } from '../entities/orders.js';
import { limits } from '../limits.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import type { Platform, Viewer } from './platform.js';
import { maySteer } from './sales.js';

/** Minor units by account, as the double-entry ledger has them. */
export interface Accounts {
  readonly buyer: number;
  readonly clearing: number;
  readonly cash: number;
  readonly organizer: number;
  readonly fees: number;
  readonly tax: number;
}

export const accountNames = ['buyer', 'clearing', 'cash', 'organizer', 'fees', 'tax'] as const;

export interface MoneyTotals {
  readonly currency: string;
  readonly orders: number;
  readonly captured: number;
  readonly refunded: number;
  readonly disputed: number;
  readonly clearing: number;
  readonly cash: number;
  readonly organizer: number;
  readonly fees: number;
  readonly tax: number;
  readonly owedByBuyers: number;
  readonly owedToBuyers: number;
}

export interface CategoryMoney {
  readonly category: number;
  readonly currency: string;
  readonly tickets: number;
  readonly voided: number;
  readonly prices: number;
  readonly fees: number;
  readonly tax: number;
}

export interface FoundDifference {
  readonly kind: MoneyDifferenceKind;
  readonly subject: string;
  readonly orderId: string | null;
  readonly detail: string;
  readonly foundAt: Date;
  readonly seenAt: Date;
  readonly endedAt: Date | null;
}

export interface PostingView extends Accounts {
  readonly kind: PostingKind;
  readonly ref: string;
  readonly postedAt: Date;
}

/** An order with everything that happened to its money and its seats. */
export interface OrderMoney {
  readonly id: string;
  readonly state: OrderState;
  readonly method: OrderMethod;
  readonly currency: string;
  readonly totalMinor: number;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
  readonly dispute: DisputeState | null;
  readonly intentId: string | null;
  readonly createdAt: Date;
  readonly postings: readonly PostingView[];
  readonly lines: readonly {
    readonly seat: number;
    readonly priceMinor: number;
    readonly feeMinor: number;
    readonly taxMinor: number;
    readonly ticket: TicketState | null;
  }[];
  readonly refunds: readonly {
    readonly id: string;
    readonly reason: RefundReason;
    readonly state: RefundState;
    readonly amountMinor: number;
    readonly seats: readonly number[];
    readonly providerId: string | null;
    readonly failure: string | null;
    readonly createdAt: Date;
    readonly settledAt: Date | null;
  }[];
  readonly steps: readonly {
    readonly step: OrderStep;
    readonly attempt: number;
    readonly tries: number;
    readonly outcome: string | null;
    readonly runAt: Date;
    readonly firstCallAt: Date | null;
    readonly finishedAt: Date | null;
  }[];
}

/** Where a page of orders begins: after this one. */
export interface OrderCursor {
  readonly createdAt: Date;
  readonly id: string;
}

/** A posting with what a person needs to know of its order. */
export interface JournalEntry extends PostingView {
  readonly orderId: string;
  readonly state: OrderState;
  readonly method: OrderMethod;
  readonly buyerName: string | null;
  readonly buyerEmail: string | null;
  readonly placedAt: Date;
  readonly currency: string;
}

const totalsSql = `
  SELECT currency, count(*) AS orders, sum(captured)::bigint AS captured, sum(refunded)::bigint AS refunded, sum(disputed)::bigint AS disputed,
         sum(clearing)::bigint AS clearing, sum(cash)::bigint AS cash, (-sum(organizer))::bigint AS organizer, (-sum(fees))::bigint AS fees,
         (-sum(tax))::bigint AS tax, sum(GREATEST(buyer, 0))::bigint AS "owedByBuyers", sum(GREATEST(-buyer, 0))::bigint AS "owedToBuyers"
  FROM (
    SELECT order_id, currency, sum(buyer) AS buyer, sum(clearing) AS clearing, sum(cash) AS cash, sum(organizer) AS organizer, sum(fees) AS fees,
           sum(tax) AS tax, COALESCE(sum(clearing + cash) FILTER (WHERE kind = 'CAPTURE'), 0) AS captured,
           COALESCE(-sum(clearing + cash) FILTER (WHERE kind IN ('PAYOUT', 'PAYOUT_FAILED')), 0) AS refunded,
           COALESCE(-sum(clearing + cash) FILTER (WHERE kind IN ('DISPUTE', 'DISPUTE_WON')), 0) AS disputed
    FROM posting WHERE event_id = $1 GROUP BY order_id, currency) o
  GROUP BY currency ORDER BY currency`;

const categoriesSql = `
  SELECT l.category, o.currency, count(*) FILTER (WHERE t.state <> 'VOID') AS tickets, count(*) FILTER (WHERE t.state = 'VOID') AS voided,
         COALESCE(sum(l.price_minor) FILTER (WHERE t.state <> 'VOID'), 0)::bigint AS prices,
         COALESCE(sum(l.fee_minor) FILTER (WHERE t.state <> 'VOID'), 0)::bigint AS fees,
         COALESCE(sum(l.tax_minor + l.fee_tax_minor) FILTER (WHERE t.state <> 'VOID'), 0)::bigint AS tax
  FROM orders o JOIN order_line l ON l.order_id = o.id JOIN ticket t ON t.order_id = l.order_id AND t.seat_index = l.seat_index
  WHERE o.event_id = $1 GROUP BY l.category, o.currency ORDER BY l.category, o.currency`;

const postingParts = accountNames.map((name) => `'${name}', p.${name}`).join(', ');

/** Orders by the instant at which they were placed, with their parts in one statement. */
const ordersSql = `
  SELECT o.id, o.state, o.method, o.currency, o.total_minor AS "totalMinor", o.captured_minor AS "capturedMinor", o.refunded_minor AS "refundedMinor",
         o.dispute, o.intent_id AS "intentId", o.created_at AS "createdAt",
    COALESCE((SELECT json_agg(json_build_object('kind', p.kind, 'ref', p.ref, 'postedAt', p.posted_at, ${postingParts}) ORDER BY p.posted_at, p.kind, p.ref)
              FROM posting p WHERE p.order_id = o.id), '[]') AS postings,
    COALESCE((SELECT json_agg(json_build_object('seat', l.seat_index, 'priceMinor', l.price_minor, 'feeMinor', l.fee_minor,
                                                'taxMinor', l.tax_minor + l.fee_tax_minor, 'ticket', t.state) ORDER BY l.seat_index)
              FROM order_line l LEFT JOIN ticket t ON t.order_id = l.order_id AND t.seat_index = l.seat_index WHERE l.order_id = o.id), '[]') AS lines,
    COALESCE((SELECT json_agg(json_build_object('id', r.id, 'reason', r.reason, 'state', r.state, 'amountMinor', r.amount_minor, 'seats', r.seats,
                                                'providerId', r.provider_id, 'failure', r.failure, 'createdAt', r.created_at,
                                                'settledAt', r.settled_at) ORDER BY r.created_at, r.id)
              FROM refund r WHERE r.order_id = o.id), '[]') AS refunds,
    COALESCE((SELECT json_agg(json_build_object('step', s.step, 'attempt', s.attempt, 'tries', s.tries, 'outcome', s.outcome, 'runAt', s.run_at,
                                                'firstCallAt', s.first_call_at, 'finishedAt', s.finished_at) ORDER BY s.finished_at, s.run_at)
              FROM (SELECT * FROM order_step WHERE order_id = o.id ORDER BY finished_at DESC LIMIT ${limits.pageItems}) s), '[]') AS steps
  FROM orders o WHERE o.event_id = $1 AND (o.created_at, o.id) > ($2, $3) ORDER BY o.created_at, o.id LIMIT $4`;

/** The page first, then the orders of its postings: nothing is read of what comes later. */
const journalSql = `
  WITH page AS MATERIALIZED (
    SELECT * FROM posting p WHERE p.event_id = $1 AND (p.posted_at, p.order_id, p.kind, p.ref) > ($2, $3, $4, $5)
    ORDER BY p.posted_at, p.order_id, p.kind, p.ref LIMIT $6)
  SELECT p.order_id AS "orderId", p.kind, p.ref, p.posted_at AS "postedAt", p.currency, ${accountNames.map((name) => `p.${name}`).join(', ')},
         o.state, o.method, o.buyer_name AS "buyerName", o.buyer_email AS "buyerEmail", o.created_at AS "placedAt"
  FROM page p JOIN orders o ON o.id = p.order_id ORDER BY p.posted_at, p.order_id, p.kind, p.ref`;

/** Before everything. */
const first = { at: new Date(0), id: '00000000-0000-0000-0000-000000000000' };

/** What became of the money of an event, from the ledger alone. */
export class MoneyReports {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;

  constructor(platform: Platform, events: EventCatalogue) {
    this.#platform = platform;
    this.#events = events;
  }

  /** The event, if this viewer may see its money. */
  async open(viewer: Viewer | null, eventId: string): Promise<PublishedEvent | Refusal> {
    if (viewer === null) return refuse('UNAUTHENTICATED');
    const event = await this.#events.published(eventId);
    if (event === null) return refuse('NOT_FOUND', { path: ['eventId'] });
    return maySteer(viewer, event.event) ? event : refuse('FORBIDDEN', { path: ['eventId'] });
  }

  totals(eventId: string): Promise<MoneyTotals[]> {
    return this.#platform.database.query(totalsSql, [eventId]);
  }

  categories(eventId: string): Promise<CategoryMoney[]> {
    return inTransaction(this.#platform.database, (manager) => queryAtLarge(manager, categoriesSql, [eventId]));
  }

  /** Those that are not over first, then the newest; bounded. */
  differences(eventId: string): Promise<FoundDifference[]> {
    return this.#platform.database.query(
      `SELECT kind, subject, order_id AS "orderId", detail, found_at AS "foundAt", seen_at AS "seenAt", ended_at AS "endedAt"
       FROM money_difference WHERE event_id = $1 ORDER BY ended_at IS NOT NULL, found_at DESC LIMIT $2`,
      [eventId, limits.pageItems],
    );
  }

  /** Up to when everything that moved at the provider has been compared; null: nothing has. */
  async comparedTo(): Promise<Date | null> {
    const rows: { at: Date | null }[] = await this.#platform.database.query(
      `SELECT min(compared_to) AS at FROM money_cursor WHERE feed IN ('events', 'movements')`,
    );
    return rows[0]?.at ?? null;
  }

  /** The next orders after a cursor, the oldest first. */
  async orders(eventId: string, count: number, after: OrderCursor | null): Promise<OrderMoney[]> {
    const rows: OrderMoney[] = await this.#platform.database.query(ordersSql, [
      eventId,
      after?.createdAt ?? first.at,
      after?.id ?? first.id,
      count,
    ]);
    return rows.map(({ postings, refunds, steps, ...order }) => ({
      postings: postings.map(({ postedAt, ...posting }) => ({ postedAt: new Date(postedAt), ...posting })),
      refunds: refunds.map(({ createdAt, settledAt, ...refund }) => ({
        createdAt: new Date(createdAt),
        settledAt: dateOf(settledAt),
        ...refund,
      })),
      steps: steps.map(({ runAt, firstCallAt, finishedAt, ...step }) => ({
        runAt: new Date(runAt),
        firstCallAt: dateOf(firstCallAt),
        finishedAt: dateOf(finishedAt),
        ...step,
      })),
      ...order,
    }));
  }

  /** Every posting, the oldest first, read a page at a time as somebody takes them. */
  async *journal(eventId: string): AsyncGenerator<JournalEntry> {
    let after: readonly [Date, string, string, string] = [first.at, first.id, '', ''];
    for (;;) {
      const page: JournalEntry[] = await this.#platform.database.query(journalSql, [
        eventId,
        ...after,
        limits.moneyReportPostings,
      ]);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < limits.moneyReportPostings) return;
      after = [last.postedAt, last.orderId, last.kind, last.ref];
    }
  }
}

/** A cursor as text and back; null: it is none. */
export const writeOrderCursor = ({ createdAt, id }: OrderCursor): string =>
  Buffer.from(`${createdAt.getTime()}.${id}`).toString('base64url');

export function readOrderCursor(text: string): OrderCursor | null {
  const [ms = '', id = ''] = Buffer.from(text, 'base64url').toString('utf8').split('.');
  const createdAt = new Date(ms === '' ? Number.NaN : Number(ms));
  return Number.isNaN(createdAt.getTime()) || !isUuid(id) ? null : { createdAt, id };
}

/** JSON has no instants. */
const dateOf = (text: unknown): Date | null => (text === null ? null : new Date(text as string));
