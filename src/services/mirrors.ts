import { limits } from '../limits.js';
import { LineMirror } from '../pubsub/line.js';
import { SeatMapMirror } from '../pubsub/seat-map.js';
import { eventKeys } from '../redis/keys.js';
import { type PlaceState, readPlace, reportPresence, type StoredPlace, snapshotLine } from '../redis/line.js';
import { snapshotSeats } from '../redis/seat-map.js';
import type { EventCatalogue } from './event-catalogue.js';
import type { InventoryService } from './inventory.js';
import type { Platform } from './platform.js';

interface Mirrored {
  readonly mirror: { readonly isWatched: boolean; stop(): void };
  lastUsedMs: number;
}

const waitingStates: ReadonlySet<PlaceState> = new Set(['W']);
const openStates: ReadonlySet<PlaceState> = new Set(['W', 'A']);

/** The halls and lines this process mirrors: made when somebody first looks, let go when nobody has looked for a while. */
export class Mirrors {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;
  readonly #seats = new Map<string, Promise<SeatMapMirror>>();
  readonly #lines = new Map<string, Promise<LineMirror<StoredPlace>>>();
  readonly #used = new Map<string, Mirrored>();
  readonly #idleTimer: NodeJS.Timeout;
  readonly #presenceTimer: NodeJS.Timeout;

  constructor(platform: Platform, events: EventCatalogue, inventory: InventoryService) {
    this.#platform = platform;
    this.#events = events;
    this.#inventory = inventory;
    this.#idleTimer = setInterval(() => this.#letGo(), limits.mirrorIdleMs / 4);
    this.#presenceTimer = setInterval(() => void this.#reportPresence(), limits.presenceEveryMs);
  }

  stop(): void {
    clearInterval(this.#idleTimer);
    clearInterval(this.#presenceTimer);
    for (const { mirror } of this.#used.values()) mirror.stop();
    this.#used.clear();
    this.#seats.clear();
    this.#lines.clear();
  }

  seats(eventId: string): Promise<SeatMapMirror> {
    return this.#get(`seats:${eventId}`, this.#seats, eventId, async () => {
      const mirror = new SeatMapMirror(() => this.#load(eventId, (ref) => snapshotSeats(this.#platform.redis, ref)));
      await mirror.start(this.#platform.channels, eventKeys(eventId).seatChannel);
      return mirror;
    });
  }

  line(eventId: string): Promise<LineMirror<StoredPlace>> {
    return this.#get(`line:${eventId}`, this.#lines, eventId, async () => {
      const mirror = new LineMirror<StoredPlace>({
        load: () =>
          this.#load(eventId, async (ref) => {
            const line = await snapshotLine(this.#platform.redis, ref);
            return line && { ...line, generation: ref.generation };
          }),
        readPlaces: (entryIds) => this.#readPlaces(eventId, entryIds),
        facts: (place) => ({
          number: place.number,
          waiting: waitingStates.has(place.state),
          final: !openStates.has(place.state),
        }),
        nowMs: () => this.#platform.clock.nowMs(),
      });
      await mirror.start(this.#platform.channels, eventKeys(eventId).lineChannel);
      return mirror;
    });
  }

  async #get<M extends { isWatched: boolean; stop(): void }>(
    key: string,
    mirrors: Map<string, Promise<M>>,
    eventId: string,
    make: () => Promise<M>,
  ): Promise<M> {
    let making = mirrors.get(eventId);
    if (making === undefined) {
      making = make();
      mirrors.set(eventId, making);
      making.catch(() => mirrors.delete(eventId));
    }
    const mirror = await making;
    this.#used.set(key, { mirror, lastUsedMs: this.#platform.clock.nowMs() });
    return mirror;
  }

  /** Loads under the event's present generation; a generation that has just ended is looked up again. */
  async #load<T>(
    eventId: string,
    read: (ref: { eventId: string; generation: number }) => Promise<T | null>,
  ): Promise<T | null> {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const event = await this.#events.published(eventId);
      if (event === null) return null;
      const loaded = await read(event.ref);
      if (loaded !== null) return loaded;
      await this.#inventory.wrongEpoch(eventId);
    }
    return null;
  }

  async #readPlaces(eventId: string, entryIds: readonly string[]): Promise<ReadonlyMap<string, StoredPlace>> {
    const event = await this.#events.published(eventId);
    const places = new Map<string, StoredPlace>();
    if (event === null) return places;
    const answers = await Promise.all(entryIds.map((id) => readPlace(this.#platform.redis, event.ref, id, 0)));
    for (const [at, answer] of answers.entries()) if (answer.code === 'OK') places.set(entryIds[at]!, answer.place);
    return places;
  }

  /** Tells every line who is served here, in bounded batches, and that this process lives. */
  async #reportPresence(): Promise<void> {
    for (const [eventId, making] of this.#lines) {
      const mirror = await making.catch(() => null);
      const event = await this.#events.published(eventId).catch(() => null);
      if (mirror === null || event === null || !mirror.isWatched) continue;
      const { seen, lost } = mirror.takePresence();
      try {
        for (const batch of batches(seen, lost, limits.presenceBatch)) {
          const report = { processId: this.#platform.processId, ...batch };
          if (!(await reportPresence(this.#platform.redis, event.ref, report))) mirror.reportAll();
        }
      } catch {
        // Nobody knows whether Redis acted; saying it again does no harm.
        mirror.reportAll();
      }
    }
  }

  #letGo(): void {
    const idleSince = this.#platform.clock.nowMs() - limits.mirrorIdleMs;
    for (const [key, used] of this.#used) {
      if (used.mirror.isWatched || used.lastUsedMs > idleSince) continue;
      const [kind, eventId] = key.split(':') as [string, string];
      (kind === 'seats' ? this.#seats : this.#lines).delete(eventId);
      this.#used.delete(key);
      used.mirror.stop();
    }
  }
}

function batches(seen: readonly string[], lost: readonly string[], size: number): { seen: string[]; lost: string[] }[] {
  const made: { seen: string[]; lost: string[] }[] = [];
  for (let at = 0; at < seen.length; at += size) made.push({ seen: seen.slice(at, at + size), lost: [] });
  for (let at = 0; at < lost.length; at += size) made.push({ seen: [], lost: lost.slice(at, at + size) });
  // Without news the report is still the process's beat.
  return made.length > 0 ? made : [{ seen: [], lost: [] }];
}
