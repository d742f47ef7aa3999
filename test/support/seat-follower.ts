import {
  applySeatMapUpdate,
  cursorOf,
  type KnownSeats,
  type SeatMapMessage,
  type SeatRange,
} from '../../client/seat-map.js';
import type { ApiClient, Data } from './client.js';
import { openSocket, type RawSocket, subscribeMessage } from './raw-socket.js';

const changes = `subscription ($eventId: ID!, $sectionId: ID, $since: SeatMapCursor) {
  seatMapChanged(eventId: $eventId, sectionId: $sectionId, since: $since) {
    __typename
    ... on SeatMapSnapshot { epoch version layoutVersion states }
    ... on SeatMapDelta { epoch version layoutVersion fromVersion seats states }
  }
}`;

const stateQuery = `query ($eventId: ID!, $sectionId: ID) {
  seatMap(eventId: $eventId) { state(sectionId: $sectionId) { epoch version layoutVersion states } }
}`;

/** A hall, or a section of it. */
export interface WatchedSeats {
  readonly eventId: string;
  readonly sectionId: string | null;
  readonly ranges: readonly SeatRange[];
}

/** What a query answers. */
export interface SeatState {
  readonly epoch: string;
  readonly version: number;
  readonly layoutVersion: number;
  readonly states: string;
}

export async function watchedSection(client: ApiClient, eventId: string, name: string): Promise<WatchedSeats> {
  const { seatMap } = await client.run(
    'query ($eventId: ID!) { seatMap(eventId: $eventId) { sections { id name firstSeats counts } } }',
    { eventId },
  );
  const section = seatMap.sections.find((one: Data) => one.name === name);
  const ranges = section.firstSeats.map((first: number, at: number) => ({ first, count: section.counts[at] }));
  return { eventId, sectionId: section.id, ranges };
}

export async function freshState(client: ApiClient, { eventId, sectionId }: WatchedSeats): Promise<SeatState> {
  return (await client.run(stateQuery, { eventId, sectionId })).seatMap.state;
}

/** What is known, as a query would answer it. */
export function asQueried(known: KnownSeats): SeatState {
  const byIndex = [...known.states].sort(([a], [b]) => a - b);
  return { ...cursorOf(known), states: byIndex.map(([, letter]) => letter).join('') };
}

/** Whatever anybody was told of a hall, and whether somebody else was told otherwise. */
export class SeatChronicle {
  readonly #letters = new Map<string, string>();
  readonly contradictions: string[] = [];

  note({ sectionId }: WatchedSeats, known: KnownSeats): void {
    const { epoch, version, layoutVersion, states } = asQueried(known);
    const at = `${sectionId ?? 'hall'}, epoch ${epoch}, layout ${layoutVersion}, version ${version}`;
    const told = this.#letters.get(at);
    if (told === undefined) this.#letters.set(at, states);
    else if (told !== states) this.contradictions.push(`${at}: ${told} and ${states}`);
  }
}

interface FollowerOptions {
  readonly url: string;
  readonly token?: string | null;
  readonly watched: WatchedSeats;
  readonly chronicle: SeatChronicle;
}

const pauseMs = 20;
const pauseMostMs = 500;

/**
 * A client of a seat map that follows the rule of PROTOCOL.md. Its socket is its own, for a test to cut or to leave unread; whenever that is
 * gone it opens another one and goes on from what it knows.
 */
export class SeatFollower {
  readonly watched: WatchedSeats;
  known: KnownSeats | null = null;
  /** Everything it has known, the newest last. */
  readonly past: KnownSeats[] = [];
  readonly #options: FollowerOptions;
  readonly #answers = new Map<string, (message: Data) => void>();
  #raw: RawSocket | null = null;
  #streamId = '';
  #lastId = 0;
  /** In a row. */
  #failures = 0;
  #hasLeft = false;
  readonly #ended: Promise<void>;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.watched = options.watched;
    this.#ended = this.#stay();
  }

  /** Null while there is none. */
  get socket(): RawSocket['socket'] | null {
    return this.#raw?.socket ?? null;
  }

  /** Subscribes again with what it knows, or knew once. */
  resume(known: KnownSeats | null = this.known): void {
    this.known = known;
    if (this.#raw === null) return;
    this.#raw.send({ id: this.#streamId, type: 'complete' });
    this.#subscribe();
  }

  /** Runs an operation over the same socket; whoever does not want the answer need not wait. */
  ask(query: string, variables: object = {}): Promise<Data> {
    const id = this.#newId('ask');
    this.#raw?.send(subscribeMessage(id, query, variables));
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  async freshState(): Promise<SeatState> {
    const { eventId, sectionId } = this.watched;
    return (await this.ask(stateQuery, { eventId, sectionId })).payload.data.seatMap.state;
  }

  async leave(): Promise<void> {
    this.#hasLeft = true;
    this.#raw?.socket.terminate();
    await this.#ended;
  }

  #newId(kind: string): string {
    this.#lastId += 1;
    return `${kind} ${this.#lastId}`;
  }

  async #stay(): Promise<void> {
    while (!this.#hasLeft) {
      const { url, token = null } = this.#options;
      this.#raw = await openSocket(url, { init: token === null ? {} : { token } }).catch(() => null);
      if (this.#raw !== null && !this.#hasLeft) {
        this.#subscribe();
        await this.#listen(this.#raw);
      }
      this.#raw?.socket.terminate();
      this.#raw = null;
      this.#answers.clear();
      await this.#pause();
    }
  }

  async #listen({ next, closed }: RawSocket): Promise<void> {
    for (;;) {
      const message = await Promise.race([next(), closed.then(() => null)]);
      if (message === null) return;
      await this.#take(message);
    }
  }

  async #take(message: Data): Promise<void> {
    const { id, type, payload } = message;
    if (type === 'next' || type === 'error') {
      this.#answers.get(id)?.(message);
      this.#answers.delete(id);
    }
    if (id !== this.#streamId) return;
    if (type === 'next') {
      // Without data it was refused, which ends it.
      if (payload.data != null) this.#apply(payload.data.seatMapChanged);
      return;
    }
    await this.#pause();
    this.#subscribe();
  }

  #apply(update: SeatMapMessage): void {
    this.#failures = 0;
    const known = applySeatMapUpdate(this.known, update, this.watched.ranges);
    if (known === 'resubscribe') {
      this.resume();
      return;
    }
    this.known = known;
    this.past.push(known);
    this.#options.chronicle.note(this.watched, known);
  }

  #subscribe(): void {
    this.#streamId = this.#newId('stream');
    const { eventId, sectionId } = this.watched;
    const variables = { eventId, sectionId, since: this.known && cursorOf(this.known) };
    this.#raw?.send(subscribeMessage(this.#streamId, changes, variables));
  }

  /** It grows with every failure. */
  async #pause(): Promise<void> {
    this.#failures += 1;
    const mostMs = Math.min(pauseMostMs, pauseMs * 2 ** this.#failures);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * mostMs));
  }
}
