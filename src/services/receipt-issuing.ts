import { inTransaction } from '../database/transaction.js';
import { derivedId } from '../domain/ids.js';
import {
  creditLines,
  type ReceiptFacts,
  type ReceiptKind,
  type ReceiptLine,
  receiptNumber,
} from '../domain/receipts.js';
import { Organizer } from '../entities/accounts.js';
import { limits } from '../limits.js';
import { lockOrders } from './order-ledger.js';
import type { OrderReading, OrderView } from './order-reading.js';
import type { Platform } from './platform.js';

/** A receipt that waits for its number. */
interface Draft {
  readonly id: string;
  readonly kind: ReceiptKind;
  readonly order_id: string;
  readonly refund_id: string | null;
  readonly facts: ReceiptFacts;
  /** Earlier ones get lower numbers. */
  readonly at: Date;
}

/** Orders and refunds of one organizer that are seen to together; not all of them come to a receipt. */
interface Batch {
  readonly organizerId: string;
  readonly orderIds: readonly string[];
  readonly refundIds: readonly string[];
  readonly drafts: readonly Draft[];
}

interface DoneRefund {
  readonly id: string;
  readonly orderId: string;
  /** What the buyer was granted with it, in minor units. */
  readonly grantedMinor: number;
  readonly seats: readonly number[];
  readonly createdAt: Date;
  readonly organizerId: string;
  readonly number: number | null;
  readonly facts: ReceiptFacts | null;
}

/** An order that was refunded a moment after it was complete still gets the receipt that its credit note is about. */
const soldSql = `
  SELECT id FROM orders WHERE receipt_at IS NULL AND issued_at IS NOT NULL AND state IN ('COMPLETED', 'REFUNDING', 'REFUNDED')
    AND payment <> 'CANCELED'
  ORDER BY issued_at LIMIT $1`;

/** Only once its order was seen to: then there is a receipt, or there will be none. */
const refundedSql = `
  SELECT f.id, f.order_id AS "orderId", COALESCE(-p.buyer, 0) AS "grantedMinor", f.seats, f.created_at AS "createdAt",
         e.organizer_id AS "organizerId", r.number, r.facts
  FROM refund f JOIN orders o ON o.id = f.order_id AND o.receipt_at IS NOT NULL JOIN event e ON e.id = o.event_id
  LEFT JOIN receipt r ON r.order_id = o.id AND r.kind = 'RECEIPT'
  LEFT JOIN posting p ON p.order_id = f.order_id AND p.kind = 'GRANT' AND p.ref = f.id::text
  WHERE f.receipt_at IS NULL AND f.done
  ORDER BY f.created_at LIMIT $1`;

/**
 * Numbers drafts. The caller holds the organizer's counters, so nobody else numbers meanwhile, and whatever was written before is seen here:
 * a number is given to what is written with it and to nothing else.
 */
const numberSql = `
  WITH input AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, kind text, order_id uuid, refund_id uuid, facts jsonb, at timestamptz)),
  fresh AS (
    SELECT i.*, row_number() OVER (PARTITION BY i.kind ORDER BY i.at, i.id) AS place FROM input i
    WHERE NOT EXISTS (SELECT FROM receipt r WHERE r.id = i.id)),
  written AS (
    INSERT INTO receipt (id, organizer_id, kind, number, order_id, refund_id, facts, issued_at, mail, mail_at)
    SELECT f.id, $2, f.kind, CASE WHEN f.kind <> 'CONFIRMATION' THEN c.last + f.place END, f.order_id, f.refund_id, f.facts, $3,
           CASE WHEN mailed THEN 'WAITING' END, CASE WHEN mailed THEN $3::timestamptz END
    FROM fresh f JOIN receipt_counter c ON c.organizer_id = $2 AND c.kind = f.kind
    CROSS JOIN LATERAL (SELECT $4 AND f.facts->'buyer'->>'email' IS NOT NULL AS mailed) AS m
    RETURNING id, kind, mail),
  counted AS (
    UPDATE receipt_counter c SET last = c.last + (SELECT count(*) FROM written w WHERE w.kind = c.kind) WHERE c.organizer_id = $2)
  SELECT id FROM written WHERE mail IS NOT NULL`;

/** One call for all of them: each call tells the workers by a NOTIFY, and commits that carry one wait for each other. */
const addJobsSql = `
  SELECT FROM graphile_worker.add_jobs(ARRAY(
    SELECT json_populate_recordset(NULL::graphile_worker.job_spec, $1::json)))`;

/**
 * Gives what was sold a receipt and what was given back a credit note, numbered without gaps for each organizer, and has them mailed. It looks for
 * them by itself, a moment later: nothing of it is on the path of an order. Every process may do it at any moment.
 */
export class ReceiptIssuing {
  readonly #platform: Platform;
  readonly #reading: OrderReading;

  constructor(platform: Platform, reading: OrderReading) {
    this.#platform = platform;
    this.#reading = reading;
  }

  /** One round, bounded; answers whether there may be more. */
  async issueDue(): Promise<boolean> {
    const sold = await this.#sold();
    const refunded = await this.#refunded();
    for (const batch of [...sold.batches, ...refunded.batches]) await this.#issue(batch);
    return sold.found === limits.receiptBatch || refunded.found === limits.receiptBatch;
  }

  async #sold(): Promise<{ found: number; batches: Batch[] }> {
    const due: { id: string }[] = await this.#platform.database.query(soldSql, [limits.receiptBatch]);
    if (due.length === 0) return { found: 0, batches: [] };
    const views = await this.#reading.readMany(due.map(({ id }) => id));
    const byOrganizer = groupBy(views, ({ event }) => event.event.organizerId);
    const organizers = await this.#platform.database
      .createQueryBuilder(Organizer, 'organizer')
      .where('organizer.id = ANY(:ids)', { ids: [...byOrganizer.keys()] })
      .getMany();
    const batches = organizers.map((organizer) => {
      const own = byOrganizer.get(organizer.id)!;
      const drafts = own.flatMap((view) => draftOf(view, organizer));
      const orderIds = own.map(({ order }) => order.id);
      return { organizerId: organizer.id, orderIds, refundIds: [], drafts };
    });
    return { found: due.length, batches };
  }

  async #refunded(): Promise<{ found: number; batches: Batch[] }> {
    const due: DoneRefund[] = await this.#platform.database.query(refundedSql, [limits.receiptBatch]);
    const batches = [...groupBy(due, ({ organizerId }) => organizerId)].map(([organizerId, refunds]) => ({
      organizerId,
      orderIds: [...new Set(refunds.map(({ orderId }) => orderId))],
      refundIds: refunds.map(({ id }) => id),
      drafts: refunds.flatMap(creditOf),
    }));
    return { found: due.length, batches };
  }

  /** Writes a batch and the jobs that mail it, or nothing of it. Orders are locked before counters, everywhere. */
  async #issue({ organizerId, orderIds, refundIds, drafts }: Batch): Promise<void> {
    const { database, clock, mailer } = this.#platform;
    await inTransaction(database, async (manager) => {
      await lockOrders(manager, orderIds);
      const now = new Date(clock.nowMs());
      if (drafts.length > 0) {
        const kinds = ['CONFIRMATION', 'CREDIT_NOTE', 'RECEIPT'];
        await manager.query(
          'INSERT INTO receipt_counter (organizer_id, kind) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING',
          [organizerId, kinds],
        );
        await manager.query('SELECT FROM receipt_counter WHERE organizer_id = $1 ORDER BY kind FOR UPDATE', [
          organizerId,
        ]);
        const toMail: { id: string }[] = await manager.query(numberSql, [
          JSON.stringify(drafts),
          organizerId,
          now,
          mailer.enabled,
        ]);
        if (toMail.length > 0) await manager.query(addJobsSql, [JSON.stringify(toMail.map(({ id }) => mailJob(id)))]);
      }
      await manager.query('UPDATE orders SET receipt_at = $2 WHERE id = ANY($1) AND receipt_at IS NULL', [
        orderIds,
        now,
      ]);
      await manager.query('UPDATE refund SET receipt_at = $2 WHERE id = ANY($1) AND receipt_at IS NULL', [
        refundIds,
        now,
      ]);
    });
  }
}

const mailJob = (id: string) => ({
  identifier: 'receipt',
  payload: { receiptId: id },
  job_key: `receipt:${id}`,
  max_attempts: limits.receiptMailAttempts,
});

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

/** None of a free order that nobody is to be told of. */
function draftOf({ order, event, lines }: OrderView, { name, legalName, address, taxId }: Organizer): Draft[] {
  const isFree = order.totalMinor === 0;
  if (isFree && order.buyerEmail === null) return [];
  const { name: eventName, startsAt, timeZone } = event.event;
  const draft: Draft = {
    id: derivedId('receipt', order.id),
    kind: isFree ? 'CONFIRMATION' : 'RECEIPT',
    order_id: order.id,
    refund_id: null,
    at: order.issuedAt!,
    facts: {
      orderId: order.id,
      currency: order.currency,
      seller: { name: legalName ?? name, address, taxId },
      buyer: { email: order.buyerEmail, name: order.buyerName, address: order.buyerAddress },
      event: { name: eventName, startsAt: startsAt.toISOString(), timeZone },
      lines: lines.map((line): ReceiptLine => {
        const { priceMinor, discountMinor, feeMinor, taxMinor, feeTaxMinor, taxBasisPoints } = line;
        const description = event.hall.index.nameOf(line.seatIndex);
        const amounts = { priceMinor, discountMinor, feeMinor, taxMinor, feeTaxMinor, taxBasisPoints };
        return { seat: line.seatIndex, description, ...amounts };
      }),
      refersTo: null,
    },
  };
  return [draft];
}

/**
 * About what a buyer was granted, whatever has become of the money: it may come back and be sent once more, or never have come. None where there was no
 * receipt, or nothing granted.
 */
function creditOf({ id, orderId, grantedMinor, seats, createdAt, number, facts }: DoneRefund): Draft[] {
  if (facts === null || number === null || grantedMinor === 0) return [];
  const lines = creditLines(facts.lines, { seats, amountMinor: grantedMinor });
  const changed = { lines, refersTo: receiptNumber('RECEIPT', number) };
  const credit = { id: derivedId('credit note', id), kind: 'CREDIT_NOTE', order_id: orderId, refund_id: id } as const;
  return [{ at: createdAt, facts: { ...facts, ...changed }, ...credit }];
}
