import type { EntityManager } from 'typeorm';
import { inTransaction, lockInventory } from '../database/transaction.js';
import type { Buyer } from '../domain/contacts.js';
import { decodePriceList, seatTotalMinor } from '../domain/money.js';
import type { OrderMethod } from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { StoredHold } from '../redis/seat-holds.js';
import { Batcher } from './batcher.js';
import type { PublishedEvent } from './event-catalogue.js';
import { isPaid, lockOrders } from './order-ledger.js';
import type { Platform } from './platform.js';

/**
 * Bound, now or before; taken: the ledger has given a seat to an order that has been paid; rebuilt: the hold is of another generation, or has
 * been over for so long that the use of its code was given back.
 */
export type Bound = 'bound' | 'taken' | 'rebuilt';

/** Under which id an order is placed, how it is paid, and whom its receipt is made out to. */
interface OrderBy {
  readonly orderId: string;
  readonly method: OrderMethod;
  readonly buyer: Buyer;
}

/** What an order is written from. */
interface NewOrder {
  readonly id: string;
  readonly event_id: string;
  readonly person_id: string;
  readonly hold_id: string;
  readonly generation: number;
  readonly fence: number;
  readonly method: OrderMethod;
  readonly currency: string;
  readonly total_minor: number;
  readonly prices: string;
  readonly code_id: string | null;
  readonly pay_by: Date;
  readonly free_at: Date;
  readonly buyer_email: string | null;
  readonly buyer_name: string | null;
  readonly buyer_address: string | null;
  readonly lines: readonly {
    readonly seat: number;
    readonly category: number;
    readonly price: number;
    readonly fee: number;
    readonly tax: number;
    readonly fee_tax: number;
    readonly tax_rate: number;
    readonly discount: number;
  }[];
}

/** Orders of the present generation, with their lines; of those with a code, the ones for which a use of it is reserved. */
const inputSql = `
  input AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(
      id uuid, event_id uuid, person_id text, hold_id uuid, generation int, fence bigint, method text, currency text, total_minor int, prices text,
      code_id uuid, pay_by timestamptz, free_at timestamptz, buyer_email text, buyer_name text, buyer_address text, lines jsonb)),
  reserved AS (
    SELECT u.order_id FROM code_use u JOIN input i ON i.id = u.order_id AND i.code_id = u.code_id
    WHERE i.code_id IS NOT NULL FOR UPDATE OF u),
  present AS (
    SELECT i.* FROM input i JOIN inventory v ON v.event_id = i.event_id AND v.generation = i.generation
    WHERE i.code_id IS NULL OR i.id IN (SELECT order_id FROM reserved)),
  wanted AS (
    SELECT p.id, p.event_id, p.generation, p.fence, l.* FROM present p
    CROSS JOIN LATERAL jsonb_to_recordset(p.lines) AS l(
      seat int, category int, price int, fee int, tax int, fee_tax int, tax_rate int, discount int))`;

/** An order, its lines and its first step. One that is there already stays as it is. */
const writtenSql = (from: string) => `
  written AS (
    INSERT INTO orders (id, event_id, person_id, hold_id, generation, fence, state, method, currency, total_minor, prices, code_id, pay_by, free_at,
      buyer_email, buyer_name, buyer_address, created_at)
    SELECT id, event_id, person_id, hold_id, generation, fence, 'PAYMENT_PREPARING', method, currency, total_minor, prices, code_id, pay_by, free_at,
      buyer_email, buyer_name, buyer_address, $2
    FROM ${from} ON CONFLICT DO NOTHING RETURNING id),
  listed AS (
    INSERT INTO order_line (order_id, seat_index, category, price_minor, fee_minor, tax_minor, fee_tax_minor, tax_basis_points, discount_minor)
    SELECT id, seat, category, price, fee, tax, fee_tax, tax_rate, discount FROM wanted JOIN written USING (id)),
  kept AS (UPDATE code_use u SET expires_at = NULL FROM reserved r JOIN written w ON w.id = r.order_id WHERE u.order_id = r.order_id),
  opened AS (INSERT INTO order_step (order_id, step, attempt, run_at) SELECT id, 'CREATE', 1, $2 FROM written)`;

/** Orders whose seats nobody else has in the ledger. A seat that somebody gets at this very moment breaks it as a whole. */
const placeManySql = `
  WITH ${inputSql},
  taken AS (SELECT w.id FROM wanted w JOIN seat_owner s ON s.event_id = w.event_id AND s.seat_index = w.seat WHERE s.order_id <> w.id),
  free AS (SELECT * FROM present WHERE id NOT IN (SELECT id FROM taken)),
  ${writtenSql('free')},
  owned AS (
    INSERT INTO seat_owner (event_id, seat_index, order_id, generation, fence, state)
    SELECT event_id, seat, id, generation, fence, 'PENDING' FROM wanted JOIN written USING (id) ORDER BY event_id, seat)
  SELECT i.id, p.id IS NOT NULL AS present, f.id IS NOT NULL AS free FROM input i LEFT JOIN present p USING (id) LEFT JOIN free f USING (id)`;

const placeOneSql = `
  WITH ${inputSql}, ${writtenSql('present')}
  SELECT (SELECT count(*) FROM present)::int AS present, (SELECT count(*) FROM written)::int AS written`;

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

/**
 * Writes new orders with their lines, seats and first steps. In the minute in which everybody comes, those that come while others are being
 * written go into one transaction. Whose seats are still somebody else's in the ledger is written alone, since that ends other orders.
 */
export class OrderPlacing {
  readonly #platform: Platform;
  readonly #placer: Batcher<NewOrder, ReadonlyMap<string, Bound | 'alone'>>;

  constructor(platform: Platform) {
    this.#platform = platform;
    this.#placer = new Batcher(limits.stepBatch, (orders) => this.#placeMany(orders));
  }

  async place(event: PublishedEvent, hold: StoredHold, by: OrderBy): Promise<Bound> {
    const order = newOrder(event, hold, by);
    const bound = (await this.#placer.submit(order)).get(by.orderId)!;
    return bound === 'alone' ? this.#placeAlone(order) : bound;
  }

  async #placeMany(submitted: readonly NewOrder[]): Promise<ReadonlyMap<string, Bound | 'alone'>> {
    // A buyer who asks twice is in one batch with himself.
    const orders = [...new Map(submitted.map((order) => [order.id, order])).values()];
    const placing = inTransaction(this.#platform.database, async (manager) => {
      for (const eventId of [...new Set(orders.map(({ event_id }) => event_id))].sort())
        await lockInventory(manager, eventId, 'shared');
      return manager.query<{ id: string; present: boolean; free: boolean }[]>(placeManySql, this.#parameters(orders));
    });
    const rows = await placing.catch((error: { readonly code?: string }) => {
      if (!contended.has(error.code ?? '') && !error.code?.startsWith('22')) throw error;
      return [];
    });
    const bound = new Map<string, Bound | 'alone'>(orders.map(({ id }) => [id, 'alone']));
    for (const { id, present, free } of rows) if (!present || free) bound.set(id, present ? 'bound' : 'rebuilt');
    return bound;
  }

  async #placeAlone(order: NewOrder): Promise<Bound> {
    const placing = inTransaction(this.#platform.database, async (manager): Promise<Bound> => {
      await lockInventory(manager, order.event_id, 'shared');
      const parameters = this.#parameters([order]);
      const [counts] = await manager.query<{ present: number; written: number }[]>(placeOneSql, parameters);
      if (counts!.present === 0) return 'rebuilt';
      if (counts!.written > 0) await bindSeats(manager, order, new Date(this.#platform.clock.nowMs()));
      return 'bound';
    });
    return placing.catch((error) => {
      if (!(error instanceof SeatsTaken)) throw error;
      return 'taken';
    });
  }

  #parameters(orders: readonly NewOrder[]): [string, Date] {
    return [JSON.stringify(orders), new Date(this.#platform.clock.nowMs())];
  }
}

/** Whatever else is wrong with one order (class 22: its data) is its own affair. A seat went to somebody else between looking and writing, or two batches want each other's seats. */
const contended: ReadonlySet<string> = new Set(['23505', '40P01']);

async function bindSeats(manager: EntityManager, order: NewOrder, now: Date): Promise<void> {
  const seats = order.lines.map(({ seat }) => seat);
  const displaced: { id: string }[] = await manager.query(
    'SELECT DISTINCT order_id AS id FROM seat_owner WHERE event_id = $1 AND seat_index = ANY($2) AND order_id <> $3',
    [order.event_id, seats, order.id],
  );
  const displacedIds = displaced.map(({ id }) => id);
  await lockOrders(manager, displacedIds);
  if (displacedIds.length > 0) await manager.query(displaceSql, [displacedIds, now]);
  const claim = [order.event_id, seats, order.id, order.generation, order.fence];
  const owned: unknown[] = await manager.query(bindSeatsSql, claim);
  if (owned.length < seats.length) throw new SeatsTaken();
}

function newOrder(event: PublishedEvent, hold: StoredHold, { orderId, method, buyer }: OrderBy): NewOrder {
  const { currency, prices, code } = decodePriceList(hold.prices);
  const lines = hold.seats.map((seat) => {
    const category = event.hall.categories[seat]!;
    return { seat, category, price: prices[category]! };
  });
  const payBy = new Date(hold.payByMs!);
  return {
    id: orderId,
    event_id: event.ref.eventId,
    person_id: hold.owner,
    hold_id: hold.holdId,
    generation: hold.generation,
    fence: hold.fence,
    method,
    currency,
    total_minor: lines.reduce((sum, { price }) => sum + seatTotalMinor(price), 0),
    prices: hold.prices,
    code_id: code?.id ?? null,
    pay_by: payBy,
    free_at: new Date(payBy.getTime() + limits.settleGraceMs),
    buyer_email: buyer.email,
    buyer_name: buyer.name,
    buyer_address: buyer.address,
    lines: lines.map(({ seat, category, price }) => ({
      seat,
      category,
      price: price.priceMinor,
      fee: price.feeMinor,
      tax: price.taxMinor,
      fee_tax: price.feeTaxMinor,
      tax_rate: price.taxBasisPoints,
      discount: price.discountMinor,
    })),
  };
}

/** Rolls the transaction back: the ledger has given a seat to an order that has been paid. */
class SeatsTaken extends Error {}
