import WebSocket from 'ws';

/** One WebSocket speaking graphql-transport-ws, with nothing in it that a load generator does not need. */
export interface SocketEvents {
  /** The payload of a `next` for an id. `text` is the whole message; parsing it is up to the receiver. */
  onNext(id: string, text: string): void;
  /** The operation has ended: completed by the server, or refused with these errors. */
  onEnd(id: string, errors: readonly { readonly message: string }[] | null): void;
  /** The connection is gone, whoever ended it. Called once, and never before `connect` has resolved. */
  /** `retryAfterMs`: when to come back, as the server has said; 0: at once. */
  onClose(code: number, retryAfterMs: number): void;
}

export interface SocketTarget {
  readonly url: string;
  readonly token: string;
  readonly localAddress: string;
}

const handshakeMs = 30_000;
// An id is read off the start of a message, so that texts shared by thousands of sockets need not be parsed for each.
const nextPattern = /^\{"id":"([^"]{1,20})","type":"next"/;

export class RushSocket {
  readonly #ws: WebSocket;
  readonly #events: SocketEvents;

  private constructor(ws: WebSocket, events: SocketEvents) {
    this.#ws = ws;
    this.#events = events;
  }

  /** Opens and initialises a connection; rejects with the close code or the reason as message. */
  static connect(target: SocketTarget, events: SocketEvents): Promise<RushSocket> {
    const ws = new WebSocket(target.url, 'graphql-transport-ws', {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: handshakeMs,
      localAddress: target.localAddress,
    });
    const socket = new RushSocket(ws, events);
    return new Promise((resolve, reject) => {
      let acknowledged = false;
      const patience = setTimeout(() => ws.terminate(), handshakeMs);
      ws.on('open', () => ws.send(JSON.stringify({ type: 'connection_init', payload: { token: target.token } })));
      ws.on('error', (error) => reject(error));
      ws.on('close', (code, reason) => {
        clearTimeout(patience);
        if (acknowledged) events.onClose(code, Number(/retryAfterMs=(\d+)/.exec(String(reason))?.[1] ?? 0));
        else reject(new Error(`closed with ${code}`));
      });
      ws.on('message', (data: Buffer) => {
        const text = data.toString();
        if (acknowledged) return socket.#receive(text);
        if (!text.includes('connection_ack')) return;
        acknowledged = true;
        clearTimeout(patience);
        resolve(socket);
      });
    });
  }

  subscribe(id: string, query: string, variables: unknown): void {
    this.#ws.send(JSON.stringify({ id, type: 'subscribe', payload: { query, variables } }));
  }

  complete(id: string): void {
    this.#ws.send(JSON.stringify({ id, type: 'complete' }));
  }

  close(): void {
    this.#ws.close(1000);
  }

  /** As a phone that leaves the network: no goodbye. */
  terminate(): void {
    this.#ws.terminate();
  }

  #receive(text: string): void {
    const id = nextPattern.exec(text)?.[1];
    if (id !== undefined) {
      this.#events.onNext(id, text);
      return;
    }
    const message = JSON.parse(text) as { type: string; id?: string; payload?: readonly { message: string }[] };
    if (message.type === 'next') this.#events.onNext(message.id!, text);
    else if (message.type === 'complete') this.#events.onEnd(message.id!, null);
    else if (message.type === 'error') this.#events.onEnd(message.id!, message.payload ?? []);
    else if (message.type === 'ping') this.#ws.send('{"type":"pong"}');
  }
}
