import { existsSync } from 'node:fs';
import { parseOptions, UsageError, wholeNumber } from '../../bench/support/command-line.js';

export interface SimulationOptions {
  readonly steps: number;
  readonly seed: number;
  /** Runs at the same time. */
  readonly parallel: number;
  readonly compareEvery: number;
  /** One run of a seed, or a file that a failed run was written to. */
  readonly replay: { readonly seed: number; readonly run: number } | { readonly file: string } | null;
}

export const usage = `npm run simulate -- [options]
  --steps N           steps in all (10,000,000)
  --seed S            the same seed gives the same runs (1)
  --parallel P        runs at the same time (24)
  --compare-every K   the whole state is compared after so many steps (3)
  --replay SEED:RUN   plays one run again, judged after every step, and shrinks it if it fails
  --replay FILE       the same with the steps of a file`;

/** Reads the command line; throws UsageError with one line that names the bad option. */
export function readOptions(argv: readonly string[]): SimulationOptions {
  const values = parse(argv);
  return {
    steps: wholeNumber('steps', values.steps, 1, 1_000_000_000),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 32 - 1),
    parallel: wholeNumber('parallel', values.parallel, 1, 1_000),
    compareEvery: wholeNumber('compare-every', values['compare-every'], 1, 1_000),
    replay: values.replay === undefined ? null : readReplay(values.replay),
  };
}

function parse(argv: readonly string[]) {
  return parseOptions({
    args: [...argv],
    options: {
      steps: { type: 'string', default: '10000000' },
      seed: { type: 'string', default: '1' },
      parallel: { type: 'string', default: '24' },
      'compare-every': { type: 'string', default: '3' },
      replay: { type: 'string' },
    },
  });
}

function readReplay(text: string): NonNullable<SimulationOptions['replay']> {
  const [, seed, run] = /^(\d+):(\d+)$/.exec(text) ?? [];
  if (seed !== undefined) return { seed: Number(seed), run: Number(run) };
  if (existsSync(text)) return { file: text };
  throw new UsageError(`--replay takes SEED:RUN or a file, and there is no file ${text}`);
}
