import { inTransaction } from '../database/transaction.js';
import { type Buyer, checkBuyer, type Said } from '../domain/contacts.js';
import { isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { derivedId } from '../domain/ids.js';
import { isCancelable } from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { EventRef } from '../redis/keys.js';
import { confirmCheckout, freeSeats } from '../redis/orders.js';
import { checkoutHold, type StoredHold } from '../redis/seat-holds.js';
import type { EventCatalogue } from './event-catalogue.js';
import { checkIdempotencyKey } from './idempotency.js';
import type { InventoryService } from './inventory.js';
import { lockOrders, type OrderLedger } from './order-ledger.js';
import { OrderPlacing } from './order-placing.js';
import type { OrderReading, OrderView } from './order-reading.js';
import type { Platform, Viewer } from './platform.js';
import { maySteer } from './sales.js';
import { refuseHoldAction, scriptFence, splitHoldId } from './seat-holds.js';

const cancelSql = `
  WITH asked AS (
    UPDATE orders SET end_reason = COALESCE(end_reason, 'CANCELED'), nudges = nudges + 1, state = 'CANCELING', version = version + 1
    WHERE id = $1 AND state = ANY($2) RETURNING id),
  woken AS (
    UPDATE order_step s SET run_at = LEAST(s.run_at, $3) FROM asked a WHERE s.order_id = a.id AND s.finished_at IS NULL)
  SELECT id FROM asked`;

/** Takes a sale back: from here on its tickets open no door, and its seats are on their way back. */
const refundSql = `
  WITH taken AS (
    UPDATE orders SET state = 'REFUNDING', end_reason = COALESCE(end_reason, 'CANCELED'), version = version + 1
    WHERE id = $1 AND state = 'COMPLETED' RETURNING id),
  voided AS (UPDATE ticket t SET state = 'VOID' FROM taken WHERE t.order_id = taken.id),
  opened AS (INSERT INTO order_step (order_id, step, attempt, run_at) SELECT id, 'RETURN', 1, $2 FROM taken)
  SELECT id FROM taken`;

export class Orders {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;
  readonly #ledger: OrderLedger;
  readonly #reading: OrderReading;
  readonly #placing: OrderPlacing;

  constructor(
    platform: Platform,
    parts: {
      readonly events: EventCatalogue;
      readonly inventory: InventoryService;
      readonly ledger: OrderLedger;
      readonly reading: OrderReading;
    },
  ) {
    this.#platform = platform;
    this.#events = parts.events;
    this.#inventory = parts.inventory;
    this.#ledger = parts.ledger;
    this.#reading = parts.reading;
    this.#placing = new OrderPlacing(platform);
  }

  /** Moves a hold into checkout and writes the order with its first step. Nothing here waits for the provider. */
  async startCheckout(
    viewer: Viewer,
    input: {
      readonly holdId: string;
      readonly fence: string;
      readonly idempotencyKey: string;
      readonly buyer?: Said<Buyer> | null;
    },
  ): Promise<OrderView | Refusal> {
    const buyer = checkBuyer('input.buyer', input.buyer ?? {});
    if (isRefusal(buyer)) return buyer;
    const ids = splitHoldId(input.holdId);
    const event = ids && (await this.#events.published(ids.eventId));
    if (!ids || !event) return refuse('NOT_FOUND', { path: ['input', 'holdId'], message: 'There is no such hold.' });
    const { idempotencyKey: key, holdId, fence } = input;
    const asked = { holdId, fence, ...(input.buyer && { buyer }) };
    const reused = await checkIdempotencyKey(this.#platform, viewer, { mutation: 'startCheckout', key, input: asked });
    if (reused !== null) return reused;
    const orderId = derivedId('order', ids.eventId, ids.holdId);
    const action = { holdId: ids.holdId, person: viewer.personId, orderId };
    const answer = await this.#inventory.withEvent(event, (ref) =>
      checkoutHold(this.#platform.redis, ref, { fence: scriptFence(input.fence, ref), ...action }),
    );
    if (isRefusal(answer)) return answer;
    if (answer.code !== 'OK') return (await this.#ordered(viewer, orderId)) ?? refuseHoldAction(answer, input.fence);
    if (answer.hold.state !== 'CHECKOUT') return (await this.#ordered(viewer, orderId)) ?? refuseEnded(answer.hold);
    const bound = await this.#placing.place(event, answer.hold, {
      orderId,
      buyer: { name: buyer.name, address: buyer.address, email: buyer.email ?? viewer.email },
    });
    const ref = { eventId: ids.eventId, generation: answer.hold.generation };
    if (bound === 'bound') {
      this.#ledger.wakeWorkers(['CREATE']);
      await this.#confirm(ref, answer.hold, orderId);
      return this.#reading.load(orderId);
    }
    await freeSeats(this.#platform.redis, { ref, holdId: ids.holdId, orderId });
    if (bound === 'rebuilt') return refuse('HOLD_LOST', { path: ['input', 'holdId'] });
    return refuse('SEATS_UNAVAILABLE', { path: ['input', 'holdId'], seatIds: [] });
  }

  /** Calls an unpaid order off. Asking again answers the same. */
  async cancel(
    viewer: Viewer,
    input: { readonly orderId: string; readonly idempotencyKey: string },
  ): Promise<OrderView | Refusal> {
    const view = await this.#reading.find(input.orderId);
    if (view === null) return refuse('NOT_FOUND', { path: ['input', 'orderId'], message: 'There is no such order.' });
    if (view.order.personId !== viewer.personId) {
      return refuse('FORBIDDEN', { path: ['input', 'orderId'], message: 'This order belongs to somebody else.' });
    }
    const { idempotencyKey: key, orderId } = input;
    const reused = await checkIdempotencyKey(this.#platform, viewer, { mutation: 'cancelOrder', key, input: orderId });
    if (reused !== null) return reused;
    if (view.order.endReason === 'CANCELED') return view;
    const states = ['PAYMENT_PREPARING', 'AWAITING_PAYMENT', 'PAYMENT_DELAYED'];
    const asked = isCancelable(view.order.state)
      ? await inTransaction(this.#platform.database, async (manager): Promise<unknown[]> => {
          await lockOrders(manager, [orderId]);
          return manager.query(cancelSql, [orderId, states, new Date(this.#platform.clock.nowMs())]);
        })
      : [];
    if (asked.length === 0) {
      const now = await this.#reading.load(orderId);
      if (now.order.endReason === 'CANCELED') return now;
      return refuse('ORDER_NOT_CANCELABLE', { path: ['input', 'orderId'], state: now.order.state });
    }
    await this.#ledger.announce([orderId]);
    this.#ledger.wakeWorkers(['CREATE', 'SETTLE']);
    return this.#reading.load(orderId);
  }

  /** Gives the money of a completed order back and its seats with it, for the event's organizer. Asking again answers the same. */
  async refund(
    viewer: Viewer,
    input: { readonly orderId: string; readonly idempotencyKey: string },
  ): Promise<OrderView | Refusal> {
    const { idempotencyKey: key, orderId } = input;
    const view = await this.#reading.find(orderId);
    if (view === null) return refuse('NOT_FOUND', { path: ['input', 'orderId'], message: 'There is no such order.' });
    if (!maySteer(viewer, view.event.event)) {
      const message = "This order belongs to another organizer's event.";
      return refuse('FORBIDDEN', { path: ['input', 'orderId'], message });
    }
    const reused = await checkIdempotencyKey(this.#platform, viewer, { mutation: 'refundOrder', key, input: orderId });
    if (reused !== null) return reused;
    const taken = await inTransaction(this.#platform.database, async (manager): Promise<unknown[]> => {
      await lockOrders(manager, [orderId]);
      return manager.query(refundSql, [orderId, new Date(this.#platform.clock.nowMs())]);
    });
    const now = await this.#reading.load(orderId);
    if (taken.length === 0 && now.order.state !== 'REFUNDING' && now.order.state !== 'REFUNDED')
      return refuse('ORDER_NOT_REFUNDABLE', { path: ['input', 'orderId'], state: now.order.state });
    if (taken.length > 0) {
      await this.#ledger.announce([orderId]);
      this.#ledger.wakeWorkers(['RETURN']);
    }
    return now;
  }

  async read(viewer: Viewer, id: string): Promise<OrderView | null> {
    const view = await this.#reading.find(id);
    return view?.order.personId === viewer.personId ? view : null;
  }

  /** The newest orders of a person, bounded. */
  ofPerson(personId: string): Promise<OrderView[]> {
    return this.#reading.ofPerson(personId);
  }

  /** An order that exists already, for a retry that came after its hold had moved on. */
  async #ordered(viewer: Viewer, orderId: string): Promise<OrderView | null> {
    const view = await this.#reading.find(orderId);
    return view?.order.personId === viewer.personId ? view : null;
  }

  /** The order is committed: its seats stay until payBy. Should this fail, the order's first step does it. */
  async #confirm(ref: EventRef, hold: StoredHold, orderId: string): Promise<void> {
    const { holdId, payByMs } = hold;
    const freeAtMs = payByMs! + limits.settleGraceMs;
    const order = { ref, holdId, orderId, payByMs: payByMs!, freeAtMs };
    await confirmCheckout(this.#platform.redis, order).catch((error) =>
      this.#platform.log.warn({ err: error, orderId }, 'a checkout could not be confirmed yet'),
    );
  }
}

/** A checkout that came to its end before its order was written. */
function refuseEnded({ state }: StoredHold): Refusal {
  return state === 'EXPIRED'
    ? refuse('HOLD_EXPIRED', { path: ['input', 'holdId'] })
    : refuse('HOLD_NOT_ACTIVE', { path: ['input', 'holdId'], state });
}
