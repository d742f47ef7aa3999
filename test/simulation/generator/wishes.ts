import type { Random } from '../../../bench/rush/random.js';
import type { Selection } from '../../../src/redis/seat-holds.js';
import { isDue } from '../model/answers.js';
import type { World } from '../model/world.js';
import { accessibleCategory, standingCategory } from '../scenario.js';

/** Places somebody asks for, and the channels they may use. */
export function drawWish(random: Random, world: World): { readonly wish: Selection; readonly letters: string } {
  const { layout, quantities } = world.scenario;
  const isChanneled = world.hasChannels && random.hits(0.4);
  const letters = isChanneled ? random.pick(['B.', 'BC.', 'ABC.', 'A.', 'C.']) : '.';
  const quantity = random.pick(quantities);
  const section = random.hits(0.25) ? random.between(0, layout.sections.length - 1) : null;
  const kind = random.pick(['seats', 'seats', 'seats', 'best', 'best', 'standing', 'accessible'] as const);
  switch (kind) {
    case 'seats':
      return { wish: { kind, indexes: drawSeats(random, world, quantity) }, letters };
    case 'standing':
      return { wish: { kind, category: standingCategory, section, quantity }, letters };
    case 'best':
      return { wish: { kind, category: random.pick([0, 0, 0, 2, accessibleCategory]), section, quantity }, letters };
    case 'accessible': {
      const accessible = random.between(1, quantity);
      const wish = { kind, category: accessibleCategory, section, quantity, accessible };
      return { wish, letters: random.pick(['A.', '.']) };
    }
  }
}

/** Different places: ones that may be had, ones whose hold is past its deadline, or any. */
function drawSeats(random: Random, world: World, quantity: number): number[] {
  const all = [...world.seats.keys()];
  const kind = random.pick(['any', 'free', 'free', 'past'] as const);
  const wanted = all.filter((seat) => {
    const owner = world.ownerOf(seat);
    if (kind === 'any') return true;
    return kind === 'free' ? owner === null : owner !== null && isDue(world, owner);
  });
  const pool = wanted.length > 0 ? wanted : all;
  const seats: number[] = [];
  while (seats.length < quantity && pool.length > 0) seats.push(...pool.splice(random.between(0, pool.length - 1), 1));
  return seats;
}
