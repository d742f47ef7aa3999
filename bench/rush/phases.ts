import { SetupError } from '../../sandbox/services/process.js';
import { say } from '../support/command-line.js';
import { pause } from './conversation.js';
import type { Crowd } from './crowd.js';
import type { Machine, Stretch } from './machine.js';
import type { RushOptions } from './options.js';
import type { BuyerRecord, LoadProgress, LoadResult } from './records.js';

const restMs = 10_000;
const lookMs = 250;

/** The parts of a run in which people only wait before anybody is admitted: what each of them costs can be told apart. */
export interface Phases<Part = Stretch> {
  /** All have come, and nobody is admitted. */
  readonly waiting: Part;
  /** From when the first of those admitted have ended until nobody waits any more: at both ends as many are about to buy. */
  readonly sale: Part;
  /** Everybody has gone, and the server is still there. */
  readonly rest: Part;
}

interface Rush {
  readonly crowd: Crowd;
  readonly machine: Machine;
  letIn(): Promise<void>;
}

/** The run as a whole, or in these parts if it is to be one in which people only wait at first. */
export async function rushInPhases(
  options: RushOptions,
  { crowd, machine, letIn }: Rush,
): Promise<{ readonly results: LoadResult[]; readonly phases: Phases | null }> {
  if (options.waitMs === 0) return { results: await crowd.rush(options.maxMs), phases: null };
  const measure = async (ms: number) => {
    const end = machine.begin();
    await pause(ms);
    return end();
  };
  const holdBack = async () => {
    const all = options.buyers;
    await until(options, crowd, ({ waiting, active, ended }) => waiting + active + ended === all);
    say(`All have come; for ${options.waitMs / 1_000} s they only wait.`);
    const waiting = await measure(options.waitMs);
    say('People are admitted.');
    await letIn();
    await until(options, crowd, ({ ended }) => ended >= options.warmUp);
    const endSale = machine.begin();
    await until(options, crowd, (progress) => progress.waiting === 0);
    return { waiting, sale: endSale() };
  };
  const [results, { waiting, sale }] = await Promise.all([crowd.rush(options.maxMs), holdBack()]);
  // After the sale, not before it: code that has been compiled by then costs less.
  const rest = await measure(restMs);
  return { results, phases: { waiting, sale, rest } };
}

async function until({ maxMs }: RushOptions, crowd: Crowd, isReached: (progress: LoadProgress) => boolean) {
  const deadlineMs = Date.now() + maxMs;
  while (!isReached(crowd.progress())) {
    if (Date.now() > deadlineMs) throw new SetupError(`the crowd came no further: ${JSON.stringify(crowd.progress())}`);
    await pause(lookMs);
  }
}

export interface PhaseReport extends Stretch {
  /** How long people waited in it, all of them together. */
  readonly waitedMinutes: number;
  readonly paid: number;
}

/** Adds what the buyers say. Whoever waits in one of these parts had come before it began. */
export function reportPhases(phases: Phases | null, results: readonly LoadResult[]): Phases<PhaseReport> | null {
  if (phases === null) return null;
  const buyers = results.flatMap((result) => result.records);
  const paidAtMs = results.flatMap((result) => result.completedAtMs);
  const report = (stretch: Stretch): PhaseReport => {
    const { fromMs, toMs } = stretch;
    const waitedMs = buyers.reduce((sum, buyer) => sum + waitedWithin(buyer, fromMs, toMs), 0);
    const paid = paidAtMs.filter((atMs) => atMs >= fromMs && atMs < toMs).length;
    return { ...stretch, waitedMinutes: waitedMs / 60_000, paid };
  };
  return {
    waiting: report(phases.waiting),
    sale: report(phases.sale),
    rest: report(phases.rest),
  };
}

function waitedWithin({ admittedAtMs, endedAtMs }: BuyerRecord, fromMs: number, toMs: number): number {
  const untilMs = Math.min(toMs, admittedAtMs ?? endedAtMs ?? toMs);
  return Math.max(0, untilMs - fromMs);
}
