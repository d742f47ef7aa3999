import type { Duplex } from 'node:stream';
import { GraphQLError } from 'graphql';
import { MessageType } from 'graphql-ws';
import type { WebSocket } from 'ws';
import { limits } from '../limits.js';
import type { LiveStream, Outlet, SharedText } from '../pubsub/hub.js';
import type { Context } from '../resolvers/context.js';

/** Close codes of ours; PROTOCOL.md says what a client does on each. */
export const closeCodes = { serviceRestart: 1012, slowConsumer: 4505, tokenExpired: 4506 } as const;

/** What the connections of an endpoint have in common. */
export interface ConnectionHost {
  readonly corks: Corks;
  elapsedMs(): number;
  /** An error as the client may see it. */
  masked(error: GraphQLError): object;
  receive(connection: Connection, text: string): void;
  /** It is being closed from here, or has been: nothing more is to be sent. */
  left(connection: Connection): void;
  /** `code`: why, as it counts. */
  closed(code: number): void;
}

/** A message that waits until the client has read what was sent before. */
interface WaitingMessage {
  readonly data: string | Buffer;
  readonly sent: () => void;
}

/** What a client has not read that reads slowly. */
interface Arrears {
  readonly sinceMs: number;
  readonly waiting: WaitingMessage[];
  waitingBytes: number;
  /** Senders whose message made the socket lag. */
  readonly drained: (() => void)[];
}

/** Sockets that are written to in this turn of the loop: what goes to one of them goes out together at its end. */
export class Corks {
  readonly #corked: Duplex[] = [];

  /** Puts off what is written to this socket. */
  put(stream: Duplex): void {
    if (stream.writableCorked > 0) return;
    stream.cork();
    if (this.#corked.length === 0)
      setImmediate(() => {
        for (const corked of this.#corked.splice(0)) corked.uncork();
      });
    this.#corked.push(stream);
  }
}

const owner = Symbol('connection');
type OwnedSocket = WebSocket & { [owner]: Connection };
const connectionOf = (socket: WebSocket) => (socket as OwnedSocket)[owner];

/**
 * One socket: what goes out on it, and the operations that run over it. There may be tens of thousands of them that only listen, so it has nothing
 * that it does not need then: listeners are the same for all, and what a slow reader needs is there while it reads slowly.
 */
export class Connection {
  /** How far the client has introduced itself. */
  greeting: 'awaited' | 'judged' | 'acknowledged' = 'awaited';
  /** What its operations are executed with. */
  context: Context;
  /** It has answered since it was last asked whether it is there. */
  isAlive = true;
  readonly openedMs: number;
  readonly host: ConnectionHost;
  readonly #socket: WebSocket;
  /** The stream under it. */
  readonly #stream: Duplex;
  /** The latest first; each knows the next. */
  #operations: Operation | null = null;
  #arrears: Arrears | null = null;
  /** The code with which it was closed from here. */
  #closedWith: number | null = null;

  constructor(host: ConnectionHost, socket: WebSocket, stream: Duplex, context: Context) {
    this.host = host;
    this.#socket = socket;
    this.#stream = stream;
    this.context = context;
    this.openedMs = host.elapsedMs();
    (socket as OwnedSocket)[owner] = this;
    socket.on('message', onMessage);
    socket.on('pong', onPong);
    socket.on('error', onError);
    socket.on('close', onClose);
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  get isLagging(): boolean {
    return this.#arrears !== null;
  }

  /** What is kept for a client that reads slowly, sent or waiting. */
  get unreadBytes(): number {
    return this.#arrears === null ? 0 : this.#socket.bufferedAmount + this.#arrears.waitingBytes;
  }

  *operations(): Generator<Operation> {
    for (let operation = this.#operations; operation !== null; operation = operation.next) yield operation;
  }

  /** One that runs, and that the client has not called off. */
  find(id: string): Operation | null {
    for (let operation = this.#operations; operation !== null; operation = operation.next)
      if (operation.id === id && !operation.isCalledOff) return operation;
    return null;
  }

  add(operation: Operation): void {
    operation.next = this.#operations;
    this.#operations = operation;
  }

  remove(operation: Operation): void {
    if (this.#operations === operation) {
      this.#operations = operation.next;
      return;
    }
    for (const before of this.operations()) if (before.next === operation) before.next = operation.next;
  }

  /**
   * Nothing to wait for while the client keeps up. Else the message waits, and its stream with it, until the client has read: the stream then
   * pulls the newest state.
   */
  send(data: string | Buffer): Promise<void> | void {
    if (!this.isOpen) return;
    const arrears = this.#arrears;
    if (arrears === null) {
      const behind = this.#write(data);
      return behind === null ? undefined : new Promise((resolve) => behind.drained.push(resolve));
    }
    arrears.waitingBytes += weightOf(data);
    if (arrears.waitingBytes > limits.socketHardBufferedBytes) return this.readsTooSlowly();
    return new Promise((sent) => arrears.waiting.push({ data, sent }));
  }

  /**
   * Closes with a code. A client that reads slowly gets the code behind what it has not read yet, if it reads that soon enough; its streams
   * end when the socket does.
   */
  end(code: number, reason: string): void {
    this.host.left(this);
    this.#letGo();
    if (!this.isOpen) return;
    this.#closedWith = code;
    this.#socket.close(code, closeReason(reason));
    const cut = setTimeout(() => this.#socket.terminate(), limits.socketDrainMs);
    this.#socket.once('close', () => clearTimeout(cut));
  }

  /** Resolves when the socket has ended. */
  whenClosed(): Promise<void> {
    return new Promise((resolve) => this.#socket.once('close', () => resolve()));
  }

  readsTooSlowly(): void {
    this.end(closeCodes.slowConsumer, 'You read too slowly.');
  }

  /** Asks whether it is there. Who did not answer the last time is cut off. */
  ping(): void {
    // It would wait behind what has not been read; for how long, `socketLaggingMs` says.
    if (this.#arrears !== null) return;
    if (!this.isAlive) {
      this.#socket.terminate();
      return;
    }
    this.isAlive = false;
    this.#socket.ping();
  }

  /** Looks whether a slow reader has read everything, or has taken too long. */
  sweep(elapsedMs: number): void {
    if (this.#arrears === null) return;
    if (this.#socket.bufferedAmount === 0) this.#resume(this.#arrears);
    else if (elapsedMs - this.#arrears.sinceMs > limits.socketLaggingMs) this.readsTooSlowly();
  }

  received(data: unknown, isBinary: boolean): void {
    // What was on its way when the socket was closed from here is not acted upon.
    if (!this.isOpen) return;
    // Nothing binary is a message of the protocol, and neither is nothing.
    this.host.receive(this, isBinary ? '' : String(data));
  }

  hasClosed(code: number): void {
    this.host.left(this);
    this.#letGo();
    for (const operation of [...this.operations()]) operation.callOff();
    // Who does not answer the goodbye is cut off, which would count as a broken connection.
    this.host.closed(this.#closedWith ?? code);
  }

  /** Not null: the client is behind. */
  #write(data: string | Buffer): Arrears | null {
    // A frame is whole and nothing of the library is ever half written: without compression it writes at once, and in two parts.
    if (typeof data === 'string') {
      this.host.corks.put(this.#stream);
      this.#stream.write(textFrame(data));
    } else this.#stream.write(data);
    if (this.#socket.bufferedAmount <= limits.socketSoftBufferedBytes) return null;
    this.#stream.uncork();
    if (this.#socket.bufferedAmount <= limits.socketSoftBufferedBytes) return null;
    this.#arrears = { sinceMs: this.host.elapsedMs(), waiting: [], waitingBytes: 0, drained: [] };
    return this.#arrears;
  }

  /** The client has read everything: what waits is sent, until it is too much again. */
  #resume({ waiting, drained }: Arrears): void {
    this.#arrears = null;
    this.isAlive = true;
    let sent = 0;
    let again: Arrears | null = null;
    while (sent < waiting.length && again === null) {
      again = this.#write(waiting[sent]!.data);
      sent += 1;
    }
    const done = waiting.splice(0, sent);
    if (again !== null) {
      again.waiting.push(...waiting);
      again.waitingBytes = waiting.reduce((sum, { data }) => sum + weightOf(data), 0);
    }
    for (const resume of drained) resume();
    for (const message of done) message.sent();
  }

  /** Nobody waits any more for a socket that has ended. */
  #letGo(): void {
    if (this.#arrears === null) return;
    const { drained, waiting } = this.#arrears;
    this.#arrears = null;
    for (const resume of drained) resume();
    for (const message of waiting) message.sent();
  }
}

/**
 * One operation until it has ended; where the texts of a subscription go. An operation that the client has called off may still be at work, and
 * counts until it is done.
 */
export class Operation implements Outlet {
  readonly id: string;
  readonly subscribes: boolean;
  isCalledOff = false;
  next: Operation | null = null;
  readonly #connection: Connection;
  #stream: LiveStream | null = null;

  constructor(connection: Connection, id: string, subscribes: boolean) {
    this.#connection = connection;
    this.id = id;
    this.subscribes = subscribes;
    connection.add(this);
  }

  /** Texts go straight to the socket. */
  deliver(payload: string, shared: SharedText | null): Promise<void> | void {
    if (this.isCalledOff) return;
    const { id } = this;
    if (shared === null) return this.#connection.send(`${openingOf(id)}${payload}}`);
    let frame = shared.messages.get(id);
    if (frame === undefined) {
      shared.rest ??= Buffer.from(`${payload}}`);
      frame = joinedFrame(openingOf(id), shared.rest);
      // Some clients number their operations alike; whoever makes ids up, as the usual library does, has a frame of his own.
      if (shared.messages.size < limits.framesPerText) shared.messages.set(id, frame);
    }
    return this.#connection.send(frame);
  }

  run(stream: LiveStream): void {
    if (this.isCalledOff || !this.#connection.isOpen) {
      this.#connection.remove(this);
      stream.stop();
      return;
    }
    this.#stream = stream;
    stream.begin();
  }

  /** By itself: there is no more to tell, or it broke. */
  ended(error: Error | null): void {
    this.#connection.remove(this);
    if (this.isCalledOff) return;
    this.isCalledOff = true;
    const { id } = this;
    const failure = error && new GraphQLError(error.message, { originalError: error });
    const message =
      failure === null
        ? { id, type: MessageType.Complete }
        : { id, type: MessageType.Error, payload: [this.#connection.host.masked(failure)] };
    void this.#connection.send(JSON.stringify(message));
  }

  /** The client wants no more of it, or is gone. */
  callOff(): void {
    this.isCalledOff = true;
    if (this.#stream === null) return;
    this.#connection.remove(this);
    this.#stream.stop();
  }
}

/** Of a message with something new. */
const openingOf = (id: string) => `{"id":${JSON.stringify(id)},"type":"next","payload":`;

function onMessage(this: WebSocket, data: unknown, isBinary: boolean): void {
  connectionOf(this).received(data, isBinary);
}

function onPong(this: WebSocket): void {
  connectionOf(this).isAlive = true;
}

/** A broken frame or a message over the limit: ws closes the socket with the right code by itself. */
function onError(): void {}

function onClose(this: WebSocket, code: number): void {
  connectionOf(this).hasClosed(code);
}

/** What a message takes that waits: itself, and those who wait for it to be sent. */
const weightOf = (data: string | Buffer) => Buffer.byteLength(data) + limits.waitingMessageBytes;

/** Text within the 123 bytes that a close frame can carry. */
const closeReason = (reason: string) =>
  Buffer.from(reason)
    .subarray(0, 120)
    .toString('utf8')
    .replace(/\ufffd+$/u, '');

/** A message as it goes over the wire. */
function textFrame(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const frame = frameFor(bytes);
  frame.write(text, frame.length - bytes);
  return frame;
}

/** The same where most of it is bytes already: half the work, and less of it the longer it is. */
function joinedFrame(opening: string, rest: Buffer): Buffer {
  const bytes = Buffer.byteLength(opening) + rest.length;
  const frame = frameFor(bytes);
  frame.write(opening, frame.length - bytes);
  frame.set(rest, frame.length - rest.length);
  return frame;
}

/** One text frame, final, not masked (RFC 6455), whose last bytes are to be filled with so many of text. */
function frameFor(bytes: number): Buffer {
  const header = bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + bytes);
  frame[0] = 0x81;
  frame[1] = header === 2 ? bytes : header === 4 ? 126 : 127;
  if (header === 4) frame.writeUInt16BE(bytes, 2);
  else if (header === 10) frame.writeBigUInt64BE(BigInt(bytes), 2);
  return frame;
}
