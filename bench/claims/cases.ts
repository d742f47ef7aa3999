import type { Random } from '../rush/random.js';
import type { BenchClient } from '../support/client.js';
import type { HallFacts } from '../support/halls.js';
import { type ClaimCase, type ClaimHall, loadClaimHall } from './claims.js';
import {
  longestCategory,
  nothingSold,
  type Sold,
  soldAtRandom,
  soldButOneSeat,
  soldButTheLast,
  soldTooShort,
} from './states.js';
import { oneSection, stadium } from './venues.js';

const named = [1, 2, 4];
const best = [1, 2, 4, 8];
const fullShare = 0.95;

/** Every kind of claim in a stadium of that size. */
export async function stadiumCases(client: BenchClient, seats: number, random: Random): Promise<ClaimCase[]> {
  const facts = stadium(seats);
  const category = longestCategory(facts);
  const load = (sold: Sold) => loadClaimHall(client, facts, sold);
  const states = [
    ['empty', await load(nothingSold)],
    ['95 % sold at random', await load(soldAtRandom(facts, fullShare, random))],
    ['every second seat sold', await load(soldTooShort(facts, 2))],
  ] as const;
  const cases: ClaimCase[] = [];
  for (const [state, hall] of states) {
    for (const quantity of named) cases.push(namedCase(state, hall, quantity, random));
    for (const quantity of best) cases.push(bestCase(state, hall, { category, quantity, section: null }));
  }
  for (const quantity of best) {
    const hall = await load(soldButTheLast(facts, category, quantity));
    cases.push(bestCase('only the last run fits', hall, { category, quantity, section: null }));
  }
  for (const quantity of [4, 8]) {
    const hall = await load(soldTooShort(facts, quantity));
    cases.push(bestCase('every block too short by one', hall, { category, quantity, section: null }));
  }
  return cases;
}

/** Halls that are hard for the algorithm and hardly ever built. */
export async function hardCases(client: BenchClient, seats: number): Promise<ClaimCase[]> {
  const whole = oneSection(seats, { rowSeats: 26, block: 13 });
  const pairs = oneSection(seats, { rowSeats: 26, block: 2 });
  const wish = (quantity: number, section: number | null) => ({ category: 0, quantity, section });
  const load = (facts: HallFacts, sold: Sold) => loadClaimHall(client, facts, sold);
  return [
    bestCase('one section, every second seat sold', await load(whole, soldTooShort(whole, 2)), wish(8, 0)),
    bestCase('one section, one seat is left', await load(whole, soldButOneSeat(whole, 0)), wish(2, 0)),
    bestCase('boxes of two only', await load(pairs, nothingSold), wish(8, null)),
  ];
}

/** Neighbours in an empty hall, otherwise free seats from anywhere. */
function namedCase(state: string, hall: ClaimHall, quantity: number, random: Random): ClaimCase {
  const { facts, sold } = hall;
  const free = [...facts.channels].flatMap((letter, seat) => (letter === '.' && !sold.has(seat) ? [seat] : []));
  const runs = facts.runs.filter(({ start, length }) => {
    return length >= quantity && !facts.channels.slice(start, start + length).includes('A');
  });
  const neighbours = () => {
    const { start, length } = random.pick(runs);
    const first = start + random.between(0, length - quantity);
    return Array.from({ length: quantity }, (_, i) => first + i);
  };
  const anywhere = () => {
    const seats = new Set<number>();
    while (seats.size < quantity) seats.add(random.pick(free));
    return [...seats];
  };
  const pick = sold.size === 0 ? neighbours : anywhere;
  return {
    name: `${quantity} named, ${state}`,
    hall,
    expected: 'OK',
    wish: () => ({ kind: 'seats', indexes: pick() }),
  };
}

function bestCase(
  state: string,
  hall: ClaimHall,
  wish: { readonly category: number; readonly quantity: number; readonly section: number | null },
): ClaimCase {
  const expected = isFound(hall, wish) ? 'OK' : 'NO_BLOCK';
  return {
    name: `best ${wish.quantity}, ${state}${expected === 'OK' ? '' : ' (refused)'}`,
    hall,
    expected,
    wish: () => ({ kind: 'best', ...wish }),
  };
}

function isFound({ facts, sold }: ClaimHall, wish: { readonly category: number; readonly quantity: number }): boolean {
  for (const { category, start, length } of facts.runs) {
    if (category !== wish.category) continue;
    let block = 0;
    for (let seat = start; seat < start + length; seat += 1) {
      block = facts.channels[seat] === '.' && !sold.has(seat) ? block + 1 : 0;
      if (block === wish.quantity) return true;
    }
  }
  return false;
}
