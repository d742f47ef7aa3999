import type { Redis } from 'ioredis';
import { limits } from '../limits.js';
import type { EventRef } from './keys.js';
import { runScript } from './script.js';

/** The hold of an order, as the order's own steps move it. */
export interface OrderSeats {
  readonly ref: EventRef;
  readonly holdId: string;
  readonly orderId: string;
}

/** Everybody's places and those of every channel: an order keeps what it has been sold. */
const everyChannel = '.ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Source: scripts/seats.confirm.lua. */
export async function confirmCheckout(
  client: Redis,
  order: OrderSeats & { readonly payByMs: number; readonly freeAtMs: number },
): Promise<'OK' | 'LOST' | 'WRONG_EPOCH'> {
  const { ref, holdId, orderId, payByMs, freeAtMs } = order;
  const reply = await runScript(client, 'seats.confirm', ref, holdId, orderId, payByMs, freeAtMs);
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
  const { ref, holdId, orderId, person, seats, prices } = order;
  const reply = await runScript(
    client,
    'seats.issue',
    ref,
    holdId,
    orderId,
    person,
    seats.join(','),
    prices,
    limits.tombstoneMs,
    everyChannel,
  );
  if (reply.code === 'OK') return { code: 'OK', fence: Number(reply.values[0]) };
  return { code: reply.code === 'GONE' ? 'GONE' : 'WRONG_EPOCH' };
}

const revenueText = (revenue: ReadonlyMap<number, number>) =>
  [...revenue].map(([category, minor]) => `${category}:${minor}`).join(',');

/** Source: scripts/seats.sold.lua. `revenue` is minor units by category. */
export async function markSold(
  client: Redis,
  order: OrderSeats & { readonly person: string; readonly revenue: ReadonlyMap<number, number> },
): Promise<'OK' | 'NOT_ISSUING' | 'WRONG_EPOCH'> {
  const { ref, holdId, orderId, person, revenue } = order;
  const { tombstoneMs, salesMinutes } = limits;
  const reply = await runScript(
    client,
    'seats.sold',
    ref,
    holdId,
    orderId,
    person,
    revenueText(revenue),
    tombstoneMs,
    salesMinutes,
  );
  return reply.code as 'OK' | 'NOT_ISSUING' | 'WRONG_EPOCH';
}

/** Source: scripts/seats.return.lua. */
export async function returnSeats(
  client: Redis,
  order: OrderSeats & {
    readonly person: string;
    readonly seats: readonly number[];
    readonly prices: string;
    readonly revenue: ReadonlyMap<number, number>;
    /** The hold under which they go back; `freeSeats` then gives that one up. */
    readonly backHoldId: string;
  },
): Promise<'OK' | 'NOT_SOLD' | 'WRONG_EPOCH'> {
  const { ref, holdId, orderId, person, seats, prices, revenue, backHoldId } = order;
  const reply = await runScript(
    client,
    'seats.return',
    ref,
    holdId,
    orderId,
    person,
    seats.join(','),
    revenueText(revenue),
    prices,
    backHoldId,
  );
  return reply.code as 'OK' | 'NOT_SOLD' | 'WRONG_EPOCH';
}

/** Source: scripts/seats.free.lua. */
export async function freeSeats(client: Redis, order: OrderSeats): Promise<'OK' | 'NOTHING' | 'WRONG_EPOCH'> {
  const { ref, holdId, orderId } = order;
  const reply = await runScript(client, 'seats.free', ref, holdId, orderId, limits.tombstoneMs);
  return reply.code as 'OK' | 'NOTHING' | 'WRONG_EPOCH';
}
