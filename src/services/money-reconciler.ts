import { inTransaction } from '../database/transaction.js';
import { isUuid } from '../domain/ids.js';
import { type Judgement, judgePayment, type PaidOrder } from '../domain/money-differences.js';
import { limits } from '../limits.js';
import type {
  AuditedIntent,
  Intent,
  ListPage,
  ListWindow,
  ProviderAnswer,
  ProviderEvent,
  ProviderMovement,
} from '../payments/gateway.js';
import { takeMoneyTurn } from '../redis/reconciler.js';
import { type Difference, MoneyDifferences, type OpenDifference } from './money-differences.js';
import { followList, type MoneyList } from './money-lists.js';
import { lockOrders, type OrderLedger } from './order-ledger.js';
import type { Platform } from './platform.js';
import type { Webhooks } from './webhooks.js';

type ComparedOrder = PaidOrder & {
  readonly id: string;
  readonly eventId: string;
  /** What has gone back through the provider, or is on its way; what a bank took is no refund there. */
  readonly paidBackMinor: number;
  /** A step of it is under way: what goes back may be counted on one side only. */
  readonly moving: boolean;
};

const ordersSql = `
  SELECT o.id, o.event_id AS "eventId", o.state, o.intent_id AS "intentId", o.total_minor AS "totalMinor", o.currency,
         o.captured_minor AS "capturedMinor", o.refunded_minor - COALESCE(r.disputed, 0)::int AS "paidBackMinor",
         EXISTS (SELECT FROM order_step s WHERE s.order_id = o.id AND s.finished_at IS NULL) AS moving
  FROM orders o LEFT JOIN LATERAL (SELECT sum(amount_minor) AS disputed FROM refund WHERE order_id = o.id AND reason = 'DISPUTE') r ON true
  WHERE o.id = ANY($1)`;

/** A reason to look again: what is open is due at once, and a lease that no living process can have given ends. */
const nudgeSql = `
  WITH told AS (
    UPDATE orders SET hint = NULL, nudges = nudges + 1, intent_id = COALESCE(intent_id, $2),
      end_reason = CASE WHEN state IN ('CANCELED', 'EXPIRED', 'LOST') THEN COALESCE(end_reason, state) ELSE end_reason END
    WHERE id = $1 RETURNING id)
  UPDATE order_step s SET run_at = LEAST(s.run_at, $3), leased_until = CASE WHEN s.leased_until > $4 THEN $3 ELSE s.leased_until END
  FROM told t WHERE s.order_id = t.id AND s.finished_at IS NULL`;

/** An order without an open step goes on where its state says: its payment is asked what it has become, and everything else follows from that. */
const reopenSql = `
  INSERT INTO order_step (order_id, step, attempt, run_at)
  SELECT o.id, n.step, 1 + (SELECT count(*) FROM order_step p WHERE p.order_id = o.id AND p.step = n.step), $2
  FROM orders o CROSS JOIN LATERAL (
    SELECT CASE WHEN o.state = 'CONFIRMED' THEN 'CAPTURE' WHEN o.state IN ('COMPLETED', 'REFUNDING', 'REFUNDED') THEN 'RETURN' ELSE 'SETTLE' END AS step) n
  WHERE o.id = $1 AND NOT EXISTS (SELECT FROM order_step s WHERE s.order_id = o.id AND s.finished_at IS NULL)
    AND (n.step <> 'SETTLE' OR o.intent_id IS NOT NULL)
    AND (n.step <> 'RETURN' OR EXISTS (SELECT FROM refund r WHERE r.order_id = o.id AND NOT r.done))`;

/** Looks at an object of the provider again, as if its event had just come. */
const enqueueSql = `
  INSERT INTO webhook_event AS w (id, type, payload, due_at, received_at)
  SELECT 'reconciler:' || x.id, 'reconciler', jsonb_build_object('kind', x.kind, 'id', x.id), $2, $2
  FROM jsonb_to_recordset($1::jsonb) AS x(kind text, id text)
  ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, received_at = excluded.received_at, tries = 0 WHERE w.due_at IS NULL`;

/** An order `o` of which nothing is under way. */
const isAtRest = `o.state IN ('COMPLETED', 'REFUNDED', 'CANCELED', 'EXPIRED', 'LOST')
    AND NOT EXISTS (SELECT FROM order_step s WHERE s.order_id = o.id AND s.finished_at IS NULL)
    AND NOT EXISTS (SELECT FROM refund u WHERE u.order_id = o.id AND NOT u.done)`;

/** Valid tickets, and seats that are the order's for good, against its lines without those that were given back; each seat with its ticket. */
const ticketsSql = `
  SELECT o.id, o.event_id AS "eventId", t.valid::int AS valid, s.owned::int AS owned, s.bare::int AS bare, l.wanted::int AS wanted
  FROM orders o
  CROSS JOIN LATERAL (
    SELECT CASE o.state WHEN 'COMPLETED' THEN count(*) - (SELECT COALESCE(sum(cardinality(seats)), 0) FROM refund WHERE order_id = o.id) ELSE 0 END AS wanted
    FROM order_line WHERE order_id = o.id) l
  CROSS JOIN LATERAL (SELECT count(*) AS valid FROM ticket WHERE order_id = o.id AND state = 'VALID') t
  CROSS JOIN LATERAL (
    SELECT count(*) AS owned, count(*) FILTER (WHERE NOT EXISTS (
      SELECT FROM ticket k WHERE k.order_id = w.order_id AND k.seat_index = w.seat_index AND k.state = 'VALID')) AS bare
    FROM seat_owner w WHERE w.order_id = o.id) s
  WHERE o.id = ANY($1) AND ${isAtRest} AND (t.valid <> l.wanted OR s.owned <> l.wanted OR s.bare > 0)`;

/**
 * What the postings of an order come to against what the order says, where nothing is under way. Money at the provider is what was taken, less
 * what went back, less what a bank has for the time being. A buyer owes what a bank has, is owed what came back, and owes an unpaid invoice.
 */
const booksSql = `
  SELECT o.id, o.event_id AS "eventId", p.held::text AS held, (o.captured_minor - o.refunded_minor - p.disputed + r.lost)::text AS "heldRight",
         p.buyer::text AS buyer, (p.disputed - r.lost - r.owed)::text AS "buyerRight"
  FROM orders o
  CROSS JOIN LATERAL (
    SELECT COALESCE(sum(buyer), 0) AS buyer, COALESCE(sum(clearing + cash), 0) AS held,
           COALESCE(-sum(clearing) FILTER (WHERE kind IN ('DISPUTE', 'DISPUTE_WON')), 0) AS disputed
    FROM posting WHERE order_id = o.id) p
  CROSS JOIN LATERAL (
    SELECT COALESCE(sum(amount_minor) FILTER (WHERE reason = 'DISPUTE'), 0) AS lost,
           COALESCE(sum(amount_minor) FILTER (WHERE state = 'FAILED'), 0) - COALESCE(sum(amount_minor) FILTER (WHERE reason = 'AGAIN'), 0) AS owed
    FROM refund WHERE order_id = o.id) r
  WHERE o.id = ANY($1) AND ${isAtRest}
    AND (p.held <> o.captured_minor - o.refunded_minor - p.disputed + r.lost
      OR CASE WHEN o.method = 'INVOICE' AND o.captured_minor = 0 THEN p.buyer < 0 ELSE p.buyer <> p.disputed - r.lost - r.owed END)`;

const movedSql = `
  (SELECT order_id AS id, posted_at AS at FROM posting WHERE posted_at BETWEEN $1 AND $2 ORDER BY posted_at LIMIT $3)
  UNION ALL
  (SELECT order_id, finished_at FROM order_step WHERE step IN ('CAPTURE', 'RELEASE') AND finished_at BETWEEN $1 AND $2 ORDER BY finished_at LIMIT $3)
  ORDER BY at LIMIT $3`;

const stuckSql = `
  SELECT r.id, r.order_id AS "orderId", o.event_id AS "eventId", r.state FROM refund r JOIN orders o ON o.id = r.order_id
  WHERE NOT r.done AND r.created_at <= $1 AND NOT EXISTS (SELECT FROM order_step s WHERE s.order_id = r.order_id AND s.finished_at IS NULL)`;

/** What the ledger knows of movements: by charge, refund or dispute. */
const chargesSql = `
  SELECT o.id, o.event_id AS "eventId", o.intent_id AS "intentId", p.clearing AS "amountMinor" FROM orders o
  LEFT JOIN posting p ON p.order_id = o.id AND p.kind = 'CAPTURE' WHERE o.id = ANY($1)`;
const refundsSql = `
  SELECT r.provider_id AS id, r.order_id AS "orderId", o.event_id AS "eventId", r.amount_minor AS "amountMinor", r.state = 'FAILED' AS failed
  FROM refund r JOIN orders o ON o.id = r.order_id WHERE r.provider_id = ANY($1) AND r.reason <> 'DISPUTE'`;
const disputesSql = `
  SELECT d.ref AS id, EXISTS (SELECT FROM posting w WHERE w.order_id = d.order_id AND w.kind = 'DISPUTE_WON' AND w.ref = d.ref) AS won
  FROM posting d WHERE d.kind = 'DISPUTE' AND d.ref = ANY($1)`;

/** The provider does not say what it takes to judge something on its list: that stretch of the list is not compared yet. */
class Unanswered extends Error {
  constructor(subject: string) {
    super(`the provider does not answer about ${subject}`);
  }
}

type Source = NonNullable<ProviderMovement['source']>;

/**
 * Compares money at the provider with the ledger, all the time and each thing once, and sees to what differs until it does no longer. It writes
 * no money: an order is woken, an object of the provider is looked at again, and the steps and jobs there are do the rest.
 */
export class MoneyReconciler {
  readonly #platform: Platform;
  readonly #ledger: OrderLedger;
  readonly #webhooks: Webhooks;
  readonly #differences: MoneyDifferences;
  readonly #lists: readonly { follow(): Promise<void> }[];

  constructor(platform: Platform, ledger: OrderLedger, webhooks: Webhooks) {
    this.#platform = platform;
    this.#ledger = ledger;
    this.#webhooks = webhooks;
    this.#differences = new MoneyDifferences(platform);
    const { gateway } = platform;
    const soon = { ageMs: limits.moneyUnmatchedMs, everyMs: 0 };
    const list = <T>(list: MoneyList<T>) => ({ follow: () => followList(platform, list) });
    this.#lists = [
      list<ProviderEvent>({
        name: 'events',
        read: (window) => gateway.listEvents(window),
        compare: (events) => this.#compareEvents(events),
        ...soon,
      }),
      list<ProviderMovement>({
        name: 'movements',
        read: (window) => gateway.listMovements(window),
        compare: (movements) => this.#compareMovements(movements),
        ...soon,
      }),
      list<AuditedIntent>({
        name: 'payments',
        ageMs: limits.moneyRestMs,
        everyMs: limits.moneyIntentsEveryMs,
        read: (window) => gateway.listIntents(window),
        compare: (intents) => this.#compareIntents(intents),
      }),
      list<string>({
        name: 'orders',
        read: (window) => this.#listMoved(window),
        compare: async (orderIds) => {
          await this.#compareBooks(orderIds);
          await this.#compareTickets(orderIds);
        },
        ...soon,
      }),
    ];
  }

  /** One round, unless some process has had its turn lately. */
  async visit(): Promise<void> {
    if (await takeMoneyTurn(this.#platform.redis, this.#platform.processId)) await this.round();
  }

  async round(): Promise<void> {
    const beganAtMs = this.#platform.clock.nowMs();
    // One list that cannot be followed holds up no other.
    const followed = await Promise.allSettled(this.#lists.map((list) => list.follow()));
    await this.#findStuckRefunds();
    await this.#readPendingRefundsAgain();
    for (const difference of await this.#differences.open(beganAtMs)) await this.#lookAgain(difference);
    const failure = followed.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  /** Events that never came are taken over; what was paid a minute ago has its tickets by now. */
  async #compareEvents(events: readonly ProviderEvent[]): Promise<void> {
    const missing = await this.#webhooks.takeMissing(events);
    if (missing.length > 0) {
      const types = [...new Set(missing.map(({ type }) => type))];
      const message = 'events of the provider have not come; they have been read from its list';
      this.#platform.log.error({ alarm: true, count: missing.length, types }, message);
    }
    const paid = events.flatMap(({ intent }) =>
      intent?.status === 'requires_capture' || intent?.status === 'succeeded' ? [intent] : [],
    );
    const orders = await this.#readOrders(paid);
    const atRest = new Set(['COMPLETED', 'REFUNDING', 'REFUNDED']);
    const waiting = paid.filter(({ id, orderId }) => {
      const order = orders.get(orderId ?? '');
      return order === undefined || !atRest.has(order.state) || order.intentId !== id;
    });
    await this.#lookAt(waiting);
  }

  /** Payments whose time is over. */
  async #compareIntents(intents: readonly AuditedIntent[]): Promise<void> {
    const orders = await this.#readOrders(intents);
    const wrong = intents.filter((intent) => {
      const order = orders.get(intent.orderId ?? '') ?? null;
      return judgePayment(intent, order) !== null || (order !== null && paysBackOtherwise(intent, order));
    });
    await this.#lookAt(wrong);
  }

  /** What looks wrong is asked for once more: the order may have moved since the list was made. */
  async #lookAt(intents: readonly Pick<Intent, 'id' | 'orderId'>[]): Promise<void> {
    const once = new Map(intents.map((intent) => [intent.id, intent]));
    for (const { id, orderId } of once.values())
      if ((await this.#judge(id, orderId)) === undefined) throw new Unanswered(id);
  }

  /**
   * Answers what is wrong now, after having noted it and done what can be done; undefined: the provider does not answer. The order is read
   * first: one that is over stays so, whatever its payment has become meanwhile.
   */
  async #judge(intentId: string, orderId: string | null): Promise<Judgement | null | undefined> {
    if (orderId === null || !isUuid(orderId)) return null;
    const order = (await this.#readOrders([{ orderId }])).get(orderId) ?? null;
    const answer = await this.#platform.gateway.auditIntent(intentId);
    if (answer.kind !== 'ok') return answer.kind === 'refused' ? null : undefined;
    const intent = answer.value;
    const judgement = judgePayment(intent, order) ?? (await this.#judgeRefunds(intent, order));
    if (judgement === null || judgement === undefined) return judgement;
    // Another installation may use the same account: its payments are none of our business.
    if (order === null && !(await this.#hasEvent(intent.eventId))) return null;
    const of = { orderId: order?.id ?? null, eventId: order?.eventId ?? intent.eventId };
    await this.#differences.note([{ subject: intentId, about: { intentId, orderId }, ...of, ...judgement }]);
    if (judgement.kind === 'UNKNOWN_PAYMENT') await this.#callOff(intent);
    else if (judgement.kind !== 'AMOUNT_DIFFERS') await this.#wake(orderId, intentId);
    return judgement;
  }

  /** Refunds that the ledger has and the provider does not. One that only the provider has is a matter of what moved. Undefined: as above. */
  async #judgeRefunds(intent: AuditedIntent, order: ComparedOrder | null): Promise<Judgement | null | undefined> {
    if (order === null || !paysBackOtherwise(intent, order)) return null;
    const here: { id: string | null; amountMinor: number }[] = await this.#platform.database.query(
      `SELECT provider_id AS id, amount_minor AS "amountMinor" FROM refund
       WHERE order_id = $1 AND done AND state <> 'FAILED' AND reason <> 'DISPUTE' AND amount_minor > 0`,
      [order.id],
    );
    const there = await this.#platform.gateway.listRefunds(intent.id);
    if (there.kind !== 'ok') return undefined;
    const amounts = new Map(there.value.map(({ id, amountMinor }) => [id, amountMinor]));
    const wrong = here.filter(({ id, amountMinor }) => id === null || amounts.get(id) !== amountMinor);
    if (wrong.length === 0) return null;
    const named = wrong.map(({ id, amountMinor }) => `${id ?? 'never made'}: ${amountMinor} here`);
    return { kind: 'AMOUNT_DIFFERS', detail: `paid back: ${named.join('; ')}` };
  }

  /** What has been taken stays until a human has looked at it. */
  async #callOff({ id, status }: AuditedIntent): Promise<void> {
    if (status === 'succeeded') return;
    await this.#platform.gateway.cancelIntent(id, `reconciler:${id}:${this.#platform.clock.randomId()}`);
  }

  async #wake(orderId: string, intentId: string | null): Promise<void> {
    const { database, clock } = this.#platform;
    const now = new Date(clock.nowMs());
    const longLease = new Date(now.getTime() + limits.stepLeaseMs);
    await inTransaction(database, async (manager) => {
      await lockOrders(manager, [orderId]);
      await manager.query(nudgeSql, [orderId, intentId, now, longLease]);
      await manager.query(reopenSql, [orderId, now]);
    });
    this.#ledger.wakeWorkers(['CREATE', 'SETTLE', 'ISSUE', 'CAPTURE', 'CANCEL', 'RETURN', 'REFUND', 'RELEASE']);
  }

  async #compareMovements(movements: readonly ProviderMovement[]): Promise<void> {
    const sources = movements.flatMap(({ source }) => source ?? []);
    const idsOf = (kind: Source['kind']) => sources.filter((source) => source.kind === kind).map(({ id }) => id);
    const { database } = this.#platform;
    const orderIds = sources.flatMap(({ orderId }) => (orderId !== null && isUuid(orderId) ? [orderId] : []));
    const known = {
      charges: byId<KnownCharge>(await database.query(chargesSql, [orderIds])),
      refunds: byId<KnownRefund>(await database.query(refundsSql, [idsOf('refund')])),
      disputes: byId<KnownDispute>(await database.query(disputesSql, [idsOf('dispute')])),
    };
    for (const movement of movements)
      if ((await this.#judgeMovement(movement, known)) === undefined) throw new Unanswered(movement.id);
  }

  /** Answers whether all is well with it; undefined: the provider does not answer. */
  async #judgeMovement(movement: ProviderMovement, known: Known): Promise<boolean | undefined> {
    const { source, category } = movement;
    if (source === null) return true;
    const judgement = judgeMovement(category, source, known);
    if (judgement === null) return true;
    const owner = await this.#ownerOf(source);
    if (owner === undefined) return undefined;
    if (owner === null) return true;
    const { id: orderId, eventId } = owner;
    const about = { subject: `${category} ${source.id}`, orderId, eventId, about: { movement } };
    await this.#differences.note([{ ...about, ...judgement }]);
    if (judgement.kind === 'AMOUNT_DIFFERS') return false;
    if (source.kind === 'charge') await this.#wake(orderId, source.intentId);
    else await this.#enqueue([{ kind: source.kind, id: source.id }]);
    return false;
  }

  /** The order that money moved for; null: none of ours. */
  async #ownerOf({ orderId, intentId }: Source): Promise<ComparedOrder | null | undefined> {
    if (orderId !== null) return (await this.#readOrders([{ orderId }])).get(orderId) ?? null;
    if (intentId === null) return null;
    const answer = await this.#platform.gateway.auditIntent(intentId);
    if (answer.kind !== 'ok') return answer.kind === 'refused' ? null : undefined;
    return (await this.#readOrders([answer.value])).get(answer.value.orderId ?? '') ?? null;
  }

  async #enqueue(objects: readonly { readonly kind: 'refund' | 'dispute'; readonly id: string }[]): Promise<void> {
    if (objects.length === 0) return;
    const now = new Date(this.#platform.clock.nowMs());
    await this.#platform.database.query(enqueueSql, [JSON.stringify(objects), now]);
  }

  /**
   * Orders that came to rest in a stretch of time, or with something posted in it; read like a list of the provider. Whatever happens to an
   * order ends with one of these steps: one that is still moving when it is compared is compared again.
   */
  async #listMoved({ fromMs, toMs, after }: ListWindow): Promise<ProviderAnswer<ListPage<string>>> {
    const rows: { id: string; at: Date }[] = await this.#platform.database.query(movedSql, [
      after === null ? new Date(fromMs) : new Date(after),
      new Date(toMs),
      limits.moneyPageOrders,
    ]);
    const items = [...new Set(rows.map(({ id }) => id))];
    const last = rows.length === limits.moneyPageOrders ? rows.at(-1)!.at.toISOString() : null;
    return { kind: 'ok', value: { items, after: last } };
  }

  /** Answers whether all is well. */
  async #compareBooks(orderIds: readonly string[]): Promise<boolean> {
    if (orderIds.length === 0) return true;
    const wrong: WrongBooks[] = await this.#platform.database.query(booksSql, [orderIds]);
    await this.#differences.note(
      wrong.map(({ id, eventId, held, heldRight, buyer, buyerRight }) => ({
        kind: 'BOOKS_DIFFER',
        detail: `held: ${held} for ${heldRight}; owed by the buyer: ${buyer} for ${buyerRight}`,
        subject: id,
        orderId: id,
        eventId,
        about: { booksOf: id },
      })),
    );
    return wrong.length === 0;
  }

  /** Answers whether all is well. */
  async #compareTickets(orderIds: readonly string[]): Promise<boolean> {
    if (orderIds.length === 0) return true;
    const wrong: WrongTickets[] = await this.#platform.database.query(ticketsSql, [orderIds]);
    await this.#differences.note(
      wrong.map(({ id, eventId, wanted, ...there }) => ({
        kind: 'TICKETS_DIFFER',
        detail: `valid tickets: ${there.valid}, seats: ${there.owned}, of them without a ticket: ${there.bare}; right: ${wanted}`,
        subject: id,
        orderId: id,
        eventId,
        about: { ticketsOf: id },
      })),
    );
    return wrong.length === 0;
  }

  async #findStuckRefunds(refundId: string | null = null): Promise<boolean> {
    const { database, clock } = this.#platform;
    const overdue = new Date(clock.nowMs() - limits.moneyUnmatchedMs);
    const only = refundId === null ? 'ORDER BY r.created_at LIMIT $2' : 'AND r.id = $2';
    const stuck: { id: string; orderId: string; eventId: string; state: string }[] = await database.query(
      `${stuckSql} ${only}`,
      [overdue, refundId ?? limits.moneyRechecks],
    );
    await this.#differences.note(
      stuck.map(
        ({ id, orderId, eventId, state }): Difference => ({
          kind: 'REFUND_STUCK',
          detail: state,
          subject: id,
          orderId,
          eventId,
          about: { refundId: id },
        }),
      ),
    );
    for (const { orderId } of stuck) await this.#wake(orderId, null);
    return stuck.length === 0;
  }

  /** A refund that is on its way for long: its end may have been told to nobody. */
  async #readPendingRefundsAgain(): Promise<void> {
    const { database, clock } = this.#platform;
    const pending: { id: string }[] = await database.query(
      `SELECT r.provider_id AS id FROM refund r WHERE r.state = 'PENDING' AND r.provider_id IS NOT NULL AND r.created_at <= $1
         AND NOT EXISTS (SELECT FROM webhook_event w WHERE w.id = 'reconciler:' || r.provider_id AND w.received_at > $1)
       ORDER BY r.created_at LIMIT $2`,
      [new Date(clock.nowMs() - limits.moneyRefundRereadMs), limits.moneyRechecks],
    );
    await this.#enqueue(pending.map(({ id }) => ({ kind: 'refund' as const, id })));
  }

  /** What was found in an earlier round: over, or seen to again. */
  async #lookAgain(difference: OpenDifference): Promise<void> {
    const over = await this.#isOver(difference);
    if (over === true) await this.#differences.end(difference);
  }

  /** Undefined: it cannot be told now. */
  async #isOver({ kind, about }: OpenDifference): Promise<boolean | undefined> {
    if ('booksOf' in about) return this.#compareBooks([about.booksOf]);
    if ('ticketsOf' in about) return this.#compareTickets([about.ticketsOf]);
    if ('refundId' in about) return this.#findStuckRefunds(about.refundId);
    if ('intentId' in about) {
      const judgement = await this.#judge(about.intentId, about.orderId);
      return judgement === undefined ? undefined : judgement?.kind !== kind;
    }
    const { database } = this.#platform;
    const { source } = about.movement;
    const known = {
      charges: byId<KnownCharge>(await database.query(chargesSql, [source?.orderId ? [source.orderId] : []])),
      refunds: byId<KnownRefund>(await database.query(refundsSql, [[source?.id]])),
      disputes: byId<KnownDispute>(await database.query(disputesSql, [[source?.id]])),
    };
    return this.#judgeMovement(about.movement, known);
  }

  async #readOrders(about: readonly Pick<Intent, 'orderId'>[]): Promise<ReadonlyMap<string, ComparedOrder>> {
    const ids = [...new Set(about.flatMap(({ orderId }) => (orderId !== null && isUuid(orderId) ? [orderId] : [])))];
    if (ids.length === 0) return new Map();
    return byId<ComparedOrder>(await this.#platform.database.query(ordersSql, [ids]));
  }

  async #hasEvent(eventId: string | null): Promise<boolean> {
    if (eventId === null || !isUuid(eventId)) return false;
    const rows: unknown[] = await this.#platform.database.query('SELECT FROM event WHERE id = $1', [eventId]);
    return rows.length > 0;
  }
}

const paysBackOtherwise = ({ refundedMinor }: AuditedIntent, { paidBackMinor, moving }: ComparedOrder): boolean =>
  !moving && paidBackMinor !== refundedMinor;

interface WrongBooks {
  readonly id: string;
  readonly eventId: string;
  readonly held: string;
  readonly heldRight: string;
  readonly buyer: string;
  readonly buyerRight: string;
}

interface WrongTickets {
  readonly id: string;
  readonly eventId: string;
  readonly valid: number;
  readonly owned: number;
  readonly bare: number;
  readonly wanted: number;
}

/** An order and what has been posted as taken for it. */
interface KnownCharge {
  readonly id: string;
  readonly intentId: string | null;
  readonly amountMinor: number | null;
}

interface KnownRefund {
  readonly id: string;
  readonly amountMinor: number;
  readonly failed: boolean;
}

interface KnownDispute {
  readonly id: string;
  readonly won: boolean;
}

interface Known {
  readonly charges: ReadonlyMap<string, KnownCharge>;
  readonly refunds: ReadonlyMap<string, KnownRefund>;
  readonly disputes: ReadonlyMap<string, KnownDispute>;
}

const byId = <T extends { readonly id: string }>(rows: readonly T[]): ReadonlyMap<string, T> =>
  new Map(rows.map((row) => [row.id, row]));

function judgeMovement(category: string, source: Source, known: Known): Judgement | null {
  const unknown: Judgement = { kind: 'MOVEMENT_UNKNOWN', detail: `${category} of ${source.amountMinor}` };
  const differs = (amountMinor: number): Judgement | null =>
    amountMinor === source.amountMinor
      ? null
      : { kind: 'AMOUNT_DIFFERS', detail: `${category}: ${amountMinor} here, ${source.amountMinor} there` };
  if (source.kind === 'charge') {
    const order = known.charges.get(source.orderId ?? '');
    // Another payment than the order's is a matter of the payments, not of what moved.
    if (order === undefined || (order.intentId !== null && order.intentId !== source.intentId)) return null;
    if (category !== 'charge' || order.amountMinor === null) return unknown;
    return differs(order.amountMinor);
  }
  if (source.kind === 'refund') {
    const refund = known.refunds.get(source.id);
    if (refund === undefined || (category !== 'refund' && !refund.failed)) return unknown;
    return differs(refund.amountMinor);
  }
  const dispute = known.disputes.get(source.id);
  return dispute === undefined || (category === 'dispute_reversal' && !dispute.won) ? unknown : null;
}
