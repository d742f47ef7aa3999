import type { Redis } from 'ioredis';
import { bitsOf } from './act.js';
import type { SimulatedEvent } from './event.js';

/** Everything Redis has of an event at one instant, read by a script of the simulation itself. */
export interface Observation extends State {
  /** Of two observations with the same text all but holds and tables is the same. */
  readonly text: string;
  readonly state: State;
  /** Fields of every hold that has a seat or a deadline, and of those that were asked for. */
  readonly holds: ReadonlyMap<string, HoldFields>;
  /** Tables of best-available by the name after `fits:`; empty unless they were asked for. */
  readonly fits: ReadonlyMap<string, string>;
}

interface State {
  readonly version: number;
  /** Without the event's time. */
  readonly meta: ReadonlyMap<string, string>;
  readonly status: string;
  readonly channels: string;
  readonly counts: ReadonlyMap<string, number>;
  /** Hold by seat. */
  readonly seats: ReadonlyMap<number, string>;
  readonly deadlines: ReadonlyMap<string, number>;
  readonly payments: ReadonlyMap<string, number>;
  readonly people: ReadonlyMap<string, number>;
  readonly minutes: ReadonlyMap<string, number>;
  readonly line: ReadonlyMap<string, string>;
  readonly persons: ReadonlyMap<string, string>;
  readonly places: ReadonlyMap<string, StoredPlace>;
  readonly lobby: readonly string[];
  readonly present: ReadonlyMap<string, number>;
  readonly away: ReadonlyMap<string, number>;
  readonly awayUntil: ReadonlyMap<string, number>;
  readonly attached: ReadonlyMap<string, string>;
  readonly admitted: ReadonlyMap<string, number>;
  readonly shopping: readonly string[];
  readonly undecided: readonly string[];
  readonly gone: readonly number[];
  /** What the audit stream has got since the last observation. */
  readonly trail: readonly TrailRecord[];
}

export type HoldFields = ReadonlyMap<string, string>;

export interface StoredPlace {
  readonly number: number;
  readonly person: string;
  readonly state: string;
  readonly since: number;
}

export interface TrailRecord {
  readonly serial: number;
  readonly at: number;
  readonly kind: string;
  readonly entry: string;
  readonly number: number;
  readonly active: number;
  readonly cap: number;
}

/**
 * KEYS 1 meta  ARGV 1 last id of the audit stream  2 mark to publish behind all changes  3 holds asked for, or `*` in front for all that
 * have a seat or a deadline besides  4 tables asked for
 * Result: what there is, holds and tables, each as JSON: cheaper to send and to read than a nested reply.
 */
const script = `#!lua
local meta, fields = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if fields[i] ~= 'lastNow' then
    meta[#meta + 1] = fields[i]
    meta[#meta + 1] = fields[i + 1]
  end
end
local generation = redis.call('HGET', KEYS[1], 'generation')
local shared = string.sub(KEYS[1], 1, -5)
local function key(name) return shared .. generation .. ':' .. name end
local seen = { meta = meta, version = redis.call('HGET', KEYS[1], 'version') }
for _, name in ipairs({ 'counts', 'seats', 'people', 'minutes', 'line', 'persons', 'places', 'attached' }) do seen[name] = redis.call('HGETALL', key(name)) end
for _, name in ipairs({ 'deadlines', 'payments', 'present', 'away', 'awayUntil', 'admitted' }) do
  seen[name] = redis.call('ZRANGE', key(name), 0, -1, 'WITHSCORES')
end
for _, name in ipairs({ 'shopping', 'undecided' }) do seen[name] = redis.call('SMEMBERS', key(name)) end
seen.lobby = redis.call('ZRANGE', key('lobby'), 0, -1)
seen.status = redis.call('GET', key('status'))
seen.channels = redis.call('GET', key('channels'))
seen.gone = string.gsub(redis.call('GET', key('gone')) or '', '.', function(byte) return string.format('%02x', string.byte(byte)) end)
local wanted = {}
local function want(name) if name ~= '' then wanted[name] = true end end
if string.sub(ARGV[3], 1, 1) == '*' then
  for i = 2, #seen.seats, 2 do want(seen.seats[i]) end
  for i = 1, #seen.deadlines, 2 do want(seen.deadlines[i]) end
  for i = 1, #seen.payments, 2 do want(seen.payments[i]) end
end
for name in string.gmatch(ARGV[3], '[^*,]+') do want(name) end
local holds, fits = {}, {}
for name in pairs(wanted) do holds[#holds + 1] = { name, redis.call('HGETALL', key('hold:' .. name)) } end
for name in string.gmatch(ARGV[4], '[^,]+') do
  fits[#fits + 1] = name
  fits[#fits + 1] = redis.call('GET', key('fits:' .. name)) or ''
end
seen.trail = redis.call('XRANGE', key('audit'), '(' .. ARGV[1], '+')
if ARGV[2] ~= '' then redis.call('PUBLISH', shared .. 'seat-changes', ARGV[2]) end
return { cjson.encode(seen), cjson.encode(holds), cjson.encode(fits) }`;

type Ask = (key: string, ...args: string[]) => Promise<[state: string, holds: string, fits: string]>;

export function defineObserver(redis: Redis): void {
  redis.defineCommand('observe', { numberOfKeys: 1, lua: script });
}

interface Question {
  readonly mark: string;
  /** Those that may have changed. */
  readonly holds: Iterable<string>;
  /** Every hold that has a seat or a deadline is read anew; otherwise what was read before is taken for true. */
  readonly allHolds: boolean;
  readonly tables: readonly string[];
}

/** One event looked at again and again. Where nothing has changed the answer is the very same. */
export class Observer {
  readonly #event: SimulatedEvent;
  /** Every hold there has been, as it was read last. */
  readonly known = new Map<string, HoldFields>();
  #trailFrom = '0';
  #texts: readonly string[] = [];
  #seen: Observation | null = null;

  constructor(event: SimulatedEvent) {
    this.#event = event;
  }

  async look({ mark, holds, allHolds, tables }: Question): Promise<Observation> {
    const { redis, keys } = this.#event;
    const ask = (redis as unknown as { readonly observe: Ask }).observe;
    const wanted = `${allHolds ? '*' : ''}${[...holds].join(',')}`;
    const texts = await ask.call(redis, keys.meta, this.#trailFrom, mark, wanted, tables.join(','));
    const last = this.#seen;
    if (last !== null && texts.every((text, i) => text === this.#texts[i])) return last;
    const [text, holdsText, fitsText] = texts;
    const state = last?.text === text ? last.state : this.#readState(text);
    const fits = pairsOf(JSON.parse(fitsText) as Flat, String);
    this.#seen = { ...state, text, state, holds: this.#readHolds(state, holdsText), fits };
    this.#texts = texts;
    return this.#seen;
  }

  #readState(text: string): State {
    const raw = JSON.parse(text) as Raw;
    this.#trailFrom = listOf(raw.trail).at(-1)?.[0] ?? this.#trailFrom;
    return readState(raw);
  }

  /** What was read now, and what is known of the others. */
  #readHolds({ seats, deadlines, payments }: State, text: string): ReadonlyMap<string, HoldFields> {
    const read = listOf(JSON.parse(text) as readonly (readonly [string, Flat])[]);
    const holds = new Map<string, HoldFields>();
    for (const [name, fields] of read) {
      const hold = pairsOf(fields, String);
      this.known.set(name, hold);
      holds.set(name, hold);
    }
    for (const names of [seats.values(), deadlines.keys(), payments.keys()])
      for (const name of names) if (!holds.has(name)) holds.set(name, this.known.get(name) ?? nothing);
    return holds;
  }
}

const nothing: HoldFields = new Map();

type Flat = readonly string[];
/** An empty Lua table is written as an object. */
type Raw = { readonly [name in 'status' | 'channels' | 'gone' | 'version']: string } & {
  readonly [name in keyof Omit<State, 'status' | 'channels' | 'gone' | 'version' | 'trail'>]: Flat;
} & { readonly trail: readonly (readonly [string, Flat])[] };

const listOf = <T>(list: readonly T[]): readonly T[] => (Array.isArray(list) ? list : []);

function pairsOf<T>(flat: Flat, make: (value: string) => T): Map<string, T> {
  const pairs = new Map<string, T>();
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.set(flat[i]!, make(flat[i + 1]!));
  return pairs;
}

function readState(raw: Raw): State {
  const numbers = (flat: Flat) => pairsOf(flat, Number);
  const texts = (flat: Flat) => pairsOf(flat, String);
  return {
    version: Number(raw.version),
    meta: texts(raw.meta),
    status: raw.status,
    channels: raw.channels,
    counts: numbers(raw.counts),
    seats: new Map([...texts(raw.seats)].map(([seat, hold]) => [Number(seat), hold])),
    deadlines: numbers(raw.deadlines),
    payments: numbers(raw.payments),
    people: numbers(raw.people),
    minutes: numbers(raw.minutes),
    line: texts(raw.line),
    persons: texts(raw.persons),
    places: pairsOf(raw.places, readPlace),
    lobby: listOf(raw.lobby),
    present: numbers(raw.present),
    away: numbers(raw.away),
    awayUntil: numbers(raw.awayUntil),
    attached: texts(raw.attached),
    admitted: numbers(raw.admitted),
    shopping: listOf(raw.shopping),
    undecided: listOf(raw.undecided),
    gone: bitsOf(Buffer.from(raw.gone, 'hex')),
    trail: listOf(raw.trail).map(([, fields]) => readRecord(fields)),
  };
}

function readPlace(text: string): StoredPlace {
  const [number, person, state, since] = text.split('|');
  return { number: Number(number), person: person!, state: state!, since: Number(since) };
}

function readRecord(flat: Flat): TrailRecord {
  const fields = pairsOf(flat, String);
  const text = (name: string) => fields.get(name) ?? '';
  const number = (name: string) => Number(text(name));
  return {
    serial: number('serial'),
    at: number('at'),
    kind: text('kind'),
    entry: text('entry'),
    number: number('number'),
    active: number('active'),
    cap: number('cap'),
  };
}
