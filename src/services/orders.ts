import { In } from 'typeorm';
import { inTransaction, lockInventory } from '../database/transaction.js';
import { isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { derivedId } from '../domain/ids.js';
import { decodePriceList, seatTotalMinor } from '../domain/money.js';
import { isCancelable } from '../domain/order-states.js';
import { Order, OrderLine, Ticket } from '../entities/orders.js';
import { limits } from '../limits.js';
import type { EventRef } from '../redis/keys.js';
import { confirmCheckout, freeSeats } from '../redis/orders.js';
import { checkoutHold, type StoredHold } from '../redis/seat-holds.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import { checkIdempotencyKey } from './idempotency.js';
import type { InventoryService } from './inventory.js';
import { isPaid, lockOrders, type OrderLedger } from './order-ledger.js';
import type { Platform, Viewer } from './platform.js';
import { maySteer } from './sales.js';
import { refuseHoldAction, scriptFence, splitHoldId } from './seat-holds.js';

/** An order with all its parts, as its owner sees it. */
export interface OrderView {
  readonly order: Order;
  readonly event: PublishedEvent;
  readonly lines: readonly OrderLine[];
  readonly tickets: readonly Ticket[];
}

type Bound = 'bound' | 'taken' | 'rebuilt';

/** Takes over only what nobody has paid for, and only with a newer claim. */
const bindSeatsSql = `
  INSERT INTO seat_owner (event_id, seat_index, order_id, generation, fence, state)
  SELECT $1, seat, $3, $4, $5, 'PENDING' FROM unnest($2::int[]) AS seat
  ON CONFLICT (event_id, seat_index) DO UPDATE SET order_id = excluded.order_id, generation = excluded.generation, fence = excluded.fence
    WHERE seat_owner.state = 'PENDING' AND (seat_owner.generation, seat_owner.fence) < (excluded.generation, excluded.fence)
      AND NOT EXISTS (SELECT FROM orders o WHERE o.id = seat_owner.order_id AND ${isPaid})
  RETURNING seat_index`;

/** Orders that lose seats to a newer claim are ended by their own next step. */
const displaceSql = `
  WITH told AS (
    UPDATE orders o SET end_reason = COALESCE(o.end_reason, 'LOST'), nudges = o.nudges + 1
    WHERE o.id = ANY($1) AND EXISTS (SELECT FROM order_step s WHERE s.order_id = o.id AND s.finished_at IS NULL) RETURNING o.id)
  UPDATE order_step s SET run_at = LEAST(s.run_at, $2) FROM told WHERE s.order_id = told.id AND s.finished_at IS NULL`;

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

  constructor(platform: Platform, events: EventCatalogue, inventory: InventoryService, ledger: OrderLedger) {
    this.#platform = platform;
    this.#events = events;
    this.#inventory = inventory;
    this.#ledger = ledger;
  }

  /** Moves a hold into checkout and writes the order with its first step. Nothing here waits for the provider. */
  async startCheckout(
    viewer: Viewer,
    input: { readonly holdId: string; readonly fence: string; readonly idempotencyKey: string },
  ): Promise<OrderView | Refusal> {
    const ids = splitHoldId(input.holdId);
    const event = ids && (await this.#events.published(ids.eventId));
    if (!ids || !event) return refuse('NOT_FOUND', { path: ['input', 'holdId'], message: 'There is no such hold.' });
    const { idempotencyKey: key, ...rest } = input;
    const reused = await checkIdempotencyKey(this.#platform, viewer, { mutation: 'startCheckout', key, input: rest });
    if (reused !== null) return reused;
    const orderId = derivedId('order', ids.eventId, ids.holdId);
    const action = { holdId: ids.holdId, person: viewer.personId, orderId };
    const answer = await this.#inventory.withEvent(event, (ref) =>
      checkoutHold(this.#platform.redis, ref, { ...action, fence: scriptFence(input.fence, ref) }),
    );
    if (isRefusal(answer)) return answer;
    if (answer.code !== 'OK') return (await this.#ordered(viewer, orderId)) ?? refuseHoldAction(answer, input.fence);
    if (answer.hold.state !== 'CHECKOUT') return (await this.#ordered(viewer, orderId)) ?? refuseEnded(answer.hold);
    const bound = await this.#writeOrder(event, answer.hold, orderId);
    const ref = { eventId: ids.eventId, generation: answer.hold.generation };
    if (bound === 'bound') {
      this.#ledger.wakeWorkers(['CREATE']);
      await this.#confirm(ref, answer.hold, orderId);
      return this.#load(orderId);
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
    const view = await this.#find(input.orderId);
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
      const now = await this.#load(orderId);
      if (now.order.endReason === 'CANCELED') return now;
      return refuse('ORDER_NOT_CANCELABLE', { path: ['input', 'orderId'], state: now.order.state });
    }
    await this.#ledger.announce([orderId]);
    this.#ledger.wakeWorkers(['CREATE', 'SETTLE']);
    return this.#load(orderId);
  }

  /** Gives the money of a completed order back and its seats with it, for the event's organizer. Asking again answers the same. */
  async refund(
    viewer: Viewer,
    input: { readonly orderId: string; readonly idempotencyKey: string },
  ): Promise<OrderView | Refusal> {
    const { idempotencyKey: key, orderId } = input;
    const view = await this.#find(orderId);
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
    const now = await this.#load(orderId);
    if (taken.length === 0 && now.order.state !== 'REFUNDING' && now.order.state !== 'REFUNDED')
      return refuse('ORDER_NOT_REFUNDABLE', { path: ['input', 'orderId'], state: now.order.state });
    if (taken.length > 0) {
      await this.#ledger.announce([orderId]);
      this.#ledger.wakeWorkers(['RETURN']);
    }
    return now;
  }

  async read(viewer: Viewer, id: string): Promise<OrderView | null> {
    const view = await this.#find(id);
    return view?.order.personId === viewer.personId ? view : null;
  }

  /** The newest orders of a person, bounded. */
  async ofPerson(personId: string): Promise<OrderView[]> {
    const orders = await this.#platform.database
      .getRepository(Order)
      .find({ where: { personId }, order: { createdAt: 'DESC' }, take: limits.pageItems });
    return this.#assemble(orders);
  }

  /** Several orders with all their parts, in three queries. */
  async readMany(ids: readonly string[]): Promise<OrderView[]> {
    return this.#assemble(await this.#platform.database.getRepository(Order).findBy({ id: In([...ids]) }));
  }

  async #find(id: string): Promise<OrderView | null> {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return null;
    return (await this.readMany([id]))[0] ?? null;
  }

  async #load(id: string): Promise<OrderView> {
    const view = await this.#find(id);
    if (view === null) throw new Error(`order ${id} is gone from the ledger`);
    return view;
  }

  /** An order that exists already, for a retry that came after its hold had moved on. */
  async #ordered(viewer: Viewer, orderId: string): Promise<OrderView | null> {
    const view = await this.#find(orderId);
    return view?.order.personId === viewer.personId ? view : null;
  }

  async #assemble(orders: readonly Order[]): Promise<OrderView[]> {
    if (orders.length === 0) return [];
    const orderId = In(orders.map(({ id }) => id));
    const [lines, tickets] = await Promise.all([
      this.#platform.database.getRepository(OrderLine).find({ where: { orderId }, order: { seatIndex: 'ASC' } }),
      orders.every(({ issuedAt }) => issuedAt === null)
        ? []
        : this.#platform.database.getRepository(Ticket).find({ where: { orderId }, order: { seatIndex: 'ASC' } }),
    ]);
    const views: OrderView[] = [];
    for (const order of orders) {
      const event = await this.#events.published(order.eventId);
      if (event === null) continue;
      views.push({
        order,
        event,
        lines: lines.filter((line) => line.orderId === order.id),
        tickets: tickets.filter((ticket) => ticket.orderId === order.id),
      });
    }
    return views;
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

  async #writeOrder(event: PublishedEvent, hold: StoredHold, orderId: string): Promise<Bound> {
    const { currency, prices } = decodePriceList(hold.prices);
    const categories = hold.seats.map((seat) => event.hall.categories[seat]!);
    const linePrices = categories.map((category) => prices[category]!);
    const now = new Date(this.#platform.clock.nowMs());
    const payBy = new Date(hold.payByMs!);
    const order = {
      id: orderId,
      eventId: event.ref.eventId,
      personId: hold.owner,
      holdId: hold.holdId,
      generation: hold.generation,
      fence: hold.fence,
      state: 'PAYMENT_PREPARING' as const,
      currency,
      totalMinor: linePrices.reduce((sum, price) => sum + seatTotalMinor(price), 0),
      prices: hold.prices,
      payBy,
      freeAt: new Date(payBy.getTime() + limits.settleGraceMs),
      createdAt: now,
    };
    let outcome: Bound = 'bound';
    await inTransaction(this.#platform.database, async (manager) => {
      await lockInventory(manager, order.eventId, 'shared');
      const [inventory] = await manager.query('SELECT generation FROM inventory WHERE event_id = $1', [order.eventId]);
      if (inventory.generation !== hold.generation) {
        outcome = 'rebuilt';
        return;
      }
      const inserted = await manager
        .createQueryBuilder()
        .insert()
        .into(Order)
        .values(order)
        .orIgnore()
        .returning('id')
        .execute();
      if ((inserted.raw as unknown[]).length === 0) return;
      await manager.query(
        `INSERT INTO order_line (order_id, seat_index, category, price_minor, fee_minor)
         SELECT $1, * FROM unnest($2::int[], $3::int[], $4::int[], $5::int[])`,
        [orderId, hold.seats, categories, linePrices.map((p) => p.priceMinor), linePrices.map((p) => p.feeMinor)],
      );
      const displaced: { id: string }[] = await manager.query(
        'SELECT DISTINCT order_id AS id FROM seat_owner WHERE event_id = $1 AND seat_index = ANY($2) AND order_id <> $3',
        [order.eventId, hold.seats, orderId],
      );
      const displacedIds = displaced.map(({ id }) => id);
      await lockOrders(manager, displacedIds);
      if (displacedIds.length > 0) await manager.query(displaceSql, [displacedIds, now]);
      const owned: unknown[] = await manager.query(bindSeatsSql, [
        order.eventId,
        hold.seats,
        orderId,
        hold.generation,
        hold.fence,
      ]);
      if (owned.length < hold.seats.length) throw new SeatsTaken();
      await manager.query(`INSERT INTO order_step (order_id, step, attempt, run_at) VALUES ($1, 'CREATE', 1, $2)`, [
        orderId,
        now,
      ]);
    }).catch((error) => {
      if (!(error instanceof SeatsTaken)) throw error;
      outcome = 'taken';
    });
    return outcome;
  }
}

/** A checkout that came to its end before its order was written. */
function refuseEnded({ state }: StoredHold): Refusal {
  return state === 'EXPIRED'
    ? refuse('HOLD_EXPIRED', { path: ['input', 'holdId'] })
    : refuse('HOLD_NOT_ACTIVE', { path: ['input', 'holdId'], state });
}

/** Rolls the transaction back: the ledger has given a seat to an order that has been paid. */
class SeatsTaken extends Error {}
