import { isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { derivedId } from '../domain/ids.js';
import { pushIntervalMs } from '../domain/line.js';
import { limits } from '../limits.js';
import type { PlacePush } from '../pubsub/line.js';
import type { Watch } from '../pubsub/watch.js';
import {
  admitFromLine,
  joinLine,
  type LinePhase,
  leaveLine,
  type PlaceAnswer,
  readPlace,
  type StoredPlace,
} from '../redis/line.js';
import type { EventRef } from '../redis/seat-holds.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import type { InventoryService } from './inventory.js';
import type { Mirrors } from './mirrors.js';
import type { Platform, Viewer } from './platform.js';

/** A place as its owner sees it at one instant. */
export interface PlaceView {
  readonly event: PublishedEvent;
  readonly stored: StoredPlace;
  readonly phase: LinePhase;
  readonly peopleAhead: number | null;
  readonly nextPushInMs: number | null;
}

/** A place as Redis stored it, with its event in the generation the place belongs to. */
interface FoundPlace {
  readonly event: PublishedEvent;
  readonly place: StoredPlace;
}

/** An entry id carries its event, as a hold id does. */
export function entryGlobalId(eventId: string, entryId: string): string {
  return `${eventId}.${entryId}`;
}

function splitEntryId(id: string): { eventId: string; entryId: string } | null {
  const match = /^([0-9a-f-]{36})\.([0-9a-f-]{36})$/.exec(id);
  return match ? { eventId: match[1]!, entryId: match[2]! } : null;
}

export class Line {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;
  readonly #mirrors: Mirrors;

  constructor(platform: Platform, events: EventCatalogue, inventory: InventoryService, mirrors: Mirrors) {
    this.#platform = platform;
    this.#events = events;
    this.#inventory = inventory;
    this.#mirrors = mirrors;
  }

  /** One place a person: joining again finds it again. */
  async join(viewer: Viewer, eventId: string): Promise<PlaceView | Refusal> {
    const found = await this.#events.published(eventId);
    if (found === null) return refuse('NOT_FOUND', { path: ['input', 'eventId'], message: 'There is no such event.' });
    const newEntryId = derivedId('entry', eventId, viewer.personId, this.#platform.clock.randomId());
    const joined = await this.#ask(found, 'eventId', (ref) =>
      joinLine(this.#platform.redis, ref, { person: viewer.personId, newEntryId }),
    );
    if (isRefusal(joined)) return joined;
    const { event, place } = joined;
    const view = await this.#describe(event, place);
    if (view.peopleAhead === null || view.peopleAhead >= limits.admitAtJoinAhead) return view;
    // Where nobody has to wait, the turn comes with the answer.
    await admitFromLine(this.#platform.redis, event.ref);
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
    const waiting = stored.state === 'W';
    let peopleAhead: number | null = null;
    if (waiting) {
      const mirror = await this.#mirrors.line(event.ref.eventId);
      await mirror.reached(event.ref.generation, stored.lineVersion);
      peopleAhead = mirror.peopleAhead(stored.number);
    }
    return {
      event,
      stored,
      phase: stored.phase,
      peopleAhead,
      nextPushInMs: waiting ? pushIntervalMs(peopleAhead) : null,
    };
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
      return refuse('QUEUE_FULL', { path, retryAfterMs: 30_000 });
    case 'SALE_CLOSED':
      return refuse('SALE_CLOSED', { path });
    case 'WRONG_EPOCH':
      return refuse('REBUILDING', { retryAfterMs: 500 });
  }
}
