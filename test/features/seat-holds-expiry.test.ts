import { randomUUID } from 'node:crypto';
import { limits } from '../../src/limits.js';
import { connectRedis, type RedisConnections } from '../../src/redis/connections.js';
import { confirmCheckout, issueSeats } from '../../src/redis/orders.js';
import {
  checkoutHold,
  extendHold,
  readHold,
  releaseHold,
  type Selection,
  type StoredHold,
} from '../../src/redis/seat-holds.js';
import { claim, holdMs, loadHall, type ScriptHall, setNow } from '../support/halls.js';
import { createTestStores, type TestStores } from '../support/stores.js';

// No platform runs here: there is Redis, a hall in it and whoever calls a script. So no loop can help.
let stores: TestStores;
let connections: RedisConnections;
beforeAll(async () => {
  stores = await createTestStores();
  connections = await connectRedis(stores.redisUrl, () => {});
});
afterAll(async () => {
  await connections.close();
  await stores.close();
});

const redis = () => connections.commands;
const twoSeats: Selection = { kind: 'seats', indexes: [0, 1] };
/** Every way to ask for the two places of a hall that has no others. */
const wishes: readonly [string, Selection][] = [
  ['named seats', twoSeats],
  ['the best seats', { kind: 'best', category: 0, quantity: 2 }],
  ['standing places', { kind: 'standing', category: 0, quantity: 2 }],
];
const hallFor = (selection: Selection) =>
  loadHall(
    redis(),
    selection.kind === 'standing'
      ? { rows: [], standing: [{ category: 0, places: 2 }] }
      : { rows: [{ category: 0, seats: 2 }] },
  );

async function held(hall: ScriptHall, selection: Selection, person = randomUUID()): Promise<StoredHold> {
  const answer = await claim(redis(), hall, { selection, person });
  if (answer.code !== 'OK') throw new Error(answer.code);
  return answer.hold;
}

const stateOf = async (hall: ScriptHall, hold: StoredHold) => {
  const answer = await readHold(redis(), hall.ref, hold.holdId);
  return answer.code === 'OK' ? answer.hold.state : answer.code;
};

const actionOf = ({ holdId, owner, fence }: StoredHold) => ({ holdId, person: owner, fence: String(fence) });

test.each(wishes)(
  'Promise 5: at expiresAt, and not before, anyone who asks for %s gets those of a hold',
  async (_, selection) => {
    const hall = await hallFor(selection);
    const first = await held(hall, selection);
    await setNow(redis(), hall, first.expiresAtMs - 1);
    expect((await claim(redis(), hall, { selection })).code).not.toBe('OK');
    expect(await stateOf(hall, first)).toBe('HELD');

    await setNow(redis(), hall, first.expiresAtMs);
    expect(await stateOf(hall, first)).toBe('EXPIRED');
    const second = await held(hall, selection);
    expect(second.seats).toEqual(first.seats);
    expect(second.fence).toBeGreaterThan(first.fence);
    expect(await stateOf(hall, first)).toBe('EXPIRED');
  },
);

test('Promise 5: from expiresAt on the owner can neither extend, release nor convert, whoever has noticed', async () => {
  for (const noticed of [false, true]) {
    const hall = await hallFor(twoSeats);
    const hold = await held(hall, twoSeats);
    await setNow(redis(), hall, hold.expiresAtMs);
    if (noticed) await held(hall, twoSeats);
    const action = actionOf(hold);
    const { ref } = hall;
    expect(await extendHold(redis(), ref, { ...action, extensionMs: 60_000, digest: 'd' })).toEqual({
      code: 'EXPIRED',
    });
    expect(await releaseHold(redis(), ref, action)).toEqual({ code: 'EXPIRED' });
    expect(await checkoutHold(redis(), ref, { ...action, orderId: 'order' })).toEqual({ code: 'EXPIRED' });
  }
});

test.each(wishes)(
  'Promise 5: from freeAt, and neither at payBy nor before, anyone who asks for %s gets those of a checkout',
  async (_, selection) => {
    const hall = await hallFor(selection);
    const first = await held(hall, selection);
    const order = { ref: hall.ref, holdId: first.holdId, orderId: 'order' };
    const checkout = await checkoutHold(redis(), hall.ref, { ...actionOf(first), orderId: 'order' });
    if (checkout.code !== 'OK') throw new Error(checkout.code);
    const payByMs = checkout.hold.payByMs!;
    expect(payByMs).toBe(checkout.hold.nowMs + limits.checkoutTtlMs);
    const freeAtMs = payByMs + limits.settleGraceMs;
    expect(await confirmCheckout(redis(), { ...order, payByMs, freeAtMs })).toBe('OK');
    for (const nowMs of [first.expiresAtMs, payByMs, freeAtMs - 1]) {
      await setNow(redis(), hall, nowMs);
      expect((await claim(redis(), hall, { selection })).code).not.toBe('OK');
      expect(await stateOf(hall, first)).toBe('CHECKOUT');
    }

    await setNow(redis(), hall, freeAtMs);
    const second = await held(hall, selection);
    expect(second.seats).toEqual(first.seats);
    expect(await stateOf(hall, first)).toBe('EXPIRED');
    const late = { ...order, person: first.owner, seats: first.seats, prices: first.prices };
    expect(await issueSeats(redis(), late)).toEqual({ code: 'GONE' });
    expect(await stateOf(hall, second)).toBe('HELD');
  },
);

test('Promise 5: a checkout whose order never reached the ledger is free again after orphanCheckoutMs', async () => {
  const hall = await hallFor(twoSeats);
  const first = await held(hall, twoSeats);
  const checkout = await checkoutHold(redis(), hall.ref, { ...actionOf(first), orderId: 'order' });
  if (checkout.code !== 'OK') throw new Error(checkout.code);
  const { freeAtMs } = checkout.hold;
  expect(freeAtMs).toBe(checkout.hold.nowMs + limits.orphanCheckoutMs);
  await setNow(redis(), hall, freeAtMs - 1);
  expect((await claim(redis(), hall, { selection: twoSeats })).code).toBe('TAKEN');
  await setNow(redis(), hall, freeAtMs);
  expect(await checkoutHold(redis(), hall.ref, { ...actionOf(first), orderId: 'order' })).toEqual({ code: 'EXPIRED' });
  expect((await held(hall, twoSeats)).seats).toEqual([0, 1]);
});

test('Promise 5: the time of an event never runs backwards, even on a server whose clock is behind', async () => {
  const hall = await hallFor(twoSeats);
  const first = await held(hall, twoSeats);
  // What a server with a faster clock had judged before it was replaced by this one.
  const judgedMs = first.expiresAtMs + 3_600_000;
  await setNow(redis(), hall, judgedMs);
  const second = await held(hall, twoSeats);
  expect(second.nowMs).toBe(judgedMs);
  expect(second.expiresAtMs).toBeGreaterThan(judgedMs);
  for (let i = 0; i < 5; i += 1) {
    const answer = await readHold(redis(), hall.ref, second.holdId);
    expect(answer).toMatchObject({ code: 'OK', hold: { state: 'HELD', nowMs: judgedMs } });
  }
  expect((await claim(redis(), hall, { selection: twoSeats })).code).toBe('TAKEN');
});

test('Promise 5: the time of an event follows that of Redis', async () => {
  const hall = await loadHall(redis(), { rows: [{ category: 0, seats: 20 }] });
  for (let seat = 0; seat < 20; seat += 1) {
    const [seconds, micros] = await redis().time();
    const redisMs = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    const hold = await held(hall, { kind: 'seats', indexes: [seat] });
    expect(hold.nowMs).toBeGreaterThanOrEqual(redisMs);
    expect(hold.expiresAtMs).toBe(hold.nowMs + holdMs);
  }
});

test('A claim finds what expired behind more dead holds than one call collects, and counts everything before it gives up', async () => {
  const singles = limits.claimReclaimHolds * 2 + 5;
  const hall = await loadHall(redis(), {
    rows: [
      { category: 0, seats: singles },
      { category: 1, seats: 3 },
    ],
  });
  const holds: StoredHold[] = [];
  for (let seat = 0; seat < singles; seat += 1) holds.push(await held(hall, { kind: 'seats', indexes: [seat] }));
  const wished = { kind: 'best', category: 1, quantity: 3 } as const;
  const wanted = await held(hall, wished);
  expect((await claim(redis(), hall, { selection: { kind: 'best', category: 0, quantity: 1 } })).code).toBe('SOLD_OUT');
  // The seats that are wanted were the last to expire.
  await setNow(redis(), hall, wanted.expiresAtMs);
  expect((await held(hall, wished)).seats).toEqual(wanted.seats);
  expect(await redis().get(hall.keys.status)).toBe(`${'.'.repeat(singles)}hhh`);
  expect((await claim(redis(), hall, { selection: wished })).code).toBe('SOLD_OUT');
});

test('Dead holds that wait to be collected do not make best available choose worse', async () => {
  const dead = limits.claimReclaimHolds + 5;
  // The only block that leaves no single seat behind is the last to be collected.
  const hall = await loadHall(redis(), {
    rows: [
      { category: 1, seats: dead },
      { category: 0, seats: 3 },
      { category: 0, seats: 2 },
    ],
  });
  for (let seat = 0; seat < dead; seat += 1) await held(hall, { kind: 'seats', indexes: [seat] });
  const last = await held(hall, { kind: 'seats', indexes: [dead + 3, dead + 4] });
  await setNow(redis(), hall, last.expiresAtMs);
  expect((await held(hall, { kind: 'best', category: 0, quantity: 2 })).seats).toEqual(last.seats);
});

test('A hold that has expired counts no longer towards the limit of its owner', async () => {
  const hall = await loadHall(redis(), { rows: [{ category: 0, seats: 4 }] });
  const person = randomUUID();
  const first = await held(hall, twoSeats, person);
  const other: Selection = { kind: 'seats', indexes: [2, 3] };
  const again = () => claim(redis(), hall, { selection: other, person, seatsPerPerson: 2 });
  expect((await again()).code).toBe('PERSON_LIMIT');
  await setNow(redis(), hall, first.expiresAtMs);
  expect((await again()).code).toBe('OK');
  expect(await redis().get(hall.keys.status)).toBe('..hh');
});

test('A hold outlives its tombstone if nobody collects it', async () => {
  const hall = await hallFor(twoSeats);
  const hold = await held(hall, twoSeats);
  expect(await redis().pttl(hall.keys.hold(hold.holdId))).toBe(-1);
  await setNow(redis(), hall, hold.expiresAtMs + 2 * limits.tombstoneMs);
  await held(hall, twoSeats);
  expect(await redis().pttl(hall.keys.hold(hold.holdId))).toBeGreaterThan(0);
});
