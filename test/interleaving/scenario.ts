import type { Random } from '../../bench/rush/random.js';

/** How a buyer pays. `at once`: the money is taken by the provider before the platform has asked for it. */
export type Payment = 'authorises' | 'pays at once' | 'is declined first' | 'never pays';

/** Buyers and what is done to their orders are numbered from 1. `slot`: the process, or its successor, that serves it. */
export type Part =
  | {
      readonly kind: 'buyer';
      readonly buyer: number;
      readonly slot: number;
      readonly seats: readonly number[];
      readonly payment: Payment;
    }
  | { readonly kind: 'worker'; readonly slot: number; readonly stepsAtOnce: number }
  | { readonly kind: 'cancel'; readonly buyer: number; readonly slot: number }
  | { readonly kind: 'refund'; readonly buyer: number; readonly slot: number }
  /** `picks`: which of the events there are by then, again and again. */
  | { readonly kind: 'webhooks'; readonly buyer: number; readonly slot: number; readonly picks: readonly number[] }
  | { readonly kind: 'sweeper'; readonly slot: number; readonly times: number }
  | { readonly kind: 'reconciler'; readonly slot: number; readonly times: number }
  /** `loss`: Redis has forgotten everything; otherwise the event is loaded again although nothing is wrong. */
  | { readonly kind: 'rebuild'; readonly slot: number; readonly loss: boolean }
  | { readonly kind: 'time'; readonly jumpsMs: readonly number[] };

export interface Scenario {
  readonly seed: number;
  readonly run: number;
  readonly slots: number;
  readonly deaths: number;
  readonly faults: number;
  /** Connections really end; see `Statements.cutForGood`. */
  readonly cutsForGood: boolean;
  readonly parts: readonly Part[];
}

export function nameOf(part: Part): string {
  switch (part.kind) {
    case 'buyer':
      return `buyer ${part.buyer}`;
    case 'worker':
      return `worker ${part.slot}`;
    case 'cancel':
    case 'refund':
    case 'webhooks':
      return `${part.kind} ${part.buyer}`;
    default:
      return part.kind;
  }
}

const second = 1_000;
/** Past the backoff of a step, past a lease and an unwritten checkout, past a hold, past payBy, past freeAt. */
const jumps = [5 * second, 61 * second, 61 * second, 301 * second, 601 * second, 721 * second];

const selections: readonly (readonly number[])[] = [[0], [0], [0, 1], [1], [1, 2], [0, 2], [2]];
const payments: readonly Payment[] = [
  'authorises',
  'authorises',
  'authorises',
  'authorises',
  'pays at once',
  'is declined first',
  'never pays',
];

/** Draws who takes part in a run. Small: what goes wrong goes wrong between two or three. */
export function drawScenario(random: Random, seed: number, run: number): Scenario {
  const slots = random.hits(0.3) ? 3 : 2;
  const slot = () => random.between(1, slots);
  const buyers = random.pick([1, 1, 2, 2, 2, 3]);
  const parts: Part[] = [];
  for (let buyer = 1; buyer <= buyers; buyer += 1)
    parts.push({ kind: 'buyer', buyer, slot: slot(), seats: random.pick(selections), payment: random.pick(payments) });
  for (let at = 1; at <= slots; at += 1) parts.push({ kind: 'worker', slot: at, stepsAtOnce: random.pick([1, 1, 3]) });
  for (let buyer = 1; buyer <= buyers; buyer += 1) {
    if (random.hits(0.35)) parts.push({ kind: 'cancel', buyer, slot: slot() });
    if (random.hits(0.5)) parts.push({ kind: 'refund', buyer, slot: slot() });
    const picks = Array.from({ length: random.between(2, 5) }, () => random.between(0, 7));
    if (random.hits(0.85)) parts.push({ kind: 'webhooks', buyer, slot: slot(), picks });
  }
  if (random.hits(0.4)) parts.push({ kind: 'sweeper', slot: slot(), times: random.between(1, 2) });
  if (random.hits(0.35)) parts.push({ kind: 'reconciler', slot: slot(), times: random.between(2, 3) });
  if (random.hits(0.15)) parts.push({ kind: 'rebuild', slot: slot(), loss: random.hits(0.4) });
  const jumpsMs = Array.from({ length: random.pick([0, 1, 2, 3, 4, 6]) }, () => random.pick(jumps));
  if (jumpsMs.length > 0) parts.push({ kind: 'time', jumpsMs });
  return {
    seed,
    run,
    slots,
    deaths: random.pick([0, 0, 1, 1, 2]),
    faults: random.pick([0, 0, 1, 2]),
    cutsForGood: random.hits(0.04),
    parts,
  };
}
