import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { startTestApp, type TestApp } from '../../support/app.js';
import { createHall, type TestHall } from '../../support/events.js';
import { eventually } from '../../support/eventually.js';
import { type EventKeys, keysOf } from '../../support/keys.js';
import { intentOf, pay, startOrder } from '../../support/orders.js';
import { audit } from './auditor.js';

let app: TestApp;
let redis: Redis;
let hall: TestHall;
let keys: EventKeys;
let orderId: string;

beforeAll(async () => {
  app = await startTestApp();
  redis = new Redis(app.stores.redisUrl);
  hall = await createHall(app.organizer);
  keys = keysOf(hall.eventId);
  const order = await startOrder(app, hall, [hall.rows[0]![0]!]);
  orderId = order.orderId;
  await pay(app, order.stream);
});
afterAll(async () => {
  redis.disconnect();
  await app.close();
});

const complaints = async () =>
  (await audit({ sql: app.sql, redis, provider: app.provider }, [hall.eventId])).complaints.map(({ rule }) => rule);

/** Writes something false, and afterwards what was there. */
const forged =
  (table: string, change: string, back: string, key = 'order_id') =>
  async () => {
    await app.sql(`UPDATE ${table} SET ${change} WHERE ${key} = $1`, [orderId]);
    return () => app.sql(`UPDATE ${table} SET ${back} WHERE ${key} = $1`, [orderId]);
  };

const forgeries: readonly (readonly [what: string, rule: string, forge: () => Promise<() => Promise<unknown>>])[] = [
  ['a ticket that is void', 'tickets', forged('ticket', `state = 'VOID'`, `state = 'VALID'`)],
  [
    'a ticket whose money is still to come',
    'tickets',
    forged('ticket', `state = 'PENDING_CAPTURE'`, `state = 'VALID'`),
  ],
  ["a seat that is not the order's for good", 'owners', forged('seat_owner', `state = 'PENDING'`, `state = 'ISSUED'`)],
  [
    'money kept for an order that was canceled',
    'money',
    forged('orders', `state = 'CANCELED'`, `state = 'COMPLETED'`, 'id'),
  ],
  [
    'an order over another sum',
    'money',
    forged('orders', 'total_minor = total_minor + 1', 'total_minor = total_minor - 1', 'id'),
  ],
  ['an order that is not over', 'ending', forged('orders', `state = 'CONFIRMED'`, `state = 'COMPLETED'`, 'id')],
  ['a secret that was not wiped', 'ending', forged('orders', `client_secret = 'secret'`, 'client_secret = NULL', 'id')],
  [
    'a refund that only the ledger knows',
    'recorded',
    forged('orders', `payment = 'REFUNDED'`, `payment = 'CAPTURED'`, 'id'),
  ],
  [
    'an order that is over and has something to do',
    'ending',
    async () => {
      await app.sql(`INSERT INTO order_step (order_id, step, attempt, run_at) VALUES ($1, 'SETTLE', 9, '2100-01-01')`, [
        orderId,
      ]);
      return () => app.sql(`DELETE FROM order_step WHERE order_id = $1 AND attempt = 9`, [orderId]);
    },
  ],
  [
    'a seat that Redis shows as free',
    'seats',
    async () => {
      await redis.setrange(keys.status, 0, '.');
      return () => redis.setrange(keys.status, 0, 's');
    },
  ],
  [
    'a seat that Redis has given to somebody else',
    'seats',
    async () => {
      const holdId = await redis.hget(keys.seats, '0');
      await redis.hset(keys.seats, '0', randomUUID());
      return () => redis.hset(keys.seats, '0', holdId!);
    },
  ],
  [
    'a count of seats that is wrong',
    'redis',
    async () => {
      await redis.hincrby(keys.counts, '*:s', 1);
      return () => redis.hincrby(keys.counts, '*:s', -1);
    },
  ],
  [
    'a generation that Redis does not serve',
    'redis',
    async () => {
      await app.sql('UPDATE inventory SET generation = generation + 1 WHERE event_id = $1', [hall.eventId]);
      return () => app.sql('UPDATE inventory SET generation = generation - 1 WHERE event_id = $1', [hall.eventId]);
    },
  ],
  [
    'revenue that nobody has paid',
    'sums',
    async () => {
      await redis.hincrby(keys.counts, '0:revenue', 1);
      return () => redis.hincrby(keys.counts, '0:revenue', -1);
    },
  ],
];

test('Books in which everything agrees are found in order', async () => {
  await eventually(async () => expect(await complaints()).toEqual([]));
});

test.each(forgeries)('The auditor finds %s', async (_what, rule, forge) => {
  const undo = await forge();
  expect(await complaints()).toContain(rule);
  await undo();
  expect(await complaints()).toEqual([]);
});

test('The auditor finds money that went back behind the back of the ledger, and a payment that the ledger does not know', async () => {
  // Nobody tells the ledger.
  await app.provider.settings({ webhookUrl: '' });
  const account = app.provider.client();
  const { id } = await intentOf(app, orderId);
  await account.refunds.create({ payment_intent: id });
  expect(await complaints()).toEqual(expect.arrayContaining(['money', 'recorded']));
  const metadata = { order_id: orderId, event_id: hall.eventId };
  await account.paymentIntents.create({ amount: 1_100, currency: 'eur', metadata });
  expect(await complaints()).toEqual(expect.arrayContaining(['money', 'payments', 'recorded']));
  await account.paymentIntents.create({
    amount: 1_100,
    currency: 'eur',
    metadata: { ...metadata, order_id: randomUUID() },
  });
  expect(await complaints()).toContain('strangers');
});
