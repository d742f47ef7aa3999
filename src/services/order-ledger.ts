import type { EntityManager } from 'typeorm';
import { inTransaction, lockInventory } from '../database/transaction.js';
import { cancelableStates, isOver, type OrderStep } from '../domain/order-states.js';
import { limits } from '../limits.js';
import { globalKeys } from '../redis/keys.js';
import { giveBackUses } from './code-uses.js';
import { seatRows, takeEffect } from './order-effects.js';
import type { LeasedStep, StepOutcome } from './order-steps.js';
import type { Platform } from './platform.js';

/**
 * What became of the finished steps of a batch. In neither set: refused, because the lease or the generation of the seats had moved on.
 * `conflicts`: the ledger has given a seat to another order. `unbalanced`: what the order is to have cost does not come out; it was not written.
 * `failed`: what else kept one from being written.
 */
export interface Written {
  readonly done: ReadonlySet<LeasedStep>;
  readonly conflicts: ReadonlySet<LeasedStep>;
  readonly unbalanced: ReadonlySet<LeasedStep>;
  readonly failed: ReadonlyMap<LeasedStep, unknown>;
}

const nothingWritten: Written = { done: new Set(), conflicts: new Set(), unbalanced: new Set(), failed: new Map() };

/** The ledger refuses a posting that is not balanced, and more going back than came. */
function isUnbalanced(error: unknown): boolean {
  const { code, constraint } = error as { readonly code?: string; readonly constraint?: string };
  return code === '23514' && (constraint === 'posting_balanced' || constraint === 'orders_refunded');
}

/** What is wrong with one outcome: its money, its data, or a name that is taken. */
function isOfOne(error: unknown): boolean {
  const { code } = error as { readonly code?: string };
  return isUnbalanced(error) || code === '23505' || code?.startsWith('22') === true;
}

const leaseSql = `
  WITH due AS (
    SELECT order_id, step, attempt FROM order_step
    WHERE finished_at IS NULL AND run_at <= $1 AND (leased_until IS NULL OR leased_until < $1) AND step = ANY($2)
    ORDER BY COALESCE(first_call_at, run_at) LIMIT $3 FOR UPDATE SKIP LOCKED),
  leased AS (
    UPDATE order_step s SET lease = $4, leased_until = $5, tries = s.tries + 1, first_call_at = COALESCE(s.first_call_at, $1)
    FROM due d WHERE s.order_id = d.order_id AND s.step = d.step AND s.attempt = d.attempt
    RETURNING s.order_id, s.step, s.attempt, s.tries, s.first_call_at, s.lease)
  SELECT l.order_id AS "orderId", l.step, l.attempt, l.tries, l.first_call_at AS "firstCallAt", l.lease, o.event_id AS "eventId",
         o.person_id AS "personId", o.hold_id AS "holdId", o.generation, o.fence, o.state, o.payment, o.currency, o.total_minor AS "totalMinor",
         o.method, o.prices, o.intent_id AS "intentId", o.pay_by AS "payBy", o.free_at AS "freeAt", o.created_at AS "createdAt",
         o.end_reason AS "endReason", o.hint, o.nudges,
         (SELECT json_agg(json_build_object('seat', i.seat_index, 'category', i.category, 'minor', i.price_minor + i.fee_minor) ORDER BY i.seat_index)
          FROM order_line i WHERE i.order_id = o.id) AS lines,
         (SELECT json_build_object('id', r.id, 'reason', r.reason, 'amountMinor', r.amount_minor, 'seats', r.seats, 'state', r.state, 'providerId', r.provider_id)
          FROM refund r WHERE r.order_id = o.id AND NOT r.done ORDER BY r.begun DESC, r.created_at, r.id LIMIT 1) AS refund
  FROM leased l JOIN orders o ON o.id = l.order_id`;

/** An order `o` whose money is there and not on its way back: nobody takes its seats. */
export const isPaid = `o.payment IN ('AUTHORISED', 'CAPTURED') AND o.state NOT IN ('CANCELING', 'REFUNDING')`;

const outcomeColumns = `order_id uuid, event_id uuid, step text, attempt int, lease uuid, outcome text, next_step text, next_attempt int, run_at timestamptz,
  generation int, seen_nudges int, refund_id uuid, state text, payment text, intent_id text, client_secret text, wipe_secret boolean, end_reason text,
  last_decline text, clear_hint boolean, fence bigint, pay_by timestamptz`;

/** Another refund of an order waits for its turn. */
const refundWaits = `EXISTS (SELECT FROM refund r WHERE r.order_id = i.order_id AND NOT r.done AND r.id IS DISTINCT FROM i.refund_id)`;

/** An order that is to end does not ask for a payment any more, even if the form for it comes now. */
const orderChanges = `
  state = CASE WHEN i.state IN ('AWAITING_PAYMENT', 'PAYMENT_DELAYED') AND COALESCE(o.end_reason, i.end_reason) IS NOT NULL THEN 'CANCELING'
               WHEN i.state = 'REFUNDED' AND ${refundWaits} THEN o.state ELSE COALESCE(i.state, o.state) END,
  payment = COALESCE(i.payment, o.payment), intent_id = COALESCE(i.intent_id, o.intent_id),
  client_secret = CASE WHEN i.wipe_secret THEN NULL ELSE COALESCE(i.client_secret, o.client_secret) END,
  end_reason = COALESCE(o.end_reason, i.end_reason), last_decline = COALESCE(i.last_decline, o.last_decline),
  hint = CASE WHEN i.clear_hint THEN NULL ELSE o.hint END, generation = COALESCE(i.generation, o.generation),
  fence = COALESCE(i.fence, o.fence), pay_by = GREATEST(o.pay_by, i.pay_by),
  free_at = GREATEST(o.free_at, i.pay_by + interval '${limits.settleGraceMs} milliseconds'), version = o.version + 1`;

/**
 * Finishes steps and opens the next ones. A reason to look again that came meanwhile makes the next step due at once. Where nothing is left to
 * do but another refund waits, that one's turn has come, and an order that is being refunded is not refunded yet.
 */
const finishSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(${outcomeColumns})),
  finished AS (
    UPDATE order_step s SET finished_at = $2, outcome = i.outcome, lease = NULL, leased_until = NULL FROM input i
    WHERE s.order_id = i.order_id AND s.step = i.step AND s.attempt = i.attempt AND s.lease = i.lease AND s.finished_at IS NULL
      AND (i.generation IS NULL OR i.generation = (SELECT v.generation FROM inventory v WHERE v.event_id = i.event_id))
    RETURNING i.*),
  changed AS (
    UPDATE orders o SET ${orderChanges}, issued_at = CASE WHEN i.state = 'CONFIRMED' THEN COALESCE(o.issued_at, $2) ELSE o.issued_at END
    FROM finished i WHERE o.id = i.order_id RETURNING o.id, o.nudges, i.*),
  opened AS (
    INSERT INTO order_step (order_id, step, attempt, run_at)
    SELECT i.order_id, n.step, COALESCE(i.next_attempt, 1 + (SELECT count(*) FROM order_step p WHERE p.order_id = i.order_id AND p.step = n.step)),
           CASE WHEN i.nudges > i.seen_nudges THEN LEAST(i.run_at, $2) ELSE i.run_at END
    FROM changed i CROSS JOIN LATERAL (SELECT COALESCE(i.next_step, CASE WHEN ${refundWaits} THEN 'RETURN' END) AS step) n WHERE n.step IS NOT NULL)
  SELECT id, lease FROM changed`;

const rearmSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(${outcomeColumns})),
  rearmed AS (
    UPDATE order_step s SET lease = NULL, leased_until = NULL, run_at = CASE WHEN o.nudges > i.seen_nudges THEN LEAST(i.run_at, $2) ELSE i.run_at END
    FROM input i JOIN orders o ON o.id = i.order_id
    WHERE s.order_id = i.order_id AND s.step = i.step AND s.attempt = i.attempt AND s.lease = i.lease AND s.finished_at IS NULL
    RETURNING i.*)
  UPDATE orders o SET ${orderChanges}
  FROM rearmed i
  WHERE o.id = i.order_id AND (i.last_decline IS NOT NULL AND i.last_decline IS DISTINCT FROM o.last_decline OR i.state IS NOT NULL OR i.pay_by IS NOT NULL)
  RETURNING o.id`;

const callOffSql = `
  WITH asked AS (
    UPDATE orders SET end_reason = COALESCE(end_reason, 'CANCELED'), nudges = nudges + 1, state = 'CANCELING', version = version + 1
    WHERE id = ANY($1) AND state = ANY($2) RETURNING id),
  woken AS (
    UPDATE order_step s SET run_at = LEAST(s.run_at, $3) FROM asked a WHERE s.order_id = a.id AND s.finished_at IS NULL)
  SELECT id FROM asked`;

/** Whatever of an order on account is owed is paid, at the box office. */
const settleAccountSql = `
  WITH posted AS (
    INSERT INTO posting (order_id, kind, event_id, currency, buyer, cash, posted_at)
    SELECT o.id, 'CAPTURE', o.event_id, o.currency, -p.owed, p.owed, $2
    FROM orders o CROSS JOIN LATERAL (SELECT sum(buyer) AS owed FROM posting WHERE order_id = o.id) p
    WHERE o.id = $1 AND o.method = 'INVOICE' AND p.owed > 0 ON CONFLICT DO NOTHING RETURNING order_id, cash)
  UPDATE orders o SET captured_minor = p.cash, version = o.version + 1 FROM posted p WHERE o.id = p.order_id`;

/** Takes no lock that somebody else has: who is being moved needs no waking. */
const wakeDelayedSql = `
  WITH delayed AS (
    SELECT s.order_id, s.step, s.attempt FROM order_step s JOIN orders o ON o.id = s.order_id
    WHERE s.finished_at IS NULL AND s.step IN ('CREATE', 'SETTLE') AND s.run_at > $1 AND o.state = 'PAYMENT_DELAYED' FOR UPDATE OF s SKIP LOCKED)
  UPDATE order_step s SET run_at = $1 FROM delayed d WHERE s.order_id = d.order_id AND s.step = d.step AND s.attempt = d.attempt`;

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

  /** Leases up to `count` due steps of these kinds, first those that have been waiting for longest: whatever was held up goes on in its order. */
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

  /** Writes a batch of outcomes in one transaction, then tells watchers and workers. One that cannot be written holds up no other. */
  async write(outcomes: readonly StepOutcome[]): Promise<Written> {
    const together = this.#writeTogether(outcomes).catch((error) => {
      if (!isOfOne(error)) throw error;
      if (outcomes.length > 1) return null;
      const { from } = outcomes[0]!;
      return isUnbalanced(error)
        ? { ...nothingWritten, unbalanced: new Set([from]) }
        : { ...nothingWritten, failed: new Map([[from, error]]) };
    });
    const written = await together;
    if (written !== null) return written;
    const apart: Written[] = [];
    for (const outcome of outcomes) apart.push(await this.write([outcome]));
    return {
      done: new Set(apart.flatMap(({ done }) => [...done])),
      conflicts: new Set(apart.flatMap(({ conflicts }) => [...conflicts])),
      unbalanced: new Set(apart.flatMap(({ unbalanced }) => [...unbalanced])),
      failed: new Map(apart.flatMap(({ failed }) => [...failed])),
    };
  }

  async #writeTogether(outcomes: readonly StepOutcome[]): Promise<Written> {
    const { database, clock } = this.#platform;
    const now = new Date(clock.nowMs());
    const written = await inTransaction(database, async (manager) => {
      const bound = outcomes.filter(({ effect }) => effect !== undefined && 'generation' in effect);
      for (const eventId of [...new Set(bound.map(({ from }) => from.eventId))].sort())
        await lockInventory(manager, eventId, 'shared');
      await lockOrders(
        manager,
        outcomes.map(({ from }) => from.orderId),
      );
      const conflicts = await findConflicts(
        manager,
        outcomes.filter(({ effect }) => effect?.kind === 'issue'),
      );
      const finishing = outcomes.filter(({ from, finish }) => finish !== null && !conflicts.has(from));
      const rearming = outcomes.filter(({ finish }) => finish === null);
      const rows = await queryRows<{ id: string; lease: string }>(manager, finishSql, finishing, now);
      const written = new Set(rows.map(({ id, lease }) => `${id} ${lease}`));
      const moved = finishing.filter(({ from }) => written.has(`${from.orderId} ${from.lease}`));
      await queryRows(manager, rearmSql, rearming, now);
      await takeEffect(manager, moved, now);
      const over = moved.filter(({ order }) => order?.state !== undefined && isOver(order.state));
      await giveBackUses(
        manager,
        over.map(({ from }) => from.orderId),
      );
      return { ...nothingWritten, done: new Set(moved.map(({ from }) => from)), conflicts };
    });
    await this.announce(outcomes.map(({ from }) => from.orderId));
    this.wakeWorkers(
      outcomes.flatMap(({ finish, runAtMs }) => (finish?.next && runAtMs <= now.getTime() ? [finish.next] : [])),
    );
    return written;
  }

  /** Calls unpaid orders off; answers which. What their buyers pay meanwhile goes the way of all paid ones. */
  async callOff(orderIds: readonly string[]): Promise<ReadonlySet<string>> {
    if (orderIds.length === 0) return new Set();
    const { database, clock } = this.#platform;
    const asked = await inTransaction(database, async (manager): Promise<{ id: string }[]> => {
      await lockOrders(manager, orderIds);
      return manager.query(callOffSql, [orderIds, cancelableStates, new Date(clock.nowMs())]);
    });
    const ids = asked.map(({ id }) => id);
    if (ids.length > 0) await this.announce(ids);
    this.wakeWorkers(ids.length > 0 ? ['CREATE', 'SETTLE'] : []);
    return new Set(ids);
  }

  /** An order sold on account has been paid: whatever of it is still owed. Once. */
  async settleAccount(orderId: string): Promise<void> {
    const { database, clock } = this.#platform;
    await inTransaction(database, async (manager) => {
      await lockOrders(manager, [orderId]);
      await manager.query(settleAccountSql, [orderId, new Date(clock.nowMs())]);
    });
    await this.announce([orderId]);
  }

  /** Which of these refunds of the provider are written down. */
  async knownRefunds(providerIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows: { id: string }[] = await this.#platform.database.query(
      'SELECT provider_id AS id FROM refund WHERE provider_id = ANY($1)',
      [providerIds],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** The provider answers again: orders that wait for it are due, the oldest first. */
  async wakeDelayed(): Promise<void> {
    const { database, clock } = this.#platform;
    await database.query(wakeDelayedSql, [new Date(clock.nowMs())]);
    this.wakeWorkers(['CREATE', 'SETTLE']);
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

/** Steps that carry out the refund whose turn it is. */
const ofRefunds: ReadonlySet<OrderStep> = new Set(['RETURN', 'REFUND', 'RELEASE']);

function outcomeRow({ from, finish, runAtMs, order = {}, effect }: StepOutcome) {
  return {
    order_id: from.orderId,
    event_id: from.eventId,
    step: from.step,
    attempt: from.attempt,
    lease: from.lease,
    outcome: finish?.outcome ?? null,
    next_step: finish?.next ?? null,
    next_attempt: finish?.nextAttempt ?? null,
    run_at: new Date(runAtMs).toISOString(),
    generation: effect !== undefined && 'generation' in effect ? effect.generation : null,
    seen_nudges: from.nudges,
    refund_id: ofRefunds.has(from.step) ? (from.refund?.id ?? null) : null,
    state: order.state ?? null,
    payment: order.payment ?? null,
    intent_id: order.intentId ?? null,
    client_secret: order.clientSecret ?? null,
    wipe_secret: order.wipeSecret ?? false,
    end_reason: order.endReason ?? null,
    last_decline: order.lastDecline ?? null,
    clear_hint: order.clearHint ?? false,
    fence: effect?.kind === 'issue' ? effect.fence : null,
    pay_by: order.payByMs === undefined ? null : new Date(order.payByMs).toISOString(),
  };
}

/** Steps of orders whose seats the ledger has given to another order for good. */
async function findConflicts(manager: EntityManager, issuing: readonly StepOutcome[]): Promise<Set<LeasedStep>> {
  if (issuing.length === 0) return new Set();
  const rows: { id: string }[] = await manager.query(
    `SELECT x.order_id AS id FROM jsonb_to_recordset($1::jsonb) AS x(order_id uuid, event_id uuid, seat int)
     JOIN seat_owner s ON s.event_id = x.event_id AND s.seat_index = x.seat AND s.order_id <> x.order_id
     JOIN orders o ON o.id = s.order_id WHERE s.state = 'ISSUED' OR ${isPaid} FOR UPDATE OF s`,
    [JSON.stringify(seatRows(issuing))],
  );
  const ids = new Set(rows.map(({ id }) => id));
  return new Set(issuing.map(({ from }) => from).filter(({ orderId }) => ids.has(orderId)));
}
