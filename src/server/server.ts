import { randomUUID } from 'node:crypto';
import { type Logger, pino } from 'pino';
import type { Registry } from 'prom-client';
import type { Config } from '../config.js';
import { makeDataSource } from '../database/data-source.js';
import { type Clock, systemClock } from '../domain/clock.js';
import { limits } from '../limits.js';
import { makeMailer } from '../mail/mailer.js';
import { ProviderCalls } from '../payments/calls.js';
import { StripeGateway } from '../payments/stripe.js';
import { Channels } from '../pubsub/channels.js';
import type { HubCounts } from '../pubsub/hub.js';
import { connectRedis, identified } from '../redis/connections.js';
import { holdProviderCalls, takeProviderCall } from '../redis/provider-quota.js';
import { buildSchema } from '../resolvers/schema.js';
import type { Platform } from '../services/platform.js';
import { buildServices, type Services } from '../services/services.js';
import { loadTokenKey } from '../services/tokens.js';
import { startAdmission } from '../workers/admission.js';
import { startCancellations } from '../workers/cancellations.js';
import { startJobs } from '../workers/jobs.js';
import { startMoneyReconciler } from '../workers/money-reconciler.js';
import { startOrderSteps } from '../workers/order-steps.js';
import { startProviderEvents } from '../workers/provider-events.js';
import { startReceipts } from '../workers/receipts.js';
import { startReconciler } from '../workers/reconciler.js';
import { addressOf } from './address.js';
import type { SocketCounts } from './counts.js';
import { DocumentCache } from './documents.js';
import { buildHttp, graphqlPath } from './http.js';
import { processMetrics, serveMetrics } from './metrics.js';
import { WebSocketEndpoint } from './websocket.js';

export interface RunningServer {
  /** Where it listens, as `http://host:port`. */
  readonly url: string;
  readonly services: Services;
  /** Open WebSockets. */
  sockets(): SocketCounts;
  /** Subscriptions running over them, and what they have cost so far. */
  streams(): HubCounts;
  /** Null: nobody wants them. */
  readonly metrics: Registry | null;
  /** Where this process answers for its metrics; null: it does not, or its supervisor does. */
  readonly metricsUrl: string | null;
  /** Idempotent: sockets, then HTTP, then workers, then the stores. */
  close(): Promise<void>;
}

export function makeLogger(config: Config): Logger {
  // An error is named, not spread out: queries carry people's data and keys.
  const err = (error: Error & { code?: string }) => ({
    name: error.name,
    message: error.message,
    code: error.code,
    stack: error.stack,
  });
  return pino(
    { level: config.logLevel, base: { pid: process.pid }, serializers: { err } },
    pino.destination({ dest: 2, sync: false }),
  );
}

/** Connects to the stores and builds everything that serves requests and moves orders and lines, in this process. */
export async function startServer(
  config: Config,
  options: { readonly clock?: Clock; readonly log?: Logger } = {},
): Promise<RunningServer> {
  const { clock = systemClock, log = makeLogger(config) } = options;
  const database = makeDataSource(config.databaseUrl);
  const redis = await connectRedis(config.redisUrl, (error, connection) =>
    log.warn({ err: error, connection }, 'Redis connection'),
  );
  await database.initialize().catch(async (error) => {
    await redis.close();
    throw error;
  });
  const quota = {
    callsPerSecond: config.stripe.callsPerSecond,
    callsPerEndpointPerSecond: config.stripe.callsPerEndpointPerSecond,
  };
  const calls = new ProviderCalls({
    clock,
    log,
    quota: {
      take: (endpoint) => takeProviderCall(redis.commands, endpoint, quota),
      holdBack: (what, ms) => holdProviderCalls(redis.commands, what, ms),
    },
  });
  const platform: Platform = {
    config,
    clock,
    database,
    redis: redis.commands,
    channels: new Channels(redis.commands, redis.subscriber),
    gateway: new StripeGateway(config.stripe, calls),
    mailer: makeMailer(config.mail, log),
    log,
    processId: randomUUID(),
  };
  const services = await buildServices(platform, await loadTokenKey(config.tokenKeyFile));
  const verify = () =>
    services.inventory
      .verifyAll()
      .catch((error) => log.error({ err: error }, 'events could not be compared with the ledger'));
  redis.commands.on(identified, verify);
  await verify();
  const schema = buildSchema();
  const documents = new DocumentCache(schema);
  const { http, apollo, operations } = await buildHttp(schema, services, documents);
  const sockets = new WebSocketEndpoint({ schema, documents, services, path: graphqlPath });
  sockets.attach(http.server);
  const admission = startAdmission(platform, services);
  const reconciler = startReconciler(platform, services);
  const moneyReconciler = startMoneyReconciler(platform, services.moneyReconciler);
  const orderSteps = startOrderSteps(platform, services.settlement);
  const providerEvents = startProviderEvents(platform, services);
  const cancellations = startCancellations(platform, services.cancellations);
  const jobs = await startJobs(platform, services.receipts);
  const receipts = startReceipts(platform, services.receiptIssuing);
  await http.listen({ host: config.host, port: config.port, backlog: limits.listenBacklog });
  const counted = () => ({
    sockets: sockets.counts,
    closes: sockets.closes,
    streams: sockets.streams,
    resyncs: services.seatMaps.resyncs,
    operations: { http: operations, websocket: sockets.operations },
    provider: { counts: calls.counts(), isShut: calls.outage() !== null },
  });
  const metrics = config.metricsPort === null ? null : processMetrics(counted);
  const metricsServer = metrics === null || config.processes > 1 ? null : await serveMetrics(config, metrics, log);
  let closing: Promise<void> | null = null;
  const close = async () => {
    await sockets.close();
    await apollo.stop();
    await http.close();
    await metricsServer?.close();
    const loops = [admission, reconciler, moneyReconciler, orderSteps, providerEvents, cancellations, receipts, jobs];
    await Promise.all(loops.map((loop) => loop.stop()));
    services.stop();
    platform.mailer.close();
    await redis.close();
    await database.destroy();
  };
  return {
    url: addressOf(http.server, config.host),
    services,
    sockets: () => sockets.counts,
    streams: () => sockets.streams,
    metrics,
    metricsUrl: metricsServer?.url ?? null,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
