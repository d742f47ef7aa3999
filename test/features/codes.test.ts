import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance } from '../support/books.js';
import type { ApiClient, Data, Stream } from '../support/client.js';
import { createHall, newKey, salesTotals, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { holdLock } from '../support/locks.js';
import {
  calm,
  ended,
  followOrder,
  intentOf,
  intentsOf,
  pastFreeAtMs,
  pastPayByMs,
  pay,
  stall,
} from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const money = (name: string) => `${name} { amountMinor }`;
const amounts = ['price', 'fee', 'tax', 'discount', 'total'].map(money).join(' ');
const holdFields = `hold { id fence state seats { id ${amounts} } ${money('total')} ${money('totalWithoutCode')} }`;
const orderFields = `order { id state ${money('total')} lines { seatId ${amounts} } }`;
const amountsOf = ({ price, fee, tax, discount, total }: Data) =>
  [price, fee, tax, discount, total].map(({ amountMinor }) => amountMinor);

const quarter = { discount: { basisPoints: 2500 } };

async function saveCode({ eventId }: TestHall, code: string, fields: object = quarter): Promise<Data> {
  return app.organizer.mutate('saveCode', { eventId, code, ...fields }, 'code { id code uses maxUses active }');
}

/** A hall with a code QUARTER. Its seats cost 10.00 and 1.00, 7.50 and 1.00 with it. */
async function hallWithCode(fields: object = {}, event: object = {}): Promise<TestHall> {
  const hall = await createHall(app.organizer, { event });
  const { errors } = await saveCode(hall, 'Quarter', { ...quarter, ...fields });
  expect(errors).toEqual([]);
  return hall;
}

function hold(
  buyer: ApiClient,
  { eventId }: TestHall,
  seatIds: readonly string[],
  code: string | null = 'quarter',
  idempotencyKey = newKey(),
): Promise<Data> {
  return buyer.mutate('holdSeats', { eventId, idempotencyKey, seats: { seatIds }, code }, holdFields);
}

function checkOut(buyer: ApiClient, held: Data, change: object = {}): Promise<Data> {
  const input = { holdId: held.id, fence: held.fence, idempotencyKey: newKey(), ...change };
  return buyer.mutate('startCheckout', input, orderFields);
}

/** A buyer before the payment form, with the code. */
async function begin(
  hall: TestHall,
  seatIds: readonly string[],
): Promise<{ buyer: ApiClient; hold: Data; orderId: string; stream: Stream }> {
  const buyer = await app.guest();
  const { hold: held } = await hold(buyer, hall, seatIds);
  const { order } = await checkOut(buyer, held);
  const stream = followOrder(buyer, order.id);
  await stream.until(({ payment, state }) => payment !== null || state === 'COMPLETED');
  return { buyer, hold: held, orderId: order.id, stream: followOrder(buyer, order.id) };
}

async function usesOf({ eventId }: TestHall): Promise<number> {
  const { event } = await app.organizer.run('query ($id: ID!) { event(id: $id) { codes { uses } } }', { id: eventId });
  return event.codes[0].uses;
}

/** As many checkouts as there are asked for, all of them at the point where a use is counted. */
async function together(hall: TestHall, checkouts: readonly (() => Promise<Data>)[]): Promise<Data[]> {
  const lock = await holdLock(app.stores.databaseUrl, 'UPDATE discount_code SET uses = uses WHERE event_id = $1', [
    hall.eventId,
  ]);
  const answers = checkouts.map((start) => start());
  await lock.blocked(checkouts.length);
  await lock.release();
  return Promise.all(answers);
}

const refusalOf = ({ errors }: Data) => errors.map(({ code, path }: Data) => [code, path?.join('.')]);

test('A code takes its discount off the price of each place, in the hold, the order and what is charged', async () => {
  const hall = await hallWithCode();
  const buyer = await app.guest();
  const { hold: held } = await hold(buyer, hall, ['1-1', '1-2'], ' Quarter ');
  expect(held.seats.map(amountsOf)).toEqual(Array(2).fill([750, 100, 0, 250, 850]));
  expect(held).toMatchObject({ total: { amountMinor: 1700 }, totalWithoutCode: { amountMinor: 2200 } });
  const { order } = await checkOut(buyer, held);
  expect(order.lines.map(amountsOf)).toEqual(held.seats.map(amountsOf));
  expect(order.total).toEqual(held.total);
  await pay(app, followOrder(buyer, order.id));
  expect(await intentOf(app, order.id)).toMatchObject({ amount: 1700, amount_received: 1700 });
  expect(await usesOf(hall)).toBe(1);
  await expectBooksBalance(booksOfApp(app, hall.eventId));
  const plain = await hold(await app.guest(), hall, ['1-3'], null);
  expect(plain.hold).toMatchObject({ total: { amountMinor: 1100 }, totalWithoutCode: null });
});

test('A code for some categories leaves the others as they are', async () => {
  const hall = await createHall(app.organizer, { categories: ['Stalls', 'Circle'] });
  await saveCode(hall, 'STALLS', { discount: { amountMinor: 300 }, categoryIds: [hall.categoryId('Stalls')] });
  const both = await hold(await app.guest(), hall, ['1-1', '2-1'], 'stalls');
  expect(both.hold.seats.map(amountsOf)).toEqual([
    [700, 100, 0, 300, 800],
    [1000, 100, 0, 0, 1100],
  ]);
  expect(refusalOf(await hold(await app.guest(), hall, ['2-2'], 'stalls'))).toEqual([['CODE_NOT_VALID', 'input.code']]);
});

test('Promise 20: the discount shown at hold time is given, whatever the organizer does to its code and to the prices', async () => {
  const hall = await hallWithCode();
  const buyer = await app.guest();
  const { hold: held } = await hold(buyer, hall, ['1-1']);
  await saveCode(hall, 'QUARTER', { discount: { amountMinor: 1 }, active: false, validUntil: '2026-01-01T00:00:00Z' });
  const prices = [{ category: 'Stalls', priceMinor: 5000, taxBasisPoints: 700 }];
  await app.organizer.mutate('updatePrices', { eventId: hall.eventId, prices }, 'event { id }');
  const { order } = await checkOut(buyer, held);
  expect(order.lines.map(amountsOf)).toEqual([[750, 100, 0, 250, 850]]);
  await pay(app, followOrder(buyer, order.id));
  expect(await intentOf(app, order.id)).toMatchObject({ amount: 850, amount_received: 850 });
});

test('A code that is not valid, or not for these places, names its field and costs neither a hold nor a seat', async () => {
  const hall = await hallWithCode();
  const [past, future] = ['2026-01-02T00:00:00Z', '2100-01-01T00:00:00Z'];
  await saveCode(hall, 'OVER', { ...quarter, validUntil: past });
  await saveCode(hall, 'LATER', { ...quarter, validFrom: future });
  await saveCode(hall, 'STOPPED', { ...quarter, active: false });
  await saveCode(hall, 'WINDOW', { ...quarter, validFrom: past, validUntil: future });
  const other = await createHall(app.organizer);
  await saveCode(other, 'ELSEWHERE');
  const buyer = await app.guest();
  const { hold: kept } = await hold(buyer, hall, ['1-1']);
  for (const code of ['wrong', '', 'over', 'later', 'stopped', 'elsewhere', '\u0000', 'x'.repeat(300)])
    expect(refusalOf(await hold(buyer, hall, ['1-2'], code))).toEqual([['CODE_NOT_VALID', 'input.code']]);
  expect((await hold(await app.guest(), hall, ['1-3'], 'window')).hold.total.amountMinor).toBe(850);
  const { hold: still } = await buyer.run('query ($id: ID!) { hold(id: $id) { state fence } }', { id: kept.id });
  expect(still).toEqual({ state: 'HELD', fence: kept.fence });
  expect(await salesTotals(app.organizer, hall.eventId)).toMatchObject({ held: 2, available: 18 });
});

test('A code that leads to what the provider would not charge is told before it costs a hold', async () => {
  // 0.40 EUR is less than can be charged.
  const hall = await hallWithCode(
    { discount: { basisPoints: 9_600 } },
    { currency: 'EUR', prices: [{ category: 'Stalls', priceMinor: 1_000, feeMinor: 0 }] },
  );
  const { hold: held, errors } = await hold(await app.guest(), hall, ['1-1']);
  expect(held).toBeNull();
  expect(errors).toMatchObject([{ code: 'CODE_NOT_VALID', path: ['input', 'code'] }]);
});

test('In a currency of which only multiples are charged a share is rounded to one, and an amount has to be one', async () => {
  const event = { currency: 'KWD', prices: [{ category: 'Stalls', priceMinor: 12_500, feeMinor: 0 }] };
  const hall = await hallWithCode({ discount: { basisPoints: 1_500 } }, event);
  const { hold: held } = await hold(await app.guest(), hall, ['1-1']);
  expect(held.total.amountMinor).toBe(10_620);
  const code = { eventId: hall.eventId, code: 'AMOUNT', discount: { amountMinor: 1_005 } };
  const { errors } = await app.organizer.mutate('saveCode', code, 'code { code }');
  expect(errors).toMatchObject([
    { path: ['input', 'discount', 'amountMinor'], message: 'Amounts in KWD are multiples of 10.' },
  ]);
});

test('A person has ten guesses at codes a minute, and is told when to go on', async () => {
  const hall = await hallWithCode();
  const buyer = await app.guest();
  const key = newKey();
  // A code that is valid is no guess.
  for (let count = 0; count <= limits.codeGuessesPerMinute; count += 1)
    expect((await hold(buyer, hall, ['1-1'], 'quarter', key)).hold.state).toBe('HELD');
  const guesses = Array.from({ length: limits.codeGuessesPerMinute + 5 }, () => hold(buyer, hall, ['1-2'], 'wrong'));
  const codes = (await Promise.all(guesses)).map(({ errors }) => errors[0].code).sort();
  expect(codes).toEqual([...Array(limits.codeGuessesPerMinute).fill('CODE_NOT_VALID'), ...Array(5).fill('OVERLOADED')]);
  const query = `mutation ($input: HoldSeatsInput!) { holdSeats(input: $input) { errors { ... on Overloaded { code path retryAfterMs } } } }`;
  const input = { eventId: hall.eventId, idempotencyKey: newKey(), seats: { seatIds: ['1-2'] } };
  const { holdSeats } = await buyer.run(query, { input: { ...input, code: 'quarter' } });
  expect(holdSeats.errors).toMatchObject([{ code: 'OVERLOADED', path: ['input', 'code'] }]);
  expect(holdSeats.errors[0].retryAfterMs).toBeGreaterThan(0);
  expect(holdSeats.errors[0].retryAfterMs).toBeLessThanOrEqual(60_000);
  expect((await hold(buyer, hall, ['1-2'], null)).hold.state).toBe('HELD');
  expect((await hold(await app.guest(), hall, ['1-3'])).hold.state).toBe('HELD');
});

test('Repeating a hold with its key answers that hold, whatever has become of its code; another code is another wish', async () => {
  const hall = await hallWithCode();
  await saveCode(hall, 'OTHER');
  const buyer = await app.guest();
  const key = newKey();
  const { hold: held } = await hold(buyer, hall, ['1-1'], 'quarter', key);
  await saveCode(hall, 'QUARTER', { ...quarter, active: false });
  expect((await hold(buyer, hall, ['1-1'], 'QUARTER', key)).hold).toEqual(held);
  for (const code of ['other', null])
    expect(refusalOf(await hold(buyer, hall, ['1-1'], code, key))).toEqual([
      ['IDEMPOTENCY_KEY_REUSED', 'input.idempotencyKey'],
    ]);
});

test('Promise 20: of many buyers for the last use of a code exactly one gets it, and the others keep what they hold', async () => {
  const hall = await hallWithCode({ maxUses: 2 });
  await begin(hall, ['2-10']);
  const buyers = await Promise.all(hall.rows[0]!.map(async (seat) => ({ buyer: await app.guest(), seat })));
  const holds = await Promise.all(buyers.map(({ buyer, seat }) => hold(buyer, hall, [seat])));
  expect(holds.map((answer) => answer.hold.total.amountMinor)).toEqual(Array(10).fill(850));
  const answers = await together(
    hall,
    buyers.map(
      ({ buyer }, at) =>
        () =>
          checkOut(buyer, holds[at].hold),
    ),
  );
  const won = answers.filter(({ order }) => order !== null);
  expect(won.map(({ order }) => order.total.amountMinor)).toEqual([850]);
  const lost = buyers.map((_, at) => at).filter((at) => answers[at].order === null);
  expect(lost.map((at) => refusalOf(answers[at]))).toEqual(Array(9).fill([['CODE_USED_UP', 'input.holdId']]));
  expect(await usesOf(hall)).toBe(2);
  expect(refusalOf(await hold(await app.guest(), hall, ['2-1']))).toEqual([['CODE_USED_UP', 'input.code']]);
  const { buyer } = buyers[lost[0]!]!;
  const { hold: held } = holds[lost[0]!];
  const { hold: still } = await buyer.run('query ($id: ID!) { hold(id: $id) { state } }', { id: held.id });
  expect(still).toEqual({ state: 'HELD' });
  const { order } = await checkOut(buyer, held, { withoutCode: true });
  expect(order.total).toEqual(held.totalWithoutCode);
  expect(order.lines.map(amountsOf)).toEqual([[1000, 100, 0, 0, 1100]]);
  await pay(app, followOrder(buyer, order.id));
  expect(await intentOf(app, order.id)).toMatchObject({ amount: 1100, amount_received: 1100 });
  expect(await usesOf(hall)).toBe(2);
});

test('Promise 20: a use is counted once an order, however often its checkout is asked for', async () => {
  const hall = await hallWithCode({ maxUses: 3 });
  const buyer = await app.guest();
  const { hold: held } = await hold(buyer, hall, ['1-1', '1-2']);
  const answers = await together(
    hall,
    Array(6).fill(() => checkOut(buyer, held)),
  );
  const ids = [...new Set([...answers, await checkOut(buyer, held)].map(({ order }) => order.id))];
  expect(ids).toHaveLength(1);
  expect(await usesOf(hall)).toBe(1);
  await pay(app, followOrder(buyer, ids[0]));
  await checkOut(buyer, held);
  expect(await usesOf(hall)).toBe(1);
});

describe('Promise 20: a use is given back, once, by an order that', () => {
  type Started = Awaited<ReturnType<typeof begin>>;
  const ends: Record<string, (hall: TestHall, order: Started) => Promise<string>> = {
    'is called off': async (_hall, { buyer, orderId }) => {
      await buyer.mutate('cancelOrder', { orderId, idempotencyKey: newKey() }, orderFields);
      return 'CANCELED';
    },
    'is not paid in time': async (hall) => {
      await app.advance(hall.eventId, pastPayByMs);
      return 'EXPIRED';
    },
    'is paid too late': async (hall, order) => {
      const { payment } = await followOrder(order.buyer, order.orderId).next();
      const { resume } = await stall(app, order);
      await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
      await app.advance(hall.eventId, pastFreeAtMs);
      await hold(await app.guest(), hall, ['1-1'], null);
      await resume();
      return 'LOST';
    },
    'is refunded in full': async (_hall, { orderId, stream }) => {
      await pay(app, stream);
      await app.organizer.mutate('refundOrder', { orderId, idempotencyKey: newKey() }, orderFields);
      return 'REFUNDED';
    },
  };

  test.each(Object.keys(ends))('%s', async (name) => {
    const hall = await hallWithCode({ maxUses: 2 });
    const kept = await begin(hall, ['2-1']);
    await pay(app, kept.stream);
    const order = await begin(hall, ['1-1']);
    expect(await usesOf(hall)).toBe(2);
    const state = await ends[name]!(hall, order);
    await ended(followOrder(order.buyer, order.orderId), state);
    expect(await usesOf(hall)).toBe(1);
    // As if the process had died before it heard that this was written: the step is taken again.
    await app.sql(
      `UPDATE order_step SET finished_at = NULL, run_at = '2000-01-01' WHERE order_id = $1 AND step = 'RELEASE'`,
      [order.orderId],
    );
    await eventually(async () => {
      const open = await app.sql('SELECT FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [order.orderId]);
      expect(open).toEqual([]);
    });
    expect(await usesOf(hall)).toBe(1);
    expect((await hold(await app.guest(), hall, ['1-9'])).hold.total.amountMinor).toBe(850);
  });
});

test('Promise 20: a use that was reserved for an order that is never written is given back by time, and not before', async () => {
  const hall = await hallWithCode({ maxUses: 1 });
  const buyer = await app.guest();
  const { hold: held } = await hold(buyer, hall, ['1-1']);
  await app.sql('ALTER TABLE order_line ADD CONSTRAINT refused CHECK (false) NOT VALID');
  const query = 'mutation ($input: StartCheckoutInput!) { startCheckout(input: $input) { order { id } } }';
  const { errors } = await buyer.send(query, {
    input: { holdId: held.id, fence: held.fence, idempotencyKey: newKey() },
  });
  await app.sql('ALTER TABLE order_line DROP CONSTRAINT refused');
  expect(errors).toHaveLength(1);
  const { codes } = app.server.services;
  await codes.sweep();
  expect(await usesOf(hall)).toBe(1);
  await app.advance(hall.eventId, limits.codeReservationMs + 1_000);
  await Promise.all([codes.sweep(), codes.sweep()]);
  expect(await usesOf(hall)).toBe(0);
  expect(await checkOut(buyer, held)).toMatchObject({ order: null, errors: [{ code: 'HOLD_EXPIRED' }] });
  expect(await usesOf(hall)).toBe(0);
  const next = await begin(hall, ['1-1']);
  await app.advance(hall.eventId, limits.codeReservationMs + 1_000);
  await codes.sweep();
  expect(await usesOf(hall)).toBe(1);
  await pay(app, next.stream);
});

test('A code that takes the whole price off takes the fee as well: the order gets its tickets without asking the provider', async () => {
  const hall = await createHall(app.organizer);
  await saveCode(hall, 'FREE', { discount: { basisPoints: 10_000 } });
  const buyer = await app.guest();
  const { hold: held } = await hold(buyer, hall, ['1-1'], 'free');
  expect(held.seats.map(amountsOf)).toEqual([[0, 0, 0, 1000, 0]]);
  const { order } = await checkOut(buyer, held);
  const done = await ended(followOrder(buyer, order.id), 'COMPLETED');
  expect(done.tickets).toMatchObject([{ seatId: '1-1', state: 'VALID' }]);
  expect(await intentsOf(app, order.id)).toEqual([]);
  expect(await usesOf(hall)).toBe(1);
});

test('An event has its codes by name, and only its organizer reads them', async () => {
  const hall = await hallWithCode({ maxUses: 5 });
  await begin(hall, ['1-1']);
  await begin(hall, ['1-2']);
  const changed = await saveCode(hall, 'quarter', { discount: { amountMinor: 50 }, maxUses: 2 });
  expect(changed.code).toMatchObject({ code: 'QUARTER', uses: 2, maxUses: 2, active: true });
  expect(refusalOf(await saveCode(hall, 'quarter', { ...quarter, maxUses: 1 }))).toEqual([
    ['INVALID_INPUT', 'input.maxUses'],
  ]);
  const query = `query ($id: ID!) { event(id: $id) { codes { code basisPoints amount { amountMinor currency } categoryIds uses maxUses active } } }`;
  const { event } = await app.organizer.run(query, { id: hall.eventId });
  expect(event.codes).toEqual([
    {
      code: 'QUARTER',
      basisPoints: null,
      amount: { amountMinor: 50, currency: 'EUR' },
      categoryIds: null,
      uses: 2,
      maxUses: 2,
      active: true,
    },
  ]);
  for (const other of [app.anonymous, await app.guest()])
    expect((await other.run(query, { id: hall.eventId })).event.codes).toEqual([]);
});
