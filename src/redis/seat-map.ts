import type { Redis } from 'ioredis';
import { eventKeys } from './keys.js';
import { runScript } from './script.js';
import type { EventRef } from './seat-holds.js';

/** The moving state of a hall: one letter a seat in index order. */
export interface StatusSnapshot {
  readonly generation: number;
  readonly version: number;
  readonly layoutVersion: number;
  readonly status: string;
  readonly nowMs: number;
}

/** Source: scripts/seats.snapshot.lua. Null when the event is being rebuilt. */
export async function snapshotSeats(client: Redis, ref: EventRef): Promise<StatusSnapshot | null> {
  const reply = await runScript(client, 'seats.snapshot', eventKeys(ref.eventId).meta, ref.generation);
  if (reply.code !== 'OK') return null;
  const [version, layoutVersion, status] = reply.values;
  return {
    generation: ref.generation,
    version: Number(version),
    layoutVersion: Number(layoutVersion),
    status: status!,
    nowMs: reply.nowMs,
  };
}
