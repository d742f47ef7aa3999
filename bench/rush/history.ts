import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';

/** One line of a history: see docs/rush-history.md. */
export interface HistoryEvent {
  readonly type: 'invoke' | 'ok' | 'fail' | 'unknown';
  readonly operation: string;
  /** The buyer; one does one thing at a time. */
  readonly process: number;
  /** The person for whom the platform keeps seats. */
  readonly owner: string;
  /** Seat indexes: asked for in an invoke, had in an ok. Null: none are named. */
  readonly seats: readonly number[] | null;
  /** Why it failed. */
  readonly code?: string;
  readonly hold?: string;
  readonly order?: string;
  readonly entry?: string;
  readonly generation?: number;
  /** Time of the event as Redis tells it, ms; null where the answer has none. */
  readonly redisMs: number | null;
  /** Until when the seats are the owner's, by the same time; null: for good. */
  readonly untilMs?: number | null;
}

const bufferedLines = 500;

/** Writes what the buyers of one process do, as it happens. */
export class HistoryWriter {
  readonly #file: number;
  #lines: string[] = [];

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  write(event: HistoryEvent): void {
    this.#lines.push(JSON.stringify({ atMs: Date.now(), ...event }));
    if (this.#lines.length >= bufferedLines) this.#flush();
  }

  close(): void {
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    if (this.#lines.length > 0) writeSync(this.#file, `${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }
}

/** Puts the histories of all load processes into one, by the clock of the machine they ran on. */
export function mergeHistories(parts: readonly string[], target: string): number {
  const lines = parts.flatMap((part) => readFileSync(part, 'utf8').split('\n').filter(Boolean));
  const timed = lines.map((line) => ({ line, atMs: Number(/^\{"atMs":(\d+)/.exec(line)?.[1]) }));
  // Stable: what one process wrote within a millisecond stays in its order.
  timed.sort((a, b) => a.atMs - b.atMs);
  writeFileSync(target, timed.map(({ line }) => `${line}\n`).join(''));
  for (const part of parts) rmSync(part);
  return timed.length;
}
