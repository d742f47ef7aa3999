import WebSocket from 'ws';
import { LoopWatch } from '../support/loop-watch.js';
import { obey } from '../support/party.js';

/** A process of people who watch a seat map: some note when they are told, some stop reading. */
interface Operation {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

export type WatcherCommand =
  | ({
      readonly type: 'open';
      readonly url: string;
      readonly localAddress: string;
      readonly sockets: number;
    } & Operation)
  /** Nobody reads any more, and everybody asks so many times for an answer that will not be read. */
  | ({ readonly type: 'stall'; readonly answers: number } & Operation)
  /** Answers when everybody has been told this version. */
  | { readonly type: 'follow'; readonly version: number }
  | { readonly type: 'close' };

/** From one version to another, as it was told to many. */
export interface Told {
  readonly fromVersion: number;
  readonly version: number;
  /** When each of them was told, ms since 1970. */
  readonly atMs: number[];
}

export interface WatcherReport {
  /** Since the last report. */
  readonly told: readonly Told[];
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

/** Finer than a millisecond, and the same in all processes of the machine. */
const nowMs = () => performance.timeOrigin + performance.now();
const openingAtOnce = 50;

class Watchers {
  readonly #sockets = new Set<WebSocket>();
  readonly #told = new Map<string, Told>();
  #loop = new LoopWatch();
  /** What was told last; nearly everybody is told the same. */
  #lastData: Buffer = Buffer.alloc(0);
  #last: Told | null = null;
  #wanted: { readonly version: number; missing: number; readonly resolve: () => void } | null = null;
  #fail: (error: Error) => void = () => {};

  async open(command: Extract<WatcherCommand, { type: 'open' }>): Promise<void> {
    let left = command.sockets;
    const lane = async () => {
      while (left > 0) {
        left -= 1;
        await this.#openOne(command);
      }
    };
    await Promise.all(Array.from({ length: openingAtOnce }, lane));
  }

  #openOne({ url, localAddress, query, variables }: Extract<WatcherCommand, { type: 'open' }>): Promise<void> {
    const options = { perMessageDeflate: false, skipUTF8Validation: true, localAddress };
    const socket = new WebSocket(url, 'graphql-transport-ws', options);
    this.#sockets.add(socket);
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', (code) => {
        if (this.#sockets.delete(socket)) this.#fail(new Error(`a socket was closed with ${code}`));
      });
      socket.on('open', () => socket.send('{"type":"connection_init"}'));
      // The acknowledgement, then the beginning, then the changes.
      socket.once('message', () => {
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }));
        socket.once('message', () => {
          resolve();
          socket.on('message', (data) => this.#take(data as Buffer));
        });
      });
    });
  }

  #take(data: Buffer): void {
    const atMs = nowMs();
    if (this.#last === null || !data.equals(this.#lastData)) {
      const { fromVersion, version } = JSON.parse(data.toString()).payload.data.seatMapChanged;
      this.#lastData = data;
      const key = `${fromVersion}-${version}`;
      this.#last = this.#told.get(key) ?? { fromVersion, version, atMs: [] };
      this.#told.set(key, this.#last);
    }
    this.#last.atMs.push(atMs);
    if (this.#wanted === null || this.#last.version < this.#wanted.version) return;
    this.#wanted.missing -= 1;
    if (this.#wanted.missing === 0) this.#wanted.resolve();
  }

  async follow(version: number): Promise<void> {
    this.#told.clear();
    this.#last = null;
    this.#loop = new LoopWatch();
    const followed = new Promise<void>((resolve, reject) => {
      this.#wanted = { version, missing: this.#sockets.size, resolve };
      this.#fail = reject;
    });
    await this.#loop.during(() => followed);
  }

  stall({ query, variables, answers }: Extract<WatcherCommand, { type: 'stall' }>): void {
    for (const socket of this.#sockets) {
      socket.pause();
      // What has come this far is still handed over when the socket ends.
      socket.removeAllListeners('message');
      for (let at = 0; at < answers; at += 1)
        socket.send(JSON.stringify({ id: `answer ${at}`, type: 'subscribe', payload: { query, variables } }));
    }
  }

  close(): void {
    for (const socket of this.#sockets) {
      this.#sockets.delete(socket);
      socket.terminate();
    }
  }

  report(): WatcherReport {
    const { p99Ms, maxMs } = this.#loop.result(0);
    return { told: [...this.#told.values()], loopP99Ms: p99Ms, loopMaxMs: maxMs };
  }
}

const watchers = new Watchers();

obey<WatcherCommand, WatcherReport>(async (command) => {
  if (command.type === 'open') await watchers.open(command);
  else if (command.type === 'stall') watchers.stall(command);
  else if (command.type === 'follow') await watchers.follow(command.version);
  else watchers.close();
  return watchers.report();
});
