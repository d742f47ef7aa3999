import type { Redis } from 'ioredis';
import { connectRedis } from '../../src/redis/connections.js';
import { confirmCheckout, freeSeats, issueSeats, markSold } from '../../src/redis/orders.js';
import { checkoutHold, extendHold, type HoldAction, readHold, releaseHold } from '../../src/redis/seat-holds.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data } from '../support/client.js';
import { createHall, holdSeats, newKey, orderStream, salesTotals, startCheckout } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { claim, contents, loadHall, type ScriptHall, setNow } from '../support/halls.js';
import { keysOf } from '../support/keys.js';

let app: TestApp;
let redis: Redis;
const connections: Redis[] = [];
beforeAll(async () => {
  app = await startTestApp();
  redis = app.server.services.platform.redis;
});
afterAll(async () => {
  for (const connection of connections) connection.disconnect();
  await app.close();
});

const guests = (count: number) => Promise.all(Array.from({ length: count }, () => app.guest()));
const codes = ({ errors }: Data): string[] => errors.map((error: { code: string }) => error.code);

async function connect(): Promise<Redis> {
  const { commands, subscriber } = await connectRedis(app.stores.redisUrl, () => {});
  connections.push(commands, subscriber);
  return commands;
}

/** All claimants go for the same free seat at once; answers how many believe that it is theirs, seat by seat. */
async function race(
  hall: ScriptHall,
  seats: number,
  claimants: readonly Redis[],
  take: (claimant: Redis, seat: number) => Promise<boolean>,
): Promise<number[]> {
  const winners: number[] = [];
  for (let seat = 0; seat < seats; seat += 1) {
    const won = await Promise.all(claimants.map((claimant) => take(claimant, seat)));
    winners.push(won.filter(Boolean).length);
  }
  expect(await redis.get(hall.keys.status)).toBe('h'.repeat(seats));
  return winners;
}

test('Promise 2: of N claimants of one seat exactly one wins', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const buyers = await guests(20);
  const answers = await Promise.all(buyers.map((buyer) => holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] })));
  expect(answers.filter(({ hold }) => hold !== null)).toHaveLength(1);
  expect(answers.flatMap(codes)).toEqual(Array(19).fill('SEATS_UNAVAILABLE'));
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({ held: 1, available: 19 });
});

test('Promise 2: of N processes that claim a seat exactly one wins, where reading before writing lets several win', async () => {
  const claimants = await Promise.all(Array.from({ length: 8 }, connect));
  const byScript = await loadHall(redis, { rows: [{ category: 0, seats: 10 }] });
  const winners = await race(byScript, 10, claimants, async (claimant, seat) => {
    const answer = await claim(claimant, byScript, { selection: { kind: 'seats', indexes: [seat] } });
    return answer.code === 'OK';
  });
  expect(winners).toEqual(Array(10).fill(1));

  const byReading = await loadHall(redis, { rows: [{ category: 0, seats: 10 }] });
  const { status, seats } = byReading.keys;
  const believers = await race(byReading, 10, claimants, async (claimant, seat) => {
    if ((await claimant.getrange(status, seat, seat)) !== '.') return false;
    await claimant.setrange(status, seat, 'h');
    await claimant.hset(seats, seat, `hold of ${claimants.indexOf(claimant)}`);
    return true;
  });
  expect(Math.max(...believers)).toBeGreaterThan(1);
});

test('Promise 3: of overlapping claims each gets all of its seats or none', async () => {
  const { eventId, rows } = await createHall(app.organizer, { rows: 1, seatsPerRow: 20 });
  const wishes = Array.from({ length: 18 }, (_, first) => rows[0]!.slice(first, first + 3));
  const buyers = await guests(wishes.length);
  const answers = await Promise.all(buyers.map((buyer, i) => holdSeats(buyer, eventId, { seatIds: wishes[i] })));
  const won: string[] = [];
  for (const [i, answer] of answers.entries()) {
    if (answer.hold === null) {
      expect(codes(answer)).toEqual(['SEATS_UNAVAILABLE']);
      continue;
    }
    expect(answer.hold.seats.map((seat: Data) => seat.id)).toEqual(wishes[i]);
    won.push(...wishes[i]!);
  }
  expect(won.length).toBeGreaterThan(0);
  expect(new Set(won).size).toBe(won.length);
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({ held: won.length, available: 20 - won.length });
});

test('Promise 3: the loser of a claim changes nothing, publishes nothing and is told which seats are taken', async () => {
  const hall = await loadHall(redis, { rows: [{ category: 0, seats: 10 }] });
  const winner = await claim(redis, hall, { selection: { kind: 'seats', indexes: [4] } });
  if (winner.code !== 'OK') throw new Error(winner.code);
  await setNow(redis, hall, winner.hold.nowMs + 30_000);
  const heard: string[] = [];
  const listener = redis.duplicate();
  connections.push(listener);
  await listener.connect();
  listener.on('message', (_channel: string, message: string) => heard.push(message));
  await listener.subscribe(hall.keys.seatChannel);
  const before = await contents(redis, hall);

  const loser = await claim(redis, hall, { selection: { kind: 'seats', indexes: [2, 3, 4, 5] } });

  expect(loser).toEqual({ code: 'TAKEN', indexes: [4] });
  expect(await contents(redis, hall)).toEqual(before);
  await redis.publish(hall.keys.seatChannel, 'the claim is over');
  await eventually(() => expect(heard).toContain('the claim is over'));
  expect(heard).toEqual(['the claim is over']);
});

/** The actions on a hold, as their owner calls them; each answers the codes of its refusals. */
const actions: Record<string, (client: ApiClient, hold: Data) => Promise<string[]>> = {
  extendHold: async (client, { id, fence }) =>
    codes(await client.mutate('extendHold', { holdId: id, fence, idempotencyKey: newKey() }, 'hold { id }')),
  releaseHold: async (client, { id, fence }) =>
    codes(await client.mutate('releaseHold', { holdId: id, fence, idempotencyKey: newKey() }, 'hold { id }')),
  startCheckout: async (client, hold) => codes(await startCheckout(client, hold)),
};

async function heldSeat(): Promise<{ eventId: string; owner: ApiClient; hold: Data }> {
  const { eventId, rows } = await createHall(app.organizer);
  const owner = await app.guest();
  const { hold } = await holdSeats(owner, eventId, { seatIds: rows[0]!.slice(0, 2) });
  return { eventId, owner, hold };
}

async function readAgain(owner: ApiClient, { id }: Data): Promise<Data> {
  return (await owner.run('query ($id: ID!) { hold(id: $id) { state fence expiresAt } }', { id })).hold;
}

test('Promise 4: release, extend and convert by anyone but the owner are refused', async () => {
  const { owner, hold } = await heldSeat();
  const stranger = await app.guest();
  for (const act of Object.values(actions)) expect(await act(stranger, hold)).toEqual(['FORBIDDEN']);
  expect(await readAgain(owner, hold)).toEqual({ state: 'HELD', fence: hold.fence, expiresAt: hold.expiresAt });
});

test('Promise 4: release, extend and convert with an old fence are refused', async () => {
  const { owner, hold } = await heldSeat();
  const [generation, version] = hold.fence.split('.').map(Number);
  for (const fence of [`${generation}.${version - 1}`, `${generation}.0`, 'none']) {
    for (const act of Object.values(actions)) expect(await act(owner, { ...hold, fence })).toEqual(['STALE_FENCE']);
  }
  expect(await readAgain(owner, hold)).toEqual({ state: 'HELD', fence: hold.fence, expiresAt: hold.expiresAt });
});

test('Promise 4: release, extend and convert of a hold of an old generation are refused', async () => {
  const { eventId, owner, hold } = await heldSeat();
  const keys = keysOf(eventId);
  const [oldGeneration, version] = hold.fence.split('.').map(Number);
  // Frozen, as on a server that has come back with old data: the next action has the event rebuilt.
  await redis.unlink(keys.meta);
  await eventually(async () => expect(await actions.extendHold!(owner, hold)).toEqual(['HOLD_LOST']));
  for (const act of Object.values(actions)) expect(await act(owner, hold)).toEqual(['HOLD_LOST']);
  expect(await readAgain(owner, hold)).toBeNull();

  // Also where this process has not yet heard of the new generation.
  const heard = await heldSeat();
  await app.sql('UPDATE inventory SET generation = 2 WHERE event_id = $1', [heard.eventId]);
  const { meta } = keysOf(heard.eventId);
  const [, server] = ((await redis.hget(meta, 'epoch')) ?? '').split('@');
  await redis.hset(meta, 'generation', 2, 'epoch', `2@${server}`);
  expect(await actions.releaseHold!(heard.owner, heard.hold)).toEqual(['HOLD_LOST']);

  // Not even with a fence whose number fits, and no script acts for a caller who believes in the old generation.
  const { viewer } = await owner.run('{ viewer { personId } }');
  const action: HoldAction = {
    holdId: hold.id.split('.')[1],
    person: viewer.personId,
    fence: String(version),
  };
  for (const [generation, code] of [
    [oldGeneration! + 1, 'NO_HOLD'] as const,
    [oldGeneration!, 'WRONG_EPOCH'] as const,
  ]) {
    const ref = { eventId, generation };
    expect(await extendHold(redis, ref, { ...action, extensionMs: 1_000, digest: 'd' })).toMatchObject({ code });
    expect(await releaseHold(redis, ref, action)).toMatchObject({ code });
    expect(await checkoutHold(redis, ref, { ...action, orderId: 'order' })).toMatchObject({ code });
  }
  expect(await readHold(redis, { eventId, generation: oldGeneration! + 1 }, action.holdId)).toEqual({
    code: 'NO_HOLD',
    generation: oldGeneration! + 1,
  });
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({ held: 0, available: 20 });
});

test('Promise 4: only the order a hold was converted for moves its seats', async () => {
  const hall = await loadHall(redis, { rows: [{ category: 0, seats: 2 }] });
  const answer = await claim(redis, hall, { selection: { kind: 'seats', indexes: [0, 1] } });
  if (answer.code !== 'OK') throw new Error(answer.code);
  const { holdId, owner, fence, seats, prices, expiresAtMs } = answer.hold;
  const order = (orderId: string) => ({ ref: hall.ref, holdId, orderId, person: owner, seats, prices });
  const deadlines = { payByMs: expiresAtMs, freeAtMs: expiresAtMs };
  const revenue = new Map([[0, 2200]]);
  await checkoutHold(redis, hall.ref, { holdId, person: owner, fence: String(fence), orderId: 'mine' });
  const stillMine = async (state: string) => {
    const before = await contents(redis, hall);
    expect(await confirmCheckout(redis, { ...order('other'), ...deadlines })).toBe('LOST');
    expect(await issueSeats(redis, order('other'))).toEqual({ code: 'GONE' });
    expect(await markSold(redis, { ...order('other'), revenue })).toBe('NOT_ISSUING');
    expect(await freeSeats(redis, order('other'))).toBe('NOTHING');
    expect(await readHold(redis, hall.ref, holdId)).toMatchObject({ hold: { state, orderId: 'mine' } });
    expect(await contents(redis, hall)).toEqual(before);
  };
  // Time stands still, so that nothing but an order could change anything.
  await setNow(redis, hall, answer.hold.nowMs + 30_000);
  await stillMine('CHECKOUT');
  expect((await issueSeats(redis, order('mine'))).code).toBe('OK');
  await stillMine('ISSUING');
  expect(await markSold(redis, { ...order('mine'), revenue })).toBe('OK');
  await stillMine('SOLD');
  expect(await freeSeats(redis, order('mine'))).toBe('NOTHING');
});

test('A buyer who holds, pays and follows the order gets valid tickets', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, eventId, { seatIds: rows[0]!.slice(0, 2) });
  const { order } = await startCheckout(buyer, hold);
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  const { payment } = await stream.until(({ payment }) => payment !== null);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  const done = await stream.until(({ state }) => state === 'COMPLETED');
  expect(done.tickets.map((t: { state: string }) => t.state)).toEqual(['VALID', 'VALID']);
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({
    capacity: 20,
    available: 18,
    sold: 2,
    held: 0,
    issuing: 0,
  });
});
