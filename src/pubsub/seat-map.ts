import { DeltaRing } from '../domain/seat-deltas.js';
import { limits } from '../limits.js';
import type { Channels } from './channels.js';
import { Watch } from './watch.js';

/** What a client knows: a version of one layout of one epoch. */
export interface SeatCursor {
  readonly epoch: string;
  readonly version: number;
  readonly layoutVersion: number;
}

export interface SeatSnapshotUpdate extends SeatCursor {
  readonly kind: 'snapshot';
  /** Letters of the watched seats, in index order. */
  readonly states: string;
}

export interface SeatDeltaUpdate extends SeatCursor {
  readonly kind: 'delta';
  readonly fromVersion: number;
  readonly seats: string;
  readonly states: string;
}

export type SeatUpdate = SeatSnapshotUpdate | SeatDeltaUpdate;

/** Index ranges `[first, count]` of the watched part of a hall; null is all of it. */
export type WatchedRanges = { readonly key: string; readonly ranges: readonly (readonly [number, number])[] } | null;

export interface LoadedSeats {
  readonly generation: number;
  readonly version: number;
  readonly layoutVersion: number;
  readonly status: string;
}

interface SeatMessage {
  readonly g: number;
  readonly v: number;
  readonly f: number;
  readonly l: number;
  readonly i: string;
  readonly s: string;
  /** A hold whose deadline moved. */
  readonly h?: string;
}

/** Called with every change of the hall: the seats that moved and, where only a deadline moved, the hold. */
export type SeatListener = (change: { readonly indexes: readonly number[]; readonly holdId: string | null }) => void;

/**
 * A hall as this process sees it. One Redis subscription feeds it; changes are told once per tick, and whoever is behind gets one merged
 * change or, when that is no longer known, a snapshot.
 */
export class SeatMapMirror {
  readonly #load: () => Promise<LoadedSeats | null>;
  readonly #ring = new DeltaRing(limits.deltaRing);
  readonly #watches = new Set<Watch<SeatUpdate>>();
  readonly #listeners = new Set<SeatListener>();
  readonly #merged = new Map<string, { seats: string; states: string }>();
  #status: string[] = [];
  #generation = 0;
  #version = -1;
  #layoutVersion = 0;
  #pending: SeatMessage[] | null = null;
  #dirty = false;
  #stop: () => void = () => {};

  constructor(load: () => Promise<LoadedSeats | null>) {
    this.#load = load;
  }

  /** Subscribes first, then reads the snapshot, so that nothing is missed in between. */
  async start(channels: Channels, channel: string): Promise<void> {
    this.#pending = [];
    const silence = await channels.listen(channel, (message) => this.#receive(message as SeatMessage));
    const forget = channels.onReconnect(() => void this.reload());
    const timer = setInterval(() => this.#tick(), limits.seatTickMs);
    this.#stop = () => {
      silence();
      forget();
      clearInterval(timer);
    };
    await this.reload();
  }

  stop(): void {
    this.#stop();
    for (const watch of [...this.#watches]) watch.finish();
  }

  get isWatched(): boolean {
    return this.#watches.size > 0 || this.#listeners.size > 0;
  }

  get version(): number {
    return this.#version;
  }

  get epoch(): string {
    return String(this.#generation);
  }

  listen(listener: SeatListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  snapshot(watched: WatchedRanges): SeatSnapshotUpdate {
    const parts = watched?.ranges.map(([first, count]) => this.#status.slice(first, first + count).join(''));
    return {
      kind: 'snapshot',
      epoch: this.epoch,
      version: this.#version,
      layoutVersion: this.#layoutVersion,
      states: parts === undefined ? this.#status.join('') : parts.join(''),
    };
  }

  /** A stream that begins with what is new since `since`: deltas if they are still known, else a snapshot. */
  watch(watched: WatchedRanges, since: SeatCursor | null): Watch<SeatUpdate> {
    let cursor: SeatCursor | null = since;
    let scanned = since?.version ?? -1;
    const watch: Watch<SeatUpdate> = new Watch(
      () => {
        if (this.#version < 0) return null;
        const known =
          cursor !== null &&
          cursor.epoch === this.epoch &&
          cursor.layoutVersion === this.#layoutVersion &&
          cursor.version <= this.#version;
        if (known && scanned === this.#version) return null;
        const merged = known ? this.#since(scanned, watched) : null;
        scanned = this.#version;
        if (cursor === null || merged === null) {
          const snapshot = this.snapshot(watched);
          cursor = snapshot;
          return snapshot;
        }
        if (merged.seats === '') return null;
        const delta: SeatDeltaUpdate = {
          kind: 'delta',
          epoch: this.epoch,
          version: this.#version,
          layoutVersion: this.#layoutVersion,
          fromVersion: cursor.version,
          ...merged,
        };
        cursor = delta;
        return delta;
      },
      () => this.#watches.delete(watch),
    );
    this.#watches.add(watch);
    return watch;
  }

  /** Reads the snapshot again: after a gap, a reconnect, another generation. */
  async reload(): Promise<void> {
    this.#pending ??= [];
    const loaded = await this.#load();
    const pending = this.#pending ?? [];
    this.#pending = null;
    if (loaded === null) return;
    const sameEpoch = loaded.generation === this.#generation && loaded.layoutVersion === this.#layoutVersion;
    if (!sameEpoch || loaded.version !== this.#version) {
      this.#ring.clear();
      this.#merged.clear();
    }
    this.#generation = loaded.generation;
    this.#version = loaded.version;
    this.#layoutVersion = loaded.layoutVersion;
    this.#status = [...loaded.status];
    this.#dirty = true;
    for (const message of pending) this.#receive(message);
    const all = { indexes: [], holdId: null };
    for (const listener of this.#listeners) listener(all);
    this.#tick();
  }

  #receive(message: SeatMessage): void {
    if (this.#pending !== null) {
      this.#pending.push(message);
      // While a snapshot is on its way only the newest changes matter; losing the oldest leads to another snapshot.
      if (this.#pending.length > limits.deltaRing) this.#pending.shift();
      return;
    }
    const indexes = message.i === '' ? [] : message.i.split(',').map(Number);
    if (message.h !== undefined) for (const listener of this.#listeners) listener({ indexes, holdId: message.h });
    if (message.g === this.#generation && message.v <= this.#version) return;
    if (message.g !== this.#generation || message.l !== this.#layoutVersion || message.f !== this.#version) {
      void this.reload();
      return;
    }
    for (const [at, index] of indexes.entries()) this.#status[index] = message.s[at]!;
    this.#version = message.v;
    this.#ring.push({ fromVersion: message.f, version: message.v, indexes, letters: message.s });
    this.#dirty = true;
    for (const listener of this.#listeners) listener({ indexes, holdId: null });
  }

  #tick(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#merged.clear();
    for (const watch of [...this.#watches]) watch.wake();
  }

  /** The merged change since a version within the watched ranges, made once for all who ask for the same. */
  #since(version: number, watched: WatchedRanges): { seats: string; states: string } | null {
    const key = `${version}-${this.#version}|${watched?.key ?? ''}`;
    const made = this.#merged.get(key);
    if (made !== undefined) return made;
    const all = this.#ring.since(version);
    if (all === null) return null;
    const within = (index: number) =>
      watched === null || watched.ranges.some(([first, count]) => index >= first && index < first + count);
    const seats: number[] = [];
    let states = '';
    for (const [at, index] of all.indexes.entries()) {
      if (!within(index)) continue;
      seats.push(index);
      states += all.letters[at];
    }
    const merged = { seats: seats.join(','), states };
    if (this.#merged.size < limits.deltaRing) this.#merged.set(key, merged);
    return merged;
  }
}
