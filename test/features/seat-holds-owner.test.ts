import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data, Stream } from '../support/client.js';
import { createHall, holdSeats, newKey, salesTotals, startCheckout } from '../support/events.js';
import { eventually } from '../support/eventually.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const selection = 'hold { id state fence seats { id } expiresAt extensionsEndAt expiryWarning now }';
const act = (client: ApiClient, mutation: string, { id, fence }: Data, idempotencyKey = newKey()): Promise<Data> =>
  client.mutate(mutation, { holdId: id, fence, idempotencyKey }, selection);
const code = ({ errors }: Data): string | undefined => errors[0]?.code;
const msBetween = (from: string, to: string) => Date.parse(to) - Date.parse(from);

/** A buyer with one seat, at an event of 20. */
async function heldSeat(event: object = {}) {
  // Long since open, since earlier tests have moved the clock of the process.
  const opened = { saleOpensAt: '2020-01-01T00:00:00Z' };
  const { eventId, rows } = await createHall(app.organizer, { event: { ...opened, ...event } });
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] });
  return { eventId, seats: rows.flat(), buyer, hold };
}

async function readHold(client: ApiClient, id: string): Promise<Data> {
  return (await client.run('query ($id: ID!) { hold(id: $id) { id state } }', { id })).hold;
}

test('Repeating holdSeats with its key answers the same hold and takes nothing more', async () => {
  const { eventId, seats, buyer } = await heldSeat();
  const wish = { seatIds: seats.slice(1, 3) };
  const answers = await Promise.all(Array.from({ length: 5 }, () => holdSeats(buyer, eventId, wish, 'twice')));
  for (const { hold } of answers) expect({ ...hold, now: null }).toEqual({ ...answers[0].hold, now: null });
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({ held: 3 });
  const best = { bestAvailable: { categoryId: '0', quantity: 2 } };
  const first = await holdSeats(buyer, eventId, best, 'best');
  expect((await holdSeats(buyer, eventId, best, 'best')).hold.seats).toEqual(first.hold.seats);
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({ held: 5 });
});

test('A used key answers the present state of its hold and never claims again, after release, expiry and sale', async () => {
  const { eventId, seats, buyer } = await heldSeat();
  const hold = (seat: number, key: string) => holdSeats(buyer, eventId, { seatIds: [seats[seat]!] }, key);
  const { hold: released } = await hold(1, 'released');
  await act(buyer, 'releaseHold', released);
  await hold(2, 'expired');
  const { hold: bought } = await hold(3, 'bought');
  const { order } = await startCheckout(buyer, bought);
  expect((await hold(3, 'bought')).hold).toMatchObject({ id: bought.id, state: 'CHECKOUT', orderId: order.id });
  const orders = buyer.subscribe(
    `subscription ($id: ID!) { orderUpdated(orderId: $id) { state payment { clientSecret } } }`,
    { id: order.id },
  );
  const { payment } = await orders.until((value) => value.payment !== null);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  await orders.until(({ state }) => state === 'COMPLETED');
  await app.advance(eventId, limits.holdTtlMs);

  expect((await hold(1, 'released')).hold).toMatchObject({ id: released.id, state: 'RELEASED' });
  expect((await hold(2, 'expired')).hold).toMatchObject({ state: 'EXPIRED' });
  expect((await hold(3, 'bought')).hold).toMatchObject({ id: bought.id, state: 'SOLD' });
  await eventually(async () =>
    expect(await salesTotals(app.organizer, eventId)).toMatchObject({ held: 0, sold: 1, available: 19 }),
  );
});

test('A used key answers its checkout and claims nothing more even after the event has been rebuilt', async () => {
  const { eventId, seats, buyer } = await heldSeat();
  const again = () => holdSeats(buyer, eventId, { seatIds: [seats[1]!] }, 'lasting');
  const { hold } = await again();
  const { order } = await startCheckout(buyer, hold);
  await app.server.services.platform.redis.flushall();
  const kept = await eventually(async () => {
    const answer = await again();
    expect(code(answer)).toBeUndefined();
    return answer.hold;
  });
  expect(kept).toMatchObject({ id: hold.id, state: 'CHECKOUT', orderId: order.id, seats: hold.seats });
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({ held: 1, available: 19 });
});

test('A key that was used for other seats is refused, and is free for every other person', async () => {
  const { eventId, seats, buyer } = await heldSeat();
  const hold = (client: ApiClient, seat: number) => holdSeats(client, eventId, { seatIds: [seats[seat]!] }, 'mine');
  expect(code(await hold(buyer, 1))).toBeUndefined();
  expect(code(await hold(buyer, 2))).toBe('IDEMPOTENCY_KEY_REUSED');
  const best = { bestAvailable: { categoryId: '0', quantity: 1 } };
  expect(code(await holdSeats(buyer, eventId, best, 'mine'))).toBe('IDEMPOTENCY_KEY_REUSED');
  expect(code(await hold(await app.guest(), 2))).toBeUndefined();
});

test('A hold has at most maxSeatsPerHold seats', async () => {
  const { eventId, seats, buyer } = await heldSeat({ maxSeatsPerHold: 2 });
  expect(code(await holdSeats(buyer, eventId, { seatIds: seats.slice(1, 4) }))).toBe('TOO_MANY_SEATS');
  for (const kind of ['bestAvailable', 'standing']) {
    const wish = { [kind]: { categoryId: '0', quantity: 3 } };
    expect(code(await holdSeats(buyer, eventId, wish))).toBe('TOO_MANY_SEATS');
  }
  expect(code(await holdSeats(buyer, eventId, { seatIds: seats.slice(1, 3) }))).toBeUndefined();
});

test('A selection that names nothing, something twice or something unknown is refused by its path', async () => {
  const { eventId, seats, buyer } = await heldSeat();
  const refusal = async (wish: object) => {
    const { errors } = await holdSeats(buyer, eventId, wish);
    return [errors[0].code, errors[0].path.slice(0, 4).join('.')];
  };
  expect(await refusal({ seatIds: [] })).toEqual(['INVALID_INPUT', 'input.seats.seatIds']);
  expect(await refusal({ seatIds: [seats[1], seats[1]] })).toEqual(['INVALID_INPUT', 'input.seats.seatIds']);
  expect(await refusal({ seatIds: [seats[1], '9-9'] })).toEqual(['NOT_FOUND', 'input.seats.seatIds.1']);
  const wish = (categoryId: string, quantity: number) => ({ bestAvailable: { categoryId, quantity } });
  expect(await refusal(wish('7', 1))).toEqual(['NOT_FOUND', 'input.seats.bestAvailable.categoryId']);
  expect(await refusal(wish('0', 0))).toEqual(['INVALID_INPUT', 'input.seats.bestAvailable.quantity']);
});

test('A person has at most maxSeatsPerPerson seats at once; release, expiry and cancellation give them back, purchase does not', async () => {
  const { eventId, seats, buyer, hold } = await heldSeat({ maxSeatsPerPerson: 2 });
  const another = (seat: number) => holdSeats(buyer, eventId, { seatIds: [seats[seat]!] });
  const second = await another(1);
  expect(code(await another(2))).toBe('PERSON_LIMIT_REACHED');
  await act(buyer, 'releaseHold', second.hold);

  const third = await another(3);
  expect(code(third)).toBeUndefined();
  const { order } = await startCheckout(buyer, third.hold);
  expect(code(await another(4))).toBe('PERSON_LIMIT_REACHED');
  await buyer.mutate('cancelOrder', { orderId: order.id, idempotencyKey: newKey() }, 'order { id }');
  const fourth = await eventually(async () => {
    const answer = await another(4);
    expect(code(answer)).toBeUndefined();
    return answer;
  });

  const { order: paid } = await startCheckout(buyer, fourth.hold);
  const orders = buyer.subscribe(
    `subscription ($id: ID!) { orderUpdated(orderId: $id) { state payment { clientSecret } } }`,
    { id: paid.id },
  );
  const { payment } = await orders.until((value) => value.payment !== null);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  await orders.until(({ state }) => state === 'COMPLETED');
  expect(code(await another(5))).toBe('PERSON_LIMIT_REACHED');

  await app.advance(eventId, limits.holdTtlMs);
  expect(await readHold(buyer, hold.id)).toMatchObject({ state: 'EXPIRED' });
  expect(code(await another(5))).toBeUndefined();
  expect(code(await another(6))).toBe('PERSON_LIMIT_REACHED');
});

test('extendHold gives more time, once for each key, and never beyond extensionsEndAt', async () => {
  const { eventId, buyer, hold } = await heldSeat();
  expect(msBetween(hold.expiresAt, hold.extensionsEndAt)).toBe(limits.holdMaxMs - limits.holdTtlMs);
  await app.advance(eventId, limits.holdTtlMs - 60_000);
  const first = await act(buyer, 'extendHold', hold, 'first');
  expect(msBetween(first.hold.now, first.hold.expiresAt)).toBe(limits.holdExtensionMs);
  await app.advance(eventId, 60_000);
  const second = await act(buyer, 'extendHold', hold, 'second');
  expect(msBetween(second.hold.now, second.hold.expiresAt)).toBe(limits.holdExtensionMs);
  await app.advance(eventId, 60_000);
  for (const key of ['first', 'second']) {
    expect((await act(buyer, 'extendHold', hold, key)).hold.expiresAt).toBe(second.hold.expiresAt);
  }

  for (let round = 0; round < limits.holdMaxMs / 60_000; round += 1) {
    const { hold: extended } = await act(buyer, 'extendHold', hold);
    if (extended === null) break;
    expect(msBetween(extended.expiresAt, hold.extensionsEndAt)).toBeGreaterThanOrEqual(0);
    await app.advance(eventId, 60_000);
  }
  const refused = await buyer.run(
    `mutation ($input: ExtendHoldInput!) { extendHold(input: $input) { errors { ... on ExtensionLimit { code extensionsEndAt } } } }`,
    { input: { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() } },
  );
  expect(refused.extendHold.errors).toEqual([{ code: 'EXTENSION_LIMIT', extensionsEndAt: hold.extensionsEndAt }]);
  expect(await readHold(buyer, hold.id)).toMatchObject({ state: 'HELD' });
  await app.advance(eventId, 60_000);
  expect(await readHold(buyer, hold.id)).toMatchObject({ state: 'EXPIRED' });
});

test('extendHold never shortens a hold', async () => {
  const { buyer, hold } = await heldSeat({ holdTtlSeconds: 600 });
  const { hold: extended } = await act(buyer, 'extendHold', hold);
  expect(extended.expiresAt).toBe(hold.expiresAt);
});

test('The key of an action on one hold is refused for another', async () => {
  const { eventId, seats, buyer, hold } = await heldSeat();
  const other = await holdSeats(buyer, eventId, { seatIds: [seats[1]!] });
  for (const mutation of ['extendHold', 'releaseHold']) {
    expect(code(await act(buyer, mutation, hold, 'one'))).toBeUndefined();
    expect(code(await act(buyer, mutation, other.hold, 'one'))).toBe('IDEMPOTENCY_KEY_REUSED');
  }
});

test('Releasing a hold twice gives its seats back once', async () => {
  const { eventId, seats, buyer, hold } = await heldSeat();
  expect((await act(buyer, 'releaseHold', hold, 'same')).hold.state).toBe('RELEASED');
  const next = await holdSeats(await app.guest(), eventId, { seatIds: [seats[0]!] });
  expect(code(next)).toBeUndefined();
  for (const key of ['same', 'another']) {
    expect((await act(buyer, 'releaseHold', hold, key)).hold.state).toBe('RELEASED');
  }
  expect(code(await act(buyer, 'extendHold', hold))).toBe('HOLD_NOT_ACTIVE');
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({ held: 1, available: 19 });
});

test('A hold that has expired can be neither extended nor released', async () => {
  const { eventId, buyer, hold } = await heldSeat();
  await app.advance(eventId, limits.holdTtlMs);
  expect(code(await act(buyer, 'extendHold', hold))).toBe('HOLD_EXPIRED');
  expect(code(await act(buyer, 'releaseHold', hold))).toBe('HOLD_EXPIRED');
});

test('Promise 5: a process whose clock is ahead ends no hold', async () => {
  const { eventId, seats, buyer, hold } = await heldSeat();
  app.clock.advance(2 * limits.holdMaxMs);
  expect(code(await holdSeats(await app.guest(), eventId, { seatIds: [seats[0]!] }))).toBe('SEATS_UNAVAILABLE');
  expect(await readHold(buyer, hold.id)).toMatchObject({ state: 'HELD' });
});

test('A hold is shown to its owner alone', async () => {
  const { buyer, hold } = await heldSeat();
  const stranger = await app.guest();
  expect(await readHold(buyer, hold.id)).toEqual({ id: hold.id, state: 'HELD' });
  expect(await readHold(stranger, hold.id)).toBeNull();
  expect(await readHold(app.organizer, hold.id)).toBeNull();
  for (const id of ['', 'x', hold.id.replace(/.$/, 'x'), `${hold.id}0`]) expect(await readHold(buyer, id)).toBeNull();
  await expect(follow(stranger, hold).next()).rejects.toThrow('NOT_FOUND');
});

function follow(client: ApiClient, { id }: Data): Stream {
  return client.subscribe(
    `subscription ($id: ID!) { holdUpdated(holdId: $id) { id state expiresAt payBy expiryWarning now } }`,
    { id },
  );
}

test('holdUpdated begins with the present state, tells every change and ends with the hold', async () => {
  const { eventId, buyer, hold } = await heldSeat();
  const stream = follow(buyer, hold);
  expect(await stream.next()).toMatchObject({ state: 'HELD', expiresAt: hold.expiresAt, expiryWarning: false });
  await app.advance(eventId, limits.holdTtlMs - 60_000);
  const { hold: extended } = await act(buyer, 'extendHold', hold);
  expect(await stream.next()).toMatchObject({ state: 'HELD', expiresAt: extended.expiresAt });
  await startCheckout(buyer, hold);
  const { payBy, now } = await stream.until(({ state }) => state === 'CHECKOUT');
  expect(msBetween(now, payBy)).toBe(limits.checkoutTtlMs);
  await buyer
    .run(`query ($id: ID!) { hold(id: $id) { orderId } }`, { id: hold.id })
    .then(({ hold: { orderId } }) =>
      buyer.mutate('cancelOrder', { orderId, idempotencyKey: newKey() }, 'order { id }'),
    );
  await stream.until(({ state }) => state === 'RELEASED');
  await stream.ended;
  const late = follow(buyer, hold);
  expect(await late.next()).toMatchObject({ state: 'RELEASED' });
  await late.ended;
});

test('holdUpdated warns at least 20 s before a hold expires', async () => {
  const { buyer, hold } = await heldSeat({ holdTtlSeconds: 33 });
  const stream = follow(buyer, hold);
  expect(await stream.next()).toMatchObject({ expiryWarning: false });
  const warning = await stream.next();
  expect(warning).toMatchObject({ state: 'HELD', expiryWarning: true });
  expect(msBetween(warning.now, warning.expiresAt)).toBeGreaterThanOrEqual(20_000);
});

test('holdUpdated tells that a hold has expired, been released or been lost with its Redis, and ends', async () => {
  const expiring = await heldSeat();
  const first = follow(expiring.buyer, expiring.hold);
  await first.next();
  await app.advance(expiring.eventId, limits.holdTtlMs);
  expect(await first.next()).toMatchObject({ state: 'EXPIRED' });
  await first.ended;

  const released = await heldSeat();
  const second = follow(released.buyer, released.hold);
  await second.next();
  await act(released.buyer, 'releaseHold', released.hold);
  expect(await second.next()).toMatchObject({ state: 'RELEASED' });
  await second.ended;

  const lost = await heldSeat();
  const third = follow(lost.buyer, lost.hold);
  await third.next();
  await app.server.services.platform.redis.flushall();
  expect(await third.next()).toMatchObject({ state: 'LOST' });
  await third.ended;
  expect(code(await act(lost.buyer, 'extendHold', lost.hold))).toBe('HOLD_LOST');
});
