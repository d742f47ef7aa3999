import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Data } from './client.js';

/** A socket that sends what it is told to, right or wrong, and shows every message it gets. */
export interface RawSocket {
  readonly socket: WebSocket;
  /** An object is sent as JSON, anything else as it is. */
  send(message: object | string): void;
  /** The next message that was not taken. */
  next(): Promise<Data>;
  /** The same as it came. */
  nextText(): Promise<string>;
  /** Takes messages until one fits. */
  until(fits: (message: Data) => boolean): Promise<Data>;
  /** Resolves to how the socket ended. */
  readonly closed: Promise<{ code: number; reason: string }>;
}

export interface RawSocketOptions {
  /** An empty list: none is asked for. */
  readonly protocol?: string | string[];
  /** Sent in connection_init; undefined: nothing is sent. */
  readonly init?: object;
  readonly path?: string;
  /** False: pings of the server are not answered. */
  readonly autoPong?: boolean;
}

export async function openSocket(url: string, options: RawSocketOptions = {}): Promise<RawSocket> {
  const { protocol = 'graphql-transport-ws', init, path = '/graphql', autoPong = true } = options;
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}${path}`, protocol, { autoPong });
  const arrived: string[] = [];
  const takers: ((text: string) => void)[] = [];
  socket.on('message', (data) => {
    const taker = takers.shift();
    if (taker === undefined) arrived.push(String(data));
    else taker(String(data));
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
  await once(socket, 'open');
  const raw: RawSocket = {
    socket,
    closed,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    next: async () => JSON.parse(await raw.nextText()),
    nextText: () =>
      arrived.length > 0 ? Promise.resolve(arrived.shift()!) : new Promise((resolve) => takers.push(resolve)),
    until: async (fits) => {
      for (;;) {
        const message = await raw.next();
        if (fits(message)) return message;
      }
    },
  };
  if (init !== undefined) {
    raw.send({ type: 'connection_init', payload: init });
    const acknowledged = await Promise.race([raw.next(), closed]);
    if (acknowledged.type !== 'connection_ack') throw new Error(`refused: ${JSON.stringify(acknowledged)}`);
  }
  return raw;
}

export function subscribeMessage(id: string, query: string, variables: object = {}): object {
  return { id, type: 'subscribe', payload: { query, variables } };
}
