import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import WebSocket from 'ws';
import { HoldSeatsDocument, OrderUpdatedDocument, StartCheckoutDocument } from '../../client/operations.js';
import { LoopWatch } from '../support/loop-watch.js';
import { obey } from '../support/party.js';
import { quantile } from '../support/spread.js';

/** A process of buyers, each with a socket and a session. They hold first; what is measured is from checkout to tickets. */
export type PayerCommand =
  | { readonly type: 'open'; readonly url: string; readonly tokens: readonly string[]; readonly eventId: string }
  /** The seats of each buyer, from the first buyer on who has none yet. */
  | { readonly type: 'hold'; readonly seats: readonly (readonly string[])[] }
  /** All who hold buy, so many at a time. */
  | { readonly type: 'buy'; readonly inFlight: number };

export interface PayerReport {
  readonly orders: number;
  readonly tookMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

const nothing: PayerReport = { orders: 0, tookMs: 0, p50Ms: 0, p99Ms: 0, loopP99Ms: 0, loopMaxMs: 0 };

interface Message {
  readonly id?: string;
  readonly type: string;
  readonly payload?: { readonly data?: Record<string, unknown>; readonly errors?: unknown };
}

/** The order as it is told, as far as a payer looks at it. */
interface TickedOrder {
  readonly id: string;
  readonly state: string;
  readonly payment: {
    readonly paymentIntentId: string;
    readonly clientSecret: string;
    readonly apiUrl: string;
    readonly publishableKey: string;
  } | null;
}

interface Held {
  readonly id: string;
  readonly fence: string;
}

const agent = new Agent({ keepAlive: true });

class Payer {
  readonly #socket: WebSocket;
  readonly #listeners = new Map<string, (message: Message) => void>();
  hold: Held | null = null;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as Message;
      if (message.type === 'ping') socket.send('{"type":"pong"}');
      if (message.id !== undefined) this.#listeners.get(message.id)?.(message);
    });
  }

  static async open(url: string, token: string): Promise<Payer> {
    const socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: false, skipUTF8Validation: true });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.send(JSON.stringify({ type: 'connection_init', payload: { token } }));
    await new Promise((resolve) => socket.once('message', resolve));
    return new Payer(socket);
  }

  async take(eventId: string, seatIds: readonly string[]): Promise<void> {
    const input = { eventId, idempotencyKey: randomUUID(), seats: { seatIds } };
    const { holdSeats } = (await this.#ask(String(HoldSeatsDocument), { input })) as {
      holdSeats: { hold: Held | null };
    };
    if (holdSeats.hold === null) throw new Error(`a hold was answered ${JSON.stringify(holdSeats)}`);
    this.hold = holdSeats.hold;
  }

  /** From checkout to tickets, as a page does it. */
  async buy(): Promise<void> {
    const { id: holdId, fence } = this.hold!;
    this.hold = null;
    const input = { holdId, fence, idempotencyKey: randomUUID() };
    const { startCheckout } = (await this.#ask(String(StartCheckoutDocument), { input })) as {
      startCheckout: { order: TickedOrder | null };
    };
    if (startCheckout.order === null) throw new Error(`a checkout was answered ${JSON.stringify(startCheckout)}`);
    const orderId = startCheckout.order.id;
    const id = randomUUID();
    await new Promise<void>((resolve, reject) => {
      let paid = false;
      this.#listeners.set(id, ({ type, payload }) => {
        const order = payload?.data?.orderUpdated as TickedOrder | undefined;
        if (order?.payment && !paid) {
          paid = true;
          pay(order.payment).catch(reject);
        }
        if (order?.state === 'COMPLETED') resolve();
        else if (type !== 'next') reject(new Error(`an order ended with ${type} ${JSON.stringify(payload)}`));
      });
      const subscription = { query: String(OrderUpdatedDocument), variables: { orderId } };
      this.#socket.send(JSON.stringify({ id, type: 'subscribe', payload: subscription }));
    });
    this.#listeners.set(id, () => {});
  }

  #ask(query: string, variables: object): Promise<Record<string, unknown>> {
    const id = randomUUID();
    return new Promise((resolve, reject) => {
      this.#listeners.set(id, ({ type, payload }) => {
        if (type === 'complete') {
          this.#listeners.delete(id);
          return;
        }
        if (payload?.data) resolve(payload.data);
        else reject(new Error(JSON.stringify(payload)));
      });
      this.#socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query, variables } }));
    });
  }
}

/** What the provider's own page script does. */
function pay({
  apiUrl,
  paymentIntentId,
  clientSecret,
  publishableKey,
}: NonNullable<TickedOrder['payment']>): Promise<void> {
  const body = `client_secret=${clientSecret}&payment_method=pm_card_visa`;
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${publishableKey}`,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
    };
    const sent = request(
      `${apiUrl}/v1/payment_intents/${paymentIntentId}/confirm`,
      { method: 'POST', headers, agent },
      (answer) => {
        answer
          .resume()
          .on('end', () =>
            answer.statusCode === 200 ? resolve() : reject(new Error(`a payment was answered ${answer.statusCode}`)),
          );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

const payers: Payer[] = [];
let eventId = '';
let next = 0;

async function buy(inFlight: number): Promise<PayerReport> {
  const loop = new LoopWatch();
  const waiting = payers.filter(({ hold }) => hold !== null);
  const tookMs: number[] = [];
  let at = 0;
  const lane = async () => {
    for (let payer = waiting[at]; payer !== undefined; payer = waiting[at]) {
      at += 1;
      const startedMs = performance.now();
      await payer.buy();
      tookMs.push(performance.now() - startedMs);
    }
  };
  const startedMs = performance.now();
  await loop.during(() => Promise.all(Array.from({ length: inFlight }, lane)));
  const { p99Ms: loopP99Ms, maxMs: loopMaxMs } = loop.result(0);
  return {
    orders: waiting.length,
    tookMs: performance.now() - startedMs,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    loopP99Ms,
    loopMaxMs,
  };
}

obey<PayerCommand, PayerReport>(async (command) => {
  switch (command.type) {
    case 'open': {
      ({ eventId } = command);
      for (const token of command.tokens) payers.push(await Payer.open(command.url, token));
      return nothing;
    }
    case 'hold': {
      for (const seats of command.seats) {
        await payers[next % payers.length]!.take(eventId, seats);
        next += 1;
      }
      return nothing;
    }
    case 'buy':
      return buy(command.inFlight);
  }
});
