import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { randomFor } from '../rush/random.js';
import { everybodysSeats, holdIndexes, releaseIndexes } from '../support/changes.js';
import { say } from '../support/command-line.js';
import { cpuUs } from '../support/cpu.js';
import { LoopWatch } from '../support/loop-watch.js';
import type { BenchOptions } from '../support/options.js';
import { type Product, seatChanges, startProduct } from '../support/product.js';
import { runBench } from '../support/program.js';
import type { Findings, Limit } from '../support/report.js';
import { type Spread, spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';

/** What goes over the wire of a large hall: the first snapshot, and what a change of a few seats comes to. */
const own = {
  'hall-seats': { fallback: 60_000, quick: 500, low: 500, high: 100_000, says: 'seats of the hall' },
  snapshots: { fallback: 50, quick: 2, low: 1, high: 10_000, says: 'snapshots in a round, one after the other' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const sizes = [1, 10, 50];
const snapshotMost = 1.2;
const deltaMost = (seats: number) => 250 + 10 * seats;
const allowedLoopDelayMs = 50;

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const { 'hall-seats': hallSeats, snapshots } = options.own;
  const redis = await stores.startRedis();
  const client = await stores.connect(redis);
  const product = await startProduct(stores, redis, { hallSeats, guests: 0 });
  const loop = new LoopWatch();
  const bytes: number[] = [];
  const [tookMs, cost]: [number[], number[]] = [[], []];
  for (let round = 0; round < options.rounds; round += 1) {
    say(`Snapshots, round ${round + 1} of ${options.rounds} …`);
    const before = cpuUs(product.api.pid);
    const startedMs = performance.now();
    for (let i = 0; i < snapshots; i += 1) {
      const watcher = await loop.during(() => Watcher.open(product));
      bytes.push(Buffer.byteLength(watcher.first));
      watcher.close();
    }
    tookMs.push((performance.now() - startedMs) / snapshots);
    cost.push((cpuUs(product.api.pid) - before) / snapshots);
  }
  const watcher = await Watcher.open(product);
  const random = randomFor(options.seed, 0);
  const deltas = new Map<number, number[]>();
  const shown = await everybodysSeats(client, product.ref);
  for (let round = 0; round < options.rounds; round += 1) {
    say(`Changes, round ${round + 1} of ${options.rounds} …`);
    for (const size of sizes) {
      const indexes = new Set<number>();
      while (indexes.size < size) indexes.add(random.pick(shown));
      const holdId = randomUUID();
      const fence = await holdIndexes(client, product.ref, holdId, [...indexes]);
      const held = Buffer.byteLength(await watcher.next());
      await releaseIndexes(client, product.ref, { holdId, fence });
      const freed = Buffer.byteLength(await watcher.next());
      deltas.set(size, [...(deltas.get(size) ?? []), held, freed]);
    }
  }
  watcher.close();
  const times: Spread = spreadOf(bytes.map((length) => length / hallSeats));
  const limits: Limit[] = [
    {
      what: `snapshot of ${hallSeats} seats beside one letter a seat`,
      measured: times.median,
      most: snapshotMost,
      unit: '×',
    },
    ...[...deltas].map(([size, lengths]) => ({
      what: `change of ${size} seats`,
      measured: spreadOf(lengths).high,
      most: deltaMost(size),
      unit: 'bytes',
    })),
  ];
  return {
    method: [
      'Whole messages as they arrive, with the envelope of the protocol; the packed string itself is one letter a seat. Seats of a change are picked at random from the whole hall, which is the dearest case.',
      'A snapshot is measured with a socket of its own: connection, subscription and snapshot.',
    ],
    tables: [
      {
        title: `Snapshot of ${hallSeats} seats`,
        rows: [
          {
            bytes: spreadOf(bytes),
            '× packed': times,
            'from connecting to snapshot, ms': spreadOf(tookMs),
            'server µs': spreadOf(cost),
          },
        ],
      },
      {
        title: 'A change',
        rows: [...deltas].map(([size, lengths]) => ({ seats: size, bytes: spreadOf(lengths) })),
      },
    ],
    limits,
    loopDelay: loop.result(allowedLoopDelayMs),
  };
}

/** One socket that follows the hall. */
class Watcher {
  readonly first: string;
  readonly #socket: WebSocket;
  readonly #texts: string[];
  #taker: ((text: string) => void) | null = null;

  private constructor(socket: WebSocket, first: string) {
    this.#socket = socket;
    this.first = first;
    this.#texts = [];
    socket.on('message', (data) => {
      const text = String(data);
      if (this.#taker === null) this.#texts.push(text);
      else this.#taker(text);
      this.#taker = null;
    });
  }

  static async open({ socketUrl, eventId }: Product): Promise<Watcher> {
    const socket = new WebSocket(socketUrl, 'graphql-transport-ws', { perMessageDeflate: false });
    const message = () => new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))));
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.send('{"type":"connection_init"}');
    await message();
    socket.send(
      JSON.stringify({ id: '1', type: 'subscribe', payload: { query: seatChanges, variables: { eventId } } }),
    );
    return new Watcher(socket, await message());
  }

  next(): Promise<string> {
    const text = this.#texts.shift();
    if (text !== undefined) return Promise.resolve(text);
    return new Promise((resolve) => {
      this.#taker = resolve;
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}

await runBench({ name: 'seatmap', own, measure });
