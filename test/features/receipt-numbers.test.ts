import { type RunningServer, startServer } from '../../src/server/server.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { createHall } from '../support/events.js';
import { holdLock } from '../support/locks.js';
import { buy, receiptOf } from '../support/receipts.js';

let app: TestApp;
/** Whose loops and connections are their own; they meet in the database alone. */
let others: RunningServer[];
beforeAll(async () => {
  app = await startTestApp();
  others = await Promise.all([startServer(app.config), startServer(app.config)]);
});
afterAll(async () => {
  await Promise.all(others.map((server) => server.close()));
  await app.close();
});

test('Promise 32: receipts of many orders, numbered by three servers at once, have numbers without gaps', async () => {
  const hall = await createHall(app.organizer, { rows: 5, event: { waitingRoom: 'NEVER' } });
  // Until this is let go, nobody gets a number: all three are caught with orders that they want to number.
  const lock = await holdLock(
    app.stores.databaseUrl,
    `INSERT INTO receipt_counter (organizer_id, kind) SELECT id, 'RECEIPT' FROM organizer
     ON CONFLICT (organizer_id, kind) DO UPDATE SET last = receipt_counter.last`,
  );
  const [last, ...seatIds] = hall.rows.flat();
  const purchases = await Promise.all(seatIds.map((seatId) => buy(app, hall, [seatId])));
  await lock.blocked(3);
  await lock.commit();
  await Promise.all(purchases.map(receiptOf));
  // Whoever came to nothing has used up no number either.
  await receiptOf(await buy(app, hall, [last!]));
  const numbered = await app.sql<{ number: number }>(
    `SELECT number FROM receipt WHERE kind = 'RECEIPT' ORDER BY organizer_id, number`,
  );
  expect(numbered.map(({ number }) => number)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
});
