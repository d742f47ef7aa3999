import { rounded, type Spread } from './spread.js';
import type { Surroundings } from './surroundings.js';

type Cell = string | number | Spread;

/** Rows by name of their columns; the first row has all columns. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Readonly<Record<string, Cell>>[];
}

interface Measurement {
  readonly what: string;
  readonly measured: number;
  readonly unit: string;
}

/** A bound the measurement is held against. */
export type Limit = Measurement & ({ readonly most: number } | { readonly least: number });

/** What a bench has found out. */
export interface Findings {
  /** How it was measured, in sentences. */
  readonly method: readonly string[];
  readonly tables: readonly Table[];
  readonly limits: readonly Limit[];
  readonly loopDelay: LoopDelay;
}

/** How long the event loop of the load generator was held up while it measured. */
export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Above this p99 the generator did not send what it says it sent. */
  readonly allowedP99Ms: number;
}

export interface Report extends Findings {
  readonly bench: string;
  readonly command: string;
  /** When it began, ISO 8601. */
  readonly date: string;
  readonly quick: boolean;
  readonly seed: number;
  readonly rounds: number;
  readonly tookMs: number;
  readonly surroundings: Surroundings;
  /** Why the figures are void, or null. */
  readonly void: string | null;
}

export function isMet(limit: Limit): boolean {
  return 'most' in limit ? limit.measured <= limit.most : limit.measured >= limit.least;
}

/** What was measured and what is allowed. */
export function describeLimit(limit: Limit): string {
  const bound = 'most' in limit ? `at most ${rounded(limit.most)}` : `at least ${rounded(limit.least)}`;
  return `${rounded(limit.measured)} of ${bound} ${limit.unit}`;
}

/** Why a run says nothing, or null. */
export function voidReason({ p99Ms, allowedP99Ms }: LoopDelay): string | null {
  if (p99Ms <= allowedP99Ms) return null;
  return `the load generator's own loop was delayed by ${rounded(p99Ms)} ms (p99), more than ${allowedP99Ms} ms`;
}

/** The report for people. */
export function describeReport(report: Report): string {
  const { machine, before, after, stores } = report.surroundings;
  const load = (averages: readonly number[]) => averages.map((value) => value.toFixed(2)).join(' ');
  const { p99Ms, maxMs } = report.loopDelay;
  const head = [
    `${report.command}${report.quick ? '  (quick: the figures say nothing)' : ''}`,
    `  ${machine.cores} × ${machine.processor} · ${machine.memoryGib} GiB · ${machine.system} · Node ${machine.node}`,
    ...stores.map(({ name, facts }) => `  ${name}: ${facts.map(([key, value]) => `${key} ${value}`).join(' · ')}`),
    `  seed ${report.seed} · ${report.rounds} rounds · ${Math.round(report.tookMs / 1_000)} s`,
    `  load average before ${load(before)}, after ${load(after)} (1, 5, 15 min)`,
    `  generator's loop delay p99 ${rounded(p99Ms)} ms, max ${rounded(maxMs)} ms`,
    ...report.method.map((sentence) => `  ${sentence}`),
  ];
  const limits = report.limits.map(
    (limit) => `${isMet(limit) ? 'met   ' : 'MISSED'}  ${limit.what}: ${describeLimit(limit)}`,
  );
  const verdict = report.void === null ? limits : [`VOID: ${report.void}`, ...limits];
  return [head.join('\n'), ...report.tables.map(describeTable), verdict.join('\n')].join('\n\n');
}

function describeTable({ title, rows }: Table): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => describeCell(row[column] ?? '')))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  const isText = columns.map((column) => rows.every((row) => typeof row[column] === 'string'));
  const describeLine = (line: readonly string[]) =>
    line.map((text, at) => (isText[at] ? text.padEnd(widths[at]!) : text.padStart(widths[at]!))).join('  ');
  return [title, ...lines.map((line) => `  ${describeLine(line).trimEnd()}`)].join('\n');
}

function describeCell(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return rounded(cell);
  return `${rounded(cell.median)} (${rounded(cell.low)}–${rounded(cell.high)})`;
}
