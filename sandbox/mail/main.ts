import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';

/**
 * A mailbox that takes every mail and delivers none, as a process. Environment: HOST, PORT (of its page), SMTP_PORT; 0 takes a free one.
 * Prints one line when it listens. `GET /` is the page, `GET /messages` the same as JSON, newest first; `?to=` narrows both.
 */
interface Message {
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly at: string;
}

const kept = 500;
const messageBytes = 262_144;
const messages: Message[] = [];
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
        messages.unshift({ to, subject: mail.subject ?? '', text: mail.text ?? '', at: new Date().toISOString() });
        messages.length = Math.min(messages.length, kept);
        done();
      })
      .catch((error: Error) => done(error));
  },
});

const escaped = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function page(found: readonly Message[]): string {
  const items = found.map(
    ({ to, subject, text, at }) =>
      `<article><h2>${escaped(subject)}</h2><p>to ${escaped(to.join(', '))}, ${at}</p><pre>${escaped(text)}</pre></article>`,
  );
  return `<!doctype html><meta charset="utf-8"><title>Mailbox</title><h1>Mailbox</h1>${items.join('') || '<p>No mail yet.</p>'}`;
}

function answer(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body);
}

const http = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const to = searchParams.get('to')?.toLowerCase();
  const found = to === undefined ? messages : messages.filter((message) => message.to.includes(to));
  if (pathname === '/messages') answer(response, 'application/json', JSON.stringify(found));
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
