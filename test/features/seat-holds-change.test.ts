import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectSeatsAddUp } from '../support/books.js';
import type { ApiClient, Data } from '../support/client.js';
import { createHall, holdSeats, newKey, orderStream, startCheckout, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { keysOf } from '../support/keys.js';
import { calm, pay } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
// Other tests have moved the time of the processes, not that of their own events.
beforeEach(() => calm(app));

const outcome = ({ hold, errors }: Data): string | string[] => errors[0]?.code ?? hold.seats.map((s: Data) => s.id);
const fields = 'hold { id fence state seats { id } total { amountMinor } expiresAt extensionsEndAt }';

function change(client: ApiClient, hold: Data, seats: object, idempotencyKey = newKey()): Promise<Data> {
  return client.mutate('changeHold', { holdId: hold.id, fence: hold.fence, idempotencyKey, seats }, fields);
}

async function held(seatIds: string[], hall?: TestHall): Promise<{ hall: TestHall; buyer: ApiClient; hold: Data }> {
  const there = hall ?? (await createHall(app.organizer, { rows: 2, seatsPerRow: 6 }));
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, there.eventId, { seatIds });
  return { hall: there, buyer, hold };
}

async function statesOf({ eventId }: TestHall): Promise<string> {
  const query = 'query ($id: ID!) { seatMap(eventId: $id) { state { states } } }';
  return (await app.anonymous.run(query, { id: eventId })).seatMap.state.states;
}

describe('Changing the seats of a hold', () => {
  test('keeps, gives back and takes in one step, with a new fence and price and the old deadline', async () => {
    const { hall, buyer, hold } = await held(['1-1', '1-2']);
    const { hold: changed } = await change(buyer, hold, { seatIds: ['1-2', '1-3', '1-4'] });
    expect(changed).toMatchObject({
      id: hold.id,
      state: 'HELD',
      seats: [{ id: '1-2' }, { id: '1-3' }, { id: '1-4' }],
      total: { amountMinor: 3300 },
      expiresAt: hold.expiresAt,
      extensionsEndAt: hold.extensionsEndAt,
    });
    expect(changed.fence).not.toBe(hold.fence);
    expect(await statesOf(hall)).toBe('.hhh........');
    const release = (fence: string) =>
      buyer.mutate('releaseHold', { holdId: hold.id, fence, idempotencyKey: newKey() }, 'hold { state }');
    expect((await release(hold.fence)).errors[0].code).toBe('STALE_FENCE');
    expect((await release(changed.fence)).hold.state).toBe('RELEASED');
    // The map is told of it by itself.
    await eventually(async () => expect(await statesOf(hall)).toBe('............'));
    await expectSeatsAddUp(booksOfApp(app, hall.eventId));
  });

  test('Promise 3: that cannot all be had leaves the hold as it was and is seen by nobody', async () => {
    const { hall, buyer, hold } = await held(['1-1', '1-2']);
    await held(['1-4'], hall);
    const watcher = app.anonymous.subscribe(
      'subscription ($id: ID!) { seatMapChanged(eventId: $id) { ... on SeatMapSnapshot { version } ... on SeatMapDelta { version seats } } }',
      { id: hall.eventId },
    );
    const { version } = await watcher.next();
    expect(outcome(await change(buyer, hold, { seatIds: ['1-3', '1-4'] }))).toBe('SEATS_UNAVAILABLE');
    const best = (quantity: number) => ({ bestAvailable: { categoryId: '0', quantity } });
    expect(outcome(await change(buyer, hold, best(7)))).toBe('NO_ADJACENT_SEATS');
    expect(await statesOf(hall)).toBe('hh.h........');
    const { hold: still } = await buyer.run(`query ($id: ID!) { hold(id: $id) { fence seats { id } } }`, {
      id: hold.id,
    });
    expect(still).toEqual({ fence: hold.fence, seats: [{ id: '1-1' }, { id: '1-2' }] });
    await change(buyer, hold, { seatIds: ['2-1'] });
    // The next thing anybody hears is the change that was made.
    expect((await watcher.next()).version).toBe(version + 1);
    await expectSeatsAddUp(booksOfApp(app, hall.eventId));
  });

  test('finds the best block as if the own seats were free', async () => {
    const { hall, buyer, hold } = await held(['1-2', '1-3']);
    await held(['1-5', '1-6', '2-2', '2-5'], hall);
    const changed = await change(buyer, hold, { bestAvailable: { categoryId: '0', quantity: 4 } });
    expect(outcome(changed)).toEqual(['1-1', '1-2', '1-3', '1-4']);
  });

  test('with the same key is done once, also with the fence of before', async () => {
    const { buyer, hold } = await held(['1-1']);
    const key = newKey();
    const first = await change(buyer, hold, { seatIds: ['1-2'] }, key);
    expect(await change(buyer, hold, { seatIds: ['1-2'] }, key)).toEqual(first);
    const { errors } = await change(buyer, hold, { seatIds: ['1-3'] }, key);
    expect(errors[0].code).toBe('IDEMPOTENCY_KEY_REUSED');
  });

  test('Promise 4: is refused to anybody but the owner, after the deadline, and in checkout', async () => {
    const { hall, buyer, hold } = await held(['1-1']);
    expect(outcome(await change(await app.guest(), hold, { seatIds: ['1-2'] }))).toBe('FORBIDDEN');
    expect(outcome(await change(buyer, { ...hold, fence: '1.1' }, { seatIds: ['1-2'] }))).toBe('STALE_FENCE');
    const { hold: second } = await holdSeats(buyer, hall.eventId, { seatIds: ['2-1'] });
    await startCheckout(buyer, second);
    expect(outcome(await change(buyer, second, { seatIds: ['2-2'] }))).toBe('HOLD_NOT_ACTIVE');
    await app.advance(hall.eventId, limits.holdTtlMs);
    expect(outcome(await change(buyer, hold, { seatIds: ['1-2'] }))).toBe('HOLD_EXPIRED');
  });

  test('counts for the limit of the person, and is told to whoever watches the hold', async () => {
    const hall = await createHall(app.organizer, {
      rows: 2,
      seatsPerRow: 6,
      event: { maxSeatsPerPerson: 4, saleOpensAt: '2026-01-01T00:00:00Z' },
    });
    const { buyer, hold } = await held(['1-1', '1-2', '1-3'], hall);
    const watched = buyer.subscribe('subscription ($id: ID!) { holdUpdated(holdId: $id) { fence seats { id } } }', {
      id: hold.id,
    });
    await watched.next();
    expect(outcome(await change(buyer, hold, { seatIds: hall.rows[0]!.slice(0, 5) }))).toBe('PERSON_LIMIT_REACHED');
    const { hold: one } = await change(buyer, hold, { seatIds: ['2-1'] });
    expect((await watched.until(({ seats }) => seats.length === 1)).fence).toBe(one.fence);
    expect(outcome(await holdSeats(buyer, hall.eventId, { seatIds: ['1-1', '1-2', '1-3'] }))).toHaveLength(3);
    expect(outcome(await holdSeats(buyer, hall.eventId, { seatIds: ['1-4'] }))).toBe('PERSON_LIMIT_REACHED');
  });
});

describe('The budget of a person', () => {
  const hoarding = { maxSeatsPerPerson: 4, holdTtlSeconds: 600 };
  const ask = async (buyer: ApiClient, { eventId }: TestHall, seatIds: readonly string[]) => {
    const { holdSeats: payload } = await buyer.run(
      `mutation ($input: HoldSeatsInput!) { holdSeats(input: $input) {
        hold { id fence } errors { ... on UserError { code } ... on HoldBudgetSpent { retryAfterMs } } } }`,
      { input: { eventId, idempotencyKey: newKey(), seats: { seatIds } } },
    );
    return payload;
  };

  test('Whoever holds many seats for long without buying is refused for a while, and told for how long', async () => {
    const hall = await createHall(app.organizer, { rows: 2, seatsPerRow: 6, event: hoarding });
    const buyer = await app.guest();
    const four = hall.rows[0]!.slice(0, 4);
    // Two of the largest holds to the end of a checkout are 2 × 4 × 20 seat-minutes, forgiven in an hour; every round spends 40 and is
    // forgiven 26⅔: the first leaves 40, every other one 13⅓ more.
    let rounds = 0;
    let refusal: Data;
    for (; rounds < 20 && refusal === undefined; rounds += 1) {
      refusal = (await ask(buyer, hall, four)).errors[0];
      if (refusal === undefined) await app.advance(hall.eventId, 600_000);
    }
    expect(refusal.code).toBe('HOLD_BUDGET_SPENT');
    expect([11, 12]).toContain(rounds);
    expect((await ask(await app.guest(), hall, ['1-6'])).errors).toEqual([]);
    await app.advance(hall.eventId, refusal.retryAfterMs);
    expect((await ask(buyer, hall, four)).errors).toEqual([]);
  });

  test('Seats that are held at this moment count', async () => {
    const hall = await createHall(app.organizer, { rows: 2, seatsPerRow: 6, event: hoarding });
    const buyer = await app.guest();
    const { viewer } = await buyer.run('{ viewer { personId } }');
    await ask(buyer, hall, hall.rows[0]!.slice(0, 3));
    const heldFor = (minutes: number) =>
      app.server.services.platform.redis.hincrby(
        keysOf(hall.eventId).people,
        `${viewer.personId}|since`,
        -minutes * 3 * 60_000,
      );
    await heldFor(53);
    const { hold } = await ask(buyer, hall, ['2-1']);
    expect(hold).not.toBeNull();
    await buyer.mutate('releaseHold', { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() }, 'hold { id }');
    await heldFor(1);
    expect((await ask(buyer, hall, ['2-1'])).errors[0].code).toBe('HOLD_BUDGET_SPENT');
  });

  test('Buying forgives what was held before', async () => {
    const hall = await createHall(app.organizer, { rows: 2, seatsPerRow: 6, event: hoarding });
    const buyer = await app.guest();
    const { redis } = app.server.services.platform;
    const { people } = keysOf(hall.eventId);
    const { viewer } = await buyer.run('{ viewer { personId } }');
    const spent = () => redis.hget(people, `${viewer.personId}|spent`);
    await ask(buyer, hall, hall.rows[0]!.slice(0, 4));
    await app.advance(hall.eventId, 600_000);
    await eventually(async () => expect(Number(await spent())).toBe(4 * 600_000));
    const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: ['2-1'] });
    const { order } = await startCheckout(buyer, hold);
    await pay(app, buyer.subscribe(orderStream, { orderId: order.id }));
    await eventually(async () => expect(await spent()).toBeNull());
  });
});
