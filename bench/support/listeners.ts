import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { LoopWatch } from './loop-watch.js';
import { obey } from './party.js';

/** A process of sockets that listen and do nothing else: it counts what it is told. */
export type ListenerCommand =
  | {
      readonly type: 'open';
      readonly url: string;
      readonly localAddress: string;
      readonly sockets: number;
      /** So many are being opened at a time. */
      readonly atOnce: number;
      /** Sent in connection_init and subscribed to; null: a server that sends without being asked. */
      readonly subscription: {
        /** A session for each socket; null: nobody signs in. */
        readonly tokens: readonly string[] | null;
        readonly query: string;
        readonly variables: Readonly<Record<string, unknown>>;
        /** Whether the server sends a first value at once. */
        readonly greets: boolean;
      } | null;
    }
  /** Answers when every socket has been told so many messages since the last answer. */
  | { readonly type: 'await'; readonly messages: number }
  /** Answers at once, and counts from 0 again. */
  | { readonly type: 'count' }
  | { readonly type: 'watch-loop' | 'loop' };

export interface ListenerReport {
  /** When the last of them was told, ms since 1970. */
  readonly lastAtMs: number;
  /** One of the texts. */
  readonly text: string;
  /** Since the last answer. */
  readonly messages: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

const begunInATurn = 20;

class Listeners {
  #loop = new LoopWatch();
  #endLoop: () => void = () => {};
  #sockets = 0;
  #messages = 0;
  #lastAtMs = 0;
  #text = '';
  #wanted: {
    readonly messages: number;
    readonly resolve: () => void;
    readonly reject: (error: Error) => void;
  } | null = null;
  #lost: Error | null = null;

  async open(command: Extract<ListenerCommand, { type: 'open' }>): Promise<void> {
    let next = 0;
    const lane = async () => {
      while (next < command.sockets) {
        next += 1;
        await this.#openOne(command, next - 1);
      }
    };
    const lanes: Promise<void>[] = [];
    for (let at = 0; at < command.atOnce; at += 1) {
      // Beginning so many in one turn of the loop would hold up those that are under way.
      if (at % begunInATurn === 0) await new Promise((resolve) => setImmediate(resolve));
      lanes.push(lane());
    }
    await Promise.all(lanes);
    this.#sockets += command.sockets;
    this.#messages = 0;
  }

  #openOne({ url, localAddress, subscription }: Extract<ListenerCommand, { type: 'open' }>, at: number): Promise<void> {
    const socket = new WebSocket(url, 'graphql-transport-ws', {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      localAddress,
    });
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', (code) => {
        this.#lost = new Error(`a socket was closed with ${code}`);
        reject(this.#lost);
        this.#wanted?.reject(this.#lost);
      });
      if (subscription === null) socket.on('open', () => resolve());
      else {
        const { tokens, query, variables } = subscription;
        const payload = tokens === null ? {} : { token: tokens[at] };
        socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload })));
        socket.once('message', () =>
          // An id of its own, as the usual client library makes it up: nobody is sent the very bytes of another one.
          socket.send(JSON.stringify({ id: randomUUID(), type: 'subscribe', payload: { query, variables } })),
        );
      }
      let seen = 0;
      const skipped = subscription === null ? 0 : subscription.greets ? 2 : 1;
      socket.on('message', (data) => {
        seen += 1;
        // The acknowledgement and a first value belong to opening.
        if (seen > skipped) return this.#told(data as Buffer);
        if (seen === skipped) resolve();
      });
    });
  }

  #told(data: Buffer): void {
    this.#messages += 1;
    if (this.#wanted === null || this.#messages < this.#wanted.messages * this.#sockets) return;
    this.#lastAtMs = Date.now();
    this.#text = data.toString();
    const { resolve } = this.#wanted;
    this.#wanted = null;
    resolve();
  }

  async awaitMessages(messages: number): Promise<void> {
    if (this.#lost !== null) throw this.#lost;
    if (this.#messages < messages * this.#sockets) {
      await new Promise<void>((resolve, reject) => {
        this.#wanted = { messages, resolve, reject };
      });
    }
  }

  watchLoop(): void {
    this.#loop = new LoopWatch();
    void this.#loop.during(
      () =>
        new Promise<void>((resolve) => {
          this.#endLoop = resolve;
        }),
    );
  }

  endLoop(): void {
    this.#endLoop();
  }

  report(): ListenerReport {
    const { p99Ms, maxMs } = this.#loop.result(0);
    const messages = this.#messages;
    this.#messages = 0;
    return { lastAtMs: this.#lastAtMs, text: this.#text, messages, loopP99Ms: p99Ms, loopMaxMs: maxMs };
  }
}

const listeners = new Listeners();

obey<ListenerCommand, ListenerReport>(async (command) => {
  if (command.type === 'open') await listeners.open(command);
  else if (command.type === 'await') await listeners.awaitMessages(command.messages);
  else if (command.type === 'watch-loop') listeners.watchLoop();
  else if (command.type === 'loop') listeners.endLoop();
  return listeners.report();
});
