import type { Settings } from './settings.js';

/** Tokens refill evenly and at most one second's worth is saved up, so a burst after silence is one second's quota. */
class Bucket {
  #tokens = Number.POSITIVE_INFINITY;
  #filledAtMs = 0;

  refill(perSecond: number, nowMs: number): void {
    const gained = ((nowMs - this.#filledAtMs) * perSecond) / 1_000;
    this.#tokens = Math.min(perSecond, this.#tokens + gained);
    this.#filledAtMs = nowMs;
  }

  get empty(): boolean {
    return this.#tokens < 1;
  }

  take(): void {
    this.#tokens -= 1;
  }
}

type QuotaReason = 'global-rate' | 'endpoint-rate';

/**
 * The provider's rate limits: one for the account, one for each endpoint (`POST /v1/payment_intents` and
 * `GET /v1/payment_intents/:id` are two). Buyers' own calls come from thousands of addresses and have one wide limit of their own.
 * A refused call takes no token.
 */
export class Quota {
  readonly #account = new Bucket();
  readonly #publishable = new Bucket();
  readonly #endpoints = new Map<string, Bucket>();

  refuse(endpoint: string, publishable: boolean, settings: Settings): QuotaReason | undefined {
    const nowMs = performance.now();
    if (publishable)
      return this.#takeAll([[this.#publishable, settings.quotaPublishablePerSecond, 'global-rate']], nowMs);
    let bucket = this.#endpoints.get(endpoint);
    if (bucket === undefined) {
      bucket = new Bucket();
      this.#endpoints.set(endpoint, bucket);
    }
    return this.#takeAll(
      [
        [bucket, settings.quotaPerEndpointPerSecond, 'endpoint-rate'],
        [this.#account, settings.quotaPerSecond, 'global-rate'],
      ],
      nowMs,
    );
  }

  #takeAll(wanted: [Bucket, number, QuotaReason][], nowMs: number): QuotaReason | undefined {
    const counted = wanted.filter(([, perSecond]) => perSecond > 0);
    for (const [bucket, perSecond, reason] of counted) {
      bucket.refill(perSecond, nowMs);
      if (bucket.empty) return reason;
    }
    for (const [bucket] of counted) bucket.take();
    return undefined;
  }
}
