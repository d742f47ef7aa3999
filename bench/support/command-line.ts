import { type ParseArgsConfig, parseArgs } from 'node:util';
import { SetupError } from '../../sandbox/services/process.js';

/** A command line that cannot be carried out; the message names the bad option. */
export class UsageError extends Error {}

/** Tells whoever waits what is going on; results alone go to the standard output. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Values of options as texts; throws UsageError where one is unknown or lacks its value. */
export function parseOptions<const T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>>['values'] {
  try {
    return parseArgs(config).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

export function wholeNumber(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new UsageError(`--${name} takes a whole number from ${low} to ${high}, not ${text}`);
}

/**
 * Runs a command and ends the process with what it answers. 1: it failed; 2: a wrong command line, which is told with the usage. A signal
 * stops it as a failure does, so that what it has started is stopped by its own `finally`.
 */
export async function runCommand<O>(
  usage: string,
  read: (argv: readonly string[]) => O,
  run: (options: O, stopped: Promise<never>) => Promise<0 | 1>,
): Promise<never> {
  process.exit(await attempt(usage, read, run));
}

async function attempt<O>(
  usage: string,
  read: (argv: readonly string[]) => O,
  run: (options: O, stopped: Promise<never>) => Promise<0 | 1>,
): Promise<number> {
  const argv = process.argv.slice(2);
  if (argv.includes('--help')) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  try {
    const options = read(argv);
    const stopped = new Promise<never>((_, reject) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
        process.on(signal, () => reject(new SetupError(`stopped by ${signal}`)));
    });
    return await run(options, stopped);
  } catch (error) {
    if (error instanceof UsageError) {
      say(`${error.message}\n\n${usage}`);
      return 2;
    }
    say(error instanceof SetupError ? error.message : String((error as Error).stack ?? error));
    return 1;
  }
}
