import { randomBytes, randomUUID } from 'node:crypto';

/**
 * The only door through which time and randomness enter. Rules receive instants as arguments; services and
 * workers ask the clock they were given. Seats and places are never judged by this clock: Redis time alone does that.
 */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  nowMs(): number;
  randomId(): string;
  randomBytes(length: number): Buffer;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  randomId: () => randomUUID(),
  randomBytes: (length) => randomBytes(length),
};
