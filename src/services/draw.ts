import { type Refusal, refuse } from '../domain/errors.js';
import { drawInSteps, lobbyListHash, seedHash } from '../domain/line.js';
import { Inventory } from '../entities/events.js';
import { limits } from '../limits.js';
import { type EventRef, eventKeys } from '../redis/keys.js';
import { allowNumbers, applyDraw } from '../redis/line.js';
import type { EventCatalogue } from './event-catalogue.js';
import type { Platform } from './platform.js';

/** What anybody may know of a draw, and from when on. */
export interface DrawView {
  readonly eventId: string;
  /** From publication on. */
  readonly seedHash: string;
  /** From the opening on. */
  readonly listHash: string | null;
  readonly entryCount: number | null;
  /** Once the list can no longer change. */
  readonly seed: string | null;
}

interface StoredDraw {
  readonly seed: string;
  readonly listHash: string;
  readonly entries: readonly string[];
}

/** Draws that have been made: the list, its hash and the seed, and from them the order. */
export class Draws {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  /** Numbers by entry, of the draw asked for last. */
  #ranks: { readonly eventId: string; readonly ranks: Promise<ReadonlyMap<string, number>> } | null = null;

  constructor(platform: Platform, events: EventCatalogue) {
    this.#platform = platform;
    this.#events = events;
  }

  async read(eventId: string): Promise<DrawView | null> {
    if ((await this.#events.published(eventId)) === null) return null;
    const { drawSeed, drawListHash } = await this.#platform.database
      .getRepository(Inventory)
      .findOneByOrFail({ eventId });
    const drawn = drawListHash !== null;
    return {
      eventId,
      seedHash: seedHash(drawSeed),
      listHash: drawListHash,
      entryCount: drawn ? await this.#count(eventId) : null,
      seed: drawn ? drawSeed : null,
    };
  }

  /** A part of the list the draw was made from, in the order in which its hash reads it. */
  async entries(eventId: string, offset: number, count: number): Promise<string[] | Refusal<'INVALID_INPUT'>> {
    if (offset < 0) return refuse('INVALID_INPUT', { path: ['offset'], message: 'Must not be negative.' });
    if (count < 1 || count > limits.drawPage)
      return refuse('INVALID_INPUT', { path: ['count'], message: `Must be from 1 to ${limits.drawPage}.` });
    const rows: { list: Buffer | null }[] = await this.#platform.database.query(
      'SELECT substring(draw_list FROM $2 FOR $3) AS list FROM inventory WHERE event_id = $1',
      [eventId, offset * packedId + 1, count * packedId],
    );
    return unpackIds(rows[0]?.list ?? Buffer.alloc(0));
  }

  /** Numbers by place as they were drawn from the lobby; null when there has been no draw. */
  async numbers(eventId: string): Promise<ReadonlyMap<string, number> | null> {
    if (this.#ranks?.eventId !== eventId) {
      if (!(await this.read(eventId))?.listHash) return null;
      this.#ranks = { eventId, ranks: this.#rank(eventId) };
    }
    const { ranks } = this.#ranks;
    ranks.catch(() => {
      if (this.#ranks?.ranks === ranks) this.#ranks = null;
    });
    return ranks;
  }

  /**
   * Turns the lobby into a line. The list is frozen when the phase latches; it is written with its hash before the seed is used; the order
   * is a pure function of both, so any worker can begin, repeat or finish it.
   */
  async draw(ref: EventRef): Promise<void> {
    const { redis } = this.#platform;
    const { seed, entries } = await this.#freeze(ref, await this.#lobby(ref));
    const order = await inOrder(seed, entries);
    let numbered = Number(await redis.hget(eventKeys(ref).line, 'drawn'));
    for (;;) {
      const progress = await applyDraw(redis, ref, numbered, order.slice(numbered, numbered + limits.drawChunk));
      if (progress === null || progress.numbered >= Math.min(progress.lobbySize, order.length)) return;
      numbered = progress.numbered;
    }
  }

  /** Notes that a sale without a lobby has opened: after a loss of Redis nobody is to be awaited for a draw. */
  async noteOpening({ eventId }: EventRef): Promise<void> {
    await this.#platform.database.query(
      'UPDATE inventory SET opened_at = $2 WHERE event_id = $1 AND opened_at IS NULL',
      [eventId, new Date(this.#platform.clock.nowMs())],
    );
  }

  async #lobby(ref: EventRef): Promise<string[]> {
    const { lobby } = eventKeys(ref);
    const entries: string[] = [];
    for (;;) {
      const from = entries.length;
      const chunk = await this.#platform.redis.zrange(lobby, from, from + limits.drawPage - 1);
      entries.push(...chunk);
      if (chunk.length < limits.drawPage) return entries.sort();
    }
  }

  /** Writes the list, its hash and room for its numbers, once; answers what is written, whoever wrote it. */
  async #freeze(ref: EventRef, entries: readonly string[]): Promise<StoredDraw> {
    const { database, redis, clock } = this.#platform;
    const { eventId } = ref;
    const room = entries.length + limits.lineNumbers;
    await database.query(
      `UPDATE inventory SET draw_list_hash = $2, draw_list = $3, opened_at = COALESCE(opened_at, $4), line_numbers = GREATEST(line_numbers, $5)
       WHERE event_id = $1 AND draw_list_hash IS NULL`,
      [eventId, lobbyListHash(entries), packIds(entries), new Date(clock.nowMs()), room],
    );
    const [{ numbers }] = await database.query('SELECT line_numbers AS numbers FROM inventory WHERE event_id = $1', [
      eventId,
    ]);
    await allowNumbers(redis, ref, numbers);
    return this.#stored(eventId);
  }

  async #stored(eventId: string): Promise<StoredDraw> {
    const [row]: { seed: string; hash: string; list: Buffer }[] = await this.#platform.database.query(
      'SELECT draw_seed AS seed, draw_list_hash AS hash, draw_list AS list FROM inventory WHERE event_id = $1 AND draw_list_hash IS NOT NULL',
      [eventId],
    );
    if (row === undefined) throw new Error(`event ${eventId} has not been drawn`);
    return { seed: row.seed, listHash: row.hash, entries: unpackIds(row.list) };
  }

  async #count(eventId: string): Promise<number> {
    const [row]: { bytes: number }[] = await this.#platform.database.query(
      'SELECT octet_length(draw_list) AS bytes FROM inventory WHERE event_id = $1',
      [eventId],
    );
    return row!.bytes / packedId;
  }

  async #rank(eventId: string): Promise<ReadonlyMap<string, number>> {
    const { seed, entries } = await this.#stored(eventId);
    const order = await inOrder(seed, entries);
    return new Map(order.map((entryId, at) => [entryId, at + 1]));
  }
}

/** The drawn order; other work of the process goes on in between. */
async function inOrder(seed: string, entries: readonly string[]): Promise<string[]> {
  const order: string[] = [];
  for (const step of drawInSteps(seed, entries)) {
    order.push(...step);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return order;
}

const packedId = 16;

function packIds(ids: readonly string[]): Buffer {
  return Buffer.from(ids.map((id) => id.replaceAll('-', '')).join(''), 'hex');
}

function unpackIds(packed: Buffer): string[] {
  const ids: string[] = [];
  for (let at = 0; at + packedId <= packed.length; at += packedId) {
    const hex = packed.toString('hex', at, at + packedId);
    ids.push(`${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`);
  }
  return ids;
}
