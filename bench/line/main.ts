import type { RunningRedis } from '../../sandbox/services/redis.js';
import { limits } from '../../src/limits.js';
import { startPaymentSandbox } from '../../test/support/payment-sandbox.js';
import { type Api, startApi } from '../support/api.js';
import { say } from '../support/command-line.js';
import { cpuUs } from '../support/cpu.js';
import { LoopWatch } from '../support/loop-watch.js';
import type { BenchOptions } from '../support/options.js';
import { type Party, startParty } from '../support/party.js';
import { serverEnvironment } from '../support/product.js';
import { runBench } from '../support/program.js';
import type { RawCommand, RawMessage, RawReport } from '../support/raw-server.js';
import type { Findings, LoopDelay } from '../support/report.js';
import { type ListenerParty, openSockets, startListeners } from '../support/sockets.js';
import { spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';
import { Sale } from './sale.js';
import type { WatcherCommand, WatcherReport } from './watchers.js';

/** What it costs the server to tell somebody in a long line where they stand, beside a bare server that sends the same. */
const own = {
  waiting: { fallback: 100_000, quick: 2_000, low: 100, high: 300_000, says: 'people in line, at least' },
  connected: { fallback: 19_000, quick: 200, low: 10, high: 19_500, says: 'of them with a socket, at the beginning' },
  'admit-per-second': { fallback: 500, quick: 20, low: 0, high: 2_000, says: 'people admitted in a second' },
  seconds: { fallback: 10, quick: 3, low: 1, high: 120, says: 'seconds of a round' },
  'watcher-processes': { fallback: 2, quick: 1, low: 1, high: 8, says: 'processes that listen, for each server' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const mostTimes = 2;
const allowedLoopDelayMs = 50;
/** Rounds that are not counted: in the first one there is nothing yet that the bare server could send. */
const warmUps = 2;
const restMs = 3_000;

/** Where those stand who are told something. */
const distances = [
  { name: 'fewer than 100 ahead', upTo: 100 },
  { name: '100 to 999', upTo: 1_000 },
  { name: '1,000 to 9,999', upTo: 10_000 },
  { name: '10,000 and more', upTo: Number.POSITIVE_INFINITY },
] as const;

interface Round {
  readonly pushes: readonly RawMessage[];
  readonly sent: number;
  readonly seconds: number;
  /** Processor time in the round, µs. */
  readonly apiUs: number;
  readonly rawUs: number;
  readonly redisUs: number;
  readonly admitted: number;
  readonly waiting: number;
  readonly delays: readonly LoopDelay[];
}

interface Parts {
  readonly options: Options;
  readonly sale: Sale;
  readonly api: Api;
  readonly redis: RunningRedis;
  readonly watchers: readonly Party<WatcherCommand, WatcherReport>[];
  /** People before those of each of the processes. */
  readonly offsets: readonly number[];
  readonly raw: Party<RawCommand, RawReport>;
  readonly rawListeners: readonly ListenerParty[];
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const { waiting, connected, 'admit-per-second': perSecond, seconds } = options.own;
  const [postgres, redis] = [await stores.startPostgres(), await stores.startRedis()];
  const client = await stores.connect(redis);
  // While nobody takes payments nobody is admitted.
  const provider = await startPaymentSandbox({ settings: { quotaPerSecond: 0, quotaPerEndpointPerSecond: 0 } });
  stores.onStop(async () => void (await provider.stop()));
  const environment = {
    ...serverEnvironment(stores, { database: postgres.url, redis: redis.url }),
    STRIPE_API_URL: provider.url,
    STRIPE_SECRET_KEY: provider.secretKey,
    STRIPE_WEBHOOK_SECRET: provider.webhookSecret,
    // The rate is the organizer's alone.
    STRIPE_CALLS_PER_SECOND: '0',
    STRIPE_CALLS_PER_ENDPOINT_PER_SECOND: '0',
  };
  const people = waiting + perSecond * seconds * (options.rounds + warmUps + 1);
  say(`${people} people join …`);
  const sale = await Sale.open(client, { environment, people, connected, seed: options.seed });
  stores.onStop(async () => sale.end());
  const api = await startApi(stores, environment, 1);
  const bare = await connectBare(options, stores);
  const restUs = await rest(api);
  const parts = { options, sale, api, redis, ...bare, ...(await connect(options, stores, sale, api)) };
  await sale.admit(perSecond);
  const rounds: Round[] = [];
  for (let round = 0; round < options.rounds + warmUps; round += 1) {
    say(round < warmUps ? 'Warming up …' : `Round ${round + 1 - warmUps} of ${options.rounds} …`);
    rounds.push(await runRound(parts, rounds.at(-1)?.pushes ?? []));
    if (perSecond > 0 && rounds.at(-1)!.admitted === 0)
      throw new Error('nobody was admitted: this is not the line that was asked for');
  }
  return findings(options, rounds.slice(warmUps), restUs);
}

/** What the server takes while nobody is connected, µs of a second. */
async function rest(api: Api): Promise<number> {
  const before = cpuUs(api.pid);
  await pause(restMs);
  return ((cpuUs(api.pid) - before) * 1_000) / restMs;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function connectBare({ own }: Options, stores: Stores) {
  const { connected, 'watcher-processes': processes } = own;
  const raw = await startParty<RawCommand, RawReport>(stores, 'bench/support/raw-server.ts');
  const { url } = await raw.ask({ type: 'listen' });
  const rawListeners = await startListeners(stores, processes);
  say(`Opening ${connected} sockets to the bare server …`);
  await openSockets(rawListeners, { url, sockets: connected, firstAddress: 2 + processes, subscription: null });
  return { raw, rawListeners };
}

async function connect({ own }: Options, stores: Stores, sale: Sale, api: Api) {
  const { connected, 'watcher-processes': processes } = own;
  const url = `${api.url.replace(/^http/, 'ws')}/graphql`;
  const offsets = Array.from({ length: processes + 1 }, (_, at) => Math.floor((at * connected) / processes));
  const watchers: Party<WatcherCommand, WatcherReport>[] = [];
  for (let at = 0; at < processes; at += 1)
    watchers.push(await startParty<WatcherCommand, WatcherReport>(stores, 'bench/line/watchers.ts'));
  say(`Opening ${connected} sockets to the product …`);
  await Promise.all(
    watchers.map((party, at) => {
      const people = sale.watchers.slice(offsets[at], offsets[at + 1]);
      return party.ask({ type: 'open', url, localAddress: `127.0.0.${2 + at}`, people });
    }),
  );
  return { watchers, offsets };
}

/** The product tells what has changed; at the same time the bare server sends what the product has sent in the round before. */
async function runRound(parts: Parts, before: readonly RawMessage[]): Promise<Round> {
  const { options, sale, api, redis, watchers, offsets, raw, rawListeners } = parts;
  await raw.ask({ type: 'load', messages: before });
  await Promise.all(watchers.map((party) => party.ask({ type: 'mark' })));
  await Promise.all(rawListeners.map((party) => party.ask({ type: 'watch-loop' })));
  const pids = [api.pid, raw.pid, redis.pid];
  const startedWith = await sale.counts();
  const startedUs = pids.map(cpuUs);
  const startedMs = performance.now();
  const loop = new LoopWatch();
  await loop.during(() => Promise.all([raw.ask({ type: 'replay' }), pause(options.own.seconds * 1_000)]));
  await Promise.all(watchers.map((party) => party.ask({ type: 'stop' })));
  const seconds = (performance.now() - startedMs) / 1_000;
  const [apiUs, rawUs, redisUs] = pids.map((pid, at) => cpuUs(pid) - startedUs[at]!) as [number, number, number];
  const { waiting, admitted } = await sale.counts();
  const told = await Promise.all(watchers.map((party) => party.ask({ type: 'report' })));
  const heard = await Promise.all(rawListeners.map((party) => party.ask({ type: 'loop' })));
  const sent = heard.reduce((sum, { messages }) => sum + messages, 0);
  if (sent !== before.length) throw new Error(`the bare server has sent ${sent} of ${before.length} messages`);
  const delays = [...told, ...heard].map(({ loopP99Ms, loopMaxMs }) => delayOf(loopP99Ms, loopMaxMs));
  return {
    pushes: told.flatMap(({ pushes }, at) => pushes.map((push) => ({ ...push, to: push.to + offsets[at]! }))),
    sent,
    seconds,
    apiUs,
    rawUs,
    redisUs,
    admitted: admitted - startedWith.admitted,
    waiting,
    delays: [...delays, loop.result(allowedLoopDelayMs)],
  };
}

const delayOf = (p99Ms: number, maxMs: number): LoopDelay => ({ p99Ms, maxMs, allowedP99Ms: allowedLoopDelayMs });

/** Of the pushes, how many told of a place in each of the distances; the last one: those who do not wait any more. */
function mixOf(pushes: readonly RawMessage[]): number[] {
  const counts = [...distances.map(() => 0), 0];
  for (const { text } of pushes) {
    const ahead = /"peopleAhead":(\d+)/.exec(text)?.[1];
    const at = ahead === undefined ? distances.length : distances.findIndex(({ upTo }) => Number(ahead) < upTo);
    counts[at]! += 1;
  }
  return counts;
}

function findings(options: Options, rounds: readonly Round[], restUs: number): Findings {
  const { connected, 'admit-per-second': perSecond, seconds } = options.own;
  const spread = (read: (round: Round) => number) => spreadOf(rounds.map(read));
  const bytes = (messages: readonly RawMessage[]) => messages.reduce((sum, { text }) => sum + text.length, 0);
  const product = (round: Round) => round.apiUs / round.pushes.length;
  const bare = (round: Round) => round.rawUs / round.sent;
  const ratio = spread((round) => product(round) / bare(round));
  const mixes = rounds.map(({ pushes }) => mixOf(pushes));
  const delays = rounds.flatMap((round) => round.delays);
  return {
    method: [
      `The line was filled by the product's own joins. ${connected} people at random places of it are connected, each with a session and queuePositionChanged of the own place; Redis was told that the others are served by other processes. ${perSecond} are admitted in a second, from the beginning of ${warmUps} rounds that are not counted.`,
      `A round lasts ${seconds} s. In it the bare server sends to each of as many sockets what the product has sent in the round before, each text to one socket, at the same times within ${limits.presenceEveryMs} ms; both are measured in the same seconds.`,
      'Pushes are counted by those who get them. Processor time is user and system of all threads of the one process that serves, whatever it was spent on: pushes, admissions, presence, the mirror of the line.',
      `With nobody connected and nobody admitted the product takes ${(restUs / 1_000).toFixed(1)} ms of a second; that is not taken off.`,
    ],
    tables: [
      {
        title: 'A push',
        rows: [
          {
            server: 'Floodgate',
            'server µs': spread(product),
            'pushes/s': spread((round) => round.pushes.length / round.seconds),
            bytes: spread(({ pushes }) => bytes(pushes) / pushes.length),
          },
          {
            server: 'bare ws',
            'server µs': spread(bare),
            'pushes/s': spread((round) => round.sent / round.seconds),
            bytes: '',
          },
        ],
      },
      {
        title: 'Who was told, pushes of a round',
        rows: [...distances.map(({ name }) => name), 'not waiting any more'].map((where, at) => ({
          where,
          pushes: spreadOf(mixes.map((counts) => counts[at]!)),
        })),
      },
      {
        title: 'The sale',
        rows: [
          {
            'waiting after a round': spread(({ waiting }) => waiting),
            'admitted/s': spread((round) => round.admitted / round.seconds),
            'Redis ms/s': spread((round) => round.redisUs / 1_000 / round.seconds),
            'Floodgate ms/s': spread((round) => round.apiUs / 1_000 / round.seconds),
          },
        ],
      },
    ],
    limits: [{ what: 'a push beside a bare one', measured: ratio.median, most: mostTimes, unit: '×' }],
    loopDelay: {
      p99Ms: Math.max(...delays.map(({ p99Ms }) => p99Ms)),
      maxMs: Math.max(...delays.map(({ maxMs }) => maxMs)),
      allowedP99Ms: allowedLoopDelayMs,
    },
  };
}

await runBench({ name: 'line', own, measure });
