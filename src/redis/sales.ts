import type { Redis } from 'ioredis';
import type { EventRef } from './keys.js';
import type { LinePhase } from './line.js';
import { fieldsOf, runScript } from './script.js';

/** The counts of a sale at one version of the inventory. Fields of `counts` are `category:letter` and `category:revenue`; a free place is counted under the letter of its channel. */
export interface SalesCounts {
  readonly generation: number;
  readonly version: number;
  readonly nowMs: number;
  readonly waiting: number;
  readonly admitted: number;
  readonly phase: LinePhase;
  readonly counts: Readonly<Record<string, string>>;
  /** Fields `minute:sold` and `minute:revenue`, minutes since 1970. */
  readonly minutes: Readonly<Record<string, string>>;
}

/** Source: scripts/sales.read.lua. Null when the event is being rebuilt. */
export async function readSales(client: Redis, ref: EventRef): Promise<SalesCounts | null> {
  const reply = await runScript(client, 'sales.read', ref);
  if (reply.code !== 'OK') return null;
  const [version, waiting, admitted, phase, countFields, ...fields] = reply.values;
  return {
    generation: ref.generation,
    version: Number(version),
    nowMs: reply.nowMs,
    waiting: Number(waiting),
    admitted: Number(admitted),
    phase: phase as LinePhase,
    counts: fieldsOf(fields.slice(0, Number(countFields))),
    minutes: fieldsOf(fields.slice(Number(countFields))),
  };
}
