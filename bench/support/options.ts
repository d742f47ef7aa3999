import { parseOptions, UsageError, wholeNumber } from './command-line.js';

/** What every bench can be told. Numbers of its own are in `own`, by name. */
export interface BenchOptions<Own extends string> {
  /** A small run that shows whether the bench works; its figures say nothing. */
  readonly quick: boolean;
  readonly seed: number;
  /** Repetitions of everything that is measured; the reported figure is their median. */
  readonly rounds: number;
  /** File the report is written to as JSON. */
  readonly json: string | null;
  /** The report and its picture are kept in docs/bench. */
  readonly save: boolean;
  /** Files of the run are kept and their place is printed. */
  readonly keep: boolean;
  readonly own: Readonly<Record<Own, number>>;
}

/** A whole number that one bench alone can be told. */
export interface OwnOption {
  readonly fallback: number;
  /** Used instead of `fallback` with --quick. */
  readonly quick: number;
  readonly low: number;
  readonly high: number;
  readonly says: string;
}

export function usageOf(name: string, own: Readonly<Record<string, OwnOption>>): string {
  const line = (option: string, says: string) => `  ${option.padEnd(24)}${says}`;
  return [
    `npm run bench:${name} -- [options]`,
    ...Object.entries(own).map(([option, { fallback, says }]) => line(`--${option} N`, `${says} (${fallback})`)),
    line('--rounds N', 'repetitions; the median of them is reported (5)'),
    line('--seed S', 'the same seed gives the same halls and people (1)'),
    line('--json FILE', 'write the report to a file as well'),
    line('--save', `keep the report and a picture of it: docs/bench/${name}.json, ${name}.svg`),
    line('--keep', 'keep the files of the run'),
    line('--quick', 'a small run that shows whether the bench works; its figures say nothing'),
  ].join('\n');
}

/** Reads the command line; throws UsageError with one line that names the bad option. */
export function readOptions<Own extends string>(
  argv: readonly string[],
  own: Readonly<Record<Own, OwnOption>>,
): BenchOptions<Own> {
  const values = parse(argv, Object.keys(own));
  const quick = values.quick === true;
  const save = values.save === true;
  if (quick && save) throw new UsageError('--save does not go with --quick: figures that say nothing are not kept');
  const numberOf = (name: string, fallback: number, low: number, high: number) =>
    wholeNumber(name, String(values[name] ?? fallback), low, high);
  const numbers = Object.entries<OwnOption>(own).map(([name, option]) => [
    name,
    numberOf(name, quick ? option.quick : option.fallback, option.low, option.high),
  ]);
  return {
    quick,
    seed: numberOf('seed', 1, 0, 2 ** 32 - 1),
    rounds: numberOf('rounds', quick ? 2 : 5, 1, 100),
    json: typeof values.json === 'string' ? values.json : null,
    save,
    keep: values.keep === true,
    own: Object.fromEntries(numbers) as Record<Own, number>,
  };
}

function parse(
  argv: readonly string[],
  own: readonly string[],
): Readonly<Record<string, string | boolean | undefined>> {
  const texts = ['seed', 'rounds', 'json', ...own];
  const options = Object.fromEntries(texts.map((name) => [name, { type: 'string' } as const]));
  const flags = { quick: { type: 'boolean' }, save: { type: 'boolean' }, keep: { type: 'boolean' } } as const;
  return parseOptions({ args: [...argv], options: { ...options, ...flags } });
}
