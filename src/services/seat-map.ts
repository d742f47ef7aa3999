import { isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { limits } from '../limits.js';
import type { SeatCursor, SeatSnapshotUpdate, SeatUpdate, WatchedPart } from '../pubsub/seat-map.js';
import type { Watch } from '../pubsub/watch.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import type { Mirrors } from './mirrors.js';
import type { Viewer } from './platform.js';
import { openChannels, type SeatAccess } from './seat-holds.js';

/** Which part of which hall, and what of it is shown besides everybody's seats. */
export interface MapWish extends SeatAccess {
  readonly eventId: string;
  /** Null: the whole hall. */
  readonly sectionId: string | null;
}

export class SeatMaps {
  readonly #events: EventCatalogue;
  readonly #mirrors: Mirrors;

  constructor(events: EventCatalogue, mirrors: Mirrors) {
    this.#events = events;
    this.#mirrors = mirrors;
  }

  get resyncs(): number {
    return this.#mirrors.resyncs;
  }

  layout(eventId: string): Promise<PublishedEvent | null> {
    return this.#events.published(eventId);
  }

  /** The moving state of what is asked for, as of now. */
  async snapshot(viewer: Viewer | null, wish: MapWish): Promise<SeatSnapshotUpdate | Refusal> {
    const watched = await this.#watched(viewer, wish);
    if (isRefusal(watched)) return watched;
    const mirror = await this.#mirrors.seats(wish.eventId);
    return mirror.version < 0
      ? refuse('REBUILDING', { retryAfterMs: limits.rebuildRetryMs })
      : mirror.snapshot(watched);
  }

  async watch(viewer: Viewer | null, wish: MapWish, since: SeatCursor | null): Promise<Watch<SeatUpdate> | Refusal> {
    const watched = await this.#watched(viewer, wish);
    if (isRefusal(watched)) return watched;
    const mirror = await this.#mirrors.seats(wish.eventId);
    // Somebody who has seen more than this process, or another epoch: Redis knows.
    if (since !== null && (since.epoch !== mirror.epoch || since.version > mirror.version)) await mirror.reload();
    return mirror.watch(watched, since);
  }

  async #watched(viewer: Viewer | null, wish: MapWish): Promise<WatchedPart | Refusal> {
    const event = await this.#events.published(wish.eventId);
    if (event === null) return refuse('NOT_FOUND', { path: ['eventId'] });
    const channels = openChannels(event, viewer, wish, '');
    if (isRefusal(channels)) return channels;
    const { sectionId } = wish;
    const ranges = sectionId === null ? null : event.hall.ranges.get(sectionId);
    if (ranges === undefined) return refuse('NOT_FOUND', { path: ['sectionId'] });
    return { key: `${channels}|${sectionId ?? ''}`, ranges, channels };
  }
}
