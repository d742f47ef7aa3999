import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { GraphQLSchema } from 'graphql';
import type { Config } from '../../src/config.js';
import type { HubCounts } from '../../src/pubsub/hub.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { DocumentCache } from '../../src/server/documents.js';
import { WebSocketEndpoint } from '../../src/server/websocket.js';
import type { TestApp } from './app.js';

export interface Door {
  readonly url: string;
  streams(): HubCounts;
  /** Sockets that are open. */
  open(): number;
  close(): Promise<void>;
}

/** Another WebSocket of the same process: the same services and the same sources behind another hub, or another schema. */
export async function openDoor(
  { server }: TestApp,
  options: { readonly fanout?: Config['fanout']; readonly schema?: GraphQLSchema } = {},
): Promise<Door> {
  const { platform } = server.services;
  const { schema = buildSchema(), fanout = platform.config.fanout } = options;
  const services = { ...server.services, platform: { ...platform, config: { ...platform.config, fanout } } };
  const endpoint = new WebSocketEndpoint({
    schema,
    documents: new DocumentCache(schema),
    services,
    path: '/graphql',
  });
  const http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  endpoint.attach(http);
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    streams: () => endpoint.streams,
    open: () => endpoint.counts.open,
    close: async () => {
      await endpoint.close();
      http.close();
    },
  };
}
