import type { Redis } from 'ioredis';
import { type EventRef, eventKeys, sharedKeys } from '../../src/redis/keys.js';

export type EventKeys = ReturnType<typeof eventKeys>;

/** The keys of an event that has not been rebuilt, or of the generation named. */
export function keysOf(eventId: string, generation = 1): EventKeys {
  return eventKeys({ eventId, generation } satisfies EventRef);
}

/** The keys of the generation that Redis serves now. */
export async function presentKeys(redis: Redis, eventId: string): Promise<EventKeys> {
  return keysOf(eventId, Number(await redis.hget(sharedKeys(eventId).meta, 'generation')));
}
