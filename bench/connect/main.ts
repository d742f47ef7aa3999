import { say } from '../support/command-line.js';
import { cpuUs } from '../support/cpu.js';
import { LoopWatch } from '../support/loop-watch.js';
import type { NewcomerCommand, NewcomerReport } from '../support/newcomers.js';
import type { BenchOptions } from '../support/options.js';
import { type Party, startParty } from '../support/party.js';
import { seatChanges, startProduct } from '../support/product.js';
import { runBench } from '../support/program.js';
import type { RawCommand, RawReport } from '../support/raw-server.js';
import type { Findings } from '../support/report.js';
import { spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';

/** What it costs to let somebody in: socket, session, subscription and first snapshot, beside a bare socket. */
const own = {
  clients: { fallback: 10_000, quick: 100, low: 10, high: 19_000, says: 'clients that come at once' },
  'hall-seats': { fallback: 2_000, quick: 500, low: 500, high: 100_000, says: 'seats of the hall' },
  'client-processes': { fallback: 2, quick: 1, low: 1, high: 16, says: 'processes of clients' },
} as const;
type Options = BenchOptions<keyof typeof own>;
type Newcomers = Party<NewcomerCommand, NewcomerReport>;

const mostTimes = 4;
const allowedLoopDelayMs = 50;
const settleMs = 3_000;

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const { clients, 'hall-seats': hallSeats, 'client-processes': processes } = options.own;
  const redis = await stores.startRedis();
  await stores.connect(redis);
  const product = await startProduct(stores, redis, { hallSeats, guests: clients * options.rounds });
  const raw = await startParty<RawCommand, RawReport>(stores, 'bench/support/raw-server.ts');
  const { url } = await raw.ask({ type: 'listen' });
  const loop = new LoopWatch();
  const variables = { eventId: product.eventId };
  const subscriptionOf = (tokens: readonly string[] | null): NewcomerCommand['subscription'] => ({
    tokens,
    query: seatChanges,
    variables,
  });
  const kinds = [
    { name: 'bare ws', url, pid: raw.pid, subscription: () => null },
    {
      name: 'without a session',
      url: product.socketUrl,
      pid: product.api.pid,
      subscription: () => subscriptionOf(null),
    },
    {
      name: 'with a session of its own',
      url: product.socketUrl,
      pid: product.api.pid,
      subscription: (round: number) => subscriptionOf(product.tokens.slice(round * clients, (round + 1) * clients)),
    },
  ];
  const cost = kinds.map((): number[] => []);
  const took = kinds.map((): number[] => []);
  let delays = { p99Ms: 0, maxMs: 0 };
  for (let round = 0; round < options.rounds; round += 1) {
    say(`Round ${round + 1} of ${options.rounds} …`);
    const order = [...kinds.entries()];
    for (const [at, kind] of round % 2 === 0 ? order : order.toReversed()) {
      const parties: Newcomers[] = [];
      for (let one = 0; one < processes; one += 1) parties.push(await startParty(stores, 'bench/support/newcomers.ts'));
      // Ports of those who have just left are not free yet, and looking for a free one among them takes the kernel long.
      const firstAddress = 2 + (round * kinds.length + at) * processes;
      const subscription = kind.subscription(round);
      const upTo = (one: number) => Math.floor((one * clients) / processes);
      const before = cpuUs(kind.pid);
      const startedMs = performance.now();
      const come = () =>
        Promise.all(
          parties.map((party, one) =>
            party.ask({
              type: 'come',
              port: Number(new URL(kind.url).port),
              path: new URL(kind.url).pathname,
              localAddress: `127.0.0.${firstAddress + one}`,
              clients: upTo(one + 1) - upTo(one),
              subscription: subscription && {
                ...subscription,
                tokens: subscription.tokens?.slice(upTo(one), upTo(one + 1)) ?? null,
              },
            }),
          ),
        );
      const reports = await loop.during(come);
      took[at]!.push(performance.now() - startedMs);
      cost[at]!.push((cpuUs(kind.pid) - before) / clients);
      for (const { loopP99Ms, loopMaxMs } of reports)
        delays = { p99Ms: Math.max(delays.p99Ms, loopP99Ms), maxMs: Math.max(delays.maxMs, loopMaxMs) };
      await leave(parties);
    }
  }
  const ratios = cost.map((values) => spreadOf(values.map((us, i) => us / cost[0]![i]!)));
  const own = loop.result(allowedLoopDelayMs);
  return {
    method: [
      'All come at once and are counted when the last of them has been let in: upgrade, connection_init, subscription and first snapshot. Processor time is user and system of all threads of the one process that serves.',
      'Sessions are checked for the first time: every client has one that the server has not seen before.',
    ],
    tables: [
      {
        title: `Processor time of the server for one of ${clients} clients, µs`,
        rows: kinds.map(({ name }, at) => ({
          client: name,
          'cost µs': spreadOf(cost[at]!),
          '× bare': ratios[at]!,
          'all let in after ms': spreadOf(took[at]!),
        })),
      },
    ],
    limits: kinds.slice(1).map(({ name }, at) => ({
      what: `letting somebody in ${name}, beside a bare socket`,
      measured: ratios[at + 1]!.median,
      most: mostTimes,
      unit: '×',
    })),
    loopDelay: {
      p99Ms: Math.max(own.p99Ms, delays.p99Ms),
      maxMs: Math.max(own.maxMs, delays.maxMs),
      allowedP99Ms: allowedLoopDelayMs,
    },
  };
}

/** Closes all their sockets by ending the processes, and lets the servers notice. */
async function leave(parties: readonly Newcomers[]): Promise<void> {
  for (const party of parties) await party.stop();
  await new Promise((resolve) => setTimeout(resolve, settleMs));
}

await runBench({ name: 'connect', own, measure });
