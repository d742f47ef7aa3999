import type { Channels } from '../../src/pubsub/channels.js';
import { LineMirror, type LineSource, type LoadedLine } from '../../src/pubsub/line.js';

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
