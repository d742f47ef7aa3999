import { type Random, randomFor } from '../../bench/rush/random.js';
import type { Layout, LayoutSection } from '../../src/domain/layout.js';
import { encodePriceList } from '../../src/domain/money.js';
import type { LedgerHold, WaitingRoom } from '../../src/redis/inventory.js';

/** The event's time at the start of a run, far ahead of Redis time, so that it moves only when a step moves it. */
export const startMs = 4_000_000_000_000;

/** One event and what its organizer has set: all that a run begins with. The same seed and run give the same scenario. */
export interface Scenario {
  readonly seed: number;
  readonly run: number;
  readonly layout: Layout;
  /** One letter a place: whose it is when it is free. */
  readonly channels: string;
  /** Milliseconds since the start from which a channel's places are everybody's. */
  readonly releases: ReadonlyMap<string, number>;
  readonly phase: 'LOBBY' | 'OPEN';
  readonly opensAt: number;
  readonly room: WaitingRoom;
  readonly admitPerSecond: number;
  readonly cap: number;
  readonly oldNumbers: number;
  readonly numbersTo: number;
  readonly behindLobby: boolean;
  readonly recoveryMs: number;
  /** Many people, each of whom asks for one place after another. */
  readonly isCrowd: boolean;
  readonly persons: readonly string[];
  readonly seatsPerPerson: number;
  /** How many places are asked for. */
  readonly quantities: readonly number[];
  readonly hoardBudgetMs: number;
  /** Whole, so that what is forgiven is, too. */
  readonly hoardRefillPerMs: number;
  readonly holdTtlMs: number;
  readonly holdMaxMs: number;
  /** Places of the line at most; null: as many as the platform allows. */
  readonly lineEntries: number | null;
  /** What the ledger knew when the event was loaded. */
  readonly ledger: readonly LedgerHold[];
  readonly steps: number;
}

export const accessibleCategory = 1;
export const standingCategory = 3;
const categories = [
  { name: 'Stalls', color: '#336699', accessible: false },
  { name: 'Stalls wheelchair', color: '#336699', accessible: true },
  { name: 'Circle', color: '#336699', accessible: false },
  { name: 'Standing', color: '#336699', accessible: false },
];

/** The price list a hold is made under. */
export function priceListOf({ layout }: Scenario): string {
  const prices = layout.categories.map((_, category) => ({ priceMinor: priceMinor(category), feeMinor: 0 }));
  return encodePriceList('EUR', prices);
}

export function priceMinor(category: number): number {
  return 1_000 + 100 * category;
}

export function drawScenario(seed: number, run: number): Scenario {
  const random = randomFor(seed, 2 * run);
  // So many holds and places that one call cannot collect them.
  const isCrowd = random.hits(0.06);
  const layout = drawLayout(random, isCrowd);
  const persons = Array.from({ length: isCrowd ? 30 : random.between(3, 12) }, (_, i) => `p${i}`);
  const seatsPerPerson = isCrowd ? 10 : random.pick([2, 4, 6, 10]);
  return {
    seed,
    run,
    layout,
    ...drawChannels(random, layout, isCrowd),
    ...drawSale(random),
    room: isCrowd ? 'NEVER' : random.pick(['AUTO', 'AUTO', 'ALWAYS', 'ALWAYS', 'NEVER']),
    admitPerSecond: random.pick([0.2, 1, 1, 5, 100]),
    cap: isCrowd ? 40 : random.pick([1, 2, 3, 5, 8]),
    isCrowd,
    persons,
    seatsPerPerson,
    quantities: isCrowd ? [1] : [1, 1, 2, 2, 2, 3, 4, random.between(1, 8)],
    hoardBudgetMs: random.hits(isCrowd ? 0 : 0.3)
      ? seatsPerPerson * random.pick([60_000, 400_000])
      : seatsPerPerson * 1_800_000,
    hoardRefillPerMs: random.pick([1, 2, 5]),
    holdTtlMs: isCrowd ? 900_000 : random.pick([60_000, 300_000, 300_000, 900_000]),
    holdMaxMs: 900_000,
    lineEntries: random.hits(0.15) ? random.between(1, 4) : null,
    ledger: random.hits(0.15) ? drawLedger(layout) : [],
    steps: isCrowd ? 800 : random.pick([60, 250, 500, 800]),
  };
}

type DrawnSale = Pick<Scenario, 'phase' | 'opensAt' | 'oldNumbers' | 'numbersTo' | 'behindLobby' | 'recoveryMs'>;

/** A sale that is open, one with a lobby, or one of either kind whose Redis has just been lost. */
function drawSale(random: Random): DrawnSale {
  const isLobby = random.hits(0.35);
  const isRebuilt = random.hits(0.25);
  const isBehind = isRebuilt && isLobby && random.hits(0.5);
  const rebuilt = random.pick([4, 7, 10, 15, 20]);
  // Before the opening no numbers are given; a lobby that is awaited after it gets numbers in front of all others.
  const oldNumbers = isBehind ? Math.max(rebuilt, 15) : isRebuilt && !isLobby ? rebuilt : 0;
  return {
    phase: isLobby ? 'LOBBY' : 'OPEN',
    opensAt: isLobby && !isBehind ? random.pick([5_000, 60_000]) : -60_000,
    oldNumbers,
    numbersTo: oldNumbers + random.pick([3, 10, 1_000, 1_000]),
    behindLobby: isBehind,
    recoveryMs: isRebuilt ? random.pick([10_000, 60_000]) : 0,
  };
}

/** Short rows of one or two sections, with aisles and wheelchair places, and standing places behind them. */
function drawLayout(random: Random, isCrowd: boolean): Layout {
  let seatCount = 0;
  const sections: LayoutSection[] = [];
  for (let at = 0; at < (random.hits(0.4) ? 2 : 1); at += 1) {
    const rows = Array.from({ length: random.between(1, 3) }, (_, row) => {
      const firstSeat = seatCount;
      const category = random.pick([0, 0, 2]);
      let x = 0;
      const seats = Array.from({ length: random.between(1, 8) }, (_, i) => {
        const isWide = category === 0 && random.hits(0.15);
        x += random.hits(0.12) ? 75 : 25;
        const place = { guid: `${at}-${row}-${i}`, label: `${i}`, x: 400 * at + x, y: 30 * row };
        return { ...place, category: isWide ? accessibleCategory : category };
      });
      seatCount += seats.length;
      return { label: `${row}`, firstSeat, seats };
    });
    sections.push({ id: `s${at}`, name: `Section ${at}`, rows, standing: [], decorations: [] });
  }
  const areas = isCrowd ? [70] : random.hits(0.5) ? [random.between(1, 4), random.between(1, 3)] : [];
  const withStanding = sections.map((section, at) => {
    const count = areas[at];
    if (count === undefined) return section;
    const standing = [{ name: `Pit ${at}`, category: standingCategory, firstSeat: seatCount, count }];
    seatCount += count;
    return { ...section, standing };
  });
  return { name: 'Hall', categories, sections: withStanding, seatCount };
}

/** Wheelchair places in A, some places in B and C, some of nobody; a channel may have an instant at which it opens to everybody. */
function drawChannels(random: Random, layout: Layout, isCrowd: boolean): Pick<Scenario, 'channels' | 'releases'> {
  const letters = Array<string>(layout.seatCount).fill('.');
  const releases = new Map<string, number>();
  if (isCrowd) return { channels: letters.fill('B', -60).join(''), releases: releases.set('B', 90_000) };
  if (random.hits(0.5)) return { channels: letters.join(''), releases };
  for (const letter of ['B', 'C']) {
    const from = random.between(0, layout.seatCount - 1);
    letters.fill(letter, from, from + random.between(0, 6));
    if (random.hits(0.5)) releases.set(letter, random.pick([0, 1_000, 90_000, 600_000]));
  }
  for (const { rows } of layout.sections)
    for (const { firstSeat, seats } of rows)
      for (const [at, { category }] of seats.entries())
        if (category === accessibleCategory) letters[firstSeat + at] = 'A';
  if (random.hits(0.5)) releases.set('A', random.pick([30_000, 600_000]));
  for (let i = random.between(0, 2); i > 0; i -= 1) letters[random.between(0, layout.seatCount - 1)] = 'x';
  return { channels: letters.join(''), releases };
}

/** An order in each state the ledger can tell of. */
function drawLedger(layout: Layout): LedgerHold[] {
  const states = ['CHECKOUT', 'ISSUING', 'SOLD', 'RETURNING', 'SOLD'] as const;
  return states.slice(0, layout.seatCount).map((state, seat) => ({
    holdId: `l${seat}`,
    orderId: `order-l${seat}`,
    person: `p${seat % 3}`,
    fence: seat,
    state,
    seats: [seat],
    prices: '',
    payByMs: startMs + 600_000,
    freeAtMs: startMs + 720_000,
    rememberMs: seat === 2 ? 86_400_000 : 0,
  }));
}
