import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSchema } from 'graphql';
import { RedisPubSub } from 'graphql-redis-subscriptions';
import { useServer } from 'graphql-ws/use/ws';
import { Redis } from 'ioredis';
import { WebSocketServer } from 'ws';
import { limits } from '../../src/limits.js';
import { obey } from '../support/party.js';

/**
 * The usual way: graphql-ws serves the sockets, graphql-redis-subscriptions gives every subscriber an iterator, and graphql executes for each
 * of them. Put together as the libraries' own documentation shows it, with a seat as an object of the schema.
 */
export interface StockCommand {
  readonly type: 'listen';
  readonly redisUrl: string;
}

export interface StockReport {
  readonly url: string;
}

export const stockChannel = 'SEAT_MAP_CHANGED';

const schema = buildSchema(`
  type SeatMapChange { version: Int! seats: [SeatState!]! }
  type SeatState { id: ID! state: String! }
  type Query { nothing: Int }
  type Subscription { seatMapChanged(eventId: ID!): SeatMapChange! }
`);

obey<StockCommand, StockReport>(async ({ redisUrl }) => {
  const pubsub = new RedisPubSub({ publisher: new Redis(redisUrl), subscriber: new Redis(redisUrl) });
  const field = schema.getSubscriptionType()!.getFields().seatMapChanged!;
  field.subscribe = () => pubsub.asyncIterableIterator(stockChannel);
  const http = createServer();
  const sockets = new WebSocketServer({ server: http, path: '/graphql', perMessageDeflate: false });
  useServer({ schema }, sockets);
  await new Promise<void>((resolve) => {
    http.listen({ host: '127.0.0.1', port: 0, backlog: limits.listenBacklog }, resolve);
  });
  return { url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/graphql` };
});
