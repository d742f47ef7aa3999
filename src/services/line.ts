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
    const event = await this.#events.published(eventId);
    if (event === null) return refuse('NOT_FOUND', { path: ['input', 'eventId'], message: 'There is no such event.' });
    const newEntryId = derivedId('entry', eventId, viewer.personId, this.#platform.clock.randomId());
    const answer = await this.#inventory.withEvent(event, (ref) =>
      joinLine(this.#platform.redis, ref, { person: viewer.personId, newEntryId }),
    );
    if (isRefusal(answer)) return answer;
    if (answer.code !== 'OK') return refusePlace(answer.code, 'eventId');
    // Where nobody has to wait, the turn comes with the answer.
    if (answer.place.state === 'W' && answer.place.number > 0) await admitFromLine(this.#platform.redis, event.ref);
    return this.#view(event, answer.place.entryId, answer.place);
  }

  async leave(viewer: Viewer, id: string): Promise<PlaceView | Refusal> {
    const found = await this.#find(id);
    if (found === null) return refusePlace('NO_ENTRY', 'entryId');
    const answer = await this.#inventory.withEvent(found.event, (ref) =>
      leaveLine(this.#platform.redis, ref, found.entryId, viewer.personId),
    );
    if (isRefusal(answer)) return answer;
    if (answer.code !== 'OK') return refusePlace(answer.code, 'entryId');
    return describe(found.event, answer.place, null);
  }

  /** A poll by the owner also says: still here. */
  async read(viewer: Viewer, id: string): Promise<PlaceView | null> {
    const found = await this.#find(id);
    if (found === null) return null;
    const answer = await readPlace(this.#platform.redis, found.event.ref, found.entryId, limits.pollPresenceMs);
    if (answer.code !== 'OK' || answer.place.person !== viewer.personId) return null;
    const mirror = await this.#mirrors.line(found.event.ref.eventId);
    return describe(found.event, answer.place, mirror.peopleAhead(answer.place.number));
  }

  /** The stream of a place; null when there is no such place of this viewer. */
  async watch(
    viewer: Viewer,
    id: string,
  ): Promise<{ event: PublishedEvent; watch: Watch<PlacePush<StoredPlace>> } | null> {
    const found = await this.#find(id);
    if (found === null) return null;
    const mirror = await this.#mirrors.line(found.event.ref.eventId);
    const answer = await readPlace(this.#platform.redis, found.event.ref, found.entryId, 0);
    if (answer.code !== 'OK' || answer.place.person !== viewer.personId) return null;
    return { event: found.event, watch: mirror.watch(found.entryId, answer.place) };
  }

  async #view(event: PublishedEvent, entryId: string, known: StoredPlace): Promise<PlaceView> {
    const [mirror, answer] = await Promise.all([
      this.#mirrors.line(event.ref.eventId),
      readPlace(this.#platform.redis, event.ref, entryId, 0),
    ]);
    const place = answer.code === 'OK' ? answer.place : known;
    return describe(event, place, mirror.peopleAhead(place.number));
  }

  async #find(id: string): Promise<{ event: PublishedEvent; entryId: string } | null> {
    const ids = splitEntryId(id);
    const event = ids && (await this.#events.published(ids.eventId));
    return ids && event ? { event, entryId: ids.entryId } : null;
  }
}

function describe(event: PublishedEvent, stored: StoredPlace, ahead: number | null): PlaceView {
  const waiting = stored.state === 'W';
  const peopleAhead = waiting ? ahead : null;
  return {
    event,
    stored,
    phase: stored.phase,
    peopleAhead,
    nextPushInMs: waiting ? pushIntervalMs(peopleAhead) : null,
  };
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
