import { randomBytes, randomUUID } from 'node:crypto';

/**
 * The only door through which time and randomness enter. Rules receive instants as arguments; services and
 * workers ask the clock they were given. Seats and places are never judged by this clock: Redis time alone does that.
 */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  nowMs(): number;
  /** Milliseconds since some instant of this process. Durations are measured by it: it never jumps, wherever somebody sets the clock. */
  elapsedMs(): number;
  randomId(): string;
  randomBytes(length: number): Buffer;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  randomId: () => randomUUID(),
  randomBytes: (length) => randomBytes(length),
};

/** From 0 up to, not including, 1. */
export function fractionOf(clock: Clock): number {
  return clock.randomBytes(4).readUInt32BE() / 2 ** 32;
}
