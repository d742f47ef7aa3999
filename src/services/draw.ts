import { drawOrder, lobbyListHash } from '../domain/line.js';
import { Inventory } from '../entities/events.js';
import { limits } from '../limits.js';
import { eventKeys } from '../redis/keys.js';
import { applyDraw } from '../redis/line.js';
import type { EventRef } from '../redis/seat-holds.js';
import type { Platform } from './platform.js';

/**
 * Turns the lobby into a line. The list is frozen when the phase latches; its hash is written before the seed is used; the order is a
 * pure function of both, so any worker can begin, repeat or finish it.
 */
export async function drawLine(platform: Platform, ref: EventRef): Promise<void> {
  const { redis, database } = platform;
  const keys = eventKeys(ref.eventId);
  const entryIds: string[] = [];
  for (;;) {
    const chunk = await redis.zrange(keys.lobby, entryIds.length, entryIds.length + limits.drawChunk - 1);
    entryIds.push(...chunk);
    if (chunk.length < limits.drawChunk) break;
  }
  const repository = database.getRepository(Inventory);
  await database.query('UPDATE inventory SET draw_list_hash = $2 WHERE event_id = $1 AND draw_list_hash IS NULL', [
    ref.eventId,
    lobbyListHash(entryIds),
  ]);
  const { drawSeed } = await repository.findOneByOrFail({ eventId: ref.eventId });
  const order = drawOrder(drawSeed, entryIds);
  let numbered = Number(await redis.hget(keys.line, 'drawn'));
  for (;;) {
    const progress = await applyDraw(redis, ref, numbered, order.slice(numbered, numbered + limits.drawChunk));
    if (progress === null || progress.numbered >= Math.min(progress.lobbySize, order.length)) return;
    numbered = progress.numbered;
  }
}
