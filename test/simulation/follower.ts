import type { Redis } from 'ioredis';
import { sharedKeys } from '../../src/redis/keys.js';
import type { SimulatedEvent } from './event.js';
import type { Observation } from './observe.js';

interface SeatMessage {
  readonly v: number;
  readonly f: number;
  readonly i: string;
  readonly s: string;
  readonly c?: string;
  readonly h?: string;
}

interface LineMessage {
  readonly v: number;
  /** 1: places of before are being put back. */
  readonly r: 0 | 1;
  /** 1: the lobby has got its numbers. */
  readonly d: 0 | 1;
  /** Numbers that have gone, and entries of which something is new. */
  readonly n: readonly number[];
  readonly e: readonly string[];
}

/** What was published by one step. */
export interface Published {
  readonly seats: readonly SeatMessage[];
  readonly line: readonly LineMessage[];
}

type Listener = (channel: string, text: string) => void;

/** Hands messages of one connection to the events they are about. */
export class Post {
  readonly #subscriber: Redis;
  readonly #listeners = new Map<string, Listener>();

  constructor(subscriber: Redis) {
    this.#subscriber = subscriber;
    subscriber.on('message', (channel: string, text: string) => this.#listeners.get(channel)?.(channel, text));
  }

  async listen(channels: readonly string[], listener: Listener): Promise<() => Promise<void>> {
    for (const channel of channels) this.#listeners.set(channel, listener);
    await this.#subscriber.subscribe(...channels);
    return async () => {
      await this.#subscriber.unsubscribe(...channels);
      for (const channel of channels) this.#listeners.delete(channel);
    };
  }
}

/** Numbers that are gone become free again only while places are put back and when the lobby has its numbers; then all is read again. */
function isReadAgain(line: readonly LineMessage[]): boolean {
  return line.some(({ d, r }) => d === 1 || r === 1);
}

/** Whoever watches a hall and its line and believes nothing but what is published. */
export class Follower {
  readonly #stop: () => Promise<void>;
  #seats: SeatMessage[] = [];
  #line: LineMessage[] = [];
  readonly #marks = new Set<string>();
  #awaited: { readonly mark: string; readonly resolve: () => void } | null = null;
  #version = -1;
  #lineVersion = -1;
  #status: string[] = [];
  #channels: string[] = [];
  #gone = new Set<number>();
  #isRecovering = false;

  private constructor(stop: () => Promise<void>) {
    this.#stop = stop;
  }

  static async start(post: Post, { ref }: SimulatedEvent): Promise<Follower> {
    const { seatChannel, lineChannel } = sharedKeys(ref.eventId);
    let follower: Follower | null = null;
    const stop = await post.listen([seatChannel, lineChannel], (channel, text) =>
      follower?.receive(channel === seatChannel, text),
    );
    follower = new Follower(stop);
    return follower;
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  receive(isSeats: boolean, text: string): void {
    if (text.startsWith('mark')) {
      this.#marks.add(text);
      if (this.#awaited?.mark === text) this.#awaited.resolve();
    } else if (isSeats) this.#seats.push(JSON.parse(text));
    else this.#line.push(JSON.parse(text));
  }

  /** Everything that was published before this mark. */
  async until(mark: string): Promise<Published> {
    if (!this.#marks.has(mark)) await new Promise<void>((resolve) => (this.#awaited = { mark, resolve }));
    this.#marks.clear();
    const published = { seats: this.#seats, line: this.#line };
    [this.#seats, this.#line] = [[], []];
    return published;
  }

  /** Begins with a snapshot, as every watcher does. */
  begin(seen: Observation): void {
    this.#version = seen.version;
    this.#status = [...seen.status];
    this.#channels = [...seen.channels];
    this.#lineVersion = Number(seen.line.get('version'));
    this.#gone = new Set(seen.gone);
  }

  /** What is wrong with what a step has published: each message follows the one before, and together they lead to what Redis has. */
  follow({ seats, line }: Published, before: Observation, seen: Observation): string | null {
    return this.#followSeats(seats, seen) ?? this.#followLine(line, seen) ?? untold(line, before, seen);
  }

  #followSeats(messages: readonly SeatMessage[], seen: Observation): string | null {
    for (const { f, v, i, s, c, h } of messages) {
      if (f !== this.#version) return `a seat change follows version ${f}, not ${this.#version}`;
      // Where only a deadline has moved, the version has not.
      if (v !== f + (i === '' && h !== undefined ? 0 : 1)) return `a seat change leads from version ${f} to ${v}`;
      this.#version = v;
      for (const [at, index] of (i === '' ? [] : i.split(',').map(Number)).entries()) {
        this.#status[index] = s[at]!;
        if (c !== undefined) this.#channels[index] = c;
      }
    }
    if (this.#version !== seen.version)
      return `seats are published up to version ${this.#version}, not ${seen.version}`;
    if (this.#status.join('') !== seen.status) return `who follows has ${this.#status.join('')}, Redis ${seen.status}`;
    const channels = this.#channels.join('');
    return channels === seen.channels ? null : `who follows has the channels ${channels}, Redis ${seen.channels}`;
  }

  #followLine(messages: readonly LineMessage[], seen: Observation): string | null {
    for (const { v, n } of messages) {
      if (v !== this.#lineVersion + 1) return `the line goes from version ${this.#lineVersion} to ${v}`;
      this.#lineVersion = v;
      for (const number of n) this.#gone.add(number);
    }
    const version = Number(seen.line.get('version'));
    if (this.#lineVersion !== version)
      return `the line is published up to version ${this.#lineVersion}, not ${version}`;
    const wasRecovering = this.#isRecovering;
    this.#isRecovering = seen.line.get('recovering') === '1';
    if (wasRecovering || isReadAgain(messages)) this.#gone = new Set(seen.gone);
    // Until the lobby has all its numbers nobody is told which of them are free again.
    if (seen.meta.get('phase') === 'DRAWING') return null;
    const gone = [...this.#gone].sort((a, b) => a - b).join();
    return gone === seen.gone.join() ? null : `who follows has ${gone} gone, Redis ${seen.gone.join()}`;
  }
}

/** Of every place that is another one than before its owner has been told. */
function untold(line: readonly LineMessage[], before: Observation, seen: Observation): string | null {
  const told = new Set(line.flatMap(({ e }) => e));
  for (const [entry, { state }] of before.places) {
    const now = seen.places.get(entry)?.state ?? 'nothing';
    const isOver = state !== 'W' && state !== 'A';
    if (now !== state && !isOver && !told.has(entry))
      return `${entry} went from ${state} to ${now}, and nobody was told`;
  }
  return null;
}
