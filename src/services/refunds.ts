import type { EntityManager } from 'typeorm';
import { inTransaction } from '../database/transaction.js';
import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { derivedId } from '../domain/ids.js';
import type { OrderMethod, OrderState, RefundReason, RefundState } from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { PublishedEvent } from './event-catalogue.js';
import { checkIdempotencyKey } from './idempotency.js';
import { lockOrders, type OrderLedger } from './order-ledger.js';
import type { OrderReading, OrderView } from './order-reading.js';
import type { Platform, Viewer } from './platform.js';
import { maySteer } from './sales.js';

/** A line whose ticket still stands. */
interface Line {
  readonly seat: number;
  readonly priceMinor: number;
  readonly feeMinor: number;
  readonly taxMinor: number;
  readonly feeTaxMinor: number;
}

/** An order as it is under its lock. */
export interface LockedOrder {
  readonly id: string;
  readonly state: OrderState;
  readonly method: OrderMethod;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
  readonly lines: readonly Line[];
}

/** A refund that is to be. */
export interface NewRefund {
  readonly id: string;
  readonly reason: RefundReason;
  /** Places to be given up. */
  readonly seats: readonly number[];
  /** Fees stay paid. */
  readonly keepFees?: boolean;
  /** Instead of what the lines cost: a sum that the provider has paid back already, or one that is owed since an earlier refund. */
  readonly amountMinor?: number;
  readonly providerId?: string;
  readonly state?: RefundState;
}

const lockedSql = `
  SELECT o.id, o.state, o.method, o.captured_minor AS "capturedMinor", o.refunded_minor AS "refundedMinor",
    COALESCE((SELECT json_agg(json_build_object('seat', l.seat_index, 'priceMinor', l.price_minor, 'feeMinor', l.fee_minor, 'taxMinor', l.tax_minor,
                                                'feeTaxMinor', l.fee_tax_minor) ORDER BY l.seat_index)
              FROM order_line l JOIN ticket t ON t.order_id = l.order_id AND t.seat_index = l.seat_index WHERE l.order_id = o.id AND t.state = 'VALID'), '[]') AS lines
  FROM orders o WHERE o.id = $1`;

/** Takes tickets back, counts the money as given back, and says so in the ledger, at once; the order's steps do the rest. */
const grantSql = `
  WITH made AS (
    INSERT INTO refund (id, order_id, reason, amount_minor, seats, state, provider_id, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING *),
  counted AS (
    UPDATE orders o SET refunded_minor = o.refunded_minor + m.amount_minor, version = o.version + 1,
      state = CASE WHEN $9 THEN 'REFUNDING' ELSE o.state END, end_reason = CASE WHEN $9 THEN COALESCE(o.end_reason, 'CANCELED') ELSE o.end_reason END
    FROM made m WHERE o.id = m.order_id RETURNING o.id, o.event_id, o.currency),
  voided AS (UPDATE ticket t SET state = 'VOID' FROM made m WHERE t.order_id = m.order_id AND t.seat_index = ANY(m.seats)),
  taken AS (
    UPDATE seat_owner s SET state = 'RETURNING', refund_id = m.id FROM made m WHERE s.order_id = m.order_id AND s.seat_index = ANY(m.seats)),
  granted AS (
    INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, organizer, fees, tax, posted_at)
    SELECT c.id, 'GRANT', $1, c.event_id, c.currency, -$10::int, $11, $12, $13, $8 FROM counted c WHERE $10::int > 0),
  opened AS (
    INSERT INTO order_step (order_id, step, attempt, run_at)
    SELECT m.order_id, 'RETURN', 1 + (SELECT count(*) FROM order_step p WHERE p.order_id = m.order_id AND p.step = 'RETURN'), $8
    FROM made m WHERE NOT EXISTS (SELECT FROM order_step s WHERE s.order_id = m.order_id AND s.finished_at IS NULL))
  SELECT id FROM made`;

/** Takes the lock of an order and reads what of it may be given back. */
export async function lockOrder(manager: EntityManager, orderId: string): Promise<LockedOrder | null> {
  await lockOrders(manager, [orderId]);
  const rows: LockedOrder[] = await manager.query(lockedSql, [orderId]);
  return rows[0] ?? null;
}

/** Answers false where this refund had been written before. The sum that goes back is never above what came: the ledger refuses it. */
export async function grant(
  manager: EntityManager,
  order: LockedOrder,
  refund: NewRefund,
  nowMs: number,
): Promise<boolean> {
  const seats = new Set(refund.seats);
  const lines = order.lines.filter(({ seat }) => seats.has(seat));
  const sum = (of: (line: Line) => number) => lines.reduce((total, line) => total + of(line), 0);
  const fees = refund.keepFees ? 0 : sum(({ feeMinor, feeTaxMinor }) => feeMinor - feeTaxMinor);
  const tax = sum(({ taxMinor, feeTaxMinor }) => taxMinor + (refund.keepFees ? 0 : feeTaxMinor));
  const worth = sum(({ priceMinor, feeMinor }) => priceMinor + (refund.keepFees ? 0 : feeMinor));
  // Of a bill that was never paid nothing goes back; the debt for it ends.
  const unpaid = order.method === 'INVOICE' && order.capturedMinor === 0;
  const left = order.capturedMinor - order.refundedMinor;
  const amountMinor = refund.amountMinor ?? (unpaid ? 0 : Math.min(worth, left));
  const grantMinor = refund.reason === 'AGAIN' ? 0 : unpaid ? worth : amountMinor;
  const whole = seats.size > 0 && lines.length === order.lines.length;
  const rows: unknown[] = await manager.query(grantSql, [
    refund.id,
    order.id,
    refund.reason,
    amountMinor,
    [...seats],
    refund.state ?? 'REQUESTED',
    refund.providerId ?? null,
    new Date(nowMs),
    whole,
    grantMinor,
    // Whatever else the sum is about is the organizer's.
    grantMinor - fees - tax,
    fees,
    tax,
  ]);
  return rows.length > 0;
}

type Asked = { readonly orderId: string; readonly seatIds: readonly string[] | null; readonly idempotencyKey: string };

/** Money that goes back because somebody asks for it. */
export class Refunds {
  readonly #platform: Platform;
  readonly #ledger: OrderLedger;
  readonly #reading: OrderReading;

  constructor(platform: Platform, ledger: OrderLedger, reading: OrderReading) {
    this.#platform = platform;
    this.#ledger = ledger;
    this.#reading = reading;
  }

  /** For the event's organizer: the money of an order, or of some of its tickets, goes back, and their seats with it. Asking again answers the same. */
  async refund(viewer: Viewer, input: Asked): Promise<OrderView | Refusal> {
    const view = await this.#reading.steered(viewer, input.orderId);
    if (isRefusal(view)) return view;
    return this.#ask(viewer, view, input, { mutation: 'refundOrder', reason: 'ORGANIZER', keepFees: false });
  }

  /** For the buyer, within the rules of the event. */
  async returnTickets(viewer: Viewer, input: Asked): Promise<OrderView | Refusal> {
    const view = await this.#reading.owned(viewer, input.orderId);
    if (isRefusal(view)) return view;
    const { buyersReturnUntil, returnsKeepFees } = view.event.event;
    if (buyersReturnUntil === null || this.#platform.clock.nowMs() >= buyersReturnUntil.getTime())
      return refuse('RETURNS_CLOSED', { path: ['input', 'orderId'] });
    return this.#ask(viewer, view, input, { mutation: 'returnTickets', reason: 'BUYER', keepFees: returnsKeepFees });
  }

  /** For the event's organizer: pays out again what had come back. Asking again answers the same. */
  async retry(
    viewer: Viewer,
    input: { readonly refundId: string; readonly idempotencyKey: string },
  ): Promise<OrderView | Refusal> {
    const orderId = await this.#reading.orderOfRefund(input.refundId);
    const view = orderId === null ? null : await this.#reading.load(orderId);
    if (view === null) return refuse('NOT_FOUND', { path: ['input', 'refundId'], message: 'There is no such refund.' });
    if (!maySteer(viewer, view.event.event)) {
      const message = "This refund belongs to another organizer's event.";
      return refuse('FORBIDDEN', { path: ['input', 'refundId'], message });
    }
    const key = { mutation: 'retryRefund', key: input.idempotencyKey, input: input.refundId };
    const reused = await checkIdempotencyKey(this.#platform, viewer, key);
    if (reused !== null) return reused;
    const refund = view.refunds.find(({ id }) => id === input.refundId)!;
    if (refund.state !== 'FAILED')
      return refuse('ORDER_NOT_REFUNDABLE', { path: ['input', 'refundId'], state: refund.state });
    // Named after the one it replaces: however often it is asked for, it goes out once.
    const again = {
      id: derivedId('refund again', refund.id),
      reason: 'AGAIN' as const,
      seats: [],
      amountMinor: refund.amountMinor,
    };
    const refused = await this.#grant(view.order.id, (order) =>
      again.amountMinor > order.capturedMinor - order.refundedMinor
        ? refuse('ORDER_NOT_REFUNDABLE', { path: ['input', 'refundId'], state: order.state })
        : again,
    );
    const now = await this.#reading.load(view.order.id);
    // It has been asked for before: what is left says nothing against it.
    if (refused !== null && !now.refunds.some(({ id }) => id === again.id)) return refused;
    return now;
  }

  async #ask(
    viewer: Viewer,
    view: OrderView,
    input: Asked,
    kind: { readonly mutation: string; readonly reason: RefundReason; readonly keepFees: boolean },
  ): Promise<OrderView | Refusal> {
    const { orderId, seatIds, idempotencyKey: key } = input;
    const reused = await checkIdempotencyKey(this.#platform, viewer, {
      mutation: kind.mutation,
      key,
      input: [orderId, seatIds],
    });
    if (reused !== null) return reused;
    const wanted = seatIds === null ? null : seatsOf(view.event, seatIds);
    if (wanted !== null && isRefusal(wanted)) return wanted;
    const id = derivedId('refund', orderId, viewer.personId, key);
    const refused = await this.#grant(orderId, (order) => {
      const standing = order.lines.map(({ seat }) => seat);
      const seats = wanted ?? standing;
      if (order.state !== 'COMPLETED' || seats.length === 0)
        return refuse('ORDER_NOT_REFUNDABLE', { path: ['input', 'orderId'], state: order.state });
      const gone = seats.findIndex((seat) => !standing.includes(seat));
      if (gone !== -1)
        return refuse('NOT_FOUND', {
          path: ['input', 'seatIds', String(gone)],
          message: 'This order has no ticket for this seat.',
        });
      return { id, reason: kind.reason, seats, keepFees: kind.keepFees };
    });
    const now = await this.#reading.load(orderId);
    // Asked for before, by this request or for the whole order.
    if (refused !== null && (now.refunds.some((refund) => refund.id === id) || (wanted === null && isGivenBack(now))))
      return now;
    return refused ?? now;
  }

  /** Writes a refund under the order's lock. Answers why it cannot be. */
  async #grant(orderId: string, decide: (order: LockedOrder) => NewRefund | Refusal): Promise<Refusal | null> {
    const nowMs = this.#platform.clock.nowMs();
    const outcome = await inTransaction(this.#platform.database, async (manager): Promise<Refusal | boolean> => {
      const order = await lockOrder(manager, orderId);
      if (order === null) throw new Error(`order ${orderId} is gone from the ledger`);
      const refund = decide(order);
      return isRefusal(refund) ? refund : grant(manager, order, refund, nowMs);
    });
    if (isRefusal(outcome)) return outcome;
    if (outcome) {
      await this.#ledger.announce([orderId]);
      this.#ledger.wakeWorkers(['RETURN']);
    }
    return null;
  }
}

const isGivenBack = ({ order }: OrderView) => order.state === 'REFUNDING' || order.state === 'REFUNDED';

function seatsOf(event: PublishedEvent, seatIds: readonly string[]): number[] | Refusal {
  const path = ['input', 'seatIds'];
  if (seatIds.length === 0) return invalidInput(path, 'Name at least one seat, or leave it out for all.');
  if (seatIds.length > limits.seatsPerHold) return refuse('TOO_MANY_SEATS', { path, limit: limits.seatsPerHold });
  if (new Set(seatIds).size !== seatIds.length) return invalidInput(path, 'Name each seat once.');
  const indexes = seatIds.map((id) => event.hall.index.indexOf(id));
  const unknown = indexes.indexOf(null);
  if (unknown === -1) return indexes as number[];
  return refuse('NOT_FOUND', { path: [...path, String(unknown)], message: 'This hall has no such seat.' });
}
