import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ExecutionArgs, GraphQLError, type GraphQLFormattedError, type GraphQLSchema } from 'graphql';
import {
  GRAPHQL_TRANSPORT_WS_PROTOCOL,
  handleProtocols,
  makeServer,
  type Server,
  type ServerOptions,
} from 'graphql-ws';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import { limits } from '../limits.js';
import type { Context } from '../resolvers/context.js';
import type { Viewer } from '../services/platform.js';
import type { Services } from '../services/services.js';
import type { DocumentCache } from './documents.js';
import { maskError } from './masking.js';

/** Close codes of ours; PROTOCOL.md says what a client does on each. */
export const closeCodes = { serviceRestart: 1012, slowConsumer: 4505, tokenExpired: 4506 } as const;

/** One connection as the adapter keeps it. */
interface Connection {
  readonly socket: WebSocket;
  viewer: Viewer | null;
  alive: boolean;
  laggingSinceMs: number | null;
  /** Senders that wait until the client has read what was sent. */
  drained: (() => void)[];
}

type ProtocolResult = Extract<Awaited<ReturnType<NonNullable<ServerOptions['onNext']>>>, object>;

interface Extra {
  readonly connection: Connection;
}

export interface WebSocketOptions {
  readonly schema: GraphQLSchema;
  readonly documents: DocumentCache;
  readonly services: Services;
  readonly path: string;
}

/** Text within the 123 bytes that a close frame can carry. */
const closeReason = (reason: string | undefined) =>
  Buffer.from(reason ?? '')
    .subarray(0, 120)
    .toString('utf8')
    .replace(/\ufffd+$/u, '');

/**
 * The GraphQL transport over WebSocket (graphql-transport-ws). A slow reader stops its own streams only: they keep a cursor each and go on
 * from the newest state when the socket has drained.
 */
export class WebSocketEndpoint {
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
  readonly #timers: NodeJS.Timeout[];

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#log = options.services.platform.log;
    this.#protocol = this.#makeProtocol();
    this.#timers = [
      setInterval(() => this.#ping(), limits.socketPingMs),
      setInterval(() => this.#sweep(), limits.socketSweepMs),
    ];
  }

  attach(http: HttpServer): void {
    http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (new URL(request.url ?? '/', 'http://host').pathname !== this.#options.path) {
        socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#open(webSocket));
    });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Says goodbye to everybody; who does not answer in time is cut off. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const closing = [...this.#connections].map(
      ({ socket }) =>
        new Promise<void>((resolve) => {
          const cut = setTimeout(() => socket.terminate(), limits.socketDrainMs);
          socket.once('close', () => {
            clearTimeout(cut);
            resolve();
          });
          socket.close(closeCodes.serviceRestart, 'The server restarts: reconnect.');
        }),
    );
    await Promise.all(closing);
    this.#sockets.close();
  }

  #makeProtocol(): Server<Extra> {
    const { services, documents, schema } = this.#options;
    return makeServer<Record<string, unknown>, Extra>({
      connectionInitWaitTimeout: limits.socketInitMs,
      onConnect: async ({ connectionParams, extra }) => {
        const token = tokenOf(connectionParams);
        if (token === null) return true;
        extra.connection.viewer = await services.tokens.viewer(token);
        return extra.connection.viewer !== null;
      },
      onSubscribe: (
        { subscriptions, extra },
        id,
        { query, operationName, variables },
      ): ExecutionArgs | GraphQLError[] => {
        if (id.length > limits.idLength) return [tooMany('The id of the operation is too long.')];
        if (Object.keys(subscriptions).length > limits.subscriptionsPerSocket) {
          return [tooMany(`At most ${limits.subscriptionsPerSocket} operations run on one socket at a time.`)];
        }
        const prepared = documents.prepare(query);
        if ('errors' in prepared) return [...prepared.errors];
        const contextValue: Context = { services, viewer: extra.connection.viewer };
        return {
          schema,
          document: prepared.document,
          operationName: operationName ?? null,
          variableValues: variables ?? null,
          contextValue,
        };
      },
      onNext: (_ctx, _id, _payload, _args, { errors, ...rest }) =>
        // The protocol sends formatted errors; its types speak of executed ones.
        errors === undefined ? undefined : ({ ...rest, errors: this.#mask(errors) } as unknown as ProtocolResult),
      onError: (_ctx, _id, _payload, errors) => this.#mask(errors as readonly GraphQLError[]),
    });
  }

  #mask(errors: readonly GraphQLError[]): GraphQLFormattedError[] {
    return errors.map((error) => maskError(error.toJSON(), error, this.#log));
  }

  #open(socket: WebSocket): void {
    const connection: Connection = { socket, viewer: null, alive: true, laggingSinceMs: null, drained: [] };
    this.#connections.add(connection);
    const closed = this.#protocol.opened(
      {
        protocol: socket.protocol === GRAPHQL_TRANSPORT_WS_PROTOCOL ? socket.protocol : '',
        send: (data) => this.#send(connection, data),
        close: (code, reason) => socket.close(code, closeReason(reason)),
        onMessage: (receive) => {
          socket.on('message', (data, isBinary) => {
            if (isBinary) return socket.close(4400, 'Invalid message received');
            receive(String(data)).catch((error) => {
              this.#log.error({ err: error }, 'a message could not be handled');
              socket.close(1011, 'Internal error');
            });
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
      for (const resume of connection.drained) resume();
      connection.drained = [];
      void closed(code, String(reason));
    });
  }

  /** Resolves at once while the client keeps up; else when it has read, so that its streams pull the newest state then. */
  #send(connection: Connection, data: string): Promise<void> | void {
    const { socket } = connection;
    if (socket.readyState !== socket.OPEN) return;
    socket.send(data);
    if (socket.bufferedAmount <= limits.socketSoftBufferedBytes) return;
    connection.laggingSinceMs ??= this.#options.services.platform.clock.nowMs();
    return new Promise((resolve) => connection.drained.push(resolve));
  }

  #ping(): void {
    for (const connection of this.#connections) {
      if (!connection.alive) {
        connection.socket.terminate();
        continue;
      }
      connection.alive = false;
      connection.socket.ping();
    }
  }

  #sweep(): void {
    const nowMs = this.#options.services.platform.clock.nowMs();
    for (const connection of this.#connections) {
      const { socket, viewer, laggingSinceMs } = connection;
      if (viewer !== null && viewer.expiresAtMs <= nowMs)
        socket.close(closeCodes.tokenExpired, 'The token has expired.');
      if (laggingSinceMs === null) continue;
      if (socket.bufferedAmount === 0) {
        connection.laggingSinceMs = null;
        for (const resume of connection.drained.splice(0)) resume();
      } else if (
        socket.bufferedAmount > limits.socketHardBufferedBytes ||
        nowMs - laggingSinceMs > limits.socketLaggingMs
      ) {
        socket.close(closeCodes.slowConsumer, 'You read too slowly.');
        socket.terminate();
      }
    }
  }
}

function tooMany(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'TOO_MANY_OPERATIONS' } });
}

/** The token of connection_init: `token`, or an Authorization header as explorers send it. */
function tokenOf(params: Readonly<Record<string, unknown>> | undefined): string | null {
  const headers = (params?.headers ?? params) as Readonly<Record<string, unknown>> | undefined;
  const given = params?.token ?? headers?.Authorization ?? headers?.authorization;
  return typeof given === 'string' && given !== '' ? given.replace(/^Bearer\s+/i, '') : null;
}
