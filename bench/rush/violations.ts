import type { Violation } from './records.js';

const evidenceMax = 20;

/** A violation with its first cases, or nothing if there are none. */
export function violation(rule: string, cases: readonly unknown[]): Violation[] {
  if (cases.length === 0) return [];
  const shown = cases.slice(0, evidenceMax);
  return [{ rule, evidence: cases.length > shown.length ? { cases: cases.length, first: shown } : shown }];
}

export function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
