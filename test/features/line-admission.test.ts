import { createLocalJWKSet, jwtVerify } from 'jose';
import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data } from '../support/client.js';
import { holdSeats, startCheckout } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { arrive, createLine, join, type LineEvent, leave, pollEntry, rebuild, setCap } from '../support/line.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

/** Code of the refusal, or what was given. */
const outcome = ({ hold, order, errors }: Data): string => errors[0]?.code ?? hold?.state ?? order?.state;
const holdOne = (client: ApiClient, { eventId, rows }: LineEvent, seat = 0) =>
  holdSeats(client, eventId, { seatIds: [rows[0]![seat]!] });

async function setWaitingRoom(eventId: string, waitingRoom: 'ALWAYS' | 'NEVER'): Promise<void> {
  await app.organizer.mutate('updateAdmission', { eventId, waitingRoom }, 'event { id }');
}

/** A hold that was made while nobody needed an admission. */
async function holdWithoutRoom(client: ApiClient, line: LineEvent, seat = 0): Promise<Data> {
  await setWaitingRoom(line.eventId, 'NEVER');
  const { hold } = await holdOne(client, line, seat);
  await setWaitingRoom(line.eventId, 'ALWAYS');
  return hold;
}

test('Promise 13: whoever is not admitted gets no seats, whether absent from the line or waiting in it', async () => {
  const line = await createLine(app);
  await arrive(app, line.eventId);
  const waiting = await arrive(app, line.eventId);
  expect(outcome(await holdOne(await app.guest(), line))).toBe('NOT_ADMITTED');
  expect(outcome(await holdOne(waiting.client, line))).toBe('NOT_ADMITTED');
  await setCap(app, line.eventId, 2);
  await waiting.stream.until(({ state }) => state === 'ADMITTED');
  expect(outcome(await holdOne(waiting.client, line))).toBe('HELD');
});

test('Promise 13: an admission that has expired or was given up gets no seats', async () => {
  const line = await createLine(app, { activeCap: 2 });
  const late = await app.guest();
  const leaver = await app.guest();
  await join(late, line.eventId);
  await leave(leaver, (await join(leaver, line.eventId)).id);
  expect(outcome(await holdOne(leaver, line))).toBe('NOT_ADMITTED');
  await app.advance(line.eventId, limits.admissionTtlMs - 1);
  expect(outcome(await holdOne(late, line))).toBe('HELD');
  await app.advance(line.eventId, limits.holdTtlMs);
  expect(outcome(await holdOne(late, line, 1))).toBe('NOT_ADMITTED');
});

test('Promise 13: an admission to one event, or of somebody else, is none', async () => {
  const [here, there] = [await createLine(app), await createLine(app)];
  const buyer = await app.guest();
  const other = await app.guest();
  await join(buyer, here.eventId);
  await join(other, there.eventId);
  expect(outcome(await holdOne(buyer, there))).toBe('NOT_ADMITTED');
  expect(outcome(await holdOne(other, here))).toBe('NOT_ADMITTED');
  expect(outcome(await holdOne(buyer, here))).toBe('HELD');
  expect(outcome(await holdOne(other, there))).toBe('HELD');
});

test('Promise 13: a hold does not buy without an admission, with one that expired, or with one that was given up', async () => {
  const line = await createLine(app, { activeCap: 3 });
  const [never, expired, leaver] = [await app.guest(), await app.guest(), await app.guest()];
  const { id } = await join(expired, line.eventId);
  await app.advance(line.eventId, limits.admissionTtlMs);
  expect((await pollEntry(expired, id)).state).toBe('EXPIRED');
  expect(outcome(await startCheckout(expired, await holdWithoutRoom(expired, line, 0)))).toBe('NOT_ADMITTED');
  expect(outcome(await startCheckout(never, await holdWithoutRoom(never, line, 1)))).toBe('NOT_ADMITTED');
  const given = await join(leaver, line.eventId);
  const { hold } = await holdOne(leaver, line, 2);
  await leave(leaver, given.id);
  expect(outcome(await startCheckout(leaver, hold))).toBe('NOT_ADMITTED');
  await join(leaver, line.eventId);
  expect(outcome(await startCheckout(leaver, hold))).toBe('PAYMENT_PREPARING');
});

test("Promise 13: somebody else's admission, or one to another event, does not buy a hold", async () => {
  const [here, there] = [await createLine(app, { activeCap: 2 }), await createLine(app)];
  const [buyer, other] = [await app.guest(), await app.guest()];
  const hold = await holdWithoutRoom(buyer, here);
  await join(buyer, there.eventId);
  await join(other, here.eventId);
  expect(outcome(await startCheckout(buyer, hold))).toBe('NOT_ADMITTED');
  expect(outcome(await startCheckout(other, hold))).toBe('FORBIDDEN');
  await join(buyer, here.eventId);
  expect(outcome(await startCheckout(buyer, hold))).toBe('PAYMENT_PREPARING');
});

test('Promise 13: after a rebuild an admission that is not shown in time holds nothing and buys nothing', async () => {
  const line = await createLine(app, { activeCap: 2 });
  const buyer = await app.guest();
  const { id } = await join(buyer, line.eventId);
  const { hold } = await holdOne(buyer, line);
  const again = await rebuild(app, line);
  expect(outcome(await holdOne(buyer, again, 1))).toBe('REBUILDING');
  expect(outcome(await startCheckout(buyer, hold))).toBe('HOLD_LOST');
  await app.advance(line.eventId, limits.recoveryMs);
  expect(outcome(await holdOne(buyer, again, 1))).toBe('NOT_ADMITTED');
  expect(outcome(await startCheckout(buyer, await holdWithoutRoom(buyer, again, 2)))).toBe('NOT_ADMITTED');
  expect(await pollEntry(buyer, id)).toBeNull();
  const { id: newId } = await join(buyer, line.eventId);
  await eventually(async () => expect((await pollEntry(buyer, newId)).state).toBe('ADMITTED'));
  expect(outcome(await holdOne(buyer, again, 1))).toBe('HELD');
});

test('An admission comes with a token that the platform signed for this person, event and place, and nobody else gets one', async () => {
  const { eventId } = await createLine(app);
  const buyer = await app.guest();
  const entry = await join(buyer, eventId);
  const waiting = await arrive(app, eventId);
  expect(waiting.entry.admission).toBeNull();
  const keys = createLocalJWKSet(app.server.services.tokens.jwks);
  const { viewer } = await buyer.run('{ viewer { personId } }');
  const currentDate = new Date(app.clock.nowMs());
  const { payload } = await jwtVerify(entry.admission.token, keys, { currentDate });
  expect(payload).toMatchObject({ use: 'admission', sub: viewer.personId, event: eventId, number: 1, generation: 1 });
  expect(payload.exp).toBe(Math.ceil(new Date(entry.admission.expiresAt).getTime() / 1_000));
  const place = await jwtVerify(waiting.entry.place, keys, { currentDate });
  expect(place.payload).toMatchObject({ use: 'place', event: eventId, number: 2, generation: 1 });
});
