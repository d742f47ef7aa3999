import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand, say } from './command-line.js';
import { type BenchOptions, type OwnOption, readOptions, usageOf } from './options.js';
import { drawReport } from './picture.js';
import { describeReport, type Findings, isMet, type Report, voidReason } from './report.js';
import { root, Stores } from './stores.js';
import { describeMachine, loadAverages } from './surroundings.js';

const kept = join(root, 'docs', 'bench');

export interface Bench<Own extends string> {
  /** As in `npm run bench:NAME`. */
  readonly name: string;
  readonly own: Readonly<Record<Own, OwnOption>>;
  measure(options: BenchOptions<Own>, stores: Stores): Promise<Findings>;
}

/**
 * Runs a bench against stores of its own and ends the process. Exit code 0: every limit is met, 1: one is missed, the figures are void, or a
 * failure; 2: a wrong command line.
 */
export function runBench<Own extends string>(bench: Bench<Own>): Promise<never> {
  const read = (argv: readonly string[]) => ({ argv, options: readOptions(argv, bench.own) });
  return runCommand(usageOf(bench.name, bench.own), read, async ({ argv, options }, stopped) => {
    const stores = new Stores(bench.name, options.keep);
    try {
      const report = await Promise.race([measure(bench, argv, options, stores), stopped]);
      process.stdout.write(`${describeReport(report)}\n`);
      if (options.json !== null) writeReport(options.json, report);
      // Void figures would take the place of good ones.
      if (options.save && report.void !== null) say('Not saved: the figures are void.');
      else if (options.save) keepReport(report);
      return report.void === null && report.limits.every(isMet) ? 0 : 1;
    } finally {
      await stores.stop();
      if (options.keep) say(`Files of the run: ${stores.home}`);
    }
  });
}

function writeReport(file: string, report: Report): void {
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}

/** Puts an SVG beside the reports that are kept. */
export function keepPicture(name: string, svg: string): void {
  writeFileSync(join(kept, `${name}.svg`), svg);
}

/** Puts a report and its picture where reports are kept. */
export function keepReport(report: Report): void {
  writeReport(join(kept, `${report.bench}.json`), report);
  keepPicture(report.bench, drawReport(report));
  say(`Saved: docs/bench/${report.bench}.json and ${report.bench}.svg`);
}

/** As it can be repeated anywhere: without the file to which the report was written as well. */
function commandOf(name: string, argv: readonly string[]): string {
  const shown = argv.filter((text, at) => !/^--json(=|$)/.test(text) && argv[at - 1] !== '--json');
  return ['npm run', `bench:${name}`, ...(shown.length > 0 ? ['--', ...shown] : [])].join(' ');
}

async function measure<Own extends string>(
  bench: Bench<Own>,
  argv: readonly string[],
  options: BenchOptions<Own>,
  stores: Stores,
): Promise<Report> {
  const before = loadAverages();
  const date = new Date().toISOString();
  const startedMs = performance.now();
  const findings = await bench.measure(options, stores);
  return {
    bench: bench.name,
    command: commandOf(bench.name, argv),
    date,
    quick: options.quick,
    seed: options.seed,
    rounds: options.rounds,
    tookMs: performance.now() - startedMs,
    surroundings: { machine: describeMachine(), stores: stores.facts, before, after: loadAverages() },
    void: voidReason(findings.loopDelay),
    ...findings,
  };
}
