import { limits } from '../limits.js';
import { Watch } from '../pubsub/watch.js';
import { sharedKeys } from '../redis/keys.js';
import { readSales, type SalesCounts } from '../redis/sales.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import type { PaymentHealth } from './payment-health.js';
import type { Platform, Viewer } from './platform.js';

export interface SalesView {
  readonly event: PublishedEvent;
  readonly counts: SalesCounts;
  /** Since when the payment provider does not answer; null: it does. */
  readonly paymentsDelayedSinceMs: number | null;
}

/** Whether this viewer may see an event's sales: its organizer's people and administrators. */
export function maySteer(viewer: Viewer | null, event: { readonly organizerId: string }): boolean {
  return (
    viewer !== null &&
    (viewer.role === 'ADMIN' || (viewer.role === 'ORGANIZER' && viewer.organizerId === event.organizerId))
  );
}

function isNews({ counts, paymentsDelayedSinceMs }: SalesView, told: SalesView | null): boolean {
  return (
    paymentsDelayedSinceMs !== told?.paymentsDelayedSinceMs ||
    counts.version !== told.counts.version ||
    counts.generation !== told.counts.generation ||
    counts.phase !== told.counts.phase ||
    counts.waiting !== told.counts.waiting ||
    counts.admitted !== told.counts.admitted
  );
}

interface WatchedSales {
  readonly watches: Set<Watch<SalesView>>;
  latest: SalesView | null;
  serial: number;
  stop(): void;
}

/** The counts of a sale, live. All its watchers in this process share one reading per tick. */
export class Sales {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #payments: PaymentHealth;
  readonly #watched = new Map<string, Promise<WatchedSales>>();

  constructor(platform: Platform, events: EventCatalogue, payments: PaymentHealth) {
    this.#platform = platform;
    this.#events = events;
    this.#payments = payments;
  }

  async read(eventId: string): Promise<SalesView | null> {
    const event = await this.#events.published(eventId);
    const counts = event && (await readSales(this.#platform.redis, event.ref));
    return event && counts ? { event, counts, paymentsDelayedSinceMs: this.#payments.delayedSinceMs } : null;
  }

  async watch(eventId: string): Promise<Watch<SalesView>> {
    let making: Promise<WatchedSales> | undefined;
    let sales: WatchedSales;
    do {
      making = this.#watched.get(eventId) ?? this.#begin(eventId);
      sales = await making;
      // The last watcher may have left, and stopped it, while this one was waiting.
    } while (this.#watched.get(eventId) !== making);
    let seen = -1;
    const watch: Watch<SalesView> = new Watch(
      () => {
        if (sales.latest === null || seen === sales.serial) return null;
        seen = sales.serial;
        return sales.latest;
      },
      () => {
        sales.watches.delete(watch);
        if (sales.watches.size > 0 || this.#watched.get(eventId) !== making) return;
        this.#watched.delete(eventId);
        sales.stop();
      },
      'steering',
    );
    sales.watches.add(watch);
    return watch;
  }

  #begin(eventId: string): Promise<WatchedSales> {
    const making = this.#open(eventId);
    this.#watched.set(eventId, making);
    making.catch(() => this.#watched.delete(eventId));
    return making;
  }

  async #open(eventId: string): Promise<WatchedSales> {
    const { channels, log } = this.#platform;
    let dirty = true;
    let reading = false;
    const touch = () => {
      dirty = true;
    };
    const keys = sharedKeys(eventId);
    const silences = [await channels.listen(keys.seatChannel, touch)];
    try {
      silences.push(await channels.listen(keys.lineChannel, touch));
    } catch (error) {
      for (const silence of silences) silence();
      throw error;
    }
    silences.push(channels.onReconnect(touch), this.#payments.onChange(touch));
    const sales: WatchedSales = { watches: new Set(), latest: null, serial: 0, stop: () => {} };
    const refresh = async () => {
      if (!dirty || reading) return;
      dirty = false;
      reading = true;
      try {
        const view = await this.read(eventId);
        if (view === null) touch();
        else if (isNews(view, sales.latest)) {
          sales.latest = view;
          sales.serial += 1;
          for (const watch of [...sales.watches]) watch.wake();
        }
      } catch (error) {
        touch();
        log.warn({ err: error, eventId }, 'sales could not be read');
      } finally {
        reading = false;
      }
    };
    const timer = setInterval(() => void refresh(), limits.salesTickMs);
    // A rebuild, or the loss of the last message before a silence, is told by nobody.
    const check = setInterval(touch, limits.mirrorCheckMs);
    sales.stop = () => {
      clearInterval(timer);
      clearInterval(check);
      for (const silence of silences) silence();
    };
    await refresh();
    return sales;
  }
}
