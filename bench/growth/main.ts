import { pushIntervalMs } from '../../src/domain/line.js';
import type { Report } from '../rush/report.js';
import { say, UsageError } from '../support/command-line.js';
import type { BenchOptions } from '../support/options.js';
import { runBench } from '../support/program.js';
import type { Findings, Limit } from '../support/report.js';
import { type Spread, spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';
import { type Costs, costsOf, type Program } from './costs.js';
import { runRush } from './rush.js';

/** Whether an order, and a minute of waiting, cost the more the larger the crowd is. */
const own = {
  smallest: { fallback: 2_500, quick: 50, low: 10, high: 50_000, says: 'buyers of the smallest rush' },
  sizes: { fallback: 4, quick: 2, low: 2, high: 6, says: 'rushes of a round, each twice as large as the one before' },
  'seats-per-buyer': { fallback: 4, quick: 4, low: 1, high: 100, says: 'seats of the hall for each buyer' },
  wait: { fallback: 60, quick: 5, low: 1, high: 600, says: 'seconds in which everybody only waits' },
  'warm-up': { fallback: 1_000, quick: 5, low: 0, high: 50_000, says: 'buyers who end before orders are counted' },
  'arrivals-per-second': { fallback: 250, quick: 25, low: 1, high: 10_000, says: 'buyers who come in a second' },
  'admit-per-second': { fallback: 50, quick: 3, low: 1, high: 10_000, says: 'buyers who are admitted in a second' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const mostTimes = 1.25;
const stadiumMost = 100_000;
/** Processor time is counted, not how long anything took, and a late generator sends as much as one in time. */
const allowedLoopDelayMs = 50;

/** What was found of one size, in each round. */
interface Size {
  readonly buyers: number;
  readonly reports: Report[];
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const { smallest, sizes: count, 'seats-per-buyer': seatsPerBuyer } = options.own;
  const sizes = Array.from({ length: count }, (_, at): Size => ({ buyers: smallest * 2 ** at, reports: [] }));
  const largest = sizes.at(-1)!.buyers;
  if (largest * seatsPerBuyer > stadiumMost) throw new UsageError(`no hall has more than ${stadiumMost} seats`);
  if (options.own['warm-up'] >= smallest) throw new UsageError('--warm-up takes fewer buyers than --smallest');
  for (let round = 0; round < options.rounds; round += 1) {
    for (const { buyers, reports } of round % 2 === 0 ? sizes : sizes.toReversed()) {
      say(`Round ${round + 1} of ${options.rounds}: ${buyers} buyers …`);
      reports.push(
        await runRush(stores, {
          buyers,
          event: `stadium:${buyers * seatsPerBuyer}`,
          seed: options.seed + round,
          ramp: Math.ceil(buyers / options.own['arrivals-per-second']),
          wait: options.own.wait,
          'warm-up': options.own['warm-up'],
          'admit-per-second': options.own['admit-per-second'],
          // The same for all, so that as many look at the hall and claim at a time.
          'active-cap': Math.max(500, Math.ceil(largest / 10)),
        }),
      );
    }
  }
  const { database } = sizes[0]!.reports[0]!.run;
  stores.facts.push({ name: 'Postgres and machine', facts: Object.entries(database) });
  return findings(options, sizes);
}

function findings(options: Options, sizes: readonly Size[]): Findings {
  const spread = ({ reports }: Size, read: (report: Report, round: number) => number): Spread =>
    spreadOf(reports.map(read));
  const cost = (size: Size, program: Program, what: keyof Costs) =>
    spread(size, (report) => costsOf(report, program)[what]);
  /** Beside the smallest size of the same round. */
  const times = (size: Size, what: keyof Costs) => {
    const beside = sizes[0]!.reports.map((report) => costsOf(report, 'server')[what]);
    return spread(size, (report, round) => costsOf(report, 'server')[what] / beside[round]!);
  };
  const limits = (['paidOrder', 'waitedMinute'] as const).flatMap((what) =>
    sizes.slice(1).map(
      (size): Limit => ({
        what: `${what === 'paidOrder' ? 'a paid order' : 'a minute of waiting'} among ${size.buyers}, beside ${sizes[0]!.buyers}`,
        measured: times(size, what).median,
        most: mostTimes,
        unit: '×',
      }),
    ),
  );
  const generators = sizes.flatMap(({ reports }) => reports.flatMap(({ generator }) => generator));
  const { 'seats-per-buyer': seatsPerBuyer, 'admit-per-second': admitPerSecond, 'warm-up': warmUp, wait } = options.own;
  return {
    method: [
      `Each figure is from a whole rush on stores of its own, at ${seatsPerBuyer} seats a buyer, so that in every size as many of a hundred get seats; the payment provider's quota is lifted. The sizes go up and down by turns.`,
      `Parts of a rush: all come; ${wait} s in which all wait and nobody is admitted; ${admitPerSecond} admissions a second; when the last buyer has ended 10 s in which nobody is there. The sale is measured from when ${warmUp} buyers have ended, because code is compiled until then, until nobody waits: at both ends as many are about to buy.`,
      'A minute of waiting: CPU of the part in which all wait, by the minutes waited in it. A paid order: CPU of the sale less the minutes still waited in it, by the orders paid; claims that were lost and buyers who did not pay are in it. What the program needs when nobody is there is in neither.',
      'Whoever is far behind is told less often, so a minute costs less in a long line: beside it stands what one push costs.',
      'CPU is user and system of all threads; server: all its processes, each of which is API and workers in one.',
    ],
    tables: [
      {
        title: 'CPU of a paid order, ms',
        rows: sizes.map((size) => ({
          buyers: String(size.buyers),
          orders: spread(size, ({ phases }) => phases!.sale.paid).median,
          'claims an order': spread(size, ({ contention, orders }) => contention.claims / orders.paid).median,
          server: cost(size, 'server', 'paidOrder'),
          '× smallest': times(size, 'paidOrder'),
          Redis: cost(size, 'redis', 'paidOrder'),
          Postgres: cost(size, 'postgres', 'paidOrder'),
        })),
      },
      {
        title: 'CPU of a minute that somebody waits, ms',
        rows: sizes.map((size) => ({
          buyers: String(size.buyers),
          'pushes a minute': pushesAMinute(size.buyers),
          server: cost(size, 'server', 'waitedMinute'),
          '× smallest': times(size, 'waitedMinute'),
          'a push': spread(size, (report) => costsOf(report, 'server').waitedMinute / pushesAMinute(size.buyers)),
          Redis: cost(size, 'redis', 'waitedMinute'),
        })),
      },
    ],
    limits,
    loopDelay: {
      p99Ms: Math.max(...generators.map(({ loopDelayP99Ms }) => loopDelayP99Ms)),
      maxMs: Math.max(...generators.map(({ loopDelayMaxMs }) => loopDelayMaxMs)),
      allowedP99Ms: allowedLoopDelayMs,
    },
  };
}

/** What one of so many is promised, on average. */
function pushesAMinute(people: number): number {
  let pushes = 0;
  for (let ahead = 0; ahead < people; ahead += 1) pushes += 60_000 / pushIntervalMs(ahead);
  return pushes / people;
}

await runBench({ name: 'growth', own, measure });
