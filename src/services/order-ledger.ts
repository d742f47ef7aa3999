import type { EntityManager } from 'typeorm';
import { inTransaction, lockInventory } from '../database/transaction.js';
import { derivedId } from '../domain/ids.js';
import {
  type EndReason,
  type IntentStatus,
  isOver,
  type OrderState,
  type OrderStep,
  type PaymentStatus,
} from '../domain/order-states.js';
import { limits } from '../limits.js';
import { globalKeys } from '../redis/keys.js';
import { giveBackUses } from './code-uses.js';
import type { Platform } from './platform.js';

/** An open step together with its order, leased to this process. */
export interface LeasedStep {
  readonly orderId: string;
  readonly step: OrderStep;
  readonly attempt: number;
  readonly tries: number;
  readonly firstCallAt: Date;
  readonly lease: string;
  readonly eventId: string;
  readonly personId: string;
  readonly holdId: string;
  readonly generation: number;
  readonly fence: number;
  readonly state: OrderState;
  readonly payment: PaymentStatus;
  readonly currency: string;
  readonly totalMinor: number;
  readonly prices: string;
  readonly intentId: string | null;
  readonly payBy: Date;
  readonly freeAt: Date;
  readonly createdAt: Date;
  readonly endReason: EndReason | null;
  readonly hint: IntentStatus | null;
  readonly nudges: number;
  readonly lines: readonly { readonly seat: number; readonly category: number; readonly minor: number }[];
}

/** What a step came to. Written in one statement with its cause, and only by the holder of the lease. */
export interface StepOutcome {
  readonly from: LeasedStep;
  /** Null: the step stays open and is taken again at `runAtMs`. */
  readonly finish: { readonly outcome: string; readonly next: OrderStep | null; readonly nextAttempt?: number } | null;
  readonly runAtMs: number;
  readonly order?: {
    readonly state?: OrderState;
    readonly payment?: PaymentStatus;
    readonly intentId?: string;
    readonly clientSecret?: string;
    readonly wipeSecret?: boolean;
    readonly endReason?: EndReason;
    readonly lastDecline?: string;
    readonly clearHint?: boolean;
  };
  /** What happens to seats and tickets in the same transaction. */
  readonly seats?:
    | { readonly kind: 'issue'; readonly generation: number; readonly fence: number }
    | { readonly kind: 'validate' }
    | { readonly kind: 'vacate' }
    | { readonly kind: 'release'; readonly generation: number };
}

/**
 * What became of the finished steps of a batch. In neither set: refused, because the lease or the generation of the seats had moved on.
 * `conflicts`: the ledger has given a seat to another order.
 */
export interface Written {
  readonly done: ReadonlySet<LeasedStep>;
  readonly conflicts: ReadonlySet<LeasedStep>;
}

const leaseSql = `
  WITH due AS (
    SELECT order_id, step, attempt FROM order_step
    WHERE finished_at IS NULL AND run_at <= $1 AND (leased_until IS NULL OR leased_until < $1) AND step = ANY($2)
    ORDER BY run_at LIMIT $3 FOR UPDATE SKIP LOCKED),
  leased AS (
    UPDATE order_step s SET lease = $4, leased_until = $5, tries = s.tries + 1, first_call_at = COALESCE(s.first_call_at, $1)
    FROM due d WHERE s.order_id = d.order_id AND s.step = d.step AND s.attempt = d.attempt
    RETURNING s.order_id, s.step, s.attempt, s.tries, s.first_call_at, s.lease)
  SELECT l.order_id AS "orderId", l.step, l.attempt, l.tries, l.first_call_at AS "firstCallAt", l.lease, o.event_id AS "eventId",
         o.person_id AS "personId", o.hold_id AS "holdId", o.generation, o.fence, o.state, o.payment, o.currency, o.total_minor AS "totalMinor",
         o.prices, o.intent_id AS "intentId", o.pay_by AS "payBy", o.free_at AS "freeAt", o.created_at AS "createdAt",
         o.end_reason AS "endReason", o.hint, o.nudges,
         (SELECT json_agg(json_build_object('seat', i.seat_index, 'category', i.category, 'minor', i.price_minor + i.fee_minor) ORDER BY i.seat_index)
          FROM order_line i WHERE i.order_id = o.id) AS lines
  FROM leased l JOIN orders o ON o.id = l.order_id`;

/** An order `o` whose money is there and not on its way back: nobody takes its seats. */
export const isPaid = `o.payment IN ('AUTHORISED', 'CAPTURED') AND o.state NOT IN ('CANCELING', 'REFUNDING')`;

const outcomeColumns = `order_id uuid, step text, attempt int, lease uuid, outcome text, next_step text, next_attempt int, run_at timestamptz,
  generation int, seen_nudges int, state text, payment text, intent_id text, client_secret text, wipe_secret boolean, end_reason text,
  last_decline text, clear_hint boolean, fence bigint`;

/** An order that is to end does not ask for a payment any more, even if the form for it comes now. */
const orderChanges = `
  state = CASE WHEN i.state = 'AWAITING_PAYMENT' AND COALESCE(o.end_reason, i.end_reason) IS NOT NULL THEN 'CANCELING'
               ELSE COALESCE(i.state, o.state) END,
  payment = COALESCE(i.payment, o.payment), intent_id = COALESCE(i.intent_id, o.intent_id),
  client_secret = CASE WHEN i.wipe_secret THEN NULL ELSE COALESCE(i.client_secret, o.client_secret) END,
  end_reason = COALESCE(o.end_reason, i.end_reason), last_decline = COALESCE(i.last_decline, o.last_decline),
  hint = CASE WHEN i.clear_hint THEN NULL ELSE o.hint END, generation = COALESCE(i.generation, o.generation),
  fence = COALESCE(i.fence, o.fence), version = o.version + 1`;

/** Finishes steps and opens the next ones. A reason to look again that came meanwhile makes the next step due at once. */
const finishSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(${outcomeColumns})),
  finished AS (
    UPDATE order_step s SET finished_at = $2, outcome = i.outcome, lease = NULL, leased_until = NULL FROM input i
    WHERE s.order_id = i.order_id AND s.step = i.step AND s.attempt = i.attempt AND s.lease = i.lease AND s.finished_at IS NULL
      AND (i.generation IS NULL OR EXISTS (SELECT FROM orders q JOIN inventory v ON v.event_id = q.event_id WHERE q.id = i.order_id AND v.generation = i.generation))
    RETURNING s.order_id, i.lease),
  changed AS (
    UPDATE orders o SET ${orderChanges}, issued_at = CASE WHEN i.state = 'CONFIRMED' THEN COALESCE(o.issued_at, $2) ELSE o.issued_at END
    FROM finished f JOIN input i ON i.order_id = f.order_id AND i.lease = f.lease WHERE o.id = f.order_id RETURNING o.id, o.nudges, f.lease),
  opened AS (
    INSERT INTO order_step (order_id, step, attempt, run_at)
    SELECT i.order_id, i.next_step, COALESCE(i.next_attempt, 1 + (SELECT count(*) FROM order_step p WHERE p.order_id = i.order_id AND p.step = i.next_step)),
           CASE WHEN c.nudges > i.seen_nudges THEN LEAST(i.run_at, $2) ELSE i.run_at END
    FROM changed c JOIN input i ON i.order_id = c.id AND i.lease = c.lease WHERE i.next_step IS NOT NULL)
  SELECT id, lease FROM changed`;

const rearmSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(${outcomeColumns})),
  rearmed AS (
    UPDATE order_step s SET lease = NULL, leased_until = NULL, run_at = CASE WHEN o.nudges > i.seen_nudges THEN LEAST(i.run_at, $2) ELSE i.run_at END
    FROM input i JOIN orders o ON o.id = i.order_id
    WHERE s.order_id = i.order_id AND s.step = i.step AND s.attempt = i.attempt AND s.lease = i.lease AND s.finished_at IS NULL
    RETURNING s.order_id, i.lease)
  UPDATE orders o SET ${orderChanges}
  FROM rearmed r JOIN input i ON i.order_id = r.order_id AND i.lease = r.lease
  WHERE o.id = r.order_id AND i.last_decline IS DISTINCT FROM o.last_decline AND i.last_decline IS NOT NULL
  RETURNING o.id`;

/**
 * Locks orders before anything else of theirs is touched, always in the same order. Whoever gives an order a reason to look again does so
 * under this lock, and the statements after it see everything committed before: no reason is lost between two writers, and no two of them
 * wait for each other.
 */
export async function lockOrders(manager: EntityManager, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await manager.query('SELECT FROM orders WHERE id = ANY($1) ORDER BY id FOR UPDATE', [ids]);
}

/** The part of the ledger that moves open orders. Everything here is one writer per order, by lease. */
export class OrderLedger {
  readonly #platform: Platform;
  readonly #workers = new Set<(kinds: ReadonlySet<OrderStep>) => void>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Leases up to `count` due steps of these kinds. */
  async lease(kinds: readonly OrderStep[], count: number): Promise<LeasedStep[]> {
    const { clock, database } = this.#platform;
    const nowMs = clock.nowMs();
    return database.query(leaseSql, [
      new Date(nowMs),
      kinds,
      count,
      clock.randomId(),
      new Date(nowMs + limits.stepLeaseMs),
    ]);
  }

  /** Writes a batch of outcomes in one transaction, then tells watchers and workers. */
  async write(outcomes: readonly StepOutcome[]): Promise<Written> {
    const { database, clock } = this.#platform;
    const now = new Date(clock.nowMs());
    const written = await inTransaction(database, async (manager) => {
      const bound = outcomes.filter(({ seats }) => seats !== undefined && 'generation' in seats);
      for (const eventId of [...new Set(bound.map(({ from }) => from.eventId))].sort())
        await lockInventory(manager, eventId, 'shared');
      await lockOrders(
        manager,
        outcomes.map(({ from }) => from.orderId),
      );
      const conflicts = await findConflicts(
        manager,
        outcomes.filter(({ seats }) => seats?.kind === 'issue'),
      );
      const finishing = outcomes.filter(({ from, finish }) => finish !== null && !conflicts.has(from));
      const rearming = outcomes.filter(({ finish }) => finish === null);
      const rows = await queryRows<{ id: string; lease: string }>(manager, finishSql, finishing, now);
      const written = new Set(rows.map(({ id, lease }) => `${id} ${lease}`));
      const moved = finishing.filter(({ from }) => written.has(`${from.orderId} ${from.lease}`));
      await queryRows(manager, rearmSql, rearming, now);
      await moveSeats(manager, moved, now);
      const over = moved.filter(({ order }) => order?.state !== undefined && isOver(order.state));
      await giveBackUses(
        manager,
        over.map(({ from }) => from.orderId),
      );
      return { done: new Set(moved.map(({ from }) => from)), conflicts };
    });
    await this.announce(outcomes.map(({ from }) => from.orderId));
    this.wakeWorkers(
      outcomes.flatMap(({ finish, runAtMs }) => (finish?.next && runAtMs <= now.getTime() ? [finish.next] : [])),
    );
    return written;
  }

  /** Tells every process that these orders changed. */
  async announce(orderIds: readonly string[]): Promise<void> {
    try {
      await this.#platform.channels.publish(globalKeys.orderChannel, { ids: orderIds });
    } catch (error) {
      // Watchers read their open orders again every few seconds.
      this.#platform.log.warn({ err: error }, 'order changes could not be announced');
    }
  }

  /** Calls back when steps of these kinds have become due here. Other processes find what is left of them when they look by themselves. */
  onDue(listener: (kinds: ReadonlySet<OrderStep>) => void): () => void {
    this.#workers.add(listener);
    return () => this.#workers.delete(listener);
  }

  /** Says that there are steps of these kinds to take. */
  wakeWorkers(kinds: readonly OrderStep[]): void {
    if (kinds.length === 0) return;
    for (const listener of this.#workers) listener(new Set(kinds));
  }
}

async function queryRows<T>(
  manager: EntityManager,
  sql: string,
  outcomes: readonly StepOutcome[],
  now: Date,
): Promise<T[]> {
  if (outcomes.length === 0) return [];
  const result: unknown = await manager.query(sql, [JSON.stringify(outcomes.map(outcomeRow)), now]);
  // TypeORM answers an UPDATE with [rows, count] and anything else with the rows.
  return (Array.isArray(result) && Array.isArray(result[0]) ? result[0] : result) as T[];
}

function outcomeRow({ from, finish, runAtMs, order = {}, seats }: StepOutcome) {
  return {
    order_id: from.orderId,
    step: from.step,
    attempt: from.attempt,
    lease: from.lease,
    outcome: finish?.outcome ?? null,
    next_step: finish?.next ?? null,
    next_attempt: finish?.nextAttempt ?? null,
    run_at: new Date(runAtMs).toISOString(),
    generation: seats !== undefined && 'generation' in seats ? seats.generation : null,
    seen_nudges: from.nudges,
    state: order.state ?? null,
    payment: order.payment ?? null,
    intent_id: order.intentId ?? null,
    client_secret: order.clientSecret ?? null,
    wipe_secret: order.wipeSecret ?? false,
    end_reason: order.endReason ?? null,
    last_decline: order.lastDecline ?? null,
    clear_hint: order.clearHint ?? false,
    fence: seats?.kind === 'issue' ? seats.fence : null,
  };
}

/** Steps of orders whose seats the ledger has given to another order for good. */
async function findConflicts(manager: EntityManager, issuing: readonly StepOutcome[]): Promise<Set<LeasedStep>> {
  if (issuing.length === 0) return new Set();
  const rows: { id: string }[] = await manager.query(
    `SELECT x.order_id AS id FROM jsonb_to_recordset($1::jsonb) AS x(order_id uuid, event_id uuid, seat int)
     JOIN seat_owner s ON s.event_id = x.event_id AND s.seat_index = x.seat AND s.order_id <> x.order_id
     WHERE s.state = 'ISSUED' OR EXISTS (SELECT FROM orders o WHERE o.id = s.order_id AND ${isPaid})
     FOR UPDATE OF s`,
    [JSON.stringify(seatRows(issuing))],
  );
  const ids = new Set(rows.map(({ id }) => id));
  return new Set(issuing.map(({ from }) => from).filter(({ orderId }) => ids.has(orderId)));
}

function seatRows(outcomes: readonly StepOutcome[]) {
  return outcomes.flatMap(({ from, seats }) =>
    from.lines.map(({ seat }) => ({
      order_id: from.orderId,
      event_id: from.eventId,
      seat,
      ticket_id: derivedId('ticket', from.orderId, String(seat)),
      generation: seats?.kind === 'issue' ? seats.generation : from.generation,
      fence: seats?.kind === 'issue' ? seats.fence : from.fence,
      state: from.payment === 'CAPTURED' ? 'VALID' : 'PENDING_CAPTURE',
    })),
  );
}

async function moveSeats(manager: EntityManager, outcomes: readonly StepOutcome[], now: Date): Promise<void> {
  const issued = outcomes.filter(({ seats }) => seats?.kind === 'issue');
  const validated = outcomes.filter(({ seats }) => seats?.kind === 'validate').map(({ from }) => from.orderId);
  const released = outcomes
    .filter(({ seats }) => seats?.kind === 'release' || seats?.kind === 'vacate')
    .map(({ from }) => from.orderId);
  if (issued.length > 0) {
    const rows = JSON.stringify(seatRows(issued));
    await manager.query(
      `INSERT INTO seat_owner (event_id, seat_index, order_id, generation, fence, state)
       SELECT event_id, seat, order_id, generation, fence, 'ISSUED'
       FROM jsonb_to_recordset($1::jsonb) AS x(event_id uuid, seat int, order_id uuid, generation int, fence bigint)
       ON CONFLICT (event_id, seat_index) DO UPDATE
         SET order_id = excluded.order_id, generation = excluded.generation, fence = excluded.fence, state = 'ISSUED'`,
      [rows],
    );
    await manager.query(
      `INSERT INTO ticket (id, order_id, event_id, seat_index, state, issued_at)
       SELECT ticket_id, order_id, event_id, seat, state, $2
       FROM jsonb_to_recordset($1::jsonb) AS x(ticket_id uuid, order_id uuid, event_id uuid, seat int, state text)
       ON CONFLICT (order_id, seat_index) DO NOTHING`,
      [rows, now],
    );
  }
  if (validated.length > 0) {
    await manager.query(`UPDATE ticket SET state = 'VALID' WHERE order_id = ANY($1) AND state = 'PENDING_CAPTURE'`, [
      validated,
    ]);
  }
  if (released.length > 0) await manager.query('DELETE FROM seat_owner WHERE order_id = ANY($1)', [released]);
}
