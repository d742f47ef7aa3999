import { stadiumPlan } from '../../sandbox/venues/stadium.js';
import { limits } from '../../src/limits.js';
import { changeSettings, type LineSettings, redisNowMs } from '../../src/redis/inventory.js';
import { type EventRef, eventKeys } from '../../src/redis/keys.js';
import { type AdmissionRound, admitFromLine } from '../../src/redis/line.js';
import { randomFor } from '../rush/random.js';
import type { BenchClient } from '../support/client.js';
import { say } from '../support/command-line.js';
import { type HallFacts, loadHall, readHall } from '../support/halls.js';
import { LoopWatch } from '../support/loop-watch.js';
import type { BenchOptions } from '../support/options.js';
import { attachAll, beat, joinAll, type Waiting } from '../support/people.js';
import { runBench } from '../support/program.js';
import { RedisMeter, type Window } from '../support/redis-meter.js';
import type { Findings, Table } from '../support/report.js';
import { spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';

/** How long one round of admissions keeps Redis busy while very many wait. */
const own = {
  waiting: { fallback: 100_000, quick: 4_000, low: 4_000, high: 300_000, says: 'people in line, at least' },
  calls: { fallback: 100, quick: 4, low: 1, high: 1_000, says: 'calls of one kind in a round' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const seats = 60_000;
/** Processes that serve those who wait. */
const living = ['process-1', 'process-2', 'process-3', 'process-4'];
const dead = 'process-dead';
/** What the organizer of a large sale sets, and what each of ten calls a second has of it. */
const usualPerSecond = 100;
const usualPerCall = 10;
const pace: LineSettings = { admitPerSecond: 10_000, activeCap: 1_000_000, waitingRoom: 'ALWAYS' };
const allowedLoopDelayMs = 50;

interface Variant {
  readonly name: string;
  /** Tokens in the bucket before every call, and the rate at which more flow in. */
  readonly tokens: number;
  readonly admitPerSecond: number;
  readonly windows: Window[];
  /** Admissions in each window. */
  readonly admitted: number[];
  /** Those found absent in each window. */
  readonly away: number[];
}

const variant = (name: string, tokens: number, admitPerSecond: number = pace.admitPerSecond): Variant => {
  return { name, tokens, admitPerSecond, windows: [], admitted: [], away: [] };
};

const { admitBatch, admitWork } = limits;
const variants = {
  capped: variant('nobody can be admitted: the cap is reached', admitBatch),
  usual: variant(`all present, tokens for ${usualPerCall}`, usualPerCall, usualPerSecond),
  full: variant(`all present, tokens for ${admitBatch} (admitBatch)`, admitBatch),
  half: variant(`half of them absent at random, tokens for ${admitBatch}`, admitBatch),
  absent: variant(`all absent, tokens for ${admitBatch}: passes ${admitWork} over (admitWork)`, admitBatch),
};

class Admission {
  readonly #client: BenchClient;
  readonly #meter: RedisMeter;
  readonly #loop = new LoopWatch();
  readonly #options: Options;

  constructor(client: BenchClient, meter: RedisMeter, options: Options) {
    this.#client = client;
    this.#meter = meter;
    this.#options = options;
  }

  get loopDelay() {
    return this.#loop.result(allowedLoopDelayMs);
  }

  /** One line from full to much shorter; each variant begins where the one before it has stopped. */
  async round(facts: HallFacts, seed: number): Promise<void> {
    const { waiting, calls } = this.#options.own;
    await this.#client.flushdb();
    // As many more as are admitted before the last variant, so that never fewer wait than were asked for.
    const all = waiting + calls * (usualPerCall + 2 * admitBatch) + admitBatch;
    const ref = await loadHall(this.#client, facts, { sold: [], line: pace, opensInMs: 0, numbers: all });
    const people = await joinAll(this.#client, ref, all);
    await this.#spread(ref, people);
    await this.#fill(ref, admitBatch);
    await admitFromLine(this.#client, ref);

    await this.#measure(ref, variants.capped, calls, { activeCap: 1 });
    await this.#measure(ref, variants.usual, calls);
    await this.#measure(ref, variants.full, calls);

    const random = randomFor(seed, 0);
    await attachAll(
      this.#client,
      ref,
      dead,
      people.filter(() => random.hits(0.5)),
    );
    await this.#silence(ref, [dead]);
    await this.#measure(ref, variants.half, calls);

    await this.#silence(ref, living);
    const present = await this.#client.zcard(eventKeys(ref).present);
    await this.#measure(ref, variants.absent, Math.min(calls, Math.floor(present / admitWork)), { beating: [] });
  }

  /** Everybody is served by one of the living processes. */
  async #spread(ref: EventRef, people: readonly Waiting[]): Promise<void> {
    for (const [at, process] of living.entries()) {
      const served = people.filter((_, i) => i % living.length === at);
      await attachAll(this.#client, ref, process, served);
    }
  }

  /** As if these processes had died long ago. */
  async #silence(ref: EventRef, processes: readonly string[]): Promise<void> {
    for (const process of processes) await this.#client.zadd(eventKeys(ref).processes, 1, process);
  }

  async #fill(ref: EventRef, tokens: number): Promise<void> {
    await this.#client.hset(eventKeys(ref).line, {
      tokens: tokens * 1_000_000,
      tokensAt: await redisNowMs(this.#client),
    });
  }

  async #measure(
    ref: EventRef,
    { tokens, admitPerSecond, ...found }: Variant,
    calls: number,
    { beating = living, activeCap = pace.activeCap } = {},
  ): Promise<void> {
    const keys = eventKeys(ref);
    if ((await changeSettings(this.#client, ref, { ...pace, admitPerSecond, activeCap, action: '' })) === null)
      throw new Error('nobody knows the event');
    for (const process of beating) await beat(this.#client, ref, process);
    const awayBefore = await this.#client.zcard(keys.away);
    let admitted = 0;
    const window = await this.#meter.window('evalsha', () =>
      this.#loop.during(async () => {
        for (let call = 0; call < calls; call += 1) {
          await this.#fill(ref, tokens);
          const round: AdmissionRound | null = await admitFromLine(this.#client, ref);
          if (round === null || round.phase !== 'OPEN') throw new Error(`a round was answered ${round?.phase}`);
          admitted += round.admitted;
        }
      }),
    );
    found.windows.push(window);
    found.admitted.push(admitted);
    found.away.push((await this.#client.zcard(keys.away)) - awayBefore);
  }
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const redis = await stores.startRedis();
  const client = await stores.connect(redis);
  const meter = await RedisMeter.for(client, redis.pid);
  const admission = new Admission(client, meter, options);
  const facts = readHall(stadiumPlan(seats));
  for (let round = 0; round < options.rounds; round += 1) {
    say(`Round ${round + 1} of ${options.rounds}: ${options.own.waiting} people and more join …`);
    await admission.round(facts, options.seed + round);
  }
  return {
    method: [
      `The line is made anew for every round by the product's own joins, its people attached to ${living.length} processes; then ${options.own.calls} calls of each kind, in this order, one after the other.`,
      `Each call is the product's own (admitFromLine); before it the token bucket is filled by hand, so that every call of a kind has as much to do. The first call of a line is not measured.`,
      'µs are the time of EVALSHA inside Redis (INFO latencystats: within 1 % and 1 µs); CPU is that of the Redis process, from /proc/PID/schedstat.',
      meter.method,
      'waited: how long Redis was ready to run without a core, of the time measured. Each figure: the median of the rounds (lowest–highest round).',
    ],
    tables: [
      {
        title: `One round of admissions, ${options.own.waiting} people in line`,
        rows: Object.values(variants).map(describe),
      },
    ],
    limits: [],
    loopDelay: admission.loopDelay,
  };
}

function describe({ name, windows, admitted, away }: Variant): Table['rows'][number] {
  const spread = (read: (window: Window, round: number) => number) => spreadOf(windows.map(read));
  return {
    call: name,
    calls: spread(({ calls }) => calls).median,
    'admitted a call': spread(({ calls }, round) => admitted[round]! / calls).median,
    'away a call': spread(({ calls }, round) => away[round]! / calls).median,
    'p50 µs': spread(({ p50Us }) => p50Us),
    'p99 µs': spread(({ p99Us }) => p99Us),
    'max µs': Math.max(...windows.map(({ maxUs }) => maxUs)),
    'CPU µs': spread(({ cpuUs, calls }) => cpuUs / calls),
    'admitted per CPU s': spread(({ cpuUs }, round) => (admitted[round]! * 1_000_000) / cpuUs),
    'waited %': spread(({ waitedUs, tookUs }) => (100 * waitedUs) / tookUs).median,
  };
}

await runBench({ name: 'admission', own, measure });
