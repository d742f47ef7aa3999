import { Agent, request } from 'node:http';
import WebSocket from 'ws';
import { LoopWatch } from './loop-watch.js';
import { obey } from './party.js';
import { quantile } from './spread.js';

/** A process of people who each want a seat; so many at a time. */
export interface Wish {
  readonly person: number;
  /** Sent as it is: a message of the socket, or the body of a request. */
  readonly text: string;
  /** By which the answer over a socket is known. */
  readonly id: string;
}

export type ClaimantCommand =
  | {
      readonly type: 'open';
      readonly transport: 'socket' | 'http';
      readonly url: string;
      /** Of each person; null: the server wants none. */
      readonly tokens: readonly string[] | null;
      readonly inFlight: number;
    }
  /** Every answer is to contain one of the texts it may be known by. */
  | { readonly type: 'claim'; readonly wishes: readonly Wish[]; readonly expects: readonly string[] };

export interface ClaimantReport {
  /** How many answers contained each of the texts. */
  readonly answers: readonly number[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly tookMs: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

interface Transport {
  ask(wish: Wish): Promise<string>;
}

/** Everybody's socket is kept for all of the run, as a page of a shop does. */
class Sockets implements Transport {
  readonly #sockets: WebSocket[] = [];
  readonly #waiting = new Map<string, (text: string) => void>();

  static async open(url: string, tokens: readonly string[] | null, count: number): Promise<Sockets> {
    const made = new Sockets();
    for (let at = 0; at < (tokens?.length ?? count); at += 1) await made.#openOne(url, tokens?.[at] ?? null);
    return made;
  }

  async #openOne(url: string, token: string | null): Promise<void> {
    const socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: false, skipUTF8Validation: true });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    if (token !== null) {
      socket.send(JSON.stringify({ type: 'connection_init', payload: { token } }));
      await new Promise((resolve) => socket.once('message', resolve));
    }
    socket.on('message', (data) => {
      const text = String(data);
      const id = /"id":"([^"]+)"/.exec(text)![1]!;
      this.#waiting.get(id)?.(text);
      this.#waiting.delete(id);
    });
    this.#sockets.push(socket);
  }

  ask({ person, text, id }: Wish): Promise<string> {
    const answer = new Promise<string>((resolve) => this.#waiting.set(id, resolve));
    this.#sockets[person % this.#sockets.length]!.send(text);
    return answer;
  }
}

class Requests implements Transport {
  readonly #url: string;
  readonly #tokens: readonly string[] | null;
  readonly #agent: Agent;

  constructor(url: string, tokens: readonly string[] | null, connections: number) {
    this.#url = url;
    this.#tokens = tokens;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  ask({ person, text }: Wish): Promise<string> {
    return new Promise((resolve, reject) => {
      const token = this.#tokens?.[person];
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      };
      const sent = request(this.#url, { method: 'POST', headers, agent: this.#agent }, (answer) => {
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          body += chunk;
        });
        answer.on('end', () => resolve(body));
      });
      sent.on('error', reject);
      sent.end(text);
    });
  }
}

let transport: Transport | null = null;
let inFlight = 1;

async function claim(wishes: readonly Wish[], expects: readonly string[]): Promise<ClaimantReport> {
  const loop = new LoopWatch();
  const tookMs: number[] = [];
  const answers = expects.map(() => 0);
  let next = 0;
  const lane = async () => {
    for (let wish = wishes[next]; wish !== undefined; wish = wishes[next]) {
      next += 1;
      const startedMs = performance.now();
      const answer = await transport!.ask(wish);
      tookMs.push(performance.now() - startedMs);
      const kind = expects.findIndex((text) => answer.includes(text));
      if (kind < 0) throw new Error(`a claim was answered ${answer}`);
      answers[kind]! += 1;
    }
  };
  const startedMs = performance.now();
  await loop.during(() => Promise.all(Array.from({ length: inFlight }, lane)));
  const { p99Ms: loopP99Ms, maxMs: loopMaxMs } = loop.result(0);
  return {
    answers,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    tookMs: performance.now() - startedMs,
    loopP99Ms,
    loopMaxMs,
  };
}

obey<ClaimantCommand, ClaimantReport>(async (command) => {
  if (command.type === 'claim') return claim(command.wishes, command.expects);
  const { url, tokens } = command;
  inFlight = command.inFlight;
  transport =
    command.transport === 'http' ? new Requests(url, tokens, inFlight) : await Sockets.open(url, tokens, inFlight);
  return { answers: [], p50Ms: 0, p99Ms: 0, tookMs: 0, loopP99Ms: 0, loopMaxMs: 0 };
});
