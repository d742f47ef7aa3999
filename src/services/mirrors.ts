import { limits } from '../limits.js';
import { LineMirror } from '../pubsub/line.js';
import { SeatMapMirror } from '../pubsub/seat-map.js';
import { type EventRef, sharedKeys } from '../redis/keys.js';
import {
  type PlaceState,
  type RestorablePlace,
  readPlace,
  reportPresence,
  restorePlaces,
  type StoredPlace,
  snapshotLine,
} from '../redis/line.js';
import { snapshotSeats } from '../redis/seat-map.js';
import type { Draws } from './draw.js';
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
  readonly #draws: Draws;
  readonly #seats = new Map<string, Promise<SeatMapMirror>>();
  readonly #lines = new Map<string, Promise<LineMirror<StoredPlace>>>();
  /** Those of `#lines` that have started. */
  readonly #served = new Map<string, LineMirror<StoredPlace>>();
  readonly #used = new Map<string, Mirrored>();
  readonly #idleTimer: NodeJS.Timeout;
  readonly #presenceTimer: NodeJS.Timeout;
  #resyncs = 0;
  #reporting = false;
  #stopped = false;

  constructor(platform: Platform, events: EventCatalogue, inventory: InventoryService, draws: Draws) {
    this.#platform = platform;
    this.#events = events;
    this.#inventory = inventory;
    this.#draws = draws;
    this.#idleTimer = setInterval(() => this.#letGo(), limits.mirrorIdleMs / 4);
    this.#presenceTimer = setInterval(() => void this.#reportPresence(), limits.presenceEveryMs);
  }

  stop(): void {
    clearInterval(this.#idleTimer);
    clearInterval(this.#presenceTimer);
    this.#stopped = true;
    for (const { mirror } of this.#used.values()) mirror.stop();
    this.#used.clear();
    this.#seats.clear();
    this.#lines.clear();
    this.#served.clear();
  }

  /** Snapshots that watchers of halls were given after their first update. */
  get resyncs(): number {
    return this.#resyncs;
  }

  seats(eventId: string): Promise<SeatMapMirror> {
    return this.#get(`seats:${eventId}`, this.#seats, eventId, async () => {
      const mirror = new SeatMapMirror(
        () => this.#load(eventId, (ref) => snapshotSeats(this.#platform.redis, ref)),
        () => {
          this.#resyncs += 1;
        },
      );
      await mirror.start(this.#platform.channels, sharedKeys(eventId).seatChannel);
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
        readPlaces: (generation, entryIds) => this.#readPlaces({ eventId, generation }, entryIds),
        restore: (generation, places) => this.#restore({ eventId, generation }, places),
        facts: (place) => ({
          number: place.number,
          waiting: waitingStates.has(place.state),
          final: !openStates.has(place.state),
          face: `${place.state}${place.number}`,
        }),
        elapsedMs: () => this.#platform.clock.elapsedMs(),
      });
      await mirror.start(this.#platform.channels, sharedKeys(eventId).lineChannel);
      this.#served.set(eventId, mirror);
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
      making = make().then((mirror) => {
        if (this.#stopped) mirror.stop();
        return mirror;
      });
      mirrors.set(eventId, making);
      making.catch(() => mirrors.delete(eventId));
    }
    const mirror = await making;
    this.#used.set(key, { mirror, lastUsedMs: this.#platform.clock.elapsedMs() });
    return mirror;
  }

  /** Loads under the event's present generation; a generation that has just ended is looked up again. */
  async #load<T>(eventId: string, read: (ref: EventRef) => Promise<T | null>): Promise<T | null> {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const event = await this.#events.published(eventId);
      if (event === null) return null;
      const loaded = await read(event.ref);
      if (loaded !== null) return loaded;
      await this.#inventory.wrongEpoch(eventId);
    }
    return null;
  }

  async #readPlaces(ref: EventRef, entryIds: readonly string[]): Promise<ReadonlyMap<string, StoredPlace> | null> {
    const places = new Map<string, StoredPlace>();
    const answers = await Promise.all(entryIds.map((id) => readPlace(this.#platform.redis, ref, id, null)));
    for (const [at, answer] of answers.entries()) {
      if (answer.code === 'WRONG_EPOCH') return null;
      if (answer.code === 'OK') places.set(entryIds[at]!, answer.place);
    }
    return places;
  }

  /** Places of an earlier generation, whose owners are connected here, go back under the same numbers. */
  async #restore(ref: EventRef, places: readonly StoredPlace[]): Promise<void> {
    const open = places.filter(({ state }) => openStates.has(state));
    // Whoever was in the lobby when it was drawn has a number by now, whether or not they heard of it.
    const drawn = open.some(({ number }) => number === 0) ? await this.#draws.numbers(ref.eventId) : null;
    const restorable = open.map(
      ({ entryId, person, number, sinceMs, state, admissionEndsAtMs, shiftMs }): RestorablePlace => ({
        entryId,
        person,
        number: number || (drawn?.get(entryId) ?? 0),
        sinceMs,
        state: state === 'A' ? 'A' : 'W',
        endsAtMs: admissionEndsAtMs === null ? 0 : admissionEndsAtMs - shiftMs,
      }),
    );
    await restorePlaces(this.#platform.redis, ref, this.#platform.processId, restorable);
  }

  /**
   * Tells every line who is served here, in bounded batches, and that this process lives. One report at a time: a later one that overtook
   * an earlier one would bring somebody back who has gone.
   */
  async #reportPresence(): Promise<void> {
    if (this.#reporting) return;
    this.#reporting = true;
    try {
      await Promise.all([...this.#served].map(([eventId, mirror]) => this.#reportLine(eventId, mirror)));
    } finally {
      this.#reporting = false;
    }
  }

  async #reportLine(eventId: string, mirror: LineMirror<StoredPlace>): Promise<void> {
    const { seen, lost } = mirror.takePresence();
    if (!mirror.isWatched && lost.length === 0) return;
    const ref = { eventId, generation: mirror.generation };
    const { processId, redis } = this.#platform;
    for (const batch of batches(seen, lost, limits.presenceBatch)) {
      const known = await reportPresence(redis, ref, { processId, ...batch }).catch(() => null);
      if (known === true) continue;
      // Nobody knows whether Redis acted, or the generation has ended; saying it again does no harm.
      mirror.returnPresence(batch);
      if (known === false) mirror.reload();
    }
  }

  #letGo(): void {
    const idleSince = this.#platform.clock.elapsedMs() - limits.mirrorIdleMs;
    for (const [key, used] of this.#used) {
      if (used.mirror.isWatched || used.lastUsedMs > idleSince) continue;
      const [kind, eventId] = key.split(':') as [string, string];
      (kind === 'seats' ? this.#seats : this.#lines).delete(eventId);
      if (kind === 'line') this.#served.delete(eventId);
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
