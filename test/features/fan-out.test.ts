import { randomUUID } from 'node:crypto';
import { applySeatMapUpdate, type KnownSeats } from '../../client/seat-map.js';
import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { createHall, holdSeats } from '../support/events.js';
import { openSocket, subscribeMessage } from '../support/raw-socket.js';
import { closeTexts, type TextStream, TextStreams } from '../support/texts.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterEach(closeTexts);
afterAll(() => app.close());

const changes = `subscription ($eventId: ID!) { seatMapChanged(eventId: $eventId) {
  __typename ... on SeatMapSnapshot { epoch version layoutVersion states }
  ... on SeatMapDelta { epoch version layoutVersion fromVersion seats states }
} }`;

/** Follows a stream of the whole hall as PROTOCOL.md says, up to a version; answers the letters. */
async function follow(stream: TextStream, version: number, count: number): Promise<string> {
  let known: KnownSeats | null = null;
  do {
    const { payload } = await stream.next();
    const applied = applySeatMapUpdate(known, payload.data.seatMapChanged, [{ first: 0, count }]);
    if (applied === 'resubscribe') throw new Error(`a gap before ${JSON.stringify(payload)}`);
    known = applied;
  } while (known.version < version);
  return [...known.states.values()].join('');
}

test('Promise 23: more watchers than are woken at a time are all told everything, in order, while seats go on changing', async () => {
  const { eventId, rows } = await createHall(app.organizer, { rows: 4, seatsPerRow: 10 });
  const streams = new TextStreams(app.url);
  const watchers: TextStream[] = [];
  while (watchers.length < 2 * limits.wakeSlice + 100)
    watchers.push(await streams.subscribe(null, changes, { eventId }));
  const { payload } = await watchers.at(-1)!.next();
  const first: number = payload.data.seatMapChanged.version;
  const seats = rows.flat();
  for (let at = 0; at < seats.length; at += 4) {
    const buyer = await app.guest();
    const { hold } = await holdSeats(buyer, eventId, { seatIds: seats.slice(at, at + 4) });
    expect(hold.state).toBe('HELD');
  }
  const last = first + seats.length / 4;
  const told = await Promise.all(watchers.slice(0, -1).map((watcher) => follow(watcher, last, seats.length)));
  expect(new Set(told)).toEqual(new Set(['h'.repeat(seats.length)]));
});

test('Promise 24: a text of any length arrives whole, also around the lengths at which a frame is written otherwise', async () => {
  const { eventId } = await createHall(app.organizer, { rows: 10, seatsPerRow: 50 });
  const streams = new TextStreams(app.url);
  /** The answer to a stream whose name has so many characters. */
  const ask = async (characters: number, selection: string): Promise<string> => {
    const name = 'x'.repeat(characters);
    const query = `subscription($e:ID!){${name}:seatMapChanged(eventId:$e){${selection}}}`;
    const stream = await streams.subscribe(null, query, { e: eventId });
    expect(Object.keys((await stream.next()).payload.data)).toEqual([name]);
    return stream.texts[0]!;
  };
  const borders = [
    [126, 't:__typename'],
    [65_536, '...on SeatMapSnapshot{states}'],
  ] as const;
  // Lengths are without the id, about twenty characters: all on both sides of a border are asked for.
  for (const [border, selection] of borders) {
    const shortest = (await ask(1, selection)).length;
    for (let bytes = border - 40; bytes <= border + 2; bytes += 1) {
      if (bytes >= shortest) expect(await ask(1 + bytes - shortest, selection)).toHaveLength(bytes);
    }
  }
});

test('Whoever is told the same as others is told it under an id of its own, however that is written', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const written = ['ü', '席'.repeat(limits.idLength), '🎟️', '"\\', ...Array.from({ length: 9 }, () => randomUUID())];
  // Some have the same id.
  const ids = [...written, ...written];
  expect(written.length).toBeGreaterThan(limits.framesPerText);
  const sockets = await Promise.all(ids.map(() => openSocket(app.url, { init: {} })));
  const isTold = (seats: object) =>
    Promise.all(
      sockets.map(async (socket, at) => {
        expect(await socket.next()).toMatchObject({
          id: ids[at],
          type: 'next',
          payload: { data: { seatMapChanged: seats } },
        });
      }),
    );
  for (const [at, socket] of sockets.entries()) socket.send(subscribeMessage(ids[at]!, changes, { eventId }));
  await isTold({ states: '.'.repeat(20) });
  const before = app.server.streams();
  expect(before).toMatchObject({ subscribers: ids.length, groups: 1 });
  await holdSeats(await app.guest(), eventId, { seatIds: [rows[0]![0]!] });
  await isTold({ seats: '0', states: 'h' });
  for (const { socket } of sockets) socket.close();
});
