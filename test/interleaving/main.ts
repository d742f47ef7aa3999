import { parseArgs } from 'node:util';
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

/** Null: a wrong command line. */
function readOptions(): Options | null {
  const texts = { seed: '1', runs: '2000', run: '0', lanes: '2' };
  try {
    const options = Object.fromEntries(Object.keys(texts).map((name) => [name, { type: 'string' as const }]));
    Object.assign(texts, parseArgs({ options }).values);
  } catch {
    return null;
  }
  const [seed, runs, run, lanes] = [texts.seed, texts.runs, texts.run, texts.lanes].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  if (![seed, runs, run, lanes].every((value) => Number.isInteger(value) && value >= 0) || lanes < 1) return null;
  return { seed, runs, run: run === 0 ? null : run, lanes: run === 0 ? lanes : 1 };
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

const options = readOptions();
if (options === null) {
  process.stderr.write(`${usage}\n`);
  process.exit(2);
}
// The same servers as for the tests.
await (await hook('global-setup')).default();
const stages = await Promise.all(Array.from({ length: options.lanes }, () => openStage()));
try {
  process.exitCode = (await interleave(options, stages)) ? 0 : 1;
} finally {
  await Promise.all(stages.map((stage) => stage.close()));
  await (await hook('global-teardown')).default();
}
process.exit();
