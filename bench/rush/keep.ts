import type { Report as BenchReport, Limit } from '../support/report.js';
import { describeMachine, loadAverages } from '../support/surroundings.js';
import { latencyNames } from './records.js';
import { latencyTitles, loopDelayOf, type Report } from './report.js';

/** How the machine was when a rush began. */
export interface Beginning {
  readonly argv: readonly string[];
  readonly date: string;
  readonly load: readonly number[];
}

export function begin(argv: readonly string[]): Beginning {
  return { argv, date: new Date().toISOString(), load: loadAverages() };
}

/**
 * A rush as the reports of the benches are kept. Crowd, provider, stores and servers share one machine, so a crowd that is held up is the rule
 * where the machine is full: such figures are kept as well, marked as void. They are what this machine can do at least.
 */
export function reportToKeep(report: Report, { argv, date, load }: Beginning): BenchReport {
  const { run, orders, processes, violations, bestMinute, ends, admitted, contention } = report;
  const shown = argv.filter((text) => text !== '--json' && text !== '--keep');
  const perOrder = (cpuMs: number) => cpuMs / Math.max(1, orders.paid);
  return {
    bench: 'rush',
    command: ['npm run rush', '--', ...shown].join(' '),
    date,
    quick: false,
    seed: run.seed,
    rounds: 1,
    tookMs: run.tookMs,
    surroundings: {
      machine: describeMachine(),
      stores: [{ name: 'Postgres and machine', facts: Object.entries(run.database) }],
      before: load,
      after: loadAverages(),
    },
    void: report.void,
    method: [
      `${run.buyers} buyers at ${run.event} (${run.seats} places), ${run.serverProcesses} server and ${run.loadProcesses} load processes and the payment provider on one machine; provider quota: ${run.providerQuota}.`,
      'Times are those of the buyers. CPU is user and system of all threads; each server process is API and workers in one.',
    ],
    tables: [
      {
        title: 'What became of it',
        rows: [
          {
            admitted: admitted.total,
            'orders paid': orders.paid,
            tickets: orders.seatsSold,
            'paid in the best 60 s': bestMinute.paid,
            'claims lost, %': contention.share * 100,
          },
        ],
      },
      { title: 'How the buyers ended', rows: [ends] },
      {
        title: 'Latency, ms',
        rows: latencyNames.map((name) => {
          const { count, p50Ms, p95Ms, p99Ms, maxMs } = report.latencies[name];
          return { what: latencyTitles[name], count, p50: p50Ms, p95: p95Ms, p99: p99Ms, max: maxMs };
        }),
      },
      {
        title: 'CPU',
        rows: processes.map(({ name, cpuMs, peakRssBytes }) => ({
          process: name,
          s: cpuMs / 1_000,
          'a paid order, ms': perOrder(cpuMs),
          'peak RSS, MiB': peakRssBytes / 2 ** 20,
        })),
      },
    ],
    limits: [
      { what: 'violated', measured: violations.length, most: 0, unit: 'rules of the auditor' },
      ...report.targets.map(({ what, measured, bound, limit, unit }): Limit => {
        return bound === 'at least' ? { what, measured, least: limit, unit } : { what, measured, most: limit, unit };
      }),
    ],
    loopDelay: loopDelayOf(report.generator),
  };
}
