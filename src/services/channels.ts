import { inTransaction } from '../database/transaction.js';
import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { EventChannel } from '../entities/events.js';
import { limits } from '../limits.js';
import { allocateSeats } from '../redis/seat-holds.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import { checkName, ownEvent } from './events.js';
import type { InventoryService } from './inventory.js';
import type { Platform, Viewer } from './platform.js';
import { accessCodeHash } from './seat-holds.js';

export interface SaveChannel {
  readonly eventId: string;
  readonly name: string;
  /** Null: only the organizer's people use it. */
  readonly accessCode: string | null;
  readonly releaseAt: Date | null;
}

export type SeatRange =
  | { readonly seatIds: readonly string[] }
  | { readonly sectionId: string }
  | { readonly categoryId: string };

export interface AllocateSeats {
  readonly eventId: string;
  readonly seats: SeatRange;
  /** A channel, everybody, or nobody. */
  readonly to: { readonly channelId: string } | 'EVERYBODY' | 'NOBODY';
}

/** Who may have which seats: kept for a presale, sponsors, the box office, or blocked. What is taken already stays with who has it. */
export class Channels {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;

  constructor(platform: Platform, events: EventCatalogue, inventory: InventoryService) {
    this.#platform = platform;
    this.#events = events;
    this.#inventory = inventory;
  }

  /** The channels of an event, for its organizer's people. */
  async list(eventId: string): Promise<EventChannel[]> {
    return this.#platform.database.getRepository(EventChannel).find({ where: { eventId }, order: { letter: 'ASC' } });
  }

  /** Makes a channel, or changes the one of this name. */
  async save(viewer: Viewer, input: SaveChannel): Promise<EventChannel | Refusal> {
    const event = await ownEvent(this.#platform, viewer, input.eventId);
    if (isRefusal(event)) return event;
    const wrong = checkName('input.name', input.name) ?? checkCode(input.accessCode);
    if (wrong !== null) return wrong;
    const { eventId, name, releaseAt } = input;
    const saved = await inTransaction(this.#platform.database, async (manager) => {
      await manager.query('SELECT FROM event WHERE id = $1 FOR UPDATE', [eventId]);
      const known = await manager.findBy(EventChannel, { eventId });
      const free = [...'BCDEFGHIJKLMNOPQRSTUVWXYZ'].find((letter) => known.every((c) => c.letter !== letter));
      const channel =
        known.find((c) => c.name === name) ?? (free && manager.create(EventChannel, { eventId, letter: free, name }));
      if (!channel) return null;
      channel.accessCodeHash = input.accessCode === null ? null : accessCodeHash(input.accessCode);
      channel.releaseAt = releaseAt;
      return manager.save(channel);
    });
    if (saved === null) return invalidInput('input.name', `An event has at most ${limits.channels} channels.`);
    await this.#events.changed(eventId);
    const published = await this.#events.published(eventId);
    if (published !== null) await this.#move(published, saved.letter, saved.releaseAt, []);
    return saved;
  }

  /** Puts seats into a channel; answers how many. */
  async allocate(viewer: Viewer, input: AllocateSeats): Promise<number | Refusal> {
    const { eventId, seats, to } = input;
    const event = await ownEvent(this.#platform, viewer, eventId);
    if (isRefusal(event)) return event;
    const published = await this.#events.published(eventId);
    if (published === null) return invalidInput('input.eventId', 'This event has not been published.');
    const channel = typeof to === 'string' ? null : published.channels.get(to.channelId);
    if (channel === undefined)
      return refuse('NOT_FOUND', { path: ['input', 'channelId'], message: 'This event has no such channel.' });
    const indexes = findSeats(published, seats);
    if (isRefusal(indexes)) return indexes;
    const letter = channel?.letter ?? (to === 'NOBODY' ? 'x' : '.');
    await inTransaction(this.#platform.database, async (manager) => {
      const [row] = await manager.query('SELECT channels FROM inventory WHERE event_id = $1 FOR UPDATE', [eventId]);
      const letters = [...(row.channels as string)];
      for (const index of indexes) letters[index] = letter;
      await manager.query('UPDATE inventory SET channels = $2 WHERE event_id = $1', [eventId, letters.join('')]);
    });
    await this.#move(published, letter, channel?.releaseAt ?? null, indexes);
    return indexes.length;
  }

  /** Tells Redis what the ledger says by now, in pieces. A rebuild that comes in between reads it from the ledger. */
  async #move(
    event: PublishedEvent,
    letter: string,
    releaseAt: Date | null,
    indexes: readonly number[],
  ): Promise<void> {
    const pieces = Math.max(1, Math.ceil(indexes.length / limits.channelSeats));
    for (let piece = 0; piece < pieces; piece += 1) {
      const part = indexes.slice(piece * limits.channelSeats, (piece + 1) * limits.channelSeats);
      const channel = { letter, releaseAtMs: releaseAt?.getTime() ?? null, indexes: part };
      if (await allocateSeats(this.#platform.redis, event.ref, channel)) continue;
      return this.#inventory.wrongEpoch(event.ref.eventId);
    }
  }
}

function checkCode(code: string | null): Refusal<'INVALID_INPUT'> | null {
  if (code === null || (code.trim().length >= 4 && code.length <= limits.nameLength)) return null;
  return invalidInput('input.accessCode', `Must have 4 to ${limits.nameLength} characters.`);
}

function findSeats(event: PublishedEvent, seats: SeatRange): number[] | Refusal {
  const { hall } = event;
  if ('sectionId' in seats) {
    const ranges = hall.ranges.get(seats.sectionId);
    if (ranges === undefined)
      return refuse('NOT_FOUND', { path: ['input', 'seats', 'sectionId'], message: 'This hall has no such section.' });
    return ranges.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i));
  }
  if ('categoryId' in seats) {
    const indexes = [...hall.categories.keys()].filter((i) => String(hall.categories[i]) === seats.categoryId);
    if (indexes.length > 0) return indexes;
    return refuse('NOT_FOUND', { path: ['input', 'seats', 'categoryId'], message: 'This event has no such category.' });
  }
  const indexes = seats.seatIds.map((id) => hall.index.indexOf(id));
  const unknown = indexes.indexOf(null);
  if (unknown === -1) return [...new Set(indexes as number[])];
  const path = ['input', 'seats', 'seatIds', String(unknown)];
  return refuse('NOT_FOUND', { path, message: 'This hall has no such seat.' });
}
