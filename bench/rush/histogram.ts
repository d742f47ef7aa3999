/** Sixteen buckets an octave: a quantile is at most 4.5 % above the true one. */
const perOctave = 16;
const bucketCount = perOctave * 32;

/** Latencies in fixed buckets, so that a million of them take no more memory than one, and processes can add theirs up. */
export class Histogram {
  readonly #counts: number[];
  #maxMs: number;
  #total: number;

  constructor(stored?: StoredHistogram) {
    this.#counts = new Array<number>(bucketCount).fill(0);
    this.#maxMs = 0;
    this.#total = 0;
    if (stored) this.merge(stored);
  }

  add(ms: number): void {
    const us = Math.max(1, ms * 1_000);
    const bucket = Math.min(bucketCount - 1, Math.floor(Math.log2(us) * perOctave));
    this.#counts[bucket]! += 1;
    this.#total += 1;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  merge(stored: StoredHistogram): void {
    for (const [bucket, count] of stored.counts) {
      this.#counts[bucket]! += count;
      this.#total += count;
    }
    this.#maxMs = Math.max(this.#maxMs, stored.maxMs);
  }

  get count(): number {
    return this.#total;
  }

  /** The upper edge of the bucket that holds the share `q` of all values, in ms; 0 without values. */
  quantileMs(q: number): number {
    let left = Math.ceil(this.#total * q);
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return Math.min(this.#maxMs, 2 ** ((bucket + 1) / perOctave) / 1_000);
    }
    return this.#maxMs;
  }

  summary(): LatencySummary {
    const round = (ms: number) => Math.round(ms * 10) / 10;
    return {
      count: this.#total,
      p50Ms: round(this.quantileMs(0.5)),
      p95Ms: round(this.quantileMs(0.95)),
      p99Ms: round(this.quantileMs(0.99)),
      maxMs: round(this.#maxMs),
    };
  }

  stored(): StoredHistogram {
    const counts = [...this.#counts.entries()].filter(([, count]) => count > 0);
    return { counts, maxMs: this.#maxMs };
  }
}

export interface StoredHistogram {
  readonly counts: readonly (readonly [bucket: number, count: number])[];
  readonly maxMs: number;
}

export interface LatencySummary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}
