import { GoneNumbers, pushIntervalMs } from '../domain/line.js';
import { limits } from '../limits.js';
import type { Channels } from './channels.js';
import { Watch } from './watch.js';

export interface LoadedLine {
  readonly generation: number;
  readonly version: number;
  readonly phase: string;
  readonly gone: Uint8Array;
}

interface LineMessage {
  readonly g: number;
  readonly v: number;
  readonly p: string;
  readonly n?: readonly number[];
  readonly e?: readonly string[];
}

/** One watched place. `stored` is what Redis last said of it; positions come from the mirror. */
interface WatchedPlace<P> {
  readonly entryId: string;
  stored: P;
  number: number;
  waiting: boolean;
  /** Something other than the passing of time is to be told. */
  changed: boolean;
  dueAtMs: number;
  watch: Watch<PlacePush<P>>;
}

export interface PlacePush<P> {
  readonly stored: P;
  readonly phase: string;
  /** Null in the lobby and in a final state. */
  readonly peopleAhead: number | null;
  /** Within how many milliseconds another push follows; null when none is promised. */
  readonly nextPushInMs: number | null;
}

export interface PlaceFacts {
  readonly number: number;
  readonly waiting: boolean;
  readonly final: boolean;
}

export interface LineSource<P> {
  load(): Promise<LoadedLine | null>;
  /** Reads places again, by entry id; a place that is gone is left out. */
  readPlaces(entryIds: readonly string[]): Promise<ReadonlyMap<string, P>>;
  facts(place: P): PlaceFacts;
  nowMs(): number;
}

/**
 * The line as this process sees it: which numbers are gone. Positions of all its watchers follow from that without a call to Redis.
 * It pushes at a cadence that falls with distance and, at once, whatever happens to a watched place.
 */
export class LineMirror<P> {
  readonly #source: LineSource<P>;
  readonly #places = new Map<string, Set<WatchedPlace<P>>>();
  #gone = new GoneNumbers();
  #generation = 0;
  #version = -1;
  #phase = 'LOBBY';
  #pending: LineMessage[] | null = null;
  #moved = new Set<string>();
  #seen = new Set<string>();
  #lost = new Set<string>();
  #reading = false;
  #stop: () => void = () => {};

  constructor(source: LineSource<P>) {
    this.#source = source;
  }

  async start(channels: Channels, channel: string): Promise<void> {
    this.#pending = [];
    const silence = await channels.listen(channel, (message) => this.#receive(message as LineMessage));
    const forget = channels.onReconnect(() => void this.reload());
    const timer = setInterval(() => void this.#tick(), limits.presenceEveryMs);
    this.#stop = () => {
      silence();
      forget();
      clearInterval(timer);
    };
    await this.reload();
  }

  stop(): void {
    this.#stop();
    for (const places of [...this.#places.values()]) for (const place of [...places]) place.watch.finish();
  }

  get isWatched(): boolean {
    return this.#places.size > 0;
  }

  get phase(): string {
    return this.#phase;
  }

  peopleAhead(number: number): number | null {
    return number === 0 || this.#version < 0 ? null : Math.max(0, this.#gone.ahead(number));
  }

  /** Ids whose first watcher came and whose last watcher went since the last call, for one presence report. */
  takePresence(): { seen: string[]; lost: string[] } {
    const presence = { seen: [...this.#seen], lost: [...this.#lost] };
    this.#seen = new Set();
    this.#lost = new Set();
    return presence;
  }

  /** Everybody served here, after Redis forgot who serves them. */
  reportAll(): void {
    for (const entryId of this.#places.keys()) this.#seen.add(entryId);
  }

  watch(entryId: string, stored: P): Watch<PlacePush<P>> {
    const facts = this.#source.facts(stored);
    const place: WatchedPlace<P> = {
      entryId,
      stored,
      number: facts.number,
      waiting: facts.waiting,
      changed: true,
      dueAtMs: 0,
      watch: new Watch(
        () => this.#pull(place),
        () => this.#forget(place),
      ),
    };
    const places = this.#places.get(entryId) ?? new Set();
    places.add(place);
    this.#places.set(entryId, places);
    this.#lost.delete(entryId);
    if (facts.waiting) this.#seen.add(entryId);
    if (facts.final) place.watch.finish();
    return place.watch;
  }

  async reload(): Promise<void> {
    this.#pending ??= [];
    const loaded = await this.#source.load();
    const pending = this.#pending ?? [];
    this.#pending = null;
    if (loaded === null) return;
    this.#gone = GoneNumbers.fromBitmap(loaded.gone);
    this.#generation = loaded.generation;
    this.#version = loaded.version;
    this.#phase = loaded.phase;
    for (const message of pending) this.#receive(message);
    this.reportAll();
    for (const entryId of this.#places.keys()) this.#moved.add(entryId);
    await this.#readMoved();
  }

  #receive(message: LineMessage): void {
    if (this.#pending !== null) {
      this.#pending.push(message);
      if (this.#pending.length > limits.deltaRing) this.#pending.shift();
      return;
    }
    if (message.g === this.#generation && message.v <= this.#version) return;
    if (message.g !== this.#generation || message.v !== this.#version + 1) {
      void this.reload();
      return;
    }
    this.#version = message.v;
    for (const number of message.n ?? []) this.#gone.add(number);
    for (const entryId of message.e ?? []) if (this.#places.has(entryId)) this.#moved.add(entryId);
    if (message.p !== this.#phase) {
      const drawn = this.#phase === 'DRAWING' || this.#phase === 'LOBBY';
      this.#phase = message.p;
      for (const [entryId, places] of this.#places) {
        if (drawn) this.#moved.add(entryId);
        for (const place of places) place.changed = true;
      }
    }
    void this.#readMoved();
  }

  async #readMoved(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#moved.size > 0) {
        const ids = [...this.#moved].slice(0, limits.presenceBatch);
        for (const id of ids) this.#moved.delete(id);
        const stored = await this.#source.readPlaces(ids);
        for (const id of ids) this.#update(id, stored.get(id));
      }
    } catch {
      // Redis did not answer; the reconnect, or the next message with its gap in versions, brings the mirror up to date.
    } finally {
      this.#reading = false;
    }
  }

  #update(entryId: string, stored: P | undefined): void {
    for (const place of [...(this.#places.get(entryId) ?? [])]) {
      if (stored === undefined) {
        place.watch.finish();
        continue;
      }
      const facts = this.#source.facts(stored);
      place.stored = stored;
      place.number = facts.number;
      place.waiting = facts.waiting;
      place.changed = true;
      place.watch.wake();
      if (facts.final) place.watch.finish();
    }
  }

  #pull(place: WatchedPlace<P>): PlacePush<P> | null {
    const nowMs = this.#source.nowMs();
    if (!place.changed && (!place.waiting || nowMs < place.dueAtMs)) return null;
    place.changed = false;
    const peopleAhead = place.waiting ? this.peopleAhead(place.number) : null;
    const nextPushInMs = place.waiting ? pushIntervalMs(peopleAhead) : null;
    // Sent a little before it is due, so that the promise is kept with a tick and a network in between.
    if (nextPushInMs !== null) place.dueAtMs = nowMs + nextPushInMs - limits.presenceEveryMs;
    return { stored: place.stored, phase: this.#phase, peopleAhead, nextPushInMs };
  }

  #forget(place: WatchedPlace<P>): void {
    const places = this.#places.get(place.entryId);
    if (places === undefined) return;
    places.delete(place);
    if (places.size > 0) return;
    this.#places.delete(place.entryId);
    this.#seen.delete(place.entryId);
    if (place.waiting) this.#lost.add(place.entryId);
  }

  #tick(): void {
    const nowMs = this.#source.nowMs();
    for (const places of this.#places.values()) {
      for (const place of places) if (place.changed || (place.waiting && nowMs >= place.dueAtMs)) place.watch.wake();
    }
  }
}
