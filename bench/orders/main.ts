import pg from 'pg';
import { eventKeys } from '../../src/redis/keys.js';
import { seatId } from '../../src/services/seat-holds.js';
import { startPaymentSandbox } from '../../test/support/payment-sandbox.js';
import { say } from '../support/command-line.js';
import { cpuUs, familyCpuUs } from '../support/cpu.js';
import type { BenchOptions } from '../support/options.js';
import { startParty } from '../support/party.js';
import { startProduct } from '../support/product.js';
import { runBench } from '../support/program.js';
import type { Findings } from '../support/report.js';
import { spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';
import type { InsertCommand, InsertReport } from './inserter.js';
import type { PayerCommand, PayerReport } from './payers.js';

/** How many orders go from checkout to tickets in a second, beside how many rows can be written at all. */
const own = {
  orders: { fallback: 1_500, quick: 40, low: 10, high: 10_000, says: 'orders in a round, of two seats each' },
  'in-flight': {
    fallback: 128,
    quick: 16,
    low: 1,
    high: 2_000,
    says: 'buyers at a time while the provider answers at once',
  },
  'latency-ms': {
    fallback: 300,
    quick: 50,
    low: 1,
    high: 5_000,
    says: 'how long the provider takes in the other half',
  },
  'in-flight-slow': { fallback: 600, quick: 32, low: 1, high: 4_000, says: 'buyers at a time then' },
  connections: { fallback: 32, quick: 8, low: 1, high: 200, says: 'connections that insert rows' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const leastShare = 0.05;
const seatsOfAnOrder = 2;
/** As many as the limit of seats of a person allows. */
const ordersOfAPerson = 5;
const insertMs = 3_000;
const allowedLoopDelayMs = 50;

interface Measured extends PayerReport {
  readonly perSecond: number;
  readonly serverMs: number;
  readonly postgresMs: number;
  readonly redisMs: number;
  readonly providerMs: number;
  readonly transactions: number;
  readonly calls: number;
  readonly insertsPerSecond: number;
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const {
    orders,
    'in-flight': inFlight,
    'latency-ms': latencyMs,
    'in-flight-slow': inFlightSlow,
    connections,
  } = options.own;
  const halves = [
    { name: 'at once', latencyMs: 0, inFlight, measured: [] as Measured[] },
    { name: `after ${latencyMs} ms`, latencyMs, inFlight: inFlightSlow, measured: [] as Measured[] },
  ];
  const rounds = options.rounds + 1;
  const people = Math.max(orders, Math.ceil((orders * rounds * halves.length) / ordersOfAPerson));
  const hallSeats = Math.max(4_000, orders * seatsOfAnOrder * rounds * halves.length * 1.2);
  const redis = await stores.startRedis();
  const client = await stores.connect(redis);
  const provider = await startPaymentSandbox({ settings: { quotaPerSecond: 0, quotaPerEndpointPerSecond: 0 } });
  stores.onStop(async () => void (await provider.stop()));
  const product = await startProduct(stores, redis, { hallSeats: Math.ceil(hallSeats), guests: people, provider });
  await provider.settings({ webhookUrl: `${product.api.url}/webhooks/stripe` });
  const payers = await startParty<PayerCommand, PayerReport>(stores, 'bench/orders/payers.ts');
  say(`Opening ${people} sockets …`);
  await payers.ask({ type: 'open', url: product.socketUrl, tokens: product.tokens, eventId: product.eventId });
  const inserter = await startParty<InsertCommand, InsertReport>(stores, 'bench/orders/inserter.ts');
  const database = new pg.Client({ connectionString: product.postgres.url });
  await database.connect();
  stores.onStop(() => database.end());
  const transactions = async () => {
    const { rows } = await database.query(
      'SELECT xact_commit::int AS commits FROM pg_stat_database WHERE datname = current_database()',
    );
    return rows[0].commits as number;
  };
  const status = (await client.get(eventKeys(product.ref).status))!;
  const free = [...status].flatMap((letter, index) => (letter === '.' ? [seatId(product.published, index)] : []));
  const seats = () => Array.from({ length: orders }, () => free.splice(-seatsOfAnOrder));
  for (let round = 0; round < rounds; round += 1) {
    for (const half of round % 2 === 0 ? halves : halves.toReversed()) {
      say(
        round === 0
          ? `Warming up, the provider answers ${half.name} …`
          : `Round ${round} of ${options.rounds}, ${half.name} …`,
      );
      await payers.ask({ type: 'hold', seats: seats() });
      const inserted = await inserter.ask({ databaseUrl: product.postgres.url, connections, forMs: insertMs });
      await provider.settings({ latencyMs: half.latencyMs });
      const used = () => ({
        server: cpuUs(product.api.pid),
        postgres: familyCpuUs(product.postgres.pid),
        redis: cpuUs(redis.pid),
        provider: cpuUs(provider.pid),
      });
      const before = { ...used(), commits: await transactions(), calls: (await provider.state()).api.calls };
      const report = await payers.ask({ type: 'buy', inFlight: half.inFlight });
      const after = { ...used(), commits: await transactions(), calls: (await provider.state()).api.calls };
      const msOf = (name: 'server' | 'postgres' | 'redis' | 'provider') =>
        (after[name] - before[name]) / 1_000 / report.orders;
      if (round === 0) continue;
      half.measured.push({
        perSecond: (report.orders * 1_000) / report.tookMs,
        serverMs: msOf('server'),
        postgresMs: msOf('postgres'),
        redisMs: msOf('redis'),
        providerMs: msOf('provider'),
        transactions: (after.commits - before.commits) / report.orders,
        calls: (after.calls - before.calls) / report.orders,
        insertsPerSecond: (inserted.rows * 1_000) / inserted.tookMs,
        ...report,
      });
    }
  }
  return findings(options, halves);
}

type Half = { readonly name: string; readonly inFlight: number; readonly measured: readonly Measured[] };

function findings(options: Options, halves: readonly Half[]): Findings {
  const spread = ({ measured }: Half, read: (round: Measured) => number) => spreadOf(measured.map(read));
  const share = (half: Half) => spread(half, ({ perSecond, insertsPerSecond }) => perSecond / insertsPerSecond);
  const all = halves.flatMap(({ measured }) => measured);
  return {
    method: [
      `${options.own.orders} orders of buyers in a process of their own, each with a socket, a session and a hold of ${seatsOfAnOrder} seats. Measured is from startCheckout to COMPLETED: the form by the stream, the card confirmed at the provider, authorisation by webhook, tickets, capture.`,
      'The provider is the sandbox, with its quota lifted; it, the buyers, one server process and the stores share this machine. One round that is not counted goes before.',
      `Beside it: one row and one commit by node-pg with ${options.own.connections} connections on the same Postgres, for ${insertMs / 1_000} s before each round, fsync and synchronous_commit on, nothing else running.`,
      'Calls of the provider are those of server and buyer: one of an order is the buyer’s. Transactions are all of the database in that time.',
    ],
    tables: [
      {
        title: 'Orders, by how soon the provider answers',
        rows: halves.map((half) => ({
          provider: half.name,
          'at a time': half.inFlight,
          'orders/s': spread(half, ({ perSecond }) => perSecond),
          'inserts/s': spread(half, ({ insertsPerSecond }) => insertsPerSecond),
          share: share(half),
          'p50 ms': spread(half, ({ p50Ms }) => p50Ms),
          'p99 ms': spread(half, ({ p99Ms }) => p99Ms),
        })),
      },
      {
        title: 'What an order takes, ms of processor',
        rows: halves.map((half) => ({
          provider: half.name,
          server: spread(half, ({ serverMs }) => serverMs),
          Postgres: spread(half, ({ postgresMs }) => postgresMs),
          Redis: spread(half, ({ redisMs }) => redisMs),
          'the provider': spread(half, ({ providerMs }) => providerMs),
          transactions: spread(half, ({ transactions }) => transactions),
          'provider calls': spread(half, ({ calls }) => calls),
        })),
      },
    ],
    limits: [
      ...halves.map((half) => ({
        what: `inserts for an order, the provider answers ${half.name}`,
        measured: 1 / share(half).median,
        most: 1 / leastShare,
        unit: '',
      })),
      {
        what: 'the rate at once beside the rate of a slow provider',
        measured:
          spread(halves[0]!, ({ perSecond }) => perSecond).median /
          spread(halves[1]!, ({ perSecond }) => perSecond).median,
        most: 1.25,
        unit: '×',
      },
    ],
    loopDelay: {
      p99Ms: Math.max(...all.map(({ loopP99Ms }) => loopP99Ms)),
      maxMs: Math.max(...all.map(({ loopMaxMs }) => loopMaxMs)),
      allowedP99Ms: allowedLoopDelayMs,
    },
  };
}

await runBench({ name: 'orders', own, measure });
