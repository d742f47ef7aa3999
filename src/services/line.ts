import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { derivedId } from '../domain/ids.js';
import { pushIntervalMs, type WaitEstimate } from '../domain/line.js';
import { limits } from '../limits.js';
import type { PlacePush } from '../pubsub/line.js';
import type { Watch } from '../pubsub/watch.js';
import type { EventRef } from '../redis/keys.js';
import {
  type AdmissionRound,
  admitFromLine,
  joinLine,
  type LinePhase,
  leaveLine,
  type PlaceAnswer,
  readPlace,
  restorePlaces,
  type StoredPlace,
} from '../redis/line.js';
import type { Draws } from './draw.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import { refuseStranger } from './identity.js';
import type { InventoryService } from './inventory.js';
import type { Mirrors } from './mirrors.js';
import type { PaymentHealth } from './payment-health.js';
import type { Platform, Viewer } from './platform.js';
import type { Tokens } from './tokens.js';

/** A place as its owner sees it at one instant. */
export interface PlaceView {
  readonly event: PublishedEvent;
  readonly stored: StoredPlace;
  readonly phase: LinePhase;
  readonly peopleAhead: number | null;
  readonly estimate: WaitEstimate | null;
  readonly nextPushInMs: number | null;
}

/** A place as Redis stored it, with its event in the generation the place belongs to. */
interface FoundPlace {
  readonly event: PublishedEvent;
  readonly place: StoredPlace;
}

/** What somebody shows of before: the place and the admission that the platform has signed. */
export interface ShownPlace {
  readonly place: string | null;
  readonly admission: string | null;
}

/** An entry id carries its event, as a hold id does. */
export function entryGlobalId(eventId: string, entryId: string): string {
  return `${eventId}.${entryId}`;
}

export function splitEntryId(id: string): { eventId: string; entryId: string } | null {
  const match = /^([0-9a-f-]{36})\.([0-9a-f-]{36})$/.exec(id);
  return match ? { eventId: match[1]!, entryId: match[2]! } : null;
}

export class Line {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;
  readonly #mirrors: Mirrors;
  readonly #draws: Draws;
  readonly #tokens: Tokens;
  readonly #payments: PaymentHealth;
  /** Events in whose line somebody waited when it was last looked at. */
  readonly #busy = new Set<string>();

  constructor(
    platform: Platform,
    parts: {
      readonly events: EventCatalogue;
      readonly inventory: InventoryService;
      readonly mirrors: Mirrors;
      readonly draws: Draws;
      readonly tokens: Tokens;
      readonly payments: PaymentHealth;
    },
  ) {
    this.#platform = platform;
    this.#events = parts.events;
    this.#inventory = parts.inventory;
    this.#mirrors = parts.mirrors;
    this.#draws = parts.draws;
    this.#tokens = parts.tokens;
    this.#payments = parts.payments;
  }

  /** One place a person: joining again finds it again. What is shown of before is put back first, if Redis has lost it. */
  async join(viewer: Viewer, eventId: string, shown: ShownPlace): Promise<PlaceView | Refusal> {
    const found = await this.#events.published(eventId);
    if (found === null) return refuse('NOT_FOUND', { path: ['input', 'eventId'], message: 'There is no such event.' });
    const stranger = refuseStranger(viewer, found.event);
    if (stranger !== null) return stranger;
    const wrong = await this.#restoreShown(viewer, found, shown);
    if (wrong !== null) return wrong;
    const newEntryId = derivedId('entry', eventId, viewer.personId, this.#platform.clock.randomId());
    const joined = await this.#ask(found, 'eventId', (ref) => this.#joinLine(ref, viewer.personId, newEntryId));
    if (isRefusal(joined)) return joined;
    const { event, place } = joined;
    const view = await this.#describe(event, place);
    if (view.peopleAhead === null || view.peopleAhead >= limits.admitAtJoinAhead) return view;
    // Where nobody has to wait, the turn comes with the answer.
    await this.admit(event);
    const again = await readPlace(this.#platform.redis, event.ref, place.entryId, null);
    return again.code === 'OK' ? this.#describe(event, again.place) : view;
  }

  async leave(viewer: Viewer, id: string): Promise<PlaceView | Refusal> {
    const found = await this.#find(id);
    if (found === null) return refusePlace('NO_ENTRY', 'entryId');
    const left = await this.#ask(found.event, 'entryId', (ref) =>
      leaveLine(this.#platform.redis, ref, found.entryId, viewer.personId),
    );
    return isRefusal(left) ? left : this.#describe(left.event, left.place);
  }

  /** A poll by the owner also says: still here. Null when there is no such place of this viewer. */
  async read(viewer: Viewer, id: string): Promise<PlaceView | Refusal<'REBUILDING'> | null> {
    const read = await this.#own(viewer, id, { polling: true });
    if (read === null || isRefusal(read)) return read;
    return this.#describe(read.event, read.place);
  }

  /** The stream of a place; null when there is no such place of this viewer. */
  async watch(viewer: Viewer, id: string): Promise<Watch<PlacePush<StoredPlace>> | Refusal<'REBUILDING'> | null> {
    const read = await this.#own(viewer, id, { polling: false });
    if (read === null || isRefusal(read)) return read;
    const { eventId, generation } = read.event.ref;
    const mirror = await this.#mirrors.line(eventId);
    await mirror.reached(generation, read.place.lineVersion);
    return mirror.watch(read.place.entryId, read.place, generation);
  }

  /** One round of admissions, as any process may make it at any moment. Null when the event is being rebuilt. */
  async admit(event: PublishedEvent): Promise<AdmissionRound | null> {
    const { eventId } = event.ref;
    const round = await admitFromLine(this.#platform.redis, event.ref, this.#checkoutsPerSecond(event));
    if (round !== null && round.waiting > 0) this.#busy.add(eventId);
    else this.#busy.delete(eventId);
    return round;
  }

  /** Whether somebody waited when this process last looked. */
  isBusy({ ref }: PublishedEvent): boolean {
    return this.#busy.has(ref.eventId);
  }

  /** What the payment provider can serve of this event, shared by all that have a line now; 0: no bound; below: nobody could pay now. */
  #checkoutsPerSecond({ prices }: PublishedEvent): number {
    if (prices.every(({ priceMinor, feeMinor }) => priceMinor + feeMinor === 0)) return 0;
    const { checkoutsPerSecond } = this.#payments;
    return checkoutsPerSecond <= 0 ? checkoutsPerSecond : checkoutsPerSecond / Math.max(1, this.#busy.size);
  }

  async #joinLine(ref: EventRef, person: string, newEntryId: string): Promise<PlaceAnswer> {
    for (;;) {
      const answer = await joinLine(this.#platform.redis, ref, { person, newEntryId });
      if (answer.code !== 'NUMBERS') return answer;
      await this.#inventory.reserveNumbers(ref);
    }
  }

  async #restoreShown(
    viewer: Viewer,
    { ref }: PublishedEvent,
    shown: ShownPlace,
  ): Promise<Refusal<'INVALID_INPUT'> | null> {
    const admission = shown.admission === null ? null : await this.#tokens.readAdmission(shown.admission);
    const place = shown.place === null ? null : await this.#tokens.readPlace(shown.place);
    const isOwn = (signed: { readonly personId: string; readonly eventId: string } | null) =>
      signed?.personId === viewer.personId && signed.eventId === ref.eventId;
    if (shown.admission !== null && !isOwn(admission))
      return invalidInput('input.admission', 'Is not an admission of yours to this event.');
    if (shown.place !== null && !isOwn(place))
      return invalidInput('input.place', 'Is not a place of yours in this line.');
    const signed = admission ?? place;
    if (signed === null || signed.generation >= ref.generation) return null;
    const drawn = signed.number > 0 ? null : await this.#draws.numbers(ref.eventId);
    const number = drawn?.get(signed.entryId) ?? signed.number;
    const restorable = {
      entryId: signed.entryId,
      person: viewer.personId,
      number,
      state: admission === null ? ('W' as const) : ('A' as const),
      sinceMs: signed.sinceMs,
      endsAtMs: admission?.endsAtMs ?? 0,
    };
    await restorePlaces(this.#platform.redis, ref, null, [restorable]);
    return null;
  }

  /** A place of this viewer; null when there is none. */
  async #own(
    viewer: Viewer,
    id: string,
    { polling }: { readonly polling: boolean },
  ): Promise<FoundPlace | Refusal<'REBUILDING'> | null> {
    const found = await this.#find(id);
    if (found === null) return null;
    const read = await this.#ask(found.event, 'entryId', (ref) =>
      readPlace(this.#platform.redis, ref, found.entryId, polling ? viewer.personId : null),
    );
    if (isRefusal(read)) return read.code === 'REBUILDING' ? read : null;
    return read.place.person === viewer.personId ? read : null;
  }

  /** A place with its position, as of at least the moment it was read. */
  async #describe(event: PublishedEvent, stored: StoredPlace): Promise<PlaceView> {
    if (stored.state !== 'W')
      return { event, stored, phase: stored.phase, peopleAhead: null, estimate: null, nextPushInMs: null };
    const mirror = await this.#mirrors.line(event.ref.eventId);
    await mirror.reached(event.ref.generation, stored.lineVersion);
    const { peopleAhead, estimate } = mirror.outlook(event.ref.generation, stored.number);
    return { event, stored, phase: stored.phase, peopleAhead, estimate, nextPushInMs: pushIntervalMs(peopleAhead) };
  }

  async #ask(
    event: PublishedEvent,
    field: 'eventId' | 'entryId',
    act: (ref: EventRef) => Promise<PlaceAnswer>,
  ): Promise<FoundPlace | Refusal> {
    let ref = event.ref;
    const answer = await this.#inventory.withEvent(event, (present) => {
      ref = present;
      return act(present);
    });
    if (isRefusal(answer)) return answer;
    if (answer.code !== 'OK') return refusePlace(answer.code, field);
    return { event: { ...event, ref }, place: answer.place };
  }

  async #find(id: string): Promise<{ event: PublishedEvent; entryId: string } | null> {
    const ids = splitEntryId(id);
    const event = ids && (await this.#events.published(ids.eventId));
    return ids && event ? { event, entryId: ids.entryId } : null;
  }
}

function refusePlace(code: Exclude<PlaceAnswer['code'], 'OK'>, field: 'eventId' | 'entryId'): Refusal {
  const path = ['input', field];
  switch (code) {
    case 'NO_ENTRY':
      return refuse('NOT_FOUND', { path, message: 'There is no such place in line.' });
    case 'NOT_YOURS':
      return refuse('FORBIDDEN', { path, message: 'This place belongs to somebody else.' });
    case 'QUEUE_FULL':
      return refuse('QUEUE_FULL', { path, retryAfterMs: limits.queueFullRetryMs });
    case 'SALE_CLOSED':
      return refuse('SALE_CLOSED', { path });
    case 'NUMBERS':
    case 'WRONG_EPOCH':
      return refuse('REBUILDING', { retryAfterMs: limits.rebuildRetryMs });
  }
}
