import {
  execute,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  getOperationAST,
  isAbstractType,
  isLeafType,
  isListType,
  parse,
  validate,
} from 'graphql';
import { randomFor } from '../../bench/rush/random.js';
import { applySeatMapUpdate, type KnownSeats } from '../../client/seat-map.js';
import { limits } from '../../src/limits.js';
import { planSharing, type SharingPlan } from '../../src/pubsub/broadcast.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { closeCodes } from '../../src/server/connection.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data } from '../support/client.js';
import { declaredSchema } from '../support/declared-schema.js';
import { DocumentGenerator, type RandomDocument } from '../support/documents.js';
import { type Door, openDoor } from '../support/door.js';
import { createHall, holdSeats, newKey, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { keysOf } from '../support/keys.js';
import { signInRival } from '../support/mutation-world.js';
import { pay, startOrder } from '../support/orders.js';
import { closeTexts, openTexts, type TextStream, TextStreams } from '../support/texts.js';

// Every wait here is for a message that comes within seconds, or never.
jest.setTimeout(20_000);

function planOf(schema: GraphQLSchema, text: string): SharingPlan | null {
  const document = parse(text);
  expect(validate(schema, document)).toEqual([]);
  return planSharing(schema, document, getOperationAST(document)!);
}

const mayShare = (schema: GraphQLSchema, text: string): boolean => planOf(schema, text) !== null;

describe('An operation is executed once for all', () => {
  test('if it watches the seats or the sales of an event, and no operation about one person is', () => {
    const schema = buildSchema();
    const documents: Record<string, string> = {
      cancellationChanged: '{ cancellationChanged(eventId: "1") { state } }',
      holdUpdated: '{ holdUpdated(holdId: "1") { id } }',
      orderUpdated: '{ orderUpdated(orderId: "1") { id } }',
      queuePositionChanged: '{ queuePositionChanged(entryId: "1") { id } }',
      salesChanged:
        '{ salesChanged(eventId: "1") { revenue { amountMinor } categories { name revenue { currency } } } }',
      seatMapChanged:
        '{ seatMapChanged(eventId: "1") { ... on SeatMapSnapshot { states } ... on SeatMapDelta { seats } } }',
    };
    expect(Object.keys(documents)).toEqual(Object.keys(schema.getSubscriptionType()!.getFields()).sort());
    const shared = Object.keys(documents).filter((name) => mayShare(schema, `subscription ${documents[name]}`));
    expect(shared).toEqual(['salesChanged', 'seatMapChanged']);
  });

  const text = `
    directive @live on FIELD | FRAGMENT_DEFINITION | FRAGMENT_SPREAD | INLINE_FRAGMENT | SUBSCRIPTION | VARIABLE_DEFINITION
    type Query { nothing: Int }
    type Subscription { changed(topic: ID, wish: Wish, since: Cursor): Update  named(topic: ID): Named  own: Open  hidden: Open }
    input Cursor { epoch: String version: Int }
    input Wish { rows: [Int] part: Cursor }
    union Update = Open | Wide | Closed
    interface Named { name: String  part: Named }
    type Open implements Named { name: String  part: Open  count: Int  times(by: Int, from: Int): Int }
    type Wide implements Named { name: String  part: Named  count: Int  times(by: Int): Int }
    type Closed implements Named { name: String  part: Closed  count: Int }
  `;
  const everything = { 'Subscription.changed': { cursor: 'since' }, 'Subscription.named': {}, 'Subscription.own': {} };
  const types = { Open: {}, Wide: {}, 'Wide.times': {}, 'Open.times': { cursor: 'from' } };
  const schema = declaredSchema(text, { ...everything, ...types });

  test('only if the field at its root and every field below is declared to tell everybody the same', () => {
    expect(mayShare(schema, 'subscription { own { name part { part { count } } } }')).toBe(true);
    expect(mayShare(schema, 'subscription { hidden { name } }')).toBe(false);
    const some = declaredSchema(text, { ...everything, 'Open.name': {} });
    expect(mayShare(some, 'subscription { own { name } }')).toBe(true);
    expect(mayShare(some, 'subscription { own { name count } }')).toBe(false);
    expect(mayShare(declaredSchema(text, {}), 'subscription { own { __typename } }')).toBe(false);
  });

  test('only if that is so whatever a field is called there', () => {
    expect(mayShare(schema, 'subscription { count: own { name: count } }')).toBe(true);
    const some = declaredSchema(text, { ...everything, 'Open.name': {} });
    expect(mayShare(some, 'subscription { own { name: count } }')).toBe(false);
    expect(mayShare(some, 'subscription { own { count: name } }')).toBe(true);
  });

  test('only if that is so in its fragments, and in the fragments of those', () => {
    const some = declaredSchema(text, { ...everything, 'Open.name': {}, 'Open.part': {} });
    const nested = (field: string) => `subscription { own { ...A } }
      fragment A on Open { name part { ... on Open { ...B } } ...B } fragment B on Open { ... { name part { ${field} } } }`;
    expect(mayShare(some, nested('name'))).toBe(true);
    expect(mayShare(some, nested('count'))).toBe(false);
    const root = (field: string) => `subscription { ...A } fragment A on Subscription { own { ${field} } }`;
    expect(mayShare(some, root('name'))).toBe(true);
    expect(mayShare(some, root('count'))).toBe(false);
    expect(mayShare(some, 'subscription { own { name } ... on Subscription { own { count } } }')).toBe(false);
  });

  test('only if that is so in each type that stands behind an interface or a union', () => {
    expect(mayShare(schema, 'subscription { changed { ... on Open { name } ... on Wide { name } } }')).toBe(true);
    expect(mayShare(schema, 'subscription { changed { ... on Open { name } ... on Closed { name } } }')).toBe(false);
    expect(mayShare(schema, 'subscription { changed { ... on Closed { __typename } } }')).toBe(true);
    expect(mayShare(schema, 'subscription { changed { ... on Named { name } } }')).toBe(false);
    expect(mayShare(schema, 'subscription { named { name } }')).toBe(false);
    expect(mayShare(schema, 'subscription { named { ... on Open { name } } }')).toBe(true);
    const all = declaredSchema(text, { ...everything, ...types, Closed: {} });
    expect(mayShare(all, 'subscription { named { name ... on Wide { part { part { name } } } } }')).toBe(true);
  });

  test('only if that is so in each type that a field answers in any of the types it stands in', () => {
    // The first of the types answers what is declared, another one what is not.
    const some = declaredSchema(text, { ...everything, Open: {}, Wide: {}, 'Closed.part': {} });
    expect(mayShare(some, 'subscription { named { part { __typename } } }')).toBe(true);
    expect(mayShare(some, 'subscription { named { part { name } } }')).toBe(false);
  });

  test('only if a field with arguments of its own is declared itself', () => {
    expect(mayShare(schema, 'subscription { own { times(by: 2) } }')).toBe(true);
    const byType = declaredSchema(text, { ...everything, Open: {}, Wide: {} });
    expect(mayShare(byType, 'subscription { own { times(by: 2) } }')).toBe(false);
    expect(mayShare(byType, 'subscription { own { times } }')).toBe(false);
    expect(mayShare(declaredSchema(text, { Subscription: {}, Open: {} }), 'subscription { own { name } }')).toBe(true);
    expect(mayShare(declaredSchema(text, { Subscription: {} }), 'subscription { changed { __typename } }')).toBe(false);
  });

  test('only if nothing in it carries a directive that nobody knows', () => {
    const carrying = [
      'subscription @live { own { name } }',
      'subscription { own @live { name } }',
      'subscription { own { name @include(if: true) @live } }',
      'subscription { own { ... @live { name } } }',
      'subscription { own { ...A @live } } fragment A on Open { name }',
      'subscription { own { ...A } } fragment A on Open @live { name }',
      'subscription { own { ...A } } fragment A on Open { ...B } fragment B on Open @live { name }',
      'subscription ($is: Boolean = true @live) { own { name @include(if: $is) } }',
    ];
    for (const document of carrying) {
      expect([document, mayShare(schema, document)]).toEqual([document, false]);
      const without = document.replace(/ @live/g, '');
      expect([without, mayShare(schema, without)]).toEqual([without, true]);
    }
  });

  test('for those whose variables are equal, but for those that only say where a stream begins', () => {
    const variables = (document: string) => planOf(schema, `subscription ${document}`)?.variables;
    expect(variables('($t: ID) { changed(topic: $t) { __typename } }')).toEqual(['t']);
    expect(variables('($w: Wish) { changed(wish: $w) { __typename } }')).toEqual(['w']);
    expect(
      variables('($r: Int, $v: Int) { changed(wish: { rows: [1, $r], part: { version: $v } }) { __typename } }'),
    ).toEqual(['r', 'v']);
    expect(variables('($s: Cursor, $t: ID) { changed(topic: $t, since: $s) { __typename } }')).toEqual(['t']);
    const asObject = '($e: String, $v: Int) { changed(since: { epoch: $e, version: $v }) { __typename } }';
    expect(variables(asObject)).toEqual([]);
    // What says where a stream begins and says something else as well makes a difference.
    const twice = '($v: Int) { changed(since: { version: $v }, wish: { rows: [$v] }) { __typename } }';
    expect(variables(twice)).toEqual(['v']);
    const conditions = `($a: Boolean!, $b: Boolean!, $c: Boolean!, $d: Boolean!, $e: Boolean!) {
      own { name @include(if: $e) ... @skip(if: $b) { count } ...A @include(if: $d) ...A @skip(if: $c) } }
      fragment A on Open { name @skip(if: $a) }`;
    expect(variables(conditions)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(variables('($n: Int) { own { times(by: $n) } }')).toEqual(['n']);
  });

  test('for those whose variables are equal where another type takes the same argument for more than a beginning', () => {
    const by = `type Query { nothing: Int } type Subscription { named: Named }
      interface Named { times(from: Int): Int }
      type Open implements Named { times(from: Int): Int } type Wide implements Named { times(from: Int): Int }`;
    const document = 'subscription ($n: Int) { named { times(from: $n) } }';
    const from = { cursor: 'from' };
    const alike = declaredSchema(by, { 'Subscription.named': {}, 'Open.times': from, 'Wide.times': from });
    expect(planOf(alike, document)?.variables).toEqual([]);
    const unlike = declaredSchema(by, { 'Subscription.named': {}, 'Open.times': from, 'Wide.times': {} });
    expect(planOf(unlike, document)?.variables).toEqual(['n']);
  });

  test('and whatever it is told, no field is read that nobody has declared, and no other variable makes a difference', () => {
    const random = randomFor(25, 1);
    const types = ['Open', 'Wide', 'Closed'];
    const fields = types.flatMap((type) => ['name', 'part', 'count', 'times'].map((field) => `${type}.${field}`));
    let shared = 0;
    for (let run = 0; run < 600; run += 1) {
      const isAll = random.hits(0.2);
      const share = random.pick([0.6, 0.8, 0.95]);
      const drawn = [
        ...types.filter(() => isAll || random.hits(0.3)),
        ...fields.filter((path) => path !== 'Closed.times' && (isAll || random.hits(share))),
      ];
      const declared = { ...everything, ...Object.fromEntries(drawn.map((path) => [path, {}])) };
      const drawnSchema = declaredSchema(text, declared);
      const name = random.pick(['changed', 'named', 'own', 'hidden']);
      const args = name === 'changed' ? '(since: $since)' : '';
      const definitions = name === 'changed' ? ['$since: Cursor'] : [];
      const generator = new DocumentGenerator(drawnSchema, random, random.pick([3, 6, 40]));
      const { text: document, values } = generator.subscription({ name, args, definitions });
      const plan = planOf(drawnSchema, document);
      if (isAll && name !== 'hidden') expect(plan).not.toBeNull();
      if (plan === null) continue;
      shared += 1;
      const seed = random.between(1, 1_000_000);
      const given = { ...values(random), since: { version: 1 } };
      const others = Object.entries({ ...values(random), since: { version: 2 } });
      const differing = Object.fromEntries(others.filter(([variable]) => !plan.variables.includes(variable)));
      const first = executeAsAnything(drawnSchema, document, given, seed);
      const second = executeAsAnything(drawnSchema, document, { ...given, ...differing }, seed);
      for (const path of [...first.read, ...second.read])
        expect(path in declared || (path.split('.')[0]! in declared && !path.endsWith('times'))).toBe(true);
      expect(second.data).toBe(first.data);
    }
    expect(shared).toBeGreaterThan(200);
  });
});

/** Executes an operation over data made up on the way, and answers it with the fields that were read. */
function executeAsAnything(schema: GraphQLSchema, text: string, variableValues: Record<string, unknown>, seed: number) {
  const random = randomFor(seed, 2);
  const read = new Set<string>();
  const made = (type: GraphQLOutputType): unknown => {
    const nullable = getNullableType(type);
    if (isListType(nullable)) return [made(nullable.ofType), made(nullable.ofType)];
    const named = getNamedType(nullable);
    if (isLeafType(named)) return random.between(1, 1_000);
    const __typename = isAbstractType(named) ? random.pick(schema.getPossibleTypes(named)).name : named.name;
    return { __typename };
  };
  const result = execute({
    schema,
    document: parse(text),
    variableValues,
    fieldResolver: (_source, args, _context, { parentType, fieldName, returnType }) => {
      read.add(`${parentType.name}.${fieldName}`);
      const value = made(returnType);
      const { since: _, ...rest } = args;
      return typeof value === 'number' ? value + Object.values<number>(rest).reduce((sum, n) => sum + n, 0) : value;
    },
    typeResolver: (value: { __typename: string }) => value.__typename,
  });
  expect(result).not.toBeInstanceOf(Promise);
  expect(result).not.toHaveProperty('errors');
  return { data: JSON.stringify(result), read };
}

const seatRoot = {
  name: 'seatMapChanged',
  args: '(eventId: $eventId, sectionId: $sectionId, accessCode: $accessCode, since: $since)',
  definitions: ['$eventId: ID!', '$sectionId: ID', '$accessCode: String', '$since: SeatMapCursor'],
  always: `__typename ... on SeatMapSnapshot { epoch version layoutVersion states }
    ... on SeatMapDelta { epoch version layoutVersion fromVersion seats states }`,
};

/** A hall of two sections: rows of seats, the first of which is the sponsors', and standing places. */
async function arrangeHall(app: TestApp): Promise<{ hall: TestHall; channelId: string; pit: string }> {
  const hall = await createHall(app.organizer, { rows: 4, seatsPerRow: 10, standing: 6 });
  const { eventId, rows } = hall;
  const sponsors = { eventId, name: 'Sponsors', accessCode: 'sponsor' };
  const { channel } = await app.organizer.mutate('saveChannel', sponsors, 'channel { id }');
  await allocate(app, hall, { seats: { seatIds: rows[0] }, to: 'CHANNEL', channelId: channel.id });
  const { seatMap } = await app.anonymous.run(
    'query ($eventId: ID!) { seatMap(eventId: $eventId) { sections { id name } } }',
    { eventId },
  );
  return { hall, channelId: channel.id, pit: seatMap.sections.find(({ name }: Data) => name === 'Pit').id };
}

async function allocate(app: TestApp, { eventId }: TestHall, input: object): Promise<void> {
  const { errors } = await app.organizer.mutate('allocateSeats', { eventId, ...input }, 'seats');
  expect(errors).toEqual([]);
}

async function release(buyer: ApiClient, { id: holdId, fence }: Data): Promise<void> {
  const { errors } = await buyer.mutate('releaseHold', { holdId, fence, idempotencyKey: newKey() }, 'hold { id }');
  expect(errors).toEqual([]);
}

const stateQuery = `query ($eventId: ID!, $accessCode: String) { seatMap(eventId: $eventId) {
  state(accessCode: $accessCode) { epoch version layoutVersion states } } }`;

const update = ({ payload }: Data): Data => {
  if (payload.data == null) throw new Error(JSON.stringify(payload));
  return Object.values(payload.data as object)[0];
};
const reaches = (version: number) => (message: Data) => update(message).version >= version;

let app: TestApp;
let perSubscriber: Door;
beforeAll(async () => {
  app = await startTestApp();
  perSubscriber = await openDoor(app, { fanout: 'per-subscriber' });
});
afterEach(closeTexts);
afterAll(async () => {
  await perSubscriber.close();
  await app.close();
});

/** A value under a name that ends in a number is what the field of that name tells. */
function expectNamed(told: Data): void {
  for (const [key, value] of Object.entries(told)) expect([key, value]).toEqual([key, told[key.replace(/_\d+$/, '')]]);
}

test('Random documents are answered the same, byte for byte, whether they are executed for all or for each', async () => {
  const random = randomFor(25, 3);
  const { hall, channelId, pit } = await arrangeHall(app);
  const { eventId, rows } = hall;
  // Something has been sold, so that the sales have minutes and revenue.
  const order = await startOrder(app, hall, rows[3]!.slice(0, 2));
  await pay(app, order.stream);
  order.stream.stop();
  const [sharing, repeating] = [new TextStreams(app.url), new TextStreams(perSubscriber.url)];
  const watcher = app.anonymous.subscribe(watchVersion, { eventId });
  const since = await watcher.next();
  const generator = new DocumentGenerator(buildSchema(), random);
  const pairs: { document: RandomDocument; shared: TextStream; alone: TextStream; isPit: boolean }[] = [];
  for (let at = 0; at < 36; at += 1) {
    const isSales = at % 3 === 0;
    const document = isSales ? generator.subscription(salesRoot) : generator.subscription(seatRoot);
    const fixed = { eventId, sectionId: random.pick([null, pit]), accessCode: random.pick([null, 'sponsor']) };
    const chosen = document.values(random);
    // Three who are told the same, one of whom comes from an earlier version, and one with other values.
    for (const values of [chosen, chosen, { ...chosen, since }, document.values(random)]) {
      const variables = isSales ? { eventId, ...values } : { ...fixed, ...values };
      const { token } = isSales ? app.organizer : app.anonymous;
      const [shared, alone] = [
        await sharing.subscribe(token, document.text, variables),
        await repeating.subscribe(token, document.text, variables),
      ];
      pairs.push({ document, shared, alone, isPit: !isSales && fixed.sectionId !== null });
    }
  }
  for (const { shared, alone } of pairs) await Promise.all([shared.until(reaches(0)), alone.until(reaches(0))]);
  expect(app.server.streams()).toMatchObject({ subscribers: pairs.length + 1 });
  const { groups } = app.server.streams();
  expect(groups).toBeLessThan(pairs.length / 2 + 2);
  expect(perSubscriber.streams()).toMatchObject({ subscribers: pairs.length, groups: 0 });

  // Everything at once, tick after tick: claims, refusals and releases, and seats that change hands.
  const buyers = await Promise.all([0, 1, 2, 3].map(() => app.guest()));
  let last = { floor: 0, pit: 0 };
  for (let round = 0; round < 5; round += 1) {
    await Promise.all([
      ...buyers.map(async (buyer) => {
        const seatIds = [random.pick(rows[1]!), random.pick(rows[2]!)];
        const seats = random.hits(0.3) ? { standing: standing(hall, 1) } : { seatIds };
        const { hold } = await holdSeats(buyer, eventId, seats);
        if (hold !== null && random.hits(0.6)) await release(buyer, hold);
      }),
      allocate(app, hall, { seats: { seatIds: [rows[1]![9 - round]!] }, to: 'CHANNEL', channelId }),
      allocate(app, hall, { seats: { seatIds: [rows[0]![round]!] }, to: 'EVERYBODY' }),
    ]);
    last = await tellEverybody(hall);
    await watcher.until(({ version }) => version >= last.pit);
  }
  await Promise.all(
    pairs.flatMap(({ shared, alone, isPit }) =>
      [shared, alone].map((stream) => stream.until(reaches(isPit ? last.pit : last.floor))),
    ),
  );
  let compared = 0;
  for (const { document, shared, alone, isPit } of pairs) {
    const end = (texts: readonly string[]) =>
      texts.findIndex((text) => reaches(isPit ? last.pit : last.floor)(JSON.parse(`{${text}`))) + 1;
    const told = shared.texts.slice(0, end(shared.texts));
    expect([document.text, told]).toEqual([document.text, alone.texts.slice(0, end(alone.texts))]);
    compared += told.length;
  }
  expect(compared).toBeGreaterThan(pairs.length * 4);
  watcher.stop();
});

test('A variable that is not given is none, whatever its name', async () => {
  const { eventId } = await createHall(app.organizer);
  const document = `subscription ($eventId: ID!, $constructor: Boolean = true) { seatMapChanged(eventId: $eventId) {
    __typename ... on SeatMapSnapshot @include(if: $constructor) { states } } }`;
  const told = [];
  for (const url of [app.url, perSubscriber.url]) {
    const streams = new TextStreams(url);
    const one = await streams.subscribe(null, document, { eventId });
    const other = await streams.subscribe(null, document, { eventId, constructor: null });
    told.push([await one.next(), await other.next()]);
  }
  expect(told[0]).toEqual(told[1]);
  expect(update(told[0]![0])).toEqual({ __typename: 'SeatMapSnapshot', states: '.'.repeat(20) });
  expect(told[0]![1].payload.errors).toHaveLength(1);
});

const watchVersion = `subscription ($eventId: ID!) { seatMapChanged(eventId: $eventId) {
  ... on SeatMapSnapshot { epoch version layoutVersion } ... on SeatMapDelta { epoch version layoutVersion } } }`;
const salesRoot = {
  name: 'salesChanged',
  args: '(eventId: $eventId)',
  definitions: ['$eventId: ID!'],
  always: 'version',
};
const standing = (hall: TestHall, quantity: number) => ({ categoryId: hall.categoryId('Standing'), quantity });

/** One change in either section that everybody sees, taken back; answers the versions after each. */
async function tellEverybody(hall: TestHall): Promise<{ floor: number; pit: number }> {
  const versions = [];
  for (const seats of [{ seatIds: [hall.rows[3]![9]!] }, { standing: standing(hall, 1) }]) {
    const buyer = await app.guest();
    const { hold } = await holdSeats(buyer, hall.eventId, seats);
    await release(buyer, hold);
    versions.push(Number(await app.server.services.platform.redis.hget(keysOf(hall.eventId).meta, 'version')));
  }
  return { floor: versions[0]!, pit: versions[1]! };
}

interface Follower {
  readonly client: ApiClient;
  readonly accessCode: string | null;
  readonly stream: TextStream;
  known: KnownSeats | null;
}

/** Applies what comes up to a version, and holds every value of a message against what it says once more under a name of its own. */
async function follow(follower: Follower, version: number): Promise<void> {
  while ((follower.known?.version ?? -1) < version) {
    const told = update(await follower.stream.next());
    expectNamed(told);
    const next = applySeatMapUpdate(follower.known, told, [{ first: 0, count: 46 }]);
    if (next === 'resubscribe') throw new Error(`a message does not follow: ${JSON.stringify(told)}`);
    follower.known = next;
  }
}

function asQueried({ states, ...cursor }: KnownSeats): object {
  return { ...cursor, states: Array.from({ length: 46 }, (_, index) => states.get(index)).join('') };
}

test('Promise 25: of random documents everybody is told what a query of theirs answers, and nothing of what others may see', async () => {
  const random = randomFor(25, 4);
  const { hall, channelId } = await arrangeHall(app);
  const { eventId, rows } = hall;
  const [buyer, sponsor] = [await app.guest(), await app.guest()];
  const viewers = [
    { client: app.anonymous, accessCode: null },
    { client: buyer, accessCode: null },
    { client: app.organizer, accessCode: null },
    { client: sponsor, accessCode: 'sponsor' },
  ];
  const streams = new TextStreams(app.url);
  const generator = new DocumentGenerator(buildSchema(), random);
  const followers: Follower[] = [];
  const before = app.server.streams();
  for (let at = 0; at < 16; at += 1) {
    const document = generator.subscription(seatRoot);
    const values = document.values(random);
    for (const viewer of viewers) {
      const variables = { eventId, accessCode: viewer.accessCode, ...values };
      const stream = await streams.subscribe(viewer.client.token, document.text, variables);
      followers.push({ ...viewer, stream, known: null });
    }
  }
  const expectEqual = async () => {
    const { pit: version } = await tellEverybody(hall);
    await Promise.all(followers.map((follower) => follow(follower, version)));
    for (const { client, accessCode, ...of } of followers)
      expect(asQueried(of.known!)).toEqual((await client.run(stateQuery, { eventId, accessCode })).seatMap.state);
  };
  await expectEqual();
  // The anonymous reader and the buyer are one audience; the other two see the sponsors' seats, one of them by a code.
  const { groups, subscribers } = app.server.streams();
  expect({ groups: groups - before.groups, subscribers: subscribers - before.subscribers }).toEqual({
    groups: 48,
    subscribers: 64,
  });
  for (let round = 0; round < 4; round += 1) {
    const seat = (row: number) => ({ seatIds: [rows[row]![round * 2]!] });
    await hold(sponsor, hall, seat(0), 'sponsor');
    await hold(buyer, hall, seat(1));
    const moved = { seatIds: [rows[2]![round]!, rows[2]![9 - round]!] };
    await allocate(app, hall, { seats: moved, to: 'CHANNEL', channelId });
    if (round > 0) await allocate(app, hall, { seats: { seatIds: [rows[2]![round - 1]!] }, to: 'EVERYBODY' });
    await expectEqual();
  }
  const seen = new Set(followers.map(({ known }) => JSON.stringify(asQueried(known!))));
  expect(seen.size).toBe(2);
});

async function hold(client: ApiClient, { eventId }: TestHall, seats: object, accessCode: string | null = null) {
  const input = { eventId, idempotencyKey: newKey(), seats, accessCode };
  expect((await client.mutate('holdSeats', input, 'hold { id }')).errors).toEqual([]);
}

test('Promise 25: the sales of an event are told to its organizer, as a query answers them, and to nobody else, by random documents', async () => {
  const random = randomFor(25, 5);
  const hall = await createHall(app.organizer, { standing: 4 });
  const { eventId } = hall;
  // From here on the time of the event stands still, and with it what the sales say of it.
  await app.advance(eventId, 3_600_000);
  const refused = [
    { client: app.anonymous, code: 'UNAUTHENTICATED' },
    { client: await app.guest(), code: 'FORBIDDEN' },
    { client: await signInRival(app), code: 'FORBIDDEN' },
  ];
  const streams = new TextStreams(app.url);
  const generator = new DocumentGenerator(buildSchema(), random);
  const told = [];
  for (let at = 0; at < 12; at += 1) {
    const { body, document } = generator.selection('Sales', 'version');
    const definitions = ['$eventId: ID!', ...document.definitions].join(', ');
    const ask = (operation: string, field: string) =>
      [
        `${operation} (${definitions}) { ${field}(eventId: $eventId)${body} }`,
        ...document.fragments.map((f) => f.text),
      ].join(' ');
    const variables = { eventId, ...document.values(random) };
    const stream = await streams.subscribe(app.organizer.token, ask('subscription', 'salesChanged'), variables);
    const fresh = async () => (await app.organizer.run(ask('query', 'sales'), variables)).sales;
    told.push({ stream, fresh });
    expect(update(await stream.next())).toEqual(await fresh());
    for (const { client, code } of refused) {
      const other = await streams.subscribe(client.token, ask('subscription', 'salesChanged'), variables);
      expect(await other.until(({ type }) => type === 'complete')).toEqual({ type: 'complete' });
      const [answer] = other.texts.map((text) => JSON.parse(`{${text}`));
      expect(answer.payload.errors).toMatchObject([{ extensions: { code } }]);
      expect(answer.payload.data ?? null).toBeNull();
    }
  }
  const { pit: version } = await tellEverybody({ ...hall, rows: [[], [], [], hall.rows[1]!] });
  for (const { stream, fresh } of told) expect(update(await stream.until(reaches(version)))).toEqual(await fresh());
});

test('Promise 25: a stream ends when the token of its reader expires, and nobody else notices', async () => {
  const { hall } = await arrangeHall(app);
  const { eventId } = hall;
  const door = await openDoor(app);
  const readers = [await openTexts(door.url, app.organizer.token), await openTexts(door.url, null)];
  const watching = readers.map((reader) => reader.subscribe(watchVersion, { eventId }));
  for (const stream of watching) await stream.next();
  expect(door.streams()).toMatchObject({ subscribers: 2, groups: 2 });
  app.clock.advance(limits.accountSessionMs);
  expect(await readers[0]!.raw.closed).toMatchObject({ code: closeCodes.tokenExpired });
  await eventually(() => expect(door.streams()).toMatchObject({ subscribers: 1, groups: 1 }));
  app.clock.advance(-limits.accountSessionMs);
  const { pit: version } = await tellEverybody(hall);
  await watching[1]!.until(reaches(version));
  expect(watching[0]!.texts).toHaveLength(1);
  await door.close();
});
