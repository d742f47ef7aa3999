import { randomUUID } from 'node:crypto';
import { applySeatMapUpdate, cursorOf, type KnownSeats } from '../../client/seat-map.js';
import { limits } from '../../src/limits.js';
import { releaseHold } from '../../src/redis/seat-holds.js';
import { closeCodes } from '../../src/server/connection.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { createHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { claim, type ScriptHall } from '../support/halls.js';
import { neededBytes } from '../support/heap.js';
import { keysOf } from '../support/keys.js';
import { scrape, since } from '../support/metrics.js';
import { openSocket, type RawSocket, subscribeMessage } from '../support/raw-socket.js';
import { asQueried } from '../support/seat-follower.js';

// Gigabytes go through the sockets of this process.
jest.setTimeout(180_000);

const seatCount = 2_000;
const ranges = [{ first: 0, count: seatCount }];

/** The same again and again, within the bound of aliases: what is told of a change of all seats is large. */
const again = (field: string, count: number) =>
  Array.from({ length: count }, (_, at) => `${field}${at}: ${field}`).join(' ');
const changesWith = (more: string) =>
  `subscription ($eventId: ID!, $since: SeatMapCursor) { seatMapChanged(eventId: $eventId, since: $since) {
  __typename
  ... on SeatMapSnapshot { epoch version layoutVersion states }
  ... on SeatMapDelta { epoch version layoutVersion fromVersion seats states ${more} }
} }`;
const changes = changesWith('');
const largeChanges = changesWith(`${again('seats', 15)} ${again('states', 15)}`);
/** At most so many until it is known who does not read: more than a kernel takes in on its own, which is a few MiB and may be forty. */
const changesToLag = 240;
const furtherChanges = 15;
/** Of a message besides its text: its id and how long it is. */
const aroundTextBytes = 128;
/** What the watchers themselves keep, who live in the same process: what they have read, and what they have begun to read. */
const watchersBytes = 32 * 1_048_576;

let app: TestApp;
let hall: ScriptHall;
let readers: Watcher[] = [];
beforeAll(async () => {
  app = await startTestApp({ env: { METRICS_PORT: '0' } });
  const { eventId } = await createHall(app.organizer, { rows: 40, seatsPerRow: 50, event: { waitingRoom: 'NEVER' } });
  hall = { ref: { eventId, generation: 1 }, keys: keysOf(eventId), capacities: [seatCount] };
});
afterEach(() => close(readers));
afterAll(() => app.close());

const nothing = {};
let longestBytes = 0;
/** What comes of a text to those who know the same. Everybody is told the same, so that it is read once for all of them. */
const readings = new WeakMap<object, { readonly text: string; readonly known: KnownSeats }>();

function read(known: KnownSeats | null, text: string): KnownSeats {
  const reading = readings.get(known ?? nothing);
  if (reading?.text === text) return reading.known;
  const next = applySeatMapUpdate(known, JSON.parse(text).data.seatMapChanged, ranges);
  if (next === 'resubscribe') throw new Error(`a gap: ${text.slice(0, 200)}`);
  readings.set(known ?? nothing, { text, known: next });
  longestBytes = Math.max(longestBytes, Buffer.byteLength(text));
  return next;
}

/** Somebody who follows the hall by the rule. */
class Watcher {
  readonly raw: RawSocket;
  /** Versions in the order in which they came. */
  heard: number[] = [];
  known: KnownSeats | null;

  private constructor(raw: RawSocket, known: KnownSeats | null) {
    this.raw = raw;
    this.known = known;
  }

  static async open(document: string, known: KnownSeats | null): Promise<Watcher> {
    const watcher = new Watcher(await openSocket(app.url, { init: {} }), known);
    // Ids of their own: every one of them has frames of its own.
    const id = randomUUID();
    const variables = { eventId: hall.ref.eventId, since: known && cursorOf(known) };
    watcher.raw.send(subscribeMessage(id, document, variables));
    const opening = `{"id":"${id}","type":"next","payload":`;
    const listen = async () => {
      for (;;) watcher.#take(await watcher.raw.nextText(), opening);
    };
    void listen();
    return watcher;
  }

  #take(text: string, opening: string): void {
    if (!text.startsWith(opening)) throw new Error(`not what was asked for: ${text.slice(0, 200)}`);
    this.known = read(this.known, text.slice(opening.length, -1));
    this.heard.push(this.known.version);
  }
}

const openMany = (count: number, document: string) =>
  Promise.all(Array.from({ length: count }, () => Watcher.open(document, null)));

let held: { readonly holdId: string; readonly person: string; readonly fence: string } | null = null;

/** Claims all seats, or gives them back, as another process would; answers the version. */
async function change(): Promise<number> {
  const { redis } = app.server.services.platform;
  if (held === null) {
    const [holdId, person] = [randomUUID(), randomUUID()];
    const indexes = Array.from({ length: seatCount }, (_, index) => index);
    const answer = await claim(redis, hall, {
      holdId,
      person,
      selection: { kind: 'seats', indexes },
      seatsPerPerson: seatCount,
    });
    if (answer.code !== 'OK') throw new Error(answer.code);
    held = { holdId, person, fence: String(answer.hold.fence) };
  } else {
    expect((await releaseHold(redis, hall.ref, held)).code).toBe('OK');
    held = null;
  }
  return Number(await redis.hget(hall.keys.meta, 'version'));
}

const expectAt = (version: number, who: readonly Watcher[]) =>
  eventually(() => expect(who.filter(({ known }) => known?.version !== version).length).toBe(0));

/** Changes one after the other, each told to all who read before the next; answers their versions. */
async function changeForReaders(count: number, until = () => false): Promise<number[]> {
  const versions: number[] = [];
  while (versions.length < count && !until()) {
    versions.push(await change());
    await expectAt(versions.at(-1)!, readers);
  }
  return versions;
}

async function close(who: readonly Watcher[]): Promise<void> {
  for (const { raw } of who) raw.socket.close();
  await Promise.all(who.map(({ raw }) => raw.closed));
}

const lagging = () => app.server.sockets().lagging;

async function expectFresh(who: readonly Watcher[]): Promise<void> {
  const { seatMap } = await app.anonymous.run(
    'query ($eventId: ID!) { seatMap(eventId: $eventId) { state { epoch version layoutVersion states } } }',
    { eventId: hall.ref.eventId },
  );
  await expectAt(seatMap.state.version, who);
  for (const known of new Set(who.map((watcher) => watcher.known))) expect(asQueried(known!)).toEqual(seatMap.state);
}

const bytesOfOne = () => limits.socketSoftBufferedBytes + longestBytes + aroundTextBytes;

/**
 * New ones read nothing but the beginning, until the server knows, and for some changes more, of which nothing is kept for them. Everybody else
 * is told every change by itself.
 */
async function stall(
  count: number,
): Promise<{ readonly silent: readonly Watcher[]; readonly versions: readonly number[] }> {
  const silent = await openMany(count, largeChanges);
  await eventually(() => expect(silent.every(({ known }) => known !== null)).toBe(true));
  for (const { raw } of silent) raw.socket.pause();
  for (const watcher of [...silent, ...readers]) watcher.heard = [];
  const versions = await changeForReaders(changesToLag, () => lagging() === count);
  expect(lagging()).toBe(count);
  const { unreadBytes } = app.server.sockets();
  versions.push(...(await changeForReaders(furtherChanges)));
  const after = app.server.sockets();
  expect(after.lagging).toBe(count);
  expect(unreadBytes).toBeLessThanOrEqual(count * bytesOfOne());
  // The kernel may have taken in some more of it.
  expect(after.unreadBytes).toBeLessThanOrEqual(unreadBytes);
  for (const { heard } of readers) expect(heard).toEqual(versions);
  return { silent, versions };
}

test('Promise 24: one of 1,000 that reads nothing delays nobody, takes bounded memory, and goes on from the newest state when it reads again', async () => {
  // One of them is told what the silent one is told.
  readers = [...(await openMany(998, changes)), ...(await openMany(1, largeChanges))];
  const { silent, versions } = await stall(1);
  for (const { raw } of silent) raw.socket.resume();
  await expectFresh([...silent, ...readers]);
  for (const { heard } of silent) expect(heard.length).toBeLessThanOrEqual(versions.length - furtherChanges + 1);
  await eventually(() => expect(app.server.sockets()).toMatchObject({ lagging: 0, unreadBytes: 0 }));
  await close(silent);
});

test('Promise 24: 100 of 300 that read nothing delay nobody and take bounded memory; who does not read in time is closed with 4505', async () => {
  readers = await openMany(200, largeChanges);
  const before = await neededBytes();
  const { silent, versions } = await stall(100);
  expect((await neededBytes()) - before).toBeLessThan(silent.length * bytesOfOne() + watchersBytes);

  const [inTime, late] = [silent.slice(0, 50), silent.slice(50)];
  for (const { raw } of inTime) raw.socket.resume();
  await expectFresh([...inTime, ...readers]);
  for (const { heard } of inTime) expect(heard.length).toBeLessThanOrEqual(versions.length - furtherChanges + 1);
  await eventually(() => expect(lagging()).toBe(late.length));

  const scraped = await scrape(app.server.metricsUrl);
  expect(scraped.get('floodgate_sockets_lagging')).toBe(late.length);
  expect(scraped.get('floodgate_sockets_unread_bytes')).toBeGreaterThan(0);
  const { open } = app.server.sockets();
  app.clock.advance(limits.socketLaggingMs);
  await eventually(() =>
    expect(app.server.sockets()).toEqual({ open: open - late.length, lagging: 0, unreadBytes: 0 }),
  );
  for (const { raw } of late) raw.socket.resume();
  // Who reads too late even for the goodbye is cut off before.
  for (const { raw } of late) expect([closeCodes.slowConsumer, 1006]).toContain((await raw.closed).code);
  const closes = since(scraped, await scrape(app.server.metricsUrl));
  expect(closes).toMatchObject({ 'socket_closes_total{code="4505"}': late.length });
  const back = await Promise.all(late.map(({ known }) => Watcher.open(largeChanges, known)));
  await expectFresh([...inTime, ...readers, ...back]);
});
