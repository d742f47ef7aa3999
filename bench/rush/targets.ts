import { quantile } from '../support/spread.js';
import type { ProcessUse, Stretch } from './machine.js';
import type { LoadResult } from './records.js';

const bestMs = 60_000;

/** The 60 s in which most orders were paid. */
export interface BestMinute {
  readonly paid: number;
  /** Claims that were answered in them, and how long the slowest of a hundred took at the client. */
  readonly holds: number;
  readonly holdP99Ms: number;
}

/** What a run is held against; missing it is no failure of the run. */
export interface Target {
  readonly what: string;
  readonly measured: number;
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
  readonly unit: string;
  readonly met: boolean;
}

export function findBestMinute(results: readonly Pick<LoadResult, 'completedAtMs' | 'holds'>[]): BestMinute {
  const completedAtMs = results.flatMap((result) => result.completedAtMs);
  const { fromMs, count } = busiestWindow(completedAtMs, bestMs);
  const holds = results
    .flatMap((result) => result.holds)
    .filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + bestMs);
  const p99Ms = quantile(
    holds.map(({ ms }) => ms),
    0.99,
  );
  return { paid: count, holds: holds.length, holdP99Ms: Math.round(p99Ms * 10) / 10 };
}

/** Where a window of this length holds most of these instants: when it begins, and how many they are. */
function busiestWindow(instantsMs: readonly number[], windowMs: number): { fromMs: number; count: number } {
  const sorted = instantsMs.toSorted((a, b) => a - b);
  let best = { fromMs: 0, count: 0 };
  let first = 0;
  for (const [last, atMs] of sorted.entries()) {
    while (atMs - sorted[first]! >= windowMs) first += 1;
    const count = last - first + 1;
    if (count > best.count) best = { fromMs: sorted[first]!, count };
  }
  return best;
}

/** Processor time of the server: each of its processes is API and workers in one. */
export function serverCpuMs(processes: Stretch['processes']): number {
  return processes.filter(({ name }) => /^server( |$)/.test(name)).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

export function judgeTargets(best: BestMinute, processes: readonly ProcessUse[], paid: number): Target[] {
  const target = (target: Omit<Target, 'met'>): Target => {
    const { measured, bound, limit } = target;
    return { ...target, met: bound === 'at least' ? measured >= limit : measured <= limit };
  };
  const serverMs = serverCpuMs(processes) / Math.max(1, paid);
  return [
    target({ what: 'product CPU a paid order', measured: serverMs, bound: 'at most', limit: 3, unit: 'ms' }),
    target({ what: 'best 60 s', measured: best.paid, bound: 'at least', limit: 10_000, unit: 'orders paid' }),
    target({ what: 'hold p99 in them', measured: best.holdP99Ms, bound: 'at most', limit: 250, unit: 'ms' }),
  ];
}
