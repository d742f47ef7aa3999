/** What the rounds of one measurement gave. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The median of an even number of values is the lower one of the two in the middle: a value that was seen. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error('there is no spread of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[(sorted.length - 1) >> 1]!, low: sorted[0]!, high: sorted.at(-1)! };
}

/** The value below which the share `q` of all lies. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * q) - 1))] ?? 0;
}

/** Three digits at most behind the first: what a run can vouch for. */
export function rounded(value: number): string {
  const size = Math.abs(value);
  const text = value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
  return text.replace(/\B(?=(\d{3})+(?!\d)(?<!\.\d*))/g, ',');
}
