/** Seats that are only ever named beside one that somebody has. */
const spareSeats = 1_000;
/** So many blocks later a seat has long been given to somebody. */
const longAgo = 64;

/**
 * What people ask for, three seats each, one after the other: a free block; at the same moment one seat of that very block and two free ones;
 * another free block; one seat that somebody has had for a while and two free ones. Of each pair that wants the same seat one gets it.
 */
export class Wishes {
  readonly #free: number[];
  readonly #spare: number[];
  readonly #taken: number[] = [];
  #block: readonly number[] = [];
  #made = 0;

  /** Indexes of seats that are free. */
  constructor(free: readonly number[]) {
    const spare = Math.min(spareSeats, free.length >> 1);
    this.#spare = free.slice(0, spare);
    this.#free = free.slice(spare);
  }

  next(): readonly number[] {
    this.#made += 1;
    switch (this.#made % 4) {
      case 2:
        return [this.#block[2]!, ...this.#take(2)];
      case 0: {
        const held = this.#taken.at(-longAgo) ?? this.#taken[0]!;
        const at = this.#made % (this.#spare.length - 1);
        return [held, this.#spare[at]!, this.#spare[at + 1]!];
      }
      default:
        this.#block = this.#take(3);
        if (this.#made % 4 === 3) this.#taken.push(this.#block[1]!);
        return this.#block;
    }
  }

  #take(count: number): readonly number[] {
    if (this.#free.length < count) throw new Error('the hall is too small for so many attempts');
    return this.#free.splice(-count);
  }
}
