import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { workersOf } from '../../bench/rush/stack.js';
import { findPort } from '../../sandbox/services/process.js';
import { type ApiProcess, startApiProcess } from '../support/api-process.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';
import { createHall, holdSeats } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { type Scraped, scrape, since } from '../support/metrics.js';
import { openSocket, type RawSocket, subscribeMessage } from '../support/raw-socket.js';
import { createTestStores, type TestStores } from '../support/stores.js';

// Five processes of a server start in one test, most of them one after the other.
jest.setTimeout(120_000);

const seatChanges = `subscription ($eventId: ID!) { seatMapChanged(eventId: $eventId) {
  __typename ... on SeatMapSnapshot { version states } ... on SeatMapDelta { version seats states }
} }`;
const holdChanges = 'subscription ($holdId: ID!) { holdUpdated(holdId: $holdId) { __typename } }';

const plainSocket = (url: string) => openSocket(url, { init: {} });

async function closeAs(socket: RawSocket, code: number): Promise<void> {
  socket.socket.close(code);
  await socket.closed;
}

/** Says its token is one that it is not. */
async function closedWith4403(url: string): Promise<void> {
  const socket = await openSocket(url);
  socket.send({ type: 'connection_init', payload: { token: 'wrong' } });
  expect(await socket.closed).toMatchObject({ code: 4403 });
}

/** Uses an id twice. */
async function closedWith4409(url: string, eventId: string): Promise<void> {
  const socket = await plainSocket(url);
  for (let time = 0; time < 2; time += 1) socket.send(subscribeMessage('twice', seatChanges, { eventId }));
  expect(await socket.closed).toMatchObject({ code: 4409 });
}

describe('One process', () => {
  let app: TestApp;
  let metricsUrl: string;
  beforeAll(async () => {
    app = await startTestApp({ env: { METRICS_PORT: '0' } });
    metricsUrl = app.server.metricsUrl!;
  });
  afterAll(() => app.close());

  test('The metrics have an address of their own, at which there is nothing else, and the public one has none', async () => {
    const { hostname, port, pathname } = new URL(metricsUrl);
    expect({ hostname, pathname }).toEqual({ hostname: '127.0.0.1', pathname: '/metrics' });
    expect(port).not.toBe(new URL(app.url).port);
    const response = await fetch(metricsUrl);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const [method, path] of [
      ['POST', '/metrics'],
      ['HEAD', '/metrics'],
      ['GET', '/'],
      ['GET', '/metrics/'],
      ['GET', '/graphql'],
      ['GET', '/health'],
    ] as const) {
      const { status } = await fetch(new URL(path, metricsUrl), { method });
      expect({ method, path, status }).toEqual({ method, path, status: 404 });
    }
    expect((await fetch(`${app.url}/metrics`)).status).toBe(404);
  });

  test('Without METRICS_PORT nothing is measured', async () => {
    const other = await startTestApp();
    expect(other.server.metricsUrl).toBeNull();
    expect(other.server.metrics).toBeNull();
    await other.close();
  });

  test('Closed sockets count by their code, whoever closed, and a code nobody knows is none of its own', async () => {
    const { eventId } = await createHall(app.organizer);
    const before = await scrape(metricsUrl);
    await closedWith4403(app.url);
    await closedWith4403(app.url);
    await closedWith4409(app.url, eventId);
    for (const code of [1000, 4000, 4999, 3000]) await closeAs(await plainSocket(app.url), code);
    const cut = await plainSocket(app.url);
    cut.socket.terminate();
    const open = await plainSocket(app.url);
    await eventually(async () =>
      expect(since(before, await scrape(metricsUrl))).toMatchObject({
        'socket_closes_total{code="4403"}': 2,
        'socket_closes_total{code="4409"}': 1,
        'socket_closes_total{code="1000"}': 1,
        'socket_closes_total{code="1006"}': 1,
        'socket_closes_total{code="other"}': 3,
        sockets_open: 1,
      }),
    );
    await closeAs(open, 1000);
    const codes = [...(await scrape(metricsUrl)).keys()].filter((name) => name.includes('socket_closes'));
    expect(codes.filter((name) => /"(4000|4999|3000)"/.test(name))).toEqual([]);
  });

  test('Operations count by transport, kind and outcome; a refusal in the data is an answer', async () => {
    const { eventId, rows } = await createHall(app.organizer);
    const buyer = await app.guest();
    const socket = await plainSocket(app.url);
    const before = await scrape(metricsUrl);
    await buyer.run('{ systemStatus { redis } }');
    await buyer.send('query ($id: ID!) { event(id: $id) { id } }');
    // This one is carried out and fails.
    await app.anonymous.send('{ hold(id: "1") { id } }');
    await buyer.send('{ nothing }');
    await buyer.send('subscription { salesChanged(eventId: "1") { __typename } }');
    expect((await holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] })).hold).not.toBeNull();
    expect((await holdSeats(app.organizer, eventId, { seatIds: [rows[0]![0]!] })).hold).toBeNull();
    const overSocket = async (query: string, variables = {}) => {
      socket.send(subscribeMessage('1', query, variables));
      const { type } = await socket.next();
      if (type === 'next') await socket.until((message) => message.type === 'complete');
    };
    await overSocket('{ systemStatus { redis } }');
    await overSocket('{ nothing }');
    await overSocket('query A { __typename } query B { __typename }');
    await overSocket('subscription { seatMapChanged(eventId: "1") { __typename } }');
    await overSocket('mutation ($input: HoldSeatsInput!) { holdSeats(input: $input) { hold { id } } }');
    socket.send(subscribeMessage('2', seatChanges, { eventId }));
    await socket.next();
    const moved = since(before, await scrape(metricsUrl));
    const operations = Object.entries(moved).filter(([name]) => name.startsWith('operations_total'));
    expect(Object.fromEntries(operations)).toEqual({
      'operations_total{transport="http",kind="query",outcome="ok"}': 1,
      'operations_total{transport="http",kind="query",outcome="error"}': 2,
      'operations_total{transport="http",kind="unknown",outcome="error"}': 1,
      'operations_total{transport="http",kind="subscription",outcome="error"}': 1,
      'operations_total{transport="http",kind="mutation",outcome="ok"}': 2,
      'operations_total{transport="websocket",kind="query",outcome="ok"}': 1,
      'operations_total{transport="websocket",kind="unknown",outcome="error"}': 2,
      'operations_total{transport="websocket",kind="subscription",outcome="error"}': 1,
      'operations_total{transport="websocket",kind="mutation",outcome="error"}': 1,
      'operations_total{transport="websocket",kind="subscription",outcome="ok"}': 1,
    });
    await closeAs(socket, 1000);
  });

  test('Subscribers, their groups, what was executed and what was delivered are told', async () => {
    const { eventId, rows } = await createHall(app.organizer);
    const buyer = await app.guest();
    const { hold } = await holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] });
    const sockets = [await plainSocket(app.url), await plainSocket(app.url)];
    const own = await openSocket(app.url, { init: { token: buyer.token } });
    await eventually(async () => expect((await scrape(metricsUrl)).get('floodgate_subscribers')).toBe(0));
    const before = await scrape(metricsUrl);
    const watch = async (socket: RawSocket) => {
      socket.send(subscribeMessage('seats', seatChanges, { eventId }));
      await socket.next();
    };
    for (const socket of sockets) await watch(socket);
    own.send(subscribeMessage('hold', holdChanges, { holdId: hold.id }));
    await own.next();
    await holdSeats(await app.guest(), eventId, { seatIds: [rows[0]![1]!] });
    for (const socket of sockets) await socket.next();
    expect(since(before, await scrape(metricsUrl))).toMatchObject({
      subscribers: 3,
      subscriber_groups: 1,
      'subscription_executions_total{shared="yes"}': 2,
      'subscription_executions_total{shared="no"}': 1,
      subscription_deliveries_total: 5,
    });
    for (const socket of [...sockets, own]) await closeAs(socket, 1000);
    await eventually(async () => {
      const after = await scrape(metricsUrl);
      expect(after.get('floodgate_subscribers')).toBe(0);
      expect(after.get('floodgate_subscriber_groups')).toBe(0);
    });
  });

  test('A snapshot after the first update of a watcher counts as a resync, the first one does not', async () => {
    const { eventId } = await createHall(app.organizer);
    const before = await scrape(metricsUrl);
    const sockets = [await plainSocket(app.url), await plainSocket(app.url)];
    const update = async (socket: RawSocket): Promise<Data> => (await socket.next()).payload.data.seatMapChanged;
    for (const socket of sockets) {
      socket.send(subscribeMessage('seats', seatChanges, { eventId }));
      expect((await update(socket)).__typename).toBe('SeatMapSnapshot');
    }
    expect(since(before, await scrape(metricsUrl)).seat_map_resyncs_total).toBeUndefined();
    const admin = new Redis(app.stores.redisUrl);
    await admin.flushall();
    admin.disconnect();
    // The hall is loaded again under another epoch.
    for (const socket of sockets) expect((await update(socket)).__typename).toBe('SeatMapSnapshot');
    expect(since(before, await scrape(metricsUrl)).seat_map_resyncs_total).toBe(2);
    for (const socket of sockets) await closeAs(socket, 1000);
  });

  test('What Node tells of itself is there: the event loop, the heap and the processor', async () => {
    const names = new Set((await scrape(metricsUrl)).keys());
    for (const name of [
      'nodejs_eventloop_lag_p99_seconds',
      'nodejs_heap_size_used_bytes',
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
    ]) {
      expect(names).toContain(name);
    }
  });
});

describe('Two processes', () => {
  let stores: TestStores;
  let env: Record<string, string>;
  let api: ApiProcess;
  const dir = mkdtempSync(join(tmpdir(), 'floodgate-metrics-'));
  beforeAll(async () => {
    stores = await createTestStores();
    env = {
      PORT: String(await findPort()),
      METRICS_PORT: '0',
      WEB_CONCURRENCY: '2',
      DATABASE_URL: stores.databaseUrl,
      REDIS_URL: stores.redisUrl,
      STRIPE_SECRET_KEY: 'sk_test_unused',
      STRIPE_WEBHOOK_SECRET: 'whsec_unused',
      TOKEN_KEY_FILE: join(dir, 'token-key.json'),
      LOG_LEVEL: 'silent',
    };
    api = await startApiProcess(env);
  });
  afterAll(async () => {
    await api.stop();
    await stores.close();
    rmSync(dir, { recursive: true });
  });

  const workers = () => workersOf(api.pid).toSorted();
  const closes = (scraped: Scraped, code: number | 'other') =>
    scraped.get(`floodgate_socket_closes_total{code="${code}"}`);

  /** While one process stands still, whoever comes is served by the other. */
  async function withStopped<T>(pid: number, act: () => Promise<T>): Promise<T> {
    process.kill(pid, 'SIGSTOP');
    try {
      return await act();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }

  test('A port of metrics that is taken stops the start with one clear line, however many processes there are', async () => {
    const { port } = new URL(api.metricsUrl!);
    for (const processes of ['1', '2']) {
      const start = startApiProcess({ ...env, PORT: '0', METRICS_PORT: port, WEB_CONCURRENCY: processes });
      await expect(start).rejects.toThrow(
        /floodgate: the port is taken: set PORT or METRICS_PORT to a free one .*:\d+\)$/,
      );
    }
  });

  test('A scrape answers with the sum over both, also while one is stopped, killed or replaced, and no counter falls', async () => {
    const [first, second] = workers() as [number, number];
    const open = (count: number) => Promise.all(Array.from({ length: count }, () => plainSocket(api.url)));
    const ofFirst = await withStopped(second, async () => {
      await closedWith4403(api.url);
      return open(3);
    });
    await withStopped(first, async () => {
      await closedWith4403(api.url);
      await closedWith4403(api.url);
      await open(2);
    });
    const both = await eventually(async () => {
      const scraped = await scrape(api.metricsUrl);
      expect(scraped.get('floodgate_processes')).toBe(2);
      expect(scraped.get('floodgate_sockets_open')).toBe(5);
      expect(closes(scraped, 4403)).toBe(3);
      return scraped;
    });
    expect((await fetch(`${api.url}/metrics`)).status).toBe(404);

    await withStopped(second, async () => {
      const scraped = await scrape(api.metricsUrl);
      expect(scraped.get('floodgate_processes')).toBe(1);
      expect(scraped.get('floodgate_sockets_open')).toBe(3);
      expect(closes(scraped, 4403)).toBe(3);
    });

    let last = both;
    const fallen: string[] = [];
    const next = async (): Promise<Scraped> => {
      const scraped = await scrape(api.metricsUrl);
      for (const [name, value] of last) {
        if (/^(floodgate_\w+|process_cpu_seconds)_total/.test(name) && !(scraped.get(name)! >= value))
          fallen.push(name);
      }
      last = scraped;
      return scraped;
    };
    process.kill(second, 'SIGKILL');
    expect(closes(await next(), 4403)).toBe(3);
    // Waits for the one that takes its place.
    const ofThird = await withStopped(first, () => open(1));
    await eventually(async () => {
      const scraped = await next();
      expect(scraped.get('floodgate_processes')).toBe(2);
      expect(scraped.get('floodgate_sockets_open')).toBe(4);
    });

    const before = workers();
    process.kill(api.pid, 'SIGHUP');
    for (const sockets of [ofFirst, ofThird]) {
      await next();
      for (const { closed } of sockets) expect(await closed).toMatchObject({ code: 1012 });
    }
    await eventually(async () => {
      const scraped = await next();
      const after = workers();
      expect(after.filter((pid) => !before.includes(pid))).toEqual(after);
      expect(scraped.get('floodgate_processes')).toBe(2);
      // Those who were told to come back were counted by processes that are no more.
      expect(closes(scraped, 1012)).toBe(4);
    });
    expect(closes(last, 4403)).toBe(3);
    expect(fallen).toEqual([]);
  });
});
