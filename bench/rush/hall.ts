import type { SeatMapChangedSubscription, SeatMapQuery } from '../../client/operations.js';
import { dataOf } from './connection.js';
import { type Random, randomFor } from './random.js';
import type { Persona } from './records.js';

export type MapUpdate = SeatMapChangedSubscription['seatMapChanged'];

/** Where a follower of a seat map stands. */
export interface MapCursor {
  readonly epoch: string;
  readonly version: number;
  readonly layoutVersion: number;
}

/** What the rule of the stream says about an update: take it, ignore it, or ask again from where one stands. */
export function judgeUpdate(cursor: MapCursor | null, update: MapUpdate): 'take' | 'ignore' | 'resume' {
  if (!('fromVersion' in update)) return 'take';
  if (cursor === null || cursor.epoch !== update.epoch || cursor.layoutVersion !== update.layoutVersion)
    return 'resume';
  if (update.version <= cursor.version) return 'ignore';
  return update.fromVersion <= cursor.version ? 'take' : 'resume';
}

export function cursorOf(update: MapUpdate): MapCursor {
  return { epoch: update.epoch, version: update.version, layoutVersion: update.layoutVersion };
}

const parsedTexts = 256;
const parsed = new Map<string, MapUpdate>();

/** Thousands of sockets of this process get the very same text; it is parsed once. */
export function parseMapText(text: string): MapUpdate {
  const known = parsed.get(text);
  if (known) return known;
  const update = dataOf<SeatMapChangedSubscription>(text).seatMapChanged;
  if (parsed.size >= parsedTexts) parsed.clear();
  parsed.set(text, update);
  return update;
}

export type Choice =
  | { readonly seatIds: string[] }
  | { readonly bestAvailable: { readonly categoryId: string; readonly quantity: number; readonly accessible?: number } }
  | { readonly standing: { readonly categoryId: string; readonly quantity: number } };

interface Row {
  readonly ids: readonly string[];
  readonly indexes: readonly number[];
}

const free = '.'.charCodeAt(0);
const hotRowShare = 0.06;
const rowsLookedAt = 24;
/** Above this, a page shows one section at a time and watches only that. */
const wholeHallSeats = 5_000;

/** The hall as the buyers of one process see it: the static layout and, followed by one observer for all, what is free. */
export class Hall {
  readonly #rows: Row[] = [];
  readonly #hotRows: Row[];
  readonly #seated = new Set<string>();
  readonly #accessible: ReadonlySet<string>;
  /** Those of them that have places: in a small hall not every category does. */
  readonly #wheelchairs = new Set<string>();
  readonly #indexOfSeat = new Map<string, number>();
  readonly #standing = new Set<string>();
  readonly #categoryOfSeat: string[] = [];
  readonly #freeByCategory = new Map<string, number>();
  readonly #states: Buffer;
  readonly #sections: readonly string[];
  #freeSeats = 0;
  #emptySinceMs: number | null = null;
  cursor: MapCursor | null = null;

  constructor(layout: NonNullable<SeatMapQuery['seatMap']>, seed: number) {
    this.#states = Buffer.alloc(layout.seatCount, 'x');
    this.#sections = layout.seatCount > wholeHallSeats ? layout.sections.map((section) => section.id) : [];
    this.#accessible = new Set(layout.categories.filter(({ accessible }) => accessible).map(({ id }) => id));
    for (const section of layout.sections) {
      for (const row of section.rows) this.#addRow(row.seats);
      for (const area of section.standing) {
        this.#standing.add(area.categoryId);
        for (let i = 0; i < area.count; i += 1) this.#categoryOfSeat[area.firstSeat + i] = area.categoryId;
      }
    }
    const random = randomFor(seed, -1);
    const wanted = Math.min(60, Math.max(3, Math.ceil(this.#rows.length * hotRowShare)));
    this.#hotRows = this.#rows.length === 0 ? [] : Array.from({ length: wanted }, () => random.pick(this.#rows));
  }

  #addRow(seats: readonly { readonly id: string; readonly index: number; readonly categoryId: string }[]): void {
    for (const seat of seats) {
      const places = this.#accessible.has(seat.categoryId) ? this.#wheelchairs : this.#seated;
      places.add(seat.categoryId);
      this.#indexOfSeat.set(seat.id, seat.index);
      this.#categoryOfSeat[seat.index] = seat.categoryId;
    }
    if (seats.length > 0)
      this.#rows.push({ ids: seats.map((seat) => seat.id), indexes: seats.map((seat) => seat.index) });
  }

  /** Follows the stream by its rule; answers whether the stream must be resumed. */
  follow(update: MapUpdate): boolean {
    const judgement = judgeUpdate(this.cursor, update);
    if (judgement === 'take') {
      if ('fromVersion' in update) this.#applyDelta(update.seats, update.states);
      else this.#applySnapshot(update.states);
      this.cursor = cursorOf(update);
      this.#emptySinceMs = this.#freeSeats > 0 ? null : (this.#emptySinceMs ?? Date.now());
    }
    return judgement === 'resume';
  }

  /** The section somebody looks at; null: the whole hall. The first one is what half of all people want to see. */
  sectionFor(random: Random): string | null {
    if (this.#sections.length === 0) return null;
    return random.hits(0.5) ? this.#sections[0]! : random.pick(this.#sections);
  }

  get states(): string {
    return this.#states.toString('latin1');
  }

  indexOf(seatId: string): number {
    return this.#indexOfSeat.get(seatId)!;
  }

  /** How long nothing has been free on the map, ms; 0 while something is. */
  emptyForMs(): number {
    return this.#emptySinceMs === null ? 0 : Date.now() - this.#emptySinceMs;
  }

  /** What somebody with this taste would try next, without the categories they were told are sold out; null: nothing is left. */
  choose(random: Random, taste: Persona['taste'], quantity: number, without: ReadonlySet<string>): Choice | null {
    const places = [...this.#wheelchairs].filter((id) => !without.has(id));
    // The map does not show them to everybody: who needs one asks.
    if (taste === 'wheelchair' && places.length > 0)
      return { bestAvailable: { categoryId: random.pick(places), quantity, accessible: 1 } };
    const standing = this.#pickCategory(random, this.#standing, without);
    const seated = this.#pickCategory(random, this.#seated, without);
    if (taste === 'standing' && standing !== null) return { standing: { categoryId: standing, quantity } };
    if ((taste === 'best' || taste === 'wheelchair') && seated !== null)
      return { bestAvailable: { categoryId: seated, quantity } };
    if (seated !== null) {
      const seatIds = this.#chooseSeats(random, quantity, without);
      if (seatIds !== null) return { seatIds };
    }
    return standing === null ? null : { standing: { categoryId: standing, quantity } };
  }

  #pickCategory(random: Random, among: ReadonlySet<string>, without: ReadonlySet<string>): string | null {
    const open = [...among].filter((id) => !without.has(id) && (this.#freeByCategory.get(id) ?? 0) > 0);
    return open.length > 0 ? random.pick(open) : null;
  }

  /** Neighbours in a row that everybody wants, then in any row, then whatever is free. */
  #chooseSeats(random: Random, quantity: number, without: ReadonlySet<string>): string[] | null {
    for (let look = 0; look < rowsLookedAt; look += 1) {
      const row = random.pick(look < rowsLookedAt / 3 ? this.#hotRows : this.#rows);
      const block = this.#freeBlock(row, quantity, without);
      if (block !== null) return block;
    }
    const offset = random.between(0, this.#rows.length - 1);
    for (let i = 0; i < this.#rows.length; i += 1) {
      const row = this.#rows[(offset + i) % this.#rows.length]!;
      for (let size = quantity; size >= 1; size -= 1) {
        const block = this.#freeBlock(row, size, without);
        if (block !== null) return block;
      }
    }
    return null;
  }

  #freeBlock(row: Row, quantity: number, without: ReadonlySet<string>): string[] | null {
    let run = 0;
    for (const [at, index] of row.indexes.entries()) {
      const usable = this.#states[index] === free && !without.has(this.#categoryOfSeat[index]!);
      run = usable ? run + 1 : 0;
      if (run === quantity) return row.ids.slice(at + 1 - quantity, at + 1);
    }
    return null;
  }

  #applySnapshot(states: string): void {
    this.#states.write(states, 'latin1');
    this.#freeSeats = 0;
    this.#freeByCategory.clear();
    for (const [index, state] of this.#states.entries()) if (state === free) this.#count(index, 1);
  }

  #applyDelta(seats: string, states: string): void {
    if (seats === '') return;
    for (const [at, seat] of seats.split(',').entries()) {
      const index = Number(seat);
      const state = states.charCodeAt(at);
      if (this.#states[index] === free) this.#count(index, -1);
      if (state === free) this.#count(index, 1);
      this.#states[index] = state;
    }
  }

  #count(index: number, by: number): void {
    const category = this.#categoryOfSeat[index] ?? '';
    this.#freeByCategory.set(category, (this.#freeByCategory.get(category) ?? 0) + by);
    this.#freeSeats += by;
  }
}
