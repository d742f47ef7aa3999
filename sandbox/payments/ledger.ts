/** Where a page of a list begins and how long it is. Cursors are ids, `limit` is 1 to 100. */
export interface PageQuery {
  readonly limit: number;
  readonly startingAfter?: string | undefined;
  readonly endingBefore?: string | undefined;
  readonly created: CreatedRange;
}

/** Both bounds are included; seconds. */
export interface CreatedRange {
  readonly from: number;
  readonly to: number;
}

export interface Page<T> {
  readonly items: T[];
  readonly hasMore: boolean;
}

/**
 * Things in order of creation, found by id, listed newest first as the API does. With a capacity the oldest are forgotten;
 * without one the caller checks `size` before adding.
 */
export class Ledger<T extends { readonly id: string; readonly created: number }> {
  #items: T[] = [];
  /** Position of the first item still kept, counted from the very first one. */
  #base = 0;
  #forgotten = 0;
  readonly #positions = new Map<string, number>();
  readonly #capacity: number;

  constructor(capacity = Number.POSITIVE_INFINITY) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#items.length - this.#forgotten;
  }

  get(id: string): T | undefined {
    const position = this.#positions.get(id);
    return position === undefined ? undefined : this.#items[position - this.#base];
  }

  get latest(): T | undefined {
    return this.size === 0 ? undefined : this.#items.at(-1);
  }

  /** Adds a new thing or replaces the one with the same id. */
  put(item: T): void {
    const position = this.#positions.get(item.id);
    if (position !== undefined) {
      this.#items[position - this.#base] = item;
      return;
    }
    this.#positions.set(item.id, this.#base + this.#items.length);
    this.#items.push(item);
    if (this.size > this.#capacity) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const oldest = this.#items[this.#forgotten];
    if (oldest !== undefined) this.#positions.delete(oldest.id);
    this.#forgotten += 1;
    // Forgotten items are dropped in bulk: shifting the array for each would cost its whole length.
    if (this.#forgotten < this.#capacity / 4) return;
    this.#items = this.#items.slice(this.#forgotten);
    this.#base += this.#forgotten;
    this.#forgotten = 0;
  }

  *oldestFirst(): Generator<T> {
    for (let index = this.#forgotten; index < this.#items.length; index += 1) {
      const item = this.#items[index];
      if (item !== undefined) yield item;
    }
  }

  /** Answers undefined when a cursor is unknown. */
  page(query: PageQuery, matches: (item: T) => boolean): Page<T> | undefined {
    const cursor = query.startingAfter ?? query.endingBefore;
    const position = cursor === undefined ? undefined : this.#positions.get(cursor);
    if (cursor !== undefined && position === undefined) return undefined;
    if (query.endingBefore !== undefined && position !== undefined) {
      const newer = this.#collect(position - this.#base + 1, 1, query, matches);
      return { items: newer.items.reverse(), hasMore: newer.hasMore };
    }
    const newest = position === undefined ? this.#items.length - 1 : position - this.#base - 1;
    return this.#collect(newest, -1, query, matches);
  }

  #collect(start: number, step: 1 | -1, query: PageQuery, matches: (item: T) => boolean): Page<T> {
    const items: T[] = [];
    for (let index = start; index >= this.#forgotten && index < this.#items.length; index += step) {
      const item = this.#items[index];
      if (item === undefined) break;
      if (step === -1 && item.created < query.created.from) break;
      if (item.created < query.created.from || item.created > query.created.to || !matches(item)) continue;
      if (items.length === query.limit) return { items, hasMore: true };
      items.push(item);
    }
    return { items, hasMore: false };
  }
}
