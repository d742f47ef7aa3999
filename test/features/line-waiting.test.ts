import { pino } from 'pino';
import { parsePace } from '../../src/domain/line.js';
import { limits } from '../../src/limits.js';
import { type RunningServer, startServer } from '../../src/server/server.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { ApiClient, type Data } from '../support/client.js';
import { eventually } from '../support/eventually.js';
import {
  admit,
  arrive,
  auditTrail,
  bareId,
  createLine,
  followEntry,
  join,
  judgeTrail,
  type LineEvent,
  leave,
  pollEntry,
  rebuild,
  setCap,
  type Waiter,
} from '../support/line.js';

let app: TestApp;
let second: RunningServer;
beforeAll(async () => {
  app = await startTestApp();
  second = await startServer(app.config, { clock: app.clock, log: pino({ level: 'silent' }) });
});
afterAll(async () => {
  await second.close();
  await app.close();
});

const isAdmitted = ({ state }: Data) => state === 'ADMITTED';

async function arriveMany(eventId: string, count: number): Promise<Waiter[]> {
  const waiters: Waiter[] = [];
  for (let i = 0; i < count; i += 1) waiters.push(await arrive(app, eventId));
  return waiters;
}

/** Waits until the person counts as present by their stream, not by having joined a moment ago. */
async function untilServed(line: LineEvent, { entry }: Waiter, server: RunningServer): Promise<void> {
  const { redis, processId } = server.services.platform;
  await eventually(async () => expect(await redis.hget(line.keys.attached, bareId(entry))).toBe(processId));
}

/** The person's socket closes and the line notices. */
async function loseSocket(line: LineEvent, waiter: Waiter): Promise<void> {
  await untilServed(line, waiter, app.server);
  waiter.client.close();
  const { redis } = app.server.services.platform;
  await eventually(async () => expect(await redis.zscore(line.keys.away, bareId(waiter.entry))).not.toBeNull());
}

/** Positions in the order in which a stream showed them. */
const shown = (values: readonly Data[]): number[] =>
  values.map(({ position }) => position).filter((position) => position !== null);
const rises = (positions: readonly number[]) =>
  positions.filter((position, at) => position > positions[at - 1]!).length;

describe('Order', () => {
  test('Promise 12: a shown position never rises, while people leave, come, and a process loses its subscription', async () => {
    const line = await createLine(app);
    const waiters = await arriveMany(line.eventId, 14);
    const watched = waiters.slice(8).map(({ client, entry }) => followEntry(client, entry.id));
    const { redis } = app.server.services.platform;
    for (const [at, waiter] of waiters.slice(1, 8).entries()) {
      if (at % 3 === 1) await redis.client('KILL', 'TYPE', 'PUBSUB');
      await leave(waiter.client, waiter.entry.id);
      await arrive(app, line.eventId);
      app.clock.advance(1_000);
    }
    await eventually(() => {
      app.clock.advance(1_000);
      expect(watched.map((stream) => shown(stream.pending()).at(-1))).toEqual([1, 2, 3, 4, 5, 6]);
    });
    for (const stream of watched) expect(rises(shown(stream.pending()))).toBe(0);
  });

  test('Promise 12: whoever is present is admitted in the order of the numbers, as the audit trail proves', async () => {
    const line = await createLine(app);
    const waiters = await arriveMany(line.eventId, 16);
    const gone = waiters.filter((_, at) => at % 5 === 2);
    await Promise.all(gone.map((waiter) => loseSocket(line, waiter)));
    await setCap(app, line.eventId, 6);
    await waiters[6]!.stream.until(isAdmitted);
    const [returning, ...absent] = gone as [Waiter, ...Waiter[]];
    const back = followEntry(returning.client, returning.entry.id);
    await eventually(async () => {
      const trail = await auditTrail(app, line);
      expect(trail.some(({ kind, number }) => kind === 'present' && number === returning.entry.number)).toBe(true);
    });
    await setCap(app, line.eventId, 14);
    await back.until(isAdmitted);
    await waiters[15]!.stream.until(isAdmitted);
    const trail = await auditTrail(app, line);
    expect(judgeTrail(trail)).toEqual({ admitted: 16 - absent.length, gaps: 0, overCap: 0, outOfOrder: 0 });
  });
});

describe('The absent', () => {
  test('Promise 12: the absent are passed over, keep their number, and are admitted with the next token when they return', async () => {
    const line = await createLine(app);
    const [, absent, next, last] = (await arriveMany(line.eventId, 4)) as [Waiter, Waiter, Waiter, Waiter];
    await loseSocket(line, absent);
    await setCap(app, line.eventId, 2);
    await next.stream.until(isAdmitted);
    // The absent still count for those behind them.
    expect(await pollEntry(last.client, last.entry.id)).toMatchObject({ state: 'WAITING', position: 2 });
    await app.advance(line.eventId, limits.absenceMs - 1);
    const back = followEntry(absent.client, absent.entry.id);
    expect(await back.next()).toMatchObject({ state: 'WAITING', number: absent.entry.number, position: 1 });
    await eventually(async () => expect((await auditTrail(app, line)).at(-1)!.kind).toBe('present'));
    await setCap(app, line.eventId, 3);
    await back.until(isAdmitted);
    expect((await pollEntry(last.client, last.entry.id)).state).toBe('WAITING');
  });

  test('Promise 12: after absenceMs an absence is final, whether or not a loop has come by', async () => {
    const line = await createLine(app);
    const [, absent, last] = (await arriveMany(line.eventId, 3)) as [Waiter, Waiter, Waiter];
    await loseSocket(line, absent);
    await app.advance(line.eventId, limits.absenceMs);
    expect((await pollEntry(absent.client, absent.entry.id)).state).toBe('EXPIRED');
    await last.stream.until(({ position }) => position === 1);
    expect(await join(absent.client, line.eventId)).toMatchObject({ state: 'WAITING', number: 4, position: 2 });
  });

  test('Promise 12: somebody who polls is present as long as the polls come', async () => {
    const line = await createLine(app);
    await arrive(app, line.eventId);
    const [polling, silent] = [await app.guest(), await app.guest()];
    const silentEntry = await join(silent, line.eventId);
    const entry = await join(polling, line.eventId);
    await app.advance(line.eventId, limits.pollPresenceMs - 1);
    await pollEntry(polling, entry.id);
    await app.advance(line.eventId, limits.pollPresenceMs - 1);
    await setCap(app, line.eventId, 2);
    await eventually(async () => expect((await pollEntry(polling, entry.id)).state).toBe('ADMITTED'));
    expect(await pollEntry(silent, silentEntry.id)).toMatchObject({ state: 'WAITING', number: silentEntry.number });
  });

  test('Somebody with two devices at two processes stays present when one of them goes', async () => {
    const line = await createLine(app);
    const [, person] = (await arriveMany(line.eventId, 2)) as [Waiter, Waiter];
    const { redis } = app.server.services.platform;
    await untilServed(line, person, app.server);
    const device = new ApiClient(second.url, person.client.token);
    const other = followEntry(device, person.entry.id);
    expect(await other.next()).toMatchObject({ id: person.entry.id, position: 1 });
    await untilServed(line, person, second);
    device.close();
    await untilServed(line, person, app.server);
    expect(await redis.zscore(line.keys.away, bareId(person.entry))).toBeNull();
    await setCap(app, line.eventId, 2);
    await person.stream.until(isAdmitted);
  });

  test('People whose process fell silent for longer than its lease are present again when it speaks', async () => {
    const line = await createLine(app);
    const [, person] = (await arriveMany(line.eventId, 2)) as [Waiter, Waiter];
    await untilServed(line, person, app.server);
    // The longest silence that is not yet an absence for good.
    await app.advance(line.eventId, limits.absenceMs - 1);
    await setCap(app, line.eventId, 2);
    await person.stream.until(isAdmitted);
  });
});

describe('The stream', () => {
  test('A place is told at once, its position equals what a poll says, and the next message comes when it is due', async () => {
    const line = await createLine(app);
    const waiters = await arriveMany(line.eventId, 6);
    const { client, entry } = waiters[4]!;
    const stream = followEntry(client, entry.id);
    const first = await stream.next();
    expect(first).toMatchObject({
      id: entry.id,
      phase: 'OPEN',
      state: 'WAITING',
      number: 5,
      position: 4,
      peopleAhead: 3,
    });
    expect(await pollEntry(client, entry.id)).toMatchObject({ position: 4, peopleAhead: 3, number: 5 });
    app.clock.advance(first.nextPushInMs);
    expect(await stream.next()).toMatchObject({ position: 4 });
    await leave(waiters[2]!.client, waiters[2]!.entry.id);
    await eventually(async () => expect((await pollEntry(client, entry.id)).position).toBe(3));
    app.clock.advance(first.nextPushInMs);
    expect(await stream.until(({ position }) => position !== 4)).toMatchObject({ position: 3, state: 'WAITING' });
  });

  test('Position, estimate and phase in a poll are those of the stream, and follow the pace that the line is measured to have', async () => {
    const line = await createLine(app, { event: { admitPerSecond: 50 } });
    const waiters = await arriveMany(line.eventId, 12);
    const { client, entry, stream } = waiters[11]!;
    const { redis } = app.server.services.platform;
    // One admission a second, whatever the pace the organizer has set.
    for (const { client: leaving, entry: place } of waiters.slice(0, 6)) {
      await leave(leaving, place.id);
      await app.advance(line.eventId, 1_000);
      // The process has to be heard of in that second, or all its people count as absent.
      const nowMs = Number(await redis.hget(line.keys.meta, 'lastNow'));
      await eventually(async () => {
        const beat = await redis.zscore(line.keys.processes, app.server.services.platform.processId);
        expect(Number(beat)).toBeGreaterThanOrEqual(nowMs);
      });
      await admit(app, line);
    }
    // From 50 a second to 1, after a first second that only begins the measurement: 1 + 49·e^(−0.5).
    const pace = parsePace((await redis.hget(line.keys.line, 'pace')) ?? '')!;
    expect(pace.shortPerSecond).toBeGreaterThan(30);
    expect(pace.shortPerSecond).toBeLessThan(31.5);
    expect(pace.longPerSecond).toBeGreaterThan(43);
    await leave(waiters[6]!.client, waiters[6]!.entry.id);
    await admit(app, line);
    const facts = ({ phase, state, position, peopleAhead, estimatedWait }: Data) => ({
      phase,
      state,
      position,
      peopleAhead,
      estimatedWait,
    });
    const told = await stream.until(({ position }) => position === 4);
    const expected = { phase: 'OPEN', state: 'WAITING', position: 4, peopleAhead: 3, estimatedWait: expect.anything() };
    expect(facts(told)).toMatchObject(expected);
    await eventually(async () => {
      const polled = facts(await pollEntry(client, entry.id));
      expect(polled).toMatchObject(expected);
      const late = followEntry(client, entry.id);
      expect(facts(await late.next())).toEqual(polled);
    });
  });

  test('An admission is told at once with its token, and a final state completes the stream', async () => {
    const line = await createLine(app);
    const [first, next] = (await arriveMany(line.eventId, 2)) as [Waiter, Waiter];
    await leave(first.client, first.entry.id);
    const admitted = await next.stream.until(isAdmitted);
    expect(admitted).toMatchObject({ position: null, nextPushInMs: null, number: 2 });
    expect(admitted.admission.token).toEqual(expect.any(String));
    await app.advance(line.eventId, limits.admissionTtlMs);
    expect(await next.stream.until(({ state }) => state !== 'ADMITTED')).toMatchObject({ state: 'EXPIRED' });
    await next.stream.ended;
    const late = followEntry(next.client, next.entry.id);
    expect(await late.next()).toMatchObject({ state: 'EXPIRED' });
    await late.ended;
  });

  test('Every watcher of one place hears the same end', async () => {
    const line = await createLine(app);
    const [, person] = (await arriveMany(line.eventId, 2)) as [Waiter, Waiter];
    const device = new ApiClient(second.url, person.client.token);
    const streams = [person.stream, followEntry(person.client, person.entry.id), followEntry(device, person.entry.id)];
    for (const stream of streams.slice(1)) await stream.next();
    await leave(person.client, person.entry.id);
    for (const stream of streams) {
      await stream.until(({ state }) => state === 'LEFT');
      await stream.ended;
    }
    device.close();
  });

  test('Promise 12: after a rebuild whoever is connected has the same place, its position has not risen, and whoever comes new is behind', async () => {
    const line = await createLine(app);
    const waiters = await arriveMany(line.eventId, 5);
    await leave(waiters[2]!.client, waiters[2]!.entry.id);
    await waiters[4]!.stream.until(({ position }) => position === 3);
    const again = await rebuild(app, line);
    const newcomer = await join(await app.guest(), line.eventId);
    expect(newcomer).toMatchObject({ state: 'WAITING', position: null });
    await eventually(async () => {
      const restored = await auditTrail(app, again);
      expect(restored.filter(({ kind }) => kind === 'join')).toHaveLength(5);
    });
    await app.advance(line.eventId, limits.recoveryMs);
    for (const [at, position] of [
      [1, 1],
      [3, 2],
      [4, 3],
    ] as const) {
      const { client, entry } = waiters[at]!;
      await eventually(async () =>
        expect(await pollEntry(client, entry.id)).toMatchObject({ id: entry.id, number: at + 1, position }),
      );
    }
    expect((await pollEntry(waiters[0]!.client, waiters[0]!.entry.id)).state).toBe('ADMITTED');
    expect(newcomer.number).toBeGreaterThan(5);
    await setCap(app, line.eventId, 2);
    await waiters[1]!.stream.until(isAdmitted);
    for (const { stream } of waiters.slice(3)) expect(rises(shown(stream.pending()))).toBe(0);
  });
});
