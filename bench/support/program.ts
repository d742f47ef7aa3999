import { writeFileSync } from 'node:fs';
import { SetupError } from '../../sandbox/services/process.js';
import { type BenchOptions, type OwnOption, readOptions, UsageError, usageOf } from './options.js';
import { describeReport, type Findings, isMet, type Report, voidReason } from './report.js';
import { Stores } from './stores.js';
import { describeMachine, loadAverages } from './surroundings.js';

export interface Bench<Own extends string> {
  /** As in `npm run bench:NAME`. */
  readonly name: string;
  readonly own: Readonly<Record<Own, OwnOption>>;
  measure(options: BenchOptions<Own>, stores: Stores): Promise<Findings>;
}

/** Tells whoever waits what is going on; the report alone goes to the standard output. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/**
 * Runs a bench against stores of its own and ends the process. Exit code 0: every limit is met, 1: one is missed, the figures are void, or a
 * failure; 2: a wrong command line.
 */
export async function runBench<Own extends string>(bench: Bench<Own>): Promise<never> {
  process.exit(await attempt(bench, process.argv.slice(2)));
}

async function attempt<Own extends string>(bench: Bench<Own>, argv: readonly string[]): Promise<number> {
  if (argv.includes('--help')) {
    process.stdout.write(`${usageOf(bench.name, bench.own)}\n`);
    return 0;
  }
  let options: BenchOptions<Own>;
  try {
    options = readOptions(argv, bench.own);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    say(`${error.message}\n\n${usageOf(bench.name, bench.own)}`);
    return 2;
  }
  const stores = new Stores(bench.name, options.keep);
  const stopped = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => reject(new SetupError(`stopped by ${signal}`)));
  });
  try {
    const report = await Promise.race([measure(bench, argv, options, stores), stopped]);
    process.stdout.write(`${describeReport(report)}\n`);
    if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    return report.void === null && report.limits.every(isMet) ? 0 : 1;
  } catch (error) {
    say(error instanceof SetupError ? error.message : String((error as Error).stack ?? error));
    return 1;
  } finally {
    await stores.stop();
    if (options.keep) say(`Files of the run: ${stores.home}`);
  }
}

async function measure<Own extends string>(
  bench: Bench<Own>,
  argv: readonly string[],
  options: BenchOptions<Own>,
  stores: Stores,
): Promise<Report> {
  const before = loadAverages();
  const startedMs = performance.now();
  const findings = await bench.measure(options, stores);
  return {
    bench: bench.name,
    command: `npm run bench:${bench.name}${argv.length > 0 ? ` -- ${argv.join(' ')}` : ''}`,
    quick: options.quick,
    seed: options.seed,
    rounds: options.rounds,
    tookMs: performance.now() - startedMs,
    surroundings: { machine: describeMachine(), stores: stores.facts, before, after: loadAverages() },
    void: voidReason(findings.loopDelay),
    ...findings,
  };
}
