import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { findPort } from '../../sandbox/services/process.js';
import { limits } from '../../src/limits.js';
import { sharedKeys } from '../../src/redis/keys.js';
import { randomFor } from '../rush/random.js';
import { everybodysSeats, holdIndexes, releaseIndexes } from '../support/changes.js';
import type { BenchClient } from '../support/client.js';
import { say } from '../support/command-line.js';
import { LoopWatch } from '../support/loop-watch.js';
import type { BenchOptions } from '../support/options.js';
import { type Party, startParty } from '../support/party.js';
import { type Product, seatChanges, startProduct } from '../support/product.js';
import { runBench } from '../support/program.js';
import type { Findings, LoopDelay } from '../support/report.js';
import { quantile, spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';
import type { WatcherCommand, WatcherReport } from './watchers.js';

/** Whether those who read are told later because others do not. */
const own = {
  watchers: { fallback: 1_000, quick: 60, low: 10, high: 10_000, says: 'watchers of the hall, with those who stall' },
  stalled: { fallback: 100, quick: 6, low: 2, high: 1_000, says: 'of them that stall, where many do' },
  changes: { fallback: 400, quick: 40, low: 10, high: 800, says: 'changes in a round, one in every 25 ms; made even' },
  'hall-seats': { fallback: 10_000, quick: 6_000, low: 6_000, high: 100_000, says: 'seats of the hall' },
  'listener-processes': { fallback: 2, quick: 1, low: 1, high: 8, says: 'processes of those who read' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const everyMs = 25;
const seatsOfAChange = 4;
const laterMostMs = 5;
const allowedLoopDelayMs = 50;
const patienceMs = 20_000;

/** More than the network takes in on its own, and less than a socket is closed for. */
const stallBytes = 5_500_000;
const mebibyte = 1_048_576;
/** What was sent before it was known that it is not read, the last answer of that, and what waits. */
const keptMostBytes = (answer: number) => limits.socketSoftBufferedBytes + answer + limits.socketHardBufferedBytes;
const names = Array.from({ length: limits.documentAliases - 1 }, (_, at) => `s${at}: states`);
const manyLetters = `query ($eventId: ID!) { seatMap(eventId: $eventId) { state { ${names.join(' ')} } } }`;

/** About: names and brackets come on top. */
const answerBytes = (options: Options) => names.length * options.own['hall-seats'];

type WatcherParty = Party<WatcherCommand, WatcherReport>;

interface Stage {
  readonly product: Product;
  readonly client: BenchClient;
  readonly metricsUrl: string;
  readonly readers: readonly WatcherParty[];
  readonly stallers: WatcherParty;
  readonly loop: LoopWatch;
  readonly delays: LoopDelay[];
}

/** So many stall: how late the others were told in each round. */
interface Measured {
  readonly stalled: number;
  readonly medianMs: number[];
  readonly p99Ms: number[];
  readonly maxMs: number[];
  /** What was kept for each of those who stall. */
  readonly keptBytes: number[];
}

async function measure(given: Options, stores: Stores): Promise<Findings> {
  // Seats are claimed and given back by turns.
  const options = { ...given, own: { ...given.own, changes: given.own.changes + (given.own.changes % 2) } };
  const redis = await stores.startRedis();
  const client = await stores.connect(redis);
  const metricsPort = await findPort();
  const product = await startProduct(stores, redis, { hallSeats: options.own['hall-seats'], guests: 0, metricsPort });
  const start = () => startParty<WatcherCommand, WatcherReport>(stores, 'bench/stalled/watchers.ts');
  const readers: WatcherParty[] = [];
  while (readers.length < options.own['listener-processes']) readers.push(await start());
  const stage: Stage = {
    product,
    client,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    readers,
    stallers: await start(),
    loop: new LoopWatch(),
    delays: [],
  };
  const measured = [0, 1, options.own.stalled].map(
    (stalled): Measured => ({ stalled, medianMs: [], p99Ms: [], maxMs: [], keptBytes: [] }),
  );
  for (let round = 0; round < options.rounds; round += 1) {
    // Forwards and backwards by turns, so that nothing is always measured first.
    for (const one of round % 2 === 0 ? measured : measured.toReversed()) {
      say(`Round ${round + 1} of ${options.rounds}, ${one.stalled} stalled …`);
      const { lateMs, keptBytes } = await tellAll(options, stage, one.stalled, round);
      one.keptBytes.push(keptBytes / Math.max(1, one.stalled));
      one.medianMs.push(quantile(lateMs, 0.5));
      one.p99Ms.push(quantile(lateMs, 0.99));
      one.maxMs.push(quantile(lateMs, 1));
    }
  }
  return findings(options, measured, [...stage.delays, stage.loop.result(allowedLoopDelayMs)]);
}

/**
 * Opens everybody, lets some stall, and makes changes. Answers how late every change came to everyone who reads, and what was kept in the end for
 * all who do not.
 */
async function tellAll(
  options: Options,
  stage: Stage,
  stalled: number,
  round: number,
): Promise<{ readonly lateMs: number[]; readonly keptBytes: number }> {
  const { product, client, readers, stallers, loop } = stage;
  const { watchers, changes } = options.own;
  const { eventId, socketUrl: url } = product;
  const open = (party: WatcherParty, sockets: number, address: number) => {
    const localAddress = `127.0.0.${address}`;
    return party.ask({ type: 'open', url, localAddress, sockets, query: seatChanges, variables: { eventId } });
  };
  const upTo = (at: number) => Math.floor((at * (watchers - stalled)) / readers.length);
  // All at once, so that those who will stall are among the others and not behind them.
  const opened = readers.map((party, at) => open(party, upTo(at + 1) - upTo(at), 3 + at));
  await Promise.all([open(stallers, stalled, 2), ...opened]);
  const answers = Math.ceil(stallBytes / answerBytes(options));
  await stallers.ask({ type: 'stall', query: manyLetters, variables: { eventId }, answers });
  await waitFor(stage, 'lagging', stalled);

  const version = Number(await client.hget(sharedKeys(eventId).meta, 'version'));
  const followed = Promise.all(readers.map((party) => party.ask({ type: 'follow', version: version + changes })));
  const [madeAtMs, reports] = await loop.during(() => Promise.all([makeChanges(options, stage, round), followed]));
  await waitFor(stage, 'lagging', stalled, 0);
  const keptBytes = await gauge(stage, 'unread_bytes');
  for (const { loopP99Ms: p99Ms, loopMaxMs: maxMs } of reports)
    stage.delays.push({ p99Ms, maxMs, allowedP99Ms: allowedLoopDelayMs });
  await Promise.all([stallers, ...readers].map((party) => party.ask({ type: 'close' })));
  await waitFor(stage, 'open', 0);
  const lateMs = reports.flatMap(({ told }) =>
    told.flatMap(({ fromVersion, version: last, atMs }) =>
      madeAtMs.slice(fromVersion - version, last - version).flatMap((made) => atMs.map((at) => at - made)),
    ),
  );
  if (lateMs.length !== changes * (watchers - stalled)) throw new Error('not everybody was told every change');
  return { lateMs, keptBytes };
}

/** One change after the other, whatever becomes of the last; answers when each was begun, ms since 1970. */
async function makeChanges(options: Options, { product, client }: Stage, round: number): Promise<number[]> {
  const { changes } = options.own;
  const shown = await everybodysSeats(client, product.ref);
  const random = randomFor(options.seed, round);
  const madeAtMs: number[] = [];
  const startedMs = performance.now();
  let held: { readonly holdId: string; readonly fence: string } | null = null;
  while (madeAtMs.length < changes) {
    const first = random.between(0, shown.length - seatsOfAChange);
    // At a random moment: at every tenth of a tick, how long a change waits for the tick would be a matter of luck.
    await pause(startedMs + (madeAtMs.length + random.next()) * everyMs - performance.now());
    madeAtMs.push(performance.timeOrigin + performance.now());
    if (held === null) {
      const holdId = randomUUID();
      const indexes = shown.slice(first, first + seatsOfAChange);
      held = { holdId, fence: await holdIndexes(client, product.ref, holdId, indexes) };
    } else {
      await releaseIndexes(client, product.ref, held);
      held = null;
    }
  }
  return madeAtMs;
}

/** Until the server counts so many sockets. */
async function waitFor(stage: Stage, what: 'open' | 'lagging', count: number, forMs = patienceMs) {
  const endMs = performance.now() + forMs;
  for (;;) {
    const counted = await gauge(stage, what);
    if (counted === count) return;
    if (performance.now() > endMs) throw new Error(`${counted} sockets are ${what} and not ${count}`);
    await pause(50);
  }
}

async function gauge({ metricsUrl }: Stage, what: 'open' | 'lagging' | 'unread_bytes'): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  return Number(new RegExp(`^floodgate_sockets_${what} (\\d+)$`, 'm').exec(text)?.[1]);
}

function findings(options: Options, measured: readonly Measured[], delays: readonly LoopDelay[]): Findings {
  const { watchers, changes } = options.own;
  const [without, ...others] = measured as [Measured, ...Measured[]];
  const later = ({ p99Ms }: Measured) => spreadOf(p99Ms.map((ms, at) => ms - without.p99Ms[at]!));
  return {
    method: [
      `${changes} changes of ${seatsOfAChange} seats in a round, one in every ${everyMs} ms at a random moment, whether or not anybody has been told of the last. Every delivery of every change counts, from before the claim to the message at the watcher, on one clock.`,
      `Floodgate tells what has changed every ${limits.seatTickMs} ms; so a change waits up to that long for anybody.`,
      'Everybody is opened at once for every measurement. Those who stall stop reading and ask for large answers until the server counts them as lagging, which they are to the end.',
    ],
    tables: [
      {
        title: `From the change to those who read, ms, ${watchers} watchers`,
        rows: measured.map((one) => ({
          stalled: one.stalled,
          readers: watchers - one.stalled,
          median: spreadOf(one.medianMs),
          p99: spreadOf(one.p99Ms),
          max: spreadOf(one.maxMs),
          'p99 later than without': later(one),
          'kept for each that stalls, MiB': spreadOf(one.keptBytes.map((bytes) => bytes / mebibyte)),
        })),
      },
    ],
    limits: others.flatMap((one) => [
      {
        what: `${one.stalled} of ${watchers} stalled: p99 for the others, later than without`,
        measured: later(one).median,
        most: laterMostMs,
        unit: 'ms',
      },
      {
        what: `${one.stalled} of ${watchers} stalled: kept for each of them`,
        measured: Math.max(...one.keptBytes) / mebibyte,
        most: keptMostBytes(answerBytes(options)) / mebibyte,
        unit: 'MiB',
      },
    ]),
    loopDelay: {
      p99Ms: Math.max(...delays.map(({ p99Ms }) => p99Ms)),
      maxMs: Math.max(...delays.map(({ maxMs }) => maxMs)),
      allowedP99Ms: allowedLoopDelayMs,
    },
  };
}

await runBench({ name: 'stalled', own, measure });
