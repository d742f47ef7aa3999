import type { Redis } from 'ioredis';
import { limits } from '../limits.js';
import { eventKeys } from './keys.js';
import { runScript } from './script.js';
import type { EventRef } from './seat-holds.js';

export interface LineSettings {
  /** Admissions a second; fractions are allowed. */
  readonly admitPerSecond: number;
  readonly activeCap: number;
  readonly waitingRoom: boolean;
}

/** A hold the ledger knows: an order that is open (CHECKOUT), paid but not yet issued (ISSUING). */
export interface LedgerHold {
  readonly holdId: string;
  readonly orderId: string;
  readonly person: string;
  readonly fence: number;
  readonly state: 'CHECKOUT' | 'ISSUING';
  readonly seats: readonly number[];
  readonly prices: string;
  readonly payByMs: number;
  readonly freeAtMs: number;
}

/** Everything Redis needs to serve an event, as the ledger and the layout say it. */
export interface InventoryImage {
  readonly eventId: string;
  readonly generation: number;
  readonly runId: string;
  readonly layoutVersion: number;
  readonly opensAtMs: number;
  readonly closed: boolean;
  readonly line: LineSettings;
  /** One letter a seat, without open holds. */
  readonly status: string;
  /** Category index of every seat. */
  readonly categories: Uint8Array;
  /** Per category: start, length, start, length … */
  readonly runs: readonly (readonly number[])[];
  readonly standing: readonly (readonly number[])[];
  readonly holds: readonly LedgerHold[];
  /** Seats sold by person, minor units sold by category, `minute:sold` and `minute:revenue`. */
  readonly soldByPerson: ReadonlyMap<string, number>;
  readonly revenue: ReadonlyMap<number, number>;
  readonly minutes: ReadonlyMap<string, number>;
  readonly firstVersion: number;
  /** The event's time before, as far as it is known: it goes on from there, never back. */
  readonly notBeforeMs: number;
}

export function burstOf(admitPerSecond: number): number {
  return Math.max(1, Math.ceil(admitPerSecond));
}

export interface LoadedEpoch {
  readonly generation: number;
  /** The server the event was loaded on. */
  readonly runId: string;
  /** The event's time: the latest its scripts have seen. */
  readonly lastNowMs: number;
}

/** What Redis itself says of an event; null when it knows nothing. */
export async function readEpoch(client: Redis, eventId: string): Promise<LoadedEpoch | null> {
  const [generation, runId, lastNow] = await client.hmget(eventKeys(eventId).meta, 'generation', 'runId', 'lastNow');
  return generation && runId ? { generation: Number(generation), runId, lastNowMs: Number(lastNow) } : null;
}

/** Freezes an event: without its meta key every script answers WRONG_EPOCH. */
export async function freezeEvent(client: Redis, eventId: string): Promise<void> {
  await client.unlink(eventKeys(eventId).meta);
}

/** Replaces all of an event in Redis. The event stays frozen until the last command, which writes its meta key. */
export async function loadInventory(client: Redis, image: InventoryImage): Promise<void> {
  const keys = eventKeys(image.eventId);
  const status = [...image.status];
  const counts = new Map<string, number>();
  const count = (field: string, by: number) => counts.set(field, (counts.get(field) ?? 0) + by);
  const seats: string[] = [];
  const people = new Map<string, number>(image.soldByPerson);
  // Holds of the generation that ends: once nobody finds them by their deadline any more, they go as tombstones do.
  const ended = await client.zrange(keys.deadlines, 0, -1);
  const pipeline = client.pipeline();
  for (const holdId of ended) pipeline.pexpire(keys.hold(holdId), limits.tombstoneMs);
  pipeline.unlink(
    keys.meta, keys.status, keys.categories, keys.seats, keys.deadlines, keys.counts, keys.minutes, keys.people, keys.line, keys.persons,
    keys.places, keys.lobby, keys.present, keys.away, keys.awayUntil, keys.attached, keys.processes, keys.admitted, keys.gone, keys.audit,
  ); // biome-ignore format: one list of keys
  for (const hold of image.holds) {
    for (const index of hold.seats) {
      status[index] = hold.state === 'ISSUING' ? 'i' : 'h';
      seats.push(String(index), hold.holdId);
    }
    const open = hold.state === 'CHECKOUT';
    pipeline.unlink(keys.hold(hold.holdId));
    pipeline.hset(keys.hold(hold.holdId), {
      owner: hold.person,
      generation: image.generation,
      fence: hold.fence,
      state: hold.state,
      seats: hold.seats.join(','),
      orderId: hold.orderId,
      prices: hold.prices,
      digest: '',
      createdAt: hold.payByMs,
      expiresAt: hold.payByMs,
      extensionsEndAt: hold.payByMs,
      payBy: hold.payByMs,
      freeAt: hold.freeAtMs,
    });
    if (open) pipeline.zadd(keys.deadlines, hold.freeAtMs, hold.holdId);
    people.set(hold.person, (people.get(hold.person) ?? 0) + hold.seats.length);
    people.set(`${hold.person}:holds`, (people.get(`${hold.person}:holds`) ?? 0) + 1);
  }
  for (const [index, letter] of status.entries()) {
    count(`${image.categories[index]}:${letter}`, 1);
    count(`*:${letter}`, 1);
  }
  for (const [category, minor] of image.revenue) counts.set(`${category}:revenue`, minor);

  pipeline.set(keys.status, status.join('').replaceAll('i', 'h'));
  pipeline.set(keys.categories, Buffer.from(image.categories.map((category) => category + 33)));
  for (const [category, runs] of image.runs.entries()) pipeline.set(keys.runs(category), JSON.stringify(runs));
  for (const [category, runs] of image.standing.entries()) pipeline.set(keys.standing(category), JSON.stringify(runs));
  if (seats.length > 0) pipeline.hset(keys.seats, ...seats);
  if (people.size > 0) pipeline.hset(keys.people, people);
  pipeline.hset(keys.counts, counts);
  if (image.minutes.size > 0) pipeline.hset(keys.minutes, image.minutes);
  pipeline.hset(keys.line, {
    rateMilli: Math.round(image.line.admitPerSecond * 1_000),
    burst: burstOf(image.line.admitPerSecond),
    cap: image.line.activeCap,
    tokens: burstOf(image.line.admitPerSecond) * 1_000_000,
    tokensAt: 0,
    admissionTtlMs: limits.admissionTtlMs,
    absenceMs: limits.absenceMs,
    auditEntries: limits.auditEntries,
    next: 0,
    lobbySize: 0,
    drawn: 0,
    version: 1,
    serial: 0,
  });
  await expectAll(pipeline.exec());
  const time = await client.time();
  const nowMs = Math.max(image.notBeforeMs, Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000));
  await client.hset(keys.line, 'tokensAt', nowMs);
  await client.hset(keys.meta, {
    generation: image.generation,
    runId: image.runId,
    lastNow: nowMs,
    version: image.firstVersion,
    layoutVersion: image.layoutVersion,
    capacity: image.status.length,
    phase: image.closed ? 'CLOSED' : 'LOBBY',
    opensAt: image.opensAtMs,
    waitingRoom: image.line.waitingRoom ? 1 : 0,
  });
  // No delta leads here: whoever mirrors the hall reads it again.
  const { generation: g, firstVersion: v, layoutVersion: l } = image;
  await client.publish(keys.seatChannel, JSON.stringify({ g, v, f: -1, l, i: '', s: '' }));
}

async function expectAll(results: Promise<[Error | null, unknown][] | null>): Promise<void> {
  for (const [error] of (await results) ?? []) if (error !== null) throw error;
}

/** Source: scripts/event.settings.lua. Answers false when the event is being rebuilt. */
export async function changeSettings(
  client: Redis,
  ref: EventRef,
  settings: LineSettings & { readonly close: boolean },
): Promise<boolean> {
  const reply = await runScript(
    client,
    'event.settings',
    eventKeys(ref.eventId).meta,
    ref.generation,
    Math.round(settings.admitPerSecond * 1_000),
    burstOf(settings.admitPerSecond),
    settings.activeCap,
    settings.waitingRoom ? 1 : 0,
    settings.close ? 'CLOSED' : '',
  );
  return reply.code === 'OK';
}
