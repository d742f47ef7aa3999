import { randomUUID } from 'node:crypto';
import {
  CancelOrderDocument,
  HoldSeatsDocument,
  HoldUpdatedDocument,
  JoinQueueDocument,
  LeaveQueueDocument,
  type OrderPartsFragment,
  OrderUpdatedDocument,
  type QueueEntryPartsFragment,
  QueuePositionChangedDocument,
  ReleaseHoldDocument,
  SeatMapChangedDocument,
  StartCheckoutDocument,
} from '../../client/operations.js';
import { dataOf, SilenceError } from './connection.js';
import { type Answered, Conversation } from './conversation.js';
import { type Choice, cursorOf, judgeUpdate, type MapCursor, parseMapText } from './hall.js';
import { PaymentForm } from './payment-form.js';
import { secondCard } from './persona.js';
import type { Random } from './random.js';
import type { BuyerEnd, BuyerRecord, Persona } from './records.js';
import { startSession } from './session.js';
import { generationOf, graceMs, type HeldSeats, Witness } from './witness.js';
import type { LoadWorld } from './world.js';

const firstMapMs = 10_000 + graceMs;
const formMs = 180_000;
const settleMs = 240_000;
const holdAttempts = 8;
/** How often one buyer puts up with a loss of Redis. */
const lossesMax = 10;
const finalOrders: ReadonlySet<string> = new Set(['COMPLETED', 'CANCELED', 'EXPIRED', 'LOST', 'REFUNDED']);

type Stage = 'arrive' | 'join' | 'wait' | 'choose' | 'checkout' | 'pay' | 'settle' | 'ended';

/** Ends a buyer from anywhere inside a stage. */
class Ending extends Error {
  constructor(
    readonly end: BuyerEnd,
    readonly detail = '',
  ) {
    super(end);
  }
}

/** One synthetic buyer: a machine of stages, each of which does its part over the conversation and answers the next one. */
export class Buyer {
  readonly #world: LoadWorld;
  readonly #random: Random;
  readonly #persona: Persona;
  readonly #witness: Witness;
  #conversation: Conversation | null = null;
  #stage: Stage = 'arrive';
  /** Whether the socket that is to be lost while waiting has been. */
  #hasDropped: boolean;
  #mapCursor: MapCursor | null = null;
  #hold: HeldSeats | null = null;
  /** What the platform has signed, to be shown should it lose the line. */
  #place: string | null = null;
  #admission: string | null = null;

  constructor(world: LoadWorld, buyer: number, persona: Persona, random: Random) {
    this.#world = world;
    this.#random = random;
    this.#persona = persona;
    this.#hasDropped = persona.drops !== 'waiting';
    this.#witness = new Witness(buyer, persona);
  }

  get stage(): Stage {
    return this.#stage;
  }

  /** On the way to a place, or about to lose the socket and come back to it. */
  get isComing(): boolean {
    const { stage } = this;
    return stage === 'arrive' || stage === 'join' || (stage === 'wait' && !this.#hasDropped);
  }

  get record(): BuyerRecord {
    return this.#witness.record;
  }

  /** Lives through all stages; never rejects. */
  async live(): Promise<void> {
    const stages: Record<Exclude<Stage, 'ended'>, () => Promise<Stage>> = {
      arrive: () => this.#arrive(),
      join: () => this.#join(),
      wait: () => this.#wait(),
      choose: () => this.#choose(),
      checkout: () => this.#checkout(),
      pay: () => this.#pay(),
      settle: () => this.#settle(),
    };
    try {
      while (this.#stage !== 'ended') {
        this.record.stage = this.#stage;
        this.#stage = await stages[this.#stage]();
      }
    } catch (error) {
      this.#finish(error);
    }
    this.#stage = 'ended';
    this.record.endedAtMs = Date.now();
    const connection = this.#conversation?.connection;
    this.record.reconnects = connection?.reconnects ?? 0;
    connection?.close();
  }

  /** Looks at the clock for the buyer, a few times a second. */
  sweep(nowMs: number): void {
    if (this.#stage === 'wait') this.#witness.lookForSilence(nowMs, this.#talk.connection.connected);
    this.#conversation?.sweep(nowMs);
  }

  get #talk(): Conversation {
    return this.#conversation!;
  }

  #finish(error: unknown): void {
    const { record } = this;
    if (error instanceof Ending) {
      record.end = error.end;
      record.endDetail = error.detail;
      return;
    }
    record.end = 'failed';
    record.endDetail = `${error instanceof Error ? error.message : String(error)} (in stage ${this.#stage})`;
    if (error instanceof SilenceError) this.#witness.missed(record.endDetail, 0);
    if (error instanceof TypeError) record.endDetail += ` ${error.stack}`;
  }

  async #arrive(): Promise<Stage> {
    const { http, httpUrl, socketUrl, localAddress, traffic, latencies } = this.#world;
    const session = await startSession(http, httpUrl, (code) => this.#witness.refused(code));
    latencies.session.add(session.ms);
    this.record.personId = session.personId;
    const target = { url: socketUrl, token: session.token, localAddress };
    const { history } = this.#world;
    const parts = { traffic, witness: this.#witness, random: this.#random, history };
    this.#conversation = new Conversation(target, parts);
    const startedMs = performance.now();
    await this.#talk.connection.open();
    latencies.connect.add(performance.now() - startedMs);
    return 'join';
  }

  async #join(): Promise<Stage> {
    const answer = await this.#askToJoin();
    if ('refusal' in answer && answer.refusal.code === 'SALE_CLOSED') throw new Ending('closed');
    this.#gotPlace(granted('joinQueue', answer));
    return 'wait';
  }

  /** Shows the place and the admission of before, as a page does that comes back. */
  #askToJoin(): Promise<Answered<PlaceOfJoin>> {
    const { eventId, latencies } = this.#world;
    const read = (data: JoinData) => ({ thing: data.joinQueue.entry, errors: data.joinQueue.errors });
    const had = ({ id, place, now }: PlaceOfJoin) => ({
      entry: id,
      generation: generationOf(place),
      redisMs: Date.parse(now),
    });
    const input = { eventId, place: this.#place, admission: this.#admission };
    return this.#talk.ask(JoinQueueDocument, { input }, read, { operation: 'joinQueue', had }, latencies.join);
  }

  #gotPlace(entry: PlaceOfJoin): void {
    this.#witness.joined(entry);
    this.#place = entry.place;
  }

  async #wait(): Promise<Stage> {
    const witness = this.#witness;
    witness.expectEntry();
    let gone = false;
    this.#talk.listen('q', QueuePositionChangedDocument, {
      variables: () => ({ entryId: this.record.entryId }),
      onNext: (text) => {
        witness.sawEntry(dataOf<{ queuePositionChanged: QueueEntryPartsFragment }>(text).queuePositionChanged);
        this.record.positionMessages += 1;
      },
      onGone: () => {
        gone = true;
      },
    });
    const forever = Number.POSITIVE_INFINITY;
    const waiting = () => witness.entry?.state === 'WAITING';
    if (this.#persona.drops === 'waiting') {
      await this.#talk.until(() => gone || this.record.positionMessages >= 3 || !waiting(), forever);
      if (waiting() && !gone) await this.#loseSocket();
      this.#hasDropped = true;
    }
    const told = () => witness.entry?.phase === 'SOLD_OUT' || witness.entry?.phase === 'CLOSED';
    const impatient = () => this.#world.hall.emptyForMs() > this.#persona.patienceMs;
    await this.#talk.until(() => gone || !waiting() || told() || impatient(), forever);
    witness.expectNothing();
    // Redis was lost before anybody followed this place: whoever joins again and shows it has it again.
    if (gone) return 'join';
    const { state, phase } = witness.entry!;
    if (state === 'ADMITTED') {
      this.#admission = witness.entry!.admission?.token ?? this.#admission;
      return 'choose';
    }
    if (state !== 'WAITING') throw new Ending('failed', `the place ended as ${state} while its owner was there`);
    if (phase === 'CLOSED') throw new Ending('closed');
    await this.#leave();
    if (phase === 'SOLD_OUT') throw new Ending('sold-out');
    throw new Ending('left', 'nothing was free for longer than this buyer waits');
  }

  /** Back on another socket, the place must be found again by joining once more. */
  async #loseSocket(): Promise<void> {
    // The stream begins again with the connection, and its first message may come before the answer to joining.
    this.#witness.expectEntry();
    await this.#talk.connection.drop(this.#random.between(300, 3_000));
    this.#gotPlace(granted('joinQueue after a cut', await this.#askToJoin()));
  }

  /** Redis was lost, and with it an admission that was not shown in time. */
  #lostAdmission(): Stage {
    this.record.lostAdmissions += 1;
    if (this.record.lostAdmissions > lossesMax) throw new Ending('failed', 'an admission was lost again and again');
    this.#talk.connection.unwatch('q');
    this.#witness.entry = null;
    return 'join';
  }

  async #choose(): Promise<Stage> {
    const { hall } = this.#world;
    this.#witness.admitted();
    this.#world.admittedAtMs.push(Date.now());
    this.#watchMap();
    const shown = await this.#talk.until(() => this.#mapCursor !== null, firstMapMs);
    if (!shown) this.#witness.missed('the first message of seatMapChanged', 0);
    const soldOut = new Set<string>();
    let { quantity } = this.#persona;
    for (let attempt = 0; attempt < holdAttempts; attempt += 1) {
      await this.#talk.pause(100, 1_200);
      const choice = hall.choose(this.#random, this.#persona.taste, quantity, soldOut);
      if (choice === null) break;
      // Between seeing seats free and claiming them, others do the same.
      await this.#talk.pause(100, 800);
      const answer = await this.#claim(choice);
      if ('thing' in answer) return 'checkout';
      const { code } = answer.refusal;
      if (code === 'SEATS_UNAVAILABLE') this.record.contended += 1;
      else if (code === 'SOLD_OUT') soldOut.add(categoryOf(choice));
      else if (code === 'NO_ADJACENT_SEATS') quantity = Math.max(1, quantity - 1);
      else if (code === 'SALE_CLOSED') throw new Ending('closed');
      else if (code === 'NOT_ADMITTED') return this.#lostAdmission();
      else throw new Ending('failed', `holdSeats: ${code}`);
    }
    await this.#leave();
    const nothing = hall.choose(this.#random, this.#persona.taste, 1, soldOut) === null;
    throw new Ending(nothing ? 'sold-out' : 'gave-up');
  }

  async #claim(seats: Choice): Promise<Answered<HeldSeats>> {
    const { eventId, latencies, holds } = this.#world;
    const timed = {
      add: (ms: number) => {
        latencies.hold.add(ms);
        holds.push({ atMs: Date.now(), ms });
      },
    };
    const accessible = 'bestAvailable' in seats && seats.bestAvailable.accessible !== undefined;
    const input = { eventId, idempotencyKey: randomUUID(), seats, accessible };
    const answer = await this.#talk.ask(
      HoldSeatsDocument,
      { input },
      (data) => ({ thing: data.holdSeats.hold, errors: data.holdSeats.errors }),
      {
        operation: 'holdSeats',
        ...('seatIds' in seats && { seats: seats.seatIds.map((id) => this.#world.hall.indexOf(id)) }),
        had: ({ id, seats: had, now, expiresAt, fence }) => ({
          hold: id,
          seats: had.map(({ index }) => index),
          generation: Number(fence.split('.')[0]),
          redisMs: Date.parse(now),
          untilMs: Date.parse(expiresAt ?? now),
        }),
      },
      timed,
    );
    if ('refusal' in answer) return answer;
    const hold = answer.thing;
    this.#hold = hold;
    this.#witness.gotSeats(hold);
    const variables = () => ({ holdId: hold.id });
    this.#talk.listen('h', HoldUpdatedDocument, { variables, onNext: () => undefined });
    return answer;
  }

  async #checkout(): Promise<Stage> {
    await this.#talk.pause(300, 2_500);
    if (this.#persona.outcome === 'vanish-holding') throw new Ending('vanished', 'holding');
    const { id: holdId, fence, seats: held } = this.#hold!;
    const seats = held.map(({ index }) => index);
    const input = { holdId, fence, idempotencyKey: randomUUID() };
    this.#talk.connection.unwatch('h');
    if (this.#persona.outcome === 'release') {
      this.#witness.lostSeats();
      const read = (data: ReleaseData) => ({ thing: data.releaseHold.hold, errors: data.releaseHold.errors });
      const noted = { operation: 'releaseHold', seats, had: () => ({ hold: holdId, seats }) };
      const released = await this.#talk.ask(ReleaseHoldDocument, { input }, read, noted);
      if (!('refusal' in released && released.refusal.code === 'HOLD_LOST')) granted('releaseHold', released);
      await this.#leave();
      throw new Ending('released');
    }
    const answer = await this.#talk.ask(
      StartCheckoutDocument,
      { input },
      (data) => ({ thing: data.startCheckout.order, errors: data.startCheckout.errors }),
      {
        operation: 'startCheckout',
        seats,
        had: ({ id, now, payBy }) => ({
          hold: holdId,
          order: id,
          seats,
          redisMs: Date.parse(now),
          untilMs: Date.parse(payBy),
        }),
      },
      this.#world.latencies.checkout,
    );
    const refused = 'refusal' in answer ? answer.refusal.code : null;
    if (refused === 'NOT_ADMITTED') return this.#lostAdmission();
    if (refused === 'HOLD_LOST') {
      this.#witness.lostSeats();
      this.record.lostHolds += 1;
      if (this.record.lostHolds > lossesMax) throw new Ending('failed', 'holds were lost again and again');
      return 'choose';
    }
    this.#witness.startedOrder(granted('startCheckout', answer));
    return 'pay';
  }

  async #pay(): Promise<Stage> {
    const witness = this.#witness;
    const startedMs = performance.now();
    const orderId = witness.order!.id;
    this.#talk.listen('o', OrderUpdatedDocument, {
      variables: () => ({ orderId }),
      onNext: (text) => witness.sawOrder(dataOf<{ orderUpdated: OrderPartsFragment }>(text).orderUpdated),
    });
    const ready = () => witness.order!.payment !== null || finalOrders.has(witness.order!.state);
    if (!(await this.#talk.until(ready, formMs))) witness.missed('the payment form', formMs);
    const { payment } = witness.order!;
    if (!payment) return 'settle';
    this.#world.latencies.formReady.add(performance.now() - startedMs);
    if (this.#persona.drops === 'checkout') await this.#talk.connection.drop(this.#random.between(300, 3_000));
    await this.#talk.pause(500, 3_000);
    if (this.#persona.outcome === 'vanish-paying') throw new Ending('vanished', 'paying');
    if (this.#persona.outcome === 'cancel') return this.#cancel(orderId);
    const form = new PaymentForm(this.#world.http, payment);
    const first = await form.pay(this.#persona.card);
    this.#world.latencies.payment.add(first.ms);
    if (first.outcome === 'declined') {
      await this.#talk.pause(1_000, 3_000);
      await form.pay(secondCard);
    }
    return 'settle';
  }

  async #cancel(orderId: string): Promise<Stage> {
    this.#witness.lostSeats();
    const input = { orderId, idempotencyKey: randomUUID() };
    const read = (data: CancelData) => ({ thing: data.cancelOrder.order, errors: data.cancelOrder.errors });
    const noted = { operation: 'cancelOrder', had: () => ({ order: orderId }) };
    this.#witness.sawOrder(granted('cancelOrder', await this.#talk.ask(CancelOrderDocument, { input }, read, noted)));
    return 'settle';
  }

  async #settle(): Promise<Stage> {
    const witness = this.#witness;
    const startedMs = performance.now();
    const noted = { operation: 'tickets' };
    const seats = this.#hold!.seats.map(({ index }) => index);
    this.#talk.note('invoke', noted, { seats, order: witness.order!.id });
    const settled = await this.#talk.until(() => finalOrders.has(witness.order!.state), settleMs);
    const { state, id, now } = witness.order!;
    const outcome = state === 'COMPLETED' ? 'ok' : settled ? 'fail' : 'unknown';
    const had = outcome === 'ok' ? { seats, untilMs: null } : { code: state };
    this.#talk.note(outcome, noted, { order: id, redisMs: Date.parse(now), ...had });
    if (!settled) throw new Ending('unfinished', `order ${id} is still ${state}`);
    if (state === 'COMPLETED') {
      this.#world.latencies.ticket.add(performance.now() - startedMs);
      this.#world.completedAtMs.push(Date.now());
      throw new Ending('bought');
    }
    witness.lostSeats();
    if (state === 'CANCELED' && this.#persona.outcome === 'cancel') {
      await this.#leave();
      throw new Ending('canceled');
    }
    if (state === 'LOST' || state === 'REFUNDED') throw new Ending(state === 'LOST' ? 'lost' : 'refunded', id);
    throw new Ending('failed', `order ${id} ended as ${state}`);
  }

  async #leave(): Promise<void> {
    this.#talk.connection.unwatch('q');
    const variables = { input: { entryId: this.record.entryId } };
    const read = (data: LeaveData) => ({ thing: data.leaveQueue.entry, errors: data.leaveQueue.errors });
    const noted = { operation: 'leaveQueue', had: () => ({ entry: this.record.entryId }) };
    const left = await this.#talk.ask(LeaveQueueDocument, variables, read, noted);
    // A place that Redis has lost is not there to be given up.
    if (!('refusal' in left && left.refusal.code === 'NOT_FOUND')) granted('leaveQueue', left);
  }

  #watchMap(): void {
    const { hall, eventId } = this.#world;
    const sectionId = hall.sectionFor(this.#random);
    const variables = () => ({ eventId, sectionId, since: this.#mapCursor });
    const onNext = (text: string) => {
      const update = parseMapText(text);
      this.record.mapMessages += 1;
      const judgement = judgeUpdate(this.#mapCursor, update);
      if (judgement === 'take') this.#mapCursor = cursorOf(update);
      if (judgement !== 'resume') return;
      this.record.mapGaps += 1;
      this.#talk.connection.resume('m');
    };
    this.#talk.listen('m', SeatMapChangedDocument, { variables, onNext });
  }
}

type DataOf<D> = D extends { readonly __apiType?: (...args: never[]) => infer T } ? T : never;
type JoinData = DataOf<typeof JoinQueueDocument>;
type PlaceOfJoin = NonNullable<JoinData['joinQueue']['entry']>;
type LeaveData = DataOf<typeof LeaveQueueDocument>;
type ReleaseData = DataOf<typeof ReleaseHoldDocument>;
type CancelData = DataOf<typeof CancelOrderDocument>;

/** What was asked for; a refusal that no rule foresees ends the buyer as failed. */
function granted<R>(operation: string, answer: Answered<R>): R {
  if ('thing' in answer) return answer.thing;
  throw new Ending('failed', `${operation}: ${answer.refusal.code} ${answer.refusal.message}`);
}

function categoryOf(choice: Choice): string {
  if ('bestAvailable' in choice) return choice.bestAvailable.categoryId;
  return 'standing' in choice ? choice.standing.categoryId : '';
}
