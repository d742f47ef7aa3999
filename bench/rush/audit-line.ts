import type { LineEntry, LineEntryKind } from './evidence.js';
import type { BuyerRecord, Violation } from './records.js';
import { violation } from './violations.js';

const toldWithinMs = 5_000;

const admissions: ReadonlySet<LineEntryKind> = new Set(['admit', 'walk', 'back']);

interface Place {
  number: number;
  state: 'present' | 'away' | 'admitted' | 'ended';
}

/**
 * Replays the audit stream of a line, which is that of its present generation. Order kept means (promise 12): nobody is admitted while
 * somebody with a lower number is present and waits.
 */
export function auditLine(
  entries: readonly LineEntry[],
  buyers: readonly BuyerRecord[],
  generation: number,
): Violation[] {
  const replay = new LineReplay();
  for (const entry of entries) replay.take(entry);
  const unseen = buyers.filter(
    (buyer) => buyer.admittedGeneration === generation && !replay.wasAdmitted(buyer.entryId),
  );
  const untold = buyers.filter((buyer) => !buyer.admitted && waitedAfter(buyer, replay.admittedAtMs(buyer.entryId)));
  const misnumbered = buyers.filter(
    ({ generation: last, number, entryId }) =>
      last === generation && number !== null && !replay.hasNumber(entryId, number),
  );
  return [
    ...violation('the audit stream has no gap and its time never runs backwards', replay.gaps),
    ...violation('no admission is granted while active ≥ cap', replay.overCap),
    ...violation('the active count is what the admissions and endings add up to', replay.miscounts),
    ...violation('nobody is admitted before somebody with a lower number who is present', replay.outOfOrder),
    ...violation('only somebody who waits and is present is admitted, once', replay.unfounded),
    ...violation('every admission a buyer was told of is in the audit stream', unseen.map(nameOf)),
    ...violation(
      'who is admitted is told so within 5 s',
      untold.map((buyer) => ({ ...nameOf(buyer), at: replay.admittedAtMs(buyer.entryId) })),
    ),
    ...violation('the number a buyer was told is the number of the place', misnumbered.map(nameOf)),
  ];
}

/** Whether a buyer was still there, and waiting, long after this instant. */
function waitedAfter(buyer: BuyerRecord, atMs: number | null): boolean {
  return atMs !== null && (buyer.endedAtMs ?? Number.POSITIVE_INFINITY) > atMs + toldWithinMs;
}

function nameOf({ buyer, entryId, number }: BuyerRecord) {
  return { buyer, entryId, number };
}

class LineReplay {
  readonly gaps: unknown[] = [];
  readonly overCap: unknown[] = [];
  readonly miscounts: unknown[] = [];
  readonly outOfOrder: unknown[] = [];
  readonly unfounded: unknown[] = [];
  readonly #places = new Map<string, Place>();
  /** Redis time of the first admission by entry. */
  readonly #admittedAtMs = new Map<string, number>();
  /** Entry by number for those present and waiting. Nobody present has a number below #lowest. */
  readonly #present = new Map<number, string>();
  #lowest = 1;
  #highest = 0;
  #active = 0;
  #last: LineEntry | null = null;

  wasAdmitted(entryId: string): boolean {
    return this.#admittedAtMs.has(entryId);
  }

  admittedAtMs(entryId: string): number | null {
    return this.#admittedAtMs.get(entryId) ?? null;
  }

  hasNumber(entryId: string, number: number): boolean {
    return this.#places.get(entryId)?.number === number;
  }

  take(entry: LineEntry): void {
    const expected = (this.#last?.serial ?? 0) + 1;
    if (entry.serial !== expected) this.gaps.push({ expected, entry });
    if (this.#last && entry.atMs < this.#last.atMs) this.gaps.push({ before: this.#last, entry });
    this.#last = entry;
    if (admissions.has(entry.kind)) this.#admit(entry);
    else if (entry.kind === 'join' || entry.kind === 'drawn' || entry.kind === 'present') this.#arrive(entry);
    else if (entry.kind === 'away') this.#move(entry, 'away');
    else this.#end(entry);
    // An admission is written down before it counts, an ending after it has stopped to count.
    const before = admissions.has(entry.kind) ? this.#active - 1 : this.#active;
    if (entry.active !== before) {
      this.miscounts.push({ replayed: before, entry });
      this.#active += entry.active - before;
    }
  }

  #admit(entry: LineEntry): void {
    if (entry.active >= entry.cap) this.overCap.push(entry);
    // Who walks in may have had no place before.
    if (entry.kind !== 'walk' && this.#places.get(entry.entry)?.state !== 'present') this.unfounded.push(entry);
    this.#move(entry, 'admitted');
    // Who is back was admitted before those who wait.
    const ahead = entry.kind === 'back' ? null : this.#firstPresent();
    if (ahead !== null && ahead < entry.number) {
      this.outOfOrder.push({ passedOver: { number: ahead, entry: this.#present.get(ahead) }, entry });
    }
    if (!this.#admittedAtMs.has(entry.entry)) this.#admittedAtMs.set(entry.entry, entry.atMs);
    this.#active += 1;
  }

  #arrive(entry: LineEntry): void {
    this.#move(entry, 'present');
    if (entry.number === 0) return;
    this.#present.set(entry.number, entry.entry);
    this.#lowest = Math.min(this.#lowest, entry.number);
    this.#highest = Math.max(this.#highest, entry.number);
  }

  #end(entry: LineEntry): void {
    if (this.#places.get(entry.entry)?.state === 'admitted') this.#active -= 1;
    this.#move(entry, 'ended');
  }

  #move(entry: LineEntry, state: Place['state']): void {
    this.#places.set(entry.entry, { number: entry.number, state });
    if (state !== 'present') this.#present.delete(entry.number);
  }

  #firstPresent(): number | null {
    while (this.#lowest <= this.#highest && !this.#present.has(this.#lowest)) this.#lowest += 1;
    return this.#lowest <= this.#highest ? this.#lowest : null;
  }
}
