import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type ExecutionArgs,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
  type OperationTypeNode,
} from 'graphql';
import {
  CloseCode,
  GRAPHQL_TRANSPORT_WS_PROTOCOL,
  handleProtocols,
  MessageType,
  makeServer,
  type Server,
  type ServerOptions,
} from 'graphql-ws';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import { limits } from '../limits.js';
import { Execution } from '../pubsub/execution.js';
import { Hub, type HubCounts, type LiveStream, type Outlet } from '../pubsub/hub.js';
import type { Context } from '../resolvers/context.js';
import type { Viewer } from '../services/platform.js';
import type { Services } from '../services/services.js';
import {
  CloseCounts,
  makeOperationCounts,
  type OperationCounts,
  type OperationKind,
  outcomeOf,
  type SocketCounts,
} from './counts.js';
import type { DocumentCache } from './documents.js';
import { maskError } from './masking.js';

/** Close codes of ours; PROTOCOL.md says what a client does on each. */
export const closeCodes = { serviceRestart: 1012, slowConsumer: 4505, tokenExpired: 4506 } as const;

/** A message that waits until the client has read what was sent before. */
interface WaitingMessage {
  readonly data: string | Buffer;
  readonly sent: () => void;
}

/** One connection as the adapter keeps it. */
interface Connection {
  readonly socket: WebSocket;
  /** The stream under it. */
  readonly stream: Duplex;
  /** What is written in this turn of the loop goes out together at its end. */
  corked: boolean;
  viewer: Viewer | null;
  alive: boolean;
  laggingSinceMs: number | null;
  waiting: WaitingMessage[];
  waitingBytes: number;
  /** Senders whose message made the socket lag. */
  drained: (() => void)[];
  /** The code with which it was closed from here. */
  closedWith: number | null;
  /** Operations that have not finished, by id. */
  readonly operations: Map<string, Operation>;
}

/** A subscription that runs is its stream; the library has nothing to do with it any more, and keeps nothing of it. */
type Operation = 'answer' | 'subscription' | LiveStream;

type ProtocolResult = Extract<Awaited<ReturnType<NonNullable<ServerOptions['onNext']>>>, object>;

interface OperationArgs extends ExecutionArgs {
  readonly kind: `${OperationTypeNode}`;
  /** Where its texts go. */
  readonly outlet: Outlet;
  /** The client has not called it off. */
  readonly isWanted: () => boolean;
}

interface Extra {
  readonly connection: Connection;
}

export interface WebSocketOptions {
  readonly schema: GraphQLSchema;
  readonly documents: DocumentCache;
  readonly services: Services;
  readonly path: string;
}

type ProtocolStream = AsyncIterableIterator<never>;
const noMore = Promise.resolve({ value: undefined, done: true as const });
const nothingMore: ProtocolStream = {
  [Symbol.asyncIterator]: () => nothingMore,
  next: () => noMore,
  return: () => noMore,
};

/** Text within the 123 bytes that a close frame can carry. */
const closeReason = (reason: string | undefined) =>
  Buffer.from(reason ?? '')
    .subarray(0, 120)
    .toString('utf8')
    .replace(/\ufffd+$/u, '');

/**
 * The GraphQL transport over WebSocket (graphql-transport-ws). A slow reader stops its own streams only: they keep a cursor each and go on
 * from the newest state when the socket has drained. One answer may be large; what comes on top of it while the client has not read it
 * waits, within the hard limit.
 */
export class WebSocketEndpoint {
  readonly closes = new CloseCounts(Object.values(closeCodes));
  /** Queries and mutations that were answered; subscriptions that were opened; whatever was refused. */
  readonly operations: OperationCounts = makeOperationCounts();
  readonly #options: WebSocketOptions;
  readonly #log: Logger;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.websocketMessageBytes,
    handleProtocols,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #connections = new Set<Connection>();
  readonly #protocol: Server<Extra>;
  readonly #hub: Hub;
  readonly #execution = new Execution((result) => this.#format(result));
  readonly #timer: NodeJS.Timeout;
  readonly #forget: () => void;
  readonly #corked: Connection[] = [];
  /** However many sessions end, everybody is looked at once a sweep. */
  #hasNewsOfRevoked = false;
  #pingDueMs: number;
  #closing = false;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#log = options.services.platform.log;
    this.#hub = this.#makeHub();
    this.#protocol = this.#makeProtocol();
    this.#forget = options.services.revocations.onRevoked(() => {
      this.#hasNewsOfRevoked = true;
    });
    this.#pingDueMs = this.#elapsedMs() + limits.socketPingMs;
    this.#timer = setInterval(() => this.#sweep(), limits.socketSweepMs);
  }

  attach(http: HttpServer): void {
    http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const refuse = (status: string) => socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      // From here on nobody else listens for the errors of this socket, and an unheard one would end the process.
      socket.on('error', () => socket.destroy());
      if (request.url?.split('?')[0] !== this.#options.path) return refuse('404 Not Found');
      if (this.#closing) return refuse('503 Service Unavailable');
      return this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#open(webSocket, socket));
    });
  }

  get streams(): HubCounts {
    return this.#hub.counts;
  }

  get counts(): SocketCounts {
    const lagging = [...this.#connections].filter(({ laggingSinceMs }) => laggingSinceMs !== null);
    const unreadBytes = lagging.reduce(
      (sum, { socket, waitingBytes }) => sum + socket.bufferedAmount + waitingBytes,
      0,
    );
    return { open: this.#connections.size, lagging: lagging.length, unreadBytes };
  }

  /**
   * Says goodbye to everybody; who does not answer in time is cut off. Each is told when to come back: all at once would be a storm of its own.
   */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#timer);
    const closed = [...this.#connections].map(
      ({ socket }) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    );
    this.#forget();
    for (const [place, connection] of [...this.#connections].entries()) {
      const retryAfterMs = Math.round((place * 1_000) / limits.reconnectsPerSecond);
      this.#end(connection, closeCodes.serviceRestart, `retryAfterMs=${retryAfterMs}`);
    }
    await Promise.all(closed);
    this.#sockets.close();
  }

  #elapsedMs(): number {
    return this.#options.services.platform.clock.elapsedMs();
  }

  #makeProtocol(): Server<Extra> {
    const { services, documents, schema } = this.#options;
    return makeServer<Record<string, unknown>, Extra>({
      connectionInitWaitTimeout: limits.socketInitMs,
      onConnect: async (ctx) => {
        const { connectionParams, extra } = ctx;
        const token = tokenOf(connectionParams);
        if (token === null) return true;
        // It is not needed again, and there may be very many.
        Reflect.deleteProperty(ctx, 'connectionParams');
        extra.connection.viewer = await services.tokens.viewer(token);
        return extra.connection.viewer !== null;
      },
      onSubscribe: (ctx, id, payload) => {
        const { connection } = ctx.extra;
        const { query, operationName, variables } = payload;
        if (id.length > limits.idLength)
          return this.#refuse('unknown', [tooMany('The id of the operation is too long.')]);
        if (connection.operations.has(id)) {
          // The client has completed it, but it has not ended here: the library would mix the two up.
          this.#end(connection, CloseCode.SubscriberAlreadyExists, `Subscriber for ${id} already exists`);
          return [tooMany('The id of the operation is in use.')];
        }
        const prepared = documents.prepare(query);
        if ('errors' in prepared) return this.#refuse('unknown', prepared.errors);
        const { document, text } = prepared;
        // The library keeps it as long as the operation runs: the same text for all.
        Object.assign(payload, { query: text });
        const operation = getOperationAST(document, operationName);
        if (!operation) return this.#refuse('unknown', [noOperation()]);
        const subscribes = operation.operation === 'subscription';
        const refused = overBound(connection.operations, subscribes);
        if (refused !== null) return this.#refuse(operation.operation, [refused]);
        connection.operations.set(id, subscribes ? 'subscription' : 'answer');
        const contextValue: Context = { services, viewer: connection.viewer };
        return {
          schema,
          document,
          operationName: operationName ?? null,
          variableValues: variables ?? null,
          contextValue,
          kind: operation.operation,
          outlet: this.#outletOf(connection, id),
          isWanted: () => id in ctx.subscriptions,
        } satisfies OperationArgs;
      },
      onComplete: ({ extra: { connection } }, id) => {
        if (typeof connection.operations.get(id) === 'string') connection.operations.delete(id);
      },
      execute: (args) => this.#answer(args as OperationArgs),
      // It is given what the library takes for a result, and asked for again as soon as it comes.
      subscribe: (args) => this.#hub.subscribe(args, (args as OperationArgs).outlet) as Promise<ProtocolStream>,
      onOperation: ({ subscriptions, extra: { connection } }, id, _payload, _args, result) => {
        if (!isLiveStream(result)) return undefined;
        this.operations.subscription.ok += 1;
        // The client has completed it, or gone, before it was open.
        if (!(id in subscriptions) || connection.socket.readyState !== connection.socket.OPEN) result.stop();
        else this.#run(connection, id, result);
        // To the library it has ended, without a word to the client.
        Reflect.deleteProperty(subscriptions, id);
        return nothingMore;
      },
      onNext: (_ctx, _id, _payload, args, result) => {
        this.operations[(args as OperationArgs).kind][outcomeOf(result)] += 1;
        // The protocol sends formatted errors; its types speak of executed ones.
        return result.errors === undefined ? undefined : (this.#format(result) as ProtocolResult);
      },
      onError: ({ extra }, id, _payload, errors) => {
        extra.connection.operations.delete(id);
        return this.#mask(errors as readonly GraphQLError[]);
      },
    });
  }

  /** The text goes straight to the socket, as those of a stream do. What the library is given for it has ended already. */
  async #answer(args: OperationArgs): Promise<ProtocolStream> {
    const { text, failed } = await this.#execution.answer(this.#execution.prepare(args));
    this.operations[args.kind][failed ? 'error' : 'ok'] += 1;
    if (args.isWanted()) await args.outlet(text, null);
    return nothingMore;
  }

  #run(connection: Connection, id: string, stream: LiveStream): void {
    connection.operations.set(id, stream);
    stream.begin((error) => {
      if (connection.operations.get(id) !== stream) return;
      connection.operations.delete(id);
      const failure = error && new GraphQLError(error.message, { originalError: error });
      const message =
        failure === null ? { id, type: 'complete' } : { id, type: 'error', payload: this.#mask([failure]) };
      void this.#send(connection, JSON.stringify(message));
    });
  }

  #makeHub(): Hub {
    const { services } = this.#options;
    return new Hub({
      shares: services.platform.config.fanout === 'shared',
      execution: this.#execution,
      sharedContext: (onViewer) =>
        ({
          services,
          get viewer() {
            return onViewer();
          },
        }) satisfies Context,
      onMistake: (error, operation) => this.#log.error({ err: error, operation }, 'a subscription is not shared'),
    });
  }

  #refuse(kind: OperationKind, errors: readonly GraphQLError[]): GraphQLError[] {
    this.operations[kind].error += 1;
    return [...errors];
  }

  /** Texts of a stream go straight to the socket: the library would make and send each of them by itself. */
  #outletOf(connection: Connection, id: string): Outlet {
    const opening = `{"id":${JSON.stringify(id)},"type":"next","payload":`;
    return (payload, shared) => {
      if (shared === null) return this.#send(connection, `${opening}${payload}}`);
      let frame = shared.messages.get(id);
      if (frame === undefined) {
        shared.rest ??= Buffer.from(`${payload}}`);
        frame = joinedFrame(opening, shared.rest);
        // Some clients number their operations alike; whoever makes ids up, as the usual library does, has a frame of his own.
        if (shared.messages.size < limits.framesPerText) shared.messages.set(id, frame);
      }
      return this.#send(connection, frame);
    };
  }

  #format({ errors, ...rest }: { readonly errors?: readonly GraphQLError[] | undefined }): object {
    return errors === undefined ? rest : { ...rest, errors: this.#mask(errors) };
  }

  #mask(errors: readonly GraphQLError[]): GraphQLFormattedError[] {
    return errors.map((error) => maskError(error.toJSON(), error, this.#log));
  }

  /** Parsed here: the library would keep the text as long as the operation runs. */
  async #receive(connection: Connection, text: string, receive: (message: string) => Promise<void>): Promise<void> {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return this.#end(connection, CloseCode.BadRequest, 'Invalid message received');
    }
    if (completes(message) && stopStream(connection, message.id)) return;
    // It takes what is parsed just as well, whatever its type says; but a string it would parse again.
    return typeof message === 'string'
      ? this.#end(connection, CloseCode.BadRequest, 'Invalid message received')
      : receive(message as string);
  }

  #open(socket: WebSocket, stream: Duplex): void {
    const connection: Connection = {
      socket,
      stream,
      corked: false,
      viewer: null,
      alive: true,
      laggingSinceMs: null,
      waiting: [],
      waitingBytes: 0,
      drained: [],
      closedWith: null,
      operations: new Map(),
    };
    this.#connections.add(connection);
    const failed = (error: unknown) => {
      this.#log.error({ err: error }, 'a message could not be handled');
      this.#end(connection, 1011, 'Internal error');
    };
    const closed = this.#protocol.opened(
      {
        protocol: socket.protocol === GRAPHQL_TRANSPORT_WS_PROTOCOL ? socket.protocol : '',
        send: (data) => this.#send(connection, data),
        close: (code, reason) => this.#end(connection, code ?? 1000, reason ?? ''),
        // Not the library's, which writes back whatever came with the ping, as deep as it may be.
        onPing: async () => this.#send(connection, pong),
        onMessage: (receive) => {
          socket.on('message', (data, isBinary) => {
            // What was on its way when the socket was closed from here is not acted upon.
            if (socket.readyState !== socket.OPEN) return;
            if (isBinary) this.#end(connection, CloseCode.BadRequest, 'Invalid message received');
            else this.#receive(connection, String(data), receive).catch(failed);
          });
        },
      },
      { connection },
    );
    socket.on('pong', () => {
      connection.alive = true;
    });
    socket.on('error', () => {
      // A broken frame or a message over the limit: ws closes the socket with the right code by itself.
    });
    socket.once('close', (code, reason) => {
      this.#connections.delete(connection);
      letGo(connection);
      for (const id of [...connection.operations.keys()]) stopStream(connection, id);
      // Who does not answer the goodbye is cut off, which would count as a broken connection.
      this.closes.add(connection.closedWith ?? code);
      closed(code, String(reason)).catch((error) => this.#log.error({ err: error }, 'a stream could not be ended'));
    });
  }

  /**
   * Closes with a code. A client that reads slowly gets the code behind what it has not read yet, if it reads that soon enough; its streams
   * end when the socket does.
   */
  #end(connection: Connection, code: number, reason: string): void {
    const { socket } = connection;
    this.#connections.delete(connection);
    letGo(connection);
    if (socket.readyState !== socket.OPEN) return;
    connection.closedWith = code;
    socket.close(code, closeReason(reason));
    const cut = setTimeout(() => socket.terminate(), limits.socketDrainMs);
    socket.once('close', () => clearTimeout(cut));
  }

  /**
   * Resolves at once while the client keeps up. Else the message waits, and its stream with it, until the client has read: the stream then
   * pulls the newest state.
   */
  #send(connection: Connection, data: string | Buffer): Promise<void> | void {
    const { socket } = connection;
    if (socket.readyState !== socket.OPEN) return;
    if (connection.laggingSinceMs === null) {
      this.#write(connection, data);
      if (connection.laggingSinceMs === null) return;
      return new Promise((resolve) => connection.drained.push(resolve));
    }
    connection.waitingBytes += weightOf(data);
    if (connection.waitingBytes > limits.socketHardBufferedBytes) {
      this.#end(connection, closeCodes.slowConsumer, 'You read too slowly.');
      return;
    }
    return new Promise((sent) => connection.waiting.push({ data, sent }));
  }

  #write(connection: Connection, data: string | Buffer): void {
    const { socket, stream } = connection;
    // A frame is whole and nothing of the library is ever half written: without compression it writes at once, and in two parts.
    if (typeof data === 'string') {
      this.#cork(connection);
      stream.write(textFrame(data));
    } else stream.write(data);
    if (socket.bufferedAmount <= limits.socketSoftBufferedBytes) return;
    this.#uncork(connection);
    if (socket.bufferedAmount > limits.socketSoftBufferedBytes) connection.laggingSinceMs = this.#elapsedMs();
  }

  /** An answer and its end, and answers to what came together, are one write to the kernel. */
  #cork(connection: Connection): void {
    if (connection.corked) return;
    connection.corked = true;
    connection.stream.cork();
    if (this.#corked.length === 0)
      setImmediate(() => {
        for (const corked of this.#corked.splice(0)) this.#uncork(corked);
      });
    this.#corked.push(connection);
  }

  #uncork(connection: Connection): void {
    if (!connection.corked) return;
    connection.corked = false;
    connection.stream.uncork();
  }

  #ping(): void {
    for (const connection of this.#connections) {
      // It would wait behind what has not been read; for how long, `socketLaggingMs` says.
      if (connection.laggingSinceMs !== null) continue;
      if (!connection.alive) {
        connection.socket.terminate();
        continue;
      }
      connection.alive = false;
      connection.socket.ping();
    }
  }

  #endRevoked(): void {
    const { revocations } = this.#options.services;
    for (const connection of this.#connections) {
      if (connection.viewer !== null && revocations.isRevoked(connection.viewer))
        this.#end(connection, CloseCode.Forbidden, 'The session has ended.');
    }
  }

  #sweep(): void {
    if (this.#hasNewsOfRevoked) {
      this.#hasNewsOfRevoked = false;
      this.#endRevoked();
    }
    const [nowMs, elapsedMs] = [this.#options.services.platform.clock.nowMs(), this.#elapsedMs()];
    for (const connection of this.#connections) {
      const { socket, viewer, laggingSinceMs } = connection;
      if (viewer !== null && viewer.expiresAtMs <= nowMs) {
        this.#end(connection, closeCodes.tokenExpired, 'The token has expired.');
      } else if (laggingSinceMs !== null && socket.bufferedAmount === 0) {
        this.#resume(connection);
      } else if (laggingSinceMs !== null && elapsedMs - laggingSinceMs > limits.socketLaggingMs) {
        this.#end(connection, closeCodes.slowConsumer, 'You read too slowly.');
      }
    }
    if (elapsedMs < this.#pingDueMs) return;
    this.#pingDueMs = elapsedMs + limits.socketPingMs;
    this.#ping();
  }

  /** The client has read everything: what waits is sent, until it is too much again. */
  #resume(connection: Connection): void {
    connection.laggingSinceMs = null;
    connection.alive = true;
    let sent = 0;
    while (sent < connection.waiting.length && connection.laggingSinceMs === null) {
      this.#write(connection, connection.waiting[sent]!.data);
      sent += 1;
    }
    const done = connection.waiting.splice(0, sent);
    connection.waitingBytes -= done.reduce((sum, { data }) => sum + weightOf(data), 0);
    const { drained } = connection;
    connection.drained = [];
    for (const resume of drained) resume();
    for (const message of done) message.sent();
  }
}

const pong = JSON.stringify({ type: MessageType.Pong });

/** What a message takes that waits: itself, and those who wait for it to be sent. */
const weightOf = (data: string | Buffer) => Buffer.byteLength(data) + limits.waitingMessageBytes;

/** Nobody waits any more for a socket that has ended. */
function letGo(connection: Connection): void {
  for (const resume of connection.drained.splice(0)) resume();
  for (const message of connection.waiting.splice(0)) message.sent();
  connection.waitingBytes = 0;
}

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

function isLiveStream(result: object): result is LiveStream {
  return 'begin' in result;
}

function completes(message: unknown): message is { readonly id: string } {
  return (message as { readonly type?: unknown } | null)?.type === 'complete';
}

/** False: none is running under this id. */
function stopStream(connection: Connection, id: string): boolean {
  const stream = connection.operations.get(id);
  if (stream === undefined || typeof stream === 'string') return false;
  connection.operations.delete(id);
  stream.stop();
  return true;
}

function overBound(operations: ReadonlyMap<string, Operation>, subscribes: boolean): GraphQLError | null {
  if (operations.size >= limits.operationsInFlightPerSocket)
    return tooMany(`At most ${limits.operationsInFlightPerSocket} operations run on one socket at a time.`);
  if (!subscribes) return null;
  const subscriptions = [...operations.values()].filter((operation) => operation !== 'answer').length;
  return subscriptions < limits.subscriptionsPerSocket
    ? null
    : tooMany(`At most ${limits.subscriptionsPerSocket} subscriptions run on one socket at a time.`);
}

function noOperation(): GraphQLError {
  const message = 'The document has no such operation, or several of which none was named.';
  return new GraphQLError(message, { extensions: { code: 'OPERATION_RESOLUTION_FAILURE' } });
}

function tooMany(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'TOO_MANY_OPERATIONS' } });
}

/** The token of connection_init: `token`, or an Authorization header as explorers send it; null when none is given. */
function tokenOf(params: Readonly<Record<string, unknown>> | undefined): string | null {
  const headers = (params?.headers ?? params) as Readonly<Record<string, unknown>> | undefined;
  const given = params?.token ?? headers?.Authorization ?? headers?.authorization ?? '';
  if (given === '') return null;
  // Whatever else it is, it was meant as a token and is none.
  return typeof given === 'string' ? given.replace(/^Bearer\s+/i, '') : 'invalid';
}
