import type { Tally } from './campaign.js';
import type { Outcome } from './run.js';
import { nameOf, type Part } from './scenario.js';
import { shrink } from './shrink.js';
import type { Stage } from './stage.js';

/** What is wrong, how to see it again, and the shortest way to it that was found. */
export async function explain(stage: Stage, failed: Outcome): Promise<string> {
  const { seed, run } = failed.scenario;
  const { shortest, plays } = await shrink(stage, failed);
  const heading = [
    `Run ${run} of seed ${seed} went wrong after ${failed.steps.length} steps of ${failed.scenario.parts.length} parts:`,
    ...failed.complaints.map(describeComplaint),
    `Play it again: npm run interleave -- --seed ${seed} --run ${run}`,
    '',
  ];
  if (shortest === null)
    return [...heading, 'Played again by its choices it went well.', ...describeRun(failed)].join('\n');
  return [
    ...heading,
    `The shortest run found in ${plays} plays that goes wrong in the same way has ${shortest.steps.length} steps of ${shortest.scenario.parts.length} parts:`,
    ...shortest.complaints.map(describeComplaint),
    ...describeRun(shortest),
  ].join('\n');
}

export function describeTally(tally: Tally, tookMs: number): string {
  const { runs, choices, deaths, faults, alarms, endings } = tally;
  const ends = Object.entries(endings)
    .sort()
    .map(([state, orders]) => `${orders} ${state}`);
  return [
    `${runs} runs in ${(tookMs / 1_000).toFixed(1)} s: ${choices} choices (${Math.round(choices / runs)} a run), ${deaths} deaths,`,
    `${faults} calls gone wrong, ${alarms} alarms; orders: ${ends.join(', ')}`,
  ].join(' ');
}

const describeComplaint = ({ rule, text }: Outcome['complaints'][number]) => `  [${rule}] ${text}`;

function describeRun({ scenario, steps }: Outcome): string[] {
  const width = Math.max(0, ...steps.map(({ who }) => who.length));
  return [
    '',
    ...scenario.parts.map(describePart),
    '',
    ...steps.map(({ who, what }, at) => `${String(at + 1).padStart(4)}  ${who.padEnd(width)}  ${what}`),
  ];
}

function describePart(part: Part): string {
  const { kind, ...rest } = part;
  const details = Object.entries(rest).filter(([name]) => name !== 'buyer' || kind !== 'buyer');
  return `  ${nameOf(part)}: ${details.map(([name, value]) => `${name} ${String(value)}`).join('; ')}`;
}
