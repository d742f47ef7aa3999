import type { TypedDocumentString } from '../../client/operations.js';
import { type Answer, Connection, OperationError, type Traffic } from './connection.js';
import type { Histogram } from './histogram.js';
import type { Random } from './random.js';
import type { SocketTarget } from './socket.js';
import type { Witness } from './witness.js';

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

export type Answered<R> = { readonly thing: R } | { readonly refusal: Refusal };

interface Waiter {
  done(): boolean;
  resolve(): void;
  readonly deadlineMs: number;
}

export const refusalRetries = 20;
const outageRetries = 4;

/** What a buyer says and waits for: mutations until they are answered, streams until they have said something. */
export class Conversation {
  readonly connection: Connection;
  readonly #witness: Witness;
  readonly #random: Random;
  readonly #repeats: boolean;
  #waiter: Waiter | null = null;
  #streamError: string | null = null;

  constructor(target: SocketTarget, traffic: Traffic, witness: Witness, random: Random) {
    this.connection = new Connection(target, traffic, () => random.next());
    this.#witness = witness;
    this.#random = random;
    this.#repeats = witness.record.persona.repeats;
  }

  /** Sends a mutation until it is answered with something other than "later"; twice at once for a buyer who repeats everything. */
  async ask<T, V, R extends { readonly id: string }>(
    document: TypedDocumentString<T, V>,
    variables: V,
    read: (data: T) => { readonly thing: R | null; readonly errors: readonly Refusal[] },
    latency?: Histogram,
  ): Promise<Answered<R>> {
    for (let attempt = 0; ; attempt += 1) {
      const again = this.#repeats ? this.#call(document, variables) : null;
      const [answer, second] = await Promise.all([this.#call(document, variables), again]);
      latency?.add(answer.ms);
      const { thing, errors } = read(answer.data);
      const repeated = second && read(second.data).thing;
      if (thing && repeated) this.#witness.repeated(Object.keys(answer.data as object).join(), thing.id, repeated.id);
      const got = thing ?? repeated;
      if (got) return { thing: got };
      const refusal = errors[0] ?? { code: 'NOTHING', message: 'neither a result nor an error' };
      this.#witness.refused(refusal.code);
      if (refusal.retryAfterMs === undefined || attempt >= refusalRetries) return { refusal };
      await pause(this.#random.between(refusal.retryAfterMs, refusal.retryAfterMs * 2));
    }
  }

  /** Follows a stream under a short id, over cuts; one that begins with an outage is asked for again. */
  listen<T, V>(
    id: string,
    document: TypedDocumentString<T, V>,
    variables: () => V,
    onNext: (text: string) => void,
    attempt = 1,
  ): void {
    this.connection.watch(id, document, {
      variables,
      onNext: (text) => {
        try {
          onNext(text);
        } catch (error) {
          if (!(error instanceof OperationError) || attempt === outageRetries) throw error;
          this.#witness.refused(`error: ${error.message}`);
          void this.pause(500, 1_500).then(() => this.listen(id, document, variables, onNext, attempt + 1));
          return;
        }
        if (this.#waiter?.done()) this.#release();
      },
      onError: (message) => {
        this.#streamError = `${id}: ${message}`;
        this.#release();
      },
    });
  }

  /** Waits for something the streams will say, at most this long; answers whether it was said. */
  async until(done: () => boolean, ms: number): Promise<boolean> {
    if (!done() && this.#streamError === null) {
      await new Promise<void>((resolve) => {
        this.#waiter = { done, resolve, deadlineMs: Date.now() + ms };
      });
    }
    if (this.#streamError !== null) throw new OperationError(this.#streamError);
    return done();
  }

  /** Looks at the clock; called a few times a second instead of a timer for every buyer and message. */
  sweep(nowMs: number): void {
    const waiter = this.#waiter;
    if (waiter && (nowMs >= waiter.deadlineMs || waiter.done())) this.#release();
  }

  pause(lowMs: number, highMs: number): Promise<void> {
    return pause(this.#random.between(lowMs, highMs));
  }

  /** An outage is answered with an error instead of a result; what was asked may have been done, so the same is asked again. */
  async #call<T, V>(document: TypedDocumentString<T, V>, variables: V): Promise<Answer<T>> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.connection.call(document, variables);
      } catch (error) {
        if (!(error instanceof OperationError) || attempt === outageRetries) throw error;
        this.#witness.refused(`error: ${error.message}`);
        await this.pause(500, 1_500);
      }
    }
  }

  #release(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.resolve();
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
