import type { Redis } from 'ioredis';
import { limits } from '../limits.js';
import { type EventRef, eventKeys, globalKeys, sharedKeys } from './keys.js';

/** The hold that has a seat. */
export interface SeatHolder {
  readonly holdId: string;
  readonly state: string;
  readonly orderId: string | null;
}

/** The holds that have these seats, each once. */
export async function readHolders(client: Redis, ref: EventRef, seats: readonly number[]): Promise<SeatHolder[]> {
  if (seats.length === 0) return [];
  const keys = eventKeys(ref);
  const ids = [...new Set((await client.hmget(keys.seats, ...seats.map(String))).filter((id) => id !== null))];
  const holds = await Promise.all(ids.map((id) => client.hmget(keys.hold(id), 'state', 'orderId')));
  return ids.map((holdId, at) => {
    const [state, orderId] = holds[at]!;
    return { holdId, state: state ?? '', orderId: orderId ?? null };
  });
}

/** The version of the seats; null where Redis knows nothing of the event. */
export async function readSeatVersion(client: Redis, eventId: string): Promise<string | null> {
  const [epoch, version] = await client.hmget(sharedKeys(eventId).meta, 'epoch', 'version');
  return epoch && version ? `${epoch} ${version}` : null;
}

/** Whether it is this process's turn to compare the stores: more than one at a time would do no harm, and no good. */
export async function takeReconcileTurn(client: Redis, eventId: string, processId: string): Promise<boolean> {
  const { reconcileTurn } = sharedKeys(eventId);
  return (await client.set(reconcileTurn, processId, 'PX', limits.reconcileEveryMs, 'NX')) === 'OK';
}

/** The same for money, which is compared for all events at once. */
export async function takeMoneyTurn(client: Redis, processId: string): Promise<boolean> {
  return (await client.set(globalKeys.moneyTurn, processId, 'PX', limits.moneyTurnMs, 'NX')) === 'OK';
}
