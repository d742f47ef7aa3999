import { sha256 } from './ids.js';

/**
 * The numbers that are gone, as a Fenwick tree (P. M. Fenwick, "A new data structure for cumulative frequency tables", 1994):
 * how many people are ahead of a number is one prefix sum, in O(log n), without asking Redis.
 */
export class GoneNumbers {
  #tree: Int32Array;
  #gone: Uint8Array;
  #capacity: number;

  constructor(capacity = 1_024) {
    this.#capacity = capacity;
    this.#tree = new Int32Array(capacity + 1);
    this.#gone = new Uint8Array(capacity + 1);
  }

  /** From a bitmap whose bit n (most significant bit of a byte first) is 1 when number n is gone. */
  static fromBitmap(bitmap: Uint8Array): GoneNumbers {
    const numbers = new GoneNumbers(Math.max(1_024, bitmap.length * 8));
    for (const [byte, bits] of bitmap.entries()) {
      for (let bit = 0; bits !== 0 && bit < 8; bit += 1) {
        if ((bits >> (7 - bit)) & 1) numbers.add(byte * 8 + bit);
      }
    }
    return numbers;
  }

  /** Marks a number as gone; marking it again changes nothing. */
  add(number: number): void {
    if (number < 1) return;
    if (number > this.#capacity) this.#grow(number);
    if (this.#gone[number] === 1) return;
    this.#gone[number] = 1;
    for (let i = number; i <= this.#capacity; i += i & -i) this.#tree[i]! += 1;
  }

  /** People with a lower number who are not gone. It never rises for a given number. */
  ahead(number: number): number {
    let gone = 0;
    for (let i = Math.min(number - 1, this.#capacity); i > 0; i -= i & -i) gone += this.#tree[i]!;
    return number - 1 - gone;
  }

  #grow(number: number): void {
    let capacity = this.#capacity;
    while (capacity < number) capacity *= 2;
    const larger = new GoneNumbers(capacity);
    for (let i = 1; i <= this.#capacity; i += 1) if (this.#gone[i] === 1) larger.add(i);
    this.#capacity = capacity;
    this.#tree = larger.#tree;
    this.#gone = larger.#gone;
  }
}

/** How soon the next push is due, in milliseconds: the head of the line hears every second, the far end less often. */
export function pushIntervalMs(peopleAhead: number | null): number {
  if (peopleAhead === null) return 5_000;
  if (peopleAhead < 100) return 1_000;
  if (peopleAhead < 1_000) return 2_000;
  if (peopleAhead < 10_000) return 5_000;
  return 10_000;
}

/** SHA-256 over the lobby's entry ids, sorted and joined by newlines: published before the seed is used. */
export function lobbyListHash(entryIds: readonly string[]): string {
  return sha256([...entryIds].sort().join('\n'));
}

/** The draw: entries in the order of SHA-256(seed:entryId). Anybody with the seed and the list gets the same order. */
export function drawOrder(seed: string, entryIds: readonly string[]): string[] {
  return [...drawInSteps(seed, entryIds)].flat();
}

/** The same order in pieces, each of bounded work, so that whoever draws a long list can do other things in between. */
export function* drawInSteps(seed: string, entryIds: readonly string[]): Generator<string[]> {
  const buckets: { entryId: string; rank: string }[][] = Array.from({ length: 256 }, () => []);
  for (const [at, entryId] of entryIds.entries()) {
    const rank = sha256(`${seed}:${entryId}`);
    buckets[Number.parseInt(rank.slice(0, 2), 16)]!.push({ entryId, rank });
    if (at % drawStep === drawStep - 1) yield [];
  }
  for (const bucket of buckets) {
    bucket.sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : a.entryId < b.entryId ? -1 : 1));
    yield bucket.map(({ entryId }) => entryId);
  }
}

const drawStep = 1_000;

/** What binds the platform to a seed before anybody joins: published with the event, checked against the seed after the draw. */
export function seedHash(seed: string): string {
  return sha256(seed);
}

/** How fast a line has been moving, as the admission script measures it. */
export interface Pace {
  /** Admissions a second, over about 10 s and about a minute. */
  readonly shortPerSecond: number;
  readonly longPerSecond: number;
  /** Share of those who wait that leaves in a second. */
  readonly leavingPerSecond: number;
}

/** From thousandths, thousandths and millionths joined by commas; null for anything else. */
export function parsePace(text: string): Pace | null {
  const match = /^(\d+),(\d+),(\d+)$/.exec(text);
  if (match === null) return null;
  const [short, long, leaving] = match.slice(1).map(Number) as [number, number, number];
  return {
    shortPerSecond: short / 1_000,
    longPerSecond: long / 1_000,
    leavingPerSecond: leaving / 1_000_000,
  };
}

/** How long somebody will probably wait, in milliseconds. `toMs` is null when nobody can say. */
export interface WaitEstimate {
  readonly fromMs: number;
  readonly toMs: number | null;
}

/** The pace of the next minutes is taken to be within this of the paces measured. */
const paceTolerance = 1.25;
const longestEstimateMs = 24 * 3_600_000;

/**
 * The time in which everybody ahead and oneself is admitted. Ahead shrinks by a admissions a second and by a share l of those who leave:
 * n(t) = (n + a/l)·exp(−l·t) − a/l, which is 0 at ln(1 + l·n/a)/l; without leavers at n/a.
 */
export function estimateWait(peopleAhead: number, pace: Pace): WaitEstimate {
  const { shortPerSecond, longPerSecond, leavingPerSecond } = pace;
  const waitMs = (perSecond: number) => {
    if (perSecond <= 0) return longestEstimateMs;
    const people = peopleAhead + 1;
    const seconds =
      leavingPerSecond > 0
        ? Math.log1p((leavingPerSecond * people) / perSecond) / leavingPerSecond
        : people / perSecond;
    return Math.min(longestEstimateMs, Math.round(seconds) * 1_000);
  };
  const toMs = waitMs(Math.min(shortPerSecond, longPerSecond) / paceTolerance);
  return {
    fromMs: waitMs(Math.max(shortPerSecond, longPerSecond) * paceTolerance),
    toMs: toMs === longestEstimateMs ? null : toMs,
  };
}
