import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { until } from './patience.js';
import type { ApiServer } from './servers.js';

export interface Letter {
  readonly id: string;
  readonly type: string;
  readonly body: string;
}

/** What becomes of a letter: brought at once, thrown away, or kept until somebody asks for it. */
export type Policy = 'bring' | 'lose' | 'keep';

/** Carries the provider's webhooks to whichever process of the API is up. The provider believes that what is lost or kept has arrived. */
export class Postman {
  policy: Policy = 'bring';
  /** Each letter is brought so often, all at once. */
  copies = 1;
  /** Every letter since the last `forget`, each once, in the order in which they came. */
  readonly seen: Letter[] = [];
  readonly counts = { brought: 0, refused: 0, lost: 0, kept: 0, repeated: 0 };
  readonly #apis: readonly ApiServer[];
  readonly #secret: string;
  readonly #server: Server;
  #kept: Letter[] = [];
  #turn = 0;

  constructor(apis: readonly ApiServer[], secret: string) {
    this.#apis = apis;
    this.#secret = secret;
    this.#server = createServer((incoming, outgoing) => {
      void this.#take(incoming)
        .catch(() => 502)
        .then((status) => outgoing.writeHead(status).end());
    });
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/webhooks`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** A new scene: everything is brought at once again. */
  forget(): void {
    this.policy = 'bring';
    this.copies = 1;
    this.seen.length = 0;
    this.#kept = [];
  }

  /** Does with what was kept whatever is done with letters now. */
  async bringKept(): Promise<void> {
    if (this.policy === 'keep') return;
    const kept = this.#kept.splice(0);
    if (this.policy === 'lose') this.counts.lost += kept.length;
    else for (const letter of kept) if ((await this.#bring(letter)) !== 200) await this.repeat(letter);
  }

  /** Hands over what was kept. */
  takeKept(): Letter[] {
    return this.#kept.splice(0);
  }

  /** Brings everything that was ever sent once more, the newest first. */
  async bringAllReversed(): Promise<void> {
    this.#kept = [];
    for (const letter of this.seen.toReversed()) await this.repeat(letter);
  }

  /** Brings everything that was ever sent so many times, all at once. */
  async bringAll(copies: number): Promise<void> {
    await Promise.all(this.seen.flatMap((letter) => Array.from({ length: copies }, () => this.repeat(letter))));
  }

  /** Until the API has taken it. */
  async repeat(letter: Letter): Promise<void> {
    this.counts.repeated += 1;
    await until(`the API to take ${letter.type}`, async () => (await this.#post(letter)) === 200);
  }

  async #take(incoming: IncomingMessage): Promise<number> {
    const body = await text(incoming);
    const { id, type } = JSON.parse(body) as { id: string; type: string };
    const letter = { id, type, body };
    if (!this.seen.some((known) => known.id === id)) this.seen.push(letter);
    if (this.policy === 'lose') {
      this.counts.lost += 1;
      return 200;
    }
    if (this.policy === 'keep') {
      this.counts.kept += 1;
      if (!this.#kept.some((known) => known.id === id)) this.#kept.push(letter);
      return 200;
    }
    return this.#bring(letter);
  }

  /** The answer to the last copy; what fails is repeated by the provider. */
  async #bring(letter: Letter): Promise<number> {
    const answers = await Promise.all(Array.from({ length: this.copies }, () => this.#post(letter)));
    const refused = answers.find((status) => status !== 200);
    this.counts[refused === undefined ? 'brought' : 'refused'] += 1;
    return refused ?? 200;
  }

  /** Signed anew: receivers refuse old timestamps, and the provider signs every attempt by itself. */
  async #post({ body }: Letter): Promise<number> {
    const up = this.#apis.filter(({ isUp }) => isUp);
    const api = up[this.#turn++ % Math.max(up.length, 1)];
    if (api === undefined) return 503;
    const at = Math.floor(Date.now() / 1_000);
    const signature = createHmac('sha256', this.#secret).update(`${at}.${body}`).digest('hex');
    try {
      const response = await fetch(`${api.url}/webhooks/stripe`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'stripe-signature': `t=${at},v1=${signature}` },
        body,
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 502;
    }
  }
}
