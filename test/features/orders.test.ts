import { createLocalJWKSet, jwtVerify } from 'jose';
import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Books, booksOfApp, expectBooksBalance, expectSeatsAddUp, readSeats } from '../support/books.js';
import type { ApiClient, Data } from '../support/client.js';
import {
  createHall,
  holdSeats,
  newKey,
  orderSelection,
  orderStream,
  startCheckout,
  type TestHall,
} from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { calm, checkOut, ended, intentOf, pastFreeAtMs, pay, readOrder, stall } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const booksOf = ({ eventId }: TestHall): Books => booksOfApp(app, eventId);

/** As if a step's outside work had been done and its outcome never been written: somebody takes it again. */
async function repeatStep(orderId: string, step: string): Promise<void> {
  const reopened = await app.sql(
    `UPDATE order_step SET finished_at = NULL, run_at = '2000-01-01' WHERE order_id = $1 AND step = $2 RETURNING step`,
    [orderId, step],
  );
  expect(reopened.flat().length).toBeGreaterThan(0);
  await eventually(async () => {
    expect(await app.sql('SELECT step FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [orderId])).toEqual(
      [],
    );
  });
}

const holdStateOf = async (hold: Data, owner: ApiClient): Promise<string> =>
  (await owner.run('query ($id: ID!) { hold(id: $id) { state } }', { id: hold.id })).hold.state;

test('Promise 7: an order called off while its deadline passes and a claim takes its seats over gives nothing back twice', async () => {
  const hall = await createHall(app.organizer);
  const seat = hall.rows[0]![0]!;
  const late = await checkOut(app, hall, [seat]);
  const { resume } = await stall(app, late);
  const { order } = await late.buyer.mutate(
    'cancelOrder',
    { orderId: late.orderId, idempotencyKey: newKey() },
    orderSelection,
  );
  expect(order.state).toBe('CANCELING');
  await app.advance(hall.eventId, pastFreeAtMs);
  const next = await app.guest();
  const { hold } = await holdSeats(next, hall.eventId, { seatIds: [seat] });
  expect(hold.state).toBe('HELD');
  await resume();
  await ended(late.stream, 'CANCELED');
  expect(await holdStateOf(hold, next)).toBe('HELD');
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, h: 1 });
  await next.mutate('releaseHold', { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() }, 'hold { state }');
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, h: 0 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 7: returning the seats of an order a second time takes nothing from who has them by then', async () => {
  const hall = await createHall(app.organizer);
  const seat = hall.rows[0]![0]!;
  const first = await checkOut(app, hall, [seat, hall.rows[0]![1]!]);
  await first.buyer.mutate('cancelOrder', { orderId: first.orderId, idempotencyKey: newKey() }, orderSelection);
  await ended(first.stream, 'CANCELED');
  const next = await app.guest();
  const { hold } = await holdSeats(next, hall.eventId, { seatIds: [seat] });
  await repeatStep(first.orderId, 'RELEASE');
  expect(await holdStateOf(hold, next)).toBe('HELD');
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, h: 1 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 7: money authorised after the seats are gone is let go, and who has them keeps them', async () => {
  const hall = await createHall(app.organizer);
  const seat = hall.rows[0]![0]!;
  const late = await checkOut(app, hall, [seat]);
  const { resume } = await stall(app, late);
  await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
  await app.advance(hall.eventId, pastFreeAtMs);
  const next = await checkOut(app, hall, [seat]);
  await resume();
  await ended(late.stream, 'LOST');
  expect(await intentOf(app, late.orderId)).toMatchObject({ status: 'canceled', amount_received: 0 });
  await app.provider.confirm(next.payment.clientSecret, 'pm_card_visa');
  expect((await ended(next.stream, 'COMPLETED')).tickets).toMatchObject([{ state: 'VALID', seatId: seat }]);
  await expectBooksBalance(booksOf(hall));
});

test('Promise 7: money captured after the seats are gone is refunded once, and who has them keeps them', async () => {
  const hall = await createHall(app.organizer);
  const seat = hall.rows[0]![0]!;
  const late = await checkOut(app, hall, [seat]);
  const { resume } = await stall(app, late);
  await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
  await app.provider.client().paymentIntents.capture(late.payment.paymentIntentId);
  await app.advance(hall.eventId, pastFreeAtMs);
  const next = await app.guest();
  const { hold } = await holdSeats(next, hall.eventId, { seatIds: [seat] });
  await resume();
  await ended(late.stream, 'REFUNDED');
  await repeatStep(late.orderId, 'RELEASE');
  expect(await intentOf(app, late.orderId)).toMatchObject({ amount_received: 1100, amount_refunded: 1100 });
  expect((await app.provider.state()).refunds).toBe(1);
  expect(await holdStateOf(hold, next)).toBe('HELD');
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, h: 1 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 7: money authorised when the seats are free again buys these very seats', async () => {
  const hall = await createHall(app.organizer);
  const seat = hall.rows[0]![0]!;
  const late = await checkOut(app, hall, [seat]);
  const { resume } = await stall(app, late);
  await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
  await app.advance(hall.eventId, pastFreeAtMs);
  const between = await app.guest();
  const { hold } = await holdSeats(between, hall.eventId, { seatIds: [seat] });
  await between.mutate(
    'releaseHold',
    { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() },
    'hold { state }',
  );
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 20, h: 0 });
  await resume();
  expect((await ended(late.stream, 'COMPLETED')).tickets).toMatchObject([{ state: 'VALID', seatId: seat }]);
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 19, s: 1 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 20: the price shown when seats are held, fees included, is charged whatever the organizer changes', async () => {
  const hall = await createHall(app.organizer);
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: hall.rows[0]!.slice(0, 2) });
  await app.sql('UPDATE event_category SET price_minor = 9999, fee_minor = 1 WHERE event_id = $1', [hall.eventId]);
  await app.server.services.catalogue.changed(hall.eventId);
  const other = await holdSeats(await app.guest(), hall.eventId, { seatIds: [hall.rows[1]![0]!] });
  expect(other.hold.total).toEqual({ amountMinor: 10_000, currency: 'EUR' });
  const { order } = await startCheckout(buyer, hold);
  expect(order.total).toEqual(hold.total);
  expect(order.lines.map((line: Data) => line.total.amountMinor)).toEqual([1100, 1100]);
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  await pay(app, stream);
  expect(await intentOf(app, order.id)).toMatchObject({ amount: 2200, amount_received: 2200, currency: 'eur' });
});

test('Starting the checkout of a hold again, at the same time or later, with whatever key, answers the same order', async () => {
  const hall = await createHall(app.organizer);
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: hall.rows[0]!.slice(0, 3) });
  const key = newKey();
  const together = await Promise.all([key, key, newKey(), newKey()].map((k) => startCheckout(buyer, hold, k)));
  const again = await startCheckout(buyer, hold, key);
  const ids = new Set([...together, again].map(({ order }) => order.id));
  expect(ids.size).toBe(1);
  const [orderId] = ids;
  const stream = buyer.subscribe(orderStream, { orderId });
  await pay(app, stream);
  expect((await startCheckout(buyer, hold, newKey())).order).toMatchObject({ id: orderId, state: 'COMPLETED' });
  expect((await app.provider.intents()).filter(({ metadata }) => metadata.order_id === orderId)).toHaveLength(1);
  await expectBooksBalance(booksOf(hall));
});

test('A checkout whose order was never written ends by time, and starting it again says so', async () => {
  const hall = await createHall(app.organizer);
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [hall.rows[0]![0]!] });
  await app.sql('ALTER TABLE order_line ADD CONSTRAINT refused CHECK (false) NOT VALID');
  const { errors } = await buyer.send(
    'mutation ($input: StartCheckoutInput!) { startCheckout(input: $input) { order { id } } }',
    { input: { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() } },
  );
  await app.sql('ALTER TABLE order_line DROP CONSTRAINT refused');
  expect(errors).toHaveLength(1);
  await app.advance(hall.eventId, limits.orphanCheckoutMs);
  const refused = await startCheckout(buyer, hold);
  expect(refused).toMatchObject({ order: null, errors: [{ code: 'HOLD_EXPIRED' }] });
  const next = await holdSeats(await app.guest(), hall.eventId, { seatIds: [hall.rows[0]![0]!] });
  expect(next.hold.state).toBe('HELD');
  await expectSeatsAddUp(booksOf(hall));
});

test('A stream of an order begins with it as it is, never goes back, and ends with its final state', async () => {
  const hall = await createHall(app.organizer);
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [hall.rows[0]![0]!] });
  const { order } = await startCheckout(buyer, hold);
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  const updates: Data[] = [await stream.next()];
  expect(updates[0]!.version).toBeGreaterThanOrEqual(order.version);
  const collect = (fits: (update: Data) => boolean) =>
    stream.until((update) => updates.push(update) > 0 && fits(update));
  const { payment } = updates[0]!.payment ? updates[0]! : await collect((update) => update.payment !== null);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  await collect(({ state }) => state === 'COMPLETED');
  await stream.ended;
  expect(stream.pending()).toEqual([]);
  const versions = updates.map(({ version }) => version);
  expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  const afterwards = buyer.subscribe(orderStream, { orderId: order.id });
  expect(await afterwards.next()).toEqual(updates.at(-1));
  await afterwards.ended;
});

test('Nobody but its owner sees an order or how it is paid, and nobody sees that when it has ended', async () => {
  const hall = await createHall(app.organizer);
  const checkout = await checkOut(app, hall, [hall.rows[0]![0]!]);
  const secret = checkout.payment.clientSecret;
  for (const other of [await app.guest(), app.organizer]) {
    expect(await readOrder({ buyer: other, orderId: checkout.orderId })).toBeNull();
    await expect(other.subscribe(orderStream, { orderId: checkout.orderId }).next()).rejects.toThrow('NOT_FOUND');
    const theirs = await other.run('{ viewer { orders { id } tickets { id } } }');
    expect(theirs.viewer).toEqual({ orders: [], tickets: [] });
    const input = { orderId: checkout.orderId, idempotencyKey: newKey() };
    const { order, errors } = await other.mutate('cancelOrder', input, orderSelection);
    expect([order, errors]).toMatchObject([null, [{ code: 'FORBIDDEN' }]]);
    const stolen = await startCheckout(other, checkout.hold);
    expect([stolen.order, stolen.errors]).toMatchObject([null, [{ code: 'FORBIDDEN' }]]);
  }
  expect((await readOrder(checkout)).payment.clientSecret).toBe(secret);
  await app.provider.confirm(secret, 'pm_card_visa');
  expect((await ended(checkout.stream, 'COMPLETED')).payment).toBeNull();
  expect((await readOrder(checkout)).payment).toBeNull();
  const rows = await app.sql('SELECT to_jsonb(o)::text AS text FROM orders o WHERE id = $1', [checkout.orderId]);
  expect(JSON.stringify(rows)).not.toContain(secret);
});

test('A buyer finds orders and tickets again, and every ticket can be verified with the published keys', async () => {
  const hall = await createHall(app.organizer);
  const seatIds = hall.rows[0]!.slice(0, 2);
  const checkout = await checkOut(app, hall, seatIds);
  await app.provider.confirm(checkout.payment.clientSecret, 'pm_card_visa');
  await ended(checkout.stream, 'COMPLETED');
  const { viewer } = await checkout.buyer.run(
    '{ viewer { orders { id state } tickets { id orderId seatId state qr } } }',
  );
  expect(viewer.orders).toEqual([{ id: checkout.orderId, state: 'COMPLETED' }]);
  expect(viewer.tickets.map((ticket: Data) => [ticket.orderId, ticket.seatId])).toEqual(
    seatIds.map((seat) => [checkout.orderId, seat]),
  );
  const keys = createLocalJWKSet(await (await fetch(`${app.url}/.well-known/jwks.json`)).json());
  for (const { id, seatId, qr } of viewer.tickets) {
    const { payload } = await jwtVerify(qr, keys, { issuer: 'floodgate' });
    expect(payload).toMatchObject({ sub: id, use: 'ticket', event: hall.eventId, seat: seatId });
    await expect(jwtVerify(`${qr.slice(0, -4)}AAAA`, keys)).rejects.toThrow();
  }
});
