import { type ExecutionArgs, GraphQLError, type GraphQLObjectType, type GraphQLSchema, parse } from 'graphql';
import { randomFor } from '../../bench/rush/random.js';
import { applySeatMapUpdate, cursorOf, type KnownSeats } from '../../client/seat-map.js';
import { Execution } from '../../src/pubsub/execution.js';
import { Hub, type HubCounts, type LiveStream } from '../../src/pubsub/hub.js';
import { Watch } from '../../src/pubsub/watch.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data } from '../support/client.js';
import { declaredSchema } from '../support/declared-schema.js';
import { type Door, openDoor } from '../support/door.js';
import { createHall, holdSeats, newKey, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { neededHeapBytes } from '../support/heap.js';
import { keysOf } from '../support/keys.js';
import { openSocket, type RawSocket, subscribeMessage } from '../support/raw-socket.js';
import { closeTexts, openTexts, type TextSocket, type TextStream } from '../support/texts.js';

// Every wait here is for a message that comes within seconds, or never.
jest.setTimeout(20_000);

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterEach(closeTexts);
afterAll(() => app.close());

const fields = `{ __typename ... on SeatMapSnapshot { epoch version layoutVersion states }
  ... on SeatMapDelta { epoch version layoutVersion fromVersion seats states } }`;
const changes = `subscription ($eventId: ID!, $since: SeatMapCursor) { seatMapChanged(eventId: $eventId, since: $since) ${fields} }`;
const changesByParts = `subscription ($eventId: ID!, $epoch: String!, $version: Int!, $layoutVersion: Int!) {
  seatMapChanged(eventId: $eventId, since: { epoch: $epoch, version: $version, layoutVersion: $layoutVersion }) ${fields} }`;

const seats = ({ payload }: Data): Data => payload.data.seatMapChanged;

/** Claims one seat: one change, told in one tick. */
async function takeSeat({ eventId }: TestHall, seatId: string): Promise<void> {
  const { hold } = await holdSeats(await app.guest(), eventId, { seatIds: [seatId] });
  expect(hold.state).toBe('HELD');
}

const versionOf = async ({ eventId }: TestHall) =>
  Number(await app.server.services.platform.redis.hget(keysOf(eventId).meta, 'version'));

/** What has been added to the counts since. */
const growth = (now: HubCounts, before: HubCounts) => ({
  executions: now.executions - before.executions,
  deliveries: now.deliveries - before.deliveries,
});

const none = { subscribers: 0, groups: 0 };
const expectNobody = (streams: () => HubCounts) => eventually(() => expect(streams()).toMatchObject(none));

async function openMany(url: string, count: number): Promise<TextSocket[]> {
  return Promise.all(Array.from({ length: count }, () => openTexts(url, null)));
}

describe('A change is executed once and told to all, wherever they began:', () => {
  const subscriberCount = 20;

  /** A hall in which something has happened, told by a stream that has followed it, and where its versions began. */
  async function arrange() {
    const hall = await createHall(app.organizer, { rows: 4, seatsPerRow: 10 });
    const watcher = app.anonymous.subscribe(changes, { eventId: hall.eventId });
    const first = await watcher.next();
    for (const seat of [...hall.rows[0]!, ...hall.rows[1]!]) await takeSeat(hall, seat);
    await watcher.until(({ version }) => version === first.version + subscriberCount);
    watcher.stop();
    await expectNobody(app.server.streams);
    const { epoch, version, layoutVersion } = first;
    return { hall, since: (at: number) => ({ epoch, layoutVersion, version: version + at }) };
  }

  async function watchFrom(url: string, document: string, { hall, since }: Awaited<ReturnType<typeof arrange>>) {
    const sockets = await openMany(url, subscriberCount);
    const streams = sockets.map((socket, at) => {
      const begin = document === changes ? { since: since(at) } : since(at);
      return socket.subscribe(document, { eventId: hall.eventId, ...begin });
    });
    const first = await Promise.all(streams.map((stream) => stream.next()));
    expect(first.map((message) => seats(message).fromVersion)).toEqual(first.map((_, at) => since(at).version));
    return streams;
  }

  test.each([
    ['with `since` as one variable', changes],
    ['with `since` as an object of variables', changesByParts],
  ])('%s', async (_, document) => {
    const arranged = await arrange();
    const streams = await watchFrom(app.url, document, arranged);
    expect(app.server.streams()).toMatchObject({ subscribers: subscriberCount, groups: 1 });
    for (const seat of arranged.hall.rows[2]!.slice(0, 3)) {
      const before = app.server.streams();
      await takeSeat(arranged.hall, seat);
      await Promise.all(streams.map((stream) => stream.next()));
      expect(growth(app.server.streams(), before)).toEqual({ executions: 1, deliveries: subscriberCount });
      expect(new Set(streams.map(({ texts }) => texts.at(-1))).size).toBe(1);
    }
    await closeTexts();
    await expectNobody(app.server.streams);
  });

  test('but for each of them where FANOUT says so', async () => {
    const arranged = await arrange();
    const door = await openDoor(app, { fanout: 'per-subscriber' });
    const streams = await watchFrom(door.url, changes, arranged);
    expect(door.streams()).toMatchObject({ subscribers: subscriberCount, groups: 0 });
    const before = door.streams();
    await takeSeat(arranged.hall, arranged.hall.rows[2]![0]!);
    await Promise.all(streams.map((stream) => stream.next()));
    expect(growth(door.streams(), before)).toEqual({ executions: subscriberCount, deliveries: subscriberCount });
    await closeTexts();
    await expectNobody(door.streams);
    await door.close();
  });
});

test('Promise 23: whoever joins others begins with a snapshot or with one delta from what they know, at once, and goes on as they do', async () => {
  const hall = await createHall(app.organizer);
  const { eventId } = hall;
  const sockets = await openMany(app.url, 5);
  const [running, late, behind, current, foreign] = sockets as [
    TextSocket,
    TextSocket,
    TextSocket,
    TextSocket,
    TextSocket,
  ];
  const streams = [running.subscribe(changes, { eventId })];
  const start = seats(await streams[0]!.next());
  for (const seat of hall.rows[0]!.slice(0, 3)) {
    await takeSeat(hall, seat);
    await streams[0]!.next();
  }
  // Nothing changes any more: what these are told is not owed to a change.
  const { epoch, version, layoutVersion, states } = start;
  const join = async (socket: TextSocket, since: object | null) => {
    const stream = socket.subscribe(changes, { eventId, since });
    streams.push(stream);
    return seats(await stream.next());
  };
  expect(await join(late, null)).toMatchObject({
    __typename: 'SeatMapSnapshot',
    version: version + 3,
    states: `hhh${states.slice(3)}`,
  });
  expect(await join(behind, { epoch, layoutVersion, version: version + 1 })).toMatchObject({
    __typename: 'SeatMapDelta',
    fromVersion: version + 1,
    version: version + 3,
    seats: '1,2',
    states: 'hh',
  });
  expect(await join(current, { epoch, layoutVersion, version: version + 3 })).toMatchObject({
    __typename: 'SeatMapDelta',
    fromVersion: version + 3,
    version: version + 3,
    seats: '',
  });
  expect(await join(foreign, { epoch: 'another', layoutVersion, version })).toMatchObject({
    __typename: 'SeatMapSnapshot',
    version: version + 3,
  });
  expect(app.server.streams()).toMatchObject({ subscribers: 5, groups: 1 });
  for (const [at, seat] of hall.rows[1]!.slice(0, 3).entries()) {
    await takeSeat(hall, seat);
    const told = await Promise.all(streams.map((stream) => stream.next()));
    expect(seats(told[0])).toMatchObject({ fromVersion: version + 3 + at, version: version + 4 + at });
    expect(new Set(streams.map(({ texts }) => texts.at(-1))).size).toBe(1);
  }
});

test('Promise 23: whoever joins in the midst of changes, from whatever version, ends equal to a fresh query', async () => {
  const random = randomFor(25, 6);
  const hall = await createHall(app.organizer, { rows: 6, seatsPerRow: 10 });
  const { eventId } = hall;
  const ranges = [{ first: 0, count: 60 }];
  /** What anybody has known so far; others go on from there. */
  const everKnown: KnownSeats[] = [];
  const followers: { readonly stream: TextStream; known: KnownSeats | null }[] = [];
  const advance = async (follower: (typeof followers)[number]) => {
    const next = applySeatMapUpdate(follower.known, seats(await follower.stream.next()), ranges);
    if (next === 'resubscribe') throw new Error('a message does not follow what is known');
    follower.known = next;
    everKnown.push(next);
  };
  let haveJoined = false;
  const changing = Array.from({ length: 3 }, async () => {
    const buyer = await app.guest();
    while (!haveJoined) {
      const { hold } = await holdSeats(buyer, eventId, { seatIds: [random.pick(random.pick(hall.rows))] });
      // Some of the seats stay taken.
      if (hold !== null && hold.seats[0].index % 3 > 0) await release(buyer, hold);
    }
  });
  for (let joiner = 0; joiner < 60; joiner += 1) {
    const known = joiner === 0 || random.hits(0.3) ? null : random.pick(everKnown);
    const socket = await openTexts(app.url, null);
    const stream = socket.subscribe(changes, { eventId, since: known && cursorOf(known) });
    followers.push({ stream, known });
    await advance(followers.at(-1)!);
  }
  haveJoined = true;
  await Promise.all(changing);
  const version = await versionOf(hall);
  for (const follower of followers) while (follower.known!.version < version) await advance(follower);
  const { seatMap } = await app.anonymous.run(
    'query ($eventId: ID!) { seatMap(eventId: $eventId) { state { epoch version layoutVersion states } } }',
    { eventId },
  );
  expect(seatMap.state.version).toBe(version);
  expect(new Set(everKnown.map((known) => known.version)).size).toBeGreaterThan(10);
  for (const { known } of followers) {
    const states = Array.from({ length: 60 }, (_, index) => known!.states.get(index)).join('');
    expect({ ...cursorOf(known!), states }).toEqual(seatMap.state);
  }
});

async function release(buyer: ApiClient, { id: holdId, fence }: Data): Promise<void> {
  await buyer.mutate('releaseHold', { holdId, fence, idempotencyKey: newKey() }, 'hold { id }');
}

/** What the schemas of this file tell: the same object to everybody who watches it. */
interface Fact {
  readonly number: number;
}

/** A source as the product has them: a cursor for each of its watchers. */
class Topic {
  readonly #watches = new Set<Watch<Fact>>();
  #latest: Fact = { number: 0 };
  /** Watchers so far. */
  opened = 0;

  watch(): Watch<Fact> {
    let told: Fact | null = null;
    const pull = () => {
      if (told === this.#latest) return null;
      told = this.#latest;
      return told;
    };
    const watch: Watch<Fact> = new Watch(pull, () => this.#watches.delete(watch), 'everybody');
    this.#watches.add(watch);
    this.opened += 1;
    return watch;
  }

  tell(): void {
    this.#latest = { number: this.#latest.number + 1 };
    for (const watch of [...this.#watches]) watch.wake();
  }

  get isWatched(): boolean {
    return this.#watches.size > 0;
  }
}

type Field = (fact: Fact, args: object, context: { readonly viewer: string }) => unknown;

/** A schema of one stream with one field, both declared to tell everybody the same, whether or not the field does. */
function schemaOf(field: Field, subscribe: () => unknown): GraphQLSchema {
  const schema = declaredSchema(
    'type Query { nothing: Int } type Subscription { changed: Fact! } type Fact { number: Int told: String }',
    { Fact: {}, 'Subscription.changed': {} },
  );
  const { changed } = schema.getSubscriptionType()!.getFields();
  Object.assign(changed!, { subscribe, resolve: (fact: Fact) => fact });
  Object.assign((schema.getType('Fact') as GraphQLObjectType).getFields().told!, { resolve: field });
  return schema;
}

interface Listener {
  readonly texts: string[];
  /** Resolves when that many texts have come. */
  heard(count: number): Promise<void>;
  stop(): Promise<unknown>;
}

/** Somebody who listens to a hub without a socket in between. */
async function listen(hub: Hub, args: ExecutionArgs): Promise<Listener> {
  const texts: string[] = [];
  let news = () => {};
  let end = (_error: Error | null) => {};
  const ended = new Promise<Error | null>((resolve) => {
    end = resolve;
  });
  const deliver = (text: string) => {
    texts.push(text);
    news();
  };
  const stream = (await hub.subscribe(args, { deliver, ended: end })) as LiveStream;
  stream.begin();
  return {
    texts,
    heard: (count) =>
      new Promise((resolve) => {
        news = () => texts.length >= count && resolve();
        news();
      }),
    stop: async () => {
      stream.stop();
      return ended;
    },
  };
}

function makeHub(onMistake: (operation: string) => void): Hub {
  return new Hub({
    shares: true,
    execution: new Execution((result) => result),
    sharedContext: (onViewer) => ({
      get viewer() {
        return onViewer();
      },
    }),
    onMistake: (_error, operation) => onMistake(operation),
  });
}

test('Promise 24: those who are told the same keep nothing of one who has left', async () => {
  const hub = makeHub(() => {});
  const topic = new Topic();
  const schema = schemaOf(
    ({ number }) => `fact ${number}`,
    () => topic.watch(),
  );
  const document = parse('subscription { changed { told } }');
  const enterAndLeave = async (others: () => Promise<Listener>) => {
    const contextValue = { viewer: 'ann' };
    const first = await listen(hub, { schema, document, contextValue });
    await first.heard(1);
    const listener = await others();
    await listener.heard(1);
    await first.stop();
    return { left: new WeakRef(contextValue), listener };
  };
  const { left, listener } = await enterAndLeave(() =>
    listen(hub, { schema, document, contextValue: { viewer: 'bob' } }),
  );
  await neededHeapBytes();
  expect(hub.counts).toMatchObject({ subscribers: 1, groups: 1 });
  expect(left.deref()).toBeUndefined();
  topic.tell();
  await listener.heard(2);
  await listener.stop();
});

test('Promise 24: those who are told nothing for long keep nothing of what they were told last', async () => {
  const hub = makeHub(() => {});
  const facts: WeakRef<Fact>[] = [];
  /** Tells one fact and keeps nothing of it. */
  const tellOnce = (audience: string) => {
    let fact: Fact | null = { number: facts.length };
    facts.push(new WeakRef(fact));
    const pull = () => {
      const told = fact;
      fact = null;
      return told;
    };
    return new Watch<Fact>(pull, () => {}, audience);
  };
  const audiences = ['idle', 'busy'];
  const schema = schemaOf(
    ({ number }) => `fact ${number}`,
    () => tellOnce(audiences.shift()!),
  );
  const document = parse('subscription { changed { told } }');
  const idle = await listen(hub, { schema, document, contextValue: {} });
  await idle.heard(1);
  const busy = await listen(hub, { schema, document, contextValue: {} });
  await busy.heard(1);
  expect(hub.counts).toMatchObject({ subscribers: 2, groups: 2, sharedExecutions: 2 });
  await neededHeapBytes();
  expect(facts[0]!.deref()).toBeUndefined();
  await busy.stop();
  await neededHeapBytes();
  expect(facts[1]!.deref()).toBeUndefined();
  await idle.stop();
});

describe('A field that reads the viewer although it is declared to tell everybody the same', () => {
  const own: Field = (fact, _, { viewer }) => `${viewer} ${fact.number}`;
  const fields: readonly [string, Field][] = [
    ['at once', own],
    ['after a while', async (...args) => Promise.resolve().then(() => own(...args))],
    [
      'and hides that this failed',
      (...args) => {
        try {
          return own(...args);
        } catch {
          return 'nobody';
        }
      },
    ],
    ['now and then', (fact, ...rest) => (fact.number % 2 === 0 ? `all ${fact.number}` : own(fact, ...rest))],
  ];

  test.each(fields)(
    '%s: its group breaks up, everybody is told their own, and the mistake is reported once',
    async (_, field) => {
      const mistakes: string[] = [];
      const hub = makeHub((operation) => mistakes.push(operation));
      const topic = new Topic();
      const schema = schemaOf(field, () => topic.watch());
      const document = parse('subscription Mine { changed { told number } }');
      const enter = (viewer: string) => listen(hub, { schema, document, contextValue: { viewer } });
      const listeners = new Map<string, Listener>();
      for (const viewer of ['ann', 'bob', 'eve']) listeners.set(viewer, await enter(viewer));
      const expected = async (viewer: string, first: number, last: number) => {
        const { texts, heard } = listeners.get(viewer)!;
        await heard(last - first + 1);
        const facts = Array.from({ length: last - first + 1 }, (__, at) => ({ number: first + at }));
        const told = facts.map((fact) => ({ data: { changed: { told: toldTo(viewer, fact), number: fact.number } } }));
        expect(texts).toEqual(told.map((text) => JSON.stringify(text)));
      };
      const toldTo = (viewer: string, { number }: Fact) =>
        field === fields[3]![1] && number % 2 === 0 ? `all ${number}` : `${viewer} ${number}`;
      for (let last = 0; last < 4; last += 1) {
        for (const viewer of listeners.keys()) await expected(viewer, 0, last);
        if (last < 3) topic.tell();
      }
      listeners.set('dan', await enter('dan'));
      topic.tell();
      await expected('dan', 3, 4);
      await expected('bob', 0, 4);
      expect(mistakes).toEqual(['Mine']);
      for (const { stop } of listeners.values()) expect(await stop()).toBeNull();
      expect(hub.counts).toMatchObject(none);
      expect(topic.isWatched).toBe(false);
    },
  );
});

/** Something that happens when the test wants it to. */
function signal(): { readonly promise: Promise<void>; give(): void } {
  let give = () => {};
  const promise = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { promise, give: () => give() };
}

describe('Nothing is left and nothing is said', () => {
  const watching = 'subscription { changed { told } }';
  let door: Door;
  let topic: Topic;
  /** Somebody asks for a stream, which opens when it may. */
  let asked: ReturnType<typeof signal>;
  let mayOpen: ReturnType<typeof signal>;
  /** The field is being read, and fails when it may; null: it answers at once. */
  let mayFail: ReturnType<typeof signal> | null;
  let reading: ReturnType<typeof signal>;
  beforeEach(async () => {
    topic = new Topic();
    [asked, mayOpen, reading] = [signal(), signal(), signal()];
    mayFail = null;
    const field: Field = async ({ number }) => {
      if (mayFail === null) return `fact ${number}`;
      reading.give();
      await mayFail.promise;
      throw new GraphQLError(`fact ${number} cannot be told`);
    };
    const schema = schemaOf(field, async () => {
      asked.give();
      await mayOpen.promise;
      return topic.watch();
    });
    door = await openDoor(app, { schema });
  });
  afterEach(() => door.close());

  const enter = () => openSocket(door.url, { init: {} });

  /** Everything sent before has been acted upon, and everything said before has arrived: answers what was said. */
  async function saidUntilNow(socket: RawSocket): Promise<Data[]> {
    const said: Data[] = [];
    socket.send({ type: 'ping' });
    await socket.until((message) => message.type === 'pong' || !said.push(message));
    return said;
  }

  /** As many streams as have been asked for are there, or were, and nobody watches any more. */
  async function expectNothing(opened: number): Promise<void> {
    await eventually(() => {
      expect(topic.opened).toBe(opened);
      expect(topic.isWatched).toBe(false);
      expect(door.streams()).toMatchObject(none);
    });
  }

  test.each([
    ['closed by the client', (socket: RawSocket) => socket.socket.close()],
    ['cut', (socket: RawSocket) => socket.socket.terminate()],
    ['closed by the server', (socket: RawSocket) => socket.send('not JSON')],
  ])('when a socket is %s while its stream is being opened', async (_, end) => {
    const socket = await enter();
    socket.send(subscribeMessage('1', watching));
    await asked.promise;
    end(socket);
    await socket.closed;
    await eventually(() => expect(door.open()).toBe(0));
    mayOpen.give();
    await expectNothing(1);
  });

  test('when an operation is completed before its stream is open', async () => {
    const socket = await enter();
    socket.send(subscribeMessage('1', watching));
    await asked.promise;
    socket.send({ id: '1', type: 'complete' });
    await saidUntilNow(socket);
    mayOpen.give();
    await expectNothing(1);
    topic.tell();
    expect(await saidUntilNow(socket)).toEqual([]);
    expect(door.streams()).toMatchObject({ executions: 0, deliveries: 0 });
    // The id is free again, and what comes under it is of its new stream alone.
    socket.send(subscribeMessage('1', watching));
    expect(await socket.next()).toMatchObject({ id: '1', payload: { data: { changed: { told: 'fact 1' } } } });
    socket.socket.close();
    await expectNothing(2);
  });

  test('when a message follows one that has closed the socket', async () => {
    mayOpen.give();
    const socket = await enter();
    socket.send('not JSON');
    socket.send(subscribeMessage('1', watching));
    socket.send({ id: '1', type: 'complete' });
    socket.send({ type: 'connection_init' });
    expect(await socket.closed).toMatchObject({ code: 4400 });
    await eventually(() => expect(door.open()).toBe(0));
    await expectNothing(0);
  });

  test('when a field fails and nobody reads the stream any more', async () => {
    mayOpen.give();
    const [completes, cut, closes] = [await enter(), await enter(), await enter()];
    for (const socket of [completes, cut, closes]) {
      socket.send(subscribeMessage('1', watching));
      await socket.until(({ type }) => type === 'next');
    }
    mayFail = signal();
    topic.tell();
    await reading.promise;
    completes.send({ id: '1', type: 'complete' });
    cut.socket.terminate();
    closes.socket.close();
    await Promise.all([cut.closed, closes.closed]);
    await expectNothing(3);
    mayFail.give();
    expect(await saidUntilNow(completes)).toEqual([]);
    expect(await saidUntilNow(completes)).toEqual([]);
    completes.socket.close();
    await completes.closed;
  });

  test('to those who have left, when a field fails, while those who have stayed are told and go on', async () => {
    mayOpen.give();
    const [stays, leaves] = [await enter(), await enter()];
    for (const socket of [stays, leaves]) {
      socket.send(subscribeMessage('1', watching));
      await socket.until(({ type }) => type === 'next');
    }
    expect(door.streams()).toMatchObject({ subscribers: 2, groups: 1 });
    mayFail = signal();
    topic.tell();
    await reading.promise;
    leaves.send({ id: '1', type: 'complete' });
    expect(await saidUntilNow(leaves)).toEqual([]);
    mayFail.give();
    const { id, type, payload } = await stays.next();
    expect({ id, type, data: payload.data }).toEqual({ id: '1', type: 'next', data: { changed: { told: null } } });
    expect(payload.errors).toMatchObject([{ message: 'fact 1 cannot be told', path: ['changed', 'told'] }]);
    mayFail = null;
    topic.tell();
    expect(await stays.next()).toEqual({ id: '1', type: 'next', payload: { data: { changed: { told: 'fact 2' } } } });
    expect(await saidUntilNow(leaves)).toEqual([]);
    for (const { socket, closed } of [stays, leaves]) {
      socket.close();
      await closed;
    }
    await expectNothing(2);
  });
});

test('A condition at the root of a subscription is refused under its id, and the socket lives on', async () => {
  const { eventId } = await createHall(app.organizer);
  const socket = await openSocket(app.url, { init: {} });
  const watch = `seatMapChanged(eventId: "${eventId}")`;
  const conditional = [
    `subscription ($is: Boolean!) { ${watch} @include(if: $is) { __typename } }`,
    `subscription ($is: Boolean = true) { ... @skip(if: $is) { ${watch} { __typename } } }`,
    `subscription { ${watch} @skip(if: true) { __typename } }`,
    `subscription { ...A } fragment A on Subscription { ...B @include(if: false) } fragment B on Subscription { ${watch} { __typename } }`,
  ];
  for (const [at, document] of conditional.entries()) {
    socket.send(subscribeMessage(String(at), document, { is: true }));
    const { id, type, payload } = await socket.next();
    expect([document, id, type, payload[0].extensions.code]).toEqual([
      document,
      String(at),
      'error',
      'GRAPHQL_VALIDATION_FAILED',
    ]);
  }
  socket.send(
    subscribeMessage('below', `subscription ($is: Boolean!) { ${watch} { __typename @include(if: $is) } }`, {
      is: true,
    }),
  );
  expect(await socket.next()).toMatchObject({ id: 'below', type: 'next' });
  socket.socket.close();
  await socket.closed;
});
