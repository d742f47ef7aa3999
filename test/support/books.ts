import type { Redis } from 'ioredis';
import type { TestApp } from './app.js';
import { presentKeys } from './keys.js';
import type { PaymentSandbox } from './payment-sandbox.js';

/** Where the truth about an event is written: the ledger, Redis and the payment provider. */
export interface Books {
  sql<T>(text: string, values?: readonly unknown[]): Promise<T[]>;
  readonly redis: Redis;
  readonly provider: PaymentSandbox;
  readonly eventId: string;
}

export function booksOfApp({ sql, server, provider }: TestApp, eventId: string): Books {
  return { sql, redis: server.services.platform.redis, provider, eventId };
}

export interface LedgerOrder {
  readonly id: string;
  readonly state: string;
  readonly payment: string;
  readonly method: string;
  readonly totalMinor: number;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
  readonly clientSecret: string | null;
}

const letters = ['.', 'h', 'i', 's', 'r', 'x'] as const;

/** Seats as Redis has them: the letter of every seat, and the counts by letter. */
export async function readSeats({
  redis,
  eventId,
}: Books): Promise<{ status: string; counts: Record<string, number> }> {
  const keys = await presentKeys(redis, eventId);
  const [status, stored] = await Promise.all([redis.get(keys.status), redis.hgetall(keys.counts)]);
  return { status: status ?? '', counts: Object.fromEntries(letters.map((l) => [l, Number(stored[`*:${l}`] ?? 0)])) };
}

export function readOrders({ sql, eventId }: Books): Promise<LedgerOrder[]> {
  return sql(
    `SELECT id, state, payment, method, total_minor AS "totalMinor", captured_minor AS "capturedMinor", refunded_minor AS "refundedMinor",
            client_secret AS "clientSecret" FROM orders WHERE event_id = $1 ORDER BY created_at`,
    [eventId],
  );
}

/** Every seat is in one state, the counts are those of the seats, and they add up to the capacity. */
export async function expectSeatsAddUp(books: Books): Promise<void> {
  const { status, counts } = await readSeats(books);
  const shown = (letter: string) => status.split(letter).length - 1;
  expect({ ...counts, h: counts.h! + counts.i!, i: 0 }).toEqual({
    ...Object.fromEntries(letters.map((letter) => [letter, shown(letter)])),
    i: 0,
  });
  expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(status.length);
}

interface Accounts {
  readonly buyer: number;
  readonly clearing: number;
  readonly cash: number;
  readonly organizer: number;
  readonly fees: number;
  readonly tax: number;
}
const noBalance: Accounts = { buyer: 0, clearing: 0, cash: 0, organizer: 0, fees: 0, tax: 0 };

/** What each order's postings come to. */
async function readAccounts({ sql, eventId }: Books): Promise<Map<string, Accounts>> {
  const names = Object.keys(noBalance);
  const rows = await sql<Accounts & { order: string }>(
    `SELECT order_id AS order, ${names.map((name) => `sum(${name})::int AS ${name}`).join(', ')} FROM posting WHERE event_id = $1 GROUP BY order_id`,
    [eventId],
  );
  return new Map(rows.map(({ order, ...accounts }) => [order, accounts]));
}

/**
 * Every order of the event has ended, either with its tickets and its money captured once, or without tickets and nothing charged; seats,
 * ledger and tickets name the same owners.
 */
export async function expectBooksBalance(books: Books): Promise<void> {
  const { sql, redis, provider, eventId } = books;
  const [orders, intents, owners, tickets, seats, accounts] = await Promise.all([
    readOrders(books),
    provider.intents(),
    sql<{ seat: number; order: string; state: string }>(
      'SELECT seat_index AS seat, order_id AS "order", state FROM seat_owner WHERE event_id = $1 ORDER BY 1',
      [eventId],
    ),
    sql<{ seat: number; order: string; state: string }>(
      `SELECT seat_index AS seat, order_id AS "order", state FROM ticket WHERE event_id = $1 AND state <> 'VOID' ORDER BY 1`,
      [eventId],
    ),
    readSeats(books),
    readAccounts(books),
  ]);
  const finalStates = ['COMPLETED', 'CANCELED', 'EXPIRED', 'LOST', 'REFUNDED'];
  for (const order of orders) {
    const own = intents.filter(({ metadata }) => metadata.order_id === order.id);
    const sold = order.state === 'COMPLETED';
    const balance = accounts.get(order.id) ?? noBalance;
    const keeps = order.capturedMinor - order.refundedMinor;
    expect({
      ended: finalStates.includes(order.state),
      secret: order.clientSecret,
      tickets: tickets.filter((ticket) => ticket.order === order.id).length > 0,
      kept: own.reduce((sum, intent) => sum + intent.amount_received - intent.amount_refunded, 0),
      capturable: own.reduce((sum, intent) => sum + intent.amount_capturable, 0),
      captured: own.filter(({ amount_received }) => amount_received > 0).length,
      owed: balance.buyer,
      booked: balance.clearing,
      earned: 0 - balance.organizer - balance.fees - balance.tax,
    }).toEqual({
      ended: true,
      secret: null,
      tickets: sold,
      kept: order.method === 'ONLINE' ? keeps : 0,
      capturable: 0,
      captured: order.method === 'ONLINE' && order.capturedMinor > 0 ? 1 : 0,
      owed: 0,
      booked: order.method === 'ONLINE' ? keeps : 0,
      earned: keeps,
    });
    if (!sold && order.state !== 'REFUNDED') expect(order.capturedMinor).toBe(0);
  }
  expect(owners.map((owner) => ({ ...owner, state: owner.state === 'ISSUED' ? 'VALID' : owner.state }))).toEqual(
    tickets,
  );
  const soldSeats = [...seats.status].flatMap((letter, index) => (letter === 's' ? [index] : []));
  expect(soldSeats).toEqual(tickets.map(({ seat }) => seat));
  const sums = await redis.hgetall((await presentKeys(redis, eventId)).counts);
  const [{ worth }] = (await sql<{ worth: number }>(
    `SELECT COALESCE(sum(l.price_minor + l.fee_minor), 0)::int AS worth FROM order_line l JOIN ticket t ON t.order_id = l.order_id AND t.seat_index = l.seat_index
     WHERE t.event_id = $1 AND t.state <> 'VOID'`,
    [eventId],
  )) as [{ worth: number }];
  const revenue = Object.entries(sums).reduce(
    (sum, [f, minor]) => sum + (f.endsWith(':revenue') ? Number(minor) : 0),
    0,
  );
  expect(revenue).toBe(worth);
  await expectSeatsAddUp(books);
}
