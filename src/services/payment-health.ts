import { limits } from '../limits.js';
import { endDelay, readDelay, readProviderHold, reportDelay } from '../redis/provider-quota.js';
import type { Platform } from './platform.js';

/** Calls of the provider that one checkout comes to: made, looked at, captured. */
const callsPerCheckout = 3;

const waitingSql = `SELECT count(*)::int AS waiting FROM order_step WHERE step = 'CREATE' AND finished_at IS NULL`;

/**
 * Whether money can be taken now, as far as all processes together know: a process that finds the provider not answering tells the others.
 * Nothing is decided by it for an order that is there; it says who may come, and what people are told.
 */
export class PaymentHealth {
  readonly #platform: Platform;
  readonly #listeners = new Set<() => void>();
  #sharedSinceMs: number | null = null;
  #heldMs = 0;
  /** Orders that wait for their payment form. */
  #waiting = 0;
  #isReported = false;
  #isBusy = false;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  start(): () => void {
    const timer = setInterval(() => void this.#look(), limits.paymentHealthEveryMs);
    return () => clearInterval(timer);
  }

  /** Calls back when payments have become delayed, or are so no longer. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Since when the provider does not answer; null: it does. */
  get delayedSinceMs(): number | null {
    return this.#sharedSinceMs ?? this.#platform.gateway.calls.outage()?.sinceMs ?? null;
  }

  /** What the provider can serve, of all events together. 0: no bound; -1: nothing now. */
  get checkoutsPerSecond(): number {
    if (this.delayedSinceMs !== null || this.#heldMs > 0) return -1;
    return this.#rate;
  }

  /** For how long somebody who comes to the checkout now waits for a turn; null: nobody can say. */
  get queueMs(): number | null {
    if (this.delayedSinceMs !== null) return null;
    return this.#heldMs + (this.#rate === 0 ? 0 : Math.round((this.#waiting * 1_000) / this.#rate));
  }

  /** When there is a payment form for somebody who comes now, as an estimate; null: nobody can say. */
  get formReadyAtMs(): number | null {
    return this.queueMs === null ? null : this.#platform.clock.nowMs() + this.queueMs + limits.providerUsualMs;
  }

  get #rate(): number {
    const { callsPerSecond, callsPerEndpointPerSecond } = this.#platform.config.stripe;
    const bounds = [callsPerSecond / callsPerCheckout, callsPerEndpointPerSecond].filter((bound) => bound > 0);
    return bounds.length === 0 ? 0 : Math.min(...bounds);
  }

  async #look(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      await this.#share();
      this.#heldMs = await readProviderHold(this.#platform.redis, 'create');
      const [row] = await this.#platform.database.query(waitingSql);
      this.#waiting = row.waiting;
    } catch (error) {
      this.#platform.log.warn({ err: error }, 'whether payments are delayed is not known');
    } finally {
      this.#isBusy = false;
    }
  }

  async #share(): Promise<void> {
    const { redis, gateway } = this.#platform;
    const own = gateway.calls.outage();
    // Whoever finds the provider answering again says so for all; a process that does not find it so says the contrary at once.
    if (own === null && this.#isReported) await endDelay(redis);
    const sinceMs = own === null ? await readDelay(redis) : await reportDelay(redis, own.sinceMs);
    this.#isReported = own !== null;
    if (sinceMs === this.#sharedSinceMs) return;
    this.#sharedSinceMs = sinceMs;
    for (const listener of this.#listeners) listener();
  }
}
