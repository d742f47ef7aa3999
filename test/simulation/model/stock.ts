import { isDue } from './answers.js';
import { isLive, type ModelHold, type World } from './world.js';

/** Whether a claim with these letters may have a free place of this channel. */
export function isOpen(world: World, channel: string, letters: string): boolean {
  if (channel === 'x') return false;
  if (letters.includes(channel)) return true;
  const releaseAt = world.releases.get(channel) ?? null;
  return releaseAt !== null && world.now >= releaseAt;
}

/** Whether a claim may take a place: it is free, or the hold on it is past its deadline. */
export function isClaimable(world: World, seat: number, letters: string): boolean {
  const owner = world.ownerOf(seat);
  return (owner === null || isDue(world, owner)) && isOpen(world, world.seats[seat]!.channel, letters);
}

/** The seats of a hold go back; what it has cost its owner is counted up to `until`, by the clock of the sale. */
export function endHold(world: World, hold: ModelHold, state: ModelHold['state'], until: number): void {
  const spent = spentBy(world, hold.owner) + hold.seats.length * Math.max(0, until - hold.heldAt);
  world.spent.set(hold.owner, { amount: spent, at: world.clock });
  hold.state = state;
  for (const seat of world.seats) if (seat.hold === hold.name) seat.hold = null;
  forgetDeadline(world, hold.owner);
}

/** Nothing keeps the admission of somebody who holds nothing any more. */
export function forgetDeadline(world: World, person: string): void {
  if (liveHolds(world).every(({ owner }) => owner !== person)) world.keptUntil.delete(person);
}

export function expire(world: World, hold: ModelHold): void {
  endHold(world, hold, 'EXPIRED', hold.state === 'HELD' ? hold.freeAt : world.clock);
}

/** Everything that is over is written down, and channels whose time has come are everybody's. */
export function collect(world: World): void {
  const due = [...world.holds.values()].filter((hold) => isDue(world, hold));
  for (const hold of due) expire(world, hold);
  const opened = world.seats.filter(({ channel }) => channel !== '.' && isOpen(world, channel, ''));
  for (const seat of opened) seat.channel = '.';
  for (const letter of world.reserved) if (isOpen(world, letter, '')) world.reserved.delete(letter);
  if (due.length > 0) world.marks.push('holds collected');
  if (opened.length > 0) world.marks.push('channel opened');
  if (due.length > 0 && opened.length > 0) world.marks.push('holds collected and channel opened at once');
  if (due.length >= 50 || opened.length >= 50) world.marks.push('more than one call collects');
}

export function take(world: World, hold: string, seats: readonly number[]): void {
  const dead = new Set(seats.map((seat) => world.ownerOf(seat)).filter((owner) => owner !== null));
  for (const owner of dead) {
    expire(world, owner);
    world.marks.push('taken over from a hold past its deadline');
  }
  for (const seat of seats) world.seats[seat]!.hold = hold;
}

/** What a person has spent and not been forgiven yet, without what they hold now. */
export function spentBy(world: World, person: string): number {
  const { amount, at } = world.spent.get(person) ?? { amount: 0, at: world.clock };
  return Math.max(0, amount - (world.clock - at) * world.scenario.hoardRefillPerMs);
}

/** For how long a person must wait until they are within the budget again; null: they are. */
export function hoardingMs(world: World, person: string): number | null {
  const { hoardBudgetMs, hoardRefillPerMs } = world.scenario;
  const holding = world
    .holdsOf(person)
    .reduce((sum, { seats, heldAt }) => sum + seats.length * (world.clock - heldAt), 0);
  const over = spentBy(world, person) + holding - hoardBudgetMs;
  return over < 0 ? null : Math.ceil((over + 1) / hoardRefillPerMs);
}

/** Letters, categories and channels counted anew, as the counts of a sale name them. */
export function countSeats(world: World): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [seat, { category, channel }] of world.seats.entries()) {
    const letter = world.countedLetter(seat);
    for (const scope of [category, '*', `@${channel}`]) {
      const field = `${scope}:${letter}`;
      counts.set(field, (counts.get(field) ?? 0) + 1);
    }
  }
  for (const [category, minor] of world.revenue) if (minor !== 0) counts.set(`${category}:revenue`, minor);
  return counts;
}

/** Whether any of everybody's places may still be had: sold out is final stock only. */
export function isAnythingLeft(world: World): boolean {
  return world.seats.some(({ channel }, seat) => channel === '.' && world.countedLetter(seat) !== 's');
}

export function freeToEverybody(world: World): number {
  return world.seats.filter((_, seat) => world.letter(seat) === '.').length;
}

export function liveHolds(world: World): ModelHold[] {
  return [...world.holds.values()].filter(isLive);
}
