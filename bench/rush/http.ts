import { Agent, request } from 'node:http';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly ms: number;
}

const timeoutMs = 30_000;

/** A few kept-alive connections for all buyers of a process: a thousand browsers would have a thousand, but we pay for both ends. */
export class HttpClient {
  readonly #agent: Agent;

  constructor(options: { readonly sockets: number; readonly localAddress: string }) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.sockets, localAddress: options.localAddress });
  }

  /** Rejects only if no answer came; every status is an answer. */
  post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<HttpAnswer> {
    const startedMs = performance.now();
    return new Promise((resolve, reject) => {
      const sent = request(url, {
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        agent: this.#agent,
      });
      sent.setTimeout(timeoutMs, () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      sent.on('error', reject);
      sent.on('response', (answer) => {
        answer.setEncoding('utf8');
        let text = '';
        answer.on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, body: text, ms: performance.now() - startedMs }),
        );
      });
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
