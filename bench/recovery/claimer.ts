import { randomUUID } from 'node:crypto';
import { HttpClient } from '../rush/http.js';

interface Refusal {
  readonly code: string;
}

export interface Admission {
  readonly state: string;
  readonly token: string | null;
}

/** The first claim of somebody after an outage. */
export interface FirstClaim {
  /** Instant at which it was answered, ms since 1970. */
  readonly atMs: number;
  /** What was answered before, by code. */
  readonly refusals: Readonly<Record<string, number>>;
}

const pauseMs = 20;
const patienceMs = 60_000;
const joinQuery = `mutation ($input: JoinQueueInput!) {
  joinQueue(input: $input) { entry { id state admission { token } } errors { ... on UserError { code } } }
}`;
const holdQuery = `mutation ($input: HoldSeatsInput!) {
  holdSeats(input: $input) { hold { id } errors { ... on UserError { code } } }
}`;

/** Somebody who wants a seat and asks again and again, over HTTP. */
export class Claimer {
  readonly #url: string;
  readonly #token: string;
  readonly #http = new HttpClient({ sockets: 1, localAddress: '127.0.0.1' });

  constructor(url: string, token: string) {
    this.#url = `${url}/graphql`;
    this.#token = token;
  }

  /** Joins, or comes back with an admission of before; null when that is refused. */
  async join(eventId: string, admission: string | null): Promise<Admission | Refusal> {
    const { entry, errors } = await this.#ask<{
      entry: { state: string; admission: { token: string } | null } | null;
      errors: Refusal[];
    }>('joinQueue', joinQuery, { eventId, admission });
    if (entry === null) return errors[0] ?? { code: 'NOTHING' };
    return { state: entry.state, token: entry.admission?.token ?? null };
  }

  /** Claims one seat until it gets one; with an admission of before it is shown first. */
  async claim(
    eventId: string,
    wish: { readonly categoryId: string; readonly admission: string | null },
  ): Promise<FirstClaim> {
    const refusals: Record<string, number> = {};
    const idempotencyKey = randomUUID();
    const deadlineMs = Date.now() + patienceMs;
    let shown = wish.admission === null;
    while (Date.now() < deadlineMs) {
      const code = await this.#attempt(eventId, { ...wish, idempotencyKey, shown });
      if (code === 'HELD') return { atMs: Date.now(), refusals };
      if (code === 'SHOWN') {
        shown = true;
        continue;
      }
      refusals[code] = (refusals[code] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    throw new Error(`nobody got a seat within ${patienceMs} ms: ${JSON.stringify(refusals)}`);
  }

  close(): void {
    this.#http.close();
  }

  async #attempt(
    eventId: string,
    wish: {
      readonly categoryId: string;
      readonly admission: string | null;
      readonly idempotencyKey: string;
      readonly shown: boolean;
    },
  ): Promise<string> {
    try {
      if (!wish.shown) {
        const joined = await this.join(eventId, wish.admission);
        if ('code' in joined) return joined.code;
        return joined.state === 'ADMITTED' ? 'SHOWN' : joined.state;
      }
      const { categoryId, idempotencyKey } = wish;
      const seats = { bestAvailable: { categoryId, quantity: 1 } };
      const { hold, errors } = await this.#ask<{ hold: object | null; errors: Refusal[] }>('holdSeats', holdQuery, {
        eventId,
        idempotencyKey,
        seats,
      });
      return hold === null ? (errors[0]?.code ?? 'NOTHING') : 'HELD';
    } catch (error) {
      return (error as Error).message;
    }
  }

  async #ask<T>(field: string, query: string, input: object): Promise<T> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${this.#token}` };
    const answer = await this.#http.post(this.#url, headers, JSON.stringify({ query, variables: { input } }));
    const { data, errors } = JSON.parse(answer.body) as {
      data?: Record<string, T> | null;
      errors?: readonly { readonly message: string }[];
    };
    if (!data?.[field]) throw new Error(`an error: ${errors?.[0]?.message ?? answer.status}`);
    return data[field];
  }
}
