/** Every bound of the payment sandbox. A laptop must survive a load test against it, so nothing here grows without end. */
export const sandboxLimits = Object.freeze({
  intents: 500_000,
  refunds: 500_000,
  disputes: 100_000,
  /** Every intent, refund and returned refund, and two for each dispute: the bounds above keep it, nothing is forgotten. */
  balanceTransactions: 1_700_000,
  /** The oldest events are forgotten first, as the real provider forgets them after thirty days. */
  events: 50_000,
  idempotencyKeys: 100_000,
  idempotencyKeyLength: 255,
  idempotencyKeyAgeMs: 24 * 60 * 60 * 1000,
  webhooksPending: 100_000,
  webhooksInFlight: 32,
  webhookAttempts: 10,
  /** One call of the control API sends an event again at most this often, and at most this many events. */
  resendTimes: 100,
  resendEvents: 10_000,
  /** What a webhook sent by hand may be stretched to. */
  stretchedBytes: 16 * 1024 * 1024,
  plannedFaults: 100,
  /** An authorisation up to this long ends by itself; longer ones only when somebody wants to capture them or says so. */
  timedAuthorisationSeconds: 3_600,
  webhookTimeoutMs: 10_000,
  webhookRetryMaxMs: 60_000,
  /** How long a call of failure mode `hang` is held before its socket is cut. */
  hangMs: 60_000,
  hangingCalls: 5_000,
  bodyBytes: 65_536,
  formFields: 200,
  pageSize: 100,
  metadataKeys: 50,
  metadataKeyLength: 40,
  metadataValueLength: 500,
  textLength: 1_000,
  /** The journal is written this long after a change at the latest: what a crash (not a SIGTERM) may lose. */
  journalDelayMs: 50,
  /** The journal is rewritten when it has grown by this much, and at least doubled, since it was last compact. */
  journalGrowthBytes: 256 * 1024 * 1024,
  shutdownMs: 3_000,
});
