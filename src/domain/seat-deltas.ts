/** A change of seats from one version to another: absolute letters by seat index. */
export interface SeatDelta {
  readonly fromVersion: number;
  readonly version: number;
  readonly indexes: readonly number[];
  readonly letters: string;
}

/**
 * The last changes of one hall, bounded. From it the merged change since any version still covered can be made; whoever is
 * further behind needs a snapshot.
 */
export class DeltaRing {
  readonly #size: number;
  #deltas: SeatDelta[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  push(delta: SeatDelta): void {
    this.#deltas.push(delta);
    // Dropping half at once keeps the cost of a push constant.
    if (this.#deltas.length > 2 * this.#size) this.#deltas = this.#deltas.slice(-this.#size);
  }

  clear(): void {
    this.#deltas = [];
  }

  /** The changes after `version`, merged, the last state of a seat only; null when the ring does not reach back that far. */
  since(version: number): { readonly indexes: readonly number[]; readonly letters: string } | null {
    const first = this.#firstAfter(version);
    if (first === -1) return null;
    const merged = new Map<number, string>();
    for (let i = first; i < this.#deltas.length; i += 1) {
      const delta = this.#deltas[i]!;
      for (const [at, index] of delta.indexes.entries()) merged.set(index, delta.letters[at]!);
    }
    return { indexes: [...merged.keys()], letters: [...merged.values()].join('') };
  }

  #firstAfter(version: number): number {
    let low = 0;
    let high = this.#deltas.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#deltas[middle]!.fromVersion < version) low = middle + 1;
      else high = middle;
    }
    return this.#deltas[low]?.fromVersion === version ? low : -1;
  }
}
