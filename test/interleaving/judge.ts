import { presentKeys } from '../support/keys.js';
import type { Complaint } from './complaint.js';
import { eventId, seatIds } from './event.js';
import { type Payment, readPayments } from './provider.js';
import { checkSeatBooks } from './seat-books.js';
import type { Stage } from './stage.js';

interface OrderRow {
  readonly id: string;
  readonly person: string;
  readonly hold: string;
  readonly state: string;
  readonly payment: string;
  readonly currency: string;
  readonly total: number;
  readonly secret: string | null;
  readonly step: string | null;
  readonly lines: readonly { readonly seat: number; readonly category: number; readonly minor: number }[];
  readonly owned: readonly { readonly seat: number; readonly state: string }[];
  readonly tickets: readonly { readonly seat: number; readonly state: string }[];
}

const ordersSql = `
  SELECT o.id, o.person_id AS person, o.hold_id AS hold, o.state, o.payment, o.currency, o.total_minor AS total, o.client_secret AS secret,
    (SELECT string_agg(s.step, ', ') FROM order_step s WHERE s.order_id = o.id AND s.finished_at IS NULL) AS step,
    (SELECT json_agg(json_build_object('seat', l.seat_index, 'category', l.category, 'minor', l.price_minor + l.fee_minor) ORDER BY l.seat_index)
     FROM order_line l WHERE l.order_id = o.id) AS lines,
    COALESCE((SELECT json_agg(json_build_object('seat', w.seat_index, 'state', w.state) ORDER BY w.seat_index)
     FROM seat_owner w WHERE w.order_id = o.id), '[]') AS owned,
    COALESCE((SELECT json_agg(json_build_object('seat', t.seat_index, 'state', t.state) ORDER BY t.seat_index)
     FROM ticket t WHERE t.order_id = o.id), '[]') AS tickets
  FROM orders o ORDER BY o.created_at, o.id`;

const endings = ['COMPLETED', 'CANCELED', 'EXPIRED', 'LOST', 'REFUNDED'];

type Complain = (rule: string, text: string) => void;

interface Verdict {
  readonly complaints: readonly Complaint[];
  /** The states of the orders. */
  readonly endings: readonly string[];
}

/** What is wrong when everything has come to rest; asks the stores and the provider, and believes none of the product's code. */
export async function judge(stage: Stage, suffix: string): Promise<Verdict> {
  const complaints: Complaint[] = [];
  const complain = (rule: string, text: string) => complaints.push({ rule, text });
  const [{ rows: orders }, payments] = await Promise.all([
    stage.observer.query<OrderRow>({ name: 'orders', text: ordersSql }),
    readPayments(stage, suffix),
  ]);
  for (const order of orders) judgeOrder(order, payments, complain);
  for (const { orderId, intent } of payments) {
    if (!orders.some(({ id }) => id === orderId)) complain('money', `the payment ${intent.id} is of no order`);
  }
  await judgeRedis(stage, orders, complain);
  return { complaints, endings: orders.map(({ state }) => state) };
}

function judgeOrder(order: OrderRow, payments: readonly Payment[], complain: Complain): void {
  const name = `order ${order.id.slice(0, 8)} (${order.state})`;
  if (!endings.includes(order.state)) complain('ending', `${name} is not over; open step: ${order.step ?? 'none'}`);
  else if (order.step !== null) complain('ending', `${name} is over and still has the step ${order.step}`);
  if (endings.includes(order.state) && order.secret !== null) complain('secret', `${name} still shows how it is paid`);
  const isSold = order.state === 'COMPLETED';
  const seats = order.lines.map(({ seat }) => seat).join(',');
  const valid = order.tickets
    .filter(({ state }) => state === 'VALID')
    .map(({ seat }) => seat)
    .join(',');
  const pending = order.tickets.filter(({ state }) => state === 'PENDING_CAPTURE').length;
  if (valid !== (isSold ? seats : '') || pending > 0)
    complain(
      'tickets',
      `${name} over seats ${seats} has tickets for ${valid || 'none'}${pending > 0 ? ` and ${pending} pending` : ''}`,
    );
  const owned = order.owned.map(({ seat, state }) => `${seat} ${state}`).join(',');
  const due = isSold ? order.lines.map(({ seat }) => `${seat} ISSUED`).join(',') : '';
  if (owned !== due) complain('owner', `${name} owns ${owned || 'nothing'}, not ${due || 'nothing'}`);
  judgeMoney(order, name, payments, complain);
}

function judgeMoney(order: OrderRow, name: string, payments: readonly Payment[], complain: Complain): void {
  const own = payments.filter(({ orderId }) => orderId === order.id);
  const received = own.map(({ intent }) => intent.amount_received).filter((minor) => minor > 0);
  const refundedMinor = own.reduce((sum, payment) => sum + payment.refundedMinor, 0);
  const receivedMinor = received.reduce((sum, minor) => sum + minor, 0);
  const story = `received ${received.join(' + ') || 'nothing'}, refunded ${refundedMinor}, total ${order.total}`;
  const keptMinor = order.state === 'COMPLETED' ? order.total : 0;
  if (receivedMinor - refundedMinor !== keptMinor) complain('money', `${name}: ${story}`);
  if (order.state === 'REFUNDED' && (receivedMinor !== order.total || received.length !== 1))
    complain('money', `${name}: ${story}`);
  if (order.state !== 'REFUNDED' && refundedMinor > 0) complain('money', `${name}: ${story}`);
  for (const { intent } of own) {
    if (intent.amount !== order.total || intent.currency.toUpperCase() !== order.currency)
      complain('money', `${name} over ${order.total} asks for ${intent.amount} ${intent.currency}`);
    if (intent.status !== 'succeeded' && intent.status !== 'canceled')
      complain('money', `the payment of ${name} is still ${intent.status}: money may come or stay bound`);
  }
}

async function judgeRedis(stage: Stage, orders: readonly OrderRow[], complain: Complain): Promise<void> {
  const { redis, observer } = stage;
  const keys = await presentKeys(redis, eventId);
  const { rows } = await observer.query<{ generation: number }>('SELECT generation FROM inventory');
  const due = rows[0]!.generation;
  const read = redis.pipeline().get(keys.status).hgetall(keys.seats).hgetall(keys.counts).hgetall(keys.people);
  const waiting = read.zcard(keys.deadlines).zcard(keys.payments);
  const answers = (await waiting.hget(keys.meta, 'generation').exec())!.map(([, answer]) => answer);
  const [status, seats, counts, people, deadlines, payments, generation] = answers as [
    string,
    Record<string, string>,
    Record<string, string>,
    Record<string, string>,
    number,
    number,
    string,
  ];
  if (Number(generation) !== due)
    complain('generation', `Redis serves generation ${generation}, the ledger has ${due}`);
  const difference = await checkSeatBooks(stage);
  if (difference !== null) complain('books', difference);
  const sold = new Map<number, OrderRow>();
  for (const order of orders)
    if (order.state === 'COMPLETED')
      for (const { seat } of order.lines) {
        if (sold.has(seat))
          complain('twice', `seat ${seat} is sold to ${sold.get(seat)!.person} and to ${order.person}`);
        sold.set(seat, order);
      }
  const letters = seatIds.map((_, seat) => (sold.has(seat) ? 's' : '.')).join('');
  if (status !== letters) complain('seats', `Redis shows ${status}, the ledger has sold ${letters}`);
  for (const [seat, order] of sold)
    if (seats[seat] !== order.hold) complain('seats', `seat ${seat} is of the hold ${seats[seat]}, not of its order's`);
  if (deadlines + payments > 0)
    complain('seats', `${deadlines} holds and ${payments} checkouts still wait for their end`);
  judgeSums(orders, { counts, people }, complain);
}

function judgeSums(
  orders: readonly OrderRow[],
  { counts, people }: { readonly counts: Record<string, string>; readonly people: Record<string, string> },
  complain: Complain,
): void {
  const revenue = new Map<string, number>();
  const bought = new Map<string, number>();
  for (const { state, person, lines } of orders) {
    if (state !== 'COMPLETED') continue;
    bought.set(person, (bought.get(person) ?? 0) + lines.length);
    for (const { category, minor } of lines)
      revenue.set(`${category}:revenue`, (revenue.get(`${category}:revenue`) ?? 0) + minor);
  }
  for (const field of new Set([
    ...revenue.keys(),
    ...Object.keys(counts).filter((name) => name.endsWith(':revenue')),
  ])) {
    const [told, due] = [Number(counts[field] ?? 0), revenue.get(field) ?? 0];
    if (told !== due) complain('revenue', `Redis counts ${field} ${told}, the ledger ${due}`);
  }
  for (const { person } of orders) {
    const told = Number(people[person] ?? 0);
    const due = bought.get(person) ?? 0;
    if (told !== due) complain('people', `${person} is counted with ${told} seats and has ${due}`);
  }
}
