import { type RefundMode, refundModes } from './methods.js';

/**
 * How a call can go wrong. Inside, and remembered under its key: `before` 500, nothing done · `after` done, then 500 · `hang` done, no
 * answer · `cut` done, connection closed without an answer. At the door, where no key is looked at: `limit` 429 · `lock` 429 of an object in
 * use · `unavailable` 503 · `hangBefore` and `cutBefore`, like those above with nothing done.
 */
export const failureModes = [
  'before',
  'after',
  'hang',
  'cut',
  'limit',
  'lock',
  'unavailable',
  'hangBefore',
  'cutBefore',
] as const;
export type FailureMode = (typeof failureModes)[number];

/** What can be changed while the sandbox runs. Durations are milliseconds, rates are shares from 0 to 1, a quota of 0 is lifted. */
export interface Settings {
  readonly latencyMs: number;
  readonly latencyJitterMs: number;
  /** Share of API calls that fail in the way `failureMode` says. */
  readonly failureRate: number;
  readonly failureMode: FailureMode;
  readonly webhookUrl: string;
  readonly webhookDelayMs: number;
  /** Extra copies of every event. */
  readonly webhookDuplicates: number;
  /** Every delivery waits a random time up to this, which reorders them. */
  readonly webhookShuffleMs: number;
  /** Share of deliveries that are never sent. */
  readonly webhookLossRate: number;
  /** The wait before the first repeat of a delivery; it doubles from there. */
  readonly webhookRetryMs: number;
  /** Events that happen now wait until the control API releases them. */
  readonly webhookHold: boolean;
  readonly quotaPerSecond: number;
  readonly quotaPerEndpointPerSecond: number;
  /** Buyers' calls (publishable key), all endpoints together. They are not counted against the two quotas above. */
  readonly quotaPublishablePerSecond: number;
  /** How long it takes until a slow payment, or a refund that is not done at once, settles. */
  readonly slowMs: number;
  /** What becomes of refunds made from now on; `succeed` leaves it to what the buyer paid with. */
  readonly refundMode: RefundMode;
  /** The provider's fee on a charge: a share and a fixed part in minor units. Refunds do not give it back. */
  readonly feeRate: number;
  readonly feeFixedMinor: number;
  readonly disputeFeeMinor: number;
  /** How long authorisations from now on can be captured; 0: as long as what the buyer paid with allows. */
  readonly authorisationSeconds: number;
  /** Setting it, even to the same value, starts the sequence behind failures, losses and shuffles again. */
  readonly seed: number;
}

export const defaultSettings: Settings = Object.freeze({
  latencyMs: 0,
  latencyJitterMs: 0,
  failureRate: 0,
  failureMode: 'before',
  webhookUrl: '',
  webhookDelayMs: 0,
  webhookDuplicates: 0,
  webhookShuffleMs: 0,
  webhookLossRate: 0,
  webhookRetryMs: 1_000,
  webhookHold: false,
  quotaPerSecond: 100,
  quotaPerEndpointPerSecond: 25,
  quotaPublishablePerSecond: 2_000,
  slowMs: 3_000,
  refundMode: 'succeed',
  feeRate: 0.015,
  feeFixedMinor: 25,
  disputeFeeMinor: 2_000,
  authorisationSeconds: 0,
  seed: 1,
});

type Rule = (value: unknown) => string | undefined;

function integerUpTo(max: number): Rule {
  return (value) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max
      ? undefined
      : `must be a whole number from 0 to ${max}`;
}

const share: Rule = (value) =>
  typeof value === 'number' && value >= 0 && value <= 1 ? undefined : 'must be a number from 0 to 1';

const truth: Rule = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');

function oneOf(values: readonly string[]): Rule {
  return (value) => (values.includes(value as string) ? undefined : `must be one of ${values.join(', ')}`);
}

const webAddress: Rule = (value) => {
  if (value === '') return undefined;
  const parsed = typeof value === 'string' && value.length <= 2_000 && URL.canParse(value) ? new URL(value) : undefined;
  return parsed?.protocol === 'http:' || parsed?.protocol === 'https:' ? undefined : 'must be an http(s) URL or empty';
};

const rules: Readonly<Record<keyof Settings, Rule>> = {
  latencyMs: integerUpTo(60_000),
  latencyJitterMs: integerUpTo(60_000),
  failureRate: share,
  failureMode: oneOf(failureModes),
  webhookUrl: webAddress,
  webhookDelayMs: integerUpTo(600_000),
  webhookDuplicates: integerUpTo(20),
  webhookShuffleMs: integerUpTo(600_000),
  webhookLossRate: share,
  webhookRetryMs: integerUpTo(60_000),
  webhookHold: truth,
  quotaPerSecond: integerUpTo(1_000_000),
  quotaPerEndpointPerSecond: integerUpTo(1_000_000),
  quotaPublishablePerSecond: integerUpTo(1_000_000),
  slowMs: integerUpTo(600_000),
  refundMode: oneOf(refundModes),
  feeRate: share,
  feeFixedMinor: integerUpTo(1_000_000),
  disputeFeeMinor: integerUpTo(1_000_000),
  authorisationSeconds: integerUpTo(90 * 24 * 60 * 60),
  seed: integerUpTo(2 ** 32 - 1),
};

type SettingsChange = { readonly settings: Settings } | { readonly field: string; readonly problem: string };

/** Applies a patch as a whole or not at all; the first bad field is named. */
export function changeSettings(current: Settings, patch: unknown): SettingsChange {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) {
    return { field: '', problem: 'a JSON object of settings is expected' };
  }
  for (const [field, value] of Object.entries(patch)) {
    if (!Object.hasOwn(rules, field)) return { field, problem: 'is not a setting' };
    const problem = rules[field as keyof Settings](value);
    if (problem !== undefined) return { field, problem };
  }
  return { settings: Object.freeze({ ...current, ...(patch as Partial<Settings>) }) };
}

/** A small seeded generator (mulberry32), so that a run with failures can be repeated. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** True in the given share of draws; does not draw for 0, so that unused knobs leave the sequence alone. */
  hits(rate: number): boolean {
    return rate > 0 && this.next() < rate;
  }
}
