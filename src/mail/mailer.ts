import { createTransport } from 'nodemailer';
import type { Logger } from 'pino';
import { limits } from '../limits.js';

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** Sends mail off the path of requests. */
export interface Mailer {
  /** False: no mail server is configured. */
  readonly enabled: boolean;
  /** Takes a mail and sends it soon, a few times if need be. False: too many are waiting, nothing was taken. */
  send(mail: Mail): boolean;
  close(): void;
}

/** A mailer over SMTP. What waits is lost with the process: whoever misses a mail asks for it again. */
export function makeMailer(settings: { readonly url: string | null; readonly from: string }, log: Logger): Mailer {
  const { url, from } = settings;
  if (url === null) return { enabled: false, send: () => false, close: () => {} };
  const transport = createTransport({
    url,
    pool: true,
    maxConnections: limits.mailConnections,
    connectionTimeout: limits.mailTimeoutMs,
    greetingTimeout: limits.mailTimeoutMs,
    socketTimeout: limits.mailTimeoutMs,
  });
  let waiting = 0;
  let closed = false;
  const deliver = async (mail: Mail, attempt: number): Promise<void> => {
    try {
      await transport.sendMail({ from, to: mail.to, subject: mail.subject, text: mail.text });
    } catch (error) {
      // The address stays out of the log.
      log.warn({ err: error, attempt }, 'a mail could not be sent');
      if (attempt >= limits.mailAttempts || closed) return;
      await new Promise((resolve) => setTimeout(resolve, limits.mailRetryMs * attempt));
      await deliver(mail, attempt + 1);
    }
  };
  return {
    enabled: true,
    send: (mail) => {
      if (waiting >= limits.mailQueue) return false;
      waiting += 1;
      void deliver(mail, 1).finally(() => {
        waiting -= 1;
      });
      return true;
    },
    close: () => {
      closed = true;
      transport.close();
    },
  };
}
