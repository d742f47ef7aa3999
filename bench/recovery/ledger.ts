import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { seatTotalMinor } from '../../src/domain/money.js';
import type { PublishedEvent } from '../../src/services/event-catalogue.js';
import type { Random } from '../rush/random.js';

const seatsPerOrder = 2;
/** Long enough that no step of an order falls due while something is measured. */
const untilSettleMs = 24 * 3_600_000;
const payByMs = 600_000;
const graceMs = 120_000;

/** Writes a sale into the ledger as if it had been going on for a while: orders with tickets, and orders that are being paid. */
export async function writeSale(
  database: DataSource,
  event: PublishedEvent,
  { sold, paying, random }: { readonly sold: number; readonly paying: number; readonly random: Random },
): Promise<void> {
  const seats = shuffled(
    Array.from({ length: event.hall.layout.seatCount }, (_, seat) => seat),
    random,
  );
  await writeOrders(database, event, { state: 'COMPLETED', seats: seats.slice(0, sold), firstFence: 1 });
  await writeOrders(database, event, {
    state: 'AWAITING_PAYMENT',
    seats: seats.slice(sold, sold + paying),
    firstFence: sold + 1,
  });
}

async function writeOrders(
  database: DataSource,
  { event, ref, hall, prices, priceList }: PublishedEvent,
  orders: {
    readonly state: 'COMPLETED' | 'AWAITING_PAYMENT';
    readonly seats: readonly number[];
    readonly firstFence: number;
  },
): Promise<void> {
  const { state, seats, firstFence } = orders;
  const count = Math.ceil(seats.length / seatsPerOrder);
  const ids = Array.from({ length: count }, () => randomUUID());
  const orderOf = seats.map((_, at) => ids[Math.floor(at / seatsPerOrder)]!);
  const fenceOf = seats.map((_, at) => firstFence + Math.floor(at / seatsPerOrder));
  const priceOf = seats.map((seat) => prices[hall.categories[seat]!]!);
  const totals = ids.map((_, order) =>
    priceOf
      .slice(order * seatsPerOrder, (order + 1) * seatsPerOrder)
      .reduce((sum, price) => sum + seatTotalMinor(price), 0),
  );
  const isPaid = state === 'COMPLETED';
  await database.query(
    `INSERT INTO orders (id, event_id, person_id, hold_id, generation, fence, state, payment, currency, total_minor, prices, pay_by, free_at,
                         created_at, issued_at)
     SELECT id, $2, 'buyer-' || id, gen_random_uuid(), $3, fence, $4, $5, $6, total, $7, now() + $8 * interval '1 ms',
            now() + $9 * interval '1 ms', now(), $10
     FROM unnest($1::uuid[], $11::bigint[], $12::int[]) AS made (id, fence, total)`,
    [
      ids,
      ref.eventId,
      ref.generation,
      state,
      isPaid ? 'CAPTURED' : 'CREATED',
      event.currency,
      priceList,
      payByMs,
      payByMs + graceMs,
      isPaid ? new Date() : null,
      ids.map((_, order) => firstFence + order),
      totals,
    ],
  );
  await database.query(
    `INSERT INTO order_line (order_id, seat_index, category, price_minor, fee_minor)
     SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::int[])`,
    [
      orderOf,
      seats,
      seats.map((seat) => hall.categories[seat]),
      priceOf.map(({ priceMinor }) => priceMinor),
      priceOf.map(({ feeMinor }) => feeMinor),
    ],
  );
  await database.query(
    `INSERT INTO seat_owner (event_id, seat_index, order_id, generation, fence, state)
     SELECT $1, seat, id, $2, fence, $3 FROM unnest($4::int[], $5::uuid[], $6::bigint[]) AS owned (seat, id, fence)`,
    [ref.eventId, ref.generation, isPaid ? 'ISSUED' : 'PENDING', seats, orderOf, fenceOf],
  );
  if (isPaid) {
    await database.query(
      `INSERT INTO ticket (id, order_id, event_id, seat_index, state, issued_at)
       SELECT gen_random_uuid(), id, $1, seat, 'VALID', now() FROM unnest($2::int[], $3::uuid[]) AS owned (seat, id)`,
      [ref.eventId, seats, orderOf],
    );
    return;
  }
  await database.query(
    `INSERT INTO order_step (order_id, step, attempt, run_at) SELECT id, 'SETTLE', 1, $2 FROM unnest($1::uuid[]) AS made (id)`,
    [ids, new Date(Date.now() + untilSettleMs)],
  );
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const mixed = [...list];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = random.between(0, at);
    [mixed[at], mixed[other]] = [mixed[other]!, mixed[at]!];
  }
  return mixed;
}
