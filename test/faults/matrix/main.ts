import { parseOptions, runCommand, say, UsageError, wholeNumber } from '../../../bench/support/command-line.js';
import { cuts } from './cuts.js';
import { dailyFaults, faults } from './faults.js';
import { playMatrix } from './matrix.js';
import { describeRandom, playRandom } from './random-run.js';
import { describeCell, describeMatrix } from './table.js';

const usage = `npm run test:faults -- [options]
  --size S      daily: every cut point with ${dailyFaults.join(', ')}; full: with every fault (full)
  --cut C       this cut point alone; may be given several times: ${cuts.map(({ name }) => name).join(', ')}
  --fault F     this fault alone; may be given several times: ${faults.map(({ name }) => name).join(', ')}
  --seed S      the order of the cells (1)
  --lanes L     cells at the same time, each on stores of its own (2)
  --random      instead of the matrix: a crowd buys while things go wrong at random times
  --minutes M   for so long (1)
  --buyers B    at the same time (30)`;

interface Options {
  readonly cuts: readonly string[] | undefined;
  readonly faults: readonly string[] | undefined;
  readonly seed: number;
  readonly lanes: number;
  readonly random: boolean;
  readonly minutes: number;
  readonly buyers: number;
}

function readOptions(argv: readonly string[]): Options {
  const values = parseOptions({
    args: [...argv],
    options: {
      size: { type: 'string', default: 'full' },
      cut: { type: 'string', multiple: true },
      fault: { type: 'string', multiple: true },
      seed: { type: 'string', default: '1' },
      lanes: { type: 'string', default: '2' },
      random: { type: 'boolean', default: false },
      minutes: { type: 'string', default: '1' },
      buyers: { type: 'string', default: '30' },
    },
  });
  if (values.size !== 'full' && values.size !== 'daily')
    throw new UsageError(`--size takes daily or full, not ${values.size}`);
  return {
    cuts: checkNames('cut', values.cut, cuts),
    faults: checkNames('fault', values.fault, faults) ?? (values.size === 'daily' ? dailyFaults : undefined),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 32 - 1),
    lanes: wholeNumber('lanes', values.lanes, 1, 16),
    random: values.random,
    minutes: wholeNumber('minutes', values.minutes, 1, 1_440),
    buyers: wholeNumber('buyers', values.buyers, 1, 200),
  };
}

function checkNames(
  option: string,
  wanted: readonly string[] | undefined,
  known: readonly { readonly name: string }[],
): readonly string[] | undefined {
  const unknown = wanted?.find((name) => !known.some((one) => one.name === name));
  if (unknown !== undefined)
    throw new UsageError(`--${option} takes one of ${known.map(({ name }) => name).join(', ')}, not ${unknown}`);
  return wanted;
}

/** Answers whether everything went well. */
async function matrix(options: Options): Promise<boolean> {
  const startedMs = performance.now();
  const played = await playMatrix({ ...options, told: (outcome) => say(describeCell(outcome)) });
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  process.stdout.write(`${describeMatrix(played)}\nseed ${options.seed}, ${seconds} s\n`);
  return played.outcomes.every(({ ok }) => ok !== false);
}

async function random(options: Options): Promise<boolean> {
  const report = await playRandom({ ...options, told: say });
  process.stdout.write(`${describeRandom(report)}\n`);
  return report.complaints.length === 0;
}

await runCommand(usage, readOptions, async (options, stopped) => {
  const playing = options.random ? random(options) : matrix(options);
  return (await Promise.race([playing, stopped])) ? 0 : 1;
});
