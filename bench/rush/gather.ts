import { Redis } from 'ioredis';
import pg from 'pg';
import { categoryOf, type Layout } from '../../src/domain/layout.js';
import { type EventRef, eventKeys, sharedKeys } from '../../src/redis/keys.js';
import { entryGlobalId } from '../../src/services/line.js';
import type { Evidence, IntentView, LedgerOrder, LedgerView, LineEntry, LineEntryKind, LiveView } from './evidence.js';

export interface Sources {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly paymentsUrl: string;
  readonly eventId: string;
}

const streamPage = 10_000;

/** Reads everything an audit needs. Nothing may be writing any more: the server is stopped before. */
export async function gatherEvidence(sources: Sources, seen: Pick<Evidence, 'buyers' | 'sales'>): Promise<Evidence> {
  const [ledger, { live, line }, intents] = await Promise.all([
    readLedger(sources),
    readRedis(sources),
    readIntents(sources),
  ]);
  return { ledger, live, line, intents, ...seen };
}

/** Orders whose money or seats are on the move: an audit waits until there are none. */
export async function countMovingOrders(databaseUrl: string): Promise<number> {
  const sql = `SELECT count(*)::int AS moving FROM orders WHERE state IN ('ISSUING', 'CONFIRMED', 'CANCELING', 'REFUNDING')`;
  return withDatabase(databaseUrl, async (client) => (await client.query<{ moving: number }>(sql)).rows[0]!.moving);
}

/** What a report says about how durable the ledger of its run was. */
export async function readDurability(databaseUrl: string): Promise<Record<string, string>> {
  const names = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes'];
  return withDatabase(databaseUrl, async (client) => {
    const rows = await client.query<{ name: string; setting: string }>(
      'SELECT name, setting FROM pg_settings WHERE name = ANY($1)',
      [names],
    );
    return Object.fromEntries(rows.rows.map(({ name, setting }) => [name, setting]));
  });
}

async function withDatabase<T>(url: string, read: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await read(client);
  } finally {
    await client.end();
  }
}

const ordersSql = `
  SELECT o.id, o.person_id AS "personId", o.hold_id AS "holdId", o.state, o.payment, o.currency, o.total_minor AS "totalMinor",
         o.intent_id AS "intentId",
         (SELECT json_agg(json_build_object('seatIndex', l.seat_index, 'totalMinor', l.price_minor + l.fee_minor) ORDER BY l.seat_index)
            FROM order_line l WHERE l.order_id = o.id) AS lines
    FROM orders o WHERE o.event_id = $1`;
const ownersSql = `SELECT seat_index AS "seatIndex", order_id AS "orderId", state FROM seat_owner WHERE event_id = $1`;
const ticketsSql = `SELECT id, order_id AS "orderId", seat_index AS "seatIndex", state, extract(epoch FROM issued_at)::float8 * 1000 AS "issuedAtMs" FROM ticket WHERE event_id = $1`;
const layoutSql = `
  SELECT i.capacity, l.document FROM inventory i JOIN layout l ON l.event_id = i.event_id AND l.version = i.layout_version
   WHERE i.event_id = $1`;

async function readLedger({ databaseUrl, eventId }: Sources): Promise<LedgerView> {
  return withDatabase(databaseUrl, async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const rows = async <T extends pg.QueryResultRow>(sql: string) => (await client.query<T>(sql, [eventId])).rows;
    const [inventory] = await rows<{ capacity: number; document: Layout }>(layoutSql);
    if (!inventory) throw new Error(`the ledger has no inventory of event ${eventId}`);
    const orders = await rows<LedgerOrder>(ordersSql);
    return {
      eventId,
      capacity: inventory.capacity,
      categories: [...categoryOf(inventory.document)],
      orders: orders.map((order) => ({ ...order, lines: order.lines ?? [] })),
      owners: await rows<LedgerView['owners'][number]>(ownersSql),
      tickets: await rows<LedgerView['tickets'][number]>(ticketsSql),
    };
  });
}

async function readRedis({ redisUrl, eventId }: Sources): Promise<{ live: LiveView; line: LineEntry[] }> {
  const client = new Redis(redisUrl);
  try {
    const ref = { eventId, generation: Number(await client.hget(sharedKeys(eventId).meta, 'generation')) };
    const keys = eventKeys(ref);
    const answers = await client
      .multi()
      .get(keys.status)
      .get(keys.channels)
      .hgetall(keys.counts)
      .hget(keys.line, 'cap')
      .zcard(keys.admitted)
      .zcard(keys.present)
      .zcard(keys.away)
      .exec();
    const [status, channels, counts, cap, admitted, present, away] = (answers ?? []).map(([error, value]) => {
      if (error) throw error;
      return value;
    });
    const numbers = Object.entries(counts as Record<string, string>).map(
      ([field, count]) => [field, Number(count)] as const,
    );
    const live = {
      generation: ref.generation,
      status: (status as string | null) ?? '',
      channels: (channels as string | null) ?? '',
      counts: Object.fromEntries(numbers),
      cap: Number(cap),
      admitted: admitted as number,
      waiting: (present as number) + (away as number),
    };
    return { live, line: await readLine(client, ref) };
  } finally {
    client.disconnect();
  }
}

async function readLine(client: Redis, ref: EventRef): Promise<LineEntry[]> {
  const key = eventKeys(ref).audit;
  const entries: LineEntry[] = [];
  for (let from = '-'; ; ) {
    const page = await client.xrange(key, from, '+', 'COUNT', streamPage);
    for (const [, fields] of page) entries.push(lineEntry(ref.eventId, fields));
    const last = page.at(-1);
    if (!last || page.length < streamPage) return entries;
    from = `(${last[0]}`;
  }
}

/** The field names of the audit stream, here and nowhere else. */
function lineEntry(eventId: string, fields: readonly string[]): LineEntry {
  const value = (name: string) => fields[fields.indexOf(name) + 1] ?? '';
  return {
    serial: Number(value('serial')),
    atMs: Number(value('at')),
    kind: value('kind') as LineEntryKind,
    // As the buyers know it.
    entry: entryGlobalId(eventId, value('entry')),
    number: Number(value('number')),
    active: Number(value('active')),
    cap: Number(value('cap')),
  };
}

interface ListedIntent {
  readonly id: string;
  readonly status: string;
  readonly amount: number;
  readonly currency: string;
  readonly amount_received: number;
  readonly amount_refunded: number;
}

async function readIntents({ paymentsUrl }: Sources): Promise<IntentView[]> {
  const response = await fetch(`${paymentsUrl}/_sandbox/intents`);
  if (!response.ok) throw new Error(`the payment sandbox answered ${response.status}`);
  const listed = (await response.json()) as ListedIntent[];
  return listed.map(({ id, status, amount, currency, amount_received, amount_refunded }) => ({
    id,
    status,
    amount,
    currency,
    amountReceived: amount_received,
    amountRefunded: amount_refunded,
  }));
}
