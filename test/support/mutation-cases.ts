import { randomUUID } from 'node:crypto';
import type { Data } from './client.js';
import { newKey, plainPlan, type TestHall } from './events.js';
import type { World } from './mutation-world.js';

type Input = (w: World) => object;
export type Who = 'nobody' | 'owner' | 'other' | 'rival' | 'organizer';

/** What is wrong, who asks, with what, and what they are told: the code, and the field it is about. */
type Case = readonly [what: string, who: Who, input: Input, code: string, path?: string];

const nowhere = randomUUID();
const broken = ['', 'x', '-'.repeat(36), '\u0000', "' OR 1=1 --"];
/** The same refusal for every id that cannot exist. */
const unknownIds = (who: Who, path: string, input: (id: string, w: World) => object): Case[] => [
  ['an id nobody knows', who, (w) => input(nowhere, w), 'NOT_FOUND', path],
  ...broken.map((id): Case => [`the id ${JSON.stringify(id)}`, who, (w) => input(id, w), 'NOT_FOUND', path]),
];
const badKey = (what: string, who: Who, input: Input, idempotencyKey: string): Case => [
  what,
  who,
  (w) => ({ ...input(w), idempotencyKey }),
  'INVALID_INPUT',
  'input.idempotencyKey',
];
const badKeys = (who: Who, input: Input): Case[] => [
  badKey('an empty key', who, input, ''),
  badKey('a key without end', who, input, 'k'.repeat(201)),
];

/** What nobody can be written on a receipt as. */
const badBuyers = (input: Input): Case[] =>
  [
    ['an address that is none', { email: 'buyer' }, 'email'],
    ['an address with a line break', { email: 'a@b.example\nBcc: c@d.example' }, 'email'],
    ['a name of two lines', { name: 'a\nb' }, 'name'],
    ['a name with half a character', { name: 'a\ud800' }, 'name'],
    ['an address with half a character', { email: 'a\ud800@example.com' }, 'email'],
    ['a name without end', { name: 'n'.repeat(201) }, 'name'],
    ['a postal address with control characters', { address: 'a\u0000' }, 'address'],
    ['a postal address without end', { address: 'a'.repeat(501) }, 'address'],
    ['a postal address of many lines', { address: `${'a\n'.repeat(9)}a` }, 'address'],
  ].map(
    ([what, buyer, field]): Case => [
      `a buyer with ${what}`,
      'owner',
      (w) => ({ ...input(w), buyer }),
      'INVALID_INPUT',
      `input.buyer.${field}`,
    ],
  );

const seats = (...seatIds: string[]) => ({ seats: { seatIds } });
const best = (quantity: number, categoryId = '0') => ({ seats: { bestAvailable: { categoryId, quantity } } });

const open = (w: World): TestHall => w.open;
const holdIn =
  (hall: (w: World) => TestHall, wish: object, key: (w: World) => string = newKey): Input =>
  (w) => ({ eventId: hall(w).eventId, idempotencyKey: key(w), ...wish });

const held = (w: World): Data => w.held;
const on =
  (hold: (w: World) => Data, change: object = {}): Input =>
  (w) => ({ holdId: hold(w).id, fence: hold(w).fence, idempotencyKey: newKey(), ...change });

/** What every action of an owner on a hold refuses. */
const holdActions = (more: object = {}): Case[] => [
  ...unknownIds('owner', 'input.holdId', (holdId) => ({ holdId, fence: '1.1', idempotencyKey: newKey(), ...more })),
  [
    'an event without that hold',
    'owner',
    on(held, { holdId: `${nowhere}.${nowhere}`, ...more }),
    'NOT_FOUND',
    'input.holdId',
  ],
  [
    'a hold that never was',
    'owner',
    (w) => on(held, { holdId: `${w.open.eventId}.${nowhere}`, ...more })(w),
    'NOT_FOUND',
    'input.holdId',
  ],
  ["somebody else's hold", 'other', on(held, more), 'FORBIDDEN', 'input.holdId'],
  ['an old fence', 'owner', on(held, { fence: '1.999999', ...more }), 'STALE_FENCE', 'input.fence'],
  ['no fence at all', 'owner', on(held, { fence: '', ...more }), 'STALE_FENCE', 'input.fence'],
  ['an expired hold', 'owner', on((w) => w.expired, more), 'HOLD_EXPIRED', 'input.holdId'],
  ['a hold of before a rebuild', 'owner', on((w) => w.lost, more), 'HOLD_LOST', 'input.holdId'],
  ...badKeys('owner', on(held, more)),
];

const allocation =
  (range: object): Input =>
  (w) => ({ eventId: w.open.eventId, seats: range, to: 'NOBODY' });

const eventActions = (): Case[] => [
  ...unknownIds('organizer', 'input.eventId', (eventId) => ({ eventId })),
  ["another organizer's event", 'rival', (w) => ({ eventId: w.open.eventId }), 'FORBIDDEN', 'input.eventId'],
  ['a buyer', 'owner', (w) => ({ eventId: w.open.eventId }), 'FORBIDDEN', 'input.eventId'],
];

const draftWith =
  (change: object): Input =>
  (w) => ({ ...w.draftInput, ...change });
const price = (change: object): Input => draftWith({ prices: [{ category: 'Stalls', priceMinor: 1000, ...change }] });
const prices =
  (...list: object[]): Input =>
  (w) => ({ eventId: w.open.eventId, prices: list });
const code =
  (change: object = {}): Input =>
  (w) => ({ eventId: w.open.eventId, code: 'EARLYBIRD', discount: { basisPoints: 1000 }, ...change });
const standing = (change: object): Input =>
  draftWith({ standing: [{ section: 'Pit', name: 'Pit', category: 'Stalls', places: 1, ...change }] });

/** By mutation: an input that would work, and everything that is refused. */
export const refusals: Record<string, { readonly valid: Input; readonly cases: readonly Case[] }> = {
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
  requestEmailCode: {
    valid: () => ({ email: 'buyer@example.com' }),
    cases: [
      ['no address', 'nobody', () => ({ email: 'buyer' }), 'INVALID_INPUT', 'input.email'],
      ['an address with a line break', 'nobody', () => ({ email: 'a@b.example\nx' }), 'INVALID_INPUT', 'input.email'],
      [
        'an address without end',
        'nobody',
        () => ({ email: `${'x'.repeat(201)}@b.example` }),
        'INVALID_INPUT',
        'input.email',
      ],
      ['no mail server', 'nobody', () => ({ email: 'buyer@example.com' }), 'MAIL_UNAVAILABLE'],
    ],
  },
  confirmEmail: {
    valid: () => ({ email: 'buyer@example.com', code: '12345678' }),
    cases: [
      ['no address', 'nobody', () => ({ email: 'buyer', code: '12345678' }), 'INVALID_INPUT', 'input.email'],
      [
        'a code nobody sent',
        'nobody',
        () => ({ email: 'buyer@example.com', code: '12345678' }),
        'INVALID_INPUT',
        'input.code',
      ],
      [
        'a code without end',
        'nobody',
        () => ({ email: 'a@b.example', code: '1'.repeat(201) }),
        'INVALID_INPUT',
        'input.code',
      ],
    ],
  },
  signUp: {
    valid: () => ({ email: 'buyer@example.com', code: '12345678', password: 'a good password' }),
    cases: [
      [
        'a code nobody sent',
        'nobody',
        () => ({ email: 'buyer@example.com', code: '12345678', password: 'a good password' }),
        'INVALID_INPUT',
        'input.code',
      ],
      [
        'a short password',
        'nobody',
        () => ({ email: 'buyer@example.com', code: '12345678', password: 'short' }),
        'INVALID_INPUT',
        'input.password',
      ],
    ],
  },
  recoverPlace: {
    valid: () => ({ code: '0000-0000-0000' }),
    cases: [
      ['a code of nobody', 'nobody', () => ({ code: '0000-0000-0000' }), 'NOT_FOUND', 'input.code'],
      ['a code without end', 'nobody', () => ({ code: '0'.repeat(201) }), 'INVALID_INPUT', 'input.code'],
    ],
  },
  endSession: { valid: () => ({}), cases: [] },
  createRecoveryCode: {
    valid: (w) => ({ entryId: w.entry.id }),
    cases: [
      ...unknownIds('owner', 'input.entryId', (entryId) => ({ entryId })),
      ["somebody else's place", 'other', (w) => ({ entryId: w.entry.id }), 'NOT_FOUND', 'input.entryId'],
      ['somebody who signs in', 'organizer', (w) => ({ entryId: w.entry.id }), 'FORBIDDEN'],
    ],
  },
  updateSeller: {
    valid: () => ({ legalName: 'Test GmbH', address: 'Street 1\nTown', taxId: 'DE1' }),
    cases: [
      ['a buyer', 'owner', () => ({}), 'FORBIDDEN'],
      ['a name of two lines', 'organizer', () => ({ legalName: 'a\nb' }), 'INVALID_INPUT', 'input.legalName'],
      ['an address without end', 'organizer', () => ({ address: 'a'.repeat(501) }), 'INVALID_INPUT', 'input.address'],
      ['a tax id without end', 'organizer', () => ({ taxId: '1'.repeat(201) }), 'INVALID_INPUT', 'input.taxId'],
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
    valid: (w) => w.draftInput,
    cases: [
      ['a buyer', 'owner', draftWith({}), 'FORBIDDEN'],
      ["another organizer's venue", 'rival', draftWith({}), 'NOT_FOUND', 'input.venueId'],
      ...unknownIds('organizer', 'input.venueId', (venueId, w) => draftWith({ venueId })(w)),
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
      ['a currency nobody pays in', 'organizer', draftWith({ currency: 'XDR' }), 'INVALID_INPUT', 'input.currency'],
      [
        'a price below what can be charged',
        'organizer',
        price({ priceMinor: 40, feeMinor: 9 }),
        'INVALID_INPUT',
        'input.prices.0.priceMinor',
      ],
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
        'a price that is beyond measure with its taxes',
        'organizer',
        price({ priceMinor: 50_000_000, feeBasisPoints: 10_000, taxBasisPoints: 1, taxIncluded: false }),
        'INVALID_INPUT',
        'input.prices.0.priceMinor',
      ],
      [
        'a fee of more than the price',
        'organizer',
        price({ feeBasisPoints: 10_001 }),
        'INVALID_INPUT',
        'input.prices.0.feeBasisPoints',
      ],
      ['a negative tax', 'organizer', price({ taxBasisPoints: -1 }), 'INVALID_INPUT', 'input.prices.0.taxBasisPoints'],
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
    valid: (w) => ({ eventId: w.draft.id }),
    cases: [
      ...eventActions(),
      ['an event that is over', 'organizer', (w) => ({ eventId: w.closed.eventId }), 'SALE_CLOSED', 'input.eventId'],
    ],
  },
  updateAdmission: {
    valid: (w) => ({ eventId: w.open.eventId, activeCap: 7 }),
    cases: [
      ...eventActions(),
      [
        'no pace',
        'organizer',
        (w) => ({ eventId: w.open.eventId, admitPerSecond: 0 }),
        'INVALID_INPUT',
        'input.admitPerSecond',
      ],
      [
        'nobody to admit',
        'organizer',
        (w) => ({ eventId: w.open.eventId, activeCap: 0 }),
        'INVALID_INPUT',
        'input.activeCap',
      ],
    ],
  },
  updatePrices: {
    valid: prices({ category: 'Stalls', priceMinor: 900 }),
    cases: [
      ...unknownIds('organizer', 'input.eventId', (eventId) => ({ eventId, prices: [] })),
      ["another organizer's event", 'rival', prices(), 'FORBIDDEN', 'input.eventId'],
      ['a buyer', 'owner', prices(), 'FORBIDDEN', 'input.eventId'],
      [
        'a category that is not there',
        'organizer',
        prices({ category: 'Stalls', priceMinor: 900 }, { category: 'Box', priceMinor: 900 }),
        'INVALID_INPUT',
        'input.prices.1.category',
      ],
      [
        'a negative price',
        'organizer',
        prices({ category: 'Stalls', priceMinor: -1 }),
        'INVALID_INPUT',
        'input.prices.0.priceMinor',
      ],
    ],
  },
  saveCode: {
    valid: code(),
    cases: [
      ...unknownIds('organizer', 'input.eventId', (eventId, w) => ({ ...code()(w), eventId })),
      ["another organizer's event", 'rival', code(), 'FORBIDDEN', 'input.eventId'],
      ['a buyer', 'owner', code(), 'FORBIDDEN', 'input.eventId'],
      ['no code', 'organizer', code({ code: ' ' }), 'INVALID_INPUT', 'input.code'],
      ['a code that is easily guessed', 'organizer', code({ code: ' abc ' }), 'INVALID_INPUT', 'input.code'],
      ['a code without end', 'organizer', code({ code: 'x'.repeat(201) }), 'INVALID_INPUT', 'input.code'],
      ['a code with control characters', 'organizer', code({ code: 'CODE\u0000' }), 'INVALID_INPUT', 'input.code'],
      [
        'more than the price',
        'organizer',
        code({ discount: { basisPoints: 10_001 } }),
        'INVALID_INPUT',
        'input.discount.basisPoints',
      ],
      [
        'nothing off',
        'organizer',
        code({ discount: { amountMinor: 0 } }),
        'INVALID_INPUT',
        'input.discount.amountMinor',
      ],
      ['no category', 'organizer', code({ categoryIds: [] }), 'INVALID_INPUT', 'input.categoryIds'],
      [
        'a category that is not there',
        'organizer',
        code({ categoryIds: ['0', '7'] }),
        'NOT_FOUND',
        'input.categoryIds.1',
      ],
      [
        'an end before its beginning',
        'organizer',
        code({ validFrom: '2030-01-02T00:00:00Z', validUntil: '2030-01-01T00:00:00Z' }),
        'INVALID_INPUT',
        'input.validUntil',
      ],
      ['no use at all', 'organizer', code({ maxUses: 0 }), 'INVALID_INPUT', 'input.maxUses'],
    ],
  },
  pauseSale: {
    valid: (w) => ({ eventId: w.open.eventId }),
    cases: [
      ...eventActions(),
      ['a draft', 'organizer', (w) => ({ eventId: w.draft.id }), 'INVALID_INPUT', 'input.eventId'],
      ['an event that is over', 'organizer', (w) => ({ eventId: w.closed.eventId }), 'SALE_CLOSED', 'input.eventId'],
    ],
  },
  resumeSale: {
    valid: (w) => ({ eventId: w.open.eventId }),
    cases: [
      ...eventActions(),
      ['a draft', 'organizer', (w) => ({ eventId: w.draft.id }), 'INVALID_INPUT', 'input.eventId'],
      ['an event that is over', 'organizer', (w) => ({ eventId: w.closed.eventId }), 'SALE_CLOSED', 'input.eventId'],
    ],
  },
  saveChannel: {
    valid: (w) => ({ eventId: w.open.eventId, name: 'Sponsors', accessCode: 'sponsor' }),
    cases: [
      ...unknownIds('organizer', 'input.eventId', (eventId) => ({ eventId, name: 'Sponsors' })),
      ['a buyer', 'owner', (w) => ({ eventId: w.open.eventId, name: 'Sponsors' }), 'FORBIDDEN', 'input.eventId'],
      ['an empty name', 'organizer', (w) => ({ eventId: w.open.eventId, name: ' ' }), 'INVALID_INPUT', 'input.name'],
      [
        'a code that is easily guessed',
        'organizer',
        (w) => ({ eventId: w.open.eventId, name: 'Sponsors', accessCode: 'abc' }),
        'INVALID_INPUT',
        'input.accessCode',
      ],
    ],
  },
  allocateSeats: {
    valid: (w) => ({ eventId: w.open.eventId, seats: { seatIds: ['2-1'] }, to: 'NOBODY' }),
    cases: [
      ...unknownIds('organizer', 'input.eventId', (eventId) => ({
        eventId,
        seats: { seatIds: ['2-1'] },
        to: 'NOBODY',
      })),
      ['a buyer', 'owner', allocation({ seatIds: ['2-1'] }), 'FORBIDDEN', 'input.eventId'],
      [
        'a draft',
        'organizer',
        (w) => ({ ...allocation({ seatIds: ['2-1'] })(w), eventId: w.draft.id }),
        'INVALID_INPUT',
        'input.eventId',
      ],
      [
        'a seat that is not there',
        'organizer',
        allocation({ seatIds: ['2-1', '9-9'] }),
        'NOT_FOUND',
        'input.seats.seatIds.1',
      ],
      [
        'a section that is not there',
        'organizer',
        allocation({ sectionId: 'x' }),
        'NOT_FOUND',
        'input.seats.sectionId',
      ],
      [
        'a category that is not there',
        'organizer',
        allocation({ categoryId: '7' }),
        'NOT_FOUND',
        'input.seats.categoryId',
      ],
      [
        'a channel that is not there',
        'organizer',
        (w) => ({ ...allocation({ seatIds: ['2-1'] })(w), to: 'CHANNEL', channelId: 'Z' }),
        'NOT_FOUND',
        'input.channelId',
      ],
    ],
  },
  closeSale: {
    valid: (w) => ({ eventId: w.open.eventId }),
    cases: [
      ...eventActions(),
      ['a draft', 'organizer', (w) => ({ eventId: w.draft.id }), 'INVALID_INPUT', 'input.eventId'],
    ],
  },
  cancelEvent: {
    valid: (w) => ({ eventId: w.open.eventId }),
    cases: [
      ...eventActions(),
      ['a draft', 'organizer', (w) => ({ eventId: w.draft.id }), 'INVALID_INPUT', 'input.eventId'],
    ],
  },
  stopCancellation: {
    valid: (w) => ({ eventId: w.open.eventId }),
    cases: [
      ...eventActions(),
      ['an event that takes place', 'organizer', (w) => ({ eventId: w.open.eventId }), 'NOT_FOUND', 'input.eventId'],
    ],
  },
  updateReturns: { valid: (w) => ({ eventId: w.open.eventId }), cases: eventActions() },
  joinQueue: {
    valid: (w) => ({ eventId: w.open.eventId }),
    cases: [
      ...unknownIds('other', 'input.eventId', (eventId) => ({ eventId })),
      ['a draft', 'other', (w) => ({ eventId: w.draft.id }), 'NOT_FOUND', 'input.eventId'],
      ['an event that is over', 'other', (w) => ({ eventId: w.closed.eventId }), 'SALE_CLOSED', 'input.eventId'],
    ],
  },
  leaveQueue: {
    valid: (w) => ({ entryId: w.entry.id }),
    cases: [
      ...unknownIds('owner', 'input.entryId', (entryId) => ({ entryId })),
      [
        'a place that never was',
        'owner',
        (w) => ({ entryId: `${w.open.eventId}.${nowhere}` }),
        'NOT_FOUND',
        'input.entryId',
      ],
      ["somebody else's place", 'other', (w) => ({ entryId: w.entry.id }), 'FORBIDDEN', 'input.entryId'],
    ],
  },
  holdSeats: {
    valid: holdIn(open, seats('2-1')),
    cases: [
      ...unknownIds('owner', 'input.eventId', (eventId) => ({ eventId, idempotencyKey: newKey(), ...seats('1-1') })),
      [
        'a draft',
        'owner',
        (w) => ({ eventId: w.draft.id, idempotencyKey: newKey(), ...seats('1-1') }),
        'NOT_FOUND',
        'input.eventId',
      ],
      ['a sale that has not begun', 'owner', holdIn((w) => w.unopened, seats('1-1')), 'SALE_NOT_OPEN', 'input.eventId'],
      ['a sale that is over', 'owner', holdIn((w) => w.closed, seats('2-1')), 'SALE_CLOSED', 'input.eventId'],
      ['nobody admitted', 'other', holdIn((w) => w.waiting, seats('2-1')), 'NOT_ADMITTED', 'input.eventId'],
      ['a seat that is not there', 'other', holdIn(open, seats('2-1', '9-9')), 'NOT_FOUND', 'input.seats.seatIds.1'],
      ['a seat that is taken', 'other', holdIn(open, seats('2-1', '1-1')), 'SEATS_UNAVAILABLE', 'input.seats.seatIds'],
      ['a seat that is sold', 'other', holdIn(open, seats('1-3')), 'SEATS_UNAVAILABLE', 'input.seats.seatIds'],
      [
        'a code that is none',
        'other',
        holdIn(open, { code: 'WRONG', ...seats('2-1') }),
        'CODE_NOT_VALID',
        'input.code',
      ],
      ['no seat', 'other', holdIn(open, seats()), 'INVALID_INPUT', 'input.seats.seatIds'],
      ['a seat twice', 'other', holdIn(open, seats('2-1', '2-1')), 'INVALID_INPUT', 'input.seats.seatIds'],
      ['none of a category', 'other', holdIn(open, best(0)), 'INVALID_INPUT', 'input.seats.bestAvailable.quantity'],
      ['less than none', 'other', holdIn(open, best(-1)), 'INVALID_INPUT', 'input.seats.bestAvailable.quantity'],
      [
        'a category that is not there',
        'other',
        holdIn(open, best(1, '7')),
        'NOT_FOUND',
        'input.seats.bestAvailable.categoryId',
      ],
      [
        'a category that cannot be',
        'other',
        holdIn(open, best(1, '-1')),
        'NOT_FOUND',
        'input.seats.bestAvailable.categoryId',
      ],
      ['too many for one hold', 'other', holdIn(open, best(11)), 'TOO_MANY_SEATS', 'input.seats'],
      ['too many for one person', 'owner', holdIn(open, best(10)), 'PERSON_LIMIT_REACHED', 'input.seats'],
      ['no two next to each other', 'other', holdIn((w) => w.small, best(2)), 'NO_ADJACENT_SEATS', 'input.seats'],
      [
        'nothing left',
        'other',
        holdIn((w) => w.small, { seats: { standing: { categoryId: '1', quantity: 1 } } }),
        'SOLD_OUT',
        'input.seats',
      ],
      [
        'the key of another wish',
        'owner',
        holdIn(open, seats('2-1'), (w) => w.heldKey),
        'IDEMPOTENCY_KEY_REUSED',
        'input.idempotencyKey',
      ],
      ...badKeys('other', holdIn(open, seats('2-1'))),
    ],
  },
  changeHold: {
    valid: on(held, seats('2-5')),
    cases: [
      ...holdActions(seats('2-5')),
      ['a hold in checkout', 'owner', on((w) => w.inCheckout, seats('2-5')), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      ['a released hold', 'owner', on((w) => w.released, seats('2-5')), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      ['a sale that is over', 'owner', on((w) => w.heldInClosed, seats('2-5')), 'SALE_CLOSED', 'input.eventId'],
      ['nobody admitted', 'owner', on((w) => w.heldInWaiting, seats('2-5')), 'NOT_ADMITTED', 'input.eventId'],
      ['a seat that is taken', 'owner', on(held, seats('1-3')), 'SEATS_UNAVAILABLE', 'input.seats.seatIds'],
      ['a seat that is not there', 'owner', on(held, seats('9-9')), 'NOT_FOUND', 'input.seats.seatIds.0'],
      ['too many for one hold', 'owner', on(held, best(11)), 'TOO_MANY_SEATS', 'input.seats'],
      ['too many for one person', 'owner', on(held, best(10)), 'PERSON_LIMIT_REACHED', 'input.seats'],
    ],
  },
  extendHold: {
    valid: on(held),
    cases: [
      ...holdActions(),
      ['a hold in checkout', 'owner', on((w) => w.inCheckout), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      ['a released hold', 'owner', on((w) => w.released), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      ['a hold at its bound', 'owner', on((w) => w.heldLong), 'EXTENSION_LIMIT', 'input.holdId'],
    ],
  },
  releaseHold: {
    valid: on(held),
    cases: [
      ...holdActions(),
      ['a hold in checkout', 'owner', on((w) => w.inCheckout), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      [
        'the key of another release',
        'owner',
        (w) => ({ ...on(held)(w), idempotencyKey: w.releaseInput.idempotencyKey }),
        'IDEMPOTENCY_KEY_REUSED',
        'input.idempotencyKey',
      ],
    ],
  },
  startCheckout: {
    valid: on(held),
    cases: [
      ...holdActions(),
      ['a released hold', 'owner', on((w) => w.released), 'HOLD_NOT_ACTIVE', 'input.holdId'],
      ...badBuyers(on(held)),
      ['a sale that is over', 'owner', on((w) => w.heldInClosed), 'SALE_CLOSED', 'input.holdId'],
      ['nobody admitted', 'owner', on((w) => w.heldInWaiting), 'NOT_ADMITTED', 'input.holdId'],
      [
        'a buyer who wants to pay in cash',
        'owner',
        (w) => ({ ...on(held)(w), method: 'CASH' }),
        'FORBIDDEN',
        'input.method',
      ],
      [
        'the key of another checkout',
        'owner',
        (w) => ({ ...on(held)(w), idempotencyKey: w.checkoutKey }),
        'IDEMPOTENCY_KEY_REUSED',
        'input.idempotencyKey',
      ],
    ],
  },
  cancelOrder: {
    valid: (w) => ({ orderId: w.order.id, idempotencyKey: newKey() }),
    cases: [
      ...unknownIds('owner', 'input.orderId', (orderId) => ({ orderId, idempotencyKey: newKey() })),
      [
        "somebody else's order",
        'other',
        (w) => ({ orderId: w.order.id, idempotencyKey: newKey() }),
        'FORBIDDEN',
        'input.orderId',
      ],
      [
        'a paid order',
        'owner',
        (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
        'ORDER_NOT_CANCELABLE',
        'input.orderId',
      ],
      ...badKeys('owner', (w) => ({ orderId: w.order.id })),
    ],
  },
  refundOrder: {
    valid: (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
    cases: [
      ...unknownIds('organizer', 'input.orderId', (orderId) => ({ orderId, idempotencyKey: newKey() })),
      [
        'its buyer',
        'owner',
        (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
        'FORBIDDEN',
        'input.orderId',
      ],
      [
        'another organizer',
        'rival',
        (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
        'FORBIDDEN',
        'input.orderId',
      ],
      [
        'an order nobody has paid',
        'organizer',
        (w) => ({ orderId: w.order.id, idempotencyKey: newKey() }),
        'ORDER_NOT_REFUNDABLE',
        'input.orderId',
      ],
      ...badKeys('organizer', (w) => ({ orderId: w.completed.id })),
    ],
  },
  returnTickets: {
    valid: (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
    cases: [
      ...unknownIds('owner', 'input.orderId', (orderId) => ({ orderId, idempotencyKey: newKey() })),
      [
        "somebody else's order",
        'other',
        (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
        'FORBIDDEN',
        'input.orderId',
      ],
      [
        'an event that lets nobody do so',
        'owner',
        (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
        'RETURNS_CLOSED',
        'input.orderId',
      ],
      ...badKeys('owner', (w) => ({ orderId: w.completed.id })),
    ],
  },
  retryRefund: {
    valid: () => ({ refundId: nowhere, idempotencyKey: newKey() }),
    cases: [
      ...unknownIds('organizer', 'input.refundId', (refundId) => ({ refundId, idempotencyKey: newKey() })),
      ...badKeys('organizer', () => ({ refundId: nowhere })),
    ],
  },
  recordPayment: {
    valid: (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
    cases: [
      ...unknownIds('organizer', 'input.orderId', (orderId) => ({ orderId, idempotencyKey: newKey() })),
      [
        'its buyer',
        'owner',
        (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
        'FORBIDDEN',
        'input.orderId',
      ],
      [
        'an order paid online',
        'organizer',
        (w) => ({ orderId: w.completed.id, idempotencyKey: newKey() }),
        'ORDER_NOT_ON_ACCOUNT',
        'input.orderId',
      ],
      ...badKeys('organizer', (w) => ({ orderId: w.completed.id })),
    ],
  },
};
