import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  handleWhenResult,
} from 'cockatiel';
import type { Logger } from 'pino';
import { type Clock, fractionOf } from '../domain/clock.js';
import { lowestPrecedence, type ProviderEndpoint, precedenceOf } from '../domain/provider-calls.js';
import { limits } from '../limits.js';
import type { CallCounts, Calls, Outage, ProviderAnswer, UnknownAnswer } from './gateway.js';

/** The quota that all processes have together. Rejects while it cannot be asked. */
export interface SharedQuota {
  /** Takes one call, or answers how many milliseconds to wait before asking again. */
  take(endpoint: ProviderEndpoint): Promise<number>;
  /** The provider has said that it is too much: nobody calls for that long, at this endpoint or at all. */
  holdBack(what: ProviderEndpoint | 'account', ms: number): Promise<void>;
}

/** Calls that go out as they come: for whoever has the provider alone. */
export const freeCalls: Calls = {
  make: (_endpoint, act) => act(),
  outage: () => null,
  counts: () => ({ outcomes: new Map(), waits: new Map(), inFlight: 0 }),
};

/**
 * Places for calls that are under way. The later a kind comes in the order of precedence, the fewer of them it may fill: calls that hang leave
 * room for those that matter more. A free place goes to the first of the highest kind that waits.
 */
class Slots {
  readonly #count: number;
  readonly #waiting: (() => void)[][] = Array.from({ length: lowestPrecedence + 1 }, () => []);
  taken = 0;

  constructor(count: number) {
    this.#count = count;
  }

  take(precedence: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting[precedence]!.push(resolve);
      this.#serve();
    });
  }

  free(): void {
    this.taken -= 1;
    this.#serve();
  }

  #serve(): void {
    for (const [precedence, waiting] of this.#waiting.entries()) {
      const open = this.#count - Math.floor((this.#count * precedence) / (2 * lowestPrecedence));
      while (waiting.length > 0 && this.taken < open) {
        this.taken += 1;
        waiting.shift()!();
      }
    }
  }
}

/**
 * The calls of one process: each waits for its turn in the quota and for a free place among those that are under way, and none is made while
 * the provider is known not to answer. Then one call in a while asks whether it does; the others are told at once to come back later.
 */
export class ProviderCalls implements Calls {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #quota: SharedQuota;
  readonly #slots = new Slots(limits.providerInFlight);
  readonly #turns = new Map<ProviderEndpoint, Promise<unknown>>();
  readonly #outcomes = new Map<ProviderEndpoint, Map<string, number>>();
  readonly #waits = new Map<ProviderEndpoint, { count: number; ms: number }>();
  readonly #breaker = circuitBreaker(
    handleWhenResult((answer) => troubleOf(answer as ProviderAnswer<unknown>) === 'outage'),
    {
      breaker: new ConsecutiveBreaker(limits.breakerOutages),
      halfOpenAfter: new DelegateBackoff(({ attempt }) => this.#rest(attempt)),
    },
  );
  #outageSinceMs: number | null = null;
  #askAgainAtMs = 0;
  /** Without the shared quota: when this process may make its next call. */
  #aloneAtMs = 0;

  constructor(parts: { readonly clock: Clock; readonly log: Logger; readonly quota: SharedQuota }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#quota = parts.quota;
    this.#breaker.onBreak(() => {
      if (this.#outageSinceMs !== null) return;
      this.#outageSinceMs = this.#clock.nowMs();
      this.#log.error({ alarm: true }, 'the payment provider does not answer; payments are delayed');
    });
    this.#breaker.onReset(() => {
      const forMs = this.#clock.nowMs() - (this.#outageSinceMs ?? this.#clock.nowMs());
      this.#outageSinceMs = null;
      this.#log.warn({ forMs }, 'the payment provider answers again');
    });
  }

  async make<T>(endpoint: ProviderEndpoint, act: () => Promise<ProviderAnswer<T>>): Promise<ProviderAnswer<T>> {
    const answer = await this.#make(endpoint, act);
    const outcome = troubleOf(answer) ?? answer.kind;
    const outcomes = this.#outcomes.get(endpoint) ?? new Map<string, number>();
    this.#outcomes.set(endpoint, outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1));
    return answer;
  }

  outage(): Outage | null {
    if (this.#outageSinceMs === null) return null;
    const askedAgainInMs = Math.max(0, Math.ceil(this.#askAgainAtMs - this.#clock.elapsedMs()));
    return { sinceMs: this.#outageSinceMs, askedAgainInMs };
  }

  counts(): CallCounts {
    return { outcomes: this.#outcomes, waits: this.#waits, inFlight: this.#slots.taken };
  }

  async #make<T>(endpoint: ProviderEndpoint, act: () => Promise<ProviderAnswer<T>>): Promise<ProviderAnswer<T>> {
    if (this.#isShut()) return this.#delayed();
    const waitMs = await this.#turn(endpoint);
    if (waitMs > 0)
      return { kind: 'unknown', reason: 'no call is to be had', trouble: 'limited', retryAfterMs: waitMs };
    await this.#slots.take(precedenceOf[endpoint]);
    try {
      // It may have become known while this call was waiting.
      if (this.#isShut()) return this.#delayed();
      const answer = await this.#breaker.execute(act);
      return answer.kind === 'unknown' && answer.limited !== undefined ? this.#holdBack(endpoint, answer) : answer;
    } catch (error) {
      if (error instanceof BrokenCircuitError) return this.#delayed();
      throw error;
    } finally {
      this.#slots.free();
    }
  }

  /** While one call asks whether the provider answers again, no other does. */
  #isShut(): boolean {
    if (this.#breaker.state === CircuitState.HalfOpen) return true;
    return this.#breaker.state === CircuitState.Open && this.#clock.elapsedMs() < this.#askAgainAtMs;
  }

  #delayed(): ProviderAnswer<never> {
    const retryAfterMs = Math.max(limits.breakerRestMs, this.outage()?.askedAgainInMs ?? 0);
    return { kind: 'unknown', reason: 'the provider does not answer', trouble: 'delayed', retryAfterMs };
  }

  /** How long nobody asks after so many outages in a row. No two processes ask at the same moment. */
  #rest(attempt: number): number {
    const restMs = Math.min(limits.breakerRestMs * 2 ** Math.min(attempt - 1, 10), limits.breakerRestMaxMs);
    const jitteredMs = Math.round(restMs * (0.75 + fractionOf(this.#clock) / 2));
    this.#askAgainAtMs = this.#clock.elapsedMs() + jitteredMs;
    return jitteredMs;
  }

  /** Those who wait for the same endpoint go in the order in which they came. Answers 0, or milliseconds: it takes too long to wait here. */
  #turn(endpoint: ProviderEndpoint): Promise<number> {
    const untilMs = this.#clock.elapsedMs() + limits.providerTurnMs;
    const turn = (this.#turns.get(endpoint) ?? Promise.resolve()).then(() => this.#ask(endpoint, untilMs));
    this.#turns.set(
      endpoint,
      turn.catch(() => {}),
    );
    return turn;
  }

  async #ask(endpoint: ProviderEndpoint, untilMs: number): Promise<number> {
    while (!this.#isShut()) {
      const waitMs = await this.#quota.take(endpoint).catch(() => this.#takeAlone());
      if (waitMs === 0 || this.#clock.elapsedMs() + waitMs > untilMs) return waitMs;
      const waits = this.#waits.get(endpoint) ?? { count: 0, ms: 0 };
      this.#waits.set(endpoint, { count: waits.count + 1, ms: waits.ms + waitMs });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    return 0;
  }

  /** Money does not wait for Redis: without it a process goes on by itself, so slowly that all of them together stay within the quota. */
  #takeAlone(): number {
    const nowMs = this.#clock.elapsedMs();
    if (nowMs < this.#aloneAtMs) return Math.ceil(this.#aloneAtMs - nowMs);
    this.#aloneAtMs = nowMs + 1_000 / limits.providerCallsAlonePerSecond;
    return 0;
  }

  /** What one process is told holds for all of them. */
  async #holdBack(endpoint: ProviderEndpoint, answer: UnknownAnswer): Promise<UnknownAnswer> {
    const jitteredMs = Math.round(limits.providerHoldMs * (1 + fractionOf(this.#clock)));
    const retryAfterMs = Math.min(answer.retryAfterMs ?? jitteredMs, limits.providerHoldMaxMs);
    this.#log.warn(
      { endpoint, limited: answer.limited, retryAfterMs },
      'the payment provider says that it is too much',
    );
    this.#aloneAtMs = Math.max(this.#aloneAtMs, this.#clock.elapsedMs() + retryAfterMs);
    await this.#quota
      .holdBack(answer.limited === 'account' ? 'account' : endpoint, retryAfterMs)
      .catch((error) => this.#log.warn({ err: error }, 'other processes could not be told to hold back'));
    return { ...answer, retryAfterMs };
  }
}

function troubleOf(answer: ProviderAnswer<unknown>): UnknownAnswer['trouble'] {
  return answer.kind === 'unknown' ? answer.trouble : undefined;
}
