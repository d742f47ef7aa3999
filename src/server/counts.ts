import { CloseCode } from 'graphql-ws';

// Plain integers that busy paths count up and that are read when somebody asks. What counts by a name has a fixed set of names.

const standardCodes = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
const protocolCodes = Object.values(CloseCode).filter((code) => typeof code === 'number');

export interface SocketCounts {
  readonly open: number;
  /** Those that have not read what was sent. */
  readonly lagging: number;
  /** What is kept for them, sent or waiting. */
  readonly unreadBytes: number;
}

/** Closed sockets by code. A client may close with any code; those without a meaning here count as one. */
export class CloseCounts {
  readonly #byCode: Map<number, number>;
  #other = 0;

  constructor(ownCodes: readonly number[]) {
    this.#byCode = new Map([...standardCodes, ...protocolCodes, ...ownCodes].map((code) => [code, 0]));
  }

  add(code: number): void {
    const count = this.#byCode.get(code);
    if (count === undefined) this.#other += 1;
    else this.#byCode.set(code, count + 1);
  }

  *[Symbol.iterator](): Iterator<readonly [code: string, count: number]> {
    for (const [code, count] of this.#byCode) yield [String(code), count];
    yield ['other', this.#other];
  }
}

/** `unknown`: refused before it was known what it is. */
export type OperationKind = 'query' | 'mutation' | 'subscription' | 'unknown';
export type Outcome = 'ok' | 'error';

/** Operations of one transport. Refusals that an answer carries as data are answers like any other. */
export type OperationCounts = Record<OperationKind, Record<Outcome, number>>;

export function makeOperationCounts(): OperationCounts {
  const nothing = () => ({ ok: 0, error: 0 });
  return { query: nothing(), mutation: nothing(), subscription: nothing(), unknown: nothing() };
}

export function outcomeOf({ errors }: { readonly errors?: readonly unknown[] | undefined }): Outcome {
  return errors === undefined ? 'ok' : 'error';
}
