import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FaultKind } from '../../bench/rush/options.js';
import type { Report } from '../../bench/rush/report.js';

export interface SmallRush {
  readonly exitCode: number;
  /** Null when the run broke off. */
  readonly report: Report | null;
  /** What it said to people. */
  readonly said: string;
}

/** A few hundred buyers against servers and stores of their own, while these things fail, seconds after the start; then the auditor. */
export function rushThrough(
  faults: readonly (readonly [kind: FaultKind, atSeconds: number])[],
  { history }: { readonly history?: string } = {},
): Promise<SmallRush> {
  const args = ['--import', 'tsx', 'bench/rush/main.ts', '--buyers', '240', '--ramp', '25', '--admit-per-second', '15'];
  args.push('--provider-quota', 'lifted', '--json', ...faults.flatMap(([kind, at]) => ['--fault', `${kind}@${at}`]));
  if (history !== undefined) args.push('--history', history);
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const env = { PATH: process.env.PATH, LOG_LEVEL: 'silent' };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, env, maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : Number(error.code ?? -1);
      const last = stdout.trimEnd().split('\n').at(-1) ?? '';
      const report = last.startsWith('{') ? (JSON.parse(last) as Report) : null;
      resolve({ exitCode, report, said: `${stderr}\n${stdout}`.slice(-6_000) });
    });
  });
}

/** No rule of the auditor was broken, the faults happened, and the sale went on. */
export function expectSound({ exitCode, report, said }: SmallRush, faults: readonly FaultKind[]): Report {
  if (report === null) throw new Error(`exit code ${exitCode}: ${said}`);
  expect(report.violations).toEqual([]);
  expect(report.faults.map(({ kind }) => kind)).toEqual(faults);
  expect(report.ends.bought).toBeGreaterThan(120);
  return report;
}
