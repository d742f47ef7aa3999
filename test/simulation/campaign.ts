import { Generator } from './generator/generator.js';
import { type PlayOptions, play, type RunResult, type Stage, type Tally } from './runner.js';
import { drawScenario, type Scenario } from './scenario.js';
import type { Step } from './steps.js';

/** Plays one run of a seed as it is drawn. */
export function playDrawn(
  stage: Stage,
  { seed, run }: Pick<Scenario, 'seed' | 'run'>,
  options: PlayOptions,
): Promise<RunResult> {
  const scenario = drawScenario(seed, run);
  const generator = new Generator(scenario);
  return play(stage, scenario, (world) => generator.next(world), options);
}

export interface Campaign {
  readonly seed: number;
  /** At least so many steps in all. */
  readonly steps: number;
  /** Runs at the same time: they share connections, so that one does not wait for the others' round trips. */
  readonly parallel: number;
  readonly tally: Tally;
  readonly compareEvery: number;
}

/** Plays run after run of a seed until there were enough steps; answers the first run that failed. */
export async function playCampaign(
  stage: Stage,
  { seed, steps, parallel, tally, compareEvery }: Campaign,
): Promise<RunResult | null> {
  let [run, taken] = [0, 0];
  let failed: RunResult | null = null;
  const count: Tally = (step: Step, code, marks) => {
    taken += 1;
    tally(step, code, marks);
  };
  const worker = async () => {
    while (taken < steps && failed === null) {
      run += 1;
      const result = await playDrawn(stage, { seed, run }, { compareEvery, tally: count });
      if (result.failure !== null) failed ??= result;
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return failed;
}
