import type { EntityManager } from 'typeorm';
import { inTransaction, lockInventory } from '../database/transaction.js';
import { derivedId } from '../domain/ids.js';
import {
  type EndReason,
  type IntentStatus,
  isOver,
  type OrderMethod,
  type OrderState,
  type OrderStep,
  type PaymentStatus,
  type RefundReason,
  type RefundState,
} from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { ProviderRefund } from '../payments/gateway.js';
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
  readonly method: OrderMethod;
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
  /** The refund whose turn it is. */
  readonly refund: LeasedRefund | null;
}

export interface LeasedRefund {
  readonly id: string;
  readonly reason: RefundReason;
  readonly amountMinor: number;
  /** Places that are given up for it. */
  readonly seats: readonly number[];
  readonly state: RefundState;
  readonly providerId: string | null;
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
    /** Deadlines only move on. */
    readonly payByMs?: number;
  };
  /**
   * What happens to seats, tickets and money in the same transaction. `issue`: tickets, against a debt. `validate`: it is paid. `owe`: money came
   * for seats that are gone, and is to go back. `void`: tickets whose
   * money can never come. `begin`: the turn of a refund has come. `payOut`: a refund has been taken by the provider. `release`: seats are nobody's any more.
   */
  readonly effect?:
    | { readonly kind: 'issue'; readonly generation: number; readonly fence: number }
    | { readonly kind: 'validate' | 'void' | 'owe' | 'begin' }
    | {
        readonly kind: 'payOut';
        readonly state: RefundState;
        readonly providerId: string | null;
        readonly failure: string | null;
      }
    | { readonly kind: 'release'; readonly generation: number };
}

/**
 * What became of the finished steps of a batch. In neither set: refused, because the lease or the generation of the seats had moved on.
 * `conflicts`: the ledger has given a seat to another order. `unbalanced`: what the order is to have cost does not come out; it was not written.
 */
export interface Written {
  readonly done: ReadonlySet<LeasedStep>;
  readonly conflicts: ReadonlySet<LeasedStep>;
  readonly unbalanced: ReadonlySet<LeasedStep>;
}

const nothingWritten: Written = { done: new Set(), conflicts: new Set(), unbalanced: new Set() };

/** The ledger refuses a posting that is not balanced, and more going back than came. */
function isUnbalanced(error: unknown): boolean {
  const { code, constraint } = error as { readonly code?: string; readonly constraint?: string };
  return code === '23514' && (constraint === 'posting_balanced' || constraint === 'orders_refunded');
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
    RETURNING s.order_id, i.lease),
  changed AS (
    UPDATE orders o SET ${orderChanges}, issued_at = CASE WHEN i.state = 'CONFIRMED' THEN COALESCE(o.issued_at, $2) ELSE o.issued_at END
    FROM finished f JOIN input i ON i.order_id = f.order_id AND i.lease = f.lease WHERE o.id = f.order_id RETURNING o.id, o.nudges, f.lease),
  opened AS (
    INSERT INTO order_step (order_id, step, attempt, run_at)
    SELECT i.order_id, n.step, COALESCE(i.next_attempt, 1 + (SELECT count(*) FROM order_step p WHERE p.order_id = i.order_id AND p.step = n.step)),
           CASE WHEN c.nudges > i.seen_nudges THEN LEAST(i.run_at, $2) ELSE i.run_at END
    FROM changed c JOIN input i ON i.order_id = c.id AND i.lease = c.lease
    CROSS JOIN LATERAL (SELECT COALESCE(i.next_step, CASE WHEN ${refundWaits} THEN 'RETURN' END) AS step) n WHERE n.step IS NOT NULL)
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
  WHERE o.id = r.order_id AND (i.last_decline IS NOT NULL AND i.last_decline IS DISTINCT FROM o.last_decline OR i.state IS NOT NULL OR i.pay_by IS NOT NULL)
  RETURNING o.id`;

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

  /** Writes a batch of outcomes in one transaction, then tells watchers and workers. One that is not balanced holds up no other. */
  async write(outcomes: readonly StepOutcome[]): Promise<Written> {
    const together = this.#writeTogether(outcomes).catch((error) => {
      if (!isUnbalanced(error)) throw error;
      return null;
    });
    const written = await together;
    if (written !== null) return written;
    if (outcomes.length === 1) return { ...nothingWritten, unbalanced: new Set([outcomes[0]!.from]) };
    const apart: Written[] = [];
    for (const outcome of outcomes) apart.push(await this.write([outcome]));
    return {
      done: new Set(apart.flatMap(({ done }) => [...done])),
      conflicts: new Set(apart.flatMap(({ conflicts }) => [...conflicts])),
      unbalanced: new Set(apart.flatMap(({ unbalanced }) => [...unbalanced])),
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

  /** An order sold on account has been paid: whatever of it is still owed. Once. */
  async settleAccount(orderId: string): Promise<void> {
    const { database, clock } = this.#platform;
    await inTransaction(database, async (manager) => {
      await lockOrders(manager, [orderId]);
      await manager.query(settleAccountSql, [orderId, new Date(clock.nowMs())]);
    });
    await this.announce([orderId]);
  }

  /**
   * Somebody has paid a part of what this step's refund is about back at the provider: that part is written down as what it is, and the refund is
   * about the rest. Answers false where there is no such part.
   */
  async takeOver(step: LeasedStep, others: readonly ProviderRefund[]): Promise<boolean> {
    const { database, clock } = this.#platform;
    const refund = step.refund!;
    const sum = others.reduce((total, { amountMinor }) => total + amountMinor, 0);
    if (sum === 0 || sum >= refund.amountMinor) return false;
    const rows = others.map(({ id, amountMinor, state }) => ({
      id: derivedId('refund', id),
      amount_minor: amountMinor,
      provider_id: id,
      state,
    }));
    return inTransaction(database, async (manager) => {
      await lockOrders(manager, [step.orderId]);
      const taken: [unknown[], number] = await manager.query(takeOverSql, [
        JSON.stringify(rows),
        refund.id,
        sum,
        new Date(clock.nowMs()),
      ]);
      return taken[1] > 0;
    });
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
     WHERE s.state = 'ISSUED' OR EXISTS (SELECT FROM orders o WHERE o.id = s.order_id AND ${isPaid})
     FOR UPDATE OF s`,
    [JSON.stringify(seatRows(issuing))],
  );
  const ids = new Set(rows.map(({ id }) => id));
  return new Set(issuing.map(({ from }) => from).filter(({ orderId }) => ids.has(orderId)));
}

function seatRows(outcomes: readonly StepOutcome[]) {
  return outcomes.flatMap(({ from, effect }) =>
    from.lines.map(({ seat }) => ({
      order_id: from.orderId,
      event_id: from.eventId,
      seat,
      ticket_id: derivedId('ticket', from.orderId, String(seat)),
      generation: effect?.kind === 'issue' ? effect.generation : from.generation,
      fence: effect?.kind === 'issue' ? effect.fence : from.fence,
      state: from.payment === 'CAPTURED' ? 'VALID' : 'PENDING_CAPTURE',
    })),
  );
}

/** Tickets against a debt: a sale whose lines do not come out at its total is refused by the ledger. */
const saleSql = `
  INSERT INTO posting (order_id, kind, event_id, currency, buyer, organizer, fees, tax, posted_at)
  SELECT o.id, 'SALE', o.event_id, o.currency, o.total_minor, -sum(l.price_minor - l.tax_minor), -sum(l.fee_minor - l.fee_tax_minor),
         -sum(l.tax_minor + l.fee_tax_minor), $2
  FROM orders o JOIN order_line l ON l.order_id = o.id WHERE o.id = ANY($1) AND o.total_minor > 0 GROUP BY o.id ON CONFLICT DO NOTHING`;

/** The debt is paid: to the provider, or at the box office. An invoice is paid later. */
const captureSql = `
  WITH paid AS (
    UPDATE orders SET captured_minor = total_minor, refunded_minor = CASE WHEN $3 THEN total_minor ELSE refunded_minor END
    WHERE id = ANY($1) AND method <> 'INVOICE' RETURNING *)
  INSERT INTO posting (order_id, kind, event_id, currency, buyer, clearing, cash, posted_at)
  SELECT id, 'CAPTURE', event_id, currency, -total_minor, CASE method WHEN 'ONLINE' THEN total_minor ELSE 0 END,
         CASE method WHEN 'CASH' THEN total_minor ELSE 0 END, $2
  FROM paid WHERE total_minor > 0 ON CONFLICT DO NOTHING`;

/** Tickets whose money can never come are taken back like refunded ones, with nothing to pay: the debt for them ends. */
const voidSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, order_id uuid)),
  made AS (
    INSERT INTO refund (id, order_id, reason, amount_minor, seats, created_at)
    SELECT id, order_id, 'PROVIDER', 0, (SELECT array_agg(seat_index) FROM order_line l WHERE l.order_id = i.order_id), $2 FROM input i
    ON CONFLICT DO NOTHING RETURNING *),
  voided AS (UPDATE ticket t SET state = 'VOID' FROM made m WHERE t.order_id = m.order_id),
  taken AS (UPDATE seat_owner s SET state = 'RETURNING', refund_id = m.id FROM made m WHERE s.order_id = m.order_id)
  INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, organizer, fees, tax, posted_at)
  SELECT p.order_id, 'GRANT', m.id, p.event_id, p.currency, -p.buyer, -p.organizer, -p.fees, -p.tax, $2
  FROM made m JOIN posting p ON p.order_id = m.order_id AND p.kind = 'SALE'`;

const takeOverSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, amount_minor int, provider_id text, state text)),
  shrunk AS (
    UPDATE refund SET amount_minor = amount_minor - $3 WHERE id = $2 AND state = 'REQUESTED'
      AND NOT EXISTS (SELECT FROM refund k JOIN input i ON i.provider_id = k.provider_id) RETURNING order_id),
  made AS (
    INSERT INTO refund (id, order_id, reason, amount_minor, seats, state, begun, done, provider_id, created_at, settled_at)
    SELECT i.id, s.order_id, 'PROVIDER', i.amount_minor, '{}', i.state, true, true, i.provider_id, $4, CASE i.state WHEN 'SUCCEEDED' THEN $4::timestamptz END
    FROM input i CROSS JOIN shrunk s RETURNING id, order_id, amount_minor),
  posted AS (
    INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, clearing, posted_at)
    SELECT o.id, 'PAYOUT', m.id, o.event_id, o.currency, m.amount_minor, -m.amount_minor, $4 FROM made m JOIN orders o ON o.id = m.order_id)
  UPDATE orders o SET version = o.version + 1 FROM shrunk s WHERE o.id = s.order_id RETURNING o.id`;

const settleAccountSql = `
  WITH posted AS (
    INSERT INTO posting (order_id, kind, event_id, currency, buyer, cash, posted_at)
    SELECT o.id, 'CAPTURE', o.event_id, o.currency, -p.owed, p.owed, $2
    FROM orders o CROSS JOIN LATERAL (SELECT sum(buyer) AS owed FROM posting WHERE order_id = o.id) p
    WHERE o.id = $1 AND o.method = 'INVOICE' AND p.owed > 0 ON CONFLICT DO NOTHING RETURNING order_id, cash)
  UPDATE orders o SET captured_minor = p.cash, version = o.version + 1 FROM posted p WHERE o.id = p.order_id`;

/** A refund that failed at once is owed still: nothing was paid out, and it counts for nothing. What the bank has taken needs no paying out. */
const payOutSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, state text, provider_id text, failure text)),
  told AS (
    UPDATE refund r SET state = i.state, provider_id = COALESCE(i.provider_id, r.provider_id), failure = i.failure,
           settled_at = CASE WHEN i.state = 'PENDING' THEN NULL ELSE $2::timestamptz END
    FROM input i WHERE r.id = i.id RETURNING r.*),
  vacated AS (DELETE FROM seat_owner s USING told t WHERE s.order_id = t.order_id AND s.refund_id = t.id),
  owed AS (UPDATE orders o SET refunded_minor = o.refunded_minor - t.amount_minor FROM told t WHERE o.id = t.order_id AND t.state = 'FAILED')
  INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, clearing, cash, posted_at)
  SELECT o.id, 'PAYOUT', t.id, o.event_id, o.currency, t.amount_minor, CASE o.method WHEN 'ONLINE' THEN -t.amount_minor ELSE 0 END,
         CASE o.method WHEN 'ONLINE' THEN 0 ELSE -t.amount_minor END, $2
  FROM told t JOIN orders o ON o.id = t.order_id
  WHERE t.state <> 'FAILED' AND t.reason <> 'DISPUTE' AND t.amount_minor > 0 ON CONFLICT DO NOTHING`;

async function takeEffect(manager: EntityManager, outcomes: readonly StepOutcome[], now: Date): Promise<void> {
  const having = (kind: NonNullable<StepOutcome['effect']>['kind']) =>
    outcomes.filter(({ effect }) => effect?.kind === kind);
  const idsHaving = (kind: NonNullable<StepOutcome['effect']>['kind']) => having(kind).map(({ from }) => from.orderId);
  const [issued, validated, owed, released] = [
    having('issue'),
    idsHaving('validate'),
    idsHaving('owe'),
    having('release'),
  ];
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
    await manager.query(saleSql, [issued.map(({ from }) => from.orderId), now]);
  }
  if (validated.length > 0) {
    await manager.query(`UPDATE ticket SET state = 'VALID' WHERE order_id = ANY($1) AND state = 'PENDING_CAPTURE'`, [
      validated,
    ]);
    await manager.query(captureSql, [validated, now, false]);
  }
  if (owed.length > 0) {
    await manager.query(captureSql, [owed, now, true]);
    const refunds = having('owe').map(({ from: { orderId, totalMinor } }) => ({
      id: derivedId('refund', orderId, 'LOST'),
      order_id: orderId,
      amount_minor: totalMinor,
    }));
    await manager.query(
      `INSERT INTO refund (id, order_id, reason, amount_minor, created_at)
       SELECT id, order_id, 'LOST', amount_minor, $2 FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, order_id uuid, amount_minor int)
       ON CONFLICT DO NOTHING`,
      [JSON.stringify(refunds), now],
    );
  }
  const voided = idsHaving('void').map((orderId) => ({ id: derivedId('refund', orderId, 'VOID'), order_id: orderId }));
  if (voided.length > 0) await manager.query(voidSql, [JSON.stringify(voided), now]);
  const begun = having('begin').map(({ from }) => from.refund!.id);
  if (begun.length > 0) await manager.query('UPDATE refund SET begun = true WHERE id = ANY($1)', [begun]);
  const paid = outcomes.flatMap(({ from, effect }) =>
    effect?.kind === 'payOut'
      ? [{ id: from.refund!.id, state: effect.state, provider_id: effect.providerId, failure: effect.failure }]
      : [],
  );
  if (paid.length > 0) await manager.query(payOutSql, [JSON.stringify(paid), now]);
  if (released.length === 0) return;
  const ended = released.flatMap(({ from }) =>
    from.refund === null || from.refund.reason === 'LOST' ? [from.orderId] : [],
  );
  const refunded = released.flatMap(({ from }) => from.refund?.id ?? []);
  if (ended.length > 0) await manager.query('DELETE FROM seat_owner WHERE order_id = ANY($1)', [ended]);
  if (refunded.length > 0) await manager.query('UPDATE refund SET done = true WHERE id = ANY($1)', [refunded]);
}
