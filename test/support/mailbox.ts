import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../../sandbox/services/process.js';
import { eventually } from './eventually.js';

export interface Mailbox {
  /** smtp://… */
  readonly smtpUrl: string;
  /** The newest mail to an address, as soon as there are so many. */
  newest(to: string, count?: number): Promise<{ readonly subject: string; readonly text: string }>;
  stop(): Promise<void>;
}

/** The mailbox of the sandbox, as a process of its own. */
export async function startMailbox(): Promise<Mailbox> {
  const program = await startProgram(process.execPath, ['--import', 'tsx', 'sandbox/mail/main.ts'], {
    stopSignal: 'SIGTERM',
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH },
  });
  const [line] = (await once(createInterface({ input: program.child.stdout! }), 'line')) as [string];
  const { listening, smtp } = JSON.parse(line) as { listening: string; smtp: string };
  return {
    smtpUrl: smtp,
    newest: (to, count = 1) =>
      eventually(async () => {
        const found = (await (await fetch(`${listening}/messages?to=${encodeURIComponent(to)}`)).json()) as {
          subject: string;
          text: string;
        }[];
        expect(found.length).toBeGreaterThanOrEqual(count);
        return found[0]!;
      }),
    stop: () => program.stop(),
  };
}
