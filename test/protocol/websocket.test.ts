import { once } from 'node:events';
import { connect } from 'node:net';
import { limits } from '../../src/limits.js';
import { closeCodes } from '../../src/server/connection.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';
import { createHall, holdSelection, newKey } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { openSocket, type RawSocket, subscribeMessage } from '../support/raw-socket.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const seatChanges = `subscription ($eventId: ID!) { seatMapChanged(eventId: $eventId) {
  __typename ... on SeatMapSnapshot { version states } ... on SeatMapDelta { version seats states }
} }`;
const viewerQuery = '{ viewer { personId } }';

const guestSocket = async (): Promise<RawSocket> => openSocket(app.url, { init: { token: (await app.guest()).token } });

/** The server still answers on this socket. */
async function expectAlive(socket: RawSocket): Promise<void> {
  socket.send(subscribeMessage('alive', viewerQuery));
  const { payload } = await socket.until(({ id, type }) => id === 'alive' && type === 'next');
  expect(payload.data.viewer.personId).toEqual(expect.any(String));
  await socket.until(({ id, type }) => id === 'alive' && type === 'complete');
}

test('Queries, mutations and subscriptions run over one socket', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const socket = await guestSocket();
  socket.send(subscribeMessage('stream', seatChanges, { eventId }));
  expect((await socket.next()).payload.data.seatMapChanged.states).toBe('.'.repeat(20));
  const input = { eventId, idempotencyKey: newKey(), seats: { seatIds: [rows[0]![0]!] } };
  const mutation = `mutation ($input: HoldSeatsInput!) { holdSeats(input: $input) { ${holdSelection} } }`;
  socket.send(subscribeMessage('hold', mutation, { input }));
  const messages = [await socket.next(), await socket.next(), await socket.next()];
  const of = (id: string) => messages.filter((message: Data) => message.id === id);
  expect(of('hold').map(({ type }: Data) => type)).toEqual(['next', 'complete']);
  expect(of('hold')[0].payload.data.holdSeats.hold.state).toBe('HELD');
  expect(of('stream')[0].payload.data.seatMapChanged).toMatchObject({ seats: '0', states: 'h' });
  socket.send({ id: 'stream', type: 'complete' });
  await expectAlive(socket);
  socket.socket.close();
});

test('Anything that is not a message of the protocol closes the socket with 4400', async () => {
  for (const message of ['not JSON', '{"type":"unknown"}', '[]', '{"type":"subscribe","id":"1"}']) {
    const socket = await openSocket(app.url, { init: {} });
    socket.send(message);
    expect(await socket.closed).toMatchObject({ code: 4400 });
  }
  const socket = await openSocket(app.url, { init: {} });
  socket.socket.send(Buffer.from([1, 2, 3]));
  expect(await socket.closed).toMatchObject({ code: 4400 });
});

test('A subscription before the acknowledgement closes the socket with 4401', async () => {
  const socket = await openSocket(app.url);
  socket.send(subscribeMessage('1', viewerQuery));
  expect(await socket.closed).toMatchObject({ code: 4401 });
});

test('A token that is not valid closes the socket with 4403', async () => {
  const socket = await openSocket(app.url);
  socket.send({ type: 'connection_init', payload: { token: 'wrong' } });
  expect(await socket.closed).toMatchObject({ code: 4403 });
});

test('A socket without this protocol is closed with 4406', async () => {
  const without = await openSocket(app.url, { protocol: [] });
  expect(await without.closed).toMatchObject({ code: 4406 });
  // Without a protocol in common this client gives up by itself.
  await expect(openSocket(app.url, { protocol: 'graphql-ws' })).rejects.toThrow(/subprotocol/i);
});

test('A socket that says nothing is closed with 4408', async () => {
  const socket = await openSocket(app.url);
  expect(await socket.closed).toMatchObject({ code: 4408 });
});

test('An id in use closes the socket with 4409, however long the id is', async () => {
  const { eventId } = await createHall(app.organizer);
  for (const id of ['twice', 'x'.repeat(limits.idLength)]) {
    const socket = await guestSocket();
    socket.send(subscribeMessage(id, seatChanges, { eventId }));
    socket.send(subscribeMessage(id, seatChanges, { eventId }));
    expect(await socket.closed).toMatchObject({ code: 4409 });
  }
  const socket = await guestSocket();
  socket.send(subscribeMessage('y'.repeat(500), seatChanges, { eventId }));
  const { type, payload } = await socket.next();
  expect({ type, code: payload[0].extensions.code }).toEqual({ type: 'error', code: 'TOO_MANY_OPERATIONS' });
  await expectAlive(socket);
  socket.socket.close();
});

test('An id is free again as soon as its operation is completed, and two streams are never mixed', async () => {
  const { eventId } = await createHall(app.organizer);
  const other = await createHall(app.organizer, { rows: 1, seatsPerRow: 3 });
  const socket = await guestSocket();
  socket.send(subscribeMessage('1', seatChanges, { eventId }));
  socket.send({ id: '1', type: 'complete' });
  socket.send(subscribeMessage('1', seatChanges, { eventId: other.eventId }));
  const first = await socket.next();
  expect(first).toMatchObject({ id: '1', type: 'next' });
  expect(first.payload.data.seatMapChanged.states).toBe('...');
  socket.socket.close();
});

test('A second connection_init closes the socket with 4429', async () => {
  const socket = await openSocket(app.url, { init: {} });
  socket.send({ type: 'connection_init' });
  expect(await socket.closed).toMatchObject({ code: 4429 });
});

test('A message over the size limit closes the socket with 1009', async () => {
  const socket = await openSocket(app.url, { init: {} });
  socket.send(subscribeMessage('1', `{ viewer { personId } } # ${'x'.repeat(limits.websocketMessageBytes)}`));
  expect(await socket.closed).toMatchObject({ code: 1009 });
});

test('A syntax error, an unknown field and a wrong variable answer their id, and the socket lives on', async () => {
  const socket = await guestSocket();
  const codeOf = async (query: string, variables?: object) => {
    socket.send(subscribeMessage('1', query, variables));
    const { type, payload } = await socket.next();
    expect(payload.errors ?? payload).not.toHaveLength(0);
    if (type === 'next') await socket.next();
    return { type, code: (payload.errors ?? payload)[0].extensions.code };
  };
  expect(await codeOf('{ viewer {')).toEqual({ type: 'error', code: 'GRAPHQL_PARSE_FAILED' });
  expect(await codeOf('{ nothing }')).toEqual({ type: 'error', code: 'GRAPHQL_VALIDATION_FAILED' });
  expect(await codeOf('query A { __typename } query B { __typename }')).toEqual({
    type: 'error',
    code: 'OPERATION_RESOLUTION_FAILURE',
  });
  expect(await codeOf('query ($id: ID!) { event(id: $id) { id } }')).toEqual({ type: 'next', code: 'BAD_USER_INPUT' });
  await expectAlive(socket);
  socket.socket.close();
});

test('More operations than one socket may run are refused one by one, and ended ones make room', async () => {
  const { eventId } = await createHall(app.organizer);
  const socket = await guestSocket();
  const { subscriptionsPerSocket: bound } = limits;
  for (let at = 0; at < bound; at += 1) socket.send(subscribeMessage(`s${at}`, seatChanges, { eventId }));
  for (let at = 0; at < bound; at += 1) expect((await socket.next()).type).toBe('next');
  socket.send(subscribeMessage('more', seatChanges, { eventId }));
  const refused = await socket.next();
  expect(refused).toMatchObject({ id: 'more', type: 'error' });
  expect(refused.payload[0].extensions.code).toBe('TOO_MANY_OPERATIONS');
  await expectAlive(socket);
  socket.send({ id: 's0', type: 'complete' });
  await expectAlive(socket);
  socket.send(subscribeMessage('again', seatChanges, { eventId }));
  expect(await socket.next()).toMatchObject({ id: 'again', type: 'next' });
  socket.socket.close();
});

test('A ping is answered with a pong, whatever comes with it', async () => {
  const socket = await openSocket(app.url, { init: {} });
  // What can be read, and not be written.
  const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
  expect(() => JSON.stringify(JSON.parse(deep))).toThrow(RangeError);
  for (const payload of ['{"at":1}', `{"a":${deep}}`]) {
    socket.send(`{"type":"ping","payload":${payload}}`);
    expect(await socket.next()).toEqual({ type: 'pong' });
  }
  socket.socket.close();
});

/** Lets the time between two pings pass; resolves when all of these have been pinged. */
async function untilPinged(...sockets: readonly RawSocket[]): Promise<void> {
  const pinged = sockets.map(({ socket }) => once(socket, 'ping'));
  app.clock.advance(limits.socketPingMs);
  await Promise.all(pinged);
}

test('A ping of the server that is unanswered by the next one cuts the socket, and no other', async () => {
  const answering = await guestSocket();
  // From here on it is a while until the next one by itself.
  await untilPinged(answering);
  const silent = await openSocket(app.url, { init: { token: (await app.guest()).token }, autoPong: false });
  await untilPinged(answering, silent);
  // Whatever else it says is no answer.
  for (const socket of [silent, answering]) await expectAlive(socket);
  const { open } = app.server.sockets();
  await untilPinged(answering);
  expect(await silent.closed).toMatchObject({ code: 1006 });
  await expectAlive(answering);
  expect(app.server.sockets().open).toBe(open - 1);
  await untilPinged(answering);
  answering.socket.close();
});

test('A message that meets a bug of the server closes its socket with 1011 and without a word of the inside, and no other one', async () => {
  const other = await guestSocket();
  const socket = await openSocket(app.url);
  const viewer = jest.spyOn(app.server.services.tokens, 'viewer').mockRejectedValueOnce(new Error('a bug'));
  socket.send({ type: 'connection_init', payload: { token: 'any' } });
  expect(await socket.closed).toEqual({ code: 1011, reason: 'Internal error' });
  viewer.mockRestore();
  await expectAlive(other);
  other.socket.close();
});

test('An upgrade of any other path is answered with 404 and harms nobody', async () => {
  const { hostname, port } = new URL(app.url);
  for (const path of ['/other', '//', '/graphql/x', 'http://[', '*']) {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
            'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
        );
      });
      socket.once('data', (data) => {
        resolve(String(data).split('\r\n')[0]!);
        socket.resetAndDestroy();
      });
    });
    expect(answer).toBe('HTTP/1.1 404 Not Found');
  }
  expect((await app.anonymous.run('{ systemStatus { redis } }')).systemStatus.redis).toBe('UP');
});

const largeHall = { rows: 100, seatsPerRow: 100 };
/** Some 900 KB for a hall of 10,000 seats. */
const layout = `query ($eventId: ID!) { seatMap(eventId: $eventId) { sections { rows { label seats { id index label x y categoryId } } } } }`;

test('Promise 24: a slow reader gets merged state when it reads again, and delays nobody', async () => {
  const { eventId, rows } = await createHall(app.organizer, largeHall);
  const slow = await guestSocket();
  const quick = await guestSocket();
  for (const socket of [slow, quick]) {
    socket.send(subscribeMessage('stream', seatChanges, { eventId }));
    await socket.until(({ type }) => type === 'next');
  }
  slow.socket.pause();
  // More than the network takes in on its own: from here on the socket lags.
  for (let at = 0; app.server.sockets().lagging === 0; at += 1) {
    slow.send(subscribeMessage(`layout${at}`, layout, { eventId }));
    await expectAlive(quick);
  }
  const buyer = await app.guest();
  const takeAndTell = async (seat: string) => {
    await buyer.mutate('holdSeats', { eventId, idempotencyKey: newKey(), seats: { seatIds: [seat] } }, 'hold { id }');
    return quick.until(({ type }) => type === 'next');
  };
  const told = [];
  for (let at = 0; at < 5; at += 1) told.push(await takeAndTell(rows[1]![at]!));
  const last = told.at(-1).payload.data.seatMapChanged.version;
  slow.socket.resume();
  const seen: Data[] = [];
  await slow.until(({ id, payload }) => {
    if (id === 'stream') seen.push(payload.data.seatMapChanged);
    return id === 'stream' && payload.data.seatMapChanged.version === last;
  });
  const seats = new Set(seen.flatMap(({ seats }) => seats.split(',')));
  expect(seats).toEqual(new Set(['100', '101', '102', '103', '104']));
  expect(seen.length).toBeLessThan(told.length);
  for (const { socket } of [slow, quick]) socket.close();
});

test('Promise 24: a slow reader is not cut off because a ping waits behind what it has not read', async () => {
  const { eventId } = await createHall(app.organizer, largeHall);
  const quick = await guestSocket();
  await untilPinged(quick);
  const slow = await guestSocket();
  // This one it does not read.
  slow.socket.pause();
  await untilPinged(quick);
  for (let at = 0; app.server.sockets().lagging === 0; at += 1) {
    slow.send(subscribeMessage(`layout${at}`, layout, { eventId }));
    await expectAlive(quick);
  }
  await untilPinged(quick);
  await expectAlive(quick);
  slow.socket.resume();
  await expectAlive(slow);
  await eventually(() => expect(app.server.sockets().lagging).toBe(0));
  await untilPinged(slow, quick);
  for (const socket of [slow, quick]) await expectAlive(socket);
  for (const { socket } of [slow, quick]) socket.close();
});

test('Promise 24: a reader that does not catch up is closed with 4505', async () => {
  const { eventId } = await createHall(app.organizer, largeHall);
  const slow = await guestSocket();
  await expectAlive(slow);
  const { open } = app.server.sockets();
  slow.socket.pause();
  for (let at = 0; at < limits.operationsInFlightPerSocket; at += 1)
    slow.send(subscribeMessage(`layout${at}`, layout, { eventId }));
  await eventually(() => expect(app.server.sockets().open).toBe(open - 1));
  slow.socket.resume();
  expect(await slow.closed).toMatchObject({ code: closeCodes.slowConsumer });
});

test('Promise 24: whoever reads nothing and goes on sending is closed with 4505 before the answers take much', async () => {
  const { eventId } = await createHall(app.organizer, largeHall);
  const [slow, quick] = [await guestSocket(), await guestSocket()];
  const { open } = app.server.sockets();
  slow.socket.pause();
  for (let at = 0; app.server.sockets().lagging === 0; at += 1) {
    slow.send(subscribeMessage(`layout${at}`, layout, { eventId }));
    await expectAlive(quick);
  }
  // Short as they are, a few thousand answers that wait are megabytes.
  const pings = Math.ceil(limits.socketHardBufferedBytes / limits.waitingMessageBytes);
  for (let at = 0; at < pings; at += 1) slow.send({ type: 'ping' });
  await eventually(() => expect(app.server.sockets().open).toBe(open - 1));
  slow.socket.resume();
  expect(await slow.closed).toMatchObject({ code: closeCodes.slowConsumer });
  quick.socket.close();
});

test('A server that stops tells everybody when to come back, and no more than reconnectsPerSecond to come in one second', async () => {
  const other = await startTestApp();
  const sockets = [];
  for (let i = 0; i < 5; i += 1) sockets.push(await openSocket(other.url));
  const closing = other.close();
  const reasons = await Promise.all(sockets.map(({ closed }) => closed));
  const everyMs = 1_000 / limits.reconnectsPerSecond;
  expect(reasons).toEqual(
    [0, 1, 2, 3, 4].map((place) => ({ code: 1012, reason: `retryAfterMs=${Math.round(place * everyMs)}` })),
  );
  await closing;
});

test('A server that stops tells every socket to reconnect with 1012 and takes no new one', async () => {
  const other = await startTestApp();
  const socket = await openSocket(other.url, { init: { token: (await other.guest()).token } });
  const closing = other.close();
  expect(await socket.closed).toMatchObject({ code: 1012 });
  await expect(openSocket(other.url)).rejects.toThrow();
  await closing;
});
