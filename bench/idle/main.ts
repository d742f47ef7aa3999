import { say } from '../support/command-line.js';
import { LoopWatch } from '../support/loop-watch.js';
import { MemoryReader } from '../support/memory.js';
import type { BenchOptions } from '../support/options.js';
import { startParty } from '../support/party.js';
import { seatChanges, startProduct } from '../support/product.js';
import { runBench } from '../support/program.js';
import type { RawCommand, RawReport } from '../support/raw-server.js';
import type { Findings } from '../support/report.js';
import { openSockets, startListeners } from '../support/sockets.js';
import { spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';

/** What somebody who only listens costs in memory, beside a bare socket. */
const own = {
  sockets: { fallback: 19_000, quick: 200, low: 10, high: 19_500, says: 'sockets to each server' },
  'hall-seats': { fallback: 2_000, quick: 500, low: 500, high: 100_000, says: 'seats of the hall' },
  'listener-processes': { fallback: 2, quick: 1, low: 1, high: 8, says: 'processes that listen, for each server' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const mostTimes = 1.7;
const allowedLoopDelayMs = 50;
const settleMs = 3_000;

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const { sockets, 'hall-seats': hallSeats, 'listener-processes': processes } = options.own;
  const redis = await stores.startRedis();
  await stores.connect(redis);
  const product = await startProduct(stores, redis, { hallSeats, guests: sockets, inspected: true });
  const memory = await MemoryReader.connect(product.api.inspectorPort!);
  stores.onStop(async () => memory.close());
  const raw = await startParty<RawCommand, RawReport>(stores, 'bench/support/raw-server.ts');
  const { url } = await raw.ask({ type: 'listen' });
  const rawBytes = async () => (await raw.ask({ type: 'memory' })).bytes;
  const loop = new LoopWatch();
  // Step by step, so that every step is a measurement of its own and what the first socket of all costs is in none.
  const steps = options.rounds + 1;
  const upTo = (step: number) => Math.floor((step * sockets) / steps);
  const listeners = { raw: await startListeners(stores, processes), product: await startListeners(stores, processes) };
  const perSocket: { readonly raw: number[]; readonly product: number[] } = { raw: [], product: [] };
  let last = { raw: 0, product: 0 };
  for (let step = 0; step < steps; step += 1) {
    const count = upTo(step + 1) - upTo(step);
    say(`Opening sockets ${upTo(step) + 1} to ${upTo(step + 1)} …`);
    const tokens = product.tokens.slice(upTo(step), upTo(step + 1));
    await openSockets(listeners.raw, { url, sockets: count, firstAddress: 2, subscription: null });
    await openSockets(listeners.product, {
      url: product.socketUrl,
      sockets: count,
      firstAddress: 2 + processes,
      subscription: { tokens, query: seatChanges, variables: { eventId: product.eventId }, greets: true },
    });
    await loop.during(() => new Promise((resolve) => setTimeout(resolve, settleMs)));
    const now = { raw: await rawBytes(), product: await memory.collectedBytes() };
    if (step > 0) {
      perSocket.raw.push((now.raw - last.raw) / count);
      perSocket.product.push((now.product - last.product) / count);
    }
    last = now;
  }
  const ratio = spreadOf(perSocket.product.map((bytes, i) => bytes / perSocket.raw[i]!));
  return {
    method: [
      `Sockets are opened in ${steps} steps; a round is what one step adds, the first step is not counted. Everybody has a session of his own and one subscription to the same hall.`,
      'Heap, external memory and buffers after a full collection, read by the inspector (the product) and by v8 itself (the bare server). Memory of the kernel is not in it.',
    ],
    tables: [
      {
        title: `Bytes of one idle socket, ${sockets} of them`,
        rows: [{ 'bare ws': spreadOf(perSocket.raw), Floodgate: spreadOf(perSocket.product), '× bare': ratio }],
      },
    ],
    limits: [{ what: 'memory of a socket beside a bare one', measured: ratio.median, most: mostTimes, unit: '×' }],
    loopDelay: loop.result(allowedLoopDelayMs),
  };
}

await runBench({ name: 'idle', own, measure });
