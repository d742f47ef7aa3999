import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { limits } from '../../src/limits.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { DocumentCache } from '../../src/server/documents.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { ApiClient, type Data } from '../support/client.js';
import { createHall, holdSeats, plainPlan, startCheckout } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { openSocket, subscribeMessage } from '../support/raw-socket.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const importVenue = `mutation ($input: ImportVenueInput!) { importVenue(input: $input) {
  venue { id name seatCount }
  errors { __typename ... on UserError { code path message } ... on VenuePlanInvalid { errors { path message } } }
} }`;
const venueCount = async () => (await app.sql<{ n: number }>('SELECT count(*)::int AS n FROM venue'))[0]!.n;

function post(token: string | null, headers: Record<string, string | number> = {}) {
  return request(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }), ...headers },
  });
}

async function answerOf(sent: ReturnType<typeof post>): Promise<{ status: number; body: Data }> {
  sent.on('error', () => {
    // The server closes while the rest of the body is on its way.
  });
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode!, body: JSON.parse(await text(response)) };
}

describe('bodies', () => {
  test('A guest may not send more than a request needs: 300 KB are refused with 413', async () => {
    const guest = await app.guest();
    const before = await venueCount();
    const answer = await guest.send(importVenue, { input: { plan: ' '.repeat(300_000) } });
    expect(answer.status).toBe(413);
    expect(answer.errors?.[0]?.extensions.code).toBe('PAYLOAD_TOO_LARGE');
    expect(answer.errors?.[0]?.message).toContain(String(limits.httpBodyBytes));
    expect((await app.anonymous.send('{ __typename }', { x: ' '.repeat(300_000) })).status).toBe(413);
    expect(await venueCount()).toBe(before);
  });

  test('An organizer may send a seating plan of that size and more', async () => {
    const plan = JSON.stringify(plainPlan({ rows: 200, seatsPerRow: 50 }));
    expect(plan.length).toBeGreaterThan(limits.httpBodyBytes * 3);
    const { venue, errors } = (await app.organizer.run(importVenue, { input: { plan } })).importVenue;
    expect({ errors, seats: venue.seatCount }).toEqual({ errors: [], seats: 10_000 });
  });

  test('200 MB are refused by what was announced, with a clear message, and nothing is stored', async () => {
    const before = await venueCount();
    const sent = post(app.organizer.token, { 'content-length': 200 * 1024 * 1024 });
    sent.write('{"query":"');
    const { status, body } = await answerOf(sent);
    sent.destroy();
    expect(status).toBe(413);
    expect(body.errors[0].extensions.code).toBe('PAYLOAD_TOO_LARGE');
    expect(body.errors[0].message).toMatch(/too large.*Nothing was stored/);
    expect(await venueCount()).toBe(before);
  });

  test('A body without an announced length is bounded as it arrives', async () => {
    const small = post((await app.guest()).token);
    small.write('{"query":"{ viewer ');
    small.end('{ role } }"}');
    expect(await answerOf(small)).toEqual({ status: 200, body: { data: { viewer: { role: 'GUEST' } } } });
    const large = post((await app.guest()).token);
    large.write(`{"query":"${'#'.repeat(limits.httpBodyBytes)}`);
    large.end('"}');
    expect((await answerOf(large)).status).toBe(413);
  });

  test('A seating plan with errors is refused, each named by its path in the file, and nothing is stored', async () => {
    const plan = plainPlan() as Data;
    plan.zones[0].rows[1].seats[3].category = 'Balcony';
    plan.zones[0].rows[1].seats[5].seat_guid = '1-1';
    const before = await venueCount();
    const { venue, errors } = (await app.organizer.run(importVenue, { input: { plan: JSON.stringify(plan) } }))
      .importVenue;
    expect(venue).toBeNull();
    expect(errors[0]).toMatchObject({ code: 'VENUE_PLAN_INVALID', path: ['input', 'plan'] });
    expect(errors[0].errors.map(({ path }: Data) => path)).toEqual([
      '$.zones[0].rows[1].seats[3].category',
      '$.zones[0].rows[1].seats[5].seat_guid',
    ]);
    expect(await venueCount()).toBe(before);
  });

  test('A body that is no request is answered with 4xx and no internals', async () => {
    for (const body of ['', 'nonsense', '[]', '{"query":1}', '{"query":"{ __typename }","variables":3}']) {
      const sent = post(null);
      sent.end(body);
      const answer = await answerOf(sent);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expectNoInternals(answer.body);
    }
  });
});

describe('documents', () => {
  const ofType = (depth: number) => `${'ofType { '.repeat(depth)} name ${'} '.repeat(depth)}`;
  const many = (count: number, field: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => field(at)).join(' ');
  const refused: readonly (readonly [string, string, string])[] = [
    [
      'aliases',
      `{ events { ${many(limits.documentAliases + 1, (at) => `a${at}: edges { cursor }`)} } }`,
      'DOCUMENT_TOO_LARGE',
    ],
    ['root fields', `{ ${many(limits.documentRootFields + 1, () => 'systemStatus { now }')} }`, 'DOCUMENT_TOO_LARGE'],
    ['fields', `{ events { ${many(limits.documentFields, () => '__typename')} } }`, 'DOCUMENT_TOO_LARGE'],
    [
      'fields spread again and again',
      `fragment f on EventConnection { ${many(60, () => 'edges { cursor }')} } { events { ${many(10, () => '...f')} } }`,
      'DOCUMENT_TOO_LARGE',
    ],
    ['tokens', `{ ${many(limits.documentTokens, () => '__typename')} }`, 'GRAPHQL_PARSE_FAILED'],
    [
      'depth',
      `{ ... on Query { __type(name: "Query") { fields { type { ${ofType(limits.documentDepth)} } } } } }`,
      'DOCUMENT_TOO_LARGE',
    ],
    [
      'introspection of introspection',
      '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }',
      'GRAPHQL_VALIDATION_FAILED',
    ],
    ['an unknown field', '{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['syntax', '{ events {', 'GRAPHQL_PARSE_FAILED'],
    [
      'a fragment that spreads itself',
      'fragment f on Event { ...f } { events { edges { node { ...f } } } }',
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'condition at the root of a subscription',
      'subscription ($is: Boolean!) { seatMapChanged(eventId: "1") @include(if: $is) { __typename } }',
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'condition there in an operation that is not asked for',
      'query A { systemStatus { now } } subscription B($is: Boolean = true) { ... @skip(if: $is) { seatMapChanged(eventId: "1") { __typename } } }',
      'GRAPHQL_VALIDATION_FAILED',
    ],
  ];

  test.each(refused)(
    'A document that is wrong by its %s is refused alike over HTTP and WebSocket',
    async (_what, query, code) => {
      const http = await app.anonymous.send(query);
      expect(http.status).toBe(400);
      const socket = await openSocket(app.url, { init: {} });
      socket.send(subscribeMessage('1', query));
      const overSocket = await socket.next();
      socket.socket.close();
      expect(overSocket.type).toBe('error');
      const face = ({ message, extensions }: Data) => ({ message, code: extensions.code });
      expect(overSocket.payload.map(face)).toEqual(http.errors!.map(face));
      expect(face(http.errors![0]).code).toBe(code);
    },
  );

  test('A document is parsed and validated once, however many send it, one that is refused too', () => {
    const cache = new DocumentCache(buildSchema());
    for (const text of ['{ systemStatus { now } }', '{ nothing }', '{']) {
      const prepared = cache.prepare(text);
      expect([text, cache.prepare(text) === prepared]).toEqual([text, true]);
    }
  });

  test('Introspection and the largest documents of the published client are within the bounds', async () => {
    const { getIntrospectionQuery } = await import('graphql');
    expect((await app.anonymous.run(getIntrospectionQuery())).__schema.types.length).toBeGreaterThan(50);
  });
});

test('The explorer is one page that loads nothing from elsewhere', async () => {
  const response = await fetch(`${app.url}/graphql`, { headers: { accept: 'text/html' } });
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const page = await response.text();
  expect(page).toContain('YogaGraphiQL');
  const head = page.replaceAll(/<script>[\s\S]*?<\/script>/g, '').replaceAll(/<style>[\s\S]*?<\/style>/g, '');
  expect(page).not.toMatch(/<script[^>]+src=/);
  const links = [...head.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, url]) => url!);
  expect(links.filter((url) => /^(https?:)?\/\//.test(url))).toEqual([]);
  expect(page).not.toMatch(/@import|url\(\s*["']?https?:/);
});

test('Any page may ask: authentication is by token, never by cookie', async () => {
  const response = await fetch(`${app.url}/graphql`, { method: 'OPTIONS' });
  expect(response.status).toBe(204);
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
  expect(response.headers.get('access-control-allow-headers')).toContain('authorization');
  expect(response.headers.get('access-control-allow-credentials')).toBeNull();
});

const unknownIds = ['x', '1', '', '00000000-0000-4000-8000-000000000000', `${'a'.repeat(300)}`, "' OR 1=1 --"];

test('Ids of nothing answer null or NOT_FOUND, never an internal error', async () => {
  const guest = await app.guest();
  for (const id of unknownIds) {
    const answer = await guest.send(
      'query ($id: ID!) { event(id: $id) { id } order(id: $id) { id } hold(id: $id) { id } queueEntry(id: $id) { id } }',
      { id },
    );
    expect(answer).toEqual({ status: 200, data: { event: null, order: null, hold: null, queueEntry: null } });
  }
});

/** Nothing of the inside: no stack, no statement, no address or secret of a store. */
function expectNoInternals(body: unknown): void {
  const said = JSON.stringify(body);
  expect(said).not.toMatch(
    /\bat \S+ \(|node_modules|\/src\/|stacktrace|ECONNREFUSED|ioredis|SELECT|INSERT|relation "/i,
  );
  for (const secret of [
    app.config.databaseUrl,
    app.config.redisUrl,
    app.provider.secretKey,
    app.provider.webhookSecret,
  ]) {
    expect(said).not.toContain(secret);
  }
}

describe('in an outage', () => {
  const statusOf = async () => (await fetch(`${app.url}/health`)).status;

  test('Without Redis requests answer UNAVAILABLE with a time, and go on when it is back', async () => {
    const { eventId, rows } = await createHall(app.organizer);
    const buyer = await app.guest();
    const { hold } = await holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] });
    expect(await statusOf()).toBe(200);
    await app.stores.redis.kill();
    await eventually(async () => expect(await statusOf()).toBe(503));
    const mutation = `mutation ($input: HoldSeatsInput!) { holdSeats(input: $input) { hold { id } errors { __typename } } }`;
    const input = { eventId, idempotencyKey: 'outage', seats: { seatIds: [rows[0]![1]!] } };
    const requests: [string, object][] = [
      [mutation, { input }],
      ['query ($id: ID!) { hold(id: $id) { id } }', { id: hold.id }],
      ['mutation ($input: JoinQueueInput!) { joinQueue(input: $input) { entry { id } } }', { input: { eventId } }],
    ];
    for (const [query, variables] of requests) {
      const answer = await buyer.send(query, variables);
      expect(answer.errors?.[0]?.extensions).toEqual({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) });
      expectNoInternals(answer);
    }
    const socket = await openSocket(app.url, { init: { token: buyer.token } });
    socket.send(subscribeMessage('1', mutation, { input }));
    const { payload } = await socket.until(({ type }) => type === 'next');
    expect(payload.errors[0].extensions).toEqual({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) });
    expectNoInternals(payload);
    const { systemStatus } = await app.anonymous.run('{ systemStatus { database redis } }');
    expect(systemStatus).toEqual({ database: 'UP', redis: 'DOWN' });

    await app.stores.redis.start();
    await eventually(async () => expect(await statusOf()).toBe(200));
    const { hold: held } = await eventually(async () => {
      const answer = await holdSeats(buyer, eventId, { seatIds: [rows[0]![1]!] }, 'outage');
      expect(answer.hold).not.toBeNull();
      return answer;
    });
    expect((await startCheckout(buyer, held)).order.state).toBe('PAYMENT_PREPARING');
    socket.socket.close();
  });

  test('Without the database a request fails without a word of the inside', async () => {
    const own = await startTestApp();
    try {
      const organizer = new ApiClient(own.url, own.organizer.token);
      await own.server.services.platform.database.destroy();
      const answer = await organizer.send('{ events { edges { cursor } } }');
      expect(answer.data).toBeNull();
      expectNoInternals(answer);
    } finally {
      await own.server.services.platform.database.initialize();
      await own.close();
    }
  });
});
