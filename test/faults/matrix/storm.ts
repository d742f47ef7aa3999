import { setTimeout as pause } from 'node:timers/promises';
import { type Random, randomFor } from '../../../bench/rush/random.js';
import type { Letter } from './postman.js';
import type { Stage } from './stage.js';

type Strike = (storm: Storm, random: Random) => Promise<void>;

const stormStream = 999_999_999;

/** For a while, then as before. */
async function forAWhile(random: Random, begin: () => Promise<unknown>, end: () => Promise<unknown>): Promise<void> {
  await begin();
  await pause(random.between(500, 3_000));
  await end();
}

const providerFails =
  (failureMode: 'before' | 'after' | 'hang' | 'cut'): Strike =>
  ({ stage: { provider } }, random) =>
    forAWhile(
      random,
      () => provider.settings({ failureRate: 0.6, failureMode }),
      () => provider.settings({ failureRate: 0 }),
    );

const strikes: Readonly<Record<string, readonly [weight: number, strike: Strike]>> = {
  'one process killed': [4, (storm, random) => storm.kill(random, 1)],
  'both processes killed': [1, (storm, random) => storm.kill(random, 2)],
  'Redis killed, back empty': [1, ({ stage }) => stage.redisServer.crash('empty')],
  'Redis killed, back with old data': [1, ({ stage }) => stage.redisServer.crash('old')],
  'Redis flushed': [1, async ({ stage }) => void (await stage.redis.flushall())],
  'old data kept for later': [1, ({ stage }) => stage.redisServer.keep()],
  'Postgres crashed': [1, ({ stage }) => stage.crashPostgres()],
  'provider fails': [1, providerFails('before')],
  'provider acts and fails': [1, providerFails('after')],
  'provider hangs': [1, providerFails('hang')],
  'provider cuts': [2, providerFails('cut')],
  'provider limits': [
    1,
    ({ stage: { provider } }, random) =>
      forAWhile(
        random,
        () => provider.settings({ quotaPerSecond: 3 }),
        () => provider.settings({ quotaPerSecond: 0 }),
      ),
  ],
  'webhooks lost': [
    2,
    ({ stage: { postman } }, random) =>
      forAWhile(
        random,
        async () => {
          postman.policy = 'lose';
        },
        async () => {
          postman.policy = 'bring';
        },
      ),
  ],
  'webhooks tenfold': [
    1,
    ({ stage: { postman } }, random) =>
      forAWhile(
        random,
        async () => {
          postman.copies = 10;
        },
        async () => {
          postman.copies = 1;
        },
      ),
  ],
  'webhooks reversed': [1, (storm, random) => storm.keep(random, (letters) => storm.bring(letters.toReversed()))],
  'webhooks late': [
    1,
    (storm, random) =>
      storm.keep(random, async (letters) => {
        storm.late.push(...letters);
      }),
  ],
};

/** What goes wrong, and when, by a seed: one thing after the other, each set right before the next, until `stop`. */
export class Storm {
  readonly stage: Stage;
  /** Webhooks that come when everything is over. */
  readonly late: Letter[] = [];
  /** By kind, how often. */
  readonly counts: Record<string, number> = {};
  readonly #random: Random;
  readonly #told: (line: string) => void;
  #stopping = false;
  #work: Promise<void> = Promise.resolve();

  constructor(stage: Stage, seed: number, told: (line: string) => void) {
    this.stage = stage;
    this.#random = randomFor(seed, stormStream);
    this.#told = told;
  }

  start(): void {
    this.#work = this.#rage();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#work;
  }

  /** Kills so many processes and starts them again after a moment. */
  async kill(random: Random, count: number): Promise<void> {
    const { apis } = this.stage;
    const victims = count === apis.length ? apis : [random.pick(apis)];
    await Promise.all(victims.map((api) => api.kill()));
    await pause(random.between(0, 2_000));
    await Promise.all(victims.map((api) => api.start()));
  }

  /** Keeps webhooks back for a while. */
  async keep(random: Random, then: (letters: readonly Letter[]) => Promise<void>): Promise<void> {
    const { postman } = this.stage;
    postman.policy = 'keep';
    await pause(random.between(500, 3_000));
    postman.policy = 'bring';
    await then(postman.takeKept());
  }

  async bring(letters: readonly Letter[]): Promise<void> {
    for (const letter of letters) await this.stage.postman.repeat(letter);
  }

  async #rage(): Promise<void> {
    await this.stage.redisServer.keep();
    const bag = Object.entries(strikes).flatMap(([name, [weight, strike]]) =>
      Array.from({ length: weight }, () => ({ name, strike })),
    );
    for (let drawn: typeof bag = []; !this.#stopping; ) {
      // Out of a bag, so that a short run too meets everything.
      if (drawn.length === 0) drawn = this.#shuffled(bag);
      const { name, strike } = drawn.pop()!;
      // Each fault draws from a generator of its own, so that what one of them meets does not change the next.
      const own = randomFor(this.#random.between(0, 2 ** 31), 1);
      await pause(this.#random.between(100, 1_500));
      if (this.#stopping) return;
      this.#told(name);
      this.counts[name] = (this.counts[name] ?? 0) + 1;
      await strike(this, own);
    }
  }

  #shuffled<T>(list: readonly T[]): T[] {
    const ranked = list.map((one) => ({ one, rank: this.#random.next() }));
    return ranked.sort((a, b) => a.rank - b.rank).map(({ one }) => one);
  }
}
