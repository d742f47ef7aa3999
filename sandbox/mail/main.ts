import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';

/**
 * A mailbox that takes every mail and delivers none, as a process. Environment: HOST, PORT (of its page), SMTP_PORT; 0 takes a free one.
 * Prints one line when it listens. `GET /` is the page, `GET /messages` the same as JSON, newest first; `?to=` narrows both. Attachments are
 * at `/messages/ID/attachments/N`.
 */
interface Message {
  /** Of the mailbox: in the order in which mails came. */
  readonly id: number;
  readonly messageId: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly at: string;
  readonly attachments: readonly { readonly name: string; readonly type: string; readonly content: Buffer }[];
}

const kept = 500;
const messageBytes = 262_144;
const messages: Message[] = [];
let taken = 0;
const host = process.env.HOST || '127.0.0.1';

const smtp = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS', 'AUTH'],
  size: messageBytes,
  onData: (stream, session, done) => {
    buffer(stream)
      .then((raw) => PostalMime.parse(raw))
      .then((mail) => {
        const to = session.envelope.rcptTo.map(({ address }) => address);
        taken += 1;
        messages.unshift({
          id: taken,
          messageId: mail.messageId ?? '',
          to,
          subject: mail.subject ?? '',
          text: mail.text ?? '',
          at: new Date().toISOString(),
          attachments: mail.attachments.map(({ filename, mimeType, content }) => ({
            name: filename ?? 'attachment',
            type: mimeType,
            content: typeof content === 'string' ? Buffer.from(content) : Buffer.from(content as ArrayBuffer),
          })),
        });
        messages.length = Math.min(messages.length, kept);
        done();
      })
      .catch((error: Error) => done(error));
  },
});

const escaped = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Where the attachments of a mail are. */
const linked = ({ id, attachments }: Message) =>
  attachments.map(({ name, type }, at) => ({ name, type, path: `/messages/${id}/attachments/${at}` }));

function page(found: readonly Message[]): string {
  const items = found.map(
    (message) =>
      `<article><h2>${escaped(message.subject)}</h2><p>to ${escaped(message.to.join(', '))}, ${message.at}</p><pre>${escaped(message.text)}</pre>${linked(
        message,
      )
        .map(({ name, path }) => `<p><a href="${path}">${escaped(name)}</a></p>`)
        .join('')}</article>`,
  );
  return `<!doctype html><meta charset="utf-8"><title>Mailbox</title><h1>Mailbox</h1>${items.join('') || '<p>No mail yet.</p>'}`;
}

function attachmentAt(pathname: string) {
  const [, id, at] = /^\/messages\/(\d+)\/attachments\/(\d+)$/.exec(pathname) ?? [];
  return messages.find((message) => String(message.id) === id)?.attachments[Number(at)];
}

function answer(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body);
}

const http = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const to = searchParams.get('to')?.toLowerCase();
  const found = to === undefined ? messages : messages.filter((message) => message.to.includes(to));
  const attachment = attachmentAt(pathname);
  // A stranger's page is downloaded, not shown as one of ours.
  const shown = attachment?.type === 'application/pdf' ? 'inline' : 'attachment';
  if (attachment !== undefined)
    response
      .writeHead(200, {
        'content-type': attachment.type,
        'content-disposition': shown,
        'x-content-type-options': 'nosniff',
      })
      .end(attachment.content);
  else if (pathname === '/messages')
    answer(
      response,
      'application/json',
      JSON.stringify(found.map((message) => ({ ...message, attachments: linked(message) }))),
    );
  else if (pathname === '/') answer(response, 'text/html', page(found));
  else response.writeHead(404).end();
});

const portOf = (server: { address(): AddressInfo | string | null }) => (server.address() as AddressInfo).port;

smtp.on('error', (error) => process.stderr.write(`mailbox: ${error.message}\n`));
const smtpListener = smtp.listen(Number(process.env.SMTP_PORT || 0), host);
http.listen(Number(process.env.PORT || 0), host);
await Promise.all([once(smtpListener, 'listening'), once(http, 'listening')]);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
process.stdout.write(
  `${JSON.stringify({ listening: `http://${host}:${portOf(http)}`, smtp: `smtp://${host}:${portOf(smtpListener)}` })}\n`,
);
