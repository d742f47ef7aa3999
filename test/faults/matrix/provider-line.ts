import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { PaymentSandbox } from '../../support/payment-sandbox.js';

export type Endpoint = 'create' | 'capture' | 'cancel' | 'refund' | 'retrieve' | 'list';

/**
 * broken: the provider does nothing, answers 500 and repeats that under the same key · hang: it acts and never answers · cut: it acts and
 * the connection breaks · limited: 429.
 */
export type ProviderFault = 'broken' | 'hang' | 'cut' | 'limited';

interface Call {
  readonly caller: string;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

interface Hold {
  readonly endpoint: Endpoint;
  arrived(caller: string): void;
  readonly gone: Promise<void>;
}

/**
 * The wire between the API and the provider, one end for each process: what passes can be stopped and spoilt at exactly one call. Buyers
 * reach the provider past it.
 */
export class ProviderLine {
  readonly #provider: PaymentSandbox;
  readonly #ends = new Map<string, Server>();
  #hold: Hold | null = null;
  #fault: ProviderFault | null = null;
  #faultyCalls = 0;
  /** How many calls were spoilt since the last `calm`. */
  spoilt = 0;

  constructor(provider: PaymentSandbox) {
    this.#provider = provider;
  }

  /** The address of the provider for one process of the API. */
  async openEnd(caller: string): Promise<string> {
    const server = createServer((incoming, outgoing) => {
      void this.#pass(caller, incoming, outgoing).catch(() => outgoing.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#ends.set(caller, server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Stops the next call of an endpoint before the provider sees it. Resolves to who called; `go` lets it pass, whether or not they still listen. */
  stopAt(endpoint: Endpoint): { readonly arrived: Promise<string>; go(): void } {
    let go = () => {};
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    const arrived = new Promise<string>((resolve) => {
      this.#hold = { endpoint, arrived: resolve, gone };
    });
    return { arrived, go: () => go() };
  }

  /** Spoils the next call that passes, or the one that is stopped. A connection that breaks does so twice: the library repeats it once by itself. */
  spoilNext(fault: ProviderFault): void {
    this.#fault = fault;
    this.#faultyCalls = fault === 'cut' ? 2 : 1;
  }

  /** Nothing is stopped or spoilt any more. */
  calm(): void {
    this.#hold = null;
    this.#faultyCalls = 0;
    this.spoilt = 0;
  }

  async close(): Promise<void> {
    for (const server of this.#ends.values()) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }

  async #pass(caller: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = incoming;
    const call = { caller, method, path, headers, body: await buffer(incoming) };
    const hold = this.#hold;
    if (hold?.endpoint === endpointOf(call)) {
      this.#hold = null;
      hold.arrived(caller);
      await hold.gone;
    }
    const fault = this.#faultyCalls > 0 ? this.#fault : null;
    if (fault !== null) {
      this.#faultyCalls -= 1;
      this.spoilt += 1;
    }
    if (fault === 'limited') return send(outgoing, rateLimited);
    const answer = await (fault === 'broken' ? this.#whileBroken(() => this.#forward(call)) : this.#forward(call));
    if (fault === 'cut') outgoing.destroy();
    // Whoever waits gives up by their own clock.
    else if (fault !== 'hang') send(outgoing, answer);
  }

  /** The provider fails by itself, so that it also remembers what it has answered. */
  async #whileBroken(act: () => Promise<Answer>): Promise<Answer> {
    await this.#provider.settings({ failureRate: 1, failureMode: 'before' });
    return act().finally(() => this.#provider.settings({ failureRate: 0 }));
  }

  #forward({ method, path, headers, body }: Call): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = { method, headers: { ...headers, host: new URL(this.#provider.url).host } };
      const onward = request(`${this.#provider.url}${path}`, options, (response) => {
        buffer(response).then(
          (found) => resolve({ status: response.statusCode ?? 500, headers: response.headers, body: found }),
          reject,
        );
      });
      onward.on('error', reject);
      onward.end(body);
    });
  }
}

const rateLimited: Answer = {
  status: 429,
  headers: { 'content-type': 'application/json', 'stripe-rate-limited-reason': 'global-rate' },
  body: Buffer.from(
    JSON.stringify({
      error: { type: 'invalid_request_error', code: 'rate_limit', message: 'Request rate limit exceeded.' },
    }),
  ),
};

function send(outgoing: ServerResponse, { status, headers, body }: Answer): void {
  const { 'transfer-encoding': _, connection: __, ...kept } = headers;
  outgoing.writeHead(status, { ...kept, 'content-length': body.length });
  outgoing.end(body);
}

function endpointOf({ method, path }: Call): Endpoint | null {
  const [where = ''] = path.split('?');
  if (where === '/v1/refunds') return method === 'POST' ? 'refund' : null;
  const [, id, action] = /^\/v1\/payment_intents(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(where) ?? [];
  if (action === 'capture' || action === 'cancel') return action;
  if (!where.startsWith('/v1/payment_intents') || action !== undefined) return null;
  if (method === 'POST') return id === undefined ? 'create' : null;
  return id === undefined ? 'list' : 'retrieve';
}
