import { Redis } from 'ioredis';
import { randomFor } from '../../bench/rush/random.js';
import { workersOf } from '../../bench/rush/stack.js';
import { findPort } from '../../sandbox/services/process.js';
import { type ApiProcess, startApiProcess } from '../support/api-process.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';
import { createHall, newKey, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { keysOf } from '../support/keys.js';
import { asQueried, SeatChronicle, SeatFollower, watchedSection } from '../support/seat-follower.js';

// Three processes start one after the other.
jest.setTimeout(120_000);

const processes = 3;
const watchersOfEach = 5;
const rounds = 12;
const hold = 'mutation ($input: HoldSeatsInput!) { holdSeats(input: $input) { hold { id fence } } }';
const release = 'mutation ($input: ReleaseHoldInput!) { releaseHold(input: $input) { hold { state } } }';

/** On whose stores the processes run; it makes the hall and the sessions, and serves none of the watchers. */
let app: TestApp;
let admin: Redis;
let api: ApiProcess;
beforeAll(async () => {
  app = await startTestApp();
  admin = new Redis(app.stores.redisUrl);
  api = await startApiProcess({
    PORT: String(await findPort()),
    WEB_CONCURRENCY: String(processes),
    DATABASE_URL: app.stores.databaseUrl,
    REDIS_URL: app.stores.redisUrl,
    STRIPE_SECRET_KEY: app.provider.secretKey,
    STRIPE_WEBHOOK_SECRET: app.provider.webhookSecret,
    TOKEN_KEY_FILE: app.config.tokenKeyFile,
    LOG_LEVEL: 'silent',
  });
});
afterAll(async () => {
  await api.stop();
  admin.disconnect();
  await app.close();
});

/** While processes stand still, whoever comes is served by the others. */
async function withStopped<T>(pids: readonly number[], act: () => Promise<T>): Promise<T> {
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    return await act();
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
}

/** Those who are served by one process. */
interface Audience {
  readonly pid: number;
  readonly watchers: readonly SeatFollower[];
}

/** People who watch, each with a session and a socket of his own; one of them a section, the others the hall. */
async function watch({ eventId }: TestHall, chronicle: SeatChronicle): Promise<Audience[]> {
  const hall = { eventId, sectionId: null, ranges: [{ first: 0, count: 45 }] };
  const pit = await watchedSection(app.anonymous, eventId, 'Pit');
  const pids = workersOf(api.pid);
  expect(pids).toHaveLength(processes);
  const open = async (at: number) => {
    const { token } = await app.guest();
    return new SeatFollower({ url: api.url, token, watched: at === 0 ? pit : hall, chronicle });
  };
  const audiences: Audience[] = [];
  for (const pid of pids) {
    const others = pids.filter((other) => other !== pid);
    const watchers = await withStopped(others, async () => {
      const opened = await Promise.all(Array.from({ length: watchersOfEach }, (_, at) => open(at)));
      await eventually(() => expect(opened.every(({ known }) => known !== null)).toBe(true));
      return opened;
    });
    audiences.push({ pid, watchers });
  }
  return audiences;
}

test('Promise 23: three processes behind one address tell their watchers the same, also after one of them has missed changes', async () => {
  const random = randomFor(23, 0);
  const hall = await createHall(app.organizer, { rows: 4, standing: 5, event: { waitingRoom: 'NEVER' } });
  const { eventId } = hall;
  const chronicle = new SeatChronicle();
  const audiences = await watch(hall, chronicle);
  const everybody = audiences.flatMap(({ watchers }) => watchers);
  const held = new Map<SeatFollower, Data>();

  /** Holds something, or gives it back, over the socket on which the map is watched. */
  const act = async (watcher: SeatFollower): Promise<void> => {
    const own = held.get(watcher);
    if (own !== undefined) {
      const input = { holdId: own.id, fence: own.fence, idempotencyKey: newKey() };
      const { payload } = await watcher.ask(release, { input });
      expect(payload.data.releaseHold.hold.state).toBe('RELEASED');
      held.delete(watcher);
      return;
    }
    const named = { seatIds: [random.pick(random.pick(hall.rows))] };
    const seats = random.hits(0.7) ? named : { standing: { categoryId: hall.categoryId('Standing'), quantity: 1 } };
    const { payload } = await watcher.ask(hold, { input: { eventId, idempotencyKey: newKey(), seats } });
    if (payload.data.holdSeats.hold !== null) held.set(watcher, payload.data.holdSeats.hold);
  };
  const change = (of: readonly Audience[]) => Promise.all(of.flatMap(({ watchers }) => watchers).map(act));

  const { seatChannel, meta, status } = keysOf(eventId);
  const listening = async () => (await admin.pubsub('NUMSUB', seatChannel))[1];
  const before = await listening();

  /** One process stands still and loses its connection; the next change it hears of is not the next there was. */
  const changeWithout = async ({ pid }: Audience) => {
    const others = audiences.filter((audience) => audience.pid !== pid);
    await withStopped([pid], async () => {
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await change(others);
    });
    await eventually(async () => expect(await listening()).toBe(before));
    await change(others);
  };

  const expectTheSame = async () => {
    const [version, letters] = [Number(await admin.hget(meta, 'version')), (await admin.get(status))!];
    for (const watcher of everybody) {
      // In its section nothing may have changed with the last version.
      const isAll = watcher.watched.sectionId === null;
      await eventually(() => {
        const known = asQueried(watcher.known!);
        expect(known.states).toBe(isAll ? letters : letters.slice(40));
        if (isAll) expect(known.version).toBe(version);
      });
      const fresh = await watcher.freshState();
      expect(fresh).toMatchObject({ version, states: asQueried(watcher.known!).states });
    }
  };

  for (let round = 0; round < rounds; round += 1) {
    if (round % 4 === 3) await changeWithout(audiences[Math.floor(round / 4)]!);
    else await change(audiences);
    await expectTheSame();
  }
  expect(chronicle.contradictions).toEqual([]);
  for (const { past, watched } of everybody)
    if (watched.sectionId === null) expect(past.length).toBeGreaterThan(rounds);
  await Promise.all(everybody.map((watcher) => watcher.leave()));
});
