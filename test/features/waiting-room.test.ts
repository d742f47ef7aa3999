import { limits } from '../../src/limits.js';
import { runScript } from '../../src/redis/script.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data } from '../support/client.js';
import { createHall, holdSeats, newKey, orderStream, salesTotals, startCheckout } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import {
  admit,
  arrive,
  auditTrail,
  bareId,
  createLine,
  followEntry,
  judgeTrail,
  type LineEvent,
  leave,
  pollEntry,
  setCap,
  type Waiter,
} from '../support/line.js';
import { pay } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const outcome = ({ hold, errors }: Data): string => errors[0]?.code ?? hold.state;
const holdSeat = (client: ApiClient, eventId: string, seat: string) => holdSeats(client, eventId, { seatIds: [seat] });
const isAdmitted = ({ state }: Data) => state === 'ADMITTED';
const lineOf = (app: TestApp, { keys }: LineEvent) => app.server.services.platform.redis.hgetall(keys.line);

async function arriveMany(eventId: string, count: number): Promise<Waiter[]> {
  const waiters: Waiter[] = [];
  for (let i = 0; i < count; i += 1) waiters.push(await arrive(app, eventId));
  return waiters;
}

async function buy(client: ApiClient, eventId: string, seatIds: readonly string[]): Promise<Data> {
  const { hold } = await holdSeats(client, eventId, { seatIds });
  const { order } = await startCheckout(client, hold);
  await pay(app, client.subscribe(orderStream, { orderId: order.id }));
  return order;
}

describe('A waiting room that opens by itself', () => {
  const auto = { event: { waitingRoom: 'AUTO' } } as const;

  test('A small sale has no line: whoever comes holds seats at once, and buys', async () => {
    const { eventId } = await createHall(app.organizer, { event: { saleOpensAt: '2026-01-01T00:00:00Z' } });
    const buyer = await app.guest();
    await buy(buyer, eventId, ['1-1', '1-2']);
    expect(await salesTotals(app.organizer, eventId)).toMatchObject({ sold: 2 });
  });

  test('Promise 11: with AUTO nobody comes in beyond the cap, and a line forms', async () => {
    const line = await createLine(app, { ...auto, activeCap: 2 });
    const [one, two, three] = [await app.guest(), await app.guest(), await app.guest()];
    expect(outcome(await holdSeat(one, line.eventId, '1-1'))).toBe('HELD');
    expect(outcome(await holdSeat(two, line.eventId, '1-2'))).toBe('HELD');
    expect(outcome(await holdSeat(three, line.eventId, '1-3'))).toBe('NOT_ADMITTED');
    const waiting = await arrive(app, line.eventId);
    expect(waiting.entry).toMatchObject({ state: 'WAITING', number: 3 });
    const trail = await auditTrail(app, line);
    expect(judgeTrail(trail)).toEqual({ admitted: 2, gaps: 0, overCap: 0, outOfOrder: 0 });
  });

  test('Promise 12: with AUTO nobody passes those who wait', async () => {
    const line = await createLine(app, { ...auto, activeCap: 1 });
    expect(outcome(await holdSeat(await app.guest(), line.eventId, '1-1'))).toBe('HELD');
    const waiting = await arrive(app, line.eventId);
    // Who waits is not looking at this moment, so that no worker lets them in; then there is room. Having come counts as presence for a
    // while, until a process says that it serves their stream.
    const { redis } = app.server.services.platform;
    const servedBy = () => redis.hget(line.keys.attached, bareId(waiting.entry));
    await eventually(async () => expect(await servedBy()).not.toMatch(/^@/));
    waiting.stream.stop();
    await eventually(async () => expect((await auditTrail(app, line)).map(({ kind }) => kind)).toContain('away'));
    await setCap(app, line.eventId, 2);
    expect(outcome(await holdSeat(await app.guest(), line.eventId, '1-2'))).toBe('NOT_ADMITTED');
    const stream = followEntry(waiting.client, waiting.entry.id);
    await stream.until(isAdmitted);
  });

  test('Promise 11: with AUTO the rate holds for whoever comes without having joined', async () => {
    const line = await createLine(app, { event: { waitingRoom: 'AUTO', admitPerSecond: 1 }, activeCap: 100 });
    const codes: string[] = [];
    for (let seat = 1; seat <= 3; seat += 1)
      codes.push(outcome(await holdSeat(await app.guest(), line.eventId, `1-${seat}`)));
    expect(codes).toEqual(['HELD', 'NOT_ADMITTED', 'NOT_ADMITTED']);
    await app.advance(line.eventId, 1_000);
    expect(outcome(await holdSeat(await app.guest(), line.eventId, '1-4'))).toBe('HELD');
  });

  test('Promise 13: with AUTO an admission that was come by on the spot ends as every other, and buys while it lives', async () => {
    const line = await createLine(app, { ...auto, activeCap: 1 });
    const buyer = await app.guest();
    const { hold } = await holdSeat(buyer, line.eventId, '1-1');
    const { order } = await startCheckout(buyer, hold);
    await pay(app, buyer.subscribe(orderStream, { orderId: order.id }));
    expect((await auditTrail(app, line)).map(({ kind }) => kind)).toEqual(['walk', 'C']);
    expect(outcome(await holdSeat(await app.guest(), line.eventId, '1-2'))).toBe('HELD');
  });
});

describe('Admission', () => {
  test('Promise 11: a new rate counts from now on', async () => {
    const line = await createLine(app, { event: { admitPerSecond: 0.01 }, activeCap: 100 });
    await arriveMany(line.eventId, 4);
    await eventually(async () => expect((await auditTrail(app, line)).some(({ kind }) => kind === 'admit')).toBe(true));
    await app.advance(line.eventId, 60_000);
    expect(judgeTrail(await auditTrail(app, line)).admitted).toBe(1);
    await app.organizer.mutate('updateAdmission', { eventId: line.eventId, admitPerSecond: 1 }, 'event { id }');
    // The minute that went by at the old rate is worth less than one admission.
    expect(await admit(app, line)).toBe(0);
    await app.advance(line.eventId, 1_000);
    await eventually(async () => expect(judgeTrail(await auditTrail(app, line)).admitted).toBe(2));
  });

  test('Promise 11: no more look for seats than there are seats for', async () => {
    const line = await createLine(app, { rows: 1, seatsPerRow: 2, activeCap: 100 });
    const waiters = await arriveMany(line.eventId, 7);
    expect(waiters.filter(({ entry }) => isAdmitted(entry))).toHaveLength(2 * limits.shoppersPerSeat);
    expect(await admit(app, line)).toBe(0);
    await leave(waiters[0]!.client, waiters[0]!.entry.id);
    await waiters[2 * limits.shoppersPerSeat]!.stream.until(isAdmitted);
  });

  test('Promise 14: when nothing can be sold any more the waiting are told, and returned stock reopens admission', async () => {
    const line = await createLine(app, { rows: 1, seatsPerRow: 2 });
    const [buyer, waiting] = (await arriveMany(line.eventId, 2)) as [Waiter, Waiter];
    const order = await buy(buyer.client, line.eventId, line.rows[0]!);
    const told = await waiting.stream.until(({ phase }) => phase === 'SOLD_OUT');
    expect(told).toMatchObject({ state: 'WAITING', position: 1, estimatedWait: null });
    await app.organizer.mutate('refundOrder', { orderId: order.id, idempotencyKey: newKey() }, 'order { state }');
    expect(await waiting.stream.until(isAdmitted)).toMatchObject({ phase: 'OPEN' });
    expect(outcome(await holdSeat(waiting.client, line.eventId, '1-1'))).toBe('HELD');
  });

  test('Promise 14: seats that are held, or in checkout, are not sold out', async () => {
    const line = await createLine(app, { rows: 1, seatsPerRow: 2 });
    const [buyer, waiting] = (await arriveMany(line.eventId, 2)) as [Waiter, Waiter];
    await holdSeats(buyer.client, line.eventId, { seatIds: line.rows[0] });
    await admit(app, line);
    expect((await pollEntry(waiting.client, waiting.entry.id)).phase).toBe('OPEN');
    await app.advance(line.eventId, limits.holdTtlMs);
    await leave(buyer.client, buyer.entry.id);
    await waiting.stream.until(isAdmitted);
  });

  describe('No more are let in than the quota of the payment provider can serve, nor than the organizer wants', () => {
    const organizersRate = 5;
    test.each([
      ['three calls a checkout', { calls: '6', endpoint: '100' }, 2],
      ['one call of an endpoint', { calls: '1000', endpoint: '3' }, 3],
      ['where the quota is large', { calls: '3000', endpoint: '1000' }, organizersRate],
      ['where it has no bound', { calls: '0', endpoint: '0' }, organizersRate],
    ])('%s', async (_what, { calls, endpoint }, perSecond) => {
      const quota = { STRIPE_CALLS_PER_SECOND: calls, STRIPE_CALLS_PER_ENDPOINT_PER_SECOND: endpoint };
      const bounded = await startTestApp({ env: quota });
      try {
        const { services } = bounded.server;
        const event = { admitPerSecond: organizersRate };
        const line = await createLine(bounded, { rows: 4, activeCap: 1_000, event });
        // From here on its time stands still.
        await bounded.advance(line.eventId, 60_000);
        const seconds = 4;
        for (let i = 0; i < organizersRate * (seconds + 2); i += 1) await arrive(bounded, line.eventId);
        for (let second = 0; second <= seconds; second += 1) {
          await services.line.admit((await services.catalogue.published(line.eventId))!);
          expect(judgeTrail(await auditTrail(bounded, line)).admitted).toBe(perSecond * (1 + second));
          await bounded.advance(line.eventId, 1_000);
        }
      } finally {
        await bounded.close();
      }
    });
  });

  test('The rate is also bounded by what the payment provider can serve, by how many of those admitted pay', async () => {
    const quota = { STRIPE_CALLS_PER_SECOND: '100', STRIPE_CALLS_PER_ENDPOINT_PER_SECOND: '2' };
    const slow = await startTestApp({ env: quota });
    try {
      const line = await createLine(slow, { activeCap: 1_000 });
      // From here on its time stands still.
      await slow.advance(line.eventId, 60_000);
      for (let i = 0; i < 8; i += 1) await arrive(slow, line.eventId);
      const { redis } = slow.server.services.platform;
      const admitted = async () => judgeTrail(await auditTrail(slow, line)).admitted;
      expect(await lineOf(slow, line)).toMatchObject({ providerMilli: '2000' });
      expect(await admitted()).toBe(2);
      // Nobody who was admitted has gone to checkout: more may come in for each who does.
      await redis.hset(line.keys.line, 'checkouts', 0, 'decided', 60);
      await slow.advance(line.eventId, 500);
      await eventually(async () => expect(await admitted()).toBe(6));
    } finally {
      await slow.close();
    }
  });
});

test('QUEUE_FULL: a line that has reached its bound takes nobody, and whoever has a place keeps it', async () => {
  const line = await createLine(app);
  const { redis } = app.server.services.platform;
  const joinScript = (person: string, most: number) =>
    runScript(redis, 'line.join', line.ref, person, `entry of ${person}`, 1_000, most, limits.processLeaseMs);
  await app.server.services.inventory.reserveNumbers(line.ref);
  const codes = [];
  for (const person of ['a', 'b', 'c', 'b']) codes.push((await joinScript(person, 2)).code);
  expect(codes).toEqual(['OK', 'OK', 'QUEUE_FULL', 'OK']);
});
