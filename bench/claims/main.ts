import { eventKeys } from '../../src/redis/keys.js';
import { randomFor } from '../rush/random.js';
import type { BenchClient } from '../support/client.js';
import { say } from '../support/command-line.js';
import { LoopWatch } from '../support/loop-watch.js';
import type { BenchOptions } from '../support/options.js';
import { runBench } from '../support/program.js';
import { RedisMeter, type Window } from '../support/redis-meter.js';
import type { Findings, Limit, Table } from '../support/report.js';
import { spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';
import { hardCases, stadiumCases } from './cases.js';
import { type ClaimCase, type ClaimHall, Claims, loadClaimHall } from './claims.js';
import { expiredHolds, expiredSeats, measureCollecting } from './collecting.js';
import { nothingSold } from './states.js';
import { stadium } from './venues.js';

/** How long the claim script keeps Redis busy: named seats and best available, in halls of every state. */
const own = {
  calls: { fallback: 1_000, quick: 100, low: 10, high: 100_000, says: 'claims of one kind in a round' },
  'warm-up': { fallback: 100, quick: 10, low: 0, high: 100_000, says: 'claims before them that are not measured' },
  'in-flight': {
    fallback: 16,
    quick: 16,
    low: 1,
    high: 200,
    says: 'claims sent at once; with 1 Redis idles in between',
  },
  'small-hall': { fallback: 20_000, quick: 2_000, low: 500, high: 100_000, says: 'seats of the smaller stadium' },
  'large-hall': { fallback: 60_000, quick: 4_000, low: 500, high: 100_000, says: 'seats of the larger stadium' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const bestMostUs = 300;
const allowedLoopDelayMs = 50;
const collectingTimes = 20;

/** Something that is measured once a round. */
interface Measured {
  readonly group: string;
  readonly name: string;
  readonly isBest: boolean;
  run(): Promise<Window>;
  readonly windows: Window[];
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const redis = await stores.startRedis();
  const client = await stores.connect(redis);
  const meter = await RedisMeter.for(client, redis.pid);
  const claims = await Claims.for(client, options.own['in-flight']);
  const loop = new LoopWatch();
  const { calls, 'warm-up': warmUp } = options.own;
  const measuredCase = (group: string, one: ClaimCase): Measured => ({
    group,
    name: one.name,
    isBest: one.name.startsWith('best'),
    windows: [],
    run: async () => {
      await claims.repeat(one, warmUp);
      return meter.window('evalsha', () => loop.during(() => claims.repeat(one, calls)));
    },
  });

  const all: Measured[] = [];
  const random = randomFor(options.seed, 0);
  for (const seats of [options.own['small-hall'], options.own['large-hall']]) {
    say(`Loading the halls of ${seats} seats …`);
    const group = `Stadium of ${seats} seats`;
    all.push(...(await stadiumCases(client, seats, random)).map((one) => measuredCase(group, one)));
  }
  const seats = options.own['large-hall'];
  const group = `Hard halls of ${seats} seats`;
  all.push(...(await hardCases(client, seats)).map((one) => measuredCase(group, one)));
  const hall = await loadClaimHall(client, stadium(seats), nothingSold);
  all.push({
    group,
    name: `best ${expiredSeats}, behind ${expiredHolds} expired holds of ${expiredSeats}`,
    isBest: false,
    windows: [],
    run: () => measureCollecting(meter, claims, hall, options.quick ? 3 : collectingTimes),
  });
  all.push(...references(client, meter, hall, options));

  for (let round = 0; round < options.rounds; round += 1) {
    say(`Round ${round + 1} of ${options.rounds} …`);
    // Forwards and backwards by turns, so that nothing is always measured first.
    for (const one of round % 2 === 0 ? all : all.toReversed()) one.windows.push(await one.run());
  }
  return findings(options, all, meter, loop);
}

/** What no script can do without: a call that answers at once, and one that reads the event's meta hash as every script does first. */
function references(client: BenchClient, meter: RedisMeter, hall: ClaimHall, options: Options): Measured[] {
  const fields = `'epoch', 'generation', 'lastNow', 'version', 'phase', 'opensAt', 'layoutVersion', 'pausedAt', 'pausedMs', 'pauseMaxMs', 'recoverUntil'`;
  const scripts = [
    ['EVALSHA return 1', '#!lua\nreturn 1'],
    ['EVALSHA HMGET meta', `#!lua\nreturn redis.call('HMGET', KEYS[1], ${fields})`],
  ] as const;
  const { calls, 'warm-up': warmUp, 'in-flight': inFlight } = options.own;
  const { meta } = eventKeys(hall.ref);
  return scripts.map(([name, text]) => {
    const repeat = async (sha: string, count: number) => {
      for (let done = 0; done < count; done += inFlight)
        await Promise.all(
          Array.from({ length: Math.min(inFlight, count - done) }, () => client.evalsha(sha, 1, meta, 'epoch')),
        );
    };
    return {
      group: limitTitle,
      name,
      isBest: false,
      windows: [],
      run: async () => {
        const sha = (await client.script('LOAD', text)) as string;
        await repeat(sha, warmUp);
        return meter.window('evalsha', () => repeat(sha, calls));
      },
    };
  });
}

const limitTitle = 'The limit: what a call costs that does next to nothing';

function findings(options: Options, all: readonly Measured[], meter: RedisMeter, loop: LoopWatch): Findings {
  const { calls, 'warm-up': warmUp, 'in-flight': inFlight } = options.own;
  const metaUs = spreadOf(all.at(-1)!.windows.map(({ meanUs }) => meanUs)).median;
  const groups = [...new Set(all.map(({ group }) => group))];
  const tables = groups.map((title): Table => {
    const rows = all.filter(({ group }) => group === title).map((one) => describeCase(one, metaUs));
    return { title, rows };
  });
  const best = all.filter(({ isBest }) => isBest);
  const limits = best.map(
    ({ group, name, windows }): Limit => ({
      what: `${name} (${group}), p99 in Redis`,
      most: bestMostUs,
      measured: spreadOf(windows.map(({ p99Us }) => p99Us)).median,
      unit: 'µs',
    }),
  );
  return {
    method: [
      `${calls} claims of each kind in a round after ${warmUp} that are not measured, ${inFlight} sent at once; the order of the kinds turns round every round.`,
      'Every claim that finds seats is released before the next one, by the same script as a function (FCALL), which Redis counts apart from EVALSHA.',
      'µs are the time of EVALSHA inside Redis (INFO latencystats: within 1 % and 1 µs); CPU is that of the Redis process for a claim with its release, from /proc/PID/schedstat.',
      meter.method,
      'waited: how long Redis was ready to run without a core, of the time measured. What a script waited is in its µs.',
      'Each figure: the median of the rounds (lowest–highest round).',
    ],
    tables,
    limits,
    loopDelay: loop.result(allowedLoopDelayMs),
  };
}

function describeCase({ name, windows }: Measured, metaUs: number): Table['rows'][number] {
  const spread = (read: (window: Window) => number) => spreadOf(windows.map(read));
  return {
    claim: name,
    'p50 µs': spread(({ p50Us }) => p50Us),
    'p99 µs': spread(({ p99Us }) => p99Us),
    'max µs': Math.max(...windows.map(({ maxUs }) => maxUs)),
    'mean µs': spread(({ meanUs }) => meanUs),
    '× meta': spread(({ meanUs }) => meanUs).median / metaUs,
    'CPU µs': spread(({ cpuUs, calls }) => cpuUs / calls),
    'waited %': spread(({ waitedUs, tookUs }) => (100 * waitedUs) / tookUs).median,
  };
}

await runBench({ name: 'claims', own, measure });
