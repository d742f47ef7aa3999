import { parseOptions, runCommand, wholeNumber } from '../../bench/support/command-line.js';
import { playCampaign, playDrawn } from './campaign.js';
import { describeTally, explain } from './report.js';
import { openStage, type Stage } from './stage.js';

const usage = `npm run interleave -- [options]
  --seed S   the same seed gives the same runs (1)
  --runs N   so many runs, the first N of the seed (2000)
  --run R    this run alone, step by step
  --lanes L  runs at the same time, each on stores of its own (2)`;

interface Options {
  readonly seed: number;
  readonly runs: number;
  readonly run: number | null;
  readonly lanes: number;
}

function readOptions(argv: readonly string[]): Options {
  const values = parseOptions({
    args: [...argv],
    options: {
      seed: { type: 'string', default: '1' },
      runs: { type: 'string', default: '2000' },
      run: { type: 'string' },
      lanes: { type: 'string', default: '2' },
    },
  });
  const run = values.run === undefined ? null : wholeNumber('run', values.run, 1, 1_000_000_000);
  return {
    seed: wholeNumber('seed', values.seed, 0, 2 ** 32 - 1),
    runs: wholeNumber('runs', values.runs, 1, 1_000_000_000),
    run,
    lanes: run === null ? wholeNumber('lanes', values.lanes, 1, 16) : 1,
  };
}

/** Answers whether everything went well. */
async function interleave(options: Options, stages: readonly Stage[]): Promise<boolean> {
  const { seed, runs, run } = options;
  const [stage] = stages;
  if (run !== null) {
    const outcome = await playDrawn(stage!, seed, run);
    if (outcome.complaints.length > 0) process.stdout.write(`${await explain(stage!, outcome)}\n`);
    else for (const { who, what } of outcome.steps) process.stdout.write(`${who}: ${what}\n`);
    return outcome.complaints.length === 0;
  }
  const startedMs = performance.now();
  const { tally, failed } = await playCampaign(stages, { seed, from: 1, to: runs });
  process.stdout.write(`${describeTally(tally, performance.now() - startedMs)}\n`);
  if (failed !== null) process.stdout.write(`${await explain(stage!, failed)}\n`);
  return failed === null;
}

type Hook = { default(): Promise<void> };
const hook = async (name: string) => (await import(new URL(`../support/${name}.mjs`, import.meta.url).href)) as Hook;

await runCommand(usage, readOptions, async (options, stopped) => {
  // The same servers as for the tests.
  await (await hook('global-setup')).default();
  const stages = await Promise.all(Array.from({ length: options.lanes }, () => openStage()));
  try {
    return (await Promise.race([interleave(options, stages), stopped])) ? 0 : 1;
  } finally {
    await Promise.all(stages.map((stage) => stage.close()));
    await (await hook('global-teardown')).default();
  }
});
