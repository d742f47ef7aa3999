import { limits } from '../../src/limits.js';
import { freezeEvent } from '../../src/redis/inventory.js';
import type { EventRef } from '../../src/redis/keys.js';
import { admitFromLine } from '../../src/redis/line.js';
import type { TestApp } from './app.js';
import type { ApiClient, Data, Stream } from './client.js';
import { createHall, type HallOptions, type TestHall } from './events.js';
import { type EventKeys, keysOf } from './keys.js';

export const entryFields = `
  id eventId phase state number position peopleAhead estimatedWait { fromMs toMs } nextPushInMs place admission { token expiresAt } now`;

export interface LineEvent extends TestHall {
  readonly ref: EventRef;
  readonly keys: EventKeys;
}

/** An event with a waiting room whose tokens never run short: who is admitted depends on the cap alone. */
export async function createLine(
  app: TestApp,
  { activeCap = 1, event, ...options }: HallOptions & { readonly activeCap?: number } = {},
): Promise<LineEvent> {
  const pace = { waitingRoom: 'ALWAYS', admitPerSecond: 1_000, activeCap };
  const hall = await createHall(app.organizer, { ...options, event: { ...pace, ...event } });
  const keys = keysOf(hall.eventId);
  // Other tests have moved the clock of the processes; the event's time goes along and stands still from here on.
  await app.server.services.platform.redis.hset(keys.meta, 'lastNow', app.clock.nowMs());
  // The workers look for new events now.
  app.clock.advance(limits.mirrorCheckMs);
  const ref = { eventId: hall.eventId, generation: 1 };
  // They will write the opening down; should Redis be lost before, the sale counts as not yet opened.
  if (event === undefined || !('saleOpensAt' in event)) await app.server.services.draws.noteOpening(ref);
  return { ...hall, ref, keys };
}

/**
 * What happens to an event when Redis has lost it: everything but the ledger is gone, and a new generation begins, in which places of
 * before are awaited for a while. Answers the event in that generation.
 */
export async function rebuild<L extends LineEvent>(app: TestApp, line: L): Promise<L> {
  const { platform, inventory } = app.server.services;
  const { eventId, keys } = line;
  const nowMs = Number(await platform.redis.hget(keys.meta, 'lastNow'));
  await freezeEvent(platform.redis, eventId);
  await inventory.rebuild(eventId);
  const ref = { eventId, generation: line.ref.generation + 1 };
  await platform.redis.hset(keys.meta, 'lastNow', nowMs, 'recoverUntil', nowMs + limits.recoveryMs);
  return { ...line, ref, keys: keysOf(eventId, ref.generation) };
}

/** The payload of joinQueue. */
export function joinQueue(client: ApiClient, eventId: string): Promise<Data> {
  return client.mutate('joinQueue', { eventId }, `entry { ${entryFields} }`);
}

/** A place of somebody who can have one. */
export async function join(client: ApiClient, eventId: string): Promise<Data> {
  const { entry, errors } = await joinQueue(client, eventId);
  if (entry === null) throw new Error(JSON.stringify(errors));
  return entry;
}

export async function leave(client: ApiClient, entryId: string): Promise<Data> {
  return (await client.mutate('leaveQueue', { entryId }, `entry { ${entryFields} }`)).entry;
}

/** The place as a poll shows it; a poll is presence. */
export async function pollEntry(client: ApiClient, entryId: string): Promise<Data> {
  return (await client.run(`query ($id: ID!) { queueEntry(id: $id) { ${entryFields} } }`, { id: entryId })).queueEntry;
}

export function followEntry(client: ApiClient, entryId: string): Stream {
  return client.subscribe(
    `subscription ($entryId: ID!) { queuePositionChanged(entryId: $entryId) { ${entryFields} } }`,
    { entryId },
  );
}

export interface Waiter {
  readonly client: ApiClient;
  readonly entry: Data;
  readonly stream: Stream;
}

/** A new guest who joins and follows the line; their stream's first message has been taken. */
export async function arrive(app: TestApp, eventId: string): Promise<Waiter> {
  const client = await app.guest();
  const entry = await join(client, eventId);
  const stream = followEntry(client, entry.id);
  await stream.next();
  return { client, entry, stream };
}

export async function setCap(app: TestApp, eventId: string, activeCap: number): Promise<void> {
  await app.organizer.mutate('updateAdmission', { eventId, activeCap }, 'event { id }');
}

/** One call of the admission script, as any worker may make it at any moment. */
export async function admit(app: TestApp, { ref }: LineEvent): Promise<number> {
  return (await admitFromLine(app.server.services.platform.redis, ref))!.admitted;
}

export interface AuditRecord {
  readonly serial: number;
  readonly kind: string;
  readonly entry: string;
  readonly number: number;
  readonly active: number;
  readonly cap: number;
}

/** Everything that was written down about the line, in order. */
export async function auditTrail(app: TestApp, { keys }: LineEvent): Promise<AuditRecord[]> {
  const rows = await app.server.services.platform.redis.xrange(keys.audit, '-', '+');
  return rows.map(([, fields]) => {
    const record: Record<string, string> = {};
    for (let i = 0; i + 1 < fields.length; i += 2) record[fields[i]!] = fields[i + 1]!;
    const { serial, kind, entry, number, active, cap } = record;
    return {
      serial: Number(serial),
      kind: kind!,
      entry: entry!,
      number: Number(number),
      active: Number(active),
      cap: Number(cap),
    };
  });
}

/** The part of an entry's id that the line itself uses. */
export const bareId = (entry: Data): string => String(entry.id).split('.')[1]!;

export interface LineVerdict {
  readonly admitted: number;
  /** Serials that are missing or double. */
  readonly gaps: number;
  /** Admissions granted while active was at the cap or above. */
  readonly overCap: number;
  /** Admissions of somebody absent, or while somebody present had a lower number. */
  readonly outOfOrder: number;
}

/** What the trail proves: cap and order of every admission, from who was present at that moment. */
export function judgeTrail(trail: readonly AuditRecord[]): LineVerdict {
  const present = new Map<string, number>();
  let [admitted, overCap, outOfOrder] = [0, 0, 0];
  for (const { kind, entry, number, active, cap } of trail) {
    // Whoever walks in, or is back after a loss of Redis, was not in the line of this trail.
    if (kind === 'admit' || kind === 'walk' || kind === 'back') {
      admitted += 1;
      if (active >= cap) overCap += 1;
    }
    const isNext = Math.min(...present.values()) === number && present.get(entry) === number;
    if (kind === 'admit' && !isNext) outOfOrder += 1;
    const arrives = kind === 'join' || kind === 'drawn' || kind === 'present';
    if (arrives && number > 0) present.set(entry, number);
    if (!arrives) present.delete(entry);
  }
  const gaps = trail.filter(({ serial }, at) => serial !== at + 1).length;
  return { admitted, gaps, overCap, outOfOrder };
}
