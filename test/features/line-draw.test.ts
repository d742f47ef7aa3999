import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { drawOrder, lobbyListHash } from '../../src/domain/line.js';
import { limits } from '../../src/limits.js';
import { epochOf, loadScript, type ScriptName, serverOf } from '../../src/redis/script.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';
import { eventually } from '../support/eventually.js';
import {
  arrive,
  auditTrail,
  bareId,
  createLine,
  followEntry,
  join,
  judgeTrail,
  type LineEvent,
  leave,
  pollEntry,
  type Waiter,
} from '../support/line.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const untilOpeningMs = 60_000;

/** An event whose sale opens in a minute, with people in its lobby. */
async function createLobby(people: number): Promise<{ line: LineEvent; waiters: Waiter[] }> {
  const saleOpensAt = new Date(app.clock.nowMs() + untilOpeningMs).toISOString();
  const line = await createLine(app, { activeCap: 1, event: { saleOpensAt } });
  const waiters: Waiter[] = [];
  for (let i = 0; i < people; i += 1) waiters.push(await arrive(app, line.eventId));
  return { line, waiters };
}

async function secrets({ eventId }: LineEvent): Promise<{ seed: string; hash: string | null }> {
  const [row] = await app.sql<{ seed: string; hash: string | null }>(
    'SELECT draw_seed AS seed, draw_list_hash AS hash FROM inventory WHERE event_id = $1',
    [eventId],
  );
  return row!;
}

/** Entry ids by number, as Redis keeps them. */
async function numbered({ keys }: LineEvent): Promise<string[]> {
  const places = await app.server.services.platform.redis.hgetall(keys.places);
  return Object.entries(places)
    .map(([entry, place]) => ({ entry, number: Number(place.split('|')[0]) }))
    .sort((a, b) => a.number - b.number)
    .map(({ entry }) => entry);
}

const hasNumber = ({ number }: Data) => number !== null;
const drawnBy = async ({ stream }: Waiter): Promise<number> => (await stream.until(hasNumber)).number;

test('Promise 10: before the opening people wait in a lobby without a number and nobody is admitted', async () => {
  const { line, waiters } = await createLobby(3);
  for (const { entry } of waiters) {
    expect(entry).toMatchObject({ phase: 'LOBBY', state: 'WAITING', number: null, position: null });
    expect(entry.nextPushInMs).toBeGreaterThan(0);
  }
  await app.advance(line.eventId, untilOpeningMs - 10_000);
  expect(await join(waiters[0]!.client, line.eventId)).toMatchObject({ id: waiters[0]!.entry.id, phase: 'LOBBY' });
  expect(judgeTrail(await auditTrail(app, line)).admitted).toBe(0);
  expect((await secrets(line)).hash).toBeNull();
});

test('Promise 10: at the opening everybody in the lobby is drawn once, in the order anyone can recompute from seed and list', async () => {
  const { line, waiters } = await createLobby(12);
  await app.advance(line.eventId, untilOpeningMs);
  const numbers = await Promise.all(waiters.map(drawnBy));
  expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  const { seed, hash } = await secrets(line);
  const entries = waiters.map(({ entry }) => bareId(entry));
  expect(hash).toBe(lobbyListHash(entries));
  const order = drawOrder(seed, entries);
  expect(entries.map((entry) => order.indexOf(entry) + 1)).toEqual(numbers);
  const first = waiters[numbers.indexOf(1)]!;
  await eventually(async () => expect((await pollEntry(first.client, first.entry.id)).state).toBe('ADMITTED'));
  expect(judgeTrail(await auditTrail(app, line))).toEqual({ admitted: 1, gaps: 0, overCap: 0, outOfOrder: 0 });
});

test('Promise 10: the phase latches by Redis time at the first call after the opening, and LOBBY never comes back', async () => {
  const { line } = await createLobby(0);
  await app.advance(line.eventId, untilOpeningMs);
  expect(await join(await app.guest(), line.eventId)).toMatchObject({ phase: 'OPEN', number: 1, state: 'ADMITTED' });
  // Not even a clock that went backwards brings it back.
  await app.server.services.platform.redis.hset(line.keys.meta, 'lastNow', app.clock.nowMs() - 2 * untilOpeningMs);
  expect(await join(await app.guest(), line.eventId)).toMatchObject({ phase: 'OPEN', number: 2 });
});

/** Sends calls of scripts as one transaction that begins with the opening: no worker comes between them. */
async function atTheOpening(
  line: LineEvent,
  calls: readonly (readonly [ScriptName, ...(string | number)[]])[],
): Promise<string[][]> {
  const { redis } = app.server.services.platform;
  // The server must know a script before a transaction names it.
  for (const [name] of calls) await redis.script('LOAD', loadScript(name));
  const transaction = redis.multi().hset(line.keys.meta, 'lastNow', app.clock.nowMs() + untilOpeningMs);
  const commands = transaction as unknown as Record<string, (...args: (string | number)[]) => unknown>;
  for (const [name, ...args] of calls)
    commands[name]!(line.keys.meta, epochOf(line.ref.generation, serverOf(redis)!), ...args);
  const replies = (await transaction.exec()) as [Error | null, (string | number)[]][];
  app.clock.advance(untilOpeningMs);
  return replies.slice(1).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply.map(String);
  });
}

test('Promise 10: admission waits for the draw, late arrivals get the next numbers at once, and a draw cut off in the middle is finished', async () => {
  const { line, waiters } = await createLobby(10);
  const { redis } = app.server.services.platform;
  const lobby = waiters.map(({ entry }) => bareId(entry));
  expect(await redis.zrange(line.keys.lobby, 0, -1)).toEqual(lobby);
  const order = drawOrder((await secrets(line)).seed, lobby);
  const late = app.clock.randomId();
  // Room for numbers is written down before any is given.
  await app.server.services.inventory.reserveNumbers(line.ref);
  const firstChunk = ['line.draw', 0, ...order.slice(0, 4)] as const;
  const [drawn, round, joined, repeated] = await atTheOpening(line, [
    firstChunk,
    ['line.admit', limits.admitBatch, limits.admitWork, limits.processLeaseMs, 1, limits.tombstoneMs, 0, 2],
    ['line.join', 'latecomer', late, limits.pollPresenceMs, limits.lineEntries, limits.processLeaseMs],
    firstChunk,
  ]);
  expect(drawn!.slice(2)).toEqual(['4', '10']);
  expect([round![2], round![4]]).toEqual(['0', 'DRAWING']);
  expect(joined!.slice(2, 4)).toEqual([late, '11']);
  expect(repeated!.slice(2)).toEqual(['4', '10']);
  // From here on the worker goes on where the first one stopped.
  await eventually(async () => expect(await redis.hget(line.keys.meta, 'phase')).toBe('OPEN'));
  expect(await numbered(line)).toEqual([...order, late]);
  const numbers = await Promise.all(waiters.map(drawnBy));
  expect(numbers).toEqual(lobby.map((entry) => order.indexOf(entry) + 1));
});

test('Promise 10: nobody is drawn before the hash of the list is stored', async () => {
  const { line, waiters } = await createLobby(3);
  const { redis, database } = app.server.services.platform;
  const holder = database.createQueryRunner();
  await holder.startTransaction();
  await holder.query('SELECT 1 FROM inventory WHERE event_id = $1 FOR UPDATE', [line.eventId]);
  await app.advance(line.eventId, untilOpeningMs);
  try {
    await eventually(async () => {
      const waiting = await app.sql(
        `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%draw_list_hash%' AND datname = current_database()`,
      );
      expect(waiting.length).toBeGreaterThan(0);
    });
    expect(await redis.hmget(line.keys.line, 'lobbySize', 'drawn')).toEqual(['3', '0']);
    expect(await redis.hget(line.keys.meta, 'phase')).toBe('DRAWING');
  } finally {
    await holder.rollbackTransaction();
    await holder.release();
  }
  expect([...(await Promise.all(waiters.map(drawnBy)))].sort()).toEqual([1, 2, 3]);
});

const drawFields = 'seedHash listHash entryCount seed';
const readDraw = async (eventId: string): Promise<Data> =>
  (await app.anonymous.run(`query ($id: ID!) { draw(eventId: $id) { ${drawFields} } }`, { id: eventId })).draw;

test('Promise 10: the seed is sealed by its hash from publication on, the list by its hash from the opening on, and both are shown to everybody after it', async () => {
  const { line, waiters } = await createLobby(5);
  const { seed } = await secrets(line);
  const sealed = {
    seedHash: createHash('sha256').update(seed).digest('hex'),
    listHash: null,
    entryCount: null,
    seed: null,
  };
  expect(await readDraw(line.eventId)).toEqual(sealed);
  await app.advance(line.eventId, untilOpeningMs);
  await Promise.all(waiters.map(drawnBy));
  const entries = waiters.map(({ entry }) => bareId(entry));
  const shown = { ...sealed, listHash: lobbyListHash(entries), entryCount: 5, seed };
  expect(await readDraw(line.eventId)).toEqual(shown);
  const page = (offset: number, count: number) =>
    app.anonymous.run('query ($id: ID!, $o: Int!, $c: Int!) { drawEntries(eventId: $id, offset: $o, count: $c) }', {
      id: line.eventId,
      o: offset,
      c: count,
    });
  const pages = [await page(0, 3), await page(3, 3), await page(6, 3)].map(({ drawEntries }) => drawEntries);
  expect(pages.flat()).toEqual([...entries].sort());
  expect(pages.map((part) => part.length)).toEqual([3, 2, 0]);
  await expect(page(0, limits.drawPage + 1)).rejects.toThrow('INVALID_INPUT');
});

test('Promise 10: a script in another language recomputes the draw, and tells when it was another one', async () => {
  const { line, waiters } = await createLobby(25);
  await app.advance(line.eventId, untilOpeningMs);
  const number = await drawnBy(waiters[7]!);
  const verify = (...own: string[]) => {
    const script = fileURLToPath(new URL('../../docs/verify-the-draw.py', import.meta.url));
    return promisify(execFile)('python3', [script, `${app.url}/graphql`, line.eventId, ...own]).then(
      ({ stdout }) => stdout.trim(),
      ({ stdout, stderr }) => `refused: ${stdout}${stderr}`.trim(),
    );
  };
  const place = waiters[7]!.entry.id;
  expect(await verify(place, String(number))).toBe('The draw of 25 places is what it should be.');
  expect(await verify(place, String(number + 1))).toBe('refused: your place was drawn another number');
  await app.sql('UPDATE inventory SET draw_list = substring(draw_list FROM 17) WHERE event_id = $1', [line.eventId]);
  expect(await verify()).toBe('refused: the list is not the one that was published');
});

test('Promise 10: workers that draw at the same time do no harm', async () => {
  const { line, waiters } = await createLobby(10);
  await app.advance(line.eventId, untilOpeningMs);
  const { draws } = app.server.services;
  await Promise.all(Array.from({ length: 6 }, () => draws.draw(line.ref)));
  const numbers = await Promise.all(waiters.map(drawnBy));
  const { seed, hash } = await secrets(line);
  const entries = waiters.map(({ entry }) => bareId(entry));
  expect(hash).toBe(lobbyListHash(entries));
  expect(await numbered(line)).toEqual(drawOrder(seed, entries));
  expect(new Set(numbers).size).toBe(10);
  const drawn = (await auditTrail(app, line)).filter(({ kind }) => kind === 'drawn');
  expect(drawn).toHaveLength(10);
});

test('Whoever left the lobby before the draw is not waited for, and whoever left and came back is drawn once', async () => {
  const { line, waiters } = await createLobby(4);
  const [leaver, returner, ...staying] = waiters as [Waiter, Waiter, ...Waiter[]];
  await leave(leaver.client, leaver.entry.id);
  await leave(returner.client, returner.entry.id);
  const again = await join(returner.client, line.eventId);
  await app.advance(line.eventId, untilOpeningMs);
  const returned = { ...returner, entry: again, stream: followEntry(returner.client, again.id) };
  const numbers = await Promise.all([...staying, returned].map(drawnBy));
  expect([...numbers].sort()).toEqual([1, 2, 3]);
});
