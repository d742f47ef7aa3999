import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data } from '../support/client.js';
import { holdSeats, newKey } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import {
  arrive,
  auditTrail,
  bareId,
  createLine,
  entryFields,
  join,
  judgeTrail,
  type LineEvent,
  leave,
  pollEntry,
  rebuild,
  setCap,
} from '../support/line.js';
import { calm } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
beforeEach(() => calm(app));

/** Joins as somebody does who has a place, or an admission, to show. */
async function show(client: ApiClient, { eventId }: LineEvent, shown: { place?: string; admission?: string }) {
  return client.mutate('joinQueue', { eventId, ...shown }, `entry { ${entryFields} }`);
}

const recovered = (line: LineEvent) => app.advance(line.eventId, limits.recoveryMs);

interface Person {
  readonly client: ApiClient;
  readonly entry: Data;
}

/** People who joined and have gone offline since: nobody but themselves can bring their places back. */
async function comeAndGo(line: LineEvent, count: number): Promise<Person[]> {
  const people: Person[] = [];
  for (let i = 0; i < count; i += 1) {
    const client = await app.guest();
    people.push({ client, entry: await join(client, line.eventId) });
  }
  return people;
}

test('Promise 6: whoever shows the place of before has it again under its number, in front of everybody who comes new', async () => {
  const line = await createLine(app);
  const [, second, third] = await comeAndGo(line, 3);
  const again = await rebuild(app, line);
  const newcomer = await arrive(app, line.eventId);
  for (const { client, entry } of [third!, second!]) {
    const { entry: back } = await show(client, line, { place: entry.place });
    expect(back).toMatchObject({ id: entry.id, number: entry.number, state: 'WAITING', position: null });
    // Once more changes nothing.
    expect((await show(client, line, { place: entry.place })).entry.id).toBe(entry.id);
  }
  await recovered(line);
  // The first has not come back: the second is the head of the line, and then the third.
  await eventually(async () => expect((await pollEntry(second!.client, second!.entry.id)).state).toBe('ADMITTED'));
  expect(await pollEntry(third!.client, third!.entry.id)).toMatchObject({ number: 3, position: 1 });
  expect(await pollEntry(newcomer.client, newcomer.entry.id)).toMatchObject({ position: 2 });
  expect(judgeTrail(await auditTrail(app, again))).toMatchObject({ overCap: 0, outOfOrder: 0 });
});

test('Promise 6: an admission of before that is shown counts at once, and no second cap-full of people is let in', async () => {
  const line = await createLine(app, { activeCap: 2 });
  const admitted = await comeAndGo(line, 2);
  expect(admitted.map(({ entry }) => entry.state)).toEqual(['ADMITTED', 'ADMITTED']);
  // The first gives it up and another one gets the slot, before Redis is lost: three admissions are about that have not run out.
  await leave(admitted[0]!.client, admitted[0]!.entry.id);
  const [third] = await comeAndGo(line, 1);
  expect(third!.entry.state).toBe('ADMITTED');
  const again = await rebuild(app, line);
  const newcomer = await arrive(app, line.eventId);
  const shown: Data[] = [];
  for (const { client, entry } of [third!, admitted[1]!, admitted[0]!])
    shown.push((await show(client, line, { admission: entry.admission.token })).entry);
  expect(shown.map(({ state }) => state)).toEqual(['ADMITTED', 'ADMITTED', 'WAITING']);
  const wish = { eventId: line.eventId, idempotencyKey: newKey(), seats: { seatIds: [line.rows[0]![0]!] } };
  const { hold, errors } = await third!.client.mutate('holdSeats', wish, 'hold { state }');
  expect(errors).toEqual([]);
  expect(hold.state).toBe('HELD');
  expect((await pollEntry(newcomer.client, newcomer.entry.id)).state).toBe('WAITING');
  await recovered(line);
  // Who has shown one and found no room is the next to come in.
  await setCap(app, line.eventId, 3);
  await eventually(async () =>
    expect((await pollEntry(admitted[0]!.client, admitted[0]!.entry.id)).state).toBe('ADMITTED'),
  );
  expect((await pollEntry(newcomer.client, newcomer.entry.id)).state).toBe('WAITING');
  expect(judgeTrail(await auditTrail(app, again))).toMatchObject({ overCap: 0 });
});

test('Promise 6: while places of before are awaited nobody else comes in or takes a seat, and everybody is told until when', async () => {
  const line = await createLine(app, { activeCap: 5 });
  const [first] = await comeAndGo(line, 1);
  await rebuild(app, line);
  const newcomer = await app.guest();
  expect(await join(newcomer, line.eventId)).toMatchObject({ state: 'WAITING', position: null });
  const { errors } = await newcomer.mutate(
    'holdSeats',
    { eventId: line.eventId, idempotencyKey: newKey(), seats: { seatIds: [line.rows[0]![0]!] } },
    'hold { id }',
  );
  expect(errors[0].code).toBe('REBUILDING');
  const { holdSeats: refused } = await newcomer.run(
    'mutation ($i: HoldSeatsInput!) { holdSeats(input: $i) { errors { ... on Rebuilding { retryAfterMs } } } }',
    { i: { eventId: line.eventId, idempotencyKey: newKey(), seats: { seatIds: [line.rows[0]![0]!] } } },
  );
  expect(refused.errors[0].retryAfterMs).toBeGreaterThan(limits.recoveryMs - 2_000);
  expect(refused.errors[0].retryAfterMs).toBeLessThanOrEqual(limits.recoveryMs);
  await show(first!.client, line, { admission: first!.entry.admission.token });
  expect((await holdSeats(first!.client, line.eventId, { seatIds: [line.rows[0]![0]!] })).errors).toEqual([]);
});

test('Promise 6: what is not shown in time is void', async () => {
  const line = await createLine(app);
  const [, second] = await comeAndGo(line, 2);
  await rebuild(app, line);
  await recovered(line);
  const { entry } = await show(second!.client, line, { place: second!.entry.place });
  expect(entry.id).not.toBe(second!.entry.id);
  expect(entry.number).toBeGreaterThan(limits.lineNumbers - 1);
});

test('Promise 6: the numbers of before are not given again, whether or not anybody shows them', async () => {
  const line = await createLine(app);
  const people = await comeAndGo(line, 3);
  const again = await rebuild(app, line);
  const [next] = await comeAndGo(again, 1);
  expect(next!.entry.number).toBeGreaterThan(Math.max(...people.map(({ entry }) => entry.number)));
  const third = await rebuild(app, again);
  const [last] = await comeAndGo(third, 1);
  expect(last!.entry.number).toBeGreaterThan(next!.entry.number);
});

test('A place that is shown has to be the own one, of this event, and whole', async () => {
  const [here, there] = [await createLine(app), await createLine(app)];
  const [mine] = await comeAndGo(here, 1);
  const [, other] = await comeAndGo(here, 2);
  const elsewhere = await join(mine!.client, there.eventId);
  await rebuild(app, here);
  const refusal = async (shown: object) => {
    const input = { eventId: here.eventId, ...shown };
    const { errors } = await mine!.client.mutate('joinQueue', input, 'entry { id }');
    return [errors[0].code, errors[0].path];
  };
  const wrong = ['INVALID_INPUT', ['input', 'place']];
  expect(await refusal({ place: other!.entry.place })).toEqual(wrong);
  expect(await refusal({ place: elsewhere.place })).toEqual(wrong);
  expect(await refusal({ place: `${mine!.entry.place.slice(0, -6)}AAAAAA` })).toEqual(wrong);
  expect(await refusal({ place: mine!.entry.admission.token })).toEqual(wrong);
  expect(await refusal({ admission: mine!.entry.place })).toEqual(['INVALID_INPUT', ['input', 'admission']]);
  expect((await show(mine!.client, here, { place: mine!.entry.place })).entry.id).toBe(mine!.entry.id);
});

describe('Around the opening', () => {
  const untilOpeningMs = 60_000;
  const lobby = () => {
    const saleOpensAt = new Date(app.clock.nowMs() + untilOpeningMs).toISOString();
    return createLine(app, { activeCap: 1, event: { saleOpensAt } });
  };
  const numberOf = async ({ client, entry }: Person) => (await pollEntry(client, entry.id))?.number ?? null;

  test('a lobby that was lost before the opening is whole again when those who were in it have shown their places', async () => {
    const line = await lobby();
    const people = await comeAndGo(line, 3);
    const again = await rebuild(app, line);
    for (const { client, entry } of people)
      expect((await show(client, line, { place: entry.place })).entry).toMatchObject({ id: entry.id, number: null });
    await app.advance(line.eventId, untilOpeningMs);
    await eventually(async () => expect((await Promise.all(people.map(numberOf))).toSorted()).toEqual([1, 2, 3]));
    expect(judgeTrail(await auditTrail(app, again))).toMatchObject({ overCap: 0, outOfOrder: 0 });
  });

  test('a lobby that was lost between the opening and its draw is awaited, and whoever comes new is behind it', async () => {
    const line = await lobby();
    const people = await comeAndGo(line, 3);
    // The opening comes while Redis is down: nobody has drawn.
    await app.sql(`UPDATE event SET sale_opens_at = now() - interval '1 second' WHERE id = $1`, [line.eventId]);
    await rebuild(app, line);
    const newcomer = await app.guest();
    expect((await join(newcomer, line.eventId)).number).toBeGreaterThan(limits.lineEntries);
    const { errors } = await holdSeats(people[0]!.client, line.eventId, { seatIds: ['1-1'] });
    expect(errors[0].code).toBe('REBUILDING');
    for (const { client, entry } of people) await show(client, line, { place: entry.place });
    await recovered(line);
    await eventually(async () => expect((await Promise.all(people.map(numberOf))).toSorted()).toEqual([1, 2, 3]));
  });

  test('Promise 12: whoever comes between a lost lobby and its late draw is told no position that would rise', async () => {
    const line = await lobby();
    const people = await comeAndGo(line, 3);
    await app.sql(`UPDATE event SET sale_opens_at = now() - interval '1 second' WHERE id = $1`, [line.eventId]);
    await rebuild(app, line);
    const newcomer = await arrive(app, line.eventId);
    for (const { client, entry } of people) await show(client, line, { place: entry.place });
    // In a pause the draw is still to come when all places have been put back.
    await app.organizer.mutate('pauseSale', { eventId: line.eventId }, 'event { id }');
    await recovered(line);
    expect(await pollEntry(newcomer.client, newcomer.entry.id)).toMatchObject({ phase: 'PAUSED', position: null });
    await app.organizer.mutate('resumeSale', { eventId: line.eventId }, 'event { id }');
    // One of the lobby is admitted, two are ahead.
    const told = await newcomer.stream.until(({ position }) => position !== null);
    expect(told.position).toBeGreaterThanOrEqual(3);
    await newcomer.stream.until(({ position }) => position === 3);
  });

  test('Promise 6: whoever shows two places of before ends with the one in front', async () => {
    const line = await createLine(app);
    const buyer = await app.guest();
    const first = await join(buyer, line.eventId);
    await leave(buyer, first.id);
    const second = await join(buyer, line.eventId);
    await rebuild(app, line);
    await show(buyer, line, { place: first.place });
    const { entry } = await show(buyer, line, { place: second.place });
    expect(entry).toMatchObject({ id: first.id, number: first.number, state: 'WAITING' });
  });

  test('a place in the lobby that was drawn before Redis was lost comes back with the number it was drawn', async () => {
    const line = await lobby();
    const people = await comeAndGo(line, 4);
    await app.advance(line.eventId, untilOpeningMs);
    await eventually(async () => expect((await Promise.all(people.map(numberOf))).toSorted()).toEqual([1, 2, 3, 4]));
    const drawn = await Promise.all(people.map(numberOf));
    const again = await rebuild(app, line);
    // What they show says only that they were in the lobby.
    for (const [at, { client, entry }] of people.entries())
      expect((await show(client, line, { place: entry.place })).entry).toMatchObject({
        id: entry.id,
        number: drawn[at],
      });
    expect(new Set(Object.keys(await app.server.services.platform.redis.hgetall(again.keys.places)))).toEqual(
      new Set(people.map(({ entry }) => bareId(entry))),
    );
  });
});
