import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';
import { limits } from '../../src/limits.js';
import { eventKeys } from '../../src/redis/keys.js';
import { hashPassword } from '../../src/services/accounts.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { ApiClient, type Data } from '../support/client.js';
import {
  createHall,
  holdSeats,
  newKey,
  orderStream,
  plainPlan,
  startCheckout,
  type TestHall,
} from '../support/events.js';

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));
const mutations = Object.values(schema.getMutationType()!.getFields());

let app: TestApp;
let w: Awaited<ReturnType<typeof arrange>>;

/** Everything the cases below are about. It stands still while they run: nothing is due and nobody is being served. */
async function arrange() {
  const [owner, other] = await Promise.all([app.guest(), app.guest()]);
  const hall = (options: object = {}) => createHall(app.organizer, options);
  const hold = async ({ eventId, rows }: TestHall, seat = 0, key = newKey()): Promise<Data> => {
    const answer = await holdSeats(owner, eventId, { seatIds: [rows[0]![seat]!] }, key);
    return answer.hold;
  };
  const open = await hall({ event: { maxSeatsPerPerson: 12 } });
  const heldKey = newKey();
  const held = await hold(open, 0, heldKey);
  const inCheckout = await hold(open, 1);
  const checkoutKey = newKey();
  const { order } = await startCheckout(owner, inCheckout, checkoutKey);
  const paid = await hold(open, 2);
  const { order: toPay } = await startCheckout(owner, paid);
  const stream = owner.subscribe(orderStream, { orderId: toPay.id });
  const { payment } = await stream.until((update) => update.payment !== null);
  await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
  await stream.until(({ state }) => state === 'COMPLETED');
  const first = owner.subscribe(orderStream, { orderId: order.id });
  await first.until(({ state }) => state === 'AWAITING_PAYMENT');
  first.stop();
  const released = await hold(open, 3);
  const releaseInput = { holdId: released.id, fence: released.fence, idempotencyKey: newKey() };
  await owner.mutate('releaseHold', releaseInput, 'hold { state }');
  const { entry } = await owner.mutate('joinQueue', { eventId: open.eventId }, 'entry { id }');

  const closed = await hall();
  const heldInClosed = await hold(closed);
  await app.organizer.mutate('closeSale', { eventId: closed.eventId }, 'event { id }');
  const waiting = await hall();
  const heldInWaiting = await hold(waiting);
  await app.organizer.mutate('updateAdmission', { eventId: waiting.eventId, waitingRoom: true }, 'event { id }');
  const unopened = await hall({ event: { saleOpensAt: '2100-01-01T00:00:00Z' } });
  const small = await hall({ rows: 1, seatsPerRow: 3, standing: 1 });
  await hold(small, 1);
  await holdSeats(owner, small.eventId, { standing: { categoryId: small.categoryId('Standing'), quantity: 1 } });
  const long = await hall({ event: { holdTtlSeconds: limits.holdMaxMs / 1_000 } });
  const heldLong = await hold(long);

  const { redis } = app.server.services.platform;
  const timed = await hall();
  const expired = await hold(timed);
  await redis.hset(eventKeys(timed.eventId).meta, 'lastNow', Date.now() + limits.holdTtlMs + 60_000);
  const rebuilt = await hall();
  const lost = await hold(rebuilt);
  await redis.del(eventKeys(rebuilt.eventId).meta);
  await app.server.services.inventory.rebuild(rebuilt.eventId);

  const { venue } = await app.organizer.mutate('importVenue', { plan: JSON.stringify(plainPlan()) }, 'venue { id }');
  const draftInput = {
    venueId: venue.id,
    name: 'Draft',
    startsAt: '2030-01-01T19:00:00Z',
    currency: 'EUR',
    prices: [{ category: 'Stalls', priceMinor: 1000 }],
  };
  const { event: draft } = await app.organizer.mutate('createEvent', draftInput, 'event { id }');
  // Whoever looks first after the opening turns the phase: that is no change made by a refused request.
  for (const { eventId } of [open, closed, waiting, small, long, timed, rebuilt]) {
    await holdSeats(other, eventId, { seatIds: ['1-1'] });
  }
  return {
    owner, other, rival: await signInRival(), open, heldKey, held, inCheckout, checkoutKey, order, completed: toPay, released,
    entry, closed, heldInClosed, waiting, heldInWaiting, unopened, small, heldLong, timed, expired, lost, draftInput, draft, releaseInput,
  }; // biome-ignore format: one list of names
}

/** An organizer who owns nothing of the above. */
async function signInRival(): Promise<ApiClient> {
  const organizerId = randomUUID();
  await app.sql(`INSERT INTO organizer (id, name) VALUES ($1, 'Rival')`, [organizerId]);
  await app.sql(
    `INSERT INTO account (id, email, password_hash, role, organizer_id) VALUES ($1, 'rival@example.com', $2, 'ORGANIZER', $3)`,
    [randomUUID(), await hashPassword('a good password'), organizerId],
  );
  const input = { email: 'rival@example.com', password: 'a good password' };
  const { session } = await app.anonymous.mutate('signIn', input, 'session { token }');
  return new ApiClient(app.url, session.token);
}

beforeAll(async () => {
  app = await startTestApp();
  w = await arrange();
});
afterAll(() => app.close());

/** What is remembered of requests, not of seats, money or places; and what moves with time alone. */
const memory = /:(idempotency|sign-in):|:provider-quota|:processes$/;
const clocks = new Set(['lastNow', 'tokens', 'tokensAt']);

/** A text that stands for every row of the ledger and every key of Redis. */
async function digest(): Promise<string> {
  const hash = createHash('sha256');
  const tables = await app.sql<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
  );
  for (const { name } of tables) {
    const [rows] = await app.sql<Data>(`SELECT string_agg(t::text, ',' ORDER BY t::text) AS text FROM ${name} t`);
    hash.update(`${name}=${rows.text}\n`);
  }
  const { redis } = app.server.services.platform;
  for (const key of (await redis.keys('*')).sort()) {
    if (memory.test(key)) continue;
    if (!/:(meta|line)$/.test(key)) {
      hash.update(`${key}=${(await redis.dumpBuffer(key))?.toString('base64')}\n`);
      continue;
    }
    const fields = Object.entries(await redis.hgetall(key)).filter(([field]) => !clocks.has(field));
    hash.update(`${key}=${JSON.stringify(fields.sort())}\n`);
  }
  return hash.digest('hex');
}

type Who = 'nobody' | 'owner' | 'other' | 'rival' | 'organizer';
const client = (who: Who): ApiClient =>
  who === 'nobody' ? app.anonymous : who === 'organizer' ? app.organizer : w[who];

/** What is wrong, who asks, with what, and what they are told: the code, and the field it is about. */
type Case = readonly [what: string, who: Who, input: () => object, code: string, path?: string];

const nowhere = randomUUID();
const broken = ['', 'x', '-'.repeat(36), '\u0000', "' OR 1=1 --"];
/** The same refusal for every id that cannot exist. */
const unknownIds = (who: Who, path: string, input: (id: string) => object): Case[] => [
  ['an id nobody knows', who, () => input(nowhere), 'NOT_FOUND', path],
  ...broken.map((id): Case => [`the id ${JSON.stringify(id)}`, who, () => input(id), 'NOT_FOUND', path]),
];
const badKeys = (who: Who, input: () => object): Case[] => [
  ['an empty key', who, () => ({ ...input(), idempotencyKey: '' }), 'INVALID_INPUT', 'input.idempotencyKey'],
  [
    'a key without end',
    who,
    () => ({ ...input(), idempotencyKey: 'k'.repeat(201) }),
    'INVALID_INPUT',
    'input.idempotencyKey',
  ],
];

const seats = (...seatIds: string[]) => ({ seats: { seatIds } });
const best = (quantity: number, categoryId = '0') => ({ seats: { bestAvailable: { categoryId, quantity } } });
const holdIn = (hall: () => TestHall, wish: object, key?: () => string) => () => ({
  eventId: hall().eventId,
  idempotencyKey: key?.() ?? newKey(),
  ...wish,
});
const on =
  (hold: () => Data, change: object = {}) =>
  () => ({
    holdId: hold().id,
    fence: hold().fence,
    idempotencyKey: newKey(),
    ...change,
  });

/** What every action of an owner on a hold refuses. */
const holdActions = (): Case[] => [
  ...unknownIds('owner', 'input.holdId', (holdId) => ({ holdId, fence: '1.1', idempotencyKey: newKey() })),
  [
    'an event without that hold',
    'owner',
    on(() => w.held, { holdId: `${nowhere}.${nowhere}` }),
    'NOT_FOUND',
    'input.holdId',
  ],
  [
    'a hold that never was',
    'owner',
    () => on(() => w.held, { holdId: `${w.open.eventId}.${nowhere}` })(),
    'NOT_FOUND',
    'input.holdId',
  ],
  ["somebody else's hold", 'other', on(() => w.held), 'FORBIDDEN', 'input.holdId'],
  ['an old fence', 'owner', on(() => w.held, { fence: '1.999999' }), 'STALE_FENCE', 'input.fence'],
  ['no fence at all', 'owner', on(() => w.held, { fence: '' }), 'STALE_FENCE', 'input.fence'],
  ['an expired hold', 'owner', on(() => w.expired), 'HOLD_EXPIRED', 'input.holdId'],
  ['a hold of before a rebuild', 'owner', on(() => w.lost), 'HOLD_LOST', 'input.holdId'],
  ...badKeys(
    'owner',
    on(() => w.held),
  ),
];

const eventActions = (): Case[] => [
  ...unknownIds('organizer', 'input.eventId', (eventId) => ({ eventId })),
  ["another organizer's event", 'rival', () => ({ eventId: w.open.eventId }), 'FORBIDDEN', 'input.eventId'],
  ['a buyer', 'owner', () => ({ eventId: w.open.eventId }), 'FORBIDDEN', 'input.eventId'],
];

const draftWith = (change: object) => () => ({ ...w.draftInput, ...change });
const price = (change: object) => draftWith({ prices: [{ category: 'Stalls', priceMinor: 1000, ...change }] });
const standing = (change: object) =>
  draftWith({ standing: [{ section: 'Pit', name: 'Pit', category: 'Stalls', places: 1, ...change }] });

/** By mutation: an input that would work, and everything that is refused. */
const table: Record<string, { readonly valid: () => object; readonly cases: readonly Case[] }> = {
  startGuestSession: { valid: () => ({}), cases: [] },
  signIn: {
    valid: () => ({ email: 'organizer@example.com', password: 'x' }),
    cases: [
      ['a wrong password', 'nobody', () => ({ email: 'organizer@example.com', password: 'x' }), 'UNAUTHENTICATED'],
      ['an unknown address', 'nobody', () => ({ email: 'nobody@example.com', password: 'x' }), 'UNAUTHENTICATED'],
      ['an address that cannot be', 'nobody', () => ({ email: '\u0000', password: '\u0000' }), 'UNAUTHENTICATED'],
      [
        'an address without end',
        'nobody',
        () => ({ email: 'x'.repeat(201), password: 'x' }),
        'INVALID_INPUT',
        'input.email',
      ],
      [
        'a password without end',
        'nobody',
        () => ({ email: 'x', password: 'x'.repeat(201) }),
        'INVALID_INPUT',
        'input.password',
      ],
    ],
  },
  importVenue: {
    valid: () => ({ plan: JSON.stringify(plainPlan()) }),
    cases: [
      ['a buyer', 'owner', () => ({ plan: JSON.stringify(plainPlan()) }), 'FORBIDDEN'],
      ['a plan that is none', 'organizer', () => ({ plan: '{"zones": 1}' }), 'VENUE_PLAN_INVALID', 'input.plan'],
      [
        'an empty name',
        'organizer',
        () => ({ plan: JSON.stringify(plainPlan()), name: ' ' }),
        'INVALID_INPUT',
        'input.name',
      ],
    ],
  },
  createEvent: {
    valid: () => w.draftInput,
    cases: [
      ['a buyer', 'owner', draftWith({}), 'FORBIDDEN'],
      ["another organizer's venue", 'rival', draftWith({}), 'NOT_FOUND', 'input.venueId'],
      ...unknownIds('organizer', 'input.venueId', (venueId) => draftWith({ venueId })()),
      ['no places', 'organizer', draftWith({ venueId: null }), 'INVALID_INPUT', 'input.venueId'],
      ['an empty name', 'organizer', draftWith({ name: '' }), 'INVALID_INPUT', 'input.name'],
      ['a name without end', 'organizer', draftWith({ name: 'n'.repeat(201) }), 'INVALID_INPUT', 'input.name'],
      ['a name with control characters', 'organizer', draftWith({ name: 'a\u0000b' }), 'INVALID_INPUT', 'input.name'],
      [
        'a time zone that is none',
        'organizer',
        draftWith({ timeZone: 'Mars/Base' }),
        'INVALID_INPUT',
        'input.timeZone',
      ],
      ['a currency that is none', 'organizer', draftWith({ currency: 'eur' }), 'INVALID_INPUT', 'input.currency'],
      ['no price', 'organizer', draftWith({ prices: [] }), 'INVALID_INPUT', 'input.prices'],
      ['a price for nothing', 'organizer', price({ category: 'Box' }), 'INVALID_INPUT', 'input.prices.0.category'],
      ['a negative price', 'organizer', price({ priceMinor: -1 }), 'INVALID_INPUT', 'input.prices.0.priceMinor'],
      ['a negative fee', 'organizer', price({ feeMinor: -1 }), 'INVALID_INPUT', 'input.prices.0.feeMinor'],
      [
        'a price beyond measure',
        'organizer',
        price({ priceMinor: 100_000_000 }),
        'INVALID_INPUT',
        'input.prices.0.priceMinor',
      ],
      [
        'a standing area without places',
        'organizer',
        standing({ places: 0 }),
        'INVALID_INPUT',
        'input.standing.0.places',
      ],
      ['too many places', 'organizer', standing({ places: 100_001 }), 'INVALID_INPUT', 'input.standing.0.places'],
      ['no seat in a hold', 'organizer', draftWith({ maxSeatsPerHold: 0 }), 'INVALID_INPUT', 'input.maxSeatsPerHold'],
      [
        'no seat for a person',
        'organizer',
        draftWith({ maxSeatsPerPerson: 0 }),
        'INVALID_INPUT',
        'input.maxSeatsPerPerson',
      ],
      ['holds without time', 'organizer', draftWith({ holdTtlSeconds: 1 }), 'INVALID_INPUT', 'input.holdTtlSeconds'],
      ['nobody to admit', 'organizer', draftWith({ activeCap: 0 }), 'INVALID_INPUT', 'input.activeCap'],
      ['no pace', 'organizer', draftWith({ admitPerSecond: 0 }), 'INVALID_INPUT', 'input.admitPerSecond'],
    ],
  },
  publishEvent: {
    valid: () => ({ eventId: w.draft.id }),
    cases: [
      ...eventActions(),
      ['an event that is over', 'organizer', () => ({ eventId: w.closed.eventId }), 'SALE_CLOSED', 'input.eventId'],
    ],
  },
  updateAdmission: {
    valid: () => ({ eventId: w.open.eventId, activeCap: 7 }),
    cases: [
      ...eventActions(),
      [
        'no pace',
        'organizer',
        () => ({ eventId: w.open.eventId, admitPerSecond: 0 }),
        'INVALID_INPUT',
        'input.admitPerSecond',
      ],
      [
        'nobody to admit',
        'organizer',
        () => ({ eventId: w.open.eventId, activeCap: 0 }),
        'INVALID_INPUT',
        'input.activeCap',
      ],
    ],
  },
  closeSale: {
    valid: () => ({ eventId: w.open.eventId }),
    cases: [
      ...eventActions(),
      ['a draft', 'organizer', () => ({ eventId: w.draft.id }), 'INVALID_INPUT', 'input.eventId'],
    ],
  },
  joinQueue: {
    valid: () => ({ eventId: w.open.eventId }),
    cases: [
      ...unknownIds('other', 'input.eventId', (eventId) => ({ eventId })),
      ['a draft', 'other', () => ({ eventId: w.draft.id }), 'NOT_FOUND', 'input.eventId'],
      ['an event that is over', 'other', () => ({ eventId: w.closed.eventId }), 'SALE_CLOSED', 'input.eventId'],
    ],
  },
  leaveQueue: {
    valid: () => ({ entryId: w.entry.id }),
    cases: [
      ...unknownIds('owner', 'input.entryId', (entryId) => ({ entryId })),
      [
        'a place that never was',
        'owner',
        () => ({ entryId: `${w.open.eventId}.${nowhere}` }),
        'NOT_FOUND',
        'input.entryId',
      ],
      ["somebody else's place", 'other', () => ({ entryId: w.entry.id }), 'FORBIDDEN', 'input.entryId'],
    ],
  },
  holdSeats: {
    valid: holdIn(() => w.open, seats('2-1')),
    cases: [
      ...unknownIds('owner', 'input.eventId', (eventId) => ({ eventId, idempotencyKey: newKey(), ...seats('1-1') })),
      [
        'a draft',
        'owner',
        () => ({ eventId: w.draft.id, idempotencyKey: newKey(), ...seats('1-1') }),
        'NOT_FOUND',
        'input.eventId',
      ],
      ['a sale that has not begun', 'owner', holdIn(() => w.unopened, seats('1-1')), 'SALE_NOT_OPEN', 'input.eventId'],
      ['a sale that is over', 'owner', holdIn(() => w.closed, seats('2-1')), 'SALE_CLOSED', 'input.eventId'],
      ['nobody admitted', 'other', holdIn(() => w.waiting, seats('2-1')), 'NOT_ADMITTED', 'input.eventId'],
      [
        'a seat that is not there',
        'other',
        holdIn(() => w.open, seats('2-1', '9-9')),
        'NOT_FOUND',
        'input.seats.seatIds.1',
      ],
      [
        'a seat that is taken',
        'other',
        holdIn(() => w.open, seats('2-1', '1-1')),
        'SEATS_UNAVAILABLE',
        'input.seats.seatIds',
      ],
      ['a seat that is sold', 'other', holdIn(() => w.open, seats('1-3')), 'SEATS_UNAVAILABLE', 'input.seats.seatIds'],
      ['no seat', 'other', holdIn(() => w.open, seats()), 'INVALID_INPUT', 'input.seats.seatIds'],
      ['a seat twice', 'other', holdIn(() => w.open, seats('2-1', '2-1')), 'INVALID_INPUT', 'input.seats.seatIds'],
      [
        'none of a category',
        'other',
        holdIn(() => w.open, best(0)),
        'INVALID_INPUT',
        'input.seats.bestAvailable.quantity',
      ],
      [
        'less than none',
        'other',
        holdIn(() => w.open, best(-1)),
        'INVALID_INPUT',
        'input.seats.bestAvailable.quantity',
      ],
      [
        'a category that is not there',
        'other',
        holdIn(() => w.open, best(1, '7')),
        'NOT_FOUND',
        'input.seats.bestAvailable.categoryId',
      ],
      [
        'a category that cannot be',
        'other',
        holdIn(() => w.open, best(1, '-1')),
        'NOT_FOUND',
        'input.seats.bestAvailable.categoryId',
      ],
      ['too many for one hold', 'other', holdIn(() => w.open, best(11)), 'TOO_MANY_SEATS', 'input.seats'],
      ['too many for one person', 'owner', holdIn(() => w.open, best(10)), 'PERSON_LIMIT_REACHED', 'input.seats'],
      ['no two next to each other', 'other', holdIn(() => w.small, best(2)), 'NO_ADJACENT_SEATS', 'input.seats'],
      [
        'nothing left',
        'other',
        holdIn(() => w.small, { seats: { standing: { categoryId: '1', quantity: 1 } } }),
        'SOLD_OUT',
        'input.seats',
      ],
      [
        'the key of another wish',
        'owner',
        holdIn(
          () => w.open,
          seats('2-1'),
          () => w.heldKey,
        ),
        'IDEMPOTENCY_KEY_REUSED',
        'input.idempotencyKey',
      ],
      ...badKeys(
        'other',
        holdIn(() => w.open, seats('2-1')),
      ),
    ],
  },
  extendHold: {
    valid: on(() => w.held),
    cases: [
      ...holdActions(),
      ['a hold in checkout', 'owner', on(() => w.inCheckout), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      ['a released hold', 'owner', on(() => w.released), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      ['a hold at its bound', 'owner', on(() => w.heldLong), 'EXTENSION_LIMIT', 'input.holdId'],
    ],
  },
  releaseHold: {
    valid: on(() => w.held),
    cases: [
      ...holdActions(),
      ['a hold in checkout', 'owner', on(() => w.inCheckout), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      [
        'the key of another release',
        'owner',
        () => ({ ...on(() => w.held)(), idempotencyKey: w.releaseInput.idempotencyKey }),
        'IDEMPOTENCY_KEY_REUSED',
        'input.idempotencyKey',
      ],
    ],
  },
  startCheckout: {
    valid: on(() => w.held),
    cases: [
      ...holdActions(),
      ['a released hold', 'owner', on(() => w.released), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      ['a sale that is over', 'owner', on(() => w.heldInClosed), 'SALE_CLOSED', 'input.holdId'],
      ['nobody admitted', 'owner', on(() => w.heldInWaiting), 'NOT_ADMITTED', 'input.holdId'],
      [
        'the key of another checkout',
        'owner',
        () => ({ ...on(() => w.held)(), idempotencyKey: w.checkoutKey }),
        'IDEMPOTENCY_KEY_REUSED',
        'input.idempotencyKey',
      ],
    ],
  },
  cancelOrder: {
    valid: () => ({ orderId: w.order.id, idempotencyKey: newKey() }),
    cases: [
      ...unknownIds('owner', 'input.orderId', (orderId) => ({ orderId, idempotencyKey: newKey() })),
      [
        "somebody else's order",
        'other',
        () => ({ orderId: w.order.id, idempotencyKey: newKey() }),
        'FORBIDDEN',
        'input.orderId',
      ],
      [
        'a paid order',
        'owner',
        () => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
        'ORDER_NOT_CANCELABLE',
        'input.orderId',
      ],
      ...badKeys('owner', () => ({ orderId: w.order.id })),
    ],
  },
};

test('The table of refusals knows every mutation of the schema', () => {
  expect(Object.keys(table).sort()).toEqual(mutations.map(({ name }) => name).sort());
});

const errorSelection = '... on UserError { code message path }';

describe.each(mutations.map(({ name }) => name))('%s refuses, typed and without a trace,', (name) => {
  const { valid, cases } = table[name] ?? { valid: () => ({}), cases: [] };
  const mutation = mutations.find((field) => field.name === name)!;
  const inputType = (
    isNonNullType(mutation.args[0]!.type) ? mutation.args[0]!.type.ofType : null
  ) as GraphQLInputObjectType;
  const send = (who: Who, input: object) =>
    client(who).send(
      `mutation ($input: ${inputType.name}!) { payload: ${name}(input: $input) { errors { ${errorSelection} } } }`,
      {
        input,
      },
    );

  if (cases.length > 0) {
    const rows = cases.map(([what, who, input, code, path = null]) => ({ what, who, input, code, path }));
    test.each(rows)('$what', async ({ who, input, code, path }) => {
      const given = input();
      const before = await digest();
      const { data, errors } = await send(who, given);
      expect(errors).toBeUndefined();
      expect(data.payload.errors).toEqual([
        { code, message: expect.stringMatching(/^[A-Z].*\.$/), path: path === null ? null : path.split('.') },
      ]);
      expect(await digest()).toBe(before);
    });
  }

  if (name !== 'startGuestSession' && name !== 'signIn') {
    test.each<[string, () => ApiClient]>([
      ['somebody without a token', () => app.anonymous],
      ['somebody with a token nobody signed', () => new ApiClient(app.url, `${w.owner.token!.slice(0, -8)}AAAAAAAA`)],
    ])('%s', async (_who, asker) => {
      const before = await digest();
      const query = `mutation ($input: ${inputType.name}!) { payload: ${name}(input: $input) { errors { ${errorSelection} } } }`;
      const { data } = await asker().send(query, { input: valid() });
      expect(data.payload.errors).toMatchObject([{ code: 'UNAUTHENTICATED' }]);
      expect(await digest()).toBe(before);
    });
  }

  test('every field of a wrong type, every missing one, and every unknown one', async () => {
    const before = await digest();
    const wrong = (field: GraphQLInputField): unknown => {
      const type = isNonNullType(field.type) ? field.type.ofType : field.type;
      return isListType(type) || isInputObjectType(type) ? 'text' : { an: 'object' };
    };
    const fields = Object.values(inputType.getFields());
    const required = fields.filter((field) => isNonNullType(field.type) && field.defaultValue === undefined);
    const inputs = [
      ...fields.map((field) => ({ ...valid(), [field.name]: wrong(field) })),
      ...required.map((field) => ({ ...valid(), [field.name]: null })),
      { ...valid(), fieldNobodyKnows: 1 },
    ];
    for (const input of inputs) {
      const { status, data, errors } = await send('owner', input);
      expect([status, data]).toEqual([400, null]);
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    }
    expect(await digest()).toBe(before);
  });
});

test('Signing in too often with one address is refused for a while', async () => {
  const input = { email: 'often@example.com', password: 'x' };
  const codes: string[] = [];
  for (let attempt = 0; attempt <= limits.signInAttemptsPerMinute; attempt += 1) {
    const { errors } = await app.anonymous.mutate('signIn', input, 'session { token }');
    codes.push(errors[0].code);
  }
  expect(codes.slice(0, -1)).toEqual(Array(limits.signInAttemptsPerMinute).fill('UNAUTHENTICATED'));
  expect(codes.at(-1)).toBe('OVERLOADED');
});
