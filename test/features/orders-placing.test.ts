import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { type Books, booksOfApp, expectBooksBalance, expectSeatsAddUp, readSeats } from '../support/books.js';
import { ApiClient, type Data } from '../support/client.js';
import { createHall, holdSeats, newKey, orderSelection, startCheckout, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { holdLock, inventoryLock } from '../support/locks.js';
import {
  calm,
  checkOut,
  ended,
  followOrder,
  holdUpWriting,
  intentsOf,
  pastFreeAtMs,
  pay,
  stall,
} from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const booksOf = ({ eventId }: TestHall): Books => booksOfApp(app, eventId);

interface Held {
  readonly buyer: ApiClient;
  readonly hold: Data;
}

/** A new buyer with these seats. */
async function hold({ eventId }: TestHall, ...seatIds: readonly string[]): Promise<Held> {
  const buyer = await app.guest();
  const { hold, errors } = await holdSeats(buyer, eventId, { seatIds });
  expect(errors).toEqual([]);
  return { buyer, hold };
}

const checkout = ({ buyer, hold }: Held): Promise<Data> => startCheckout(buyer, hold);

/** Starts these checkouts while another one is being written, so that they are all written next, and answers what they answer. */
async function checkOutTogether(
  hall: TestHall,
  first: Held,
  others: readonly Held[],
  start: (held: Held) => Promise<Data> = checkout,
): Promise<Data[]> {
  const lock = await holdLock(app.stores.databaseUrl, inventoryLock, [`inventory:${hall.eventId}`]);
  const answers = [checkout(first)];
  try {
    await lock.blocked();
    answers.push(...others.map(start));
    for (const { buyer, hold } of others)
      await eventually(async () => {
        const now = await buyer.run('query ($id: ID!) { hold(id: $id) { state } }', { id: hold.id });
        expect(now.hold.state).toBe('CHECKOUT');
      });
  } finally {
    await lock.release();
  }
  return Promise.all(answers);
}

interface WrittenOrder {
  readonly id: string;
  readonly createdAt: Date;
  readonly total: number;
  readonly lines: readonly number[];
  readonly owned: readonly number[];
  readonly firstSteps: number;
}

/** Orders as the ledger has them, in the order in which they are named. */
async function readWritten(orders: readonly Data[]): Promise<WrittenOrder[]> {
  const ids = orders.map(({ id }) => id);
  const rows = await app.sql<WrittenOrder>(
    `SELECT o.id, o.created_at AS "createdAt", o.total_minor AS total,
            ARRAY(SELECT l.seat_index FROM order_line l WHERE l.order_id = o.id ORDER BY 1) AS lines,
            ARRAY(SELECT s.seat_index FROM seat_owner s WHERE s.order_id = o.id ORDER BY 1) AS owned,
            (SELECT count(*)::int FROM order_step p WHERE p.order_id = o.id AND p.step = 'CREATE') AS "firstSteps"
     FROM orders o WHERE o.id = ANY($1)`,
    [ids],
  );
  return ids.map((id) => rows.find((row) => row.id === id)!);
}

const instants = (orders: readonly WrittenOrder[]) => new Set(orders.map(({ createdAt }) => createdAt.getTime()));

test('Of many buyers who check out at once everybody gets one order with the seats they hold, and one payment for it', async () => {
  const hall = await createHall(app.organizer, { rows: 6, seatsPerRow: 10, event: { waitingRoom: 'NEVER' } });
  const pairs = hall.rows.flatMap((row) => [0, 2, 4, 6, 8].map((at) => row.slice(at, at + 2)));
  const held = await Promise.all(pairs.map((seatIds) => hold(hall, ...seatIds)));
  const answers = await checkOutTogether(hall, held[0]!, held.slice(1));
  const orders = answers.map(({ order }) => order);
  const written = await readWritten(orders);
  for (const [at, { hold }] of held.entries()) {
    const seats = hold.seats.map(({ index }: Data) => index);
    expect(written[at]).toMatchObject({ total: 2_200, lines: seats, owned: seats, firstSteps: 1 });
    expect(orders[at].lines.map(({ seatId }: Data) => seatId)).toEqual(pairs[at]);
  }
  expect(instants(written.slice(1)).size).toBe(1);
  await Promise.all(held.map(async ({ buyer }, at) => pay(app, followOrder(buyer, orders[at].id))));
  expect((await app.provider.intents()).filter(({ metadata }) => metadata.event_id === hall.eventId)).toHaveLength(30);
  expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 0, s: 60 });
  await expectBooksBalance(booksOf(hall));
});

test('Promise 16: an order that the ledger cannot write keeps nobody else from buying', async () => {
  const hall = await createHall(app.organizer);
  const [first, bad, good] = await Promise.all(hall.rows[0]!.slice(0, 3).map((seat) => hold(hall, seat)));
  const [, holdId] = bad!.hold.id.split('.');
  await app.sql(
    `CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql
     AS 'BEGIN IF NEW.hold_id = ''${holdId}'' THEN RAISE EXCEPTION USING ERRCODE = ''22P05''; END IF; RETURN NEW; END'`,
  );
  await app.sql('CREATE TRIGGER refuse_one BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse_one()');
  const start = (held: Held) => checkout(held).catch(() => ({ order: null }));
  try {
    const answers = await checkOutTogether(hall, first!, [bad!, good!], start);
    expect(answers.map(({ order }) => order === null)).toEqual([false, true, false]);
  } finally {
    await app.sql('DROP TRIGGER refuse_one ON orders');
  }
});

describe('Promise 16: an outcome that the ledger cannot write keeps no other one from being written, and is written after its pause once it can be', () => {
  test.each([
    ['a name that is taken', '23505'],
    ['data that cannot be', '22003'],
  ])('for %s', async (_why, code) => {
    const hall = await createHall(app.organizer);
    const [first, bad, last] = await Promise.all(hall.rows[0]!.slice(0, 3).map((seat) => hold(hall, seat)));
    const made = () => app.server.services.platform.gateway.calls.counts().outcomes.get('create')?.get('ok') ?? 0;
    const writing = await holdUpWriting(app, hall);
    const before = made();
    const ids: string[] = [];
    for (const held of [first!, bad!, last!]) ids.push((await checkout(held)).order.id);
    // All three payments are made, and to be written down together.
    await eventually(() => expect(made()).toBe(before + 3));
    await app.sql(
      `CREATE FUNCTION refuse_outcome() RETURNS trigger LANGUAGE plpgsql
       AS 'BEGIN IF NEW.order_id = ''${ids[1]}'' THEN RAISE EXCEPTION USING ERRCODE = ''${code}''; END IF; RETURN NEW; END'`,
    );
    await app.sql(
      'CREATE TRIGGER refuse_outcome BEFORE UPDATE ON order_step FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION refuse_outcome()',
    );
    const steps = async () => {
      const read = `SELECT order_id AS id, tries, lease, finished_at IS NOT NULL AS finished, run_at AS "runAt", first_call_at AS "firstCallAt"
        FROM order_step WHERE order_id = ANY($1) AND step = 'CREATE'`;
      const rows = await app.sql<Data>(read, [ids]);
      return ids.map((id) => rows.find((row) => row.id === id)!);
    };
    try {
      await writing.release();
      await eventually(async () => {
        const [one, refused, other] = await steps();
        for (const step of [one, other]) expect(step).toMatchObject({ tries: 1, finished: true });
        expect(refused).toMatchObject({ lease: null, finished: false });
        expect(refused.runAt - refused.firstCallAt).toBeGreaterThanOrEqual(0.75 * limits.stepRetryMs);
      });
    } finally {
      await app.sql('DROP FUNCTION refuse_outcome CASCADE');
    }
    for (const [at, { buyer }] of [first!, bad!, last!].entries()) await pay(app, followOrder(buyer, ids[at]!));
    for (const id of ids) expect(await intentsOf(app, id)).toHaveLength(1);
    expect((await steps())[1]!.tries).toBeGreaterThan(1);
  });
});

test('A buyer who checks out twice at the same time, with one key over two sockets, gets one order and one payment', async () => {
  const hall = await createHall(app.organizer);
  const [other, own] = [await hold(hall, hall.rows[1]![0]!), await hold(hall, ...hall.rows[0]!.slice(0, 2))];
  const devices = [new ApiClient(app.url, own.buyer.token), new ApiClient(app.url, own.buyer.token)];
  const input = { holdId: own.hold.id, fence: own.hold.fence, idempotencyKey: newKey() };
  const document = `mutation ($input: StartCheckoutInput!) { startCheckout(input: $input) { ${orderSelection} errors { __typename } } }`;
  const twice = devices.map((buyer) => ({ buyer, hold: own.hold }));
  const [, ...answers] = await checkOutTogether(hall, other, twice, async ({ buyer }) => {
    const { startCheckout } = await buyer.runOverSocket(document, { input });
    return startCheckout;
  });
  expect(answers.map(({ errors }) => errors)).toEqual([[], []]);
  expect(new Set(answers.map(({ order }) => order.id)).size).toBe(1);
  const { order } = answers[0];
  expect(await readWritten([order])).toMatchObject([{ lines: [0, 1], owned: [0, 1], firstSteps: 1 }]);
  await pay(app, followOrder(own.buyer, order.id));
  expect(await intentsOf(app, order.id)).toHaveLength(1);
  for (const device of devices) device.close();
});

describe('An order whose seats are still those of another one in the ledger', () => {
  /** Somebody whose checkout has come to its end while the worker that has it does not answer: the seat is free for a newer claim. */
  async function arrange() {
    const hall = await createHall(app.organizer);
    const seat = hall.rows[0]![0]!;
    const late = await checkOut(app, hall, [seat]);
    const { resume } = await stall(app, late);
    return { hall, seat, late, resume };
  }

  test('that nobody has paid for is written, and the older one ends LOST', async () => {
    const { hall, seat, late, resume } = await arrange();
    await app.advance(hall.eventId, pastFreeAtMs);
    const { order } = await checkout(await hold(hall, seat));
    expect(await readWritten([order])).toMatchObject([{ lines: [0], owned: [0], firstSteps: 1 }]);
    await resume();
    await ended(late.stream, 'LOST');
    expect(await readWritten([{ id: late.orderId }, order])).toMatchObject([{ owned: [] }, { owned: [0] }]);
  });

  test('is written all the same when it comes together with others, who notice nothing of it', async () => {
    const { hall, seat, late, resume } = await arrange();
    await app.advance(hall.eventId, pastFreeAtMs);
    const first = await hold(hall, hall.rows[1]![0]!);
    const others = await Promise.all(hall.rows[1]!.slice(1, 6).map((seatId) => hold(hall, seatId)));
    const newer = await hold(hall, seat, hall.rows[0]![1]!);
    const together = [...others.slice(0, 2), newer, ...others.slice(2)];
    const answers = await checkOutTogether(hall, first, together);
    expect(answers.map(({ errors }) => errors)).toEqual(answers.map(() => []));
    const written = await readWritten(answers.slice(1).map(({ order }) => order));
    for (const [at, { hold }] of together.entries()) {
      const seats = hold.seats.map(({ index }: Data) => index);
      expect(written[at]).toMatchObject({ lines: seats, owned: seats, firstSteps: 1 });
    }
    expect(instants(written.filter((_, at) => at !== 2)).size).toBe(1);
    await resume();
    await ended(late.stream, 'LOST');
    for (const [at, { buyer }] of together.entries()) await pay(app, followOrder(buyer, answers[at + 1].order.id));
    await expectSeatsAddUp(booksOf(hall));
  });

  test('only from this very moment on is written all the same, and so is whatever comes with it', async () => {
    const { hall, late, resume } = await arrange();
    const held = await Promise.all(hall.rows[1]!.slice(0, 5).map((seatId) => hold(hall, seatId)));
    // Another process is about to give the second of these seats to the older order.
    const other = await holdLock(
      app.stores.databaseUrl,
      `INSERT INTO seat_owner (event_id, seat_index, order_id, generation, fence, state) VALUES ($1, 11, $2, 1, 1, 'PENDING')`,
      [hall.eventId, late.orderId],
    );
    const answering = held.map(checkout);
    await other.blocked();
    await other.commit();
    const answers = await Promise.all(answering);
    expect(answers.map(({ errors }) => errors)).toEqual([[], [], [], [], []]);
    const written = await readWritten(answers.map(({ order }) => order));
    for (const [at, order] of written.entries())
      expect(order).toMatchObject({ lines: [10 + at], owned: [10 + at], firstSteps: 1 });
    await resume();
    await ended(late.stream, 'LOST');
  });

  test('that has been paid for is refused, alone of all that come with it, and the older one keeps its seat', async () => {
    const { hall, seat, late, resume } = await arrange();
    await app.provider.confirm(late.payment.clientSecret, 'pm_card_visa');
    // As if the worker had written down that the money is there, and gone no further.
    await app.sql(`UPDATE orders SET payment = 'AUTHORISED' WHERE id = $1`, [late.orderId]);
    await app.advance(hall.eventId, pastFreeAtMs);
    const first = await hold(hall, hall.rows[1]![0]!);
    const others = await Promise.all(hall.rows[1]!.slice(1, 6).map((seatId) => hold(hall, seatId)));
    const refused = await hold(hall, hall.rows[0]![1]!, seat);
    const together = [...others.slice(0, 2), refused, ...others.slice(2)];
    const [, ...answers] = await checkOutTogether(hall, first, together);
    expect(answers.map(({ errors }) => errors.map(({ code }: Data) => code))).toEqual([
      [],
      [],
      ['SEATS_UNAVAILABLE'],
      [],
      [],
      [],
    ]);
    expect(answers[2].order).toBeNull();
    expect(await app.sql('SELECT FROM orders WHERE hold_id = $1', [refused.hold.id.split('.')[1]])).toEqual([]);
    const orders = answers.flatMap(({ order }) => (order === null ? [] : [order]));
    const written = await readWritten(orders);
    expect(written.map(({ owned }) => owned)).toEqual([[11], [12], [13], [14], [15]]);
    expect(instants(written).size).toBe(1);
    await resume();
    expect((await ended(late.stream, 'COMPLETED')).tickets).toMatchObject([{ state: 'VALID', seatId: seat }]);
    expect((await readSeats(booksOf(hall))).counts).toMatchObject({ '.': 13, h: 6, s: 1 });
    await expectSeatsAddUp(booksOf(hall));
  });
});
