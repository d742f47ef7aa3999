import { once } from 'node:events';
import {
  closeSync,
  createWriteStream,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { SetupError, startProgram } from './process.js';

/** A server that has been started. */
export interface ScriptServer {
  /** What it printed as `listening`. */
  readonly url: string;
  readonly logFile: string;
  /** Settles with the reason when it has ended, asked or not. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

export interface ScriptOptions {
  /** The checkout: scripts are named from here and run here. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  /** Holds one log per script. */
  readonly logDir: string;
  /** Ends the script if it fires before the script is ready or done. */
  readonly signal: AbortSignal;
  /** Restarts it when a file it imports changes, and shows its log in the terminal. */
  readonly watch?: boolean;
  readonly stopGraceMs?: number;
}

const readyTimeoutMs = 60_000;
const maxLogBytes = 10 * 1024 * 1024;

/** Starts a TypeScript server of ours. It is ready when it prints a JSON line with `listening`, the URL it answers at. */
export async function startScript(script: string, options: ScriptOptions): Promise<ScriptServer> {
  const { program, logFile, explain, onObject } = await launch(script, options);
  const stop = () => program.stop(options.stopGraceMs);
  let outcome = 'was not ready in time';
  const url = await new Promise<string | undefined>((resolve) => {
    onObject((object) => {
      if (typeof object.listening === 'string') resolve(object.listening);
    });
    const timer = setTimeout(() => resolve(undefined), readyTimeoutMs);
    options.signal.addEventListener('abort', () => void stop());
    void program.ended.then((reason) => {
      clearTimeout(timer);
      outcome = reason;
      resolve(undefined);
    });
  });
  if (url !== undefined) return { url, logFile, ended: program.ended, stop };
  await stop();
  throw explain(outcome);
}

/** Runs a TypeScript script of ours to its end and returns the last JSON object it printed, or {}. */
export async function runScript(script: string, options: ScriptOptions): Promise<Record<string, unknown>> {
  const { program, explain, onObject } = await launch(script, options);
  let last: Record<string, unknown> = {};
  onObject((object) => {
    last = object;
  });
  options.signal.addEventListener('abort', () => void program.stop());
  await once(program.child, 'close');
  const reason = await program.ended;
  if (reason !== 'exit code 0') throw explain(reason);
  return last;
}

async function launch(script: string, { root, env, logDir, watch = false }: ScriptOptions) {
  mkdirSync(logDir, { recursive: true });
  const logFile = join(logDir, `${script.replaceAll('/', '-').replace(/\.ts$/, '')}.log`);
  if (existsSync(logFile) && statSync(logFile).size > maxLogBytes) renameSync(logFile, `${logFile}.old`);
  const log = openSync(logFile, 'a');
  const earlierBytes = fstatSync(log).size;
  const program = await startProgram(
    process.execPath,
    [...(watch ? ['--watch', '--watch-preserve-output'] : []), '--import', 'tsx', script],
    { stopSignal: 'SIGTERM', cwd: root, env, stdio: ['ignore', 'pipe', watch ? 'inherit' : log] },
  ).finally(() => closeSync(log));
  const output = program.child.stdout as Readable;
  // Read to the end whatever happens, so that a script that prints never waits for a reader; the log keeps it as well.
  output.pipe(createWriteStream(logFile, { flags: 'a' }));
  return {
    program,
    logFile,
    onObject: (take: (object: Record<string, unknown>) => void) => {
      createInterface({ input: output }).on('line', (line) => {
        const object = parseObject(line);
        if (object !== undefined) take(object);
      });
    },
    explain: (reason: string) => {
      const said = lastWords(readFileSync(logFile).subarray(earlierBytes).toString());
      return new SetupError(`${script} failed (${reason})${said && `: ${said}`}. Its log is ${logFile}.`);
    },
  };
}

/** The line in which a script says what is wrong: the last error if one was thrown, else its last line. */
function lastWords(output: string): string {
  const lines = output.trim().split('\n');
  const line = lines.findLast((text) => /^\w*Error\b/.test(text)) ?? lines.at(-1) ?? '';
  const message = parseObject(line)?.msg;
  return (typeof message === 'string' ? message : line).slice(0, 500).replace(/\.$/, '');
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
