import { createHash } from 'node:crypto';

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

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** SHA-256 over the lobby's entry ids, sorted and joined by newlines: published before the seed is used. */
export function lobbyListHash(entryIds: readonly string[]): string {
  return sha256([...entryIds].sort().join('\n'));
}

/** The draw: entries in the order of SHA-256(seed, entryId). Anybody with the seed and the list gets the same order. */
export function drawOrder(seed: string, entryIds: readonly string[]): string[] {
  return entryIds
    .map((entryId) => ({ entryId, rank: sha256(`${seed}:${entryId}`) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : a.entryId < b.entryId ? -1 : 1))
    .map(({ entryId }) => entryId);
}
