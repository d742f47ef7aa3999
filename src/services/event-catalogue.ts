import { LRUCache } from 'lru-cache';
import { stepOf } from '../domain/currencies.js';
import { hoardBudgetMs } from '../domain/hoarding.js';
import { isUuid } from '../domain/ids.js';
import { accessibleOf, categoryOf, type Layout, LayoutIndex, seatRanges } from '../domain/layout.js';
import { encodePriceList, type SeatPrice } from '../domain/money.js';
import { seatPrice, type Tariff } from '../domain/pricing.js';
import { Event, EventCategory, EventChannel, Inventory, LayoutVersion } from '../entities/events.js';
import { limits } from '../limits.js';
import { type EventRef, globalKeys } from '../redis/keys.js';

import type { Platform } from './platform.js';

/** The static facts of a layout, computed once per version and process. */
export interface Hall {
  readonly layoutVersion: number;
  readonly layout: Layout;
  readonly index: LayoutIndex;
  readonly categories: Uint8Array;
  /** Categories, by index, that have numbered seats, and those that have standing places. */
  readonly seated: ReadonlySet<number>;
  readonly standing: ReadonlySet<number>;
  readonly ranges: ReadonlyMap<string, readonly (readonly [number, number])[]>;
  /** Position in the layout by section id. */
  readonly sections: ReadonlyMap<string, number>;
  /** The category of the wheelchair places that belong to a category; of such a category it is itself. */
  readonly accessibleOf: ReadonlyMap<number, number>;
}

/** A published event as requests need it. */
export interface PublishedEvent {
  readonly event: Event;
  readonly ref: EventRef;
  readonly hall: Hall;
  /** By category: what its organizer asks for, and what is charged without a code. */
  readonly tariffs: readonly Tariff[];
  readonly prices: readonly SeatPrice[];
  readonly priceList: string;
  /** By letter; `A` is there without having been set up. */
  readonly channels: ReadonlyMap<string, EventChannel>;
  readonly hoardBudgetMs: number;
}

/** Reads events, and keeps what does not move for a moment; a change anywhere empties the entry at once. */
export class EventCatalogue {
  readonly #platform: Platform;
  readonly #halls = new LRUCache<string, Hall>({ max: 50 });
  /** The reading itself is kept, so that everybody who asks while it is under way shares it. */
  readonly #published = new LRUCache<string, Promise<PublishedEvent | null>>({
    max: limits.eventCacheEntries,
    ttl: limits.eventCacheMs,
  });

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  async start(): Promise<() => void> {
    const silence = await this.#platform.channels.listen(globalKeys.eventChannel, (message) => {
      this.#published.delete((message as { eventId: string }).eventId);
    });
    // What was said while the connection was cut is not known.
    const forget = this.#platform.channels.onReconnect(() => this.#published.clear());
    return () => {
      silence();
      forget();
    };
  }

  /** Tells every process that an event changed. */
  async changed(eventId: string): Promise<void> {
    this.#published.delete(eventId);
    await this.#platform.channels.publish(globalKeys.eventChannel, { eventId });
  }

  forget(eventId: string): void {
    this.#published.delete(eventId);
  }

  /** An event that has an inventory; null for drafts and unknown ids. */
  async published(eventId: string): Promise<PublishedEvent | null> {
    if (!isUuid(eventId)) return null;
    const known = this.#published.get(eventId);
    if (known !== undefined) return known;
    const reading = this.#read(eventId);
    this.#published.set(eventId, reading);
    reading.catch(() => {
      if (this.#published.peek(eventId) === reading) this.#published.delete(eventId);
    });
    return reading;
  }

  async #read(eventId: string): Promise<PublishedEvent | null> {
    const { database } = this.#platform;
    const [event, inventory, categories, channels] = await Promise.all([
      database.getRepository(Event).findOneBy({ id: eventId }),
      database.getRepository(Inventory).findOneBy({ eventId }),
      database.getRepository(EventCategory).find({ where: { eventId }, order: { category: 'ASC' } }),
      database.getRepository(EventChannel).findBy({ eventId }),
    ]);
    if (event === null || inventory === null) return null;
    const prices = categories.map((tariff) => seatPrice(tariff, stepOf(event.currency)));
    return {
      event,
      ref: { eventId, generation: inventory.generation },
      hall: await this.hall(eventId, inventory.layoutVersion),
      tariffs: categories,
      prices,
      priceList: encodePriceList(event.currency, prices),
      channels: new Map(channels.map((channel) => [channel.letter, channel])),
      hoardBudgetMs: hoardBudgetMs(event),
    };
  }

  /** The facts of one version of a layout, which never change. Whoever is in a transaction reads through its own `manager`. */
  async hall(eventId: string, layoutVersion: number, manager = this.#platform.database.manager): Promise<Hall> {
    const key = `${eventId}:${layoutVersion}`;
    const known = this.#halls.get(key);
    if (known !== undefined) return known;
    const row = await manager.findOneByOrFail(LayoutVersion, { eventId, version: layoutVersion });
    const layout = row.document;
    const hall: Hall = {
      layoutVersion,
      layout,
      index: new LayoutIndex(layout),
      categories: categoryOf(layout),
      seated: new Set(layout.sections.flatMap(({ rows }) => rows.flatMap(({ seats }) => seats.map((s) => s.category)))),
      standing: new Set(layout.sections.flatMap((section) => section.standing.map((area) => area.category))),
      ranges: new Map(layout.sections.map((section) => [section.id, seatRanges(section)])),
      sections: new Map(layout.sections.map((section, at) => [section.id, at])),
      accessibleOf: accessibleOf(layout),
    };
    this.#halls.set(key, hall);
    return hall;
  }
}

/** Places per category, by category index. */
export function categoryCapacities({ hall }: PublishedEvent): readonly number[] {
  const capacities = hall.layout.categories.map(() => 0);
  for (const category of hall.categories) capacities[category]! += 1;
  return capacities;
}
