import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

// biome-ignore lint/suspicious/noExplicitAny: tests read whatever shape their own document asked for
export type Data = any;

export interface Answer {
  readonly status: number;
  readonly data: Data;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly string[];
    readonly extensions: Data;
  }[];
}

/** One stream of a subscription; values arrive in order and wait until they are taken. */
export interface Stream {
  /** The next value; rejects when the stream ends instead. */
  next(): Promise<Data>;
  /** Takes values until one fits. */
  until(fits: (value: Data) => boolean): Promise<Data>;
  /** Everything that has arrived and was not taken. */
  pending(): readonly Data[];
  /** Resolves when the server has completed the stream. */
  readonly ended: Promise<void>;
  stop(): void;
}

/** Talks to the API as an application does: fetch for HTTP, the graphql-ws client over a real socket for the rest. */
export class ApiClient {
  readonly #url: string;
  readonly token: string | null;
  #socket: Client | null = null;

  constructor(url: string, token: string | null) {
    this.#url = url;
    this.token = token;
  }

  /** A request over HTTP; errors of GraphQL are part of the answer. */
  async send(query: string, variables: object = {}): Promise<Answer> {
    const response = await fetch(`${this.#url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(this.token !== null && { authorization: `Bearer ${this.token}` }),
      },
      body: JSON.stringify({ query, variables }),
    });
    const { data = null, errors } = (await response.json()) as Omit<Answer, 'status'>;
    return { status: response.status, data, ...(errors && { errors }) };
  }

  /** The data of a request over HTTP that is expected to succeed. */
  async run(query: string, variables: object = {}): Promise<Data> {
    const { data, errors } = await this.send(query, variables);
    if (errors !== undefined) throw new Error(`unexpected errors: ${JSON.stringify(errors)}`);
    return data;
  }

  /** The payload of a mutation `name(input: $input)`; `selection` is what to read of the thing it answers. */
  async mutate(name: string, input: object, selection: string): Promise<Data> {
    const inputType = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
    const query = `mutation ($input: ${inputType}!) { payload: ${name}(input: $input) { ${selection} errors { ${errorSelection} } } }`;
    return (await this.run(query, { input })).payload;
  }

  /** The same request over the WebSocket. */
  async runOverSocket(query: string, variables: object = {}): Promise<Data> {
    for await (const { data, errors } of this.#client().iterate({ query, variables: { ...variables } })) {
      if (errors !== undefined) throw new Error(`unexpected errors: ${JSON.stringify(errors)}`);
      return data;
    }
    throw new Error('the operation ended without a result');
  }

  /** Starts a subscription with one root field and streams the value of that field. */
  subscribe(query: string, variables: object = {}): Stream {
    const arrived: Data[] = [];
    const takers: { resolve: (value: Data) => void; reject: (error: Error) => void }[] = [];
    let over: Error | null = null;
    let end: () => void = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const finish = (error: Error) => {
      over ??= error;
      for (const taker of takers.splice(0)) taker.reject(over);
      end();
    };
    const stop = this.#client().subscribe(
      { query, variables: { ...variables } },
      {
        next: ({ data, errors }) => {
          if (errors !== undefined) return finish(new Error(JSON.stringify(errors)));
          const value = Object.values(data as object)[0];
          const taker = takers.shift();
          if (taker === undefined) arrived.push(value);
          else taker.resolve(value);
        },
        error: (error) => finish(error instanceof Error ? error : new Error(JSON.stringify(error))),
        complete: () => finish(new Error('the stream has ended')),
      },
    );
    const next = (): Promise<Data> => {
      if (arrived.length > 0) return Promise.resolve(arrived.shift());
      if (over !== null) return Promise.reject(over);
      return new Promise((resolve, reject) => takers.push({ resolve, reject }));
    };
    const until = async (fits: (value: Data) => boolean): Promise<Data> => {
      for (;;) {
        const value = await next();
        if (fits(value)) return value;
      }
    };
    return { next, until, pending: () => arrived, ended, stop };
  }

  close(): void {
    void this.#socket?.dispose();
    this.#socket = null;
  }

  #client(): Client {
    this.#socket ??= createClient({
      url: `${this.#url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      ...(this.token !== null && { connectionParams: { token: this.token } }),
    });
    return this.#socket;
  }
}

const errorSelection = `__typename ... on UserError { code message path }`;
