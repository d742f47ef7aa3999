import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { createHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { neededHeapBytes } from '../support/heap.js';
import { openSocket, subscribeMessage } from '../support/raw-socket.js';

// Tens of thousands of subscriptions, on however busy a machine.
jest.setTimeout(600_000);

let app: TestApp;
let eventId: string;
beforeAll(async () => {
  app = await startTestApp();
  eventId = (await createHall(app.organizer)).eventId;
});
afterAll(() => app.close());

const leakBytes = 2 * 1_048_576;
/** Timers and connections of the platform itself come and go. */
const ownHandles = 20;
const changes =
  'subscription ($eventId: ID!) { seatMapChanged(eventId: $eventId) { ... on SeatMapSnapshot { version } } }';

function expectStream(text: string): void {
  if (!text.includes('"type":"next"')) throw new Error(`refused: ${text}`);
}

/** Sockets, timers and whatever else keeps a process alive, by kind. */
function handles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** Expects rounds to leave nothing behind, once others like them have warmed everything up. */
async function expectNoGrowth(warmUp: number, rounds: number, round: () => Promise<void>): Promise<void> {
  const open = app.server.sockets().open;
  const expectNobody = () =>
    eventually(() => {
      expect(app.server.sockets().open).toBe(open);
      expect(app.server.streams()).toMatchObject({ subscribers: 0, groups: 0 });
    });
  for (let at = 0; at < warmUp; at += 1) await round();
  await expectNobody();
  const beforeBytes = await neededHeapBytes();
  const before = handles();
  for (let at = 0; at < rounds; at += 1) await round();
  await expectNobody();
  expect((await neededHeapBytes()) - beforeBytes).toBeLessThan(leakBytes);
  const more = [...handles()].filter(([kind, count]) => count > (before.get(kind) ?? 0) + ownHandles);
  expect(more).toEqual([]);
}

test('Promise 24: 50,000 subscriptions that have ended on the same sockets leave no memory behind', async () => {
  const sockets = await Promise.all(Array.from({ length: 5 }, () => openSocket(app.url, { init: {} })));
  // Those that have just been completed may still be ending when the next ones are opened.
  const streamsAtOnce = limits.subscriptionsPerSocket / 2;
  let lastId = 0;
  await expectNoGrowth(250, 1_250, async () => {
    const opened = sockets.map((socket) => {
      const ids = Array.from({ length: streamsAtOnce }, (_, at) => `${lastId + at}`);
      lastId += ids.length;
      for (const id of ids) socket.send(subscribeMessage(id, changes, { eventId }));
      return { socket, ids };
    });
    for (const { socket, ids } of opened) {
      for (const _ of ids) expectStream(await socket.nextText());
      for (const id of ids) socket.send({ id, type: 'complete' });
    }
  });
  for (const { socket } of sockets) socket.close();
  await Promise.all(sockets.map(({ closed }) => closed));
});

test('Promise 24: 50,000 sockets that were cut, half of them before their stream was open, leave no memory behind', async () => {
  await expectNoGrowth(20, 2_500, async () => {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => openSocket(app.url, { init: {} })));
    await Promise.all(
      sockets.map(async (socket, at) => {
        socket.send(subscribeMessage('1', changes, { eventId }));
        if (at % 2 === 0) expectStream(await socket.nextText());
        socket.socket.terminate();
        await socket.closed;
      }),
    );
  });
});
