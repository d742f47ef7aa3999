import { Recorded, type Segment, Segmented, segmentsOf } from './choosers.js';
import { type Outcome, play } from './run.js';
import { nameOf, type Scenario } from './scenario.js';
import type { Stage } from './stage.js';

export interface Shrunk {
  /** The shortest run found that breaks the same rule; null: the failed run did not fail again. */
  readonly shortest: Outcome | null;
  readonly plays: number;
}

interface Candidate {
  readonly scenario: Scenario;
  readonly segments: readonly Segment[];
}

const mostPlays = 400;

/**
 * Looks for a shorter run that breaks the same rule: without parts that do not matter, and with as few changes from one task to another as
 * possible. Where the segments end everybody goes on in the order of the cast, so one that is left is one that matters.
 */
export async function shrink(stage: Stage, failed: Outcome): Promise<Shrunk> {
  const { rule } = failed.complaints[0]!;
  const breaksRule = ({ complaints }: Outcome) => complaints.some((complaint) => complaint.rule === rule);
  const again = await play(stage, failed.scenario, new Recorded(failed.choices));
  let plays = 1;
  if (!breaksRule(again)) return { shortest: null, plays };
  let shortest = again;
  let best: Candidate = { scenario: failed.scenario, segments: segmentsOf(failed.choices) };

  const attempt = async (candidate: Candidate): Promise<boolean> => {
    if (plays >= mostPlays) return false;
    plays += 1;
    const outcome = await play(stage, candidate.scenario, new Segmented(candidate.segments));
    if (!breaksRule(outcome)) return false;
    [shortest, best] = [outcome, candidate];
    return true;
  };
  const dropParts = async (): Promise<void> => {
    for (const part of best.scenario.parts.toReversed()) {
      const parts = best.scenario.parts.filter((other) => other !== part);
      const segments = best.segments.filter((segment) => 'event' in segment || segment.task !== nameOf(part));
      await attempt({ scenario: { ...best.scenario, parts }, segments });
    }
  };
  /** Drops pieces of the list, ever smaller ones, from its end on. */
  const dropSegments = async (): Promise<void> => {
    for (let size = Math.ceil(best.segments.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
      for (let end = best.segments.length; end > 0; end -= size)
        await attempt({ ...best, segments: best.segments.toSpliced(Math.max(0, end - size), Math.min(size, end)) });
  };
  /** Lets a task go on as far as it can, where nothing depends on where it stops. */
  const dropStops = async (): Promise<void> => {
    for (let at = best.segments.length - 1; at >= 0; at -= 1) {
      const segment = best.segments[at]!;
      if ('event' in segment || segment.until === null) continue;
      await attempt({ ...best, segments: best.segments.with(at, { ...segment, until: null }) });
    }
  };
  for (let before = ''; JSON.stringify(best) !== before && plays < mostPlays; ) {
    before = JSON.stringify(best);
    await dropParts();
    await dropSegments();
    await dropStops();
  }
  return { shortest, plays };
}
