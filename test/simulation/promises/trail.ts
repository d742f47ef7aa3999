import type { TrailRecord } from '../observe.js';

/**
 * Replays the audit stream, knowing nothing but what it says: serials without gaps, nobody admitted at the cap or above, nobody before
 * somebody with a lower number who is present.
 */
export class TrailJudge {
  #serial = 0;
  #at = 0;
  readonly #present = new Map<string, number>();
  readonly #admitted = new Set<string>();
  readonly #ended = new Set<string>();

  /** What is wrong with the next record; null: nothing. */
  take(record: TrailRecord): string | null {
    const { serial, at, kind, entry, active } = record;
    if (serial !== this.#serial + 1) return `serial ${serial} follows ${this.#serial}`;
    if (at < this.#at) return `the time of serial ${serial} is before the one of the last`;
    [this.#serial, this.#at] = [serial, at];
    if (this.#ended.has(entry)) return `${kind} ${entry} after its end`;
    const wrong = this.#move(record);
    if (wrong !== null) return wrong;
    // An admission is written down before it counts, an ending after it has stopped to count.
    const counted = isAdmission(kind) ? active + 1 : active;
    return counted === this.#admitted.size ? null : `${kind} ${entry}: ${active} active, not ${this.#admitted.size}`;
  }

  #move(record: TrailRecord): string | null {
    const { kind, entry, number } = record;
    if (isAdmission(kind)) return this.#admit(record);
    if (kind === 'join' || kind === 'drawn' || kind === 'present') {
      if (this.#admitted.has(entry)) return `${kind} ${entry}, who is admitted`;
      if (number > 0) this.#present.set(entry, number);
      return null;
    }
    const wasPresent = this.#present.delete(entry);
    if (kind === 'away') return wasPresent ? null : `away ${entry}, who was not present`;
    this.#admitted.delete(entry);
    this.#ended.add(entry);
    return null;
  }

  #admit({ kind, entry, number, active, cap }: TrailRecord): string | null {
    if (active >= cap) return `${kind} ${entry} while ${active} are active under a cap of ${cap}`;
    if (this.#admitted.has(entry)) return `${kind} ${entry}, who is admitted`;
    const first = Math.min(...this.#present.values());
    if (kind === 'admit' && this.#present.get(entry) !== number) return `admit ${entry}, who is not present`;
    if (kind === 'admit' && first < number) return `admit ${entry} with number ${number} before number ${first}`;
    this.#present.delete(entry);
    this.#admitted.add(entry);
    return null;
  }
}

export function isAdmission(kind: string): boolean {
  return kind === 'admit' || kind === 'walk' || kind === 'back';
}
