import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { Random } from '../../bench/rush/random.js';
import {
  accessibleBlock,
  bestBlock,
  fitCode,
  freeCount,
  type SplitOffer,
  splitOffers,
} from '../../src/domain/best-available.js';
import type { Layout } from '../../src/domain/layout.js';
import { companionSeats } from '../../src/domain/seat-runs.js';
import { parseVenuePlan } from '../../src/domain/venue-plan.js';
import { connectRedis, type RedisConnections } from '../../src/redis/connections.js';
import {
  type ClaimAnswer,
  changeHold,
  claimSeats,
  releaseHold,
  type Selection,
  type StoredHold,
} from '../../src/redis/seat-holds.js';
import { createTestStores, type TestStores } from '../support/stores.js';
import { loadVenue, randomLayout, type ScriptVenue } from '../support/venues.js';

let stores: TestStores;
let connections: RedisConnections;
let redis: Redis;
beforeAll(async () => {
  stores = await createTestStores();
  connections = await connectRedis(stores.redisUrl, () => {});
  redis = connections.commands;
});
afterAll(async () => {
  await connections.close();
  await stores.close();
});

const hallText = readFileSync(new URL('../../sandbox/venues/riethsporthalle-erfurt.json', import.meta.url), 'utf8');

function realHall(): Layout {
  const parsed = parseVenuePlan(hallText);
  if ('errors' in parsed) throw new Error('the hall of the sandbox has errors');
  return parsed.layout;
}

/** Wheelchair places and companions in A, a block of seats in B, some blocked. */
function dealtChannels(random: Random, layout: Layout, venue: Pick<ScriptVenue, 'stretches'>): string {
  const letters = Array<string>(layout.seatCount).fill('.');
  const from = random.between(0, layout.seatCount - 1);
  letters.fill('B', from, from + random.between(0, layout.seatCount / 3));
  for (const stretch of venue.stretches) {
    letters.fill('A', stretch.places, stretch.places + stretch.placeCount);
    for (const seat of companionSeats(stretch)) letters[seat] = 'A';
  }
  for (let i = 0; i < 3; i += 1) letters[random.between(0, layout.seatCount - 1)] = 'x';
  return letters.join('');
}

interface Wish {
  readonly selection: Exclude<Selection, { kind: 'seats' }>;
  readonly letters: string;
}

function drawWish(random: Random, layout: Layout): Wish {
  const accessible = layout.categories.findIndex((category) => category.accessible);
  const section = random.hits(0.3) ? random.between(0, layout.sections.length - 1) : null;
  const quantity = random.hits(0.1) ? random.between(7, 20) : random.between(1, 6);
  if (accessible >= 0 && random.hits(0.25)) {
    const selection = { kind: 'accessible', category: accessible, section, quantity } as const;
    return { selection: { ...selection, accessible: random.between(1, quantity) }, letters: 'A.' };
  }
  const category = random.between(0, layout.categories.length - 1);
  return { selection: { kind: 'best', category, section, quantity }, letters: random.pick(['.', '.', '.', 'B.']) };
}

let serial = 0;
function claimWish(venue: ScriptVenue, { selection, letters }: Wish): Promise<ClaimAnswer> {
  serial += 1;
  return claimSeats(redis, venue.ref, {
    holdId: `hold-${serial}`,
    person: `person-${serial}`,
    digest: 'd',
    selection,
    letters,
    prices: '',
    ttlMs: 3_600_000,
    maxMs: 3_600_000,
    seatsPerPerson: 20,
    hoardBudgetMs: Number.MAX_SAFE_INTEGER,
    newEntryId: 'e',
    categories: venue.layout.categories.length,
  });
}

/** What the rule over plain arrays gives in this state, in the words of the script. */
function expected(venue: ScriptVenue, status: string, { selection, letters }: Wish) {
  const { runs, stretches, layout } = venue;
  const { category, quantity, section = null } = selection;
  if (selection.kind === 'accessible') {
    const { accessible } = selection;
    const seats = accessibleBlock(stretches, status, { category, section, quantity, accessible, letters });
    if (seats) return { code: 'OK', seats };
    const free = freeCount(runs, status, { category, section, quantity, letters });
    return free === 0 ? { code: 'SOLD_OUT' } : { code: 'NO_BLOCK', free, offers: [] };
  }
  const wish = { category, section, quantity, letters };
  const seats = bestBlock(runs, status, wish);
  if (seats) return { code: 'OK', seats };
  const free = freeCount(runs, status, wish);
  if (free === 0) return { code: 'SOLD_OUT' };
  const offers = splitOffers(runs, status, wish, layout.categories.length);
  return { code: 'NO_BLOCK', free, offers: offers.map(({ kind, seats: indexes }: SplitOffer) => ({ kind, indexes })) };
}

const said = (answer: Awaited<ReturnType<typeof changeHold>> | ClaimAnswer) =>
  answer.code === 'OK' ? { code: 'OK', seats: answer.hold.seats } : answer;

/** Claims, changes and releases at random; every answer must be the reference's. Answers how often each code came. */
async function compare(venue: ScriptVenue, random: Random, rounds: number): Promise<Map<string, number>> {
  const holds: StoredHold[] = [];
  const seen = new Map<string, number>();
  for (let round = 0; round < rounds; round += 1) {
    const status = (await redis.get(venue.keys.status))!;
    const wish = drawWish(random, venue.layout);
    const mine =
      holds.length > 0 && random.hits(0.35) ? holds.splice(random.between(0, holds.length - 1), 1)[0]! : null;
    const action = mine && { holdId: mine.holdId, person: mine.owner, fence: String(mine.fence) };
    let answer: ClaimAnswer | Awaited<ReturnType<typeof changeHold>>;
    let before = status;
    if (action && random.hits(0.5)) {
      await releaseHold(redis, venue.ref, action);
      continue;
    }
    if (action) {
      // For the search of their owner the seats of a hold are free.
      const channels = (await redis.get(venue.keys.channels))!;
      before = [...status].map((letter, seat) => (mine.seats.includes(seat) ? channels[seat] : letter)).join('');
      const more = { ...wish, digest: `c${round}`, seatsPerPerson: 40, categories: venue.layout.categories.length };
      answer = await changeHold(redis, venue.ref, { ...action, ...more });
      if (answer.code !== 'OK') holds.push(mine);
    } else answer = await claimWish(venue, wish);
    expect({ wish, answer: said(answer) }).toEqual({ wish, answer: expected(venue, before, wish) });
    if (answer.code === 'OK') holds.push(answer.hold);
    else expect(await redis.get(venue.keys.status)).toBe(status);
    seen.set(answer.code, (seen.get(answer.code) ?? 0) + 1);
  }
  return seen;
}

test.each([1, 2, 3, 4])(
  'Promise 8: the claim script finds what the rule over plain arrays finds, on random halls with channels and wheelchair places (seed %i)',
  async (seed) => {
    const random = new Random(seed);
    const seen = new Set<string>();
    for (let hall = 0; hall < 12; hall += 1) {
      const layout = randomLayout(random);
      const plain = await loadVenue(redis, layout);
      const venue = await loadVenue(redis, layout, { channels: dealtChannels(random, layout, plain) });
      for (const code of (await compare(venue, random, 60)).keys()) seen.add(code);
    }
    expect([...seen].sort()).toEqual(['NO_BLOCK', 'OK', 'SOLD_OUT']);
  },
);

test('Promise 8: the claim script finds what the rule over plain arrays finds, in the real hall until it is full', async () => {
  const layout = realHall();
  const plain = await loadVenue(redis, layout);
  const random = new Random(99);
  const venue = await loadVenue(redis, layout, { channels: dealtChannels(random, layout, plain) });
  const seen = await compare(venue, random, 900);
  expect([...seen.keys()].sort()).toEqual(['NO_BLOCK', 'OK', 'SOLD_OUT']);
});

test('Promise 8: the tables that the script keeps are those of the seats, after any sequence of claims', async () => {
  const random = new Random(5);
  const layout = randomLayout(random);
  const plain = await loadVenue(redis, layout);
  const venue = await loadVenue(redis, layout, { channels: dealtChannels(random, layout, plain) });
  await compare(venue, random, 200);
  const status = (await redis.get(venue.keys.status))!;
  for (const letter of ['.', 'A', 'B']) {
    for (const category of layout.categories.keys()) {
      const runs = venue.runs.filter((run) => run.category === category);
      const codes = runs.map(({ start, length }) => fitCode(status.slice(start, start + length), letter)).join('');
      const known = await redis.get(venue.keys.fits(letter, category));
      if (known !== null && known.includes('\0') === false) expect(known).toBe(codes);
    }
  }
});

/** Seats that are free and have no free neighbour in their run. */
function singles(venue: ScriptVenue, status: string): Set<number> {
  const found = new Set<number>();
  for (const { start, length } of venue.runs) {
    for (let seat = start; seat < start + length; seat += 1) {
      const free = (at: number) => at >= start && at < start + length && status[at] === '.';
      if (free(seat) && !free(seat - 1) && !free(seat + 1)) found.add(seat);
    }
  }
  return found;
}

test('Promise 8: best available never leaves a new single seat between taken ones while any other block is left', async () => {
  const random = new Random(21);
  let [left, claims] = [0, 0];
  for (let hall = 0; hall < 10; hall += 1) {
    const venue = await loadVenue(redis, randomLayout(random));
    for (let claim = 0; claim < 60; claim += 1) {
      const status = (await redis.get(venue.keys.status))!;
      const quantity = random.between(2, 4);
      const selection = { kind: 'best', category: random.between(0, 3), quantity } as const;
      const answer = await claimWish(venue, { selection, letters: '.' });
      if (answer.code !== 'OK') continue;
      claims += 1;
      const before = singles(venue, status);
      const fresh = [...singles(venue, (await redis.get(venue.keys.status))!)].filter((seat) => !before.has(seat));
      if (fresh.length === 0) continue;
      left += 1;
      // There was no other choice: wherever so many fit in this category, one would have been left alone.
      for (const run of venue.runs.filter(({ category }) => category === selection.category)) {
        const blocks = status.slice(run.start, run.start + run.length).split(/[^.]+/);
        expect(blocks.some(({ length }) => length === quantity || length >= quantity + 2)).toBe(false);
      }
    }
  }
  expect(claims).toBeGreaterThan(40);
  expect(left).toBeGreaterThan(0);
});

test('Promise 8: equal state gives equal answer', async () => {
  const answers: unknown[][] = [];
  for (let again = 0; again < 2; again += 1) {
    const random = new Random(8);
    const venue = await loadVenue(redis, randomLayout(random));
    const given: unknown[] = [];
    for (let i = 0; i < 40; i += 1) given.push(said(await claimWish(venue, drawWish(random, venue.layout))));
    answers.push(given);
  }
  expect(answers[1]).toEqual(answers[0]);
});
