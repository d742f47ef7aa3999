import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Logger } from 'pino';
import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Config } from '../config.js';
import { limits } from '../limits.js';
import type { CallCounts } from '../payments/gateway.js';
import type { HubCounts } from '../pubsub/hub.js';
import { addressOf } from './address.js';
import type { OperationCounts, SocketCounts } from './counts.js';

/** What a process has counted; read when somebody asks. */
export interface Counted {
  readonly sockets: SocketCounts;
  readonly closes: Iterable<readonly [code: string, count: number]>;
  readonly streams: HubCounts;
  readonly resyncs: number;
  readonly operations: { readonly http: OperationCounts; readonly websocket: OperationCounts };
  readonly provider: { readonly counts: CallCounts; readonly isShut: boolean };
}

/** Metrics as the processes tell them to each other. */
type Figures = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

type Series = readonly (readonly [labels: Readonly<Record<string, string>>, count: number])[];

/** The metrics of this process. */
export function processMetrics(read: () => Counted): Registry {
  const registry = new Registry();
  const gauge = (name: string, help: string, value: (counted: Counted) => number) =>
    new Gauge({
      name: `floodgate_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(value(read()));
      },
    });
  const counter = (name: string, help: string, labelNames: readonly string[], series: (counted: Counted) => Series) =>
    new Counter({
      name: `floodgate_${name}_total`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, count] of series(read())) this.inc(labels, count);
      },
    });
  gauge('processes', 'Processes that have answered.', () => 1);
  gauge('sockets_open', 'Open WebSockets.', ({ sockets }) => sockets.open);
  gauge('sockets_lagging', 'Open WebSockets that have not read what was sent.', ({ sockets }) => sockets.lagging);
  gauge('sockets_unread_bytes', 'Bytes kept for them.', ({ sockets }) => sockets.unreadBytes);
  counter('socket_closes', 'Closed WebSockets by close code, whoever closed.', ['code'], ({ closes }) =>
    [...closes].map(([code, count]) => [{ code }, count]),
  );
  gauge('subscribers', 'Running subscriptions.', ({ streams }) => streams.subscribers);
  gauge('subscriber_groups', 'Groups of subscribers who are told the same.', ({ streams }) => streams.groups);
  const executions = 'Executions of subscriptions, for a group at once or for one subscriber.';
  counter('subscription_executions', executions, ['shared'], ({ streams }) => [
    [{ shared: 'yes' }, streams.sharedExecutions],
    [{ shared: 'no' }, streams.executions - streams.sharedExecutions],
  ]);
  counter('subscription_deliveries', 'Updates taken for a subscriber.', [], ({ streams }) => [
    [{}, streams.deliveries],
  ]);
  const resyncs = 'Snapshots given to watchers of a hall after their first update.';
  counter('seat_map_resyncs', resyncs, [], (counted) => [[{}, counted.resyncs]]);
  const operations = 'Operations by kind, transport and whether the answer had errors.';
  counter('operations', operations, ['transport', 'kind', 'outcome'], (counted) => seriesOf(counted.operations));
  const calls =
    'Calls of the payment provider by endpoint and what they came to; delayed and limited ones may not have been made.';
  counter('provider_calls', calls, ['endpoint', 'outcome'], ({ provider }) =>
    [...provider.counts.outcomes].flatMap(([endpoint, outcomes]) =>
      [...outcomes].map(([outcome, count]) => [{ endpoint, outcome }, count] as const),
    ),
  );
  gauge(
    'provider_calls_in_flight',
    'Calls of the payment provider under way.',
    ({ provider }) => provider.counts.inFlight,
  );
  gauge('provider_breaker_open', 'Processes that find the payment provider not answering.', ({ provider }) =>
    Number(provider.isShut),
  );
  const waits = 'Times that a call had to wait for the quota.';
  counter('provider_quota_waits', waits, ['endpoint'], ({ provider }) =>
    [...provider.counts.waits].map(([endpoint, { count }]) => [{ endpoint }, count]),
  );
  const waited = 'Seconds for which calls had to wait for the quota.';
  counter('provider_quota_wait_seconds', waited, ['endpoint'], ({ provider }) =>
    [...provider.counts.waits].map(([endpoint, { ms }]) => [{ endpoint }, ms / 1_000]),
  );
  collectDefaultMetrics({ register: registry });
  return registry;
}

function seriesOf(operations: Counted['operations']): Series {
  return Object.entries(operations).flatMap(([transport, kinds]) =>
    Object.entries(kinds).flatMap(([kind, outcomes]) =>
      Object.entries(outcomes).map(([outcome, count]) => [{ transport, kind, outcome }, count] as const),
    ),
  );
}

const notCollected = 'the metrics could not be collected';

/** Only a sum may go on without the process that counted it. */
const countersOf = (figures: Figures): Figures => figures.filter(({ type }) => String(type) !== 'gauge');

const sumOf = (all: readonly Figures[]): Registry => AggregatorRegistry.aggregate([...all]);

interface Asking {
  readonly metricsAsked: true;
}

/** What a process of the cluster says: that it serves, or what it has counted. */
interface Told {
  readonly listening?: string;
  readonly metrics?: Figures;
}

/** Answers the supervisor of this process when it asks. The function that it returns tells it the last figures, before the process ends. */
export function answerSupervisor(registry: Registry, log: Logger): () => Promise<void> {
  const tell = async () => {
    try {
      const told: Told = { metrics: await registry.getMetricsAsJSON() };
      // Resolves also when the supervisor is gone.
      await new Promise<void>((resolve) => process.send?.(told, undefined, undefined, () => resolve()));
    } catch (error) {
      log.error({ err: error }, notCollected);
    }
  };
  process.on('message', (message: Partial<Asking>) => {
    if (message.metricsAsked) void tell();
  });
  return tell;
}

/** A process that serves, as the supervisor knows it. */
interface Known {
  readonly worker: Worker;
  figures: Figures;
  /** Null: it has answered. */
  awaited: (() => void) | null;
}

/**
 * The metrics of all processes of a cluster. Counters never fall: those of a process that has ended stay in the sum as it last told them,
 * and so do those of one that does not answer in time.
 */
export class ClusterMetrics {
  readonly #processes = new Map<number, Known>();
  #ended: Figures = [];

  constructor() {
    cluster.on('message', (worker, { listening, metrics }: Told) => {
      if (listening !== undefined) this.#processes.set(worker.id, { worker, figures: [], awaited: null });
      const known = this.#processes.get(worker.id);
      if (known === undefined || metrics === undefined) return;
      known.figures = metrics;
      known.awaited?.();
      known.awaited = null;
    });
    // Whatever it has told has arrived by now.
    cluster.on('disconnect', (worker) => {
      const known = this.#processes.get(worker.id);
      if (known === undefined) return;
      this.#processes.delete(worker.id);
      this.#ended = countersOf(sumOf([this.#ended, known.figures]).getMetricsAsArray() as Figures);
      known.awaited?.();
    });
  }

  async metrics(): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limits.metricsAnswerMs);
    });
    await Promise.race([Promise.all([...this.#processes.values()].map((known) => this.#ask(known))), patience]);
    clearTimeout(timer);
    const told = [...this.#processes.values()].map(({ figures, awaited }) =>
      awaited === null ? figures : countersOf(figures),
    );
    return sumOf([this.#ended, ...told]).metrics();
  }

  #ask(known: Known): Promise<void> {
    return new Promise((resolve) => {
      const isAsked = known.awaited !== null;
      known.awaited = resolve;
      // One that hangs is asked once, and answers when it goes on.
      if (isAsked) return;
      const asking: Asking = { metricsAsked: true };
      // One that cannot be asked is about to disconnect.
      known.worker.send(asking, (error) => error !== null && resolve());
    });
  }
}

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Answers `GET /metrics` at an address of its own, so that the public one never does. */
export async function serveMetrics(
  { host, metricsPort }: Config,
  source: { metrics(): Promise<string> },
  log: Logger,
): Promise<MetricsServer | null> {
  if (metricsPort === null) return null;
  let collecting: Promise<string> | null = null;
  /** Who asks meanwhile gets the same answer. */
  const collect = () => {
    collecting ??= source.metrics().finally(() => {
      collecting = null;
    });
    return collecting;
  };
  const http: Server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    collect().then(
      (text) => response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text),
      (error) => {
        log.error({ err: error }, notCollected);
        response.writeHead(500).end();
      },
    );
  });
  await once(http.listen(metricsPort, host), 'listening');
  return {
    url: `${addressOf(http, host)}/metrics`,
    close: async () => {
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
}
