import { In } from 'typeorm';
import { inTransaction, queryAtLarge } from '../database/transaction.js';
import { isOver, type OrderState } from '../domain/order-states.js';
import { Order } from '../entities/orders.js';
import { limits } from '../limits.js';
import type { EventRef } from '../redis/keys.js';
import { freeSeats } from '../redis/orders.js';
import { readHolders, readSeatVersion, takeReconcileTurn } from '../redis/reconciler.js';
import { snapshotSeats } from '../redis/seat-map.js';
import type { EventCatalogue } from './event-catalogue.js';
import type { InventoryService } from './inventory.js';
import type { Platform } from './platform.js';

/** A seat of which Redis and the ledger say different things. */
interface Difference {
  readonly seat: number;
  readonly letter: string;
  readonly orderId: string | null;
}

/** Seats that one store has sold and the other has not. */
const differencesSql = `
  SELECT seat, letter, o.id AS "orderId"
  FROM (SELECT i AS seat, chr(get_byte($2::bytea, i)) AS letter FROM generate_series(0, length($2::bytea) - 1) AS i) AS shown
  LEFT JOIN seat_owner s ON s.event_id = $1 AND s.seat_index = seat AND s.state IN ('ISSUED', 'RETURNING')
  LEFT JOIN orders o ON o.id = s.order_id
  WHERE CASE WHEN o.id IS NULL THEN letter = 's' ELSE letter <> 's' AND NOT (letter = 'r' AND s.state = 'RETURNING') END
  ORDER BY seat LIMIT ${limits.reconcileSeats}`;

/**
 * Compares what Redis says of the seats with what the ledger says. A step that was carried out long after it was given up has left seats
 * with an order that is over: they go back. Where the stores disagree on what is sold, the ledger is right: the event is loaded again.
 */
export class Reconciler {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;
  /** What was different at the last look, by event: a sale under way looks different for a moment. */
  readonly #suspected = new Map<string, ReadonlySet<string>>();
  /** At which version an event was last found in order. */
  readonly #clean = new Map<string, string>();

  constructor(platform: Platform, events: EventCatalogue, inventory: InventoryService) {
    this.#platform = platform;
    this.#events = events;
    this.#inventory = inventory;
  }

  /** Looks at an event if nobody has lately and anything has happened to it. */
  async visit(eventId: string): Promise<void> {
    const { redis, processId } = this.#platform;
    const suspected = this.#suspected.has(eventId);
    if (!suspected && !(await takeReconcileTurn(redis, eventId, processId))) return;
    const version = await readSeatVersion(redis, eventId);
    if (version === null || version === this.#clean.get(eventId)) return;
    if (await this.inspect(eventId)) this.#clean.set(eventId, version);
    else this.#clean.delete(eventId);
  }

  /** One look; answers whether everything was in order. */
  async inspect(eventId: string): Promise<boolean> {
    const event = await this.#events.published(eventId);
    const seats = event && (await snapshotSeats(this.#platform.redis, event.ref));
    if (event === null || seats === null) {
      this.#suspected.delete(eventId);
      return false;
    }
    const found = await inTransaction(this.#platform.database, (manager) =>
      queryAtLarge<Difference[]>(manager, differencesSql, [eventId, Buffer.from(seats.status, 'latin1')]),
    );
    const before = this.#suspected.get(eventId);
    const names = new Set(found.map(({ seat, letter, orderId }) => `${seat} ${letter} ${orderId}`));
    if (names.size > 0) this.#suspected.set(eventId, names);
    else this.#suspected.delete(eventId);
    const confirmed = [...names].filter((name) => before?.has(name));
    if (confirmed.length > 0) await this.#reload(eventId, confirmed);
    const freed = await this.#freeEnded(event.ref, seats.status);
    return names.size === 0 && freed === 0;
  }

  /** Seats in a state that only their order's next step leaves, where the order has no next step. */
  async #freeEnded(ref: EventRef, status: string): Promise<number> {
    const { redis, database, log } = this.#platform;
    const unfinished = [...status].flatMap((letter, seat) => (letter === 'h' || letter === 'r' ? [seat] : []));
    const holders = (await readHolders(redis, ref, unfinished.slice(0, limits.reconcileSeats))).filter(
      ({ state, orderId }) => orderId !== null && (state === 'ISSUING' || state === 'RETURNING'),
    );
    if (holders.length === 0) return 0;
    const orders = await database
      .getRepository(Order)
      .find({ select: { id: true, state: true }, where: { id: In(holders.map(({ orderId }) => orderId)) } });
    const states = new Map<string | null, OrderState>(orders.map(({ id, state }) => [id, state]));
    const ended = holders.filter(({ orderId }) => {
      const state = states.get(orderId);
      return state === undefined || isOver(state);
    });
    let freed = 0;
    for (const { holdId, orderId } of ended) {
      // Its own step may have given them back since they were looked at: then there is nothing to tell of.
      if ((await freeSeats(redis, { ref, holdId, orderId: orderId! })) !== 'OK') continue;
      freed += 1;
      log.error(
        { alarm: true, eventId: ref.eventId, orderId, holdId },
        'an order that is over had seats; they are free again',
      );
    }
    return freed;
  }

  async #reload(eventId: string, confirmed: readonly string[]): Promise<void> {
    this.#suspected.delete(eventId);
    this.#platform.log.error(
      { alarm: true, eventId, seats: confirmed.slice(0, limits.planErrors) },
      'Redis and the ledger disagree on what is sold; the event is loaded again',
    );
    await this.#inventory.reload(eventId);
  }
}
