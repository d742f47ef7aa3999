import { type Refusal, refuse } from '../domain/errors.js';
import type { SeatCursor, SeatSnapshotUpdate, SeatUpdate, WatchedRanges } from '../pubsub/seat-map.js';
import type { Watch } from '../pubsub/watch.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import type { Mirrors } from './mirrors.js';

export class SeatMaps {
  readonly #events: EventCatalogue;
  readonly #mirrors: Mirrors;

  constructor(events: EventCatalogue, mirrors: Mirrors) {
    this.#events = events;
    this.#mirrors = mirrors;
  }

  layout(eventId: string): Promise<PublishedEvent | null> {
    return this.#events.published(eventId);
  }

  /** The moving state of a hall or one of its sections, as of now. */
  async snapshot(
    eventId: string,
    sectionId: string | null,
  ): Promise<SeatSnapshotUpdate | Refusal<'NOT_FOUND' | 'REBUILDING'>> {
    const watched = await this.#watched(eventId, sectionId);
    if (watched === undefined) return refuse('NOT_FOUND', { path: ['sectionId'] });
    const mirror = await this.#mirrors.seats(eventId);
    return mirror.version < 0 ? refuse('REBUILDING', { retryAfterMs: 500 }) : mirror.snapshot(watched);
  }

  async watch(
    eventId: string,
    sectionId: string | null,
    since: SeatCursor | null,
  ): Promise<Watch<SeatUpdate> | Refusal<'NOT_FOUND'>> {
    const watched = await this.#watched(eventId, sectionId);
    if (watched === undefined) return refuse('NOT_FOUND', { path: [sectionId === null ? 'eventId' : 'sectionId'] });
    const mirror = await this.#mirrors.seats(eventId);
    // Somebody who has seen more than this process, or another epoch: Redis knows.
    if (since !== null && (since.epoch !== mirror.epoch || since.version > mirror.version)) await mirror.reload();
    return mirror.watch(watched, since);
  }

  /** Undefined: there is no such event or section. Null: the whole hall. */
  async #watched(eventId: string, sectionId: string | null): Promise<WatchedRanges | undefined> {
    const event = await this.#events.published(eventId);
    if (event === null) return undefined;
    if (sectionId === null) return null;
    const ranges = event.hall.ranges.get(sectionId);
    return ranges && { key: sectionId, ranges };
  }
}
