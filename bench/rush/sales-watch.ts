import { SalesChangedDocument, type SalesChangedSubscription } from '../../client/operations.js';
import { Connection, dataOf } from './connection.js';
import type { SalesSample } from './evidence.js';

const samplesMax = 20_000;

/** The organizer at the screen: follows the live sales of the run and writes down every message. */
export class SalesWatch {
  readonly samples: SalesSample[] = [];
  readonly #connection: Connection;

  constructor(options: { readonly serverUrl: string; readonly token: string }) {
    const url = `${options.serverUrl.replace(/^http/, 'ws')}/graphql`;
    const traffic = { deliveries: 0, bytes: 0 };
    this.#connection = new Connection({ url, token: options.token, localAddress: '127.0.0.1' }, traffic, Math.random);
  }

  async start(eventId: string): Promise<void> {
    await this.#connection.open();
    this.#connection.watch('s', SalesChangedDocument, {
      variables: () => ({ eventId }),
      onNext: (text) =>
        this.#connection.take('s', () => this.#take(dataOf<SalesChangedSubscription>(text).salesChanged)),
      // An empty list of samples is what the auditor then complains of.
      onError: () => undefined,
    });
  }

  /** What the organizer saw, after `settleMs` for the last change to arrive. */
  async finish(settleMs: number): Promise<readonly SalesSample[]> {
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    this.#connection.close();
    return this.samples;
  }

  #take({ now, epoch, version, categories }: SalesChangedSubscription['salesChanged']): void {
    if (this.samples.length >= samplesMax) this.samples.shift();
    this.samples.push({ nowMs: Date.parse(now), epoch, version, categories });
  }
}
