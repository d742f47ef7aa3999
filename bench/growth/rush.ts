import { SetupError, startProgram } from '../../sandbox/services/process.js';
import type { Report } from '../rush/report.js';
import { root, type Stores } from '../support/stores.js';

const graceMs = 60_000;

/** A whole rush in processes and on stores of its own; only one in which the auditor found nothing says anything. */
export async function runRush(stores: Stores, options: Readonly<Record<string, string | number>>): Promise<Report> {
  const told = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const program = await startProgram(
    process.execPath,
    ['--import', 'tsx', 'bench/rush/main.ts', ...told, '--provider-quota', 'lifted', '--json'],
    { stopSignal: 'SIGTERM', cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  stores.onStop(() => program.stop(graceMs));
  let output = '';
  program.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await new Promise((resolve) => program.child.once('close', resolve));
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  if (!last.startsWith('{')) throw new SetupError('the rush broke off');
  const report = JSON.parse(last) as Report;
  if (report.violations.length > 0) throw new SetupError(`the auditor objects: ${JSON.stringify(report.violations)}`);
  if (!report.phases?.sale.paid) throw new SetupError('nobody waited any more when orders were to be counted');
  return report;
}
