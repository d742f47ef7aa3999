import { createTransport } from 'nodemailer';
import type { Logger } from 'pino';
import { limits } from '../limits.js';

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** The same for the same mail, however often it goes out: whoever gets it twice may know that. Absent: a new one each time. */
  readonly id?: string;
  readonly attachment?: { readonly filename: string; readonly contentType: string; readonly content: Buffer };
}

/** Sends mail off the path of requests. */
export interface Mailer {
  /** False: no mail server is configured. */
  readonly enabled: boolean;
  /** Takes a mail and sends it soon, a few times if need be. False: too many are waiting, nothing was taken. */
  send(mail: Mail): boolean;
  /** Sends a mail now, once; resolves when the mail server has taken it. For whoever repeats it by himself. */
  deliver(mail: Mail): Promise<void>;
  close(): void;
}

/** A mailer over SMTP. What waits is lost with the process: whoever misses a mail asks for it again. */
export function makeMailer(settings: { readonly url: string | null; readonly from: string }, log: Logger): Mailer {
  const { url, from } = settings;
  if (url === null) {
    const deliver = () => Promise.reject(new Error('no mail server is configured'));
    return { enabled: false, send: () => false, deliver, close: () => {} };
  }
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
  const domain = /@([^\s>]+)/.exec(from)?.[1] ?? 'localhost';
  const deliver = async ({ to, subject, text, id, attachment }: Mail): Promise<void> => {
    await transport.sendMail({
      from,
      // As an object: nothing of the text is read as more addresses.
      to: { name: '', address: to },
      subject,
      text,
      ...(id !== undefined && { messageId: `<${id}@${domain}>` }),
      ...(attachment !== undefined && { attachments: [attachment] }),
    });
  };
  const attempted = async (mail: Mail, attempt: number): Promise<void> => {
    try {
      await deliver(mail);
    } catch (error) {
      // The address stays out of the log.
      log.warn({ err: error, attempt }, 'a mail could not be sent');
      if (attempt >= limits.mailAttempts || closed) return;
      await new Promise((resolve) => setTimeout(resolve, limits.mailRetryMs * attempt));
      await attempted(mail, attempt + 1);
    }
  };
  return {
    enabled: true,
    send: (mail) => {
      if (waiting >= limits.mailQueue) return false;
      waiting += 1;
      void attempted(mail, 1).finally(() => {
        waiting -= 1;
      });
      return true;
    },
    deliver,
    close: () => {
      closed = true;
      transport.close();
    },
  };
}
