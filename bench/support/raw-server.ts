import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { limits } from '../../src/limits.js';
import { collectedBytes } from './memory.js';
import { obey } from './party.js';

/** What a WebSocket costs at least: `ws` with the product's settings, and nothing on top of it. */
export type RawCommand = { readonly type: 'listen' | 'memory' } | { readonly type: 'send'; readonly text: string };

export interface RawReport {
  readonly url: string;
  readonly sockets: number;
  /** Heap, external memory and buffers after a collection; 0 unless asked for. */
  readonly bytes: number;
  /** Before the first send, ms since 1970. */
  readonly atMs: number;
}

const http = createServer();
const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
const sockets = new Set<WebSocket>();
let url = '';

http.on('upgrade', (request, socket, head) =>
  server.handleUpgrade(request, socket, head, (opened) => {
    sockets.add(opened);
    opened.on('close', () => sockets.delete(opened));
    opened.on('error', () => {});
  }),
);

obey<RawCommand, RawReport>(async (command) => {
  if (command.type === 'listen') {
    await new Promise<void>((resolve) => {
      http.listen({ host: '127.0.0.1', port: 0, backlog: limits.listenBacklog }, resolve);
    });
    url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  }
  const atMs = Date.now();
  if (command.type === 'send') for (const socket of sockets) socket.send(command.text);
  return { url, sockets: sockets.size, bytes: command.type === 'memory' ? collectedBytes() : 0, atMs };
});
