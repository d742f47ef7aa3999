import { Redis } from 'ioredis';
import { startTestApp, type TestApp } from '../support/app.js';
import { createHall, holdSeats } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { keysOf, presentKeys } from '../support/keys.js';

let app: TestApp;
let admin: Redis;
beforeAll(async () => {
  app = await startTestApp();
  admin = new Redis(app.stores.redisUrl);
});
afterAll(async () => {
  admin.disconnect();
  await app.close();
});

/** Empties Redis where an event is being loaded: its letters are there, and nobody may believe them yet. */
const flushInLoad = `if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('FLUSHALL')
return 1`;

test('Promise 6: Redis flushed in the middle of a load: what is left of it is not believed, the event is loaded again', async () => {
  const { eventId, rows } = await createHall(app.organizer, {
    rows: 50,
    seatsPerRow: 100,
    event: { waitingRoom: 'NEVER' },
  });
  const { meta, status } = keysOf(eventId, 2);
  await admin.flushall();
  let flushed: unknown = 0;
  while (flushed === 0) flushed = await admin.eval(flushInLoad, 2, status, meta);
  await eventually(async () => {
    const present = await presentKeys(admin, eventId);
    expect(await admin.strlen(present.status)).toBe(5_000);
  });
  const { hold } = await holdSeats(await app.guest(), eventId, { seatIds: [rows[0]![0]!] });
  expect(hold.state).toBe('HELD');
});
