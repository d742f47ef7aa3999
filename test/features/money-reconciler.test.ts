import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { moneyAlarms } from '../../src/domain/money-differences.js';
import { limits } from '../../src/limits.js';
import { globalKeys } from '../../src/redis/keys.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance } from '../support/books.js';
import { createHall, newKey, orderSelection, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { type Checkout, calm, checkOut, ended, intentOf, pay, stall, startOrder } from '../support/orders.js';

let app: TestApp;
let hall: TestHall;
beforeAll(async () => {
  app = await startTestApp();
  // From here on money is compared when a test says so.
  await app.server.services.platform.redis.set(globalKeys.moneyTurn, 'test');
});
beforeEach(async () => {
  hall = await createHall(app.organizer);
  // Whatever an earlier test had set the time to and left behind.
  await app.sql(`UPDATE money_cursor SET compared_to = now() - interval '1 hour', window_to = NULL, after = NULL`);
  await app.sql('UPDATE money_difference SET ended_at = now() WHERE ended_at IS NULL');
});
afterAll(() => app.close());
afterEach(async () => {
  await app.provider.clearFaults();
  await app.provider.settings({ refundMode: 'succeed' });
  await calm(app);
});

/** A round of comparing, once everything that has happened is older than this. */
async function compare(ageMs: number = limits.moneyUnmatchedMs): Promise<void> {
  app.clock.advance(ageMs + 1_000);
  await app.server.services.moneyReconciler.round();
}

interface Found {
  readonly kind: string;
  readonly subject: string;
  readonly detail: string;
  readonly over: boolean;
}

const found = (): Promise<Found[]> =>
  app.sql(
    `SELECT kind, subject, detail, ended_at IS NOT NULL AS over FROM money_difference WHERE event_id = $1 ORDER BY kind, subject`,
    [hall.eventId],
  );

const kinds = async (): Promise<string[]> => (await found()).map(({ kind }) => kind);

const expectOver = async (): Promise<void> => expect((await found()).filter(({ over }) => !over)).toEqual([]);

const expectBooks = (): Promise<void> => expectBooksBalance(booksOfApp(app, hall.eventId));

/** Nothing is left to do for this order; answers its state. */
const atRest = (orderId: string): Promise<string> =>
  eventually(async () => {
    expect(await app.sql('SELECT FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [orderId])).toEqual([]);
    const [order] = await app.sql<{ state: string }>('SELECT state FROM orders WHERE id = $1', [orderId]);
    return order!.state;
  });

/** What becomes of an order's open step while nobody has it. */
async function meddle(orderId: string, change: string): Promise<void> {
  await eventually(async () => {
    const changed = await app.sql(
      `${change} WHERE order_id = $1 AND finished_at IS NULL AND lease IS NULL RETURNING 1`,
      [orderId],
    );
    expect(changed).toEqual([[expect.anything()], 1]);
  });
}

const loseStep = (orderId: string) => meddle(orderId, 'DELETE FROM order_step');

async function buy(seats: readonly string[] = ['1-1']): Promise<string> {
  const { orderId, stream } = await startOrder(app, hall, seats);
  await pay(app, stream);
  return orderId;
}

/** The ledger says that something was paid back of which the provider has never heard. */
async function pretendRefund(orderId: string, providerId: string): Promise<void> {
  await app.sql(
    `INSERT INTO refund (id, order_id, reason, amount_minor, state, done, provider_id, created_at)
     VALUES (gen_random_uuid(), $1, 'ORGANIZER', 500, 'SUCCEEDED', true, $2, now())`,
    [orderId, providerId],
  );
  await app.sql('UPDATE orders SET refunded_minor = 500 WHERE id = $1', [orderId]);
}

const authorise = ({ payment }: Checkout) => app.provider.confirm(payment.clientSecret, 'pm_card_visa');

describe('Promise 21: money without tickets for a minute is an alarm, and the order gets them without a human', () => {
  const causes: readonly [string, (checkout: Checkout) => Promise<unknown>][] = [
    ['its webhook was lost', authorise],
    [
      'it was taken at the provider and all its webhooks were lost',
      async (checkout) => {
        await authorise(checkout);
        await app.provider.client().paymentIntents.capture(checkout.payment.paymentIntentId);
      },
    ],
    [
      'whoever had its step never came back',
      async (checkout) => {
        await app.provider.settings({ webhookLossRate: 0 });
        await stall(app, checkout);
        await authorise(checkout);
      },
    ],
    [
      'it has no step any more',
      async (checkout) => {
        await loseStep(checkout.orderId);
        await authorise(checkout);
      },
    ],
  ];
  test.each(causes)('when %s', async (_cause, happen) => {
    const checkout = await checkOut(app, hall, ['1-1']);
    await app.provider.settings({ webhookLossRate: 1 });
    await happen(checkout);
    await compare();
    expect(await kinds()).toContain('PAID_WITHOUT_TICKETS');
    expect((await ended(checkout.stream, 'COMPLETED')).tickets).toMatchObject([{ state: 'VALID' }]);
    await compare();
    await expectOver();
    await expectBooks();
  });
});

describe('Promise 21: tickets without captured money for a minute are an alarm, and the money is captured without a human', () => {
  const causes: readonly [string, (orderId: string) => Promise<unknown>][] = [
    ['when its step was put off for good', (orderId) => meddle(orderId, `UPDATE order_step SET run_at = '2100-01-01'`)],
    ['when it has no step any more', loseStep],
  ];
  test.each(causes)('%s', async (_cause, happen) => {
    await app.provider.fail({ endpoint: 'capture', mode: 'unavailable' });
    const checkout = await checkOut(app, hall, ['1-1']);
    await authorise(checkout);
    await ended(checkout.stream, 'CONFIRMED');
    await happen(checkout.orderId);
    await app.provider.clearFaults();
    await compare();
    expect(await kinds()).toEqual(['TICKETS_WITHOUT_MONEY']);
    await ended(checkout.stream, 'COMPLETED');
    await compare();
    await expectOver();
    await expectBooks();
  });
});

describe('A payment of an order that is over', () => {
  /** An order called off, whose payment the provider never heard of that. */
  async function over() {
    const { buyer, orderId, stream } = await checkOut(app, hall, ['1-1']);
    await buyer.mutate('cancelOrder', { orderId, idempotencyKey: newKey() }, orderSelection);
    await ended(stream, 'CANCELED');
    const intent = await app.provider.client().paymentIntents.create({
      amount: 1100,
      currency: 'eur',
      automatic_payment_methods: { enabled: true },
      payment_method_options: { card: { capture_method: 'manual' } },
      metadata: { order_id: orderId, event_id: hall.eventId },
    });
    await app.sql('UPDATE orders SET intent_id = $2 WHERE id = $1', [orderId, intent.id]);
    return { orderId, intentId: intent.id, secret: intent.client_secret! };
  }
  const there = async (id: string) => (await app.provider.intents()).find((intent) => intent.id === id);

  test('that could still be paid is called off', async () => {
    const { orderId, intentId } = await over();
    await compare(limits.moneyRestMs);
    expect(await kinds()).toEqual(['ENDED_PAYABLE']);
    expect(await atRest(orderId)).toBe('CANCELED');
    expect(await there(intentId)).toMatchObject({ status: 'canceled' });
    await compare();
    await expectOver();
    await expectBooks();
  });

  test('that is authorised is let go', async () => {
    const { orderId, intentId, secret } = await over();
    await app.provider.confirm(secret, 'pm_card_visa');
    await compare();
    expect(await kinds()).toEqual(['ENDED_PAID']);
    expect(await atRest(orderId)).toBe('CANCELED');
    expect(await there(intentId)).toMatchObject({ status: 'canceled', amount_received: 0 });
    await compare();
    await expectOver();
    await expectBooks();
  });

  test('that has been taken goes back, once', async () => {
    const { orderId, intentId, secret } = await over();
    await app.provider.confirm(secret, 'pm_card_visa');
    await app.provider.client().paymentIntents.capture(intentId);
    await Promise.all([compare(), compare()]);
    expect(await kinds()).toContain('ENDED_PAID');
    expect(await atRest(orderId)).toBe('REFUNDED');
    await compare();
    expect(await there(intentId)).toMatchObject({ amount_received: 1100, amount_refunded: 1100 });
    expect(await app.sql('SELECT reason, state FROM refund WHERE order_id = $1', [orderId])).toEqual([
      { reason: 'LOST', state: 'SUCCEEDED' },
    ]);
    await expectOver();
    await expectBooks();
  });
});

describe('A payment of which the ledger has no order', () => {
  const make = (eventId: string) =>
    app.provider.client().paymentIntents.create({
      amount: 1100,
      currency: 'eur',
      automatic_payment_methods: { enabled: true },
      payment_method_options: { card: { capture_method: 'manual' } },
      metadata: { order_id: randomUUID(), event_id: eventId },
    });
  const statusOf = async (id: string) => (await app.provider.client().paymentIntents.retrieve(id)).status;

  test('is called off unless it has been taken: then it is an alarm until somebody has looked at it', async () => {
    const [payable, authorised, taken] = [await make(hall.eventId), await make(hall.eventId), await make(hall.eventId)];
    for (const { client_secret } of [authorised, taken]) await app.provider.confirm(client_secret!, 'pm_card_visa');
    await app.provider.client().paymentIntents.capture(taken.id);
    await compare(limits.moneyRestMs);
    expect(await kinds()).toEqual(['UNKNOWN_PAYMENT', 'UNKNOWN_PAYMENT', 'UNKNOWN_PAYMENT']);
    expect(await Promise.all([payable, authorised, taken].map(({ id }) => statusOf(id)))).toEqual([
      'canceled',
      'canceled',
      'succeeded',
    ]);
    await compare();
    expect((await found()).filter(({ over }) => !over)).toMatchObject([{ subject: taken.id }]);
  });

  test('is left alone if its event is of another installation', async () => {
    const other = await make(randomUUID());
    await compare(limits.moneyRestMs);
    expect(await statusOf(other.id)).toBe('requires_payment_method');
  });
});

describe('Amounts that differ between provider and ledger are an alarm', () => {
  test('for what was taken', async () => {
    const orderId = await buy();
    await app.sql('UPDATE orders SET captured_minor = 1000 WHERE id = $1', [orderId]);
    await compare(limits.moneyRestMs);
    expect(await found()).toMatchObject([
      { kind: 'AMOUNT_DIFFERS', detail: 'taken: 1000 here, 1100 there' },
      { kind: 'BOOKS_DIFFER', detail: 'held: 1100 for 1000; owed by the buyer: 0 for 0' },
    ]);
    await app.sql('UPDATE orders SET captured_minor = 1100 WHERE id = $1', [orderId]);
    await compare();
    await expectOver();
  });

  test('for what was paid back', async () => {
    const orderId = await buy();
    await pretendRefund(orderId, 're_never');
    await compare(limits.moneyRestMs);
    expect(await found()).toMatchObject([
      { kind: 'AMOUNT_DIFFERS', detail: 'paid back: re_never: 500 here' },
      { kind: 'BOOKS_DIFFER' },
    ]);
  });
});

describe('What happened at the provider and nobody was told of is taken over', () => {
  const refundsOf = (orderId: string) =>
    app.sql('SELECT reason, state, amount_minor AS minor FROM refund WHERE order_id = $1', [orderId]);

  test('from its list of events', async () => {
    const orderId = await buy(['1-1', '1-2']);
    await app.provider.settings({ webhookLossRate: 1 });
    await app.provider.refund((await intentOf(app, orderId)).id, { amount: 1100 });
    await compare();
    await eventually(async () =>
      expect(await refundsOf(orderId)).toEqual([{ reason: 'PROVIDER', state: 'SUCCEEDED', minor: 1100 }]),
    );
    await atRest(orderId);
    await compare();
    await expectOver();
  });

  test('from what has moved, where even that list says nothing', async () => {
    const orderId = await buy(['1-1', '1-2']);
    const { id } = await intentOf(app, orderId);
    await app.provider.fail({ endpoint: 'listEvents', mode: 'unavailable' });
    await app.provider.settings({ webhookLossRate: 1 });
    await app.provider.refund(id, { amount: 1100 });
    const dispute = await app.provider.dispute(id, { amount: 1100 });
    await compare();
    expect(await kinds()).toEqual(['MOVEMENT_UNKNOWN', 'MOVEMENT_UNKNOWN']);
    const disputed = () => app.sql('SELECT dispute FROM orders WHERE id = $1', [orderId]);
    await eventually(async () => {
      expect(await refundsOf(orderId)).toEqual([{ reason: 'PROVIDER', state: 'SUCCEEDED', minor: 1100 }]);
      expect(await disputed()).toEqual([{ dispute: 'OPEN' }]);
    });
    await app.provider.moveDispute(dispute.id, 'won');
    await compare();
    await eventually(async () => expect(await disputed()).toEqual([{ dispute: 'WON' }]));
    await atRest(orderId);
    await compare();
    await expectOver();
    await expectBooks();
  });

  test('when a refund has been on its way for long', async () => {
    const orderId = await buy();
    await app.provider.fail({ endpoint: 'listEvents', mode: 'unavailable' });
    await app.provider.settings({ webhookLossRate: 1, refundMode: 'pending' });
    await app.organizer.mutate('refundOrder', { orderId, idempotencyKey: newKey() }, 'order { id }');
    await atRest(orderId);
    expect(await refundsOf(orderId)).toMatchObject([{ state: 'PENDING' }]);
    const [refund] = (await app.provider.client().refunds.list({ limit: 1 })).data;
    await app.provider.settleRefund(refund!.id, 'succeeded');
    await compare(limits.moneyRefundRereadMs);
    await eventually(async () => expect(await refundsOf(orderId)).toMatchObject([{ state: 'SUCCEEDED' }]));
    await expectBooks();
  });
});

describe('Promise 21: what the provider did not answer about when it was to be compared is compared in a later round', () => {
  /** The next call about this payment fails, once. */
  const silence = (endpoint: string, matching: string) =>
    app.provider.fail({ endpoint, mode: 'unavailable', times: 1, matching });
  async function compareInVain(): Promise<void> {
    await expect(compare()).rejects.toThrow('does not answer');
    expect(await kinds()).toEqual([]);
    // Stretches of a list overlap a little: this one is left behind.
    app.clock.advance(limits.moneyOverlapMs);
  }

  test('money without tickets', async () => {
    const checkout = await checkOut(app, hall, ['1-1']);
    await app.provider.settings({ webhookLossRate: 1 });
    await authorise(checkout);
    await silence('retrieve', checkout.payment.paymentIntentId);
    await compareInVain();
    await compare();
    expect(await kinds()).toContain('PAID_WITHOUT_TICKETS');
    await ended(checkout.stream, 'COMPLETED');
    await compare();
    await expectOver();
    await expectBooks();
  });

  test('money that has moved', async () => {
    const orderId = await buy(['1-1', '1-2']);
    const { id } = await intentOf(app, orderId);
    await app.provider.fail({ endpoint: 'listEvents', mode: 'unavailable' });
    await app.provider.settings({ webhookLossRate: 1 });
    await app.provider.refund(id, { amount: 1100 });
    await silence('retrieve', id);
    await compareInVain();
    await compare();
    expect(await kinds()).toEqual(['MOVEMENT_UNKNOWN']);
  });

  test('money that should have been paid back', async () => {
    const orderId = await buy();
    await pretendRefund(orderId, 're_unheard_of');
    await silence('listRefunds', (await intentOf(app, orderId)).id);
    await expect(compare(limits.moneyRestMs + limits.moneyOverlapMs)).rejects.toThrow('does not answer');
    expect(await kinds()).toEqual(['BOOKS_DIFFER']);
    await compare(limits.moneyIntentsEveryMs);
    expect(await kinds()).toEqual(['AMOUNT_DIFFERS', 'BOOKS_DIFFER']);
  });
});

test('A refund that nobody carries out is an alarm, and is carried out', async () => {
  const orderId = await buy();
  await app.provider.fail({ endpoint: 'refund', mode: 'unavailable' });
  await app.organizer.mutate('refundOrder', { orderId, idempotencyKey: newKey() }, 'order { id }');
  await eventually(async () => {
    const open = await app.sql('SELECT step FROM order_step WHERE order_id = $1 AND finished_at IS NULL', [orderId]);
    expect(open).toEqual([{ step: 'REFUND' }]);
  });
  await loseStep(orderId);
  await app.provider.clearFaults();
  await compare();
  expect(await kinds()).toEqual(['REFUND_STUCK']);
  expect(await atRest(orderId)).toBe('REFUNDED');
  await compare();
  await expectOver();
  await expectBooks();
});

test('Postings of an order that do not come out are an alarm that names the order', async () => {
  const orderId = await buy();
  await app.sql(
    `INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, organizer, posted_at)
     SELECT id, 'GRANT', 'x', event_id, currency, -5, 5, now() FROM orders WHERE id = $1`,
    [orderId],
  );
  await compare();
  expect(await found()).toEqual([
    {
      kind: 'BOOKS_DIFFER',
      subject: orderId,
      detail: 'held: 1100 for 1100; owed by the buyer: -5 for 0',
      over: false,
    },
  ]);
});

test('Tickets and seats that an order should have and has not are an alarm that names the order, until they are there', async () => {
  const [whole, bare, unsold] = [await buy(['1-1', '1-2']), await buy(['1-3', '1-4']), await buy(['1-5'])];
  await app.sql(
    `UPDATE ticket SET state = 'VOID' WHERE order_id = $1 AND seat_index = (SELECT min(seat_index) FROM ticket WHERE order_id = $1)`,
    [bare],
  );
  await app.sql('DELETE FROM ticket WHERE order_id = $1', [unsold]);
  await app.sql('DELETE FROM seat_owner WHERE order_id = $1', [unsold]);
  await compare();
  const told = await found();
  expect(told).toHaveLength(2);
  expect(told).toEqual(
    expect.arrayContaining([
      {
        kind: 'TICKETS_DIFFER',
        subject: bare,
        detail: 'valid tickets: 1, seats: 2, of them without a ticket: 1; right: 2',
        over: false,
      },
      {
        kind: 'TICKETS_DIFFER',
        subject: unsold,
        detail: 'valid tickets: 0, seats: 0, of them without a ticket: 0; right: 1',
        over: false,
      },
    ]),
  );
  expect(told.map(({ subject }) => subject)).not.toContain(whole);
  await app.sql(`UPDATE ticket SET state = 'VALID' WHERE order_id = $1`, [bare]);
  await compare();
  expect((await found()).filter(({ over }) => !over).map(({ subject }) => subject)).toEqual([unsold]);
});

describe('Promise 21: tickets missing from a sold order are an alarm', () => {
  const loseTickets = (orderId: string) => app.sql('DELETE FROM ticket WHERE order_id = $1', [orderId]);

  test('where it cost nothing, so that nothing was ever posted for it', async () => {
    const prices = [{ category: 'Stalls', priceMinor: 0, feeMinor: 0 }];
    hall = await createHall(app.organizer, { event: { prices } });
    const [{ orderId, stream }, whole] = [await startOrder(app, hall, ['1-1']), await startOrder(app, hall, ['1-2'])];
    await Promise.all([ended(stream, 'COMPLETED'), ended(whole.stream, 'COMPLETED')]);
    await loseTickets(orderId);
    await compare();
    expect(await found()).toMatchObject([{ kind: 'TICKETS_DIFFER', subject: orderId }]);
  });

  test('where it was still moving a minute after the last that was posted for it', async () => {
    const orderId = await buy(['1-1', '1-2']);
    await app.sql(`
      CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.run_at = ''2100-01-01''; RETURN NEW; END'`);
    await app.sql(
      `CREATE TRIGGER put_off BEFORE INSERT ON order_step FOR EACH ROW WHEN (NEW.step = 'RELEASE') EXECUTE FUNCTION put_off()`,
    );
    try {
      const input = { orderId, seatIds: ['1-2'], idempotencyKey: newKey() };
      await app.organizer.mutate('refundOrder', input, 'order { id }');
      await eventually(async () => {
        const open = 'SELECT step FROM order_step WHERE order_id = $1 AND finished_at IS NULL';
        expect(await app.sql(open, [orderId])).toEqual([{ step: 'RELEASE' }]);
      });
    } finally {
      await app.sql('DROP FUNCTION put_off CASCADE');
    }
    await loseTickets(orderId);
    // Stretches of the list overlap a little: by the next one that posting has been left behind.
    await compare(limits.moneyUnmatchedMs + limits.moneyOverlapMs);
    expect(await found()).toEqual([]);
    await meddle(orderId, `UPDATE order_step SET run_at = '2000-01-01'`);
    expect(await atRest(orderId)).toBe('COMPLETED');
    await compare();
    expect(await found()).toMatchObject([{ kind: 'TICKETS_DIFFER', subject: orderId }]);
  });
});

test('docs/operations/payments.md tells of every alarm about money, by its message', () => {
  const text = readFileSync(new URL('../../docs/operations/payments.md', import.meta.url), 'utf8');
  for (const message of Object.values(moneyAlarms)) expect(text).toContain(`| \`${message}\` |`);
});

test('docs/operations/payments.md finds what the comparison does not see by itself', async () => {
  const text = readFileSync(new URL('../../docs/operations/payments.md', import.meta.url), 'utf8');
  const statements = /```sql\n([^`]*)```/.exec(text)![1]!.split(/;\n/).slice(0, 2);
  const idsFound = () =>
    Promise.all(statements.map(async (sql) => (await app.sql<{ id: string }>(sql)).map(({ id }) => id)));
  const bare = await buy(['1-1', '1-2']);
  const given = await buy(['1-3', '1-4']);
  const input = { orderId: given, seatIds: ['1-3'], idempotencyKey: newKey() };
  await app.organizer.mutate('refundOrder', input, 'order { id }');
  await atRest(given);
  const stepless = await checkOut(app, hall, ['1-5']);
  const before = await idsFound();
  await app.sql('DELETE FROM ticket WHERE order_id = $1', [bare]);
  await loseStep(stepless.orderId);
  const after = await idsFound();
  expect(after.map((ids, at) => ids.filter((id) => !before[at]!.includes(id)))).toEqual([[bare], [stepless.orderId]]);
  expect(before.flat()).not.toContain(given);
});
