import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { limits } from '../../src/limits.js';
import { collectedBytes } from './memory.js';
import { obey } from './party.js';

/** What a WebSocket costs at least: `ws` with the product's settings, and nothing on top of it. */
export type RawCommand =
  | { readonly type: 'listen' | 'memory' }
  /** One text to everybody. */
  | { readonly type: 'send'; readonly text: string }
  /** Texts to be sent by `replay`. */
  | { readonly type: 'load'; readonly messages: readonly RawMessage[] }
  /** Answers when all of them have been sent. */
  | { readonly type: 'replay' };

/** For one socket, by the order in which they were opened, so many milliseconds after the beginning. */
export interface RawMessage {
  readonly to: number;
  readonly atMs: number;
  readonly text: string;
}

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
let loaded: readonly RawMessage[] = [];

http.on('upgrade', (request, socket, head) =>
  server.handleUpgrade(request, socket, head, (opened) => {
    sockets.add(opened);
    opened.on('close', () => sockets.delete(opened));
    opened.on('error', () => {});
  }),
);

/** In slices of the time in which the product looks for what is due. */
async function replay(): Promise<void> {
  const ordered = [...sockets];
  const messages = loaded.toSorted((a, b) => a.atMs - b.atMs);
  const startedMs = performance.now();
  let next = 0;
  for (let untilMs = limits.presenceEveryMs; next < messages.length; untilMs += limits.presenceEveryMs) {
    await new Promise((resolve) => setTimeout(resolve, startedMs + untilMs - performance.now()));
    for (; next < messages.length && messages[next]!.atMs < untilMs; next += 1)
      ordered[messages[next]!.to]!.send(messages[next]!.text);
  }
}

obey<RawCommand, RawReport>(async (command) => {
  if (command.type === 'listen') {
    await new Promise<void>((resolve) => {
      http.listen({ host: '127.0.0.1', port: 0, backlog: limits.listenBacklog }, resolve);
    });
    url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  }
  if (command.type === 'load') {
    loaded = command.messages;
    // What it took to read them is not part of sending them.
    collectedBytes();
  }
  if (command.type === 'replay') await replay();
  const atMs = Date.now();
  if (command.type === 'send') for (const socket of sockets) socket.send(command.text);
  return { url, sockets: sockets.size, bytes: command.type === 'memory' ? collectedBytes() : 0, atMs };
});
