import type { OrderPartsFragment, QueueEntryPartsFragment } from '../../client/operations.js';
import type { Belief, BuyerRecord, Persona, SeenOrder } from './records.js';

export const graceMs = 5_000;
const listMax = 20;
const overdueLooks = 3;
const estimatesMax = 60;
const estimateEveryMs = 5_000;

export interface HeldSeats {
  readonly id: string;
  readonly fence: string;
  readonly expiresAt: string | null;
  readonly now: string;
  readonly seats: readonly { readonly index: number }[];
}

/** What is written down of a buyer before anything has happened. */
export function blankRecord(buyer: number, persona: Persona): BuyerRecord {
  return {
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
    generation: null,
    admittedGeneration: null,
    admittedAtMs: null,
    waitingSinceMs: null,
    soldOutAtMs: null,
    estimates: [],
    lostHolds: 0,
    lostAdmissions: 0,
    lostPlaces: 0,
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
    this.record = blankRecord(buyer, persona);
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
    if (entry.state === 'WAITING') this.#sawWaiting(entry, nowMs);
    this.#queueDueMs = entry.nextPushInMs === null ? null : nowMs + entry.nextPushInMs + graceMs;
    this.#overdueLooks = 0;
  }

  /** A place as its owner joined for it, with the signed word of which generation it is. A place that was lost is another one now. */
  joined(entry: QueueEntryPartsFragment & { readonly place: string }): void {
    const { record } = this;
    const generation = generationOf(entry.place);
    if (record.entryId !== '' && entry.id !== record.entryId) {
      if (generation === record.generation) this.repeated('joinQueue', record.entryId, entry.id);
      record.lostPlaces += 1;
      this.entry = null;
    } else if (generation !== record.generation) this.entry = null;
    record.entryId = entry.id;
    record.generation = generation;
    this.sawEntry(entry);
  }

  admitted(): void {
    this.record.admitted = true;
    this.record.admittedAtMs ??= Date.now();
    const token = this.entry?.admission?.token;
    if (token) this.record.admittedGeneration = generationOf(token);
    this.record.waitingSinceMs = null;
  }

  /** The buyer begins to listen to its place: the present state is due at once. */
  expectEntry(): void {
    this.#queueDueMs = Date.now() + graceMs;
    this.record.waitingSinceMs = Date.now();
  }

  #sawWaiting({ phase, estimatedWait }: QueueEntryPartsFragment, atMs: number): void {
    const { record } = this;
    if (phase === 'SOLD_OUT') record.soldOutAtMs ??= atMs;
    else record.soldOutAtMs = null;
    const last = record.estimates.at(-1);
    if (!estimatedWait || record.estimates.length >= estimatesMax) return;
    if (last === undefined || atMs - last.atMs >= estimateEveryMs) record.estimates.push({ atMs, ...estimatedWait });
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
    this.askedAgain();
  }

  /** Who is told that something cannot be answered now is not left in silence, and the answer to who asks again is due from then on. */
  askedAgain(): void {
    if (this.#queueDueMs !== null) this.#queueDueMs = Math.max(this.#queueDueMs, Date.now() + graceMs);
  }

  gotSeats(hold: HeldSeats): void {
    const untilMs = Date.parse(hold.expiresAt ?? hold.now);
    this.#belief = {
      holdId: hold.id,
      generation: Number(hold.fence.split('.')[0]),
      ordered: false,
      seats: hold.seats.map((seat) => seat.index),
      fromMs: Date.now(),
      untilMs,
    };
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
    this.#belief!.ordered = true;
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

/** The generation of the line in which the platform signed a place or an admission. */
export function generationOf(token: string): number {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { generation: number };
  return claims.generation;
}
