import {
  buildSchema as buildPlainSchema,
  createSourceEventStream,
  type ExecutionArgs,
  execute,
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLSchema,
  OperationTypeNode,
  parse,
} from 'graphql';
import { type Random, randomFor } from '../../bench/rush/random.js';
import { limits } from '../../src/limits.js';
import { Execution, resumable } from '../../src/pubsub/execution.js';
import type { Watch } from '../../src/pubsub/watch.js';
import type { Context } from '../../src/resolvers/context.js';
import { buildSchema } from '../../src/resolvers/schema.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data } from '../support/client.js';
import { DocumentGenerator, type RandomDocument, type RootField } from '../support/documents.js';
import { createHall, holdSeats, newKey, type TestHall } from '../support/events.js';
import { holdLock, inventoryLock } from '../support/locks.js';
import { refusals, type Who } from '../support/mutation-cases.js';
import { arrange, type World } from '../support/mutation-world.js';
import { oddSchema } from '../support/odd-schema.js';
import { openSocket, subscribeMessage } from '../support/raw-socket.js';

type Values = Readonly<Record<string, unknown>>;

const { QUERY, MUTATION, SUBSCRIPTION } = OperationTypeNode;
let executions = 0;
/** Counts what was not written at once. */
const execution = new Execution((result) => {
  executions += 1;
  return result;
});

/** What an execution makes of it. */
const executed = async (args: ExecutionArgs): Promise<string> => JSON.stringify(await execute(args));
const answered = async (args: ExecutionArgs): Promise<string> => (await execution.answer(execution.prepare(args))).text;

describe('Whatever a schema answers, its text is what an execution and JSON.stringify make of it, byte for byte:', () => {
  const plain = oddSchema();
  let calls = 0;
  const schema = resumable(
    oddSchema(() => {
      calls += 1;
    }),
  );

  test.each([
    ['a query', QUERY, 0],
    ['a query in which some values do not fit', QUERY, 3],
    ['a query in which many values do not fit', QUERY, 30],
    ['a mutation', MUTATION, 0],
    ['a mutation in which some values do not fit', MUTATION, 5],
    ['an update of a subscription', SUBSCRIPTION, 0],
    ['an update of a subscription in which some values do not fit', SUBSCRIPTION, 3],
    ['an update of a subscription in which many values do not fit', SUBSCRIPTION, 30],
  ] as const)('%s', async (_, kind, odd) => {
    const random = randomFor(24, odd);
    const generator = new DocumentGenerator(schema, random, 30, 0.01);
    const fields = Object.keys(schema.getRootType(kind)!.getFields());
    const asked = { args: '(seed: $seed, odd: $odd)', definitions: ['$seed: Int!', '$odd: Int!'] };
    let written = 0;
    for (let at = 0; at < 300; at += 1) {
      const { text, values } = generator.operation(kind, { name: random.pick(fields), ...asked });
      const document = parse(text);
      // What has had to be waited for once is known the next time.
      for (let again = 0; again < 3; again += 1) {
        const seed = random.between(1, 2 ** 31 - 1);
        const args = { schema, document, variableValues: { ...values(random), seed, odd }, rootValue: {} };
        const expected = await executed({ ...args, schema: plain });
        calls = 0;
        executions = 0;
        const told =
          kind === SUBSCRIPTION ? await execution.tell(execution.prepare(args), {}, null) : await answered(args);
        expect([text, told]).toEqual([text, expected]);
        if (kind !== SUBSCRIPTION) expect(calls).toBe(1);
        if (executions === 0) written += 1;
      }
    }
    expect(written).toBeGreaterThan(odd === 30 ? 60 : 200);
  });
});

/** A schema as it is written, with resolvers by `Type.field`. */
function schemaOf(text: string, resolvers: Readonly<Record<string, (...args: never[]) => unknown>>): GraphQLSchema {
  const schema = buildPlainSchema(text);
  for (const [path, resolve] of Object.entries(resolvers)) {
    const [type, field] = path.split('.') as [string, string];
    Object.assign((schema.getType(type) as GraphQLObjectType).getFields()[field]!, { resolve });
  }
  return schema;
}

test('A schema may be asked of itself anywhere, and what nobody resolves is read from what the operation was given', async () => {
  const text = 'type Query { self: Query value: String late: String call(by: Int = 2): Int }';
  const make = () => schemaOf(text, { 'Query.self': () => ({ value: 'own' }) });
  const schema = resumable(make());
  const rootValue = { value: 'given', late: Promise.resolve('came'), call: ({ by }: { by: number }) => by * 2 };
  for (const document of [
    '{ self { __schema { queryType { name } } value } }',
    '{ self { __typename a: __type(name: "Query") { name } } }',
    '{ __typename }',
    '{ value }',
    '{ late }',
    '{ call }',
    '{ call(by: 7) }',
    '{ value late }',
    '{ self { value call late } }',
  ]) {
    const args = { schema, document: parse(document), rootValue };
    expect([document, await answered(args)]).toEqual([document, await executed({ ...args, schema: make() })]);
  }
});

describe('Nothing is told as it is that has to be waited for, called or refused:', () => {
  const text = `scalar Any scalar Text scalar Late type Query { root: Root }
    type Root { any: Any text: Text late: Late list: [Any] item: Item items: [Item] } type Item { name: String }`;
  // biome-ignore lint/suspicious/noThenProperty: a promise of another kind
  const another = { then: Promise.prototype.then.bind(Promise.resolve({ name: 'came' })) };

  test.each<[string, string, Values]>([
    ['an error', 'any', { any: new Error('told') }],
    ['an error in place of an object', 'item { name }', { item: new Error('told') }],
    ['an error in a list', 'items { name }', { items: [{ name: 'one' }, new Error('told')] }],
    ['a function', 'text', { text: () => 'called' }],
    ['a promise', 'item { name }', { item: Promise.resolve({ name: 'came' }) }],
    ['a promise of another kind', 'item { name }', { item: another }],
    ['a promise in a list', 'list', { list: [1, Promise.resolve(2)] }],
    ['an object that comes later, in a list', 'items { name }', { items: [{ name: 'one' }, another] }],
    ['a value that is made later', 'late', { late: 'came' }],
  ])('%s', async (_, asked, root) => {
    const make = () => {
      const schema = schemaOf(text, { 'Query.root': () => root });
      Object.assign(schema.getType('Text')!, { serialize: String });
      Object.assign(schema.getType('Late')!, { serialize: async (value: unknown) => value });
      return schema;
    };
    const args = { schema: resumable(make()), document: parse(`{ root { ${asked} } }`) };
    expect(await answered(args)).toBe(await executed({ ...args, schema: make() }));
  });
});

describe('A mutation is carried out once,', () => {
  const text = `type Query { nothing: Int } type Mutation { act(by: Int! = 1): Done strictly: Done! }
    type Done { sure: Int! maybe: Int late: Int fails(by: Int! = 1): Int list: [Int!] }`;

  test.each<[string, string, () => unknown, Values?]>([
    ['whatever its answer lacks', '{ act { sure } }', () => ({ sure: null })],
    ['whatever its answer lacks, up to the whole of it', '{ strictly { sure } }', () => ({ sure: null })],
    ['if there is none where there must be one', '{ strictly { sure } }', () => null],
    ['if a part of its answer fails', '{ act { sure fails } }', () => ({ sure: 1 })],
    [
      'if a part of its answer comes later',
      '{ act { sure late } }',
      async () => ({ sure: 1, late: Promise.resolve(2) }),
    ],
    ['if a part of its answer fails later', '{ act { late } }', () => ({ late: Promise.reject(new Error('late')) })],
    ['if its answer does not fit', '{ act { maybe list } }', () => ({ maybe: 'text', list: new Set([1, null]) })],
    ['if it fails', '{ act { sure } }', () => new Error('failed')],
    ['if it fails without an error', '{ strictly { sure } }', () => Promise.reject(undefined)],
    [
      'not at all, if its arguments are wrong',
      '($by: Int) { act(by: $by) { sure } }',
      () => ({ sure: 1 }),
      { by: null },
    ],
    [
      'if arguments further below are wrong',
      '($by: Int) { act { fails(by: $by) } }',
      () => ({ sure: 1 }),
      { by: null },
    ],
  ])('%s', async (title, document, make, variableValues = {}) => {
    let calls = 0;
    const act = () => {
      calls += 1;
      const value = make();
      if (value instanceof Error) throw value;
      return value;
    };
    const fails = () => {
      throw new GraphQLError('failed', { extensions: { code: 'FAILED' } });
    };
    const schema = () => schemaOf(text, { 'Mutation.act': act, 'Mutation.strictly': act, 'Done.fails': fails });
    const args = { schema: resumable(schema()), document: parse(`mutation ${document}`), variableValues };
    const told = await answered(args);
    expect(calls).toBe(title.startsWith('not at all') ? 0 : 1);
    expect(told).toBe(await executed({ ...args, schema: schema() }));
  });
});

test('Nothing that comes later fails unheard, wherever it stands in what is not written', async () => {
  const late = () => Promise.reject(new Error('late'));
  const text = `type Query { root: Root } type Root { all: [Item] one: Item items: [Int] deep: [[Int]] odd: Odd }
    type Item { sure: Int a: Int b: Int } interface Odd { a: Int } type Some implements Odd { a: Int }`;
  const make = () => {
    const schema = schemaOf(text, {
      'Query.root': () => ({}),
      'Root.all': () => [{ a: late(), b: late() }, { b: late() }, late()],
      'Root.one': () => ({ sure: 'text', a: late(), b: late() }),
      'Root.items': () => ['text', late(), late()],
      'Root.deep': () => [[late(), late()], [late()]],
      'Root.odd': () => ({}),
    });
    Object.assign(schema.getType('Odd')!, { resolveType: late });
    return schema;
  };
  for (const asked of ['all { sure a b }', 'one { sure a b }', 'items', 'deep', 'odd { a }']) {
    const schema = resumable(make());
    const args = { schema, document: parse(`{ root { ${asked} } }`) };
    // The runner fails a test of which something is left that nobody hears of.
    for (let again = 0; again < 2; again += 1)
      expect(await answered(args)).toBe(await executed({ ...args, schema: make() }));
    await new Promise(setImmediate);
  }
});

describe('The product', () => {
  let app: TestApp;
  let world: World;
  const schema = buildSchema();
  beforeAll(async () => {
    app = await startTestApp();
    world = await arrange(app);
    // From here on the time of what is asked for stands still.
    for (const { eventId } of [world.open, world.closed, world.small]) await app.advance(eventId, 60_000);
  });
  afterAll(() => app.close());

  const clientOf = (who: Who): ApiClient =>
    who === 'nobody' ? app.anonymous : who === 'organizer' ? app.organizer : world[who];

  /** As a request of somebody gets it, at an instant that does not pass. */
  async function contextOf(who: Who): Promise<Context> {
    const { services } = app.server;
    const { token } = clientOf(who);
    const nowMs = app.clock.nowMs();
    const platform = { ...services.platform, clock: { ...services.platform.clock, nowMs: () => nowMs } };
    return { services: { ...services, platform }, viewer: token === null ? null : await services.tokens.viewer(token) };
  }

  /** What is answered is what is executed, at a moment in which nothing moves. Answers whether it was written at once. */
  async function expectAnswered(
    { text, values }: RandomDocument,
    random: Random,
    who: Who,
    given: Values,
  ): Promise<boolean> {
    const contextValue = await contextOf(who);
    const args = { schema, document: parse(text), variableValues: { ...values(random), ...given }, contextValue };
    for (;;) {
      const before = await executed(args);
      executions = 0;
      const told = await answered(args);
      if (before !== (await executed(args))) continue;
      expect([text, told]).toEqual([text, before]);
      return executions === 0;
    }
  }

  type Asked = readonly [who: Who, root: RootField, given: Values];
  const by = (name: string, argument: string, type = 'ID!'): RootField => ({
    name,
    args: `(${argument}: $${argument})`,
    definitions: [`$${argument}: ${type}`],
  });
  const input = (name: string): RootField => by(name, 'input', `${name[0]!.toUpperCase()}${name.slice(1)}Input!`);
  const byEvent = (who: Who, name: string, { eventId }: TestHall): Asked => [who, by(name, 'eventId'), { eventId }];

  /** Asks each of them by several documents; answers how many were written at once. */
  async function expectAllAnswered(kind: OperationTypeNode, asked: readonly Asked[], documents: number) {
    const random = randomFor(24, 100);
    const generator = new DocumentGenerator(schema, random, 40, 0.001);
    let written = 0;
    for (const [who, root, given] of asked)
      for (let at = 0; at < documents; at += 1)
        if (await expectAnswered(generator.operation(kind, root), random, who, given)) written += 1;
    return written;
  }

  test('answers queries by random documents as they are executed', async () => {
    const { open, closed, held, inCheckout, released, expired, completed, order, entry, draft } = world;
    const asked: Asked[] = [
      ['owner', { name: 'viewer' }, {}],
      ['nobody', { name: 'viewer' }, {}],
      ['nobody', { name: 'systemStatus' }, {}],
      ['nobody', { name: 'events', args: '(first: 3)' }, {}],
      ...[held, inCheckout, released, expired].map(({ id }): Asked => ['owner', by('hold', 'id'), { id }]),
      ['other', by('hold', 'id'), { id: held.id }],
      ...[completed, order].map(({ id }): Asked => ['owner', by('order', 'id'), { id }]),
      ['nobody', by('order', 'id'), { id: order.id }],
      ['owner', by('queueEntry', 'id'), { id: entry.id }],
      ['organizer', by('event', 'id'), { id: draft.id }],
      ...[open, closed].flatMap((hall): Asked[] => [
        ['other', by('event', 'id'), { id: hall.eventId }],
        byEvent('nobody', 'seatMap', hall),
        byEvent('organizer', 'sales', hall),
        byEvent('rival', 'sales', hall),
        byEvent('nobody', 'draw', hall),
      ]),
    ];
    expect(await expectAllAnswered(QUERY, asked, 8)).toBeGreaterThan(asked.length * 3);
  });

  test('answers mutations by random documents as they are executed, those that were carried out before and those that are refused', async () => {
    const { open, held, heldKey, inCheckout, checkoutKey, releaseInput } = world;
    const { eventId } = open;
    const again: Asked[] = [
      ['owner', input('holdSeats'), { eventId, idempotencyKey: heldKey, seats: { seatIds: [held.seats[0].id] } }],
      [
        'owner',
        input('startCheckout'),
        { holdId: inCheckout.id, fence: inCheckout.fence, idempotencyKey: checkoutKey },
      ],
      ['owner', input('releaseHold'), releaseInput],
      ['owner', input('joinQueue'), { eventId }],
      ['organizer', input('publishEvent'), { eventId }],
    ].map(([who, root, given]) => [who, root, { input: given }] as Asked);
    expect(await expectAllAnswered(MUTATION, again, 8)).toBeGreaterThan(again.length * 4);
    // Who tries these too often is refused for that.
    const counted = new Set(['signIn', 'signUp', 'confirmEmail', 'requestEmailCode', 'recoverPlace']);
    const refused = Object.entries(refusals).flatMap(([name, { cases }]) =>
      counted.has(name) ? [] : cases.map(([, who, given]): Asked => [who, input(name), { input: given(world) }]),
    );
    await expectAllAnswered(MUTATION, refused, 1);
  });

  test('tells updates by random documents as they are executed', async () => {
    const { open, held, order, completed, entry } = world;
    const asked: Asked[] = [
      ['owner', by('holdUpdated', 'holdId'), { holdId: held.id }],
      ['owner', by('orderUpdated', 'orderId'), { orderId: order.id }],
      ['owner', by('orderUpdated', 'orderId'), { orderId: completed.id }],
      ['owner', by('queuePositionChanged', 'entryId'), { entryId: entry.id }],
      byEvent('organizer', 'salesChanged', open),
      byEvent('nobody', 'seatMapChanged', open),
    ];
    const random = randomFor(24, 101);
    const generator = new DocumentGenerator(schema, random, 40, 0.001);
    for (const [who, root, given] of asked) {
      let written = 0;
      for (let at = 0; at < 20; at += 1) {
        const { text, values } = generator.operation(SUBSCRIPTION, root);
        const variableValues = { ...values(random), ...given };
        const args = { schema, document: parse(text), variableValues, contextValue: await contextOf(who) };
        const watch = (await createSourceEventStream(args)) as Watch<object>;
        const { value: rootValue } = await watch.next();
        await watch.return();
        const expected = await executed({ ...args, rootValue });
        executions = 0;
        const told = await execution.tell(execution.prepare(args), rootValue, args.contextValue);
        expect([text, told]).toEqual([text, expected]);
        if (executions === 0) written += 1;
      }
      // What kind of update it is has to be waited for.
      if (root.name !== 'seatMapChanged') expect(written).toBeGreaterThan(10);
    }
  });

  /** What is said of an operation over a socket, up to its end. */
  async function overSocket({ token }: ApiClient, query: string, variables: object): Promise<Data[]> {
    const socket = await openSocket(app.url, { init: token === null ? {} : { token } });
    socket.send(subscribeMessage('1', query, variables));
    const said: Data[] = [];
    await socket.until((message) => said.push(message) > 0 && message.type !== 'next');
    socket.socket.close();
    await socket.closed;
    return said;
  }

  test('says of an error over the WebSocket where it is, as over HTTP', async () => {
    const { owner, open, held } = world;
    const wrong = { eventId: open.eventId, sectionId: 'nowhere' };
    const checkout = { input: { holdId: held.id, fence: held.fence, idempotencyKey: newKey() } };
    const asked: [string, Values, Data][] = [
      [
        `query ($eventId: ID!, $sectionId: ID!) {
          seatMap(eventId: $eventId) { seatCount part: section(id: $sectionId) { id } state(sectionId: $sectionId) { states } } }`,
        wrong,
        { code: 'NOT_FOUND', path: ['seatMap', 'state'], data: { seatMap: null } },
      ],
      [
        'mutation ($input: StartGuestSessionInput) {\n  session: startGuestSession(input: $input) { session { token } } }',
        { input: null },
        { code: 'BAD_USER_INPUT', path: ['session'], data: null },
      ],
      [
        'mutation ($input: StartCheckoutInput!) {\n  startCheckout(input: $input) { order { id } } }',
        checkout,
        { code: 'INTERNAL', path: ['startCheckout'], data: null },
      ],
    ];
    await app.sql('ALTER TABLE order_line ADD CONSTRAINT refused CHECK (false) NOT VALID');
    try {
      for (const [query, variables, { code, path, data }] of asked) {
        const { data: dataOverHttp, errors } = await owner.send(query, variables);
        expect([dataOverHttp, errors]).toEqual([
          data,
          [
            {
              message: expect.any(String),
              path,
              locations: expect.any(Array),
              extensions: expect.objectContaining({ code }),
            },
          ],
        ]);
        const [next, complete] = await overSocket(owner, query, variables);
        expect(next).toEqual({ id: '1', type: 'next', payload: { data, errors } });
        expect(complete).toEqual({ id: '1', type: 'complete' });
      }
    } finally {
      await app.sql('ALTER TABLE order_line DROP CONSTRAINT refused');
    }
  });

  test('counts an attempt over the WebSocket once, although its refusal is not written at once', async () => {
    const query = `mutation ($input: SignInInput!) { signIn(input: $input) { session { token } errors { ... on UserError { code } } } }`;
    const codes: string[] = [];
    for (let attempt = 0; attempt <= limits.signInAttemptsPerMinute; attempt += 1) {
      const input = { email: 'once@example.com', password: 'x' };
      const { signIn } = await app.anonymous.runOverSocket(query, { input });
      codes.push(signIn.errors[0].code);
    }
    expect(codes.slice(0, -1)).toEqual(Array(limits.signInAttemptsPerMinute).fill('UNAUTHENTICATED'));
    expect(codes.at(-1)).toBe('OVERLOADED');
  });

  test('carries out what a client has called off and says nothing of it, and the id is free again', async () => {
    const hall = await createHall(app.organizer);
    const buyer = await app.guest();
    const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: [hall.rows[0]![0]!] });
    const socket = await openSocket(app.url, { init: { token: buyer.token } });
    const lock = await holdLock(app.stores.databaseUrl, inventoryLock, [`inventory:${hall.eventId}`]);
    const input = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
    const checkout = 'mutation ($input: StartCheckoutInput!) { startCheckout(input: $input) { order { id state } } }';
    socket.send(subscribeMessage('1', checkout, { input }));
    await lock.blocked();
    socket.send({ id: '1', type: 'complete' });
    socket.send({ type: 'ping' });
    expect(await socket.next()).toEqual({ type: 'pong' });
    await lock.release();
    const { startCheckout } = await buyer.run(checkout, { input });
    expect(startCheckout.order.state).toEqual(expect.any(String));
    socket.send(subscribeMessage('2', '{ viewer { personId } }'));
    expect(await socket.next()).toMatchObject({ id: '2', type: 'next' });
    expect(await socket.next()).toEqual({ id: '2', type: 'complete' });
    socket.send(subscribeMessage('1', '{ viewer { personId } }'));
    expect(await socket.next()).toMatchObject({ id: '1', type: 'next', payload: { data: { viewer: {} } } });
    socket.socket.close();
    await socket.closed;
  });
});
