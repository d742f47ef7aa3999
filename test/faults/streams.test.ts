import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type Random, randomFor } from '../../bench/rush/random.js';
import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';
import { createHall, holdSeats, newKey, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { presentKeys } from '../support/keys.js';
import {
  asQueried,
  freshState,
  SeatChronicle,
  SeatFollower,
  type SeatState,
  type WatchedSeats,
  watchedSection,
} from '../support/seat-follower.js';

jest.setTimeout(180_000);

const seeds = [2, 3, 5, 6];
const stepsOfEach = 30;
const rows = 6;
const pitPlaces = 20;

let app: TestApp;
let admin: Redis;
/** A hall whose letters, asked for often enough, are more than the network takes in on its own. */
let large: TestHall;
beforeAll(async () => {
  app = await startTestApp();
  admin = new Redis(app.stores.redisUrl);
  admin.on('error', () => {});
  large = await createHall(app.organizer, { rows: 100, seatsPerRow: 100 });
});
afterAll(async () => {
  admin.disconnect();
  await app.close();
});

const names = Array.from({ length: limits.documentAliases - 1 }, (_, at) => `s${at}: states`);
/** Some 290 KB for a hall of 10,000 seats. */
const manyLetters = `query ($eventId: ID!) { seatMap(eventId: $eventId) { state { ${names.join(' ')} } } }`;
/** As many as make a socket lag that does not read, and few enough that it is not yet closed for it. */
const laggingAnswers = 18;

/** People who hold seats and give them back until they are told to stop. */
class Writers {
  readonly #working: Promise<unknown>;
  #attempts = 0;
  #mayStop = false;

  constructor(hall: TestHall, random: Random) {
    this.#working = Promise.all(Array.from({ length: 3 }, () => this.#work(hall, random)));
  }

  /** So many things have been tried since, with or without success. */
  async try(count: number): Promise<void> {
    const enough = this.#attempts + count;
    await eventually(() => expect(this.#attempts).toBeGreaterThanOrEqual(enough));
  }

  async stop(): Promise<void> {
    this.#mayStop = true;
    await this.#working;
  }

  async #work({ eventId, rows, categoryId }: TestHall, random: Random): Promise<void> {
    const buyer = await app.guest();
    const held: Data[] = [];
    const change = async () => {
      if (held.length > 3 || (held.length > 0 && random.hits(0.4))) {
        const { id: holdId, fence } = held.shift();
        await buyer.mutate('releaseHold', { holdId, fence, idempotencyKey: newKey() }, 'hold { id }');
        return;
      }
      const named = { seatIds: [random.pick(random.pick(rows))] };
      const seats = random.hits(0.6) ? named : { standing: { categoryId: categoryId('Standing'), quantity: 1 } };
      const { hold } = await holdSeats(buyer, eventId, seats);
      if (hold !== null) held.push(hold);
    };
    while (!this.#mayStop) {
      await change().catch(() => {
        // A store is away.
      });
      this.#attempts += 1;
    }
  }
}

/** What can happen to somebody who watches, or to all. */
type Step = (follower: SeatFollower, random: Random) => unknown;

function stopReading(follower: SeatFollower): void {
  follower.socket?.pause();
  for (let at = 0; at < laggingAnswers; at += 1) void follower.ask(manyLetters, { eventId: large.eventId });
}

const dumpFile = async () => join(((await admin.config('GET', 'dir')) as string[])[1]!, 'dump.rdb');

async function restartRedis(prepare: (dump: string) => void): Promise<void> {
  const dump = await dumpFile();
  await admin.save();
  await app.stores.redis.kill();
  prepare(dump);
  await app.stores.redis.start();
  await eventually(() => admin.ping());
}

const toOne: Readonly<Record<string, Step>> = {
  'is cut': ({ socket }) => socket?.terminate(),
  'reads nothing': stopReading,
  'reads on': ({ socket }) => socket?.resume(),
  resumes: (follower) => follower.resume(),
  'goes back to what it knew once': (follower, random) => follower.resume(random.pick(follower.past)),
  'begins anew': (follower) => follower.resume(null),
};

const toAll: Readonly<Record<string, Step>> = {
  'who lags has lagged too long': () => app.clock.advance(limits.socketLaggingMs + 1_000),
  'Redis hangs up on who listens': () => admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'),
  'Redis is flushed': () => admin.flushall(),
  'Redis is killed and comes back empty': () => restartRedis(rmSync),
  'Redis is killed and comes back with what it had': () => restartRedis(() => {}),
};
const shareOfAll = 0.25;

/** Every one of them, sooner or later, beside a query that is made at that moment. */
async function eventuallyEach(
  followers: readonly SeatFollower[],
  isEqual: (known: SeatState, fresh: SeatState) => void,
): Promise<void> {
  for (const follower of followers) {
    await eventually(async () => {
      const fresh = await freshState(app.anonymous, follower.watched);
      isEqual(asQueried(follower.known!), fresh);
    });
  }
}

async function expectEqual(followers: readonly SeatFollower[]): Promise<void> {
  for (const { socket } of followers) socket?.resume();
  // By what they are told alone. The version of a section may be older: in it nothing has changed since.
  await eventuallyEach(followers, ({ version: _, ...what }, fresh) => expect(fresh).toMatchObject(what));
  for (const follower of followers) follower.resume();
  await eventuallyEach(followers, (known, fresh) => expect(known).toEqual(fresh));
}

/** A sequence of steps, while people hold seats and give them back. Answers how many sockets lagged at most. */
async function playOut(seed: number, told: string[]): Promise<number> {
  const random = randomFor(seed, 0);
  const hall = await createHall(app.organizer, { rows, standing: pitPlaces, event: { waitingRoom: 'NEVER' } });
  const { eventId } = hall;
  const all = { eventId, sectionId: null, ranges: [{ first: 0, count: rows * 10 + pitPlaces }] };
  const pit = await watchedSection(app.anonymous, eventId, 'Pit');
  const chronicle = new SeatChronicle();
  const follow = (watched: WatchedSeats) => new SeatFollower({ url: app.url, watched, chronicle });
  const followers = [all, pit, all, all, pit, all].map(follow);
  const writers = new Writers(hall, randomFor(seed, 1));
  let lagging = 0;
  try {
    await eventually(() => expect(followers.every(({ known }) => known !== null)).toBe(true));
    for (let at = 0; at < stepsOfEach; at += 1) {
      const isToAll = random.hits(shareOfAll);
      const [name, step] = random.pick(Object.entries(isToAll ? toAll : toOne));
      // Whoever reads nothing is the one who reads on, if there is one.
      const silent = followers.filter(({ socket }) => socket?.isPaused);
      const follower = random.pick(name === 'reads on' && silent.length > 0 ? silent : followers);
      told.push(isToAll ? name : `${followers.indexOf(follower)} ${name}`);
      await step(follower, random);
      await writers.try(random.between(0, 40));
      lagging = Math.max(lagging, app.server.sockets().lagging);
    }
    await writers.stop();
    await expectEqual(followers);
    const { status } = await presentKeys(admin, eventId);
    expect((await freshState(app.anonymous, all)).states).toBe(await admin.get(status));
    expect(chronicle.contradictions).toEqual([]);
  } finally {
    await writers.stop();
    await Promise.all(followers.map((follower) => follower.leave()));
  }
  return lagging;
}

test('Promise 23: after any sequence of cuts, losses of Redis, slow reads and resumes, a client that follows the rule ends equal to a fresh query', async () => {
  const happened = new Set<string>();
  let lagging = 0;
  for (const seed of seeds) {
    const told: string[] = [];
    const laggingAtMost = await playOut(seed, told).catch((error: Error) => {
      throw new Error(`seed ${seed}: ${told.join('; ')}\n${error.message}`);
    });
    lagging = Math.max(lagging, laggingAtMost);
    for (const step of told) happened.add(step.replace(/^\d /, ''));
  }
  expect(lagging).toBeGreaterThan(0);
  expect([...happened].sort()).toEqual(Object.keys({ ...toOne, ...toAll }).sort());
});
