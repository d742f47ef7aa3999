/** What can be changed while the sandbox runs. Durations are milliseconds, rates are shares from 0 to 1, a quota of 0 is lifted. */
export interface Settings {
  readonly latencyMs: number;
  readonly latencyJitterMs: number;
  /** Share of API calls that fail in the way `failureMode` says. */
  readonly failureRate: number;
  /** before: 500, nothing done · after: done, then 500 · hang: done, no answer · cut: done, connection closed without an answer. */
  readonly failureMode: 'before' | 'after' | 'hang' | 'cut';
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
  readonly quotaPerSecond: number;
  readonly quotaPerEndpointPerSecond: number;
  /** Buyers' calls (publishable key), all endpoints together. They are not counted against the two quotas above. */
  readonly quotaPublishablePerSecond: number;
  readonly slowMs: number;
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
  quotaPerSecond: 100,
  quotaPerEndpointPerSecond: 25,
  quotaPublishablePerSecond: 2_000,
  slowMs: 3_000,
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

const mode: Rule = (value) =>
  value === 'before' || value === 'after' || value === 'hang' || value === 'cut'
    ? undefined
    : 'must be one of before, after, hang, cut';

const webAddress: Rule = (value) => {
  if (value === '') return undefined;
  const parsed = typeof value === 'string' && value.length <= 2_000 && URL.canParse(value) ? new URL(value) : undefined;
  return parsed?.protocol === 'http:' || parsed?.protocol === 'https:' ? undefined : 'must be an http(s) URL or empty';
};

const rules: Readonly<Record<keyof Settings, Rule>> = {
  latencyMs: integerUpTo(60_000),
  latencyJitterMs: integerUpTo(60_000),
  failureRate: share,
  failureMode: mode,
  webhookUrl: webAddress,
  webhookDelayMs: integerUpTo(600_000),
  webhookDuplicates: integerUpTo(20),
  webhookShuffleMs: integerUpTo(600_000),
  webhookLossRate: share,
  webhookRetryMs: integerUpTo(60_000),
  quotaPerSecond: integerUpTo(1_000_000),
  quotaPerEndpointPerSecond: integerUpTo(1_000_000),
  quotaPublishablePerSecond: integerUpTo(1_000_000),
  slowMs: integerUpTo(600_000),
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
