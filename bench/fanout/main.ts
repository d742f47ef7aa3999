import { say } from '../support/command-line.js';
import { cpuUs } from '../support/cpu.js';
import { LoopWatch } from '../support/loop-watch.js';
import type { BenchOptions } from '../support/options.js';
import { runBench } from '../support/program.js';
import type { Findings, Limit, LoopDelay, Table } from '../support/report.js';
import { type ListenerParty, openSockets, startListeners } from '../support/sockets.js';
import { quantile, type Spread, spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';
import { productSide, rawSide, type Side, stockSide } from './sides.js';

/** What it costs the server to tell everybody that seats have changed, beside a bare broadcast and the usual stack. */
const own = {
  few: { fallback: 1_000, quick: 20, low: 2, high: 19_500, says: 'watchers of the first size' },
  some: { fallback: 5_000, quick: 40, low: 2, high: 19_500, says: 'watchers of the second size' },
  many: { fallback: 19_000, quick: 60, low: 2, high: 19_500, says: 'watchers of the third size' },
  changes: { fallback: 8, quick: 2, low: 2, high: 1_000, says: 'changes of one size in a round; made even' },
  'hall-seats': { fallback: 2_000, quick: 500, low: 500, high: 100_000, says: 'seats of the hall' },
  'listener-processes': { fallback: 2, quick: 1, low: 1, high: 8, says: 'processes that listen, for each server' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const sizes = [1, 10, 50] as const;
type Size = (typeof sizes)[number];
const rawMost: Partial<Record<Size, number>> = { 10: 1.3, 50: 1.3 };
const stockLeast: Record<Size, number> = { 1: 3, 10: 4.5, 50: 10 };
const allowedLoopDelayMs = 50;
const restMs = 3_000;

interface Member {
  readonly side: Side;
  readonly listeners: readonly ListenerParty[];
  /** Microseconds of its processor in a millisecond in which nothing happens. */
  restUs: number;
}

/** One size of change, told by one server to so many: what a delivery cost in each round, and how long the last one waited. */
interface Measured {
  readonly watchers: number;
  readonly size: Size;
  readonly side: Side['name'];
  readonly cpuUs: number[];
  readonly lastMs: number[];
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const { 'hall-seats': hallSeats, 'listener-processes': processes } = options.own;
  const redis = await stores.startRedis();
  const client = await stores.connect(redis);
  const texts = new Map<number, string>();
  const textOf = (seats: number) => texts.get(seats)!;
  const product = await productSide(stores, client, { redis, hallSeats, seed: options.seed });
  const sides = [await rawSide(stores, textOf), product, await stockSide(stores, redis, textOf)];
  const members: Member[] = [];
  for (const side of sides) {
    members.push({ side, listeners: await startListeners(stores, processes), restUs: 0 });
  }
  const measured: Measured[] = [];
  const loop = new LoopWatch();
  const delays: LoopDelay[] = [];
  let opened = 0;
  for (const watchers of [options.own.few, options.own.some, options.own.many]) {
    say(`Opening ${watchers} sockets to each of ${members.length} servers …`);
    for (const [at, { side, listeners }] of members.entries()) {
      const { url, subscription } = side;
      const firstAddress = 2 + at * listeners.length;
      await openSockets(listeners, { url, subscription, sockets: watchers - opened, firstAddress });
    }
    opened = watchers;
    for (const size of sizes) {
      for (let i = 0; i < 2; i += 1) texts.set(size, (await tell(members[1]!, size)).text);
    }
    await warmUp(members[2]!, watchers);
    for (const member of members) member.restUs = await rest(member);
    await Promise.all(members.flatMap(({ listeners }) => listeners.map((one) => one.ask({ type: 'watch-loop' }))));
    await loop.during(() => rounds(options, members, watchers, measured));
    for (const { listeners } of members)
      for (const one of listeners) {
        const { loopP99Ms, loopMaxMs } = await one.ask({ type: 'loop' });
        delays.push({ p99Ms: loopP99Ms, maxMs: loopMaxMs, allowedP99Ms: allowedLoopDelayMs });
      }
  }
  delays.push(loop.result(allowedLoopDelayMs));
  return findings(options, measured, members, {
    p99Ms: Math.max(...delays.map(({ p99Ms }) => p99Ms)),
    maxMs: Math.max(...delays.map(({ maxMs }) => maxMs)),
    allowedP99Ms: allowedLoopDelayMs,
  });
}

/** The usual stack greets nobody: it is known to be ready when everybody has got a change. */
async function warmUp({ side, listeners }: Member, watchers: number): Promise<void> {
  for (;;) {
    await side.change(1);
    let told = 0;
    for (let last = -1; told !== last; ) {
      last = told;
      await pause(500);
      for (const one of listeners) told += (await one.ask({ type: 'count' })).messages;
    }
    if (told === watchers) return;
  }
}

async function rest({ side }: Member): Promise<number> {
  const before = cpuUs(side.pid);
  await pause(restMs);
  return (cpuUs(side.pid) - before) / restMs;
}

async function rounds(options: Options, members: readonly Member[], watchers: number, measured: Measured[]) {
  const changes = options.own.changes + (options.own.changes % 2);
  for (let round = 0; round < options.rounds; round += 1) {
    say(`${watchers} watchers, round ${round + 1} of ${options.rounds} …`);
    for (const size of sizes) {
      // Forwards and backwards by turns, so that nothing is always measured first.
      for (const member of round % 2 === 0 ? members : members.toReversed()) {
        const known = measured.find((m) => m.watchers === watchers && m.size === size && m.side === member.side.name);
        const one: Measured = known ?? { watchers, size, side: member.side.name, cpuUs: [], lastMs: [] };
        if (known === undefined) measured.push(one);
        const startedMs = performance.now();
        const before = cpuUs(member.side.pid);
        for (let i = 0; i < changes; i += 1) one.lastMs.push((await tell(member, size)).tookMs);
        const took = cpuUs(member.side.pid) - before - member.restUs * (performance.now() - startedMs);
        one.cpuUs.push(took / (changes * watchers));
      }
    }
  }
}

/** Makes a change and waits until everybody has been told. */
async function tell({ side, listeners }: Member, size: Size): Promise<{ tookMs: number; text: string }> {
  const told = Promise.all(listeners.map((one) => one.ask({ type: 'await', messages: 1 })));
  const atMs = await side.change(size);
  const reports = await told;
  return { tookMs: Math.max(...reports.map(({ lastAtMs }) => lastAtMs)) - atMs, text: reports[0]!.text };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function findings(
  options: Options,
  measured: readonly Measured[],
  members: readonly Member[],
  loopDelay: LoopDelay,
): Findings {
  const of = (side: Side['name'], { watchers, size }: Measured) =>
    measured.find((m) => m.side === side && m.watchers === watchers && m.size === size)!;
  const ratio = (over: Measured, under: Measured): Spread => spreadOf(over.cpuUs.map((us, i) => us / under.cpuUs[i]!));
  const products = measured.filter(({ side }) => side === 'product');
  const limits = products.flatMap((one): Limit[] => {
    const what = `${one.size} seats to ${one.watchers}`;
    const most = rawMost[one.size];
    const beside = [
      {
        what: `${what}: of the usual stack's cost`,
        measured: ratio(one, of('stock', one)).median,
        most: 1 / stockLeast[one.size],
        unit: '×',
      },
    ];
    if (most !== undefined)
      beside.unshift({
        what: `${what}: beside a bare broadcast`,
        measured: ratio(one, of('raw', one)).median,
        most,
        unit: '×',
      });
    return beside;
  });
  const costs: Table = {
    title: 'Processor time of the server for one delivery, µs (without what it costs at rest)',
    rows: products.map((one) => ({
      watchers: one.watchers,
      seats: one.size,
      'bare ws': spreadOf(of('raw', one).cpuUs),
      Floodgate: spreadOf(one.cpuUs),
      'usual stack': spreadOf(of('stock', one).cpuUs),
      '× bare': ratio(one, of('raw', one)),
      'usual ×': ratio(of('stock', one), one),
    })),
  };
  const waits: Table = {
    title: 'From the change to the last watcher, ms (Floodgate tells what has changed every 250 ms)',
    rows: products.map((one) => {
      const row = (m: Measured) => `${quantile(m.lastMs, 0.5).toFixed(0)} / ${quantile(m.lastMs, 1).toFixed(0)}`;
      return {
        watchers: one.watchers,
        seats: one.size,
        'bare ws, median / max': row(of('raw', one)),
        'Floodgate, median / max': row(one),
        'usual stack, median / max': row(of('stock', one)),
      };
    }),
  };
  return {
    method: [
      `${options.own.changes} changes of each size in a round, one after the other: the next one is made when everybody has been told. Listeners run in ${options.own['listener-processes']} processes for each server.`,
      `At rest the servers take ${members.map(({ side, restUs }) => `${side.name} ${(restUs * 1_000).toFixed(0)} µs/s`).join(', ')}; that is taken off.`,
      'Processor time is user and system of all threads of the one process that serves; the bare server sends the very text the product has sent, to everybody the same.',
      'Every subscription has an id that the client has made up, as the usual client library does; so Floodgate and the usual stack send nobody the very bytes of another one, and the bare server does.',
    ],
    tables: [costs, waits],
    limits,
    loopDelay,
  };
}

await runBench({ name: 'fanout', own, measure });
