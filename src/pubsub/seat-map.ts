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

/** What somebody watches of a hall, and as whom. Whoever has the same key is told the same. */
export interface WatchedPart {
  readonly key: string;
  /** Index ranges `[first, count]`; null: all of it. */
  readonly ranges: readonly (readonly [number, number])[] | null;
  /** Letters of the channels whose seats they may see; to everybody else those read `x`. */
  readonly channels: string;
}

export interface LoadedSeats {
  readonly generation: number;
  readonly version: number;
  readonly layoutVersion: number;
  readonly status: string;
  /** Whose each seat is when it is free; empty when all are everybody's. */
  readonly channels: string;
}

interface SeatMessage {
  readonly g: number;
  readonly v: number;
  readonly f: number;
  readonly l: number;
  readonly i: string;
  readonly s: string;
  /** The channel to which all of these seats have moved. */
  readonly c?: string;
  /** A hold whose deadline moved. */
  readonly h?: string;
}

/** Called with every change of the hall: the seats that moved and, where only a deadline moved, the hold. */
export type SeatListener = (change: { readonly indexes: readonly number[]; readonly holdId: string | null }) => void;

/** No epoch is called that. */
const nothingKnown: SeatCursor = { epoch: '', version: -1, layoutVersion: 0 };

const checkTicks = limits.mirrorCheckMs / limits.seatTickMs;
const retryTicks = checkTicks / 10;

/**
 * A hall as this process sees it. One Redis subscription feeds it; changes are told once per tick, and whoever is behind gets one merged
 * change or, when that is no longer known, a snapshot. Every few seconds it compares its version with Redis, since the loss of the last
 * message before a silence shows in no other way.
 */
export class SeatMapMirror {
  readonly #load: () => Promise<LoadedSeats | null>;
  readonly #onResync: () => void;
  readonly #ring = new DeltaRing(limits.deltaRing);
  readonly #watches = new Set<Watch<SeatUpdate>>();
  readonly #listeners = new Set<SeatListener>();
  readonly #merged = new Map<string, { seats: string; states: string }>();
  /** The very same delta for all who are told the same. */
  readonly #deltas = new Map<string, SeatDeltaUpdate>();
  readonly #snapshots = new Map<string, SeatSnapshotUpdate>();
  #status: string[] = [];
  /** Empty while every seat is everybody's. */
  #channels: string[] = [];
  /** Version at which a seat last moved to another channel, by index. */
  readonly #recast = new Map<number, number>();
  #generation = 0;
  #version = -1;
  #layoutVersion = 0;
  #pending: SeatMessage[] | null = null;
  /** The load under way, and the one that follows it for everybody who asked meanwhile. */
  #loading: Promise<void> = Promise.resolve();
  #following: Promise<void> | null = null;
  #ticksToCheck = checkTicks;
  /** The version Redis told at the last check, and how many ticks ago. */
  #expected = -1;
  #expectedTicks = 0;
  #dirty = false;
  #waking = false;
  #wakeAgain = false;
  #stopped = false;
  #stop: () => void = () => {};

  /** `onResync`: somebody who was being told changes needs a snapshot after all. */
  constructor(load: () => Promise<LoadedSeats | null>, onResync: () => void) {
    this.#load = load;
    this.#onResync = onResync;
  }

  /** Subscribes first, then reads the snapshot, so that nothing is missed in between. Rejects when a store does not answer. */
  async start(channels: Channels, channel: string): Promise<void> {
    this.#pending = [];
    const silence = await channels.listen(channel, (message) => this.#receive(message as SeatMessage));
    const forget = channels.onReconnect(() => this.#reloadSoon());
    const timer = setInterval(() => this.#tick(), limits.seatTickMs);
    this.#stop = () => {
      silence();
      forget();
      clearInterval(timer);
    };
    try {
      await this.reload();
    } catch (error) {
      this.stop();
      throw error;
    }
    if (this.#stopped) this.#stop();
  }

  stop(): void {
    this.#stopped = true;
    this.#stop();
    for (const watch of [...this.#watches]) watch.finish();
  }

  get isWatched(): boolean {
    return this.#watches.size > 0 || this.#listeners.size > 0;
  }

  /** Below 0 while the event is being rebuilt and nothing is known yet. */
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

  /** Made once per version for all who ask for the same part. */
  snapshot(watched: WatchedPart): SeatSnapshotUpdate {
    const made = this.#snapshots.get(watched.key);
    if (made !== undefined) return made;
    const parts = (watched.ranges ?? [[0, this.#status.length]]).map(([first, count]) => {
      const letters = this.#status.slice(first, first + count);
      if (this.#channels.length === 0) return letters.join('');
      return letters.map((_, at) => this.#shown(first + at, watched)).join('');
    });
    const snapshot: SeatSnapshotUpdate = {
      kind: 'snapshot',
      epoch: this.epoch,
      version: this.#version,
      layoutVersion: this.#layoutVersion,
      states: parts.join(''),
    };
    if (this.#snapshots.size < limits.deltaRing) this.#snapshots.set(watched.key, snapshot);
    return snapshot;
  }

  /** The letter of a seat as these watchers see it. What is free in a channel of theirs is free. */
  #shown(index: number, watched: WatchedPart): string {
    if (!this.#isShown(index, watched)) return 'x';
    const letter = this.#status[index]!;
    return letter >= 'A' && letter <= 'Z' ? '.' : letter;
  }

  #isShown(index: number, { channels }: WatchedPart): boolean {
    const channel = this.#channels[index] ?? '.';
    return channel === '.' || channels.includes(channel);
  }

  /**
   * A stream that begins with what is new since `since`: one delta, empty if nothing is, while the changes are still known; else a
   * snapshot.
   */
  watch(watched: WatchedPart, since: SeatCursor | null): Watch<SeatUpdate> {
    // Nothing else is kept of an update: whoever is not told anything for long would keep what was told last, and its text with it.
    let { epoch, version, layoutVersion } = since ?? nothingKnown;
    let scanned = version;
    let greeted = false;
    const pull = (): SeatUpdate | null => {
      if (this.#version < 0) return null;
      const known = epoch === this.epoch && layoutVersion === this.#layoutVersion && version <= this.#version;
      if (known && greeted && scanned === this.#version) return null;
      const mergedFrom = scanned;
      const merged = known ? this.#since(mergedFrom, watched) : null;
      scanned = this.#version;
      if (merged?.seats === '' && greeted) return null;
      if (merged === null && greeted) this.#onResync();
      greeted = true;
      const update = merged === null ? this.snapshot(watched) : this.#delta(version, mergedFrom, merged, watched);
      ({ epoch, version, layoutVersion } = update);
      return update;
    };
    const watch: Watch<SeatUpdate> = new Watch(pull, () => this.#watches.delete(watch), watched.key);
    this.#watches.add(watch);
    return watch;
  }

  /**
   * Reads the snapshot again: after a gap, a reconnect, another generation. A load that is already under way may be older than what the
   * caller has heard of, so one more follows it; two never run at once, or the older could win. Rejects when a store does not answer.
   */
  reload(): Promise<void> {
    this.#following ??= this.#loading
      .catch(() => {})
      .then(() => {
        this.#following = null;
        this.#loading = this.#loadOnce();
        return this.#loading;
      });
    return this.#following;
  }

  /** A load that fails is tried again by the tick. */
  #reloadSoon(): void {
    this.reload().catch(() => {});
  }

  async #loadOnce(): Promise<void> {
    this.#pending ??= [];
    this.#ticksToCheck = retryTicks;
    let loaded: LoadedSeats | null = null;
    try {
      loaded = await this.#load();
    } finally {
      const pending = this.#pending ?? [];
      this.#pending = null;
      if (loaded !== null) this.#adopt(loaded);
      for (const message of pending) if (loaded !== null) this.#receive(message);
    }
    this.#tell();
  }

  #adopt(loaded: LoadedSeats): void {
    const sameEpoch = loaded.generation === this.#generation && loaded.layoutVersion === this.#layoutVersion;
    this.#ticksToCheck = checkTicks;
    if (sameEpoch && loaded.version === this.#version) return;
    this.#ring.clear();
    this.#forgetMerged();
    this.#snapshots.clear();
    this.#generation = loaded.generation;
    this.#version = loaded.version;
    this.#layoutVersion = loaded.layoutVersion;
    this.#status = [...loaded.status];
    this.#channels = [...loaded.channels];
    this.#recast.clear();
    this.#expected = -1;
    this.#dirty = true;
    for (const listener of this.#listeners) listener({ indexes: [], holdId: null });
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
      this.#reloadSoon();
      return;
    }
    for (const [at, index] of indexes.entries()) this.#status[index] = message.s[at]!;
    if (message.c !== undefined) this.#moveTo(message.c, indexes, message.v);
    this.#version = message.v;
    this.#snapshots.clear();
    this.#ring.push({ fromVersion: message.f, version: message.v, indexes });
    this.#dirty = true;
    for (const listener of this.#listeners) listener({ indexes, holdId: null });
  }

  #moveTo(channel: string, indexes: readonly number[], version: number): void {
    if (this.#channels.length === 0) this.#channels = this.#status.map(() => '.');
    for (const index of indexes) {
      this.#channels[index] = channel;
      this.#recast.set(index, version);
    }
  }

  #tick(): void {
    this.#tell();
    this.#expectedTicks += 1;
    if (this.#expected > this.#version && this.#expectedTicks >= 2) {
      this.#expected = -1;
      this.#reloadSoon();
    }
    this.#ticksToCheck -= 1;
    if (this.#ticksToCheck <= 0) void this.#check();
  }

  #tell(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#forgetMerged();
    void this.#wakeAll();
  }

  /**
   * Asks Redis where it is. A version ahead of the mirror's is no loss yet, its messages may be on their way: that is judged a tick or two later,
   * so that a busy hall is not answered with snapshots.
   */
  async #check(): Promise<void> {
    this.#ticksToCheck = retryTicks;
    const seen = await this.#load().catch(() => null);
    if (seen === null || this.#stopped) return;
    this.#ticksToCheck = checkTicks;
    const sameEpoch = seen.generation === this.#generation && seen.layoutVersion === this.#layoutVersion;
    if (!sameEpoch) return this.#reloadSoon();
    this.#expected = seen.version;
    this.#expectedTicks = 0;
  }

  /** In slices: whoever wants a seat meanwhile does not wait for all who look on. Those who come later are told what is newest then. */
  async #wakeAll(): Promise<void> {
    this.#wakeAgain = true;
    if (this.#waking) return;
    this.#waking = true;
    try {
      while (this.#wakeAgain) {
        this.#wakeAgain = false;
        let woken = 0;
        for (const watch of [...this.#watches]) {
          watch.wake();
          woken += 1;
          if (woken % limits.wakeSlice === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      }
    } finally {
      this.#waking = false;
    }
  }

  #forgetMerged(): void {
    this.#merged.clear();
    this.#deltas.clear();
  }

  /** `mergedFrom` is later than what the client knows where nothing in between was to be told. */
  #delta(
    fromVersion: number,
    mergedFrom: number,
    merged: { readonly seats: string; readonly states: string },
    watched: WatchedPart,
  ): SeatDeltaUpdate {
    const key = `${fromVersion}-${mergedFrom}-${this.#version}|${watched.key}`;
    const made = this.#deltas.get(key);
    if (made !== undefined) return made;
    const delta: SeatDeltaUpdate = {
      kind: 'delta',
      epoch: this.epoch,
      version: this.#version,
      layoutVersion: this.#layoutVersion,
      fromVersion,
      ...merged,
    };
    if (this.#deltas.size < limits.deltaRing) this.#deltas.set(key, delta);
    return delta;
  }

  /** The merged change since a version within what is watched, made once for all who ask for the same; null: no longer known. */
  #since(version: number, watched: WatchedPart): { seats: string; states: string } | null {
    if (version === this.#version) return { seats: '', states: '' };
    const key = `${version}-${this.#version}|${watched.key}`;
    const made = this.#merged.get(key);
    if (made !== undefined) return made;
    const all = this.#ring.since(version);
    if (all === null) return null;
    const { ranges } = watched;
    const within = (index: number) =>
      ranges === null || ranges.some(([first, count]) => index >= first && index < first + count);
    const seats: number[] = [];
    let states = '';
    for (const index of all) {
      // Of a seat that was and is another channel's, nothing is told, not even that it moved.
      const told = this.#isShown(index, watched) || (this.#recast.get(index) ?? 0) > version;
      if (!told || !within(index)) continue;
      seats.push(index);
      states += this.#shown(index, watched);
    }
    const merged = { seats: seats.join(','), states };
    if (this.#merged.size < limits.deltaRing) this.#merged.set(key, merged);
    return merged;
  }
}
