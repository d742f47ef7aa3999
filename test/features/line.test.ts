import { limits } from '../../src/limits.js';
import { connectRedis } from '../../src/redis/connections.js';
import { admitFromLine } from '../../src/redis/line.js';
import { hashPassword } from '../../src/services/accounts.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { ApiClient } from '../support/client.js';
import { holdSeats, newKey, orderStream, startCheckout } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import {
  admit,
  arrive,
  auditTrail,
  createLine,
  followEntry,
  join,
  joinQueue,
  judgeTrail,
  leave,
  pollEntry,
  setCap,
} from '../support/line.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const isAdmitted = ({ state }: { state: string }) => state === 'ADMITTED';

describe('One place a person', () => {
  test('Promise 9: joining many times at once gives one person one place', async () => {
    const { eventId } = await createLine(app);
    await arrive(app, eventId);
    const buyer = await app.guest();
    const entries = await Promise.all(Array.from({ length: 12 }, () => join(buyer, eventId)));
    expect(new Set(entries.map(({ id }) => id)).size).toBe(1);
    expect(entries.map(({ number }) => number)).toEqual(Array(12).fill(2));
    expect((await join(await app.guest(), eventId)).number).toBe(3);
  });

  test('Promise 9: a refresh, a reconnect and a second device with the same session find the place again', async () => {
    const { eventId } = await createLine(app);
    await arrive(app, eventId);
    const { client, entry, stream } = await arrive(app, eventId);
    await arrive(app, eventId);
    stream.stop();
    client.close();
    const again = await join(client, eventId);
    const device = new ApiClient(app.url, client.token);
    const there = await join(device, eventId);
    const followed = await followEntry(device, entry.id).next();
    device.close();
    for (const found of [again, there, followed]) {
      expect(found).toMatchObject({ id: entry.id, number: 2, state: 'WAITING', position: 1 });
    }
  });

  test('Promise 9: an account that signs in on two devices has one place', async () => {
    const { eventId } = await createLine(app);
    await arrive(app, eventId);
    await app.sql(
      `INSERT INTO account (id, email, password_hash, role, organizer_id)
       SELECT $1, 'two@example.com', $2, 'ORGANIZER', id FROM organizer LIMIT 1`,
      [app.clock.randomId(), await hashPassword('correct horse')],
    );
    const signIn = async () => {
      const input = { email: 'two@example.com', password: 'correct horse' };
      const { session } = await app.anonymous.mutate('signIn', input, 'session { token }');
      return new ApiClient(app.url, session.token);
    };
    const [one, other] = [await signIn(), await signIn()];
    const entry = await join(one, eventId);
    expect(await join(other, eventId)).toMatchObject({ id: entry.id, number: 2 });
    await arrive(app, eventId);
    expect(await pollEntry(other, entry.id)).toMatchObject({ id: entry.id, number: 2, position: 1 });
  });

  test('Promise 9: a place belongs to one event and one person, and nobody else sees or gives it up', async () => {
    const [here, there] = [await createLine(app), await createLine(app)];
    const buyer = await app.guest();
    const stranger = await app.guest();
    const [one, other] = [await join(buyer, here.eventId), await join(buyer, there.eventId)];
    expect(one.id).not.toBe(other.id);
    expect(await pollEntry(stranger, one.id)).toBeNull();
    await expect(followEntry(stranger, one.id).next()).rejects.toThrow('NOT_FOUND');
    const refused = await stranger.mutate('leaveQueue', { entryId: one.id }, 'entry { id }');
    expect(refused.errors[0].code).toBe('FORBIDDEN');
    expect((await pollEntry(buyer, one.id)).state).toBe('ADMITTED');
  });

  test('After a final state a person who joins again gets a new place at the end', async () => {
    const { eventId } = await createLine(app);
    await arrive(app, eventId);
    const leaver = await arrive(app, eventId);
    await arrive(app, eventId);
    expect((await leave(leaver.client, leaver.entry.id)).state).toBe('LEFT');
    const again = await join(leaver.client, eventId);
    expect(again).toMatchObject({ number: 4, state: 'WAITING', position: 2 });
    expect(again.id).not.toBe(leaver.entry.id);
  });

  test('A closed sale refuses whoever wants to join and still finds the places of those who have one', async () => {
    const { eventId } = await createLine(app);
    const { client, entry } = await arrive(app, eventId);
    await app.organizer.mutate('closeSale', { eventId }, 'event { id }');
    expect((await joinQueue(await app.guest(), eventId)).errors[0].code).toBe('SALE_CLOSED');
    expect(await join(client, eventId)).toMatchObject({ id: entry.id, phase: 'CLOSED' });
  });
});

describe('The cap', () => {
  test('Promise 11: however many call the admission script at once, nobody is admitted while active is at the cap', async () => {
    const line = await createLine(app, { activeCap: 5 });
    const people = await Promise.all(Array.from({ length: 40 }, () => app.guest()));
    await Promise.all(people.map((person) => join(person, line.eventId)));
    const workers = await Promise.all(Array.from({ length: 4 }, () => connectRedis(app.stores.redisUrl, () => {})));
    const storm = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, i) => admitFromLine(workers[i % 4]!.commands, line.ref)));
    await storm(60);
    await setCap(app, line.eventId, 9);
    await storm(60);
    expect(judgeTrail(await auditTrail(app, line))).toEqual({ admitted: 9, gaps: 0, overCap: 0, outOfOrder: 0 });
    await Promise.all(workers.map((worker) => worker.close()));
  });

  test('Promise 11: lowering the cap evicts nobody and admits nobody until active has fallen below it', async () => {
    const line = await createLine(app, { activeCap: 3 });
    const inside = [await arrive(app, line.eventId), await arrive(app, line.eventId), await arrive(app, line.eventId)];
    const waiting = await arrive(app, line.eventId);
    await setCap(app, line.eventId, 1);
    for (const { client, entry } of inside) {
      expect(await admit(app, line)).toBe(0);
      expect((await pollEntry(client, entry.id)).state).toBe('ADMITTED');
      await leave(client, entry.id);
    }
    await waiting.stream.until(isAdmitted);
    expect(judgeTrail(await auditTrail(app, line))).toMatchObject({ admitted: 4, overCap: 0 });
  });

  test('Promise 11: a purchase ends the admission and the next is admitted', async () => {
    const { eventId, rows } = await createLine(app);
    const buyer = await arrive(app, eventId);
    const waiting = await arrive(app, eventId);
    const { hold } = await holdSeats(buyer.client, eventId, { seatIds: [rows[0]![0]!] });
    const { order } = await startCheckout(buyer.client, hold);
    const stream = buyer.client.subscribe(orderStream, { orderId: order.id });
    const { payment } = await stream.until((update) => update.payment !== null);
    expect((await pollEntry(waiting.client, waiting.entry.id)).state).toBe('WAITING');
    await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
    await waiting.stream.until(isAdmitted);
    expect((await pollEntry(buyer.client, buyer.entry.id)).state).toBe('COMPLETED');
  });

  test('Promise 11: time ends an admission, but not while a hold lives', async () => {
    const { eventId, rows } = await createLine(app);
    const holder = await arrive(app, eventId);
    const waiting = await arrive(app, eventId);
    await app.advance(eventId, limits.admissionTtlMs - 10_000);
    await holdSeats(holder.client, eventId, { seatIds: [rows[0]![0]!] });
    await app.advance(eventId, limits.holdTtlMs - 1_000);
    expect((await pollEntry(holder.client, holder.entry.id)).state).toBe('ADMITTED');
    expect((await pollEntry(waiting.client, waiting.entry.id)).state).toBe('WAITING');
    await app.advance(eventId, 1_000);
    expect((await pollEntry(holder.client, holder.entry.id)).state).toBe('EXPIRED');
    await waiting.stream.until(isAdmitted);
  });

  test('Promise 11: an admission given to somebody who holds seats already lasts as long as they do', async () => {
    const holdTtlSeconds = (limits.admissionTtlMs + 60_000) / 1_000;
    const { eventId } = await createLine(app, { event: { waitingRoom: 'NEVER', holdTtlSeconds } });
    const holder = await app.guest();
    await holdSeats(holder, eventId, { seatIds: ['1-1'] });
    await app.organizer.mutate('updateAdmission', { eventId, waitingRoom: 'ALWAYS' }, 'event { id }');
    const entry = await join(holder, eventId);
    await eventually(async () => expect((await pollEntry(holder, entry.id)).state).toBe('ADMITTED'));
    await app.advance(eventId, limits.admissionTtlMs + 1_000);
    expect((await pollEntry(holder, entry.id)).state).toBe('ADMITTED');
    await app.advance(eventId, 60_000);
    expect((await pollEntry(holder, entry.id)).state).toBe('EXPIRED');
  });

  test('Promise 11: an extended hold keeps its admission as long', async () => {
    const { eventId, rows } = await createLine(app);
    const holder = await arrive(app, eventId);
    await app.advance(eventId, limits.admissionTtlMs - 10_000);
    const { hold } = await holdSeats(holder.client, eventId, { seatIds: [rows[0]![0]!] });
    await app.advance(eventId, limits.holdTtlMs - 1_000);
    const extended = await holder.client.mutate(
      'extendHold',
      { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() },
      'hold { id }',
    );
    expect(extended.errors).toEqual([]);
    await app.advance(eventId, limits.holdExtensionMs - 1_000);
    expect((await pollEntry(holder.client, holder.entry.id)).state).toBe('ADMITTED');
    await app.advance(eventId, 1_000);
    expect((await pollEntry(holder.client, holder.entry.id)).state).toBe('EXPIRED');
  });

  test('Promise 11: a checkout keeps its slot at most checkoutSlotMs, and its order goes on', async () => {
    const { eventId, rows } = await createLine(app);
    const buyer = await arrive(app, eventId);
    const waiting = await arrive(app, eventId);
    const { hold } = await holdSeats(buyer.client, eventId, { seatIds: [rows[0]![0]!] });
    const { order } = await startCheckout(buyer.client, hold);
    const stream = buyer.client.subscribe(orderStream, { orderId: order.id });
    const { payment } = await stream.until((update) => update.payment !== null);
    await app.advance(eventId, limits.checkoutSlotMs - 5_000);
    expect((await pollEntry(buyer.client, buyer.entry.id)).state).toBe('ADMITTED');
    await app.advance(eventId, 5_000);
    await waiting.stream.until(isAdmitted);
    expect((await pollEntry(buyer.client, buyer.entry.id)).state).toBe('EXPIRED');
    await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
    await stream.until(({ state }) => state === 'COMPLETED');
  });

  test('The bucket admits no more than the pace allows, whatever the cap', async () => {
    const line = await createLine(app, { event: { admitPerSecond: 0.01, activeCap: 100 } });
    const people = [];
    for (let i = 0; i < 4; i += 1) people.push(await arrive(app, line.eventId));
    const admitted = async () => judgeTrail(await auditTrail(app, line)).admitted;
    expect(await admitted()).toBe(1);
    // One token needs 100 s; a bucket of one keeps no more than one.
    await app.advance(line.eventId, 100_000);
    await eventually(async () => expect(await admitted()).toBe(2));
    await app.advance(line.eventId, 250_000);
    await eventually(async () => expect(await admitted()).toBe(3));
    expect(await admit(app, line)).toBe(0);
  });
});
