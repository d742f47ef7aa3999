import { randomUUID } from 'node:crypto';
import { encodePriceList } from '../../src/domain/money.js';
import { limits } from '../../src/limits.js';
import { type EventRef, eventKeys } from '../../src/redis/keys.js';
import { claimSeats, releaseHold } from '../../src/redis/seat-holds.js';
import type { BenchClient } from './client.js';

const manySeats = 1_000_000;

const person = 'somebody';

/** Indexes of the seats that everybody is shown: of a change of others hardly anybody is told. To be asked for while all are free. */
export async function everybodysSeats(client: BenchClient, ref: EventRef): Promise<number[]> {
  const status = await client.get(eventKeys(ref).status);
  return [...(status ?? '')].flatMap((letter, index) => (letter === '.' ? [index] : []));
}

/** Holds seats in Redis, as another process of the product would; answers the fence. */
export async function holdIndexes(
  client: BenchClient,
  ref: EventRef,
  holdId: string,
  indexes: readonly number[],
): Promise<string> {
  const answer = await claimSeats(client, ref, {
    holdId,
    person,
    digest: holdId.slice(0, 16),
    selection: { kind: 'seats', indexes },
    letters: '.',
    prices: encodePriceList('EUR', []),
    ttlMs: limits.holdTtlMs,
    maxMs: limits.holdMaxMs,
    seatsPerPerson: manySeats,
    hoardBudgetMs: manySeats * limits.holdMaxMs,
    newEntryId: randomUUID(),
    categories: 1,
  });
  if (answer.code !== 'OK') throw new Error(`a claim was answered ${answer.code}`);
  return String(answer.hold.fence);
}

export async function releaseIndexes(
  client: BenchClient,
  ref: EventRef,
  { holdId, fence }: { readonly holdId: string; readonly fence: string },
): Promise<void> {
  const { code } = await releaseHold(client, ref, { holdId, person, fence });
  if (code !== 'OK') throw new Error(`a release was answered ${code}`);
}
