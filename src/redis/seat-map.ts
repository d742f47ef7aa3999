import type { Redis } from 'ioredis';
import type { EventRef } from './keys.js';
import { runScript } from './script.js';

/** The moving state of a hall: one letter a seat in index order. */
export interface StatusSnapshot {
  readonly generation: number;
  readonly version: number;
  readonly layoutVersion: number;
  readonly status: string;
  /** Whose each seat is when it is free; empty when no seat is reserved. */
  readonly channels: string;
  readonly nowMs: number;
}

/** Source: scripts/seats.snapshot.lua. Null when the event is being rebuilt. */
export async function snapshotSeats(client: Redis, ref: EventRef): Promise<StatusSnapshot | null> {
  const reply = await runScript(client, 'seats.snapshot', ref);
  if (reply.code !== 'OK') return null;
  const [version, layoutVersion, status, channels] = reply.values;
  return {
    generation: ref.generation,
    version: Number(version),
    layoutVersion: Number(layoutVersion),
    status: status!,
    channels: channels!,
    nowMs: reply.nowMs,
  };
}
