import { Transform } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { ApolloServer, type ApolloServerPlugin, type GraphQLRequestListener, HeaderMap } from '@apollo/server';
import { ApolloServerPluginCacheControlDisabled } from '@apollo/server/plugin/disabled';
import { fastifyApolloDrainPlugin, fastifyApolloHandler } from '@as-integrations/fastify';
import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify, type RequestPayload } from 'fastify';
import { type ExecutionResult, GraphQLError, type GraphQLSchema } from 'graphql';
import type { Logger } from 'pino';
import { limits } from '../limits.js';
import { Execution } from '../pubsub/execution.js';
import type { Context } from '../resolvers/context.js';
import type { Services } from '../services/services.js';
import { makeOperationCounts, type OperationCounts, outcomeOf } from './counts.js';
import { type DocumentCache, documentRules } from './documents.js';
import { maskError } from './masking.js';
import { serveMoneyReport } from './money-report.js';

export const graphqlPath = '/graphql';

/** GraphQL over HTTP, the explorer, tables, the provider's webhooks, keys and health. */
export async function buildHttp(
  schema: GraphQLSchema,
  services: Services,
  documents: DocumentCache,
): Promise<{ http: FastifyInstance; apollo: ApolloServer<Context>; operations: OperationCounts }> {
  const { log, config } = services.platform;
  const http = fastify({ logger: false, bodyLimit: limits.httpBodyBytes, forceCloseConnections: true });
  const operations = makeOperationCounts();
  const apollo = new ApolloServer<Context>({
    schema,
    introspection: true,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    validationRules: [...documentRules],
    parseOptions: { maxTokens: limits.documentTokens },
    formatError: (formatted, error) => maskError(formatted, error, log),
    // A line of its own where it is printed.
    stringifyResult: ({ data, ...rest }) =>
      `${data instanceof Written ? data.text : JSON.stringify({ ...rest, data })}\n`,
    // Hints for caches would be looked for at every field; nothing here may be cached.
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      fastifyApolloDrainPlugin(http),
      noSubscriptions,
      writing(log),
      counting(operations),
    ],
  });
  await apollo.start();
  answerErrors(http, log);
  allowOtherOrigins(http);
  boundBodies(http, services);
  if (config.explorer) serveExplorer(http);
  http.route({
    url: graphqlPath,
    method: ['GET', 'POST'],
    onRequest: async (_request, reply) => {
      reply.header('cache-control', 'no-store');
    },
    bodyLimit: limits.venuePlanBytes * 2,
    preHandler: refusingDocuments(documents, operations),
    handler: fastifyApolloHandler(apollo, {
      context: async (request: FastifyRequest) => ({ services, viewer: await viewerOf(services, request) }),
    }),
  });
  serveReceipts(http, services);
  serveMoneyReport(http, services, (request) => viewerOf(services, request));
  await http.register(async (scope) => receiveWebhooks(scope, services));
  http.get('/.well-known/jwks.json', async () => services.tokens.jwks);
  http.get('/health', async (_request, reply) => {
    const up = await Promise.all([services.platform.database.query('SELECT 1'), services.platform.redis.ping()]).then(
      () => true,
      () => false,
    );
    return reply.code(up ? 200 : 503).send({ status: up ? 'up' : 'down' });
  });
  return { http, apollo, operations };
}

/**
 * Documents are judged as they are over the WebSocket, ours before all other rules: Apollo asks all of them together, among them one that throws at
 * what ours refuse. Whatever does not look like a document here is left to it.
 */
function refusingDocuments(documents: DocumentCache, operations: OperationCounts) {
  return async ({ method, query, body }: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { query: text } = ((method === 'GET' ? query : body) ?? {}) as { readonly query?: unknown };
    const prepared = typeof text === 'string' && text !== '' ? documents.prepare(text) : null;
    if (prepared === null || !('errors' in prepared)) return;
    operations.unknown.error += 1;
    await reply.code(400).send({ errors: prepared.errors });
  };
}

/** A stream has no place in one answer. */
const noSubscriptions: ApolloServerPlugin<Context> = {
  requestDidStart: async () => ({
    didResolveOperation: async ({ operation }) => {
      if (operation?.operation !== 'subscription') return;
      const message = 'Subscriptions run over the WebSocket at this address, with the protocol graphql-transport-ws.';
      throw new GraphQLError(message, { extensions: { code: 'BAD_REQUEST' } });
    },
  }),
};

/** The text of a whole result, in the place of its data. */
class Written {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Answers are written as they are over the WebSocket. What there is no writer for is executed, and so is what has wrong variables. */
function writing(log: Logger): ApolloServerPlugin<Context> {
  const format = ({ errors, ...rest }: ExecutionResult) =>
    errors === undefined ? rest : { errors: errors.map((error) => maskError(error.toJSON(), error, log)), ...rest };
  const execution = new Execution(format);
  const listener: GraphQLRequestListener<Context> = {
    responseForOperation: async ({ schema, document, request, contextValue }) => {
      const { operationName = null, variables: variableValues = null } = request;
      const prepared = execution.prepare({ schema, document, operationName, variableValues, contextValue });
      if (prepared.writer === null) return null;
      const { text, failed } = await execution.answer(prepared);
      const singleResult = { data: new Written(text), ...(failed && { errors: [] }) } as object;
      return { http: { headers: new HeaderMap() }, body: { kind: 'single', singleResult } };
    },
  };
  return { requestDidStart: async () => listener };
}

function counting(operations: OperationCounts): ApolloServerPlugin<Context> {
  const listener: GraphQLRequestListener<Context> = {
    willSendResponse: async ({ operation, response: { body } }) => {
      if (body.kind === 'single') operations[operation?.operation ?? 'unknown'][outcomeOf(body.singleResult)] += 1;
    },
  };
  return { requestDidStart: async () => listener };
}

const tooLarge =
  `The request is too large: at most ${limits.httpBodyBytes} bytes, or a seating plan ($) of at most ${limits.venuePlanBytes} bytes ` +
  'with the token of an organizer. Nothing was stored.';

/** Set before the routes are: those take over the handler that they find. */
function answerErrors(http: FastifyInstance, log: Logger): void {
  http.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error({ err: error }, 'a request failed');
    const message = status === 413 ? tooLarge : status >= 500 ? 'Internal error' : error.message;
    const code = status === 413 ? 'PAYLOAD_TOO_LARGE' : status >= 500 ? 'INTERNAL' : 'BAD_REQUEST';
    return reply.code(status).send({ errors: [{ message, extensions: { code } }] });
  });
}

async function viewerOf(services: Services, request: FastifyRequest) {
  const { authorization } = request.headers;
  const token = /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1];
  return token === undefined ? null : services.tokens.viewer(token);
}

/** Authentication is by token, never by cookie, so any page may ask. */
function allowOtherOrigins(http: FastifyInstance): void {
  http.addHook('onRequest', async (_request, reply) => {
    reply.header('access-control-allow-origin', '*');
  });
  const preflight = async (_request: FastifyRequest, reply: FastifyReply) =>
    reply
      .header('access-control-allow-methods', 'GET, POST')
      .header('access-control-allow-headers', 'authorization, content-type, apollo-require-preflight')
      .header('access-control-max-age', '86400')
      .code(204)
      .send();
  http.options(graphqlPath, preflight);
  http.options('/events/:id/money.csv', preflight);
}

/** Only an organizer may send something large: a seating plan. Judged before the body is kept, by what was announced or else as it comes. */
function boundBodies(http: FastifyInstance, services: Services): void {
  http.addHook('preParsing', async (request, reply, body) => {
    if (request.routeOptions.url !== graphqlPath || request.method !== 'POST') return body;
    const announced = request.headers['content-length'];
    if (announced !== undefined && Number(announced) <= limits.httpBodyBytes) return body;
    const viewer = await viewerOf(services, request);
    const bound = viewer === null || viewer.role === 'GUEST' ? limits.httpBodyBytes : limits.venuePlanBytes * 2;
    if (announced === undefined) return boundedStream(body, bound, () => reply.header('connection', 'close'));
    if (Number(announced) <= bound) return body;
    // The rest of the body is not read; the connection cannot be used again.
    reply.header('connection', 'close');
    throw bodyTooLarge();
  });
}

const bodyTooLarge = () => Object.assign(new Error(tooLarge), { statusCode: 413 });

/** The body as it comes, until it is too large. */
function boundedStream(body: RequestPayload, bound: number, onTooLarge: () => void): Transform {
  let bytes = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= bound) return done(null, chunk);
      onTooLarge();
      return done(bodyTooLarge());
    },
  });
  body.once('error', (error) => bounded.destroy(error));
  return body.pipe(bounded);
}

const examples = `# Floodgate. Run with the button above; put {"Authorization": "Bearer …"} into the headers tab.

query Events {
  events {
    edges { node { id name startsAt saleState categories { id name total { amountMinor currency } } } }
  }
}

mutation Guest {
  startGuestSession { session { token personId } }
}

# Fill in an event id and watch seats change live.
subscription Seats($eventId: ID!) {
  seatMapChanged(eventId: $eventId) {
    ... on SeatMapSnapshot { epoch version states }
    ... on SeatMapDelta { fromVersion version seats states }
  }
}
`;

/** The explorer: one page with everything in it, so that it works without internet. */
function serveExplorer(http: FastifyInstance): void {
  const options = {
    title: 'Floodgate',
    endpoint: graphqlPath,
    subscriptionsProtocol: 'WS',
    defaultQuery: examples,
  } as const;
  let page: string | null = null;
  let packed: Buffer | null = null;
  http.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    const wantsPage = request.method === 'GET' && request.headers.accept?.includes('text/html');
    if (!wantsPage || request.url.split('?')[0] !== graphqlPath) return;
    page ??= renderGraphiQL(options);
    reply.type('text/html; charset=utf-8').header('vary', 'accept, accept-encoding');
    if (!request.headers['accept-encoding']?.includes('gzip')) return reply.send(page);
    packed ??= gzipSync(page, { level: 4 });
    return reply.header('content-encoding', 'gzip').send(packed);
  });
}

/** A receipt for whoever has a link to it. A browser follows a link without any header, so the link itself is the leave. */
function serveReceipts(http: FastifyInstance, services: Services): void {
  http.get<{ Params: { id: string }; Querystring: { token?: unknown } }>('/receipts/:id', async (request, reply) => {
    const { token } = request.query;
    const file = typeof token === 'string' ? await services.receipts.open(request.params.id, token) : null;
    reply.header('cache-control', 'private, no-store').header('referrer-policy', 'no-referrer');
    if (file === null)
      return reply
        .code(403)
        .send({ error: 'The link is not valid, or it has expired: ask the order for another one.' });
    return reply
      .type('application/pdf')
      .header('content-disposition', `inline; filename="${file.name}"`)
      .header('x-content-type-options', 'nosniff')
      .send(file.pdf);
  });
}

/** The provider signs the raw bytes, so this scope does not parse them. */
async function receiveWebhooks(scope: FastifyInstance, services: Services): Promise<void> {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: limits.webhookBytes }, (_request, body, done) =>
    done(null, body),
  );
  scope.post('/webhooks/stripe', { bodyLimit: limits.webhookBytes }, async (request, reply) => {
    const signature = request.headers['stripe-signature'];
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const signed = typeof signature === 'string' && (await services.webhooks.receive(body, signature));
    return reply
      .code(signed ? 200 : 400)
      .send(signed ? { received: true } : { error: 'The signature is missing or wrong.' });
  });
}
