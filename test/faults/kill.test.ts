import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { findPort } from '../../sandbox/services/process.js';
import { limits } from '../../src/limits.js';
import { globalKeys } from '../../src/redis/keys.js';
import { hashPassword } from '../../src/services/accounts.js';
import { type ApiProcess, startApiProcess } from '../support/api-process.js';
import { type Books, expectBooksBalance, expectSeatsAddUp, readOrders, readSeats } from '../support/books.js';
import { ApiClient, type Data } from '../support/client.js';
import { createHall, holdSeats, newKey, orderSelection, startCheckout, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { keysOf } from '../support/keys.js';
import { holdLock, inventoryLock } from '../support/locks.js';
import { type PaymentSandbox, startPaymentSandbox } from '../support/payment-sandbox.js';
import { createTestStores, type TestStores } from '../support/stores.js';

let stores: TestStores;
let provider: PaymentSandbox;
let redis: Redis;
let database: Pool;
let env: Record<string, string>;
let api: ApiProcess;
let organizer: ApiClient;
const dir = mkdtempSync(join(tmpdir(), 'floodgate-kill-'));

const quiet = { latencyMs: 0, failureRate: 0, failureMode: 'before', webhookLossRate: 0, webhookRetryMs: 200 } as const;

beforeAll(async () => {
  const port = await findPort();
  const webhookUrl = `http://127.0.0.1:${port}/webhooks/stripe`;
  const settings = { ...quiet, quotaPerSecond: 0, quotaPerEndpointPerSecond: 0 };
  [stores, provider] = await Promise.all([createTestStores(), startPaymentSandbox({ webhookUrl, settings })]);
  env = {
    PORT: String(port),
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
    STRIPE_SECRET_KEY: provider.secretKey,
    STRIPE_WEBHOOK_SECRET: provider.webhookSecret,
    STRIPE_API_URL: provider.url,
    STRIPE_CALLS_PER_SECOND: '0',
    STRIPE_CALLS_PER_ENDPOINT_PER_SECOND: '0',
    TOKEN_KEY_FILE: join(dir, 'token-key.json'),
    LOG_LEVEL: 'silent',
  };
  redis = new Redis(stores.redisUrl);
  // Calls of the provider are counted here: those that only compare money are not made.
  await redis.set(globalKeys.moneyTurn, 'test');
  database = new Pool({ connectionString: stores.databaseUrl, max: 2 });
  api = await startApiProcess(env);
  const organizerId = randomUUID();
  await database.query('INSERT INTO organizer (id, name) VALUES ($1, $2)', [organizerId, 'Test organizer']);
  await database.query(
    `INSERT INTO account (id, email, password_hash, role, organizer_id) VALUES ($1, 'organizer@example.com', $2, 'ADMIN', $3)`,
    [randomUUID(), await hashPassword('a good password'), organizerId],
  );
  const input = { email: 'organizer@example.com', password: 'a good password' };
  const { session } = await new ApiClient(api.url, null).mutate('signIn', input, 'session { token }');
  organizer = new ApiClient(api.url, session.token);
});

afterAll(async () => {
  await api.stop();
  await Promise.all([provider.stop(), redis.quit(), database.end()]);
  await stores.close();
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(() => provider.settings(quiet));

async function sql<T>(text: string, values: readonly unknown[] = []): Promise<T[]> {
  return (await database.query(text, [...values])).rows as T[];
}

const crash = () => api.kill();

/** Starts the process again on the same stores. The leases of the dead have run out. */
async function restart(): Promise<void> {
  await sql(`UPDATE order_step SET leased_until = '2000-01-01' WHERE finished_at IS NULL AND lease IS NOT NULL`);
  api = await startApiProcess(env);
}

const lock = (statement: string, values: readonly unknown[] = []) => holdLock(stores.databaseUrl, statement, values);

/** Lets nobody past a point of the ledger, until `release`. */
async function stopSteps(where: string) {
  await sql(
    `CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql
     AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END'`,
  );
  await sql(`CREATE TRIGGER gate ${where} EXECUTE FUNCTION wait_at_gate()`);
  const gate = await lock('SELECT pg_advisory_xact_lock(1)');
  const release = async () => {
    await gate.release();
    await sql('DROP TRIGGER gate ON order_step');
  };
  return { ...gate, release };
}

interface Scene {
  readonly hall: TestHall;
  readonly books: Books;
  readonly buyer: ApiClient;
  readonly seat: string;
  readonly hold: Data;
}

/** A buyer who holds one seat of a new hall. */
async function holdOne(): Promise<Scene> {
  const hall = await createHall(organizer);
  const buyer = await guest();
  const seat = hall.rows[0]![0]!;
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [seat] });
  return { hall, buyer, seat, hold, books: { sql, redis, provider, eventId: hall.eventId } };
}

async function guest(): Promise<ApiClient> {
  const { session } = await new ApiClient(api.url, null).mutate('startGuestSession', {}, 'session { token }');
  return new ApiClient(api.url, session.token);
}

/** The client secret of the scene's only order, once the ledger has it. */
function secretOf({ books }: Scene): Promise<string> {
  return eventually(async () => {
    const [order] = await readOrders(books);
    expect(order!.clientSecret).not.toBeNull();
    return order!.clientSecret!;
  });
}

async function awaitForm(scene: Scene): Promise<string> {
  await startCheckout(scene.buyer, scene.hold);
  return secretOf(scene);
}

const pay = (secret: string) => provider.confirm(secret, 'pm_card_visa');

/** Moves the time of the event, which judges its seats. */
async function passEventTime({ hall }: Scene, ms: number): Promise<void> {
  await redis.hset(keysOf(hall.eventId).meta, 'lastNow', Date.now() + ms);
}

async function passPayBy({ hall }: Scene): Promise<void> {
  await sql(`UPDATE orders SET pay_by = now() - interval '1 second' WHERE event_id = $1`, [hall.eventId]);
  await sql(
    `UPDATE order_step s SET run_at = now() FROM orders o WHERE o.id = s.order_id AND o.event_id = $1 AND finished_at IS NULL`,
    [hall.eventId],
  );
}

const intentsOf = async ({ hall }: Scene) =>
  (await provider.intents()).filter(({ metadata }) => metadata.event_id === hall.eventId);

/** The order ends so, and every book agrees. */
async function expectEnd({ books }: Scene, state: string): Promise<void> {
  await eventually(async () => expect((await readOrders(books)).map((order) => order.state)).toEqual([state]));
  await eventually(() => expectBooksBalance(books));
}

/** Somebody else can have the seat. */
async function expectFree(scene: Scene): Promise<void> {
  const { hold } = await holdSeats(await guest(), scene.hall.eventId, { seatIds: [scene.seat] });
  expect(hold).toMatchObject({ state: 'HELD' });
  expect((await readSeats(scene.books)).counts).toMatchObject({ '.': 19, h: 1 });
  await expectBooksBalance(scene.books);
}

/** Sends a checkout to a process that will not live to answer it. */
function checkOutUnanswered({ buyer, hold }: Scene): void {
  startCheckout(buyer, hold).catch(() => {});
}

test('Killed after a hold, the seat is free again at its deadline', async () => {
  const scene = await holdOne();
  await crash();
  await restart();
  await passEventTime(scene, limits.holdTtlMs + 1_000);
  await expectFree(scene);
});

test('Killed between checkout in Redis and order in the ledger, the seat is free again soon', async () => {
  const scene = await holdOne();
  const held = await lock(inventoryLock, [`inventory:${scene.hall.eventId}`]);
  checkOutUnanswered(scene);
  await held.blocked();
  await crash();
  await held.release();
  await restart();
  expect(await readOrders(scene.books)).toEqual([]);
  await passEventTime(scene, limits.orphanCheckoutMs + 1_000);
  await expectFree(scene);
});

test('Killed between checkout in Redis and order in the ledger, the buyer may repeat the checkout and pay', async () => {
  const scene = await holdOne();
  const held = await lock(inventoryLock, [`inventory:${scene.hall.eventId}`]);
  checkOutUnanswered(scene);
  await held.blocked();
  await crash();
  await held.release();
  await restart();
  await pay(await awaitForm(scene));
  await expectEnd(scene, 'COMPLETED');
});

test('Killed after the order is written and before its payment is made, the order keeps its seat and goes on', async () => {
  const scene = await holdOne();
  const gate = await stopSteps('BEFORE UPDATE ON order_step FOR EACH ROW');
  await startCheckout(scene.buyer, scene.hold);
  await gate.blocked();
  await passEventTime(scene, limits.orphanCheckoutMs + 1_000);
  const refused = await holdSeats(await guest(), scene.hall.eventId, { seatIds: [scene.seat] });
  expect(refused.errors).toMatchObject([{ code: 'SEATS_UNAVAILABLE' }]);
  await crash();
  await gate.release();
  expect(await intentsOf(scene)).toEqual([]);
  await restart();
  await pay(await secretOf(scene));
  await expectEnd(scene, 'COMPLETED');
});

test('Killed while the payment is being made, one payment is made', async () => {
  const scene = await holdOne();
  await provider.settings({ latencyMs: 1_000 });
  const { calls } = (await provider.state()).api;
  checkOutUnanswered(scene);
  await eventually(async () => expect((await provider.state()).api.calls).toBe(calls + 1));
  await crash();
  await provider.settings({ latencyMs: 0 });
  await restart();
  await pay(await secretOf(scene));
  await expectEnd(scene, 'COMPLETED');
  expect(await intentsOf(scene)).toHaveLength(1);
});

test('Killed after the payment is made and before it is written down, the same payment is found', async () => {
  const scene = await holdOne();
  await provider.settings({ failureRate: 1, failureMode: 'hang' });
  checkOutUnanswered(scene);
  await eventually(async () => expect(await intentsOf(scene)).toHaveLength(1));
  await crash();
  await provider.settings({ failureRate: 0 });
  await restart();
  await pay(await secretOf(scene));
  await expectEnd(scene, 'COMPLETED');
  expect(await intentsOf(scene)).toHaveLength(1);
});

test('Killed before the buyer pays, and nobody does, the seat goes back and nothing is charged', async () => {
  const scene = await holdOne();
  await awaitForm(scene);
  await crash();
  await restart();
  await passPayBy(scene);
  await expectEnd(scene, 'EXPIRED');
  await expectFree(scene);
});

test('Killed between authorisation and webhook, the repeated webhook finishes the order', async () => {
  const scene = await holdOne();
  const secret = await awaitForm(scene);
  await crash();
  await pay(secret);
  await restart();
  await expectEnd(scene, 'COMPLETED');
});

test('Killed between authorisation and webhook, and the webhook lost, the order is found paid at payBy', async () => {
  const scene = await holdOne();
  const secret = await awaitForm(scene);
  await provider.settings({ webhookLossRate: 1 });
  await pay(secret);
  await crash();
  await restart();
  await passPayBy(scene);
  await expectEnd(scene, 'COMPLETED');
});

test('Killed between authorisation and webhook, and back only after the seat is gone, the money is let go', async () => {
  const scene = await holdOne();
  const secret = await awaitForm(scene);
  await provider.settings({ webhookLossRate: 1 });
  await pay(secret);
  await sql(`UPDATE order_step SET lease = $1, leased_until = '2100-01-01' WHERE finished_at IS NULL`, [randomUUID()]);
  await passEventTime(scene, limits.checkoutTtlMs + limits.settleGraceMs + 1_000);
  const next = await guest();
  const { hold } = await holdSeats(next, scene.hall.eventId, { seatIds: [scene.seat] });
  await crash();
  await restart();
  await passPayBy(scene);
  await expectEnd(scene, 'LOST');
  expect((await next.run('query ($id: ID!) { hold(id: $id) { state } }', { id: hold.id })).hold.state).toBe('HELD');
});

test('Killed between issuing the seat in Redis and writing its ticket, the ticket is written once', async () => {
  const scene = await holdOne();
  const secret = await awaitForm(scene);
  const tickets = await lock('LOCK TABLE ticket IN EXCLUSIVE MODE');
  await pay(secret);
  await tickets.blocked();
  expect((await readSeats(scene.books)).counts).toMatchObject({ i: 1, s: 0 });
  await crash();
  await tickets.release();
  await restart();
  await expectEnd(scene, 'COMPLETED');
});

test('Killed between writing the ticket and telling Redis and the provider, both are told', async () => {
  const scene = await holdOne();
  const secret = await awaitForm(scene);
  const tickets = await lock('LOCK TABLE ticket IN EXCLUSIVE MODE');
  await pay(secret);
  await tickets.blocked();
  await redis.call('CLIENT', 'PAUSE', 60_000, 'WRITE');
  await tickets.release();
  await eventually(async () => expect((await readOrders(scene.books))[0]!.state).toBe('CONFIRMED'));
  await crash();
  await redis.call('CLIENT', 'UNPAUSE');
  expect((await readSeats(scene.books)).counts).toMatchObject({ i: 1, s: 0 });
  expect(await intentsOf(scene)).toMatchObject([{ status: 'requires_capture' }]);
  await restart();
  await expectEnd(scene, 'COMPLETED');
});

test('Killed while the money is being captured, it is captured once', async () => {
  const scene = await holdOne();
  const secret = await awaitForm(scene);
  const tickets = await lock('LOCK TABLE ticket IN EXCLUSIVE MODE');
  await pay(secret);
  await tickets.blocked();
  await provider.settings({ latencyMs: 1_000 });
  const { calls } = (await provider.state()).api;
  await tickets.release();
  await eventually(async () => expect((await provider.state()).api.calls).toBe(calls + 1));
  await crash();
  await provider.settings({ latencyMs: 0 });
  await restart();
  await expectEnd(scene, 'COMPLETED');
});

test('Killed after the money is captured and before that is written down, it is captured once', async () => {
  const scene = await holdOne();
  const secret = await awaitForm(scene);
  const tickets = await lock('LOCK TABLE ticket IN EXCLUSIVE MODE');
  await pay(secret);
  await tickets.blocked();
  await provider.settings({ failureRate: 1, failureMode: 'hang' });
  await tickets.release();
  await eventually(async () => expect(await intentsOf(scene)).toMatchObject([{ status: 'succeeded' }]));
  await crash();
  await provider.settings({ failureRate: 0 });
  await restart();
  await expectEnd(scene, 'COMPLETED');
});

test('Killed between canceling the payment and writing that down, the order ends canceled', async () => {
  const scene = await holdOne();
  await awaitForm(scene);
  const [order] = await readOrders(scene.books);
  const gate = await stopSteps(`BEFORE INSERT ON order_step FOR EACH ROW WHEN (NEW.step = 'RELEASE')`);
  await scene.buyer.mutate('cancelOrder', { orderId: order!.id, idempotencyKey: newKey() }, orderSelection);
  await gate.blocked();
  expect(await intentsOf(scene)).toMatchObject([{ status: 'canceled' }]);
  await crash();
  await gate.release();
  await restart();
  await expectEnd(scene, 'CANCELED');
  await expectFree(scene);
});

test('Killed between giving the seat back in Redis and in the ledger, it goes back once', async () => {
  const scene = await holdOne();
  await awaitForm(scene);
  const [order] = await readOrders(scene.books);
  const owners = await lock('LOCK TABLE seat_owner IN EXCLUSIVE MODE');
  await scene.buyer.mutate('cancelOrder', { orderId: order!.id, idempotencyKey: newKey() }, orderSelection);
  await owners.blocked();
  const next = await holdSeats(await guest(), scene.hall.eventId, { seatIds: [scene.seat] });
  expect(next.hold.state).toBe('HELD');
  await crash();
  await owners.release();
  await restart();
  await expectEnd(scene, 'CANCELED');
  expect((await readSeats(scene.books)).counts).toMatchObject({ '.': 19, h: 1 });
  await expectSeatsAddUp(scene.books);
});
