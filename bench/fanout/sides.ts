import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { RunningRedis } from '../../sandbox/services/redis.js';
import { randomFor } from '../rush/random.js';
import { everybodysSeats, holdIndexes, releaseIndexes } from '../support/changes.js';
import type { BenchClient } from '../support/client.js';
import { startParty } from '../support/party.js';
import { seatChanges, startProduct } from '../support/product.js';
import type { RawCommand, RawReport } from '../support/raw-server.js';
import type { Subscription } from '../support/sockets.js';
import type { Stores } from '../support/stores.js';
import { type StockCommand, type StockReport, stockChannel } from './stock-server.js';

/** One way to tell everybody that seats have changed. */
export interface Side {
  readonly name: 'raw' | 'product' | 'stock';
  readonly pid: number;
  readonly url: string;
  readonly subscription: Subscription;
  /** One change of so many seats; answers when it was made, ms since 1970. */
  change(seats: number): Promise<number>;
}

const stockQuery = 'subscription ($eventId: ID!) { seatMapChanged(eventId: $eventId) { version seats { id state } } }';

interface ProductMessage {
  readonly payload: {
    readonly data: { readonly seatMapChanged: { readonly version: number; seats: string; states: string } };
  };
}

/** The product, started as in earnest; seats are claimed in Redis, as another process of it would. */
export async function productSide(
  stores: Stores,
  client: BenchClient,
  options: { readonly redis: RunningRedis; readonly hallSeats: number; readonly seed: number },
): Promise<Side> {
  const { hallSeats } = options;
  const { api, socketUrl, eventId, ref } = await startProduct(stores, options.redis, { hallSeats, guests: 0 });
  const shown = await everybodysSeats(client, ref);
  const random = randomFor(options.seed, 0);
  let held: { readonly holdId: string; readonly fence: string } | null = null;
  return {
    name: 'product',
    pid: api.pid,
    url: socketUrl,
    subscription: { tokens: null, query: seatChanges, variables: { eventId }, greets: true },
    // Claimed and given back by turns: both change as many seats, so between two sizes the number of changes is even.
    change: async (seats) => {
      if (held === null) {
        const indexes = new Set<number>();
        while (indexes.size < seats) indexes.add(random.pick(shown));
        const holdId = randomUUID();
        const fence = await holdIndexes(client, ref, holdId, [...indexes]);
        held = { holdId, fence };
      } else {
        await releaseIndexes(client, ref, held);
        held = null;
      }
      return Date.now();
    },
  };
}

/** `textOf`: what the product has sent for a change of so many seats. */
export async function rawSide(stores: Stores, textOf: (seats: number) => string): Promise<Side> {
  const party = await startParty<RawCommand, RawReport>(stores, 'bench/support/raw-server.ts');
  const { url } = await party.ask({ type: 'listen' });
  return {
    name: 'raw',
    pid: party.pid,
    url,
    subscription: null,
    change: async (seats) => (await party.ask({ type: 'send', text: textOf(seats) })).atMs,
  };
}

export async function stockSide(stores: Stores, redis: RunningRedis, textOf: (seats: number) => string): Promise<Side> {
  const party = await startParty<StockCommand, StockReport>(stores, 'bench/fanout/stock-server.ts');
  const { url } = await party.ask({ type: 'listen', redisUrl: redis.url });
  const publisher = new Redis(redis.url);
  stores.onStop(async () => publisher.disconnect());
  return {
    name: 'stock',
    pid: party.pid,
    url,
    subscription: { tokens: null, query: stockQuery, variables: { eventId: 'event' }, greets: false },
    change: async (seats) => {
      const { payload } = JSON.parse(textOf(seats)) as ProductMessage;
      const { version, seats: indexes, states } = payload.data.seatMapChanged;
      const changed = indexes.split(',').map((id, at) => ({ id, state: states[at] }));
      const atMs = Date.now();
      await publisher.publish(stockChannel, JSON.stringify({ seatMapChanged: { version, seats: changed } }));
      return atMs;
    },
  };
}
