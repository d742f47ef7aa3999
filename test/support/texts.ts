import { limits } from '../../src/limits.js';
import type { Data } from './client.js';
import { openSocket, type RawSocket, subscribeMessage } from './raw-socket.js';

/** One operation, and what was said of it as it came, without its id. */
export interface TextStream {
  readonly texts: readonly string[];
  /** The next message that was not taken. */
  next(): Promise<Data>;
  /** Takes messages until one fits. */
  until(fits: (message: Data) => boolean): Promise<Data>;
}

const open: RawSocket[] = [];

/** Closes all of them: after each test, so that one that has failed leaves nothing to the next. */
export async function closeTexts(): Promise<void> {
  const sockets = open.splice(0);
  for (const { socket } of sockets) socket.close();
  await Promise.all(sockets.map(({ closed }) => closed));
}

/** A socket whose messages are kept as they come, by operation. */
export interface TextSocket {
  readonly raw: RawSocket;
  subscribe(query: string, variables?: object): TextStream;
}

export async function openTexts(url: string, token: string | null): Promise<TextSocket> {
  const raw = await openSocket(url, { init: token === null ? {} : { token } });
  open.push(raw);
  const takes = new Map<string, (text: string) => void>();
  let lastId = 0;
  const read = async () => {
    for (;;) {
      const text = await raw.nextText();
      const { id } = JSON.parse(text);
      const opening = `{"id":${JSON.stringify(id)},`;
      if (!text.startsWith(opening)) throw new Error(`an answer begins otherwise: ${text.slice(0, 100)}`);
      takes.get(id)?.(text.slice(opening.length));
    }
  };
  void read();
  return {
    raw,
    subscribe: (query, variables = {}) => {
      const texts: string[] = [];
      const takers: ((message: Data) => void)[] = [];
      let taken = 0;
      const take = () => JSON.parse(`{${texts[taken++]!}`);
      lastId += 1;
      const id = `operation ${lastId}`;
      takes.set(id, (text) => {
        texts.push(text);
        if (takers.length > 0) takers.shift()!(take());
      });
      raw.send(subscribeMessage(id, query, variables));
      const next = (): Promise<Data> =>
        taken < texts.length ? Promise.resolve(take()) : new Promise((resolve) => takers.push(resolve));
      return {
        texts,
        next,
        until: async (fits) => {
          for (;;) {
            const message = await next();
            if (fits(message)) return message;
          }
        },
      };
    },
  };
}

/** As many streams of as many viewers as a test likes, over as few sockets as the server allows. */
export class TextStreams {
  readonly #url: string;
  readonly #latest = new Map<string | null, { readonly socket: TextSocket; streams: number }>();

  constructor(url: string) {
    this.#url = url;
  }

  async subscribe(token: string | null, query: string, variables: object): Promise<TextStream> {
    let latest = this.#latest.get(token);
    if (latest === undefined || latest.streams === limits.subscriptionsPerSocket) {
      latest = { socket: await openTexts(this.#url, token), streams: 0 };
      this.#latest.set(token, latest);
    }
    latest.streams += 1;
    return latest.socket.subscribe(query, variables);
  }
}
