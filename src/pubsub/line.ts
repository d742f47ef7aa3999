import { estimateWait, GoneNumbers, type Pace, parsePace, pushIntervalMs, type WaitEstimate } from '../domain/line.js';
import { limits } from '../limits.js';
import type { Channels } from './channels.js';
import { Watch } from './watch.js';

export interface LoadedLine {
  readonly generation: number;
  readonly version: number;
  readonly phase: string;
  readonly pace: Pace | null;
  /** Places of before the loss of Redis are being put back, or those of its lobby are still to be drawn: nobody knows how many are ahead. */
  readonly uncounted: boolean;
  readonly gone: Uint8Array;
}

interface LineMessage {
  readonly g: number;
  readonly v: number;
  readonly p: string;
  /** Pace. */
  readonly t: string;
  /** 1 while nobody knows how many are ahead; see `LoadedLine.uncounted`. */
  readonly r: 0 | 1;
  /** 1: the lobby has got its numbers. */
  readonly d: 0 | 1;
  /** Numbers that have gone, and entries of which something is new. */
  readonly n: readonly number[];
  readonly e: readonly string[];
}

/** One watched place. `stored` is what Redis last said of it; positions come from the mirror. */
interface WatchedPlace<P> {
  readonly entryId: string;
  stored: P;
  facts: PlaceFacts;
  /** Of the line in which `stored` was read; in another one its number means nothing. */
  generation: number;
  /** Something other than the passing of time is to be told. */
  changed: boolean;
  /** All are told the same at this moment: from here on each at another one, or they would come together for good. */
  together: boolean;
  /** The tick from which on it is to be told again, changed or not. */
  dueTick: number;
  /** The position told last: it never rises, whatever else changes. */
  aheadTold: number;
  watch: Watch<PlacePush<P>>;
}

export interface PlacePush<P> {
  readonly stored: P;
  /** Of the line it was read in. */
  readonly generation: number;
  readonly phase: string;
  /** Null in the lobby, while the line is being recovered, and in a final state. */
  readonly peopleAhead: number | null;
  readonly estimate: WaitEstimate | null;
  /** Within how many milliseconds another push follows; null when none is promised. */
  readonly nextPushInMs: number | null;
}

export interface PlaceFacts {
  readonly number: number;
  readonly waiting: boolean;
  readonly final: boolean;
  /** Differs when something is to be told besides the position. */
  readonly face: string;
}

/** Entry ids whose first watcher came (seen) and whose last watcher went (lost) since the last report. */
export interface PresenceReport {
  readonly seen: readonly string[];
  readonly lost: readonly string[];
}

export interface LineSource<P> {
  /** The line in its present generation; null while it is being rebuilt. */
  load(): Promise<LoadedLine | null>;
  /** Places by entry id; one that is gone is left out. Null when the generation has ended or nobody knows yet. */
  readPlaces(generation: number, entryIds: readonly string[]): Promise<ReadonlyMap<string, P> | null>;
  /** Puts places of an earlier generation, as this process served them, back into the present one. */
  restore(generation: number, places: readonly P[]): Promise<void>;
  facts(place: P): PlaceFacts;
  elapsedMs(): number;
}

/**
 * The line as this process sees it: which numbers are gone. Positions of all its watchers follow from that without a call to Redis.
 * It pushes at a cadence that falls with distance and, at once, whatever happens to a watched place. What cannot be read now is read
 * again with the next tick.
 */
export class LineMirror<P> {
  readonly #source: LineSource<P>;
  readonly #places = new Map<string, Set<WatchedPlace<P>>>();
  #gone = new GoneNumbers();
  /** By tick, those who are to be told something then. */
  readonly #due = new Map<number, WatchedPlace<P>[]>();
  #lastTick: number;
  #allTouched = false;
  #turn = 0;
  #generation = 0;
  /** The generation in which the places served here are known to Redis. */
  #served = 0;
  #version = -1;
  #phase = '';
  #pace: Pace | null = null;
  #uncounted = false;
  /** Messages that arrived while the line is being read; null at other times. */
  #pending: LineMessage[] | null = null;
  #stale = true;
  #loading = false;
  #moved = new Set<string>();
  #reading = false;
  /** Those who wait until this process knows a version. */
  #behind: { readonly version: number; readonly sinceMs: number; readonly resolve: () => void }[] = [];
  #seen = new Set<string>();
  #lost = new Set<string>();
  #stopped = false;
  #stop: () => void = () => {};

  constructor(source: LineSource<P>) {
    this.#source = source;
    this.#lastTick = tickOf(source.elapsedMs());
  }

  /** Subscribes first, then reads the line, so that nothing is missed in between. */
  async start(channels: Channels, channel: string): Promise<void> {
    const silence = await channels.listen(channel, (message) => this.#receive(message as LineMessage));
    const forget = channels.onReconnect(() => this.reload());
    const timer = setInterval(() => this.#tick(), limits.presenceEveryMs);
    this.#stop = () => {
      silence();
      forget();
      clearInterval(timer);
    };
    await this.#load();
  }

  stop(): void {
    this.#stopped = true;
    this.#stop();
    this.#release(() => true);
    for (const places of [...this.#places.values()]) for (const place of [...places]) place.watch.finish();
  }

  get isWatched(): boolean {
    return this.#places.size > 0;
  }

  /** Of the line as it was last read; 0 before the first time. */
  get generation(): number {
    return this.#generation;
  }

  /** How many are ahead of a number and how long that will take, as far as anybody can tell now. */
  outlook(generation: number, number: number): Pick<PlacePush<P>, 'peopleAhead' | 'estimate'> {
    // In another generation than this process knows, the number means nothing here yet.
    if (number === 0 || generation !== this.#generation || this.#uncounted)
      return { peopleAhead: null, estimate: null };
    return this.#estimated(Math.max(0, this.#gone.ahead(number)));
  }

  #estimated(peopleAhead: number): Pick<PlacePush<P>, 'peopleAhead' | 'estimate'> {
    const moving = this.#phase === 'OPEN' && this.#pace !== null;
    return { peopleAhead, estimate: moving ? estimateWait(peopleAhead, this.#pace!) : null };
  }

  /**
   * Resolves when this process knows the line up to a version that Redis told of. Somebody who comes from another process is then never
   * shown a position behind the one they saw there.
   */
  async reached(generation: number, version: number): Promise<void> {
    if (this.#stopped) return;
    if (generation !== this.#generation) return this.reload();
    if (version <= this.#version) return;
    const sinceMs = this.#source.elapsedMs();
    await new Promise<void>((resolve) => this.#behind.push({ version, sinceMs, resolve }));
  }

  /** Takes what is to be reported. An entry is never in both lists. */
  takePresence(): PresenceReport {
    const presence = { seen: [...this.#seen], lost: [...this.#lost] };
    this.#seen = new Set();
    this.#lost = new Set();
    return presence;
  }

  /** Gives back a report that may not have arrived: what still holds of it is reported again. */
  returnPresence({ seen, lost }: PresenceReport): void {
    for (const entryId of seen) if (this.#places.has(entryId)) this.#seen.add(entryId);
    for (const entryId of lost) if (!this.#places.has(entryId)) this.#lost.add(entryId);
  }

  /** The stream of a place that has just been read from the line of that generation. */
  watch(entryId: string, stored: P, generation: number): Watch<PlacePush<P>> {
    const place: WatchedPlace<P> = {
      entryId,
      stored,
      facts: this.#source.facts(stored),
      generation,
      changed: true,
      together: false,
      dueTick: 0,
      aheadTold: Number.POSITIVE_INFINITY,
      watch: new Watch(
        () => this.#pull(place),
        () => this.#forget(place),
      ),
    };
    this.#plan(place, 0);
    const places = this.#places.get(entryId) ?? new Set();
    places.add(place);
    this.#places.set(entryId, places);
    this.#lost.delete(entryId);
    if (place.facts.waiting) this.#seen.add(entryId);
    if (place.facts.final || this.#stopped) place.watch.finish();
    // It may have moved between being read and being watched.
    else this.#readAgain(entryId);
    return place.watch;
  }

  /** Reads the line again: after a gap, a reconnect, another generation. */
  reload(): void {
    this.#stale = true;
    void this.#load();
  }

  /** One at a time, so that an older answer never replaces a newer one and no number comes back. */
  async #load(): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    try {
      while (this.#stale && !this.#stopped) {
        this.#pending = [];
        this.#stale = false;
        const loaded = await this.#source.load();
        if (loaded === null) {
          this.#stale = true;
          break;
        }
        this.#apply(loaded, this.#pending);
      }
    } catch {
      this.#stale = true;
    } finally {
      this.#pending = null;
      this.#loading = false;
    }
  }

  #apply(loaded: LoadedLine, pending: readonly LineMessage[]): void {
    this.#pending = null;
    this.#gone = GoneNumbers.fromBitmap(loaded.gone);
    this.#generation = loaded.generation;
    this.#version = loaded.version;
    this.#pace = loaded.pace;
    if (loaded.uncounted !== this.#uncounted) this.#touchAll();
    this.#uncounted = loaded.uncounted;
    this.#enter(loaded.phase);
    this.#release((behind) => behind.version <= loaded.version);
    for (const message of pending) this.#receive(message);
    const isAnother = this.#served > 0 && loaded.generation !== this.#served;
    if (isAnother && loaded.uncounted) void this.#restore();
    else {
      this.#served = loaded.generation;
      this.#lookAtAll();
    }
  }

  /** Redis may have forgotten who is served here, and what happened to them was not heard. */
  #lookAtAll(): void {
    for (const entryId of this.#places.keys()) {
      this.#seen.add(entryId);
      this.#moved.add(entryId);
    }
    void this.#readMoved();
  }

  /** Redis has lost the line: those who are served here get their places back before anything is told of them. */
  async #restore(): Promise<void> {
    const generation = this.#generation;
    const served = [...this.#places.values()].flatMap((places) => [...places].slice(0, 1).map(({ stored }) => stored));
    try {
      for (let at = 0; at < served.length; at += limits.restoreBatch)
        await this.#source.restore(generation, served.slice(at, at + limits.restoreBatch));
      this.#served = generation;
    } catch {
      // What could not be put back now is with the next reading.
      this.#stale = true;
      return;
    }
    this.#lookAtAll();
  }

  #receive(message: LineMessage): void {
    if (this.#pending !== null) {
      // Beyond the bound the oldest is dropped, which shows as a gap and leads to another reading.
      this.#pending.push(message);
      if (this.#pending.length > limits.deltaRing) this.#pending.shift();
      return;
    }
    if (message.g === this.#generation && message.v <= this.#version) return;
    if (message.g !== this.#generation || message.v !== this.#version + 1) {
      this.reload();
      return;
    }
    this.#version = message.v;
    this.#pace = parsePace(message.t);
    for (const number of message.n) this.#gone.add(number);
    for (const entryId of message.e) {
      if (!this.#places.has(entryId)) continue;
      this.#moved.add(entryId);
      // Whoever waits and was just said to be away is served here after all.
      this.#seen.add(entryId);
    }
    this.#enter(message.p);
    this.#release((behind) => behind.version <= message.v);
    // Numbers that were given back or drawn are no longer gone, which no message tells one by one. Until they are known nothing is counted.
    if (this.#uncounted && message.r === 0) this.reload();
    else {
      this.#uncounted = message.r === 1;
      if (message.d === 1) this.reload();
    }
    void this.#readMoved();
  }

  #release(done: (behind: { readonly version: number; readonly sinceMs: number }) => boolean): void {
    if (this.#behind.length === 0) return;
    for (const behind of this.#behind) if (done(behind)) behind.resolve();
    this.#behind = this.#behind.filter((behind) => !done(behind));
  }

  #enter(phase: string): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#touchAll();
  }

  #touchAll(): void {
    this.#allTouched = true;
    for (const places of this.#places.values()) {
      for (const place of places) {
        place.changed = true;
        place.together = true;
      }
    }
  }

  #readAgain(entryId: string): void {
    this.#moved.add(entryId);
    void this.#readMoved();
  }

  async #readMoved(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    let ids: string[] = [];
    try {
      // Places that have not been put back yet would seem to be gone.
      while (this.#moved.size > 0 && !this.#stale && this.#served === this.#generation) {
        const generation = this.#generation;
        ids = [...this.#moved].slice(0, limits.presenceBatch);
        for (const id of ids) this.#moved.delete(id);
        const stored = await this.#source.readPlaces(generation, ids);
        if (stored === null || generation !== this.#generation) {
          for (const id of ids) this.#moved.add(id);
          if (stored === null) this.#stale = true;
        } else for (const id of ids) this.#update(id, stored.get(id));
      }
    } catch {
      // Redis did not answer: the next tick asks again.
      for (const id of ids) this.#moved.add(id);
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
      if (facts.face !== place.facts.face) place.changed = true;
      place.stored = stored;
      place.facts = facts;
      place.generation = this.#generation;
      place.watch.wake();
      if (facts.final) place.watch.finish();
    }
  }

  #pull(place: WatchedPlace<P>): PlacePush<P> | null {
    const elapsedMs = this.#source.elapsedMs();
    if (!this.#isDue(place, elapsedMs)) return null;
    place.changed = false;
    const { waiting } = place.facts;
    const outlook = waiting ? this.#outlookOf(place) : { peopleAhead: null, estimate: null };
    const nextPushInMs = waiting ? pushIntervalMs(outlook.peopleAhead) : null;
    // Sent a little before it is due, so that the promise is kept with a tick and a network in between.
    if (nextPushInMs !== null)
      this.#plan(place, tickOf(elapsedMs + nextPushInMs) - 1 - this.#sooner(place, nextPushInMs));
    return { stored: place.stored, generation: place.generation, phase: this.#phase, nextPushInMs, ...outlook };
  }

  /** Up to half of the way, in turn. */
  #sooner(place: WatchedPlace<P>, nextPushInMs: number): number {
    if (!place.together) return 0;
    place.together = false;
    this.#turn += 1;
    return this.#turn % Math.max(1, Math.floor(nextPushInMs / limits.presenceEveryMs / 2));
  }

  #plan(place: WatchedPlace<P>, dueTick: number): void {
    const tick = Math.max(dueTick, this.#lastTick + 1);
    place.dueTick = tick;
    const due = this.#due.get(tick);
    if (due === undefined) this.#due.set(tick, [place]);
    else due.push(place);
  }

  #wakeDue(tick: number): void {
    const due = this.#due.get(tick) ?? [];
    this.#due.delete(tick);
    // Whoever was told meanwhile is due with a later tick. Who cannot be told now stays due, and is told as soon as that can be.
    for (const place of due) if (place.dueTick === tick) place.watch.wake();
  }

  #outlookOf(place: WatchedPlace<P>): Pick<PlacePush<P>, 'peopleAhead' | 'estimate'> {
    const outlook = this.outlook(place.generation, place.facts.number);
    if (outlook.peopleAhead === null) return outlook;
    place.aheadTold = Math.min(place.aheadTold, outlook.peopleAhead);
    return outlook.peopleAhead === place.aheadTold ? outlook : this.#estimated(place.aheadTold);
  }

  #isDue(place: WatchedPlace<P>, elapsedMs: number): boolean {
    if (place.generation !== this.#generation) return false;
    return place.changed || (place.facts.waiting && tickOf(elapsedMs) >= place.dueTick);
  }

  #forget(place: WatchedPlace<P>): void {
    const places = this.#places.get(place.entryId);
    if (places === undefined) return;
    places.delete(place);
    if (places.size > 0) return;
    this.#places.delete(place.entryId);
    this.#moved.delete(place.entryId);
    this.#seen.delete(place.entryId);
    if (place.facts.waiting) this.#lost.add(place.entryId);
  }

  /** In slices, so that whatever else has to be answered is answered in between. */
  async #wakeAll(): Promise<void> {
    let woken = 0;
    for (const place of [...this.#places.values()].flatMap((places) => [...places])) {
      place.watch.wake();
      woken += 1;
      if (woken % limits.wakeSlice === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #tick(): void {
    const elapsedMs = this.#source.elapsedMs();
    // A message that has not come by now is lost; and while Redis does not answer, nobody waits for it longer than for a command.
    if (this.#behind.some(({ sinceMs }) => elapsedMs - sinceMs >= limits.presenceEveryMs)) this.#stale = true;
    this.#release(({ sinceMs }) => elapsedMs - sinceMs >= limits.redisCommandMs);
    if (this.#stale) void this.#load();
    if (this.#moved.size > 0) void this.#readMoved();
    if (this.#allTouched) {
      this.#allTouched = false;
      void this.#wakeAll();
    }
    for (const tick = tickOf(elapsedMs); this.#lastTick < tick; ) {
      this.#lastTick += 1;
      this.#wakeDue(this.#lastTick);
    }
  }
}

/** The tick an instant belongs to. */
function tickOf(elapsedMs: number): number {
  return Math.floor(elapsedMs / limits.presenceEveryMs);
}
