import type { SeatRun } from '../../src/domain/seat-runs.js';
import type { Random } from '../rush/random.js';
import type { HallFacts } from '../support/halls.js';

/** Seats that are sold in a state of a hall. */
export type Sold = ReadonlySet<number>;

export const nothingSold: Sold = new Set();

export function soldAtRandom({ layout }: HallFacts, share: number, random: Random): Sold {
  return new Set(Array.from({ length: layout.seatCount }, (_, seat) => seat).filter(() => random.hits(share)));
}

/** Every run keeps blocks that are too short by one for `quantity`: with 2, every second seat is sold. */
export function soldTooShort({ runs }: HallFacts, quantity: number): Set<number> {
  const sold = new Set<number>();
  for (const { start, length } of runs)
    for (let seat = 0; seat < length; seat += 1) if (seat % quantity === quantity - 1) sold.add(start + seat);
  return sold;
}

/** The same, but the very last run that the search of this category looks at has room. */
export function soldButTheLast(facts: HallFacts, category: number, quantity: number): Sold {
  const sold = soldTooShort(facts, quantity);
  const last = lastRun(facts, category, quantity);
  for (let seat = 0; seat < last.length; seat += 1) sold.delete(last.start + seat);
  return sold;
}

/** Everything but one seat of the last run. */
export function soldButOneSeat(facts: HallFacts, category: number): Sold {
  const sold = new Set(Array.from({ length: facts.layout.seatCount }, (_, seat) => seat));
  sold.delete(lastRun(facts, category, 1).start);
  return sold;
}

/** Runs are sorted by category, best first; seats of a channel are nobody's here. */
function lastRun({ runs, channels }: HallFacts, category: number, seats: number): SeatRun {
  const isOpen = ({ start, length }: SeatRun) => !channels.slice(start, start + length).includes('A');
  const fitting = runs.filter((run) => run.category === category && run.length >= seats && isOpen(run));
  return fitting.at(-1)!;
}

/** The category whose search has the most runs to look at. */
export function longestCategory({ runs }: HallFacts): number {
  const counts = new Map<number, number>();
  for (const { category } of runs) counts.set(category, (counts.get(category) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]![0];
}
