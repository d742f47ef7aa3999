import { randomFor } from '../../bench/rush/random.js';
import { Drawn } from './choosers.js';
import { type Outcome, play } from './run.js';
import { drawScenario } from './scenario.js';
import type { Stage } from './stage.js';

/** What a number of runs came to. */
export interface Tally {
  runs: number;
  choices: number;
  deaths: number;
  faults: number;
  /** How often the product has called for a human. */
  alarms: number;
  /** Orders by the state they ended in. */
  readonly endings: Record<string, number>;
}

export interface Campaign {
  readonly seed: number;
  /** The first and the last one. */
  readonly from: number;
  readonly to: number;
}

/** A run of a seed as it is drawn: the same one whenever it is played. */
export function playDrawn(stage: Stage, seed: number, run: number): Promise<Outcome> {
  const random = randomFor(seed, run);
  const scenario = drawScenario(random, seed, run);
  return play(stage, scenario, new Drawn(random));
}

/** Plays runs one after the other on every stage, until one of them fails. */
export async function playCampaign(
  stages: readonly Stage[],
  { seed, from, to }: Campaign,
): Promise<{ readonly tally: Tally; readonly failed: Outcome | null }> {
  const tally: Tally = { runs: 0, choices: 0, deaths: 0, faults: 0, alarms: 0, endings: {} };
  let failed: Outcome | null = null;
  let next = from;
  const playOn = async (stage: Stage) => {
    while (next <= to && failed === null) {
      const run = next;
      next += 1;
      const outcome = await playDrawn(stage, seed, run);
      count(tally, outcome);
      if (outcome.complaints.length > 0) failed ??= outcome;
    }
  };
  await Promise.all(stages.map(playOn));
  return { tally, failed };
}

function count(tally: Tally, { choices, deaths, faults, alarms, endings }: Outcome): void {
  tally.runs += 1;
  tally.choices += choices.length;
  tally.deaths += deaths;
  tally.faults += faults;
  tally.alarms += alarms.length;
  for (const state of endings) tally.endings[state] = (tally.endings[state] ?? 0) + 1;
}
