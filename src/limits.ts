import type { PlanBounds } from './domain/venue-plan.js';

/**
 * Every bound of the system in one place, with its unit at the end of the name. The relations between them that
 * correctness needs are asserted when the process starts.
 */
export const limits = {
  // Requests
  httpBodyBytes: 262_144,
  venuePlanBytes: 33_554_432,
  websocketMessageBytes: 65_536,
  documentTokens: 2_000,
  documentDepth: 12,
  documentAliases: 30,
  documentRootFields: 20,
  documentFields: 500,
  documentCacheEntries: 2_000,
  subscriptionsPerSocket: 16,
  operationsInFlightPerSocket: 32,
  idLength: 200,
  nameLength: 200,
  pageItems: 100,
  idempotencyKeyLength: 200,

  // Sockets
  listenBacklog: 65_535,
  socketSoftBufferedBytes: 262_144,
  socketHardBufferedBytes: 4_194_304,
  socketLaggingMs: 30_000,
  socketPingMs: 20_000,
  socketSweepMs: 250,
  socketInitMs: 10_000,
  socketDrainMs: 5_000,
  reconnectsPerSecond: 500,
  framesPerText: 8,
  processRestartMs: 1_000,
  metricsAnswerMs: 2_000,

  // Sessions
  guestSessionMs: 30 * 86_400_000,
  accountSessionMs: 12 * 3_600_000,
  tokenLength: 8_192,
  tokenCacheEntries: 50_000,
  revocations: 500_000,
  revocationReadMs: 30_000,
  passwordLength: 200,
  passwordMinLength: 8,
  signInAttemptsPerMinute: 10,
  emailCodesPerMinute: 3,
  emailCodeMs: 600_000,
  emailCodeTries: 5,

  // Halls
  layoutSeats: 100_000,
  layoutCategories: 90,
  planErrors: 20,

  // Holds
  seatsPerHold: 20,
  holdTtlMs: 300_000,
  holdExtensionMs: 120_000,
  holdMaxMs: 900_000,
  holdWarningMs: 30_000,
  checkoutTtlMs: 600_000,
  settleGraceMs: 120_000,
  orphanCheckoutMs: 60_000,
  tombstoneMs: 86_400_000,
  claimReclaimHolds: 50,
  sweepHolds: 200,
  sweepEveryMs: 500,
  seatsPerPerson: 10,
  hoardHolds: 2,
  hoardRefillMs: 3_600_000,
  channelSeats: 500,
  channels: 24,
  accessibleKeptMs: 86_400_000,

  // Line
  lineEntries: 500_000,
  queueFullRetryMs: 30_000,
  admitPerSecond: 20,
  activeCap: 500,
  admissionTtlMs: 600_000,
  checkoutSlotMs: 300_000,
  absenceMs: 120_000,
  pollPresenceMs: 30_000,
  processLeaseMs: 5_000,
  admitAtJoinAhead: 20,
  admitBatch: 200,
  admitWork: 400,
  admitEveryMs: 100,
  shoppersPerSeat: 2,
  pauseMaxMs: 1_800_000,
  pausedRetryMs: 5_000,
  recoveryMs: 10_000,
  rebuildRetryMs: 500,
  restoreBatch: 500,
  lineNumbers: 50_000,
  presenceEveryMs: 250,
  presenceBatch: 1_000,
  drawChunk: 120,
  drawPage: 5_000,
  auditEntries: 1_000_000,

  // Streams
  seatTickMs: 250,
  wakeSlice: 500,
  salesTickMs: 500,
  orderTickMs: 50,
  orderRereadMs: 5_000,
  deltaRing: 512,
  mirrorIdleMs: 60_000,
  mirrorCheckMs: 5_000,
  salesMinutes: 60,

  // Money
  providerTimeoutMs: 10_000,
  providerInFlight: 64,
  providerCallsPerSecond: 100,
  providerCallsPerEndpointPerSecond: 25,
  stepBatch: 100,
  stepLeaseMs: 60_000,
  stepPollMs: 500,
  stepGatherMs: 10,
  stepRetryMs: 1_000,
  stepRetryMaxMs: 60_000,
  idempotencyReplayMs: 20 * 3_600_000,
  cancellationBatch: 100,
  cancellationUnfinished: 500,
  cancellationEveryMs: 1_000,
  cancellationWatchMs: 3_600_000,
  providerEvents: 20,
  providerEventMs: 60_000,
  providerEventTries: 20,
  providerEventPollMs: 2_000,
  moneyTurnMs: 30_000,
  moneyUnmatchedMs: 60_000,
  moneyRestMs: 2_100_000,
  moneyIntentsEveryMs: 300_000,
  moneyOverlapMs: 10_000,
  moneyLookBackMs: 30 * 86_400_000,
  moneyPages: 100,
  moneyPageOrders: 1_000,
  moneyRechecks: 50,
  moneyRefundRereadMs: 6 * 3_600_000,
  moneyReportPostings: 1_000,
  webhookBytes: 1_048_576,
  webhookToleranceSeconds: 300,

  // Mail
  mailConnections: 3,
  mailTimeoutMs: 10_000,
  mailAttempts: 3,
  mailRetryMs: 2_000,
  mailQueue: 10_000,

  // Stores
  reconcileEveryMs: 30_000,
  reconcileSeats: 20_000,
  databaseConnections: 20,
  databaseStatementMs: 15_000,
  preparedStatements: 200,
  databaseConnectMs: 5_000,
  redisCommandMs: 3_000,
  redisConnectMs: 5_000,
  eventCacheEntries: 1_000,
  eventCacheMs: 30_000,
  openEvents: 1_000,
} as const;

export type Limits = typeof limits;

/** The bounds a seating plan is read under. */
export const planBounds: PlanBounds = {
  maxBytes: limits.venuePlanBytes,
  maxSeats: limits.layoutSeats,
  maxNameLength: limits.nameLength,
  maxErrors: limits.planErrors,
};

/** What must hold between bounds; a violated relation is a programming error and stops the start. */
export function assertLimits(l: Limits = limits): void {
  const relations: readonly [boolean, string][] = [
    [l.holdTtlMs <= l.holdMaxMs, 'holdTtlMs ≤ holdMaxMs'],
    [l.holdWarningMs >= 20_000 && l.holdWarningMs < l.holdTtlMs, '20 s ≤ holdWarningMs < holdTtlMs'],
    [l.orphanCheckoutMs < l.checkoutTtlMs, 'orphanCheckoutMs < checkoutTtlMs'],
    [l.holdMaxMs + l.checkoutTtlMs + l.settleGraceMs < l.tombstoneMs, 'a hold ends before its tombstone does'],
    [l.providerTimeoutMs * 2 < l.stepLeaseMs, 'a provider call and its retry fit into the lease of a step'],
    [l.processLeaseMs > l.presenceEveryMs * 4, 'a process may miss a few beats before its people count as absent'],
    [l.socketSoftBufferedBytes < l.socketHardBufferedBytes, 'soft limit below hard limit'],
    [l.httpBodyBytes < l.venuePlanBytes, 'only a seating plan may be large'],
    [l.seatsPerHold <= 100, 'a claim stays one short script'],
  ];
  const broken = relations.filter(([holds]) => !holds).map(([, text]) => text);
  if (broken.length > 0) throw new Error(`limits.ts contradicts itself: ${broken.join('; ')}`);
}
