import type { RunResult, Stage } from './runner.js';
import { shrink } from './shrink.js';
import { type Step, stepLine } from './steps.js';

export function describeFailure({ failure, steps, scenario }: RunResult): string {
  const { title, detail } = failure!;
  const head = `seed ${scenario.seed}, run ${scenario.run}, step ${steps.length}: ${title}`;
  return [head, ...detail.map((line) => `  ${line}`), `  after     ${stepLine(steps.at(-1)!)}`].join('\n');
}

/** A run as it can be played again: its seed and number in the first line, then one step a line. */
export function writeRun({ scenario, steps }: Pick<RunResult, 'scenario' | 'steps'>): string {
  return [`{"seed":${scenario.seed},"run":${scenario.run}}`, ...steps.map(stepLine)].join('\n');
}

export interface WrittenRun {
  readonly seed: number;
  readonly run: number;
  readonly steps: readonly Step[];
}

export function readRun(text: string): WrittenRun {
  const [head, ...lines] = text.split('\n').filter((line) => line.trim().startsWith('{'));
  const { seed, run } = JSON.parse(head!) as { readonly seed: number; readonly run: number };
  return { seed, run, steps: lines.map((line) => JSON.parse(line) as Step) };
}

/** A run that failed, and the shortest one that still does, ready for `npm run simulate -- --replay FILE`. */
export async function describeShortest(stage: Stage, failed: RunResult): Promise<string> {
  const shortest = await shrink(stage, failed);
  const { seed, run } = failed.scenario;
  return [
    describeFailure(failed),
    `Replay all of it: npm run simulate -- --replay ${seed}:${run}`,
    '',
    `The shortest run found has ${shortest.steps.length} steps. Replay it: put these lines into a file, npm run simulate -- --replay FILE`,
    writeRun(shortest),
    '',
    describeFailure(shortest),
  ].join('\n');
}
