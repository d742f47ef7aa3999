import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, say } from '../../bench/support/command-line.js';
import { startRedis } from '../../sandbox/services/redis.js';
import { playCampaign, playDrawn } from './campaign.js';
import { Coverage } from './coverage.js';
import { readOptions, type SimulationOptions, usage } from './options.js';
import { describeShortest, readRun } from './report.js';
import type { RunResult, Stage } from './runner.js';
import { drawScenario } from './scenario.js';
import { replay } from './shrink.js';
import { openStage } from './stage.js';

/**
 * Random steps against the scripts on a Redis started for it alone, judged by the model. Exit code 0: nothing was found, 1: a run failed,
 * 2: a wrong command line.
 */
const progressMs = 5_000;

const inNumbers = (count: number) => count.toLocaleString('en');

async function simulate(stage: Stage, options: SimulationOptions, coverage: Coverage): Promise<RunResult | null> {
  if (options.replay !== null) {
    const result = await playAgain(stage, options.replay, coverage);
    return result.failure === null ? null : result;
  }
  const startedMs = performance.now();
  const perSecond = () => Math.round(coverage.steps / ((performance.now() - startedMs) / 1_000));
  const telling = setInterval(
    () => say(`${inNumbers(coverage.steps)} steps, ${inNumbers(perSecond())} a second`),
    progressMs,
  );
  try {
    return await playCampaign(stage, { ...options, tally: coverage.tally });
  } finally {
    clearInterval(telling);
    say(`${inNumbers(coverage.steps)} steps, ${inNumbers(perSecond())} a second`);
  }
}

function playAgain(
  stage: Stage,
  what: NonNullable<SimulationOptions['replay']>,
  coverage: Coverage,
): Promise<RunResult> {
  if (!('file' in what)) return playDrawn(stage, what, { compareEvery: 1, tally: coverage.tally });
  const { seed, run, steps } = readRun(readFileSync(what.file, 'utf8'));
  return replay(stage, { scenario: drawScenario(seed, run) }, steps);
}

async function judge(url: string, options: SimulationOptions): Promise<0 | 1> {
  const stage = await openStage(url);
  const coverage = new Coverage();
  try {
    const failed = await simulate(stage, options, coverage);
    for (const [what, count] of [...coverage.counts].sort(([a], [b]) => (a < b ? -1 : 1)))
      process.stdout.write(`${inNumbers(count).padStart(12)}  ${what}\n`);
    if (failed === null) {
      process.stdout.write('Nothing was found.\n');
      return 0;
    }
    say('A run has failed; looking for the shortest one that does …');
    process.stdout.write(`${await describeShortest(stage, failed)}\n`);
    return 1;
  } finally {
    await stage.close();
  }
}

await runCommand(usage, readOptions, async (options, stopped) => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const dir = join(root, '.floodgate', 'simulate', String(process.pid));
  mkdirSync(dir, { recursive: true });
  const redis = await startRedis({ dir, durable: false, cacheDir: join(root, '.floodgate', 'programs') });
  try {
    return await Promise.race([judge(redis.url, options), stopped]);
  } finally {
    await redis.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
