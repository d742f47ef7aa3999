import type { OrderPartsFragment, QueueEntryPartsFragment } from '../../client/operations.js';
import type { Belief, BuyerRecord, Persona, SeenOrder } from './records.js';

export const graceMs = 5_000;
const listMax = 20;
const overdueLooks = 3;

export interface HeldSeats {
  readonly id: string;
  readonly fence: string;
  readonly expiresAt: string | null;
  readonly now: string;
  readonly seats: readonly { readonly index: number }[];
}

/** Writes down what one buyer is told, for an auditor who trusts nobody, and notices what should have been told and was not. */
export class Witness {
  readonly record: BuyerRecord;
  entry: QueueEntryPartsFragment | null = null;
  order: OrderPartsFragment | null = null;
  #belief: Belief | null = null;
  #seenOrder: SeenOrder | null = null;
  #queueDueMs: number | null = null;
  #overdueLooks = 0;

  constructor(buyer: number, persona: Persona) {
    this.record = {
      buyer,
      persona,
      personId: '',
      entryId: '',
      stage: 'arrive',
      end: 'unfinished',
      endDetail: '',
      endedAtMs: null,
      number: null,
      admitted: false,
      positionMessages: 0,
      mapMessages: 0,
      mapGaps: 0,
      reconnects: 0,
      contended: 0,
      silences: [],
      positionRises: [],
      repeats: [],
      beliefs: [],
      orders: [],
      tickets: [],
      refusals: {},
    };
  }

  sawEntry(entry: QueueEntryPartsFragment): void {
    const before = this.entry;
    const nowMs = Date.now();
    const rises = before?.position && entry.position && entry.position > before.position;
    if (rises) this.#keep(this.record.positionRises, { from: before.position!, to: entry.position!, atMs: nowMs });
    // The answer of a mutation may be overtaken by a message of the stream; an admission is not taken back by it.
    if (before?.state === 'ADMITTED' && entry.state === 'WAITING') return;
    this.entry = entry;
    this.record.number = entry.number ?? this.record.number;
    this.#queueDueMs = entry.nextPushInMs === null ? null : nowMs + entry.nextPushInMs + graceMs;
    this.#overdueLooks = 0;
  }

  /** The buyer begins to listen to its place: the present state is due at once. */
  expectEntry(): void {
    this.#queueDueMs = Date.now() + graceMs;
  }

  expectNothing(): void {
    this.#queueDueMs = null;
  }

  /** Counts only if several looks in a row find the message missing: what waited in our own socket has been read in between. */
  lookForSilence(nowMs: number, connected: boolean): void {
    if (this.#queueDueMs === null) return;
    if (!connected) {
      this.#queueDueMs = Math.max(this.#queueDueMs, nowMs + graceMs);
      return;
    }
    this.#overdueLooks = nowMs > this.#queueDueMs ? this.#overdueLooks + 1 : 0;
    if (this.#overdueLooks < overdueLooks) return;
    this.missed('the next message of queuePositionChanged', nowMs - this.#queueDueMs);
    this.#queueDueMs = null;
  }

  missed(what: string, overdueMs: number): void {
    this.#keep(this.record.silences, { atMs: Date.now(), overdueMs, what });
  }

  repeated(operation: string, first: string, second: string): void {
    if (first !== second) this.#keep(this.record.repeats, { operation, first, second });
  }

  refused(code: string): void {
    this.record.refusals[code] = (this.record.refusals[code] ?? 0) + 1;
  }

  gotSeats(hold: HeldSeats): void {
    const untilMs = Date.parse(hold.expiresAt ?? hold.now);
    this.#belief = { holdId: hold.id, seats: hold.seats.map((seat) => seat.index), fromMs: Date.now(), untilMs };
    this.record.beliefs.push(this.#belief);
  }

  /** The buyer gives the seats back, or hears that they are gone: from now on nothing is believed of them. */
  lostSeats(): void {
    const belief = this.#belief!;
    belief.untilMs = Math.min(belief.untilMs ?? Date.now(), Date.now());
  }

  startedOrder(order: OrderPartsFragment): void {
    const { id: orderId, state, total, payBy } = order;
    this.#belief!.untilMs = Date.parse(payBy);
    this.#seenOrder = { orderId, state, totalMinor: total.amountMinor, currency: total.currency };
    this.record.orders.push(this.#seenOrder);
    this.sawOrder(order);
  }

  sawOrder(order: OrderPartsFragment): void {
    if (this.order && order.version < this.order.version) return;
    this.order = order;
    this.#seenOrder!.state = order.state;
    if (order.state !== 'COMPLETED') return;
    this.#belief!.untilMs = null;
    this.record.tickets.length = 0;
    for (const { id: ticketId, state } of order.tickets)
      this.record.tickets.push({ orderId: order.id, ticketId, state });
  }

  #keep<T>(list: T[], item: T): void {
    if (list.length < listMax) list.push(item);
  }
}
