import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../../sandbox/services/process.js';

export interface ApiProcess {
  readonly url: string;
  /** Where it answers for its metrics, if METRICS_PORT is set. */
  readonly metricsUrl: string | null;
  readonly pid: number;
  /** SIGKILL, as in a crash; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves to how it ended, `exit code 0` when clean. */
  stop(): Promise<string>;
}

/**
 * The platform as a process of its own, as `src/main.ts` starts it. `env` is its whole configuration. Rejects with its complaint if it
 * cannot start.
 */
export async function startApiProcess(env: Readonly<Record<string, string>>): Promise<ApiProcess> {
  const program = await startProgram(process.execPath, ['--import', 'tsx', 'src/main.ts'], {
    stopSignal: 'SIGTERM',
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...env },
  });
  const { child } = program;
  if (child.stdout === null || child.stderr === null) throw new Error('the API was started without pipes');
  const complaint = text(child.stderr);
  const firstLine = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  const line = await Promise.race([firstLine.then(([found]) => found), program.ended.then(() => undefined)]);
  if (line === undefined) throw new Error(`the API did not start: ${(await complaint).trim()}`);
  const { listening, metrics = null } = JSON.parse(line) as { listening: string; metrics?: string };
  return {
    url: listening,
    metricsUrl: metrics,
    pid: program.pid,
    kill: async () => {
      child.kill('SIGKILL');
      await program.ended;
    },
    stop: async () => {
      await program.stop();
      return program.ended;
    },
  };
}
