import type { CellOutcome } from './cell.js';
import type { Matrix } from './matrix.js';

/** Cut points down, faults across: ok, FAIL, or a letter for the reason why there was nothing to try. */
export function describeMatrix({ cuts, faults, outcomes }: Matrix): string {
  const reasons: string[] = [];
  const letterOf = ({ notes }: CellOutcome) => {
    const reason = notes[0]!;
    if (!reasons.includes(reason)) reasons.push(reason);
    return String.fromCharCode(97 + reasons.indexOf(reason));
  };
  const shown = (outcome: CellOutcome | undefined) => {
    if (outcome === undefined) return '';
    return outcome.ok === null ? letterOf(outcome) : outcome.ok ? 'ok' : 'FAIL';
  };
  const rows = cuts.map((cut) => [
    cut.title,
    ...faults.map((fault) => shown(outcomes.find((outcome) => outcome.cut === cut && outcome.fault === fault))),
  ]);
  const head = ['', ...faults.map(({ short }) => short)];
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]!.length)));
  const lines = [head, ...rows].map((row) =>
    row
      .map((text, at) => text.padEnd(widths[at]!))
      .join('  ')
      .trimEnd(),
  );
  const failed = outcomes.filter(({ ok }) => ok === false);
  const counted = (ok: boolean | null) => outcomes.filter((outcome) => outcome.ok === ok).length;
  return [
    ...lines,
    '',
    ...faults.map(({ short, title }) => `${short.padEnd(6)} ${title}`),
    ...reasons.map((reason, at) => `${String.fromCharCode(97 + at).padEnd(6)} nothing to try: ${reason}`),
    '',
    `${counted(true)} ok, ${counted(false)} failed, ${counted(null)} not applicable; orders: ${describeEnds(outcomes)}`,
    ...failed.flatMap(describeFailure),
  ].join('\n');
}

export function describeCell({ cut, fault, ok, end, notes, tookMs }: CellOutcome): string {
  const verdict = ok === null ? 'n/a ' : ok ? 'ok  ' : 'FAIL';
  const seconds = (tookMs / 1_000).toFixed(1).padStart(5);
  return `${verdict} ${seconds} s  ${cut.name} × ${fault.name}${end === null ? '' : `  ${end}`}${ok === false ? `  ${notes[0]}` : ''}`;
}

function describeEnds(outcomes: readonly CellOutcome[]): string {
  const ends = new Map<string, number>();
  for (const { end } of outcomes) if (end !== null) ends.set(end, (ends.get(end) ?? 0) + 1);
  return [...ends]
    .sort()
    .map(([state, orders]) => `${orders} ${state}`)
    .join(', ');
}

function describeFailure({ cut, fault, notes }: CellOutcome): string[] {
  const again = `npm run test:faults -- --cut ${cut.name} --fault ${fault.name}`;
  return ['', `${cut.title} × ${fault.title} (${again})`, ...notes.map((note) => `  ${note}`)];
}

/** For tests: the matrix, if nothing in it has failed. */
export function expectSound(matrix: Matrix): Matrix {
  if (matrix.outcomes.some(({ ok }) => ok === false)) throw new Error(describeMatrix(matrix));
  return matrix;
}
