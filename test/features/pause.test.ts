import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data } from '../support/client.js';
import { holdSeats, newKey, orderStream, startCheckout } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import {
  admit,
  arrive,
  auditTrail,
  createLine,
  join,
  judgeTrail,
  type LineEvent,
  pollEntry,
  rebuild,
  setCap,
} from '../support/line.js';
import { ended } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const pause = (eventId: string) => app.organizer.mutate('pauseSale', { eventId }, 'event { saleState pausedAt }');
const resume = (eventId: string) => app.organizer.mutate('resumeSale', { eventId }, 'event { saleState pausedAt }');
const firstCode = ({ errors }: Data) => errors[0]?.code;

async function readHold(client: ApiClient, id: string): Promise<Data> {
  return (await client.run('query ($id: ID!) { hold(id: $id) { state expiresAt now } }', { id })).hold;
}

const leftMs = ({ expiresAt, now }: Data) => new Date(expiresAt).getTime() - new Date(now).getTime();

/** Somebody who is admitted and holds a seat, and somebody who waits behind. */
async function scene(options: Parameters<typeof createLine>[1] = {}) {
  const line = await createLine(app, options);
  const buyer = await app.guest();
  const entry = await join(buyer, line.eventId);
  const waiting = await arrive(app, line.eventId);
  const { hold } = await holdSeats(buyer, line.eventId, { seatIds: ['1-1'] });
  return { line, buyer, entry, waiting, hold };
}

test('Promise 15: a paused sale admits nobody and takes no new holds, and says why and when to try again', async () => {
  const { line, buyer, waiting, hold } = await scene();
  const { event } = await pause(line.eventId);
  expect(event).toEqual({ saleState: 'PAUSED', pausedAt: expect.any(String) });
  expect(await waiting.stream.until(({ phase }) => phase === 'PAUSED')).toMatchObject({
    state: 'WAITING',
    position: 1,
  });
  const refused = await buyer.run(
    `mutation ($input: HoldSeatsInput!) { holdSeats(input: $input) { errors { ... on SalePaused { code retryAfterMs } } } }`,
    { input: { eventId: line.eventId, idempotencyKey: newKey(), seats: { seatIds: ['1-2'] } } },
  );
  expect(refused.holdSeats.errors).toEqual([{ code: 'SALE_PAUSED', retryAfterMs: limits.pausedRetryMs }]);
  const change = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey(), seats: { seatIds: ['1-2'] } };
  expect(firstCode(await buyer.mutate('changeHold', change, 'hold { id }'))).toBe('SALE_PAUSED');
  await setCap(app, line.eventId, 5);
  expect(await admit(app, line)).toBe(0);
  await resume(line.eventId);
  expect(await waiting.stream.until(({ state }) => state === 'ADMITTED')).toMatchObject({ phase: 'OPEN' });
  expect((await holdSeats(buyer, line.eventId, { seatIds: ['1-2'] })).hold.state).toBe('HELD');
});

test('Promise 15: in a pause the clocks of holds, admissions and absences stand still, and nobody loses a place', async () => {
  const { line, buyer, entry, waiting, hold } = await scene();
  await app.advance(line.eventId, 60_000);
  const before = await readHold(buyer, hold.id);
  const polling = await app.guest();
  const polled = await join(polling, line.eventId);
  await pause(line.eventId);
  // Longer than every deadline: a hold, an admission, a poll's presence and an absence would all be over.
  await app.advance(line.eventId, limits.pauseMaxMs - 1_000);
  await admit(app, line);
  const during = await readHold(buyer, hold.id);
  expect(during.state).toBe('HELD');
  expect(leftMs(during)).toBe(leftMs(before));
  expect(await pollEntry(buyer, entry.id)).toMatchObject({ state: 'ADMITTED', phase: 'PAUSED' });
  expect(await pollEntry(waiting.client, waiting.entry.id)).toMatchObject({ state: 'WAITING', number: 2, position: 1 });
  expect(await pollEntry(polling, polled.id)).toMatchObject({ state: 'WAITING', number: 3, position: 2 });
  const { event } = await resume(line.eventId);
  expect(event).toEqual({ saleState: 'OPEN', pausedAt: null });
  expect(leftMs(await readHold(buyer, hold.id))).toBe(leftMs(before));
  await app.advance(line.eventId, leftMs(before));
  expect((await readHold(buyer, hold.id)).state).toBe('EXPIRED');
  expect(judgeTrail(await auditTrail(app, line))).toMatchObject({ gaps: 0, overCap: 0, outOfOrder: 0 });
});

test('Promise 15: the clocks stand still for a bounded time: a sale that stays paused gives its seats back', async () => {
  const { line, buyer, hold } = await scene();
  await pause(line.eventId);
  await app.advance(line.eventId, limits.pauseMaxMs + limits.holdTtlMs);
  expect((await readHold(buyer, hold.id)).state).toBe('EXPIRED');
});

test('Promise 15: a checkout that is running finishes while the sale is paused, and a hold can still be bought', async () => {
  const { line, buyer, hold } = await scene();
  const { hold: second } = await holdSeats(buyer, line.eventId, { seatIds: ['1-2'] });
  const { order } = await startCheckout(buyer, hold);
  await pause(line.eventId);
  const { order: late } = await startCheckout(buyer, second);
  for (const { id } of [order, late]) {
    const stream = buyer.subscribe(orderStream, { orderId: id });
    const { payment } = await stream.until((update) => update.payment !== null);
    await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
    await ended(stream, 'COMPLETED');
  }
});

test('Promise 15: who comes while a sale is paused gets a place, and a paused lobby is not drawn', async () => {
  const { line } = await scene();
  await pause(line.eventId);
  expect(await join(await app.guest(), line.eventId)).toMatchObject({ phase: 'PAUSED', state: 'WAITING', number: 3 });

  const saleOpensAt = new Date(app.clock.nowMs() + 60_000).toISOString();
  const lobby = await createLine(app, { event: { saleOpensAt } });
  const first = await arrive(app, lobby.eventId);
  await pause(lobby.eventId);
  await app.advance(lobby.eventId, 120_000);
  const late = await join(await app.guest(), lobby.eventId);
  expect(late).toMatchObject({ number: null, phase: 'PAUSED' });
  await resume(lobby.eventId);
  const { number } = await first.stream.until((entry) => entry.number !== null);
  expect([1, 2]).toContain(number);
});

test('Promise 15: a pause outlives the loss of Redis, and pausing or resuming twice changes nothing', async () => {
  const { line, waiting } = await scene();
  const { event } = await pause(line.eventId);
  const again = await rebuild(app, line as LineEvent);
  await eventually(async () => {
    const restored = (await auditTrail(app, again)).filter(({ kind }) => kind === 'join');
    expect(restored.map(({ number }) => number)).toContain(waiting.entry.number);
  });
  await app.advance(line.eventId, limits.recoveryMs);
  expect((await pause(line.eventId)).event).toEqual(event);
  await eventually(async () =>
    expect(await pollEntry(waiting.client, waiting.entry.id)).toMatchObject({ phase: 'PAUSED', number: 2 }),
  );
  await setCap(app, line.eventId, 5);
  expect(await admit(app, again)).toBe(0);
  for (let i = 0; i < 2; i += 1) expect((await resume(line.eventId)).event.pausedAt).toBeNull();
  await waiting.stream.until(({ state }) => state === 'ADMITTED');
});
