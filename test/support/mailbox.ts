import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startProgram } from '../../sandbox/services/process.js';
import { eventually } from './eventually.js';

export interface ReceivedMail {
  readonly messageId: string;
  readonly subject: string;
  readonly text: string;
  readonly attachments: readonly { readonly name: string; readonly type: string; readonly path: string }[];
}

export interface Mailbox {
  /** smtp://… */
  readonly smtpUrl: string;
  /** The newest mail to an address, as soon as there are so many. */
  newest(to: string, count?: number): Promise<ReceivedMail>;
  /** All mails to an address so far, the newest first. */
  all(to: string): Promise<readonly ReceivedMail[]>;
  attachment(mail: ReceivedMail): Promise<Buffer>;
  stop(): Promise<void>;
}

/** The mailbox of the sandbox, as a process of its own. */
export async function startMailbox(smtpPort = 0): Promise<Mailbox> {
  const program = await startProgram(process.execPath, ['--import', 'tsx', 'sandbox/mail/main.ts'], {
    stopSignal: 'SIGTERM',
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, SMTP_PORT: String(smtpPort) },
  });
  const [line] = (await once(createInterface({ input: program.child.stdout! }), 'line')) as [string];
  const { listening, smtp } = JSON.parse(line) as { listening: string; smtp: string };
  const all = async (to: string) =>
    (await (await fetch(`${listening}/messages?to=${encodeURIComponent(to)}`)).json()) as ReceivedMail[];
  return {
    smtpUrl: smtp,
    all,
    attachment: async ({ attachments }) => {
      const response = await fetch(`${listening}${attachments[0]!.path}`);
      expect(response.headers.get('content-type')).toBe('application/pdf');
      return Buffer.from(await response.arrayBuffer());
    },
    newest: (to, count = 1) =>
      eventually(async () => {
        const found = await all(to);
        expect(found.length).toBeGreaterThanOrEqual(count);
        return found[0]!;
      }),
    stop: () => program.stop(),
  };
}
