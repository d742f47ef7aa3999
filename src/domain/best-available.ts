import type { AccessibleStretch, SeatRun } from './seat-runs.js';

/**
 * Best-available as a rule over plain arrays. The claim script does the same from tables that are kept up to date; a test holds both
 * equal on random halls.
 */
export interface BestWish {
  readonly category: number;
  /** Position of a section of the layout; null: anywhere. */
  readonly section: number | null;
  readonly quantity: number;
  /** Letters of free places the buyer may have, in the order in which they are tried. A block is of one letter. */
  readonly letters: string;
}

export interface SplitOffer {
  readonly kind: 'SPLIT' | 'OTHER_SECTION' | 'OTHER_CATEGORY';
  readonly seats: readonly number[];
}

/** How many other categories are offered, and how many are looked at. */
const otherCategories = { offered: 2, looked: 10 };
/** Runs with free places that are counted in a section. */
const countedRuns = 20;

const inScope = (wish: Pick<BestWish, 'category' | 'section'>) => (run: SeatRun) =>
  run.category === wish.category && (wish.section === null || run.section === wish.section);

/**
 * The best block of neighbouring places, as indexes, or null. Runs are tried best first; a block that would leave a new single place is
 * taken only if no other exists in all of them. Within a run the block nearest to the focal point wins, the lower one of two.
 */
export function bestBlock(runs: readonly SeatRun[], status: string, wish: BestWish): number[] | null {
  const scope = runs.filter(inScope(wish));
  for (const letter of wish.letters) {
    for (const mayLeaveSingle of [false, true]) {
      for (const run of scope) {
        const start = placement(run, status, letter, wish.quantity, mayLeaveSingle);
        if (start !== null) return Array.from({ length: wish.quantity }, (_, i) => start + i);
      }
    }
  }
  return null;
}

function placement(
  run: SeatRun,
  status: string,
  letter: string,
  quantity: number,
  mayLeaveSingle: boolean,
): number | null {
  const text = status.slice(run.start, run.start + run.length);
  let best: { readonly start: number; readonly away: number } | null = null;
  for (let start = 0; start + quantity <= run.length; start += 1) {
    if ([...text.slice(start, start + quantity)].some((l) => l !== letter)) continue;
    const left = freeBeside(text, letter, start - 1, -1);
    const right = freeBeside(text, letter, start + quantity, 1);
    if (!mayLeaveSingle && (left === 1 || right === 1)) continue;
    const away = Math.abs(2 * start + quantity - 1 - 2 * run.focus);
    if (best === null || away < best.away) best = { start, away };
  }
  return best === null ? null : run.start + best.start;
}

function freeBeside(text: string, letter: string, from: number, step: 1 | -1): number {
  let count = 0;
  for (let at = from; text[at] === letter; at += step) count += 1;
  return count;
}

/** Free places of the buyer in the wish's scope; in a section those of the first runs that have any. */
export function freeCount(runs: readonly SeatRun[], status: string, wish: BestWish): number {
  const counts = runs
    .filter(inScope(wish))
    .map(
      ({ start, length }) => [...status.slice(start, start + length)].filter((l) => wish.letters.includes(l)).length,
    );
  const counted = wish.section === null ? counts : counts.filter((count) => count > 0).slice(0, countedRuns);
  return counted.reduce((sum, count) => sum + count, 0);
}

/**
 * What is offered when no block is left: the fewest blocks that together are as many, largest first; the best block of the same category
 * in another section; and blocks of the nearest other categories that have one.
 */
export function splitOffers(
  runs: readonly SeatRun[],
  status: string,
  wish: BestWish,
  categoryCount: number,
): SplitOffer[] {
  const offers: SplitOffer[] = [];
  const split = splitBlock(runs, status, wish);
  if (split !== null) offers.push({ kind: 'SPLIT', seats: split });
  if (wish.section !== null) {
    const elsewhere = bestBlock(runs, status, { ...wish, section: null });
    if (elsewhere !== null) offers.push({ kind: 'OTHER_SECTION', seats: elsewhere });
  }
  for (const category of nearestCategories(wish.category, categoryCount)) {
    if (offers.filter(({ kind }) => kind === 'OTHER_CATEGORY').length === otherCategories.offered) break;
    const seats = bestBlock(runs, status, { ...wish, section: null, category });
    if (seats !== null) offers.push({ kind: 'OTHER_CATEGORY', seats });
  }
  return offers;
}

function splitBlock(runs: readonly SeatRun[], status: string, wish: BestWish): number[] | null {
  const left = [...status];
  const seats: number[] = [];
  let size = wish.quantity - 1;
  while (seats.length < wish.quantity && size > 0) {
    size = Math.min(size, wish.quantity - seats.length);
    const block = bestBlock(runs, left.join(''), { ...wish, quantity: size });
    if (block === null) size -= 1;
    for (const seat of block ?? []) {
      seats.push(seat);
      left[seat] = 'h';
    }
  }
  return seats.length === wish.quantity ? seats : null;
}

/** One up, one down, two up …: the neighbours in the order in which the organizer listed the categories. */
function nearestCategories(category: number, count: number): number[] {
  const near: number[] = [];
  for (let away = 1; away < count && near.length < otherCategories.looked; away += 1) {
    if (category + away < count) near.push(category + away);
    if (category - away >= 0 && near.length < otherCategories.looked) near.push(category - away);
  }
  return near;
}

export interface AccessibleWish {
  /** The category of the wheelchair places. */
  readonly category: number;
  readonly section: number | null;
  readonly quantity: number;
  /** Wheelchair places among them; the others are seats beside. */
  readonly accessible: number;
  readonly letters: string;
}

/** Neighbouring places of which exactly so many are wheelchair places, in the best stretch that has them, lowest first; or null. */
export function accessibleBlock(
  stretches: readonly AccessibleStretch[],
  status: string,
  wish: AccessibleWish,
): number[] | null {
  for (const stretch of stretches) {
    if (stretch.category !== wish.category) continue;
    if (wish.section !== null && stretch.section !== wish.section) continue;
    const { start, length, places, placeCount } = stretch;
    for (let first = start; first + wish.quantity <= start + length; first += 1) {
      const seats = Array.from({ length: wish.quantity }, (_, i) => first + i);
      const accessible = seats.filter((seat) => seat >= places && seat < places + placeCount).length;
      if (accessible === wish.accessible && seats.every((seat) => wish.letters.includes(status[seat]!))) return seats;
    }
  }
  return null;
}

const longestTold = 22;
const firstCode = 35;

/**
 * What the tables know of a run: one character for the length of its longest block of a letter, up to 22, and whether it has one that is
 * shorter by one. From that it follows for every quantity up to 20 whether a block fits, and whether one fits without leaving a single
 * place.
 */
export function fitCode(text: string, letter: string): string {
  const lengths = text.split(new RegExp(`[^${letter}]+`)).map((block) => block.length);
  const longest = Math.max(0, ...lengths);
  const told = Math.min(longest, longestTold);
  return String.fromCharCode(firstCode + 2 * told + (lengths.includes(longest - 1) && longest > 1 ? 1 : 0));
}
