import { categoryOf } from '../../../src/domain/layout.js';
import { accessibleStretches, seatRuns } from '../../../src/domain/seat-runs.js';
import { limits } from '../../../src/limits.js';
import { burstOf, type StandingArea, type WaitingRoom } from '../../../src/redis/inventory.js';
import type { LinePhase, PlaceState } from '../../../src/redis/line.js';
import type { HoldState } from '../../../src/redis/seat-holds.js';
import { priceMinor, type Scenario, startMs } from '../scenario.js';

export interface ModelSeat {
  readonly category: number;
  channel: string;
  /** Who has it: the name of a hold, also of one that was sold. */
  hold: string | null;
}

/** Instants are those of the event's time, except where a hold ends by the clock of the sale. */
export interface ModelHold {
  readonly name: string;
  owner: string;
  state: HoldState;
  seats: readonly number[];
  /** Learnt from the answer that made it: all that is promised of a fence is that it grows. */
  fence: number;
  createdAt: number;
  heldAt: number;
  freeAt: number;
  extensionsEndAt: number | null;
  payBy: number | null;
  orderId: string | null;
  digest: string;
  prices: string;
  extendedBy: string[];
  changedBy: string[];
  /** Its order has given it up. */
  over: boolean;
  /** Nothing but its seats is left of it. */
  forgotten: boolean;
}

export interface ModelPlace {
  readonly entry: string;
  readonly person: string;
  number: number;
  state: PlaceState;
  since: number;
  /** While admitted, by the clock of the sale. */
  admissionEndsAt: number | null;
  /** While away, by the clock of the sale. */
  awayUntil: number | null;
  attached: { readonly process: string } | { readonly until: number } | null;
  /** Admitted and not yet gone to checkout. */
  undecided: boolean;
}

/** An order as the ledger would know it: what was put into checkout. */
export interface ModelOrder {
  readonly orderId: string;
  readonly hold: string;
  readonly person: string;
  readonly seats: readonly number[];
  readonly prices: string;
  readonly payBy: number;
}

/** Everything that is true of an event, and nothing that follows from it. Rules are in the other files of this folder. */
export class World {
  readonly scenario: Scenario;
  readonly seats: readonly ModelSeat[];
  readonly runs;
  readonly stretches;
  readonly standing: readonly StandingArea[];
  readonly holds = new Map<string, ModelHold>();
  readonly orders = new Map<string, ModelOrder>();
  readonly places = new Map<string, ModelPlace>();
  readonly entryOf = new Map<string, string>();
  readonly releases: Map<string, number | null>;
  /** Seat-milliseconds spent without buying, as of an instant of the clock of the sale. */
  readonly spent = new Map<string, { readonly amount: number; readonly at: number }>();
  /** Of those who have live holds: the last deadline of any that they have had since they had none. */
  readonly keptUntil = new Map<string, number>();
  readonly revenue = new Map<number, number>();
  readonly minutes = new Map<string, number>();
  readonly beats = new Map<string, number>();
  readonly gone = new Set<number>();
  /** Numbers of before that have been given back. */
  readonly givenBack = new Set<number>();
  now = startMs;
  phase: Exclude<LinePhase, 'PAUSED'>;
  pausedAt: number | null = null;
  pausedMs = 0;
  room: WaitingRoom;
  rateMilli: number;
  burst: number;
  cap: number;
  tokens: number;
  tokensAt: number;
  providerMilli = 0;
  decided = 0;
  checkouts = 0;
  lastNumber: number;
  numbersTo: number;
  /** The lobby in the order of joining; from the opening on the frozen list of the draw. */
  lobby: string[] = [];
  drawn = 0;
  lastFence: number;
  /** Channels that have got places and have not been opened to everybody since. */
  readonly reserved: Set<string>;
  hasChannels: boolean;
  /** What the audit stream has to say of the present step. */
  trail: string[] = [];
  /** Things that happened on the way of the present step and show in no code. */
  marks: string[] = [];

  constructor(scenario: Scenario) {
    const { layout, channels, oldNumbers } = scenario;
    this.scenario = scenario;
    this.runs = seatRuns(layout);
    this.stretches = accessibleStretches(layout);
    this.standing = layout.sections.flatMap((section, at) =>
      section.standing.map(({ category, firstSeat, count }) => ({ category, section: at, firstSeat, count })),
    );
    this.seats = [...categoryOf(layout)].map((category, i) => ({ category, channel: channels[i]!, hold: null }));
    this.releases = new Map([...scenario.releases].map(([letter, at]) => [letter, startMs + at]));
    this.phase = scenario.phase;
    this.room = scenario.room;
    this.rateMilli = Math.round(scenario.admitPerSecond * 1_000);
    this.burst = burstOf(scenario.admitPerSecond);
    this.cap = scenario.cap;
    this.tokens = this.burst * 1_000_000;
    this.tokensAt = startMs;
    this.lastNumber = oldNumbers;
    this.numbersTo = scenario.numbersTo;
    this.reserved = new Set([...channels].filter((letter) => letter >= 'A' && letter <= 'Z'));
    this.hasChannels = /[^.]/.test(channels);
    for (let number = 1; number <= oldNumbers; number += 1) this.gone.add(number);
    this.lastFence = Math.max(0, ...scenario.ledger.map(({ fence }) => fence));
    this.#takeLedger();
  }

  /** The clock of the sale stands still while it is paused, within a bound. */
  get clock(): number {
    const standing = this.pausedAt === null ? 0 : Math.min(this.now - this.pausedAt, limits.pauseMaxMs);
    return this.now - this.pausedMs - standing;
  }

  get shift(): number {
    return this.now - this.clock;
  }

  get recovering(): boolean {
    return this.now < this.recoveredAt;
  }

  /** Whether nobody can say how many are ahead: places of before are being put back, or are still to be drawn. */
  get uncounted(): boolean {
    const isToBeDrawn = this.phase === 'LOBBY' || this.phase === 'DRAWING';
    return this.recovering || (this.scenario.behindLobby && isToBeDrawn);
  }

  get recoveredAt(): number {
    return startMs + this.scenario.recoveryMs;
  }

  get opensAt(): number {
    return startMs + this.scenario.opensAt;
  }

  get shownPhase(): LinePhase {
    return this.pausedAt !== null && this.phase !== 'CLOSED' ? 'PAUSED' : this.phase;
  }

  /** Time never runs backwards. */
  at(sinceStartMs: number): number {
    return Math.max(this.now, startMs + sinceStartMs);
  }

  hold(name: string): ModelHold | null {
    const hold = this.holds.get(name);
    return hold === undefined || hold.forgotten ? null : hold;
  }

  placeOf(person: string): ModelPlace | null {
    return this.places.get(this.entryOf.get(person) ?? '') ?? null;
  }

  ownerOf(seat: number): ModelHold | null {
    const name = this.seats[seat]!.hold;
    return name === null ? null : this.holds.get(name)!;
  }

  holdsOf(person: string): ModelHold[] {
    const own: ModelHold[] = [];
    for (const hold of this.holds.values()) if (hold.owner === person && isLive(hold)) own.push(hold);
    return own;
  }

  /** Places a person has, held and bought. */
  seatsOf(person: string): number {
    return this.seats.filter((_, seat) => this.ownerOf(seat)?.owner === person).length;
  }

  /** As it is shown: what is free reads as its channel. */
  letter(seat: number): string {
    const counted = this.countedLetter(seat);
    return counted === 'i' ? 'h' : counted;
  }

  countedLetter(seat: number): string {
    switch (this.ownerOf(seat)?.state) {
      case undefined:
        return this.seats[seat]!.channel;
      case 'ISSUING':
        return 'i';
      case 'SOLD':
        return 's';
      case 'RETURNING':
        return 'r';
      default:
        return 'h';
    }
  }

  status(): string {
    return this.seats.map((_, seat) => this.letter(seat)).join('');
  }

  /** The numbers of those who can be told a position. */
  waitingPlaces(): ModelPlace[] {
    return [...this.places.values()].filter(({ state, number }) => state === 'W' && number > 0);
  }

  admittedPlaces(): ModelPlace[] {
    return [...this.places.values()].filter(({ state }) => state === 'A');
  }

  #takeLedger(): void {
    for (const hold of this.scenario.ledger) {
      const { holdId: name, person: owner, state, seats, fence, orderId, prices, payByMs, freeAtMs } = hold;
      const forgotten = state === 'SOLD' && hold.rememberMs === 0;
      const made = {
        name,
        owner,
        state,
        seats,
        fence,
        orderId,
        prices,
        forgotten,
        createdAt: startMs,
        heldAt: startMs,
      };
      const times = { freeAt: freeAtMs, payBy: payByMs, extensionsEndAt: null };
      this.holds.set(name, { ...made, ...times, digest: '', extendedBy: [], changedBy: [], over: false });
      this.orders.set(name, { orderId, hold: name, person: owner, seats, prices, payBy: payByMs });
      for (const seat of seats) this.seats[seat]!.hold = name;
    }
    for (const [category, minor] of ledgerRevenue(this.scenario)) this.revenue.set(category, minor);
  }
}

export function isLive({ state }: Pick<ModelHold, 'state'>): boolean {
  return state === 'HELD' || state === 'CHECKOUT' || state === 'ISSUING';
}

/** What the sales that the ledger knows have brought in, by category. */
export function ledgerRevenue({ ledger, layout }: Scenario): ReadonlyMap<number, number> {
  const categories = categoryOf(layout);
  const revenue = new Map<number, number>();
  for (const { state, seats } of ledger) {
    if (state !== 'SOLD') continue;
    for (const seat of seats) {
      const category = categories[seat]!;
      revenue.set(category, (revenue.get(category) ?? 0) + priceMinor(category));
    }
  }
  return revenue;
}
