import type { TypedDocumentString } from '../../client/operations.js';
import { type Answer, Connection, OperationError, type Traffic } from './connection.js';
import type { Histogram } from './histogram.js';
import type { HistoryEvent, HistoryWriter } from './history.js';
import type { Random } from './random.js';
import type { SocketTarget } from './socket.js';
import type { Witness } from './witness.js';

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** What an operation asks for and what its answer means, for the history. */
export interface Noted<R> {
  readonly operation: string;
  readonly seats?: readonly number[];
  had?(thing: R): Partial<HistoryEvent>;
}

export type Answered<R> = { readonly thing: R } | { readonly refusal: Refusal };

/** How a stream is followed. */
export interface Following<V> {
  variables(): V;
  onNext(text: string): void;
  /** There is no such thing (any more). */
  onGone?(): void;
}

interface Waiter {
  done(): boolean;
  resolve(): void;
  readonly deadlineMs: number;
}

export const refusalRetries = 20;
/** How often a buyer asks again who hears of an outage; with the pauses in between, about two minutes. */
const outageRetries = 100;

/** What a buyer says and waits for: mutations until they are answered, streams until they have said something. */
export class Conversation {
  readonly connection: Connection;
  readonly #witness: Witness;
  readonly #random: Random;
  readonly #repeats: boolean;
  readonly #history: HistoryWriter | null;
  #waiter: Waiter | null = null;
  #streamError: string | null = null;

  constructor(
    target: SocketTarget,
    parts: {
      readonly traffic: Traffic;
      readonly witness: Witness;
      readonly random: Random;
      readonly history: HistoryWriter | null;
    },
  ) {
    const { traffic, witness, random, history } = parts;
    this.connection = new Connection(target, traffic, () => random.next());
    this.#history = history;
    this.#witness = witness;
    this.#random = random;
    this.#repeats = witness.record.persona.repeats;
  }

  /** Sends a mutation until it is answered with something other than "later"; twice at once for a buyer who repeats everything. */
  async ask<T, V, R extends { readonly id: string }>(
    document: TypedDocumentString<T, V>,
    variables: V,
    read: (data: T) => { readonly thing: R | null; readonly errors: readonly Refusal[] },
    noted: Noted<R>,
    latency?: Pick<Histogram, 'add'>,
  ): Promise<Answered<R>> {
    for (let attempt = 0; ; attempt += 1) {
      this.note('invoke', noted, { seats: noted.seats ?? null });
      const again = this.#repeats ? this.#call(document, variables) : null;
      const [answer, second] = await Promise.all([this.#call(document, variables), again]).catch((error) => {
        this.note('unknown', noted, {});
        throw error;
      });
      latency?.add(answer.ms);
      const { thing, errors } = read(answer.data);
      const repeated = second && read(second.data).thing;
      if (thing && repeated) this.#witness.repeated(noted.operation, thing.id, repeated.id);
      const got = thing ?? repeated;
      if (got) {
        this.note('ok', noted, noted.had?.(got) ?? {});
        return { thing: got };
      }
      const refusal = errors[0] ?? { code: 'NOTHING', message: 'neither a result nor an error' };
      this.note('fail', noted, { code: refusal.code });
      this.#witness.refused(refusal.code);
      if (refusal.retryAfterMs === undefined || attempt >= refusalRetries) return { refusal };
      await pause(this.#random.between(refusal.retryAfterMs, refusal.retryAfterMs * 2));
    }
  }

  /** Writes a line of the history. */
  note(type: HistoryEvent['type'], { operation }: { readonly operation: string }, more: Partial<HistoryEvent>): void {
    const { buyer: process, personId: owner } = this.#witness.record;
    this.#history?.write({ type, operation, process, owner, seats: null, redisMs: null, ...more });
  }

  /** Follows a stream under a short id, over cuts; one that begins with an outage is asked for again. */
  listen<T, V>(id: string, document: TypedDocumentString<T, V>, follow: Following<V>, attempt = 1): void {
    this.connection.watch(id, document, {
      variables: follow.variables,
      onNext: (text) => {
        try {
          follow.onNext(text);
        } catch (error) {
          if (!(error instanceof OperationError)) throw error;
          this.#stumble(id, error, attempt, follow, () => {
            this.#witness.askedAgain();
            this.listen(id, document, follow, attempt + 1);
          });
        }
        if (this.#waiter?.done()) this.#release();
      },
      onError: (message) => this.#fail(`${id}: ${message}`),
    });
  }

  /** What was followed is gone, or a store does not answer: then it is asked for again a little later. */
  #stumble<V>(
    id: string,
    { code, message }: OperationError,
    attempt: number,
    { onGone }: Following<V>,
    again: () => void,
  ): void {
    this.#witness.refused(`error: ${message}`);
    if (code === 'NOT_FOUND' && onGone !== undefined) {
      this.connection.unwatch(id);
      onGone();
    } else if (attempt < outageRetries) void this.pause(500, 1_500).then(again);
    else this.#fail(`${id}: ${message}`);
  }

  #fail(message: string): void {
    this.#streamError = message;
    this.#release();
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
