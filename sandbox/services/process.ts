import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** A failure the person at the keyboard can mend. Its message is one line that says what to do. */
export class SetupError extends Error {}

/** The OS user a program runs as; absent means the user of this process. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

export interface ProgramOptions extends Pick<SpawnOptions, 'cwd' | 'env' | 'stdio'> {
  /** What ends the program politely; also what it receives when this process dies. */
  readonly stopSignal: 'SIGINT' | 'SIGTERM';
  readonly identity?: Identity | undefined;
}

export interface Program {
  readonly child: ChildProcess;
  readonly pid: number;
  /** True until the program has ended, whatever ended it. */
  running(): boolean;
  /** Settles with the reason once the program has ended; never rejects. */
  readonly ended: Promise<string>;
  /** Asks politely, then insists after `graceMs`. Resolves when the process is gone. Safe to call twice. */
  stop(graceMs?: number): Promise<void>;
}

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));

/**
 * Starts a program that does not outlive this process.
 *
 * It gets a session of its own, so that Ctrl-C in the terminal reaches only us and we stop things in order. On Linux the kernel
 * itself sends `stopSignal` when we die without having stopped it (PR_SET_PDEATHSIG by setpriv, which then becomes the program,
 * so the pid is the program's own). Elsewhere a crash of this process leaves it running until the next start finds it.
 */
export async function startProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<Program> {
  const { stopSignal, identity, ...spawnOptions } = options;
  const guard = setpriv === undefined ? [] : [setpriv, '--pdeathsig', stopSignal.replace('SIG', '')];
  if (guard.length > 0 && identity !== undefined) {
    guard.push(`--reuid=${identity.uid}`, `--regid=${identity.gid}`, '--clear-groups');
  }
  const [file = command, ...rest] = [...guard, command, ...args];
  const byNode = guard.length === 0 && identity !== undefined ? identity : {};
  const child = spawn(file, rest, { ...spawnOptions, ...byNode, detached: true });

  let isRunning = true;
  const ended = new Promise<string>((resolve) => {
    const end = (reason: string) => {
      isRunning = false;
      resolve(reason);
    };
    child.once('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.once('error', (error) => end(error.message));
  });
  if (child.pid === undefined) throw new SetupError(`Cannot start ${command}: ${await ended}.`);

  return {
    child,
    pid: child.pid,
    running: () => isRunning,
    ended,
    stop: async (graceMs = 10_000) => {
      if (!isRunning) return;
      child.kill(stopSignal);
      const insist = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await ended;
      clearTimeout(insist);
    },
  };
}

/** True if nobody listens on this port of this address. */
export async function portIsFree(port: number, host: string): Promise<boolean> {
  const probe = createServer();
  probe.listen({ port, host, exclusive: true });
  try {
    await once(probe, 'listening');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE') return false;
    throw error;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}

// Below 32768, where Linux begins to hand out the local ports of outgoing connections: a port found free here is not taken by
// one of our own clients a moment later.
const firstPort = 20_000;
const portCount = 12_000;

/** A free port of 127.0.0.1, or `preferred` if that is free. Somebody may still take it first: callers try again. */
export async function findPort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await portIsFree(preferred, '127.0.0.1'))) return preferred;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = firstPort + Math.floor(Math.random() * portCount);
    if (await portIsFree(port, '127.0.0.1')) return port;
  }
  throw new SetupError(
    `No free port between ${firstPort} and ${firstPort + portCount} on 127.0.0.1: close some programs.`,
  );
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The command line of a process, or '' if there is no such process. */
export function commandLineOf(pid: number): string {
  if (existsSync('/proc/self/cmdline')) {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return '';
    }
  }
  return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
}

/**
 * Ends what a killed run left behind over the same files. The pid comes from a file and may belong to somebody else by now, so
 * it is touched only if its command line names `mark` (the directory it works on).
 */
export async function endLeftover(
  pid: number,
  mark: string,
  signal: 'SIGINT' | 'SIGTERM',
  graceMs = 10_000,
): Promise<void> {
  const isOurs = () => isAlive(pid) && commandLineOf(pid).includes(mark);
  if (!isOurs()) return;
  process.kill(pid, signal);
  const startedMs = Date.now();
  while (isOurs()) {
    const waitedMs = Date.now() - startedMs;
    if (waitedMs > 2 * graceMs) throw new SetupError(`Process ${pid} of an earlier run does not end: kill -9 ${pid}`);
    if (waitedMs > graceMs) process.kill(pid, 'SIGKILL');
    await pollPause();
  }
}

/** The pause between two looks at something that cannot call us back: a file, another process. */
export function pollPause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
