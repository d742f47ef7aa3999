import { play, type RunResult, type Stage } from './runner.js';
import type { Step } from './steps.js';

/** Plays a list of steps as it is. */
export function replay(
  stage: Stage,
  { scenario }: Pick<RunResult, 'scenario'>,
  steps: readonly Step[],
): Promise<RunResult> {
  let at = 0;
  return play(stage, scenario, () => steps[at++] ?? null, { compareEvery: 1 });
}

/** How often a shorter run is tried. */
const tries = 600;

/**
 * The shortest run that still fails in the same way, as far as leaving out leads: halves, then smaller pieces, down to single steps
 * (A. Zeller, "Yesterday, my program worked. Today, it does not. Why?", 1999). Whatever is left is made to happen as early as it can.
 */
export async function shrink(stage: Stage, failed: RunResult): Promise<RunResult> {
  // Judged after every step it may be seen to fail earlier, and in other words.
  const again = await replay(stage, failed, failed.steps);
  const first = again.failure === null ? failed : again;
  const { title } = first.failure!;
  let left = tries;
  const fails = async (steps: readonly Step[]): Promise<RunResult | null> => {
    if (left === 0) return null;
    left -= 1;
    const result = await replay(stage, failed, steps);
    return result.failure?.title === title ? result : null;
  };
  let best = first;
  for (let size = best.steps.length >> 1; size >= 1; size = size === 1 ? 0 : size >> 1) {
    let isShorter = true;
    while (isShorter) {
      isShorter = false;
      for (let from = 0; from < best.steps.length; from += size) {
        const shorter = await fails([...best.steps.slice(0, from), ...best.steps.slice(from + size)]);
        if (shorter === null) continue;
        best = shorter;
        isShorter = size === 1;
        from -= size;
      }
    }
  }
  return hasten(best, fails);
}

/** Gaps in time between steps go, where they do not matter. */
async function hasten(
  found: RunResult,
  fails: (steps: readonly Step[]) => Promise<RunResult | null>,
): Promise<RunResult> {
  let best = found;
  for (let i = 0; i < best.steps.length; i += 1) {
    const gap = best.steps[i]!.at - (best.steps[i - 1]?.at ?? 0);
    if (gap === 0) continue;
    const earlier = best.steps.map((step, at) => (at < i ? step : { ...step, at: step.at - gap }));
    best = (await fails(earlier)) ?? best;
  }
  return best;
}
