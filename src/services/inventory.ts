import { inTransaction, lockInventory } from '../database/transaction.js';
import { type Refusal, refuse } from '../domain/errors.js';
import { categoryOf, seatRuns } from '../domain/layout.js';
import { Event, Inventory, LayoutVersion } from '../entities/events.js';
import { limits } from '../limits.js';
import { redisRunId } from '../redis/connections.js';
import { freezeEvent, type InventoryImage, type LedgerHold, loadInventory, readEpoch } from '../redis/inventory.js';
import type { EventRef } from '../redis/seat-holds.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import { lockOrders } from './order-ledger.js';
import type { Platform } from './platform.js';

interface OpenOrderRow {
  readonly id: string;
  readonly holdId: string;
  readonly personId: string;
  readonly fence: number;
  readonly state: string;
  readonly prices: string;
  readonly payBy: Date;
  readonly freeAt: Date;
  readonly seats: number[];
}

/**
 * Keeps Redis and the ledger on the same generation. What Redis says is trusted only while it is the server the
 * event was loaded on; otherwise the event is frozen and loaded again from the ledger, under the next generation.
 */
export class InventoryService {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #running = new Map<string, Promise<void>>();

  constructor(platform: Platform, events: EventCatalogue) {
    this.#platform = platform;
    this.#events = events;
  }

  /** Compares every published event with the running Redis and rebuilds what differs. Called on every connect, before the first claim. */
  async verifyAll(): Promise<void> {
    const runId = await redisRunId(this.#platform.redis);
    const events = await this.#platform.database.getRepository(Event).find({
      select: { id: true },
      where: [{ state: 'PUBLISHED' }, { state: 'CLOSED' }],
      take: limits.openEvents,
    });
    for (const { id } of events) {
      const epoch = await readEpoch(this.#platform.redis, id);
      const inventory = await this.#platform.database.getRepository(Inventory).findOneByOrFail({ eventId: id });
      if (epoch?.runId !== runId || epoch.generation !== inventory.generation) await this.rebuild(id);
    }
  }

  /** What a script's WRONG_EPOCH means for the caller: somebody rebuilds, or we do; either way: come back in a moment. */
  async wrongEpoch(eventId: string): Promise<Refusal<'REBUILDING'>> {
    this.#events.forget(eventId);
    const fresh = await this.#events.published(eventId);
    const epoch = await readEpoch(this.#platform.redis, eventId);
    if (fresh !== null && epoch?.generation !== fresh.ref.generation) {
      void this.rebuild(eventId).catch((error) => this.#platform.log.error({ err: error, eventId }, 'rebuild failed'));
    }
    return refuse('REBUILDING', { retryAfterMs: 500 });
  }

  /** Runs an action with the event's present generation, and once more if that generation had just ended. */
  async withEvent<T extends { readonly code: string }>(
    event: PublishedEvent,
    act: (ref: EventRef) => Promise<T>,
  ): Promise<T | Refusal<'REBUILDING'>> {
    const answer = await act(event.ref);
    if (answer.code !== 'WRONG_EPOCH') return answer;
    const refusal = await this.wrongEpoch(event.ref.eventId);
    const fresh = await this.#events.published(event.ref.eventId);
    if (fresh === null || fresh.ref.generation === event.ref.generation) return refusal;
    const again = await act(fresh.ref);
    return again.code === 'WRONG_EPOCH' ? refusal : again;
  }

  /** Loads an event into Redis from the ledger under generation + 1. Only one process does it at a time; the others wait and find it done. */
  rebuild(eventId: string): Promise<void> {
    const running = this.#running.get(eventId);
    if (running !== undefined) return running;
    const rebuilding = this.#rebuild(eventId).finally(() => this.#running.delete(eventId));
    this.#running.set(eventId, rebuilding);
    return rebuilding;
  }

  async #rebuild(eventId: string): Promise<void> {
    const { database, redis, log } = this.#platform;
    const startedMs = this.#platform.clock.nowMs();
    const generation = await inTransaction(database, async (manager) => {
      await lockInventory(manager, eventId, 'exclusive');
      const runId = await redisRunId(redis);
      const inventory = await manager.findOneByOrFail(Inventory, { eventId });
      const epoch = await readEpoch(redis, eventId);
      if (epoch !== null && epoch.runId === runId && epoch.generation === inventory.generation)
        return inventory.generation;
      await freezeEvent(redis, eventId);
      inventory.generation += 1;
      await manager.save(inventory);
      const event = await manager.findOneByOrFail(Event, { id: eventId });
      const layout = await manager.findOneByOrFail(LayoutVersion, { eventId, version: inventory.layoutVersion });
      const orders: OpenOrderRow[] = await manager.query(openOrdersSql, [eventId]);
      await lockOrders(
        manager,
        orders.map(({ id }) => id),
      );
      const grantedUntilMs = this.#platform.clock.nowMs() + limits.checkoutTtlMs;
      await manager.query(regrantSql, [eventId, inventory.generation, new Date(grantedUntilMs), limits.settleGraceMs]);
      const image = await this.#image(inventory, event, layout, {
        orders,
        runId,
        grantedUntilMs,
        notBeforeMs: epoch?.lastNowMs ?? 0,
      });
      const sold: { personId: string; category: number; seatIndex: number; minor: number; minute: number }[] =
        await manager.query(soldSql, [eventId]);
      await loadInventory(redis, withSold(image, sold));
      return inventory.generation;
    });
    await this.#events.changed(eventId);
    log.info({ eventId, generation, tookMs: this.#platform.clock.nowMs() - startedMs }, 'inventory loaded');
  }

  async #image(
    inventory: Inventory,
    event: Event,
    layout: LayoutVersion,
    open: {
      readonly orders: readonly OpenOrderRow[];
      readonly runId: string;
      readonly grantedUntilMs: number;
      readonly notBeforeMs: number;
    },
  ): Promise<InventoryImage> {
    const { document } = layout;
    const categoryCount = document.categories.length;
    const runs: number[][] = Array.from({ length: categoryCount }, () => []);
    for (const run of seatRuns(document)) runs[run.category]!.push(run.start, run.length);
    const standing: number[][] = Array.from({ length: categoryCount }, () => []);
    for (const section of document.sections) {
      for (const area of section.standing) standing[area.category]!.push(area.firstSeat, area.count);
    }
    return {
      eventId: event.id,
      generation: inventory.generation,
      runId: open.runId,
      layoutVersion: inventory.layoutVersion,
      opensAtMs: event.saleOpensAt.getTime(),
      closed: event.state === 'CLOSED',
      line: { admitPerSecond: event.admitPerSecond, activeCap: event.activeCap, waitingRoom: event.waitingRoom },
      status: '.'.repeat(document.seatCount),
      categories: categoryOf(document),
      runs,
      standing,
      holds: open.orders.map((order) => ledgerHold(order, open.grantedUntilMs)),
      soldByPerson: new Map(),
      revenue: new Map(),
      minutes: new Map(),
      notBeforeMs: open.notBeforeMs,
      // Above every fence the ledger knows, so that a newer claim is newer by its fence too.
      firstVersion: 1 + Math.max(0, ...open.orders.map((order) => order.fence)),
    };
  }
}

function ledgerHold(order: OpenOrderRow, grantedUntilMs: number): LedgerHold {
  const payByMs = Math.max(order.payBy.getTime(), grantedUntilMs);
  return {
    holdId: order.holdId,
    orderId: order.id,
    person: order.personId,
    fence: order.fence,
    state: order.state === 'ISSUING' ? 'ISSUING' : 'CHECKOUT',
    seats: order.seats,
    prices: order.prices,
    payByMs,
    freeAtMs: payByMs + limits.settleGraceMs,
  };
}

/** Orders that have seats but no tickets yet. */
const openOrdersSql = `
  SELECT o.id, o.hold_id AS "holdId", o.person_id AS "personId", o.fence, o.state, o.prices, o.pay_by AS "payBy", o.free_at AS "freeAt",
         array_agg(s.seat_index ORDER BY s.seat_index) AS seats
  FROM orders o JOIN seat_owner s ON s.order_id = o.id AND s.state = 'PENDING'
  WHERE o.event_id = $1
  GROUP BY o.id`;

/** A buyer whose checkout lived through the loss of Redis gets its time again. */
const regrantSql = `
  WITH moved AS (
    UPDATE orders o SET generation = $2, pay_by = GREATEST(o.pay_by, $3), free_at = GREATEST(o.pay_by, $3) + make_interval(secs => $4 / 1000.0),
           version = o.version + 1
    WHERE o.event_id = $1 AND EXISTS (SELECT FROM seat_owner s WHERE s.order_id = o.id AND s.state = 'PENDING')
    RETURNING o.id)
  UPDATE seat_owner s SET generation = $2 FROM moved WHERE s.order_id = moved.id`;

const soldSql = `
  SELECT o.person_id AS "personId", l.category, s.seat_index AS "seatIndex", l.price_minor + l.fee_minor AS minor,
         floor(extract(epoch FROM o.issued_at) / 60)::int AS minute
  FROM seat_owner s JOIN orders o ON o.id = s.order_id JOIN order_line l ON l.order_id = s.order_id AND l.seat_index = s.seat_index
  WHERE s.event_id = $1 AND s.state = 'ISSUED'`;

function withSold(
  image: InventoryImage,
  sold: readonly { personId: string; category: number; seatIndex: number; minor: number; minute: number }[],
): InventoryImage {
  const status = [...image.status];
  const soldByPerson = new Map<string, number>();
  const revenue = new Map<number, number>();
  const minutes = new Map<string, number>();
  const add = <K>(map: Map<K, number>, key: K, by: number) => map.set(key, (map.get(key) ?? 0) + by);
  const latest = sold.reduce((minute, row) => Math.max(minute, row.minute), 0);
  for (const row of sold) {
    status[row.seatIndex] = 's';
    add(soldByPerson, row.personId, 1);
    add(revenue, row.category, row.minor);
    if (row.minute <= latest - limits.salesMinutes) continue;
    add(minutes, `${row.minute}:sold`, 1);
    add(minutes, `${row.minute}:revenue`, row.minor);
  }
  return { ...image, status: status.join(''), soldByPerson, revenue, minutes };
}
