import { accessibleBlock, bestBlock, freeCount, splitOffers } from '../../../src/domain/best-available.js';
import type { Selection } from '../../../src/redis/seat-holds.js';
import type { Answer } from './answers.js';
import { isClaimable } from './stock.js';
import type { World } from './world.js';

/** The places of a wish in this state, or the refusal. `own` are places that are free to whoever changes a hold. */
export function findSeats(
  world: World,
  wish: Selection,
  letters: string,
  own: readonly number[] = [],
): readonly number[] | Answer {
  if (wish.kind === 'seats') {
    const taken = wish.indexes.filter((seat) => !own.includes(seat) && !isClaimable(world, seat, letters));
    return taken.length > 0 ? { code: 'TAKEN', indexes: taken } : wish.indexes;
  }
  const status = [...world.status()].map((letter, seat) => (own.includes(seat) ? world.seats[seat]!.channel : letter));
  if (wish.kind === 'standing') return findStanding(world, status, wish, letters);
  const { category, quantity, section = null } = wish;
  const search = { category, section, quantity, letters };
  const text = status.join('');
  const seats =
    wish.kind === 'accessible'
      ? accessibleBlock(world.stretches, text, { ...search, accessible: wish.accessible })
      : bestBlock(world.runs, text, search);
  if (seats !== null) return seats;
  const free = freeCount(world.runs, text, search);
  if (free === 0) return { code: 'SOLD_OUT' };
  const offers =
    wish.kind === 'best' ? splitOffers(world.runs, text, search, world.scenario.layout.categories.length) : [];
  return { code: 'NO_BLOCK', free, offers: offers.map(({ kind, seats: indexes }) => ({ kind, indexes })) };
}

/** Standing places are claimed first free, those of the first letter before those of the next. */
function findStanding(
  world: World,
  status: readonly string[],
  wish: Extract<Selection, { readonly kind: 'best' | 'standing' }>,
  letters: string,
): readonly number[] | Answer {
  const { category, quantity, section = null } = wish;
  const places = world.standing
    .filter((area) => area.category === category && (section === null || area.section === section))
    .flatMap(({ firstSeat, count }) => Array.from({ length: count }, (_, i) => firstSeat + i));
  const free = [...letters].flatMap((letter) => places.filter((seat) => status[seat] === letter));
  if (free.length >= quantity) return free.slice(0, quantity);
  if (free.length === 0) return { code: 'SOLD_OUT' };
  return { code: 'NO_BLOCK', free: free.length, offers: [] };
}
