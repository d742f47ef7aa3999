import type { Redis } from 'ioredis';
import { eventKeys, sharedKeys } from '../../../src/redis/keys.js';
import { seatBooksOf } from '../../interleaving/seat-books.js';
import type { AuditedIntent } from '../../support/payment-sandbox.js';

/** Where truth is written: the ledger by SQL, Redis by its commands, the provider by its HTTP. */
export interface Books {
  sql<T>(text: string, values?: readonly unknown[]): Promise<T[]>;
  readonly redis: Redis;
  readonly provider: { intents(): Promise<AuditedIntent[]> };
}

export interface OrderEvidence {
  readonly id: string;
  readonly event: string;
  readonly person: string;
  readonly hold: string;
  readonly state: string;
  readonly payment: string;
  readonly currency: string;
  readonly total: number;
  readonly intent: string | null;
  readonly secret: string | null;
  readonly steps: readonly string[];
  readonly lines: readonly { readonly seat: number; readonly category: number; readonly minor: number }[];
  readonly owned: readonly { readonly seat: number; readonly state: string }[];
  readonly tickets: readonly { readonly seat: number; readonly state: string }[];
}

/** What Redis says of one event. */
export interface SeatEvidence {
  readonly event: string;
  readonly generation: number;
  readonly servedGeneration: number;
  readonly status: string;
  /** Seat index → hold id. */
  readonly holders: Readonly<Record<string, string>>;
  readonly counts: Readonly<Record<string, string>>;
  readonly people: Readonly<Record<string, string>>;
  readonly waiting: number;
  /** The first thing in which Redis contradicts itself. */
  readonly contradiction: string | null;
}

/** What the postings and refunds of an order come to. */
export interface AccountEvidence {
  readonly order: string;
  /** Postings whose accounts do not add up to nothing. */
  readonly unbalanced: number;
  /** What the buyer still owes. */
  readonly buyer: number;
  /** What lies with the provider. */
  readonly clearing: number;
  readonly earned: number;
  readonly refunded: number;
  readonly unfinishedRefunds: number;
}

/** Everything an audit looks at, read once when everything has come to rest. */
export interface Evidence {
  readonly orders: readonly OrderEvidence[];
  readonly intents: readonly AuditedIntent[];
  readonly halls: readonly SeatEvidence[];
  readonly accounts: readonly AccountEvidence[];
  readonly intentsOf: (orderId: string) => readonly AuditedIntent[];
}

const ordersSql = `
  SELECT o.id, o.event_id AS event, o.person_id AS person, o.hold_id AS hold, o.state, o.payment, o.currency, o.total_minor AS total,
    o.intent_id AS intent, o.client_secret AS secret,
    ARRAY(SELECT s.step FROM order_step s WHERE s.order_id = o.id AND s.finished_at IS NULL) AS steps,
    (SELECT json_agg(json_build_object('seat', l.seat_index, 'category', l.category, 'minor', l.price_minor + l.fee_minor) ORDER BY l.seat_index)
     FROM order_line l WHERE l.order_id = o.id) AS lines,
    COALESCE((SELECT json_agg(json_build_object('seat', w.seat_index, 'state', w.state) ORDER BY w.seat_index)
     FROM seat_owner w WHERE w.order_id = o.id), '[]') AS owned,
    COALESCE((SELECT json_agg(json_build_object('seat', t.seat_index, 'state', t.state) ORDER BY t.seat_index)
     FROM ticket t WHERE t.order_id = o.id), '[]') AS tickets
  FROM orders o WHERE o.event_id = ANY($1) ORDER BY o.created_at, o.id`;

const accountsSql = `
  SELECT o.id AS "order", p.*, r.* FROM orders o
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE buyer + clearing + cash + organizer + fees + tax <> 0)::int AS unbalanced, COALESCE(sum(buyer), 0)::int AS buyer,
           COALESCE(sum(clearing), 0)::int AS clearing, COALESCE(-sum(organizer + fees + tax), 0)::int AS earned
    FROM posting WHERE order_id = o.id) p
  CROSS JOIN LATERAL (
    SELECT COALESCE(sum(amount_minor) FILTER (WHERE state = 'SUCCEEDED'), 0)::int AS refunded,
           count(*) FILTER (WHERE state IN ('REQUESTED', 'PENDING') OR NOT done)::int AS "unfinishedRefunds"
    FROM refund WHERE order_id = o.id) r
  WHERE o.event_id = ANY($1)`;

function readAccounts({ sql }: Books, eventIds: readonly string[]): Promise<AccountEvidence[]> {
  return sql(accountsSql, [eventIds]);
}

export async function readEvidence(books: Books, eventIds: readonly string[]): Promise<Evidence> {
  const [orders, all, halls, accounts] = await Promise.all([
    books.sql<OrderEvidence>(ordersSql, [eventIds]),
    books.provider.intents(),
    Promise.all(eventIds.map((eventId) => readHall(books, eventId))),
    readAccounts(books, eventIds),
  ]);
  const intents = all.filter(({ metadata }) => eventIds.includes(metadata.event_id ?? ''));
  const byOrder = new Map<string, AuditedIntent[]>();
  for (const intent of intents) {
    const orderId = intent.metadata.order_id ?? '';
    byOrder.set(orderId, [...(byOrder.get(orderId) ?? []), intent]);
  }
  return { orders, intents, halls, accounts, intentsOf: (orderId) => byOrder.get(orderId) ?? [] };
}

async function readHall({ sql, redis }: Books, eventId: string): Promise<SeatEvidence> {
  const [row] = await sql<{ generation: number }>('SELECT generation FROM inventory WHERE event_id = $1', [eventId]);
  const served = Number(await redis.hget(sharedKeys(eventId).meta, 'generation'));
  const keys = eventKeys({ eventId, generation: served });
  const [status, holders, counts, people, deadlines, payments, contradiction] = await Promise.all([
    redis.get(keys.status),
    redis.hgetall(keys.seats),
    redis.hgetall(keys.counts),
    redis.hgetall(keys.people),
    redis.zcard(keys.deadlines),
    redis.zcard(keys.payments),
    seatBooksOf(redis, eventId),
  ]);
  return {
    event: eventId,
    generation: row!.generation,
    servedGeneration: served,
    status: status ?? '',
    holders,
    counts,
    people,
    waiting: deadlines + payments,
    contradiction,
  };
}
