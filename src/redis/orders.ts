import type { Redis } from 'ioredis';
import { limits } from '../limits.js';
import { eventKeys } from './keys.js';
import { runScript } from './script.js';
import type { EventRef } from './seat-holds.js';

/** The hold of an order, as the order's own steps move it. */
export interface OrderSeats {
  readonly ref: EventRef;
  readonly holdId: string;
  readonly orderId: string;
}

/** Source: scripts/seats.confirm.lua. */
export async function confirmCheckout(
  client: Redis,
  order: OrderSeats & { readonly payByMs: number; readonly freeAtMs: number },
): Promise<'OK' | 'LOST' | 'WRONG_EPOCH'> {
  const { ref, holdId, orderId, payByMs, freeAtMs } = order;
  const reply = await runScript(
    client,
    'seats.confirm',
    eventKeys(ref.eventId).meta,
    ref.generation,
    holdId,
    orderId,
    payByMs,
    freeAtMs,
  );
  return reply.code as 'OK' | 'LOST' | 'WRONG_EPOCH';
}

export type IssueAnswer =
  | { readonly code: 'OK'; readonly fence: number }
  | { readonly code: 'GONE' }
  | { readonly code: 'WRONG_EPOCH' };

/** Source: scripts/seats.issue.lua. */
export async function issueSeats(
  client: Redis,
  order: OrderSeats & { readonly person: string; readonly seats: readonly number[]; readonly prices: string },
): Promise<IssueAnswer> {
  const reply = await runScript(
    client,
    'seats.issue',
    eventKeys(order.ref.eventId).meta,
    order.ref.generation,
    order.holdId,
    order.orderId,
    order.person,
    order.seats.join(','),
    order.prices,
    limits.tombstoneMs,
  );
  if (reply.code === 'OK') return { code: 'OK', fence: Number(reply.values[0]) };
  return { code: reply.code === 'GONE' ? 'GONE' : 'WRONG_EPOCH' };
}

/** Source: scripts/seats.sold.lua. `revenue` is minor units by category. */
export async function markSold(
  client: Redis,
  order: OrderSeats & { readonly person: string; readonly revenue: ReadonlyMap<number, number> },
): Promise<'OK' | 'NOT_ISSUING' | 'WRONG_EPOCH'> {
  const revenue = [...order.revenue].map(([category, minor]) => `${category}:${minor}`).join(',');
  const reply = await runScript(
    client,
    'seats.sold',
    eventKeys(order.ref.eventId).meta,
    order.ref.generation,
    order.holdId,
    order.orderId,
    order.person,
    revenue,
    limits.tombstoneMs,
    limits.salesMinutes,
  );
  return reply.code as 'OK' | 'NOT_ISSUING' | 'WRONG_EPOCH';
}

/** Source: scripts/seats.free.lua. */
export async function freeSeats(client: Redis, order: OrderSeats): Promise<'OK' | 'NOTHING' | 'WRONG_EPOCH'> {
  const { ref, holdId, orderId } = order;
  const key = eventKeys(ref.eventId).meta;
  const reply = await runScript(client, 'seats.free', key, ref.generation, holdId, orderId, limits.tombstoneMs);
  return reply.code as 'OK' | 'NOTHING' | 'WRONG_EPOCH';
}
