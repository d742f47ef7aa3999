import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type ExecutionArgs,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
} from 'graphql';
import {
  CloseCode,
  type ConnectionInitMessage,
  GRAPHQL_TRANSPORT_WS_PROTOCOL,
  handleProtocols,
  type Message,
  MessageType,
  parseMessage,
  type SubscribeMessage,
} from 'graphql-ws';
import { WebSocketServer } from 'ws';
import { limits } from '../limits.js';
import { Execution } from '../pubsub/execution.js';
import { Hub, type HubCounts } from '../pubsub/hub.js';
import type { Context } from '../resolvers/context.js';
import type { Services } from '../services/services.js';
import { Connection, type ConnectionHost, Corks, closeCodes, Operation } from './connection.js';
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

export interface WebSocketOptions {
  readonly schema: GraphQLSchema;
  readonly documents: DocumentCache;
  readonly services: Services;
  readonly path: string;
}

const pong = JSON.stringify({ type: MessageType.Pong });
const acknowledgement = JSON.stringify({ type: MessageType.ConnectionAck });

/**
 * The GraphQL transport over WebSocket (graphql-transport-ws). A slow reader stops its own streams only: they keep a cursor each and go on
 * from the newest state when the socket has drained. One answer may be large; what comes on top of it while the client has not read it
 * waits, within the hard limit.
 *
 * The library reads the messages; what they do is done here: its own server keeps a closure for everything that may happen to a socket, and
 * hands every text of every stream from promise to promise.
 */
export class WebSocketEndpoint implements ConnectionHost {
  readonly closes = new CloseCounts(Object.values(closeCodes));
  /** Queries and mutations that were answered; subscriptions that were opened; whatever was refused. */
  readonly operations: OperationCounts = makeOperationCounts();
  readonly corks = new Corks();
  readonly #options: WebSocketOptions;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.websocketMessageBytes,
    handleProtocols,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #connections = new Set<Connection>();
  readonly #hub: Hub;
  readonly #execution = new Execution((result) => this.#format(result));
  /** Of everybody who has no session. */
  readonly #anonymous: Context;
  readonly #timer: NodeJS.Timeout;
  readonly #forget: () => void;
  /** However many sessions end, everybody is looked at once a sweep. */
  #hasNewsOfRevoked = false;
  #pingDueMs: number;
  #closing = false;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#anonymous = { services: options.services, viewer: null };
    this.#hub = this.#makeHub();
    this.#forget = options.services.revocations.onRevoked(() => {
      this.#hasNewsOfRevoked = true;
    });
    this.#pingDueMs = this.elapsedMs() + limits.socketPingMs;
    this.#timer = setInterval(() => this.#sweep(), limits.socketSweepMs);
  }

  attach(http: HttpServer): void {
    http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      const refuse = (status: string) => stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      // From here on nobody else listens for the errors of this socket, and an unheard one would end the process.
      stream.on('error', destroyIt);
      if (request.url?.split('?')[0] !== this.#options.path) return refuse('404 Not Found');
      if (this.#closing) return refuse('503 Service Unavailable');
      return this.#sockets.handleUpgrade(request, stream, head, (socket) => {
        const connection = new Connection(this, socket, stream, this.#anonymous);
        this.#connections.add(connection);
        if (socket.protocol !== GRAPHQL_TRANSPORT_WS_PROTOCOL)
          connection.end(CloseCode.SubprotocolNotAcceptable, 'Subprotocol not acceptable');
      });
    });
  }

  get streams(): HubCounts {
    return this.#hub.counts;
  }

  get counts(): SocketCounts {
    const lagging = [...this.#connections].filter(({ isLagging }) => isLagging);
    const unreadBytes = lagging.reduce((sum, connection) => sum + connection.unreadBytes, 0);
    return { open: this.#connections.size, lagging: lagging.length, unreadBytes };
  }

  /**
   * Says goodbye to everybody; who does not answer in time is cut off. Each is told when to come back: all at once would be a storm of its own.
   */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#timer);
    const connections = [...this.#connections];
    const closed = connections.map((connection) => connection.whenClosed());
    this.#forget();
    for (const [place, connection] of connections.entries()) {
      const retryAfterMs = Math.round((place * 1_000) / limits.reconnectsPerSecond);
      connection.end(closeCodes.serviceRestart, `retryAfterMs=${retryAfterMs}`);
    }
    await Promise.all(closed);
    this.#sockets.close();
  }

  elapsedMs(): number {
    return this.#options.services.platform.clock.elapsedMs();
  }

  masked(error: GraphQLError): GraphQLFormattedError {
    return maskError(error.toJSON(), error, this.#options.services.platform.log);
  }

  receive(connection: Connection, text: string): void {
    let message: Message;
    try {
      message = parseMessage(text);
    } catch {
      invalid(connection);
      return;
    }
    this.#act(connection, message).catch((error) => {
      this.#options.services.platform.log.error({ err: error }, 'a message could not be handled');
      connection.end(1011, 'Internal error');
    });
  }

  left(connection: Connection): void {
    this.#connections.delete(connection);
  }

  closed(code: number): void {
    this.closes.add(code);
  }

  async #act(connection: Connection, message: Message): Promise<void> {
    switch (message.type) {
      case MessageType.ConnectionInit:
        return this.#greet(connection, message);
      case MessageType.Subscribe:
        return this.#start(connection, message);
      case MessageType.Complete:
        return connection.find(message.id)?.callOff();
      case MessageType.Ping:
        // Without what came with it, which may be too deep to be written back.
        return connection.send(pong) ?? undefined;
      case MessageType.Pong:
        return;
      default:
        return invalid(connection);
    }
  }

  async #greet(connection: Connection, { payload }: ConnectionInitMessage): Promise<void> {
    if (connection.greeting !== 'awaited')
      return connection.end(CloseCode.TooManyInitialisationRequests, 'Too many initialisation requests');
    connection.greeting = 'judged';
    const token = tokenOf(payload);
    if (token !== null) {
      const { services } = this.#options;
      const viewer = await services.tokens.viewer(token);
      if (viewer === null) return connection.end(CloseCode.Forbidden, 'Forbidden');
      connection.context = { services, viewer };
    }
    connection.greeting = 'acknowledged';
    await connection.send(acknowledgement);
  }

  async #start(connection: Connection, { id, payload }: SubscribeMessage): Promise<void> {
    if (connection.greeting !== 'acknowledged') return connection.end(CloseCode.Unauthorized, 'Unauthorized');
    if (connection.find(id) !== null)
      return connection.end(CloseCode.SubscriberAlreadyExists, `Subscriber for ${id} already exists`);
    const refuse = (kind: OperationKind, errors: readonly GraphQLError[]) => {
      this.operations[kind].error += 1;
      const message = { id, type: MessageType.Error, payload: errors.map((error) => this.masked(error)) };
      return connection.send(JSON.stringify(message)) ?? undefined;
    };
    const { query, operationName = null, variables: variableValues = null } = payload;
    if (id.length > limits.idLength) return refuse('unknown', [tooMany('The id of the operation is too long.')]);
    const prepared = this.#options.documents.prepare(query);
    if ('errors' in prepared) return refuse('unknown', prepared.errors);
    const { document } = prepared;
    const operation = getOperationAST(document, operationName);
    if (!operation) return refuse('unknown', [noOperation()]);
    const kind = operation.operation;
    const refused = overBound(connection, kind === 'subscription');
    if (refused !== null) return refuse(kind, [refused]);
    const { schema } = this.#options;
    const args = { schema, document, operationName, variableValues, contextValue: connection.context };
    const started = new Operation(connection, id, kind === 'subscription');
    return kind === 'subscription' ? this.#subscribe(started, args) : this.#answer(started, kind, args);
  }

  async #answer(operation: Operation, kind: OperationKind, args: ExecutionArgs): Promise<void> {
    const { text, failed } = await this.#execution.answer(this.#execution.prepare(args));
    this.operations[kind][failed ? 'error' : 'ok'] += 1;
    await operation.deliver(text, null);
    operation.ended(null);
  }

  async #subscribe(operation: Operation, args: ExecutionArgs): Promise<void> {
    const stream = await this.#hub.subscribe(args, operation);
    const refusal = 'begin' in stream ? null : stream;
    this.operations.subscription[outcomeOf(refusal ?? {})] += 1;
    if ('begin' in stream) return operation.run(stream);
    await operation.deliver(JSON.stringify(this.#format(stream)), null);
    operation.ended(null);
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
      onMistake: (error, operation) =>
        services.platform.log.error({ err: error, operation }, 'a subscription is not shared'),
    });
  }

  #format({ errors, ...rest }: { readonly errors?: readonly GraphQLError[] | undefined }): object {
    return errors === undefined ? rest : { ...rest, errors: errors.map((error) => this.masked(error)) };
  }

  #endRevoked(): void {
    const { revocations } = this.#options.services;
    for (const connection of this.#connections) {
      const { viewer } = connection.context;
      if (viewer !== null && revocations.isRevoked(viewer))
        connection.end(CloseCode.Forbidden, 'The session has ended.');
    }
  }

  #sweep(): void {
    if (this.#hasNewsOfRevoked) {
      this.#hasNewsOfRevoked = false;
      this.#endRevoked();
    }
    const [nowMs, elapsedMs] = [this.#options.services.platform.clock.nowMs(), this.elapsedMs()];
    for (const connection of this.#connections) {
      const { viewer } = connection.context;
      if (viewer !== null && viewer.expiresAtMs <= nowMs)
        connection.end(closeCodes.tokenExpired, 'The token has expired.');
      else if (connection.greeting === 'awaited' && elapsedMs - connection.openedMs > limits.socketInitMs)
        connection.end(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout');
      else connection.sweep(elapsedMs);
    }
    if (elapsedMs < this.#pingDueMs) return;
    this.#pingDueMs = elapsedMs + limits.socketPingMs;
    for (const connection of this.#connections) connection.ping();
  }
}

function destroyIt(this: Duplex): void {
  this.destroy();
}

function invalid(connection: Connection): void {
  connection.end(CloseCode.BadRequest, 'Invalid message received');
}

function overBound(connection: Connection, subscribes: boolean): GraphQLError | null {
  const running = [...connection.operations()];
  if (running.length >= limits.operationsInFlightPerSocket)
    return tooMany(`At most ${limits.operationsInFlightPerSocket} operations run on one socket at a time.`);
  if (!subscribes || running.filter((operation) => operation.subscribes).length < limits.subscriptionsPerSocket)
    return null;
  return tooMany(`At most ${limits.subscriptionsPerSocket} subscriptions run on one socket at a time.`);
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
