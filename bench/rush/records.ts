import type { StoredHistogram } from './histogram.js';

/** What a synthetic buyer set out to do; drawn from the seed. */
export interface Persona {
  readonly quantity: number;
  readonly taste: 'seats' | 'best' | 'standing' | 'wheelchair';
  readonly outcome: 'pay' | 'decline' | 'cancel' | 'release' | 'vanish-holding' | 'vanish-paying';
  readonly card: string;
  /** Cuts the own socket at this moment and comes back. */
  readonly drops: 'never' | 'waiting' | 'checkout';
  /** Sends every mutation twice with the same key. */
  readonly repeats: boolean;
  readonly patienceMs: number;
}

export type BuyerEnd =
  | 'bought'
  | 'sold-out'
  | 'gave-up'
  | 'left'
  | 'vanished'
  | 'released'
  | 'canceled'
  | 'lost'
  | 'refunded'
  | 'closed'
  | 'failed'
  | 'unfinished';

/** Seats a buyer had reason to believe were theirs, from the answer that said so until the earliest moment it may have ended. */
export interface Belief {
  readonly holdId: string;
  /** Of the inventory, as the fence says it. A hold ends with its generation; an order does not. */
  readonly generation: number;
  ordered: boolean;
  readonly seats: readonly number[];
  readonly fromMs: number;
  /** Null: for good (tickets). */
  untilMs: number | null;
}

/** How long a buyer was told to wait, at an instant. */
export interface SeenEstimate {
  readonly atMs: number;
  readonly fromMs: number;
  readonly toMs: number | null;
}

export interface SeenTicket {
  readonly orderId: string;
  readonly ticketId: string;
  readonly state: string;
}

export interface SeenOrder {
  readonly orderId: string;
  state: string;
  readonly totalMinor: number;
  readonly currency: string;
}

/** Everything one buyer saw that an auditor may hold against the stores. Lists are bounded by what one buyer can do. */
export interface BuyerRecord {
  readonly buyer: number;
  readonly persona: Persona;
  personId: string;
  entryId: string;
  /** The stage in which the buyer ended. */
  stage: string;
  end: BuyerEnd;
  endDetail: string;
  /** Ms since 1970; null for whoever never came to an end. */
  endedAtMs: number | null;
  number: number | null;
  admitted: boolean;
  /** Generation of the line in which the place was last told, and in which it was admitted. */
  generation: number | null;
  admittedGeneration: number | null;
  admittedAtMs: number | null;
  /** From when on the buyer was waiting without a break of its own making; null: it is not. */
  waitingSinceMs: number | null;
  /** When a waiting buyer first heard that everything is sold. */
  soldOutAtMs: number | null;
  readonly estimates: SeenEstimate[];
  /** Holds, admissions and places that ended because Redis was lost. */
  lostHolds: number;
  lostAdmissions: number;
  lostPlaces: number;
  positionMessages: number;
  mapMessages: number;
  mapGaps: number;
  reconnects: number;
  contended: number;
  /** Messages that were due (with the grace) and did not come: when, what was due, in which stage. */
  readonly silences: { readonly atMs: number; readonly overdueMs: number; readonly what: string }[];
  readonly positionRises: { readonly from: number; readonly to: number; readonly atMs: number }[];
  readonly repeats: { readonly operation: string; readonly first: string; readonly second: string }[];
  readonly beliefs: Belief[];
  readonly orders: SeenOrder[];
  readonly tickets: SeenTicket[];
  readonly refusals: Record<string, number>;
}

export const latencyNames = [
  'session',
  'connect',
  'join',
  'hold',
  'checkout',
  'formReady',
  'payment',
  'ticket',
] as const;
export type LatencyName = (typeof latencyNames)[number];

/** What a load process hands over when all its buyers have ended. */
export interface LoadResult {
  readonly latencies: Readonly<Record<LatencyName, StoredHistogram>>;
  readonly deliveries: number;
  readonly deliveredBytes: number;
  readonly loopDelayP99Ms: number;
  readonly loopDelayMaxMs: number;
  /** Instants (ms since 1970) of what the throughput figures are made of. */
  readonly admittedAtMs: readonly number[];
  readonly completedAtMs: readonly number[];
  /** Every answer to a claim: when it came, and how long it took. */
  readonly holds: readonly HoldSample[];
  readonly violations: readonly Violation[];
  readonly records: readonly BuyerRecord[];
}

export interface HoldSample {
  readonly atMs: number;
  readonly ms: number;
}

export interface Violation {
  /** The rule that was broken, as one sentence. */
  readonly rule: string;
  readonly evidence: unknown;
}

/** What a load process is told to do. */
export interface LoadPlan {
  readonly process: number;
  readonly processes: number;
  readonly buyers: number;
  readonly seed: number;
  readonly rampMs: number;
  readonly serverUrl: string;
  readonly eventId: string;
  readonly resultFile: string;
  /** Where every operation is written down; null: nowhere. */
  readonly historyFile: string | null;
}

export interface LoadProgress {
  /** On their way to their place, or about to lose the socket and come back to it. */
  readonly coming: number;
  readonly waiting: number;
  readonly active: number;
  readonly ended: number;
}

export type LoadMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  | { readonly type: 'done' };
