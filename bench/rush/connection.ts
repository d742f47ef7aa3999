import type { TypedDocumentString } from '../../client/operations.js';
import { RushSocket, type SocketTarget } from './socket.js';

/** Counts of everything a load process receives. */
export interface Traffic {
  deliveries: number;
  bytes: number;
}

export interface Answer<T> {
  readonly data: T;
  readonly ms: number;
}

/** The server answered with GraphQL errors: a mistake of ours or an outage, never an expected refusal. */
export class OperationError extends Error {
  constructor(
    message: string,
    readonly code: string = '',
  ) {
    super(message);
  }
}
/** No answer within the time a client may be expected to wait. */
export class SilenceError extends Error {}
/** The server cannot be reached any more, or has closed the connection for a reason that repeating does not mend. */
export class UnreachableError extends Error {}

type Document<T, V> = TypedDocumentString<T, V>;

interface Call {
  readonly query: string;
  readonly variables: unknown;
  settle(text: string): void;
  fail(error: Error): void;
}

interface Watch {
  readonly query: string;
  /** Asked again at every subscribe, so that a resumed stream says where it stands. */
  variables(): unknown;
  onNext(text: string): void;
  onError(message: string): void;
  /** The id of the present operation. */
  wireId: string;
}

const answerMs = 30_000;
const againMs = 1_000;
const reconnectAttempts = 12;

/**
 * What a page keeps up over one socket after another: the streams it watches and the calls it waits for. After a cut it
 * connects again and repeats both; every mutation may be repeated because it carries its key.
 */
export class Connection {
  readonly #target: SocketTarget;
  readonly #traffic: Traffic;
  readonly #random: () => number;
  readonly #watches = new Map<string, Watch>();
  readonly #wires = new Map<string, Watch>();
  readonly #calls = new Map<string, Call>();
  #socket: RushSocket | null = null;
  #opening: Promise<void> | null = null;
  #serial = 0;
  #closed = false;
  reconnects = 0;
  lastCloseCode = 0;

  constructor(target: SocketTarget, traffic: Traffic, random: () => number) {
    this.#target = target;
    this.#traffic = traffic;
    this.#random = random;
  }

  get connected(): boolean {
    return this.#socket !== null;
  }

  open(): Promise<void> {
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  /** Sends an operation and waits for its one answer. Repeated after a cut; throws one of the errors above. */
  async call<T, V>(document: Document<T, V>, variables: V): Promise<Answer<T>> {
    this.#serial += 1;
    const id = `c${this.#serial}`;
    const startedMs = performance.now();
    const text = await new Promise<string>((resolve, reject) => {
      const patience = setTimeout(() => call.fail(new SilenceError(`no answer within ${answerMs} ms`)), answerMs);
      const call: Call = {
        query: document.toString(),
        variables,
        settle: (answer) => {
          clearTimeout(patience);
          this.#calls.delete(id);
          resolve(answer);
        },
        fail: (error) => {
          clearTimeout(patience);
          this.#calls.delete(id);
          reject(error);
        },
      };
      this.#calls.set(id, call);
      this.#socket?.subscribe(id, call.query, variables);
    });
    const ms = performance.now() - startedMs;
    return { data: dataOf<T>(text), ms };
  }

  /** Keeps a stream up under this id, over cuts, until `unwatch`. The receiver gets the text of each message. */
  watch<T, V>(
    id: string,
    document: Document<T, V>,
    watch: Omit<Watch, 'query' | 'variables' | 'wireId'> & { variables(): V },
  ): void {
    const kept: Watch = { ...watch, query: document.toString(), wireId: '' };
    this.unwatch(id);
    this.#watches.set(id, kept);
    this.#subscribe(id, kept);
  }

  unwatch(id: string): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    this.#watches.delete(id);
    this.#complete(watch);
  }

  /** Takes a message of a stream; one that brings an outage instead is asked for again, a little later. */
  take(id: string, receive: () => void): void {
    try {
      receive();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      setTimeout(() => this.resume(id), againMs);
    }
  }

  /** Ends a stream and begins it again where it stands by now. */
  resume(id: string): void {
    const watch = this.#watches.get(id);
    if (!watch || !this.#socket) return;
    this.#complete(watch);
    this.#subscribe(id, watch);
  }

  /** Every operation has an id of its own: the one before may not have ended at the server. */
  #subscribe(id: string, watch: Watch): void {
    if (this.#socket === null) return;
    this.#serial += 1;
    watch.wireId = `${id}${this.#serial}`;
    this.#wires.set(watch.wireId, watch);
    this.#socket.subscribe(watch.wireId, watch.query, watch.variables());
  }

  #complete({ wireId }: Watch): void {
    if (this.#wires.delete(wireId)) this.#socket?.complete(wireId);
  }

  /** Loses the socket without a word and comes back after `awayMs`. */
  async drop(awayMs: number): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    this.reconnects += 1;
    socket?.terminate();
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    await this.open();
  }

  close(): void {
    this.#closed = true;
    for (const call of this.#calls.values()) call.fail(new UnreachableError('closed by the buyer'));
    this.#socket?.close();
    this.#socket = null;
  }

  async #connect(): Promise<void> {
    let reason = '';
    for (let attempt = 0; attempt < reconnectAttempts && !this.#closed; attempt += 1) {
      if (attempt > 0)
        await new Promise((resolve) => setTimeout(resolve, this.#random() * Math.min(8_000, 250 * 2 ** attempt)));
      try {
        await this.#connectOnce();
        return;
      } catch (error) {
        reason = (error as Error).message;
      }
    }
    throw new UnreachableError(reason);
  }

  async #connectOnce(): Promise<void> {
    const socket: RushSocket = await RushSocket.connect(this.#target, {
      onNext: (id, text) => this.#receive(id, text),
      onEnd: (id, errors) => this.#end(id, errors),
      onClose: (code, retryAfterMs) => this.#lose(socket, code, retryAfterMs),
    });
    if (this.#closed) return socket.close();
    this.#socket = socket;
    this.#wires.clear();
    for (const [id, watch] of this.#watches) this.#subscribe(id, watch);
    for (const [id, call] of this.#calls) socket.subscribe(id, call.query, call.variables);
  }

  #receive(id: string, text: string): void {
    this.#traffic.deliveries += 1;
    this.#traffic.bytes += text.length;
    const watch = this.#wires.get(id);
    if (watch) watch.onNext(text);
    else this.#calls.get(id)?.settle(text);
  }

  #end(id: string, errors: readonly { readonly message: string }[] | null): void {
    if (errors === null) return;
    const message = errors.map((error) => error.message).join('; ');
    this.#wires.get(id)?.onError(message);
    this.#calls.get(id)?.fail(new OperationError(message));
  }

  #lose(socket: RushSocket, code: number, retryAfterMs: number): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    if (this.#closed) return;
    this.lastCloseCode = code;
    this.reconnects += 1;
    const come = () =>
      this.open().catch((error: Error) => {
        for (const call of this.#calls.values()) call.fail(error);
      });
    setTimeout(come, retryAfterMs);
  }
}

interface GraphQLFault {
  readonly message: string;
  readonly extensions?: { readonly code?: string };
}

/** The data of a `next` message; throws OperationError if it has none. */
export function dataOf<T>(text: string): T {
  const { payload } = JSON.parse(text) as { payload: { data?: T | null; errors?: readonly GraphQLFault[] } };
  if (payload.errors?.length || !payload.data) {
    const [first] = payload.errors ?? [];
    throw new OperationError(
      payload.errors?.map((error) => error.message).join('; ') ?? 'no data',
      first?.extensions?.code,
    );
  }
  return payload.data;
}
