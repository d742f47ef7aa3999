import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

export interface TestSmtp {
  /** smtp://… */
  readonly url: string;
  /** Mails as they came, the oldest first. */
  readonly mails: readonly string[];
  /** What happens once a mail is taken and before that is answered. */
  beforeAnswer(act: () => Promise<void>): void;
  close(): Promise<void>;
}

/** A mail server that can be asked to do something between taking a mail and saying so. */
export async function startSmtp(): Promise<TestSmtp> {
  const mails: string[] = [];
  let act: () => Promise<void> = async () => {};
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onData: (stream, _session, done) => {
      void buffer(stream).then(async (raw) => {
        mails.push(raw.toString('latin1'));
        await act();
        done();
      });
    },
  });
  // A client that is gone before its answer came.
  server.on('error', () => {});
  const listener = server.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    beforeAnswer: (next) => {
      act = next;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
