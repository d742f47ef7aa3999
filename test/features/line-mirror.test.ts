import { randomFor } from '../../bench/rush/random.js';
import { limits } from '../../src/limits.js';
import type { Channels } from '../../src/pubsub/channels.js';
import { LineMirror, type LineSource, type LoadedLine, type PlacePush } from '../../src/pubsub/line.js';
import type { Watch } from '../../src/pubsub/watch.js';
import { neededHeapBytes } from '../support/heap.js';

/** A place is its number here. */
type Place = number;

const lineOf = (generation: number, uncounted: boolean): LoadedLine => {
  return { generation, version: 1, phase: 'OPEN', pace: null, uncounted, gone: new Uint8Array() };
};

/** Something that happens when the test says so. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

test('Promise 6: nobody is told that their place is gone while the process that serves them puts it back', async () => {
  const lost = gate();
  const places = new Map<string, Place>([
    ['one', 1],
    ['two', 2],
  ]);
  let present = lineOf(1, false);
  let answers = true;
  const source: LineSource<Place> = {
    load: async () => present,
    readPlaces: async (generation, ids) => {
      if (!answers) throw new Error('Connection is closed.');
      if (generation !== present.generation) return null;
      return new Map(ids.flatMap((id) => (places.has(id) ? [[id, places.get(id)!]] : [])));
    },
    restore: async (_generation, restored) => {
      await lost.opened;
      for (const number of restored) places.set(number === 1 ? 'one' : 'two', number);
    },
    facts: (number) => ({ number, waiting: true, final: false, face: '' }),
    elapsedMs: () => 0,
  };
  const nothing = () => {};
  const channels = { listen: async () => nothing, onReconnect: () => nothing } as unknown as Channels;
  const mirror = new LineMirror(source);
  await mirror.start(channels, 'line');
  const watches = [mirror.watch('one', 1, 1), mirror.watch('two', 2, 1)];
  for (const watch of watches) expect((await watch.next()).value).toMatchObject({ peopleAhead: expect.any(Number) });

  // Redis does not answer, so what is to be read is kept for later; then there is an empty one, and it is read again.
  answers = false;
  void mirror.watch('one', 1, 1).return();
  places.clear();
  answers = true;
  present = lineOf(2, true);
  mirror.reload();
  await new Promise(setImmediate);
  void mirror.watch('two', 2, 2).return();
  await new Promise(setImmediate);
  const next = watches.map((watch) => watch.next());
  lost.open();
  for (const told of await Promise.all(next)) expect(told).toMatchObject({ done: false, value: { peopleAhead: null } });
  mirror.stop();
});

describe('With every tick of its clock', () => {
  /** A place as the source has it: the mirror keeps this very object. */
  interface Kept {
    readonly number: number;
    readonly state: 'W' | 'A';
  }

  let nowMs = 0;
  let present: LoadedLine;
  let places: Map<string, Kept>;
  /** What is read of places arrives when this resolves. */
  let mayRead: Promise<void>;
  let readings = 0;
  let tell: (message: object) => void;
  let mirror: LineMirror<Kept>;
  beforeEach(async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'performance', 'Date'] });
    nowMs = 1_234_567.8;
    present = lineOf(1, false);
    places = new Map();
    mayRead = Promise.resolve();
    const channels = {
      listen: async (_channel: string, listener: (message: object) => void) => {
        tell = listener;
        return () => {};
      },
      onReconnect: () => () => {},
    };
    mirror = new LineMirror<Kept>({
      load: async () => present,
      readPlaces: async (_generation, ids) => {
        await mayRead;
        return new Map(ids.flatMap((id) => (places.has(id) ? [[id, places.get(id)!]] : [])));
      },
      restore: async () => {},
      facts: ({ number, state }) => ({ number, waiting: state === 'W', final: false, face: state }),
      elapsedMs: () => {
        readings += 1;
        return nowMs;
      },
    });
    await mirror.start(channels as unknown as Channels, 'line');
  });
  afterEach(() => {
    mirror.stop();
    jest.useRealTimers();
  });

  /** Lets time go by, tick after tick. */
  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += limits.presenceEveryMs) {
      nowMs += limits.presenceEveryMs;
      jest.advanceTimersByTime(limits.presenceEveryMs);
      await new Promise(setImmediate);
    }
  }

  interface Told {
    readonly atMs: number;
    readonly push: PlacePush<Kept>;
  }

  /** Reads a stream as its reader does, as soon as there is something. */
  function follow(watch: Watch<PlacePush<Kept>>): Told[] {
    const told: Told[] = [];
    const take = () => {
      for (let push = watch.take(); push !== null; push = watch.take()) told.push({ atMs: nowMs, push });
    };
    watch.onNews({ news: take });
    take();
    return told;
  }

  function enter(number: number, state: Kept['state'] = 'W') {
    const place: Kept = { number, state };
    const entryId = `entry ${number}`;
    places.set(entryId, place);
    const watch = mirror.watch(entryId, place, present.generation);
    return { watch, told: follow(watch) };
  }

  test('everybody who waits is told again within the time they were promised, however far away and whatever happens', async () => {
    const random = randomFor(12, 1);
    const entered = [];
    for (const number of [1, 2, 90, 150, 950, 1_001, 5_000, 12_000, 50_000]) {
      entered.push(...[0, 1, 2].map((at) => ({ since: nowMs, ...enter(number * 3 + at) })));
      // They come at any moment within a tick.
      nowMs += random.between(0, 3 * limits.presenceEveryMs) / 3;
      await pass(limits.presenceEveryMs);
    }
    let version = 1;
    for (let round = 0; round < 30; round += 1) {
      await pass(random.between(1, 12) * limits.presenceEveryMs);
      const how = random.next();
      version += 1;
      const message = { g: 1, v: version, p: how < 0.2 ? 'PAUSED' : 'OPEN', t: '', r: 0, d: 0, e: [] };
      if (how < 0.8) tell({ ...message, n: [random.between(1, 20_000)] });
      present = { ...present, version, phase: message.p };
      if (how > 0.7) mirror.reload();
    }
    await pass(10_000);
    for (const { told, since } of entered) {
      expect(told[0]!.atMs).toBe(since);
      const ends = [...told.slice(1).map(({ atMs }) => atMs), nowMs];
      for (const [at, { atMs, push }] of told.entries()) {
        expect(push.nextPushInMs).not.toBeNull();
        expect(ends[at]! - atMs).toBeLessThanOrEqual(push.nextPushInMs!);
      }
      // And not with every tick, unless they are near.
      const { nextPushInMs } = told[0]!.push;
      expect(told.length).toBeLessThan(20 + (nowMs - since) / (nextPushInMs! - 2 * limits.presenceEveryMs));
    }
  });

  test('whoever was to be told something while the line was being read again is told it afterwards', async () => {
    const { told } = enter(42);
    await pass(3_000);
    expect(told.at(-1)!.push).toMatchObject({ generation: 1, peopleAhead: 41 });
    const read = gate();
    mayRead = read.opened;
    present = lineOf(2, false);
    mirror.reload();
    await new Promise(setImmediate);
    const { length } = told;
    await pass(5_000);
    expect(told).toHaveLength(length);
    read.open();
    await pass(2 * limits.presenceEveryMs);
    // Nothing about the place has changed: it is told because its time has come.
    expect(told.slice(length).map(({ push }) => push)).toEqual([{ ...told[length - 1]!.push, generation: 2 }]);
    await pass(1_000);
    expect(told.length).toBeGreaterThan(length + 1);
  });

  test('whoever has read nothing for a while is told what is true when they read again, and goes on from there', async () => {
    const { watch, told } = enter(42);
    const { length } = told;
    watch.onNews({ news() {} });
    await pass(7_000);
    tell({ g: 1, v: 2, p: 'OPEN', t: '', r: 0, d: 0, n: [1, 2], e: [] });
    await pass(1_000);
    const late = follow(watch);
    expect(late.map(({ push }) => push)).toEqual([{ ...told[length - 1]!.push, peopleAhead: 39 }]);
    await pass(1_000);
    expect(late).toHaveLength(2);
  });

  test('after a change for everybody, told to all at once, they are told at different moments again', async () => {
    const count = 2_000;
    const told = Array.from({ length: count }, (_, at) => {
      places.set(`${at}`, { number: 10_000 + at, state: 'W' });
      return follow(mirror.watch(`${at}`, places.get(`${at}`)!, 1));
    });
    tell({ g: 1, v: 2, t: '', n: [], e: [], p: 'PAUSED', r: 0, d: 0 });
    await pass(3 * limits.presenceEveryMs);
    const changedAtMs = nowMs;
    for (const pushes of told) expect(pushes.at(-1)!.push.phase).toBe('PAUSED');
    await pass(3 * told[0]!.at(-1)!.push.nextPushInMs!);
    const byTick = new Map<number, number>();
    for (const { atMs } of told.flat()) if (atMs > changedAtMs) byTick.set(atMs, (byTick.get(atMs) ?? 0) + 1);
    expect(Math.max(...byTick.values())).toBeLessThan(count / 8);
  });

  test('nothing is kept of those who have left', async () => {
    const leave = async () => {
      const entered = [enter(1), enter(5_000), enter(7, 'A')];
      const kept = [...places.values()].map((place) => new WeakRef(place));
      await pass(2_000);
      for (const { watch } of entered) await watch.return();
      places.clear();
      return kept;
    };
    const kept = await leave();
    await pass(10_000);
    await neededHeapBytes();
    expect(kept.map((place) => place.deref())).toEqual([undefined, undefined, undefined]);
    expect(mirror.isWatched).toBe(false);
  });

  test('nobody is looked at who waits no longer, until something is to be told to them', async () => {
    const [waits, admitted] = [enter(3), enter(4)];
    places.set('entry 4', { number: 4, state: 'A' });
    tell({ g: 1, v: 2, p: 'OPEN', t: '', r: 0, d: 0, n: [4], e: ['entry 4'] });
    await pass(2_000);
    expect(admitted.told.at(-1)!.push).toMatchObject({ stored: { state: 'A' }, nextPushInMs: null });
    await waits.watch.return();
    await pass(2_000);
    readings = 0;
    await pass(limits.presenceEveryMs);
    expect(readings).toBe(1);
    tell({ g: 1, v: 3, p: 'PAUSED', t: '', r: 0, d: 0, n: [], e: [] });
    await pass(limits.presenceEveryMs);
    expect(admitted.told.at(-1)!.push).toMatchObject({ phase: 'PAUSED' });
  });
});
