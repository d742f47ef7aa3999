import type { Redis } from 'ioredis';
import { fitCode } from '../domain/best-available.js';
import type { AccessibleStretch, SeatRun } from '../domain/seat-runs.js';
import { limits } from '../limits.js';
import { type EventRef, eventKeys, sharedKeys } from './keys.js';
import { epochOf, runScript } from './script.js';

export const waitingRooms = ['AUTO', 'ALWAYS', 'NEVER'] as const;
export type WaitingRoom = (typeof waitingRooms)[number];

export interface LineSettings {
  /** Admissions a second; fractions are allowed. */
  readonly admitPerSecond: number;
  readonly activeCap: number;
  readonly waitingRoom: WaitingRoom;
}

/** A hold the ledger knows: of an order that is open (CHECKOUT), paid but not yet issued, sold lately, or being taken back. */
export interface LedgerHold {
  readonly holdId: string;
  readonly orderId: string;
  readonly person: string;
  readonly fence: number;
  readonly state: 'CHECKOUT' | 'ISSUING' | 'SOLD' | 'RETURNING';
  readonly seats: readonly number[];
  readonly prices: string;
  readonly payByMs: number;
  readonly freeAtMs: number;
  /** A hold that has been sold is remembered for this long; 0: its seats are. */
  readonly rememberMs: number;
}

/** Where the sale stands when an event is loaded. */
export interface LoadedPhase {
  readonly phase: 'LOBBY' | 'OPEN' | 'CLOSED';
  /** Numbers up to this one may have been given before; new ones follow it. */
  readonly oldNumbers: number;
  /** Numbers up to this one are written down in the ledger and may be given. */
  readonly numbersTo: number;
  /** The sale had opened and its lobby was not yet drawn: whoever comes new is behind the lobby. */
  readonly behindLobby: boolean;
  /** For how long places and admissions of before are awaited; 0: there were none. */
  readonly recoveryMs: number;
  readonly pausedAtMs: number | null;
  readonly pausedMs: number;
}

/** Everything Redis needs to serve an event, as the ledger and the layout say it. */
export interface InventoryImage {
  readonly ref: EventRef;
  readonly server: string;
  readonly layoutVersion: number;
  readonly opensAtMs: number;
  readonly line: LineSettings;
  readonly sale: LoadedPhase;
  /** Category index of every seat. */
  readonly categories: Uint8Array;
  /** One letter a seat: whose it is when it is free. */
  readonly channels: string;
  /** Instants from which the seats of a channel are everybody's, by letter. */
  readonly releases: ReadonlyMap<string, number>;
  readonly runs: readonly SeatRun[];
  readonly stretches: readonly AccessibleStretch[];
  /** Standing places by category and section: start, length, start, length … */
  readonly standing: readonly StandingArea[];
  readonly holds: readonly LedgerHold[];
  /** Minor units sold by category, `minute:sold` and `minute:revenue`. */
  readonly revenue: ReadonlyMap<number, number>;
  readonly minutes: ReadonlyMap<string, number>;
  readonly hoardRefillPerMs: number;
  readonly firstVersion: number;
  /** The event's time before, as far as it is known: it goes on from there, never back. */
  readonly notBeforeMs: number;
}

export interface StandingArea {
  readonly category: number;
  readonly section: number;
  readonly firstSeat: number;
  readonly count: number;
}

export function burstOf(admitPerSecond: number): number {
  return Math.max(1, Math.ceil(admitPerSecond));
}

export interface LoadedEpoch {
  readonly generation: number;
  /** Generation and server the event was loaded on. */
  readonly epoch: string;
  /** The event's time: the latest its scripts have seen. */
  readonly lastNowMs: number;
}

/** What Redis itself says of an event; null when it knows nothing. */
export async function readEpoch(client: Redis, eventId: string): Promise<LoadedEpoch | null> {
  const [generation, epoch, lastNow] = await client.hmget(sharedKeys(eventId).meta, 'generation', 'epoch', 'lastNow');
  return generation && epoch ? { generation: Number(generation), epoch, lastNowMs: Number(lastNow) } : null;
}

/** Freezes an event: without its meta key every script answers WRONG_EPOCH. */
export async function freezeEvent(client: Redis, eventId: string): Promise<void> {
  await client.unlink(sharedKeys(eventId).meta);
}

const bigEndian = (value: number, bytes: number) => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
};

/** The static tables of best-available, and for every letter how the runs stand. */
function packRuns(image: InventoryImage, status: string): ReadonlyMap<string, Buffer | string> {
  const keys = eventKeys(image.ref);
  const packed = new Map<string, Buffer | string>();
  const letters = [...new Set(`.${image.channels}`)].filter((letter) => letter === '.' || /[A-Z]/.test(letter));
  const lists = new Map<string, { readonly numbers: number[]; readonly fits: Map<string, string[]> }>();
  const listOf = (name: string) => {
    const list = lists.get(name) ?? { numbers: [], fits: new Map(letters.map((letter) => [letter, []])) };
    lists.set(name, list);
    return list;
  };
  const runOf = Buffer.alloc(image.categories.length * 3, 0xff);
  const records: Buffer[] = [];
  for (const [number, run] of image.runs.entries()) {
    const { category, section, start, length, focus } = run;
    const [ofCategory, ofSection] = [listOf(`${category}`), listOf(`${category}:${section}`)];
    const text = status.slice(start, start + length);
    for (const letter of letters) {
      const code = fitCode(text, letter);
      ofCategory.fits.get(letter)!.push(code);
      ofSection.fits.get(letter)!.push(code);
    }
    const places = [ofCategory.numbers.push(number) - 1, ofSection.numbers.push(number) - 1] as const;
    records.push(
      Buffer.concat([
        bigEndian(start, 3),
        bigEndian(length, 2),
        bigEndian(category, 1),
        bigEndian(places[0], 3),
        bigEndian(section, 2),
        bigEndian(places[1], 3),
        bigEndian(focus, 2),
      ]),
    );
    for (let i = 0; i < length; i += 1) runOf.writeUIntBE(number, (start + i) * 3, 3);
  }
  packed.set(keys.runOf, runOf);
  packed.set(keys.runs, Buffer.concat(records));
  for (const [name, { numbers, fits }] of lists) {
    const [category, section] = name.split(':').map(Number) as [number, number | undefined];
    packed.set(keys.order(category, section), Buffer.concat(numbers.map((number) => bigEndian(number, 3))));
    for (const [letter, codes] of fits) packed.set(keys.fits(letter, category, section), codes.join(''));
  }
  return packed;
}

function packPlaces(image: InventoryImage): ReadonlyMap<string, Buffer | string> {
  const keys = eventKeys(image.ref);
  const packed = new Map<string, Buffer | string>();
  const stretches = new Map<string, Buffer[]>();
  for (const { category, start, length, places, placeCount, section } of image.stretches) {
    const record = [
      bigEndian(start, 3),
      bigEndian(length, 2),
      bigEndian(places, 3),
      bigEndian(placeCount, 2),
      bigEndian(section, 2),
    ];
    const key = keys.accessible(category);
    stretches.set(key, [...(stretches.get(key) ?? []), ...record]);
  }
  for (const [key, records] of stretches) packed.set(key, Buffer.concat(records));
  const areas = new Map<string, number[]>();
  for (const { category, section, firstSeat, count } of image.standing) {
    for (const key of [keys.standing(category), keys.standing(category, section)])
      areas.set(key, [...(areas.get(key) ?? []), firstSeat, count]);
  }
  for (const [key, list] of areas) packed.set(key, JSON.stringify(list));
  return packed;
}

const letterOf = { CHECKOUT: 'h', ISSUING: 'i', SOLD: 's', RETURNING: 'r' } as const;

/** Letters, people and counts as the ledger's holds make them. */
function takeStock(image: InventoryImage, clockMs: number) {
  const letters = [...image.channels];
  const people = new Map<string, number>();
  const counts = new Map<string, number>();
  const add = (map: Map<string, number>, field: string, by: number) => map.set(field, (map.get(field) ?? 0) + by);
  for (const { person, state, seats: own } of image.holds) {
    for (const index of own) letters[index] = letterOf[state];
    add(people, person, own.length);
    if (state !== 'CHECKOUT' && state !== 'ISSUING') continue;
    add(people, `${person}|holds`, 1);
    add(people, `${person}|held`, own.length);
    add(people, `${person}|since`, own.length * clockMs);
  }
  // Few kinds of seats among very many: counted by kind first.
  const kinds = new Map<number, number>();
  for (const [index, letter] of letters.entries()) {
    const codes = (letter.charCodeAt(0) << 8) | image.channels.charCodeAt(index);
    const kind = (image.categories[index]! << 16) | codes;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  for (const [kind, seats] of kinds) {
    const [letter, channel] = [String.fromCharCode((kind >> 8) & 255), String.fromCharCode(kind & 255)];
    for (const scope of [kind >> 16, '*', `@${channel}`]) add(counts, `${scope}:${letter}`, seats);
  }
  for (const [category, minor] of image.revenue) counts.set(`${category}:revenue`, minor);
  return { status: letters.join('').replaceAll('i', 'h'), people, counts };
}

/**
 * Loads a generation of an event into keys of its own. The event stays frozen until the last step, which points the meta key to them, unless
 * a newer generation is there by now. `image.notBeforeMs` is the event's time from here on.
 */
export async function loadInventory(client: Redis, image: InventoryImage): Promise<void> {
  const { ref, sale } = image;
  const keys = eventKeys(ref);
  const nowMs = image.notBeforeMs;
  const pausedForMs = sale.pausedAtMs === null ? 0 : Math.max(0, nowMs - sale.pausedAtMs);
  const clockMs = nowMs - sale.pausedMs - Math.min(pausedForMs, limits.pauseMaxMs);
  const { status, people, counts } = takeStock(image, clockMs);
  const tables = [...packRuns(image, status), ...packPlaces(image)];
  const pipeline = client.pipeline();
  // What an earlier try of this very generation has left.
  pipeline.unlink(keys.seats, keys.deadlines, keys.payments, keys.counts, keys.minutes, keys.people, keys.line);
  pipeline.set(keys.status, status);
  pipeline.set(keys.channels, image.channels);
  pipeline.set(keys.categories, Buffer.from(image.categories.map((category) => category + 33)));
  for (const [key, value] of tables) pipeline.set(key, value);
  if (tables.length > 0) pipeline.sadd(keys.tables, ...tables.map(([key]) => key));
  for (let at = 0; at < image.holds.length; at += loadBatch) {
    const batch = JSON.stringify(image.holds.slice(at, at + loadBatch).map(packHold));
    pipeline.eval(holdsScript, 3, keys.seats, keys.payments, keys.hold(''), batch, ref.generation, nowMs, clockMs);
  }
  if (people.size > 0) pipeline.hset(keys.people, people);
  pipeline.hset(keys.counts, counts);
  if (image.minutes.size > 0) pipeline.hset(keys.minutes, image.minutes);
  pipeline.set(keys.gone, goneUpTo(sale.oldNumbers));
  const rateMilli = Math.round(image.line.admitPerSecond * 1_000);
  pipeline.hset(keys.line, {
    rateMilli,
    burst: burstOf(image.line.admitPerSecond),
    cap: image.line.activeCap,
    tokens: burstOf(image.line.admitPerSecond) * 1_000_000,
    tokensAt: clockMs,
    providerMilli: 0,
    checkouts: 0,
    decided: 0,
    admissionTtlMs: limits.admissionTtlMs,
    absenceMs: limits.absenceMs,
    auditEntries: limits.auditEntries,
    next: sale.oldNumbers,
    oldNumbers: sale.oldNumbers,
    numbersTo: Math.max(sale.numbersTo, sale.oldNumbers),
    behind: sale.behindLobby ? 1 : 0,
    recovering: sale.recoveryMs > 0 ? 1 : 0,
    lobbySize: 0,
    drawn: 0,
    version: 1,
    serial: 0,
    pace: `${rateMilli},${rateMilli},0`,
    paceAt: nowMs,
    paceAdmits: 0,
    paceLeft: 0,
    paceWaiting: 0,
    admitCount: 0,
    leftCount: 0,
  });
  await expectAll(pipeline.exec());
  await openGeneration(client, image);
}

/** The bitmap in which the numbers from 0 to the last one are gone and no other is. */
function goneUpTo(last: number): Buffer {
  const bitmap = Buffer.alloc((last >> 3) + 1, 0xff);
  bitmap[last >> 3] = (0xff << (7 - (last & 7))) & 0xff;
  return bitmap;
}

/** Holds loaded by one call, which keeps Redis busy for a few milliseconds. */
const loadBatch = 500;

/** Without many small strings: a large hall has tens of thousands of holds. An empty state: only the seats are known by it. */
const packHold = (hold: LedgerHold) => [
  hold.holdId,
  hold.seats.join(','),
  hold.state === 'SOLD' && hold.rememberMs <= 0 ? '' : hold.state,
  hold.person,
  String(hold.fence),
  hold.orderId,
  hold.prices,
  String(hold.payByMs),
  String(hold.freeAtMs),
  String(hold.state === 'SOLD' ? Math.round(hold.rememberMs) : 0),
];

const holdsScript = `#!lua
for _, hold in ipairs(cjson.decode(ARGV[1])) do
  local id, seats, state, owner, fence, orderId, prices, payBy, freeAt, remember = unpack(hold)
  local owners = {}
  for index in string.gmatch(seats, '%d+') do
    owners[#owners + 1] = index
    owners[#owners + 1] = id
  end
  redis.call('HSET', KEYS[1], unpack(owners))
  if state ~= '' then
    redis.call('HSET', KEYS[3] .. id, 'owner', owner, 'generation', ARGV[2], 'fence', fence, 'state', state, 'seats', seats,
      'orderId', orderId, 'prices', prices, 'digest', '', 'createdAt', ARGV[3], 'heldAt', ARGV[4], 'payBy', payBy, 'freeAt', freeAt)
    if remember ~= '0' then redis.call('PEXPIRE', KEYS[3] .. id, remember) end
    if state == 'CHECKOUT' then redis.call('ZADD', KEYS[2], freeAt, id) end
  end
end
return 1`;

/** The instant Redis judges by, in milliseconds. */
export async function redisNowMs(client: Redis): Promise<number> {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

// The letters are what a load writes first: without them Redis has been emptied since.
const openScript = `#!lua
if redis.call('EXISTS', KEYS[2]) == 0 then return redis.error_reply('ERR the event was lost while it was being loaded') end
if tonumber(redis.call('HGET', KEYS[1], 'generation') or 0) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1`;

/** From here on scripts find this generation; no delta leads here, so whoever mirrors the hall reads it again. */
async function openGeneration(client: Redis, image: InventoryImage): Promise<void> {
  const { ref, sale } = image;
  const { generation } = ref;
  const reserved = [...new Set(image.channels)].filter((letter) => /[A-Z]/.test(letter)).join('');
  const nowMs = image.notBeforeMs;
  // What every script reads comes first, in its order: Redis looks through a small hash from the beginning.
  const meta: Record<string, string | number> = {
    epoch: epochOf(generation, image.server),
    generation,
    lastNow: nowMs,
    version: image.firstVersion,
    phase: sale.phase,
    opensAt: image.opensAtMs,
    layoutVersion: image.layoutVersion,
    pausedAt: sale.pausedAtMs ?? '',
    pausedMs: sale.pausedMs,
    pauseMaxMs: limits.pauseMaxMs,
    recoverUntil: nowMs + sale.recoveryMs,
    waitingRoom: image.line.waitingRoom,
    hoardRefillMicro: Math.round(image.hoardRefillPerMs * 1_000_000),
    reserved,
    capacity: image.channels.length,
    hasChannels: /[^.]/.test(image.channels) ? 1 : 0,
  };
  for (const [letter, atMs] of image.releases) meta[`release:${letter}`] = atMs;
  const { meta: key, seatChannel } = sharedKeys(ref.eventId);
  await client.eval(openScript, 2, key, eventKeys(ref).status, generation, ...Object.entries(meta).flat());
  const message = { g: generation, v: image.firstVersion, f: -1, l: image.layoutVersion, i: '', s: '' };
  await client.publish(seatChannel, JSON.stringify(message));
}

/** Removes what an earlier generation has left behind. Ended holds go by themselves, as tombstones do. */
export async function dropGeneration(client: Redis, ref: EventRef): Promise<void> {
  const keys = eventKeys(ref);
  const [tables, owners, held, paying] = await Promise.all([
    client.smembers(keys.tables),
    client.hvals(keys.seats),
    client.zrange(keys.deadlines, 0, -1),
    client.zrange(keys.payments, 0, -1),
  ]);
  const holds = [...new Set([...owners, ...held, ...paying])].map((holdId) => keys.hold(holdId));
  // Channels that came later have tables under their own letters.
  const ofChannels = tables.flatMap((table) =>
    table.startsWith(keys.fits('.', 0).slice(0, -3))
      ? channelLetters.map((l) => table.replace('fits:.', `fits:${l}`))
      : [],
  );
  const named = Object.values(keys).filter((key) => typeof key === 'string' && key.startsWith(keys.base));
  const all = [...(named as string[]), ...tables, ...ofChannels, ...holds].filter((key) => key !== keys.base);
  for (let at = 0; at < all.length; at += loadBatch) await client.unlink(...all.slice(at, at + loadBatch));
}

const channelLetters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

async function expectAll(results: Promise<[Error | null, unknown][] | null>): Promise<void> {
  for (const [error] of (await results) ?? []) if (error !== null) throw error;
}

export interface ChangedSettings {
  readonly pausedAtMs: number | null;
  readonly pausedMs: number;
}

/** Source: scripts/event.settings.lua. Null when the event is being rebuilt. */
export async function changeSettings(
  client: Redis,
  ref: EventRef,
  settings: LineSettings & { readonly action: 'close' | 'pause' | 'resume' | '' },
): Promise<ChangedSettings | null> {
  const { admitPerSecond, activeCap, waitingRoom, action } = settings;
  const reply = await runScript(
    client,
    'event.settings',
    ref,
    Math.round(admitPerSecond * 1_000),
    burstOf(admitPerSecond),
    activeCap,
    waitingRoom,
    action,
  );
  if (reply.code !== 'OK') return null;
  const [, pausedAt, pausedMs] = reply.values;
  return { pausedAtMs: pausedAt ? Number(pausedAt) : null, pausedMs: Number(pausedMs) };
}
