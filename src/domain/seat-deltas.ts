/** A change of seats from one version to another: which of them moved. */
export interface SeatDelta {
  readonly fromVersion: number;
  readonly version: number;
  readonly indexes: readonly number[];
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

  /** The seats that have moved after `version`, each once; null when the ring does not reach back that far. */
  since(version: number): Iterable<number> | null {
    const first = this.#firstAfter(version);
    if (first === -1) return null;
    const moved = new Set<number>();
    for (let i = first; i < this.#deltas.length; i += 1) for (const index of this.#deltas[i]!.indexes) moved.add(index);
    return moved;
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
