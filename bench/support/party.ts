import { SetupError, startProgram } from '../../sandbox/services/process.js';
import { deployed } from './build.js';
import { root, type Stores } from './stores.js';

interface Envelope {
  readonly serial: number;
  readonly content: unknown;
}

/** A process of the bench that does what it is told: what it takes of the machine is its own. */
export interface Party<Command, Report> {
  readonly pid: number;
  /** Rejects when the process ends instead of answering. */
  ask(command: Command): Promise<Report>;
  stop(): Promise<void>;
}

/** `file`: a program below the root that calls `obey`. */
export async function startParty<Command, Report>(stores: Stores, file: string): Promise<Party<Command, Report>> {
  const program = await startProgram(process.execPath, ['--import', 'tsx', file], {
    stopSignal: 'SIGTERM',
    cwd: root,
    env: { ...process.env, ...deployed },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  stores.onStop(() => program.stop(2_000));
  const waiting = new Map<number, (report: Report) => void>();
  program.child.on('message', ({ serial, content }: Envelope) => {
    waiting.get(serial)?.(content as Report);
    waiting.delete(serial);
  });
  const ended = program.ended.then((reason): never => {
    throw new SetupError(`${file} ended by itself (${reason})`);
  });
  // Somebody who asks is told; nobody else needs to know.
  ended.catch(() => {});
  let serial = 0;
  const ask = (content: Command) => {
    serial += 1;
    const answer = new Promise<Report>((resolve) => waiting.set(serial, resolve));
    program.child.send({ serial, content } satisfies Envelope);
    return Promise.race([answer, ended]);
  };
  return { pid: program.pid, ask, stop: () => program.stop(2_000) };
}

/** The other side: answers every command. A command that fails ends the process with its reason. */
export function obey<Command, Report>(act: (command: Command) => Promise<Report> | Report): void {
  process.on('message', ({ serial, content }: Envelope) => {
    Promise.resolve(content as Command)
      .then(act)
      .then((report) => process.send?.({ serial, content: report } satisfies Envelope))
      .catch((error: Error) => {
        process.stderr.write(`${error.stack ?? error.message}\n`);
        process.exit(1);
      });
  });
  process.on('disconnect', () => process.exit(0));
}
