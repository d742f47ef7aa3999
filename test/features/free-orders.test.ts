import { startTestApp, type TestApp } from '../support/app.js';
import { booksOfApp, expectBooksBalance, readSeats } from '../support/books.js';
import type { ApiClient, Data } from '../support/client.js';
import {
  createHall,
  type HallOptions,
  holdSeats,
  newKey,
  orderStream,
  salesTotals,
  startCheckout,
} from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { ended, followOrder, holdUpWriting, readOrder } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

test('An order that costs nothing gets its tickets without asking the provider', async () => {
  const prices = [{ category: 'Stalls', priceMinor: 0, feeMinor: 0 }];
  const { eventId, rows } = await createHall(app.organizer, { event: { prices } });
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, eventId, { seatIds: rows[0]!.slice(0, 2) });
  const { order } = await startCheckout(buyer, hold);
  const stream = buyer.subscribe(orderStream, { orderId: order.id });
  const done = await stream.until(({ state }) => state === 'COMPLETED');
  expect(done.tickets.map((ticket: { state: string }) => ticket.state)).toEqual(['VALID', 'VALID']);
  expect(await app.provider.intents()).toEqual([]);
  expect(await salesTotals(app.organizer, eventId)).toMatchObject({ available: 18, sold: 2, held: 0, issuing: 0 });
});

describe('An order that asks nothing of the provider and is called off', () => {
  const free = { event: { prices: [{ category: 'Stalls', priceMinor: 0, feeMinor: 0 }] } };

  const tries = (orderId: string, count: number) =>
    eventually(async () => {
      const steps = await app.sql('SELECT step, tries, lease FROM order_step WHERE order_id = $1', [orderId]);
      expect(steps).toEqual([{ step: 'CREATE', tries: count, lease: expect.any(String) }]);
    });

  const kinds: readonly [string, HallOptions, () => Promise<ApiClient>, string][] = [
    ['a free one', free, () => app.guest(), 'ONLINE'],
    ['one for cash', {}, async () => app.organizer, 'CASH'],
    ['one on account', {}, async () => app.organizer, 'INVOICE'],
  ];
  const moments: readonly [string, (orderId: string) => Promise<void>, readonly string[]][] = [
    // Whoever has the step has judged already that nothing is to be asked: the seats would be sold next.
    ['just before its tickets', async () => {}, ['CREATE', 'ISSUE', 'RELEASE']],
    [
      'before its first step was tried again',
      async (orderId) => {
        await app.sql(`UPDATE order_step SET leased_until = '2000-01-01' WHERE order_id = $1`, [orderId]);
        await tries(orderId, 2);
      },
      ['CREATE', 'RELEASE'],
    ],
  ];
  const cases = kinds.flatMap((kind) => moments.map((moment) => [kind[0], moment[0], kind, moment] as const));
  test.each(cases)(
    '%s, %s: no tickets come into being, and its seats go back',
    async (_kind, _moment, kind, moment) => {
      const [, options, buyerOf, method] = kind;
      const [, goOn, steps] = moment;
      const [hall, other] = [await createHall(app.organizer, options), await createHall(app.organizer)];
      const buyer = await buyerOf();
      const { hold } = await holdSeats(buyer, hall.eventId, { seatIds: hall.rows[0]!.slice(0, 2) });
      const writing = await holdUpWriting(app, other);
      const input = { holdId: hold.id, fence: hold.fence, method, idempotencyKey: newKey() };
      const { id: orderId } = (await buyer.mutate('startCheckout', input, 'order { id }')).order;
      await tries(orderId, 1);
      const { order, errors } = await buyer.mutate(
        'cancelOrder',
        { orderId, idempotencyKey: newKey() },
        'order { state }',
      );
      expect([order, errors]).toEqual([{ state: 'CANCELING' }, []]);
      await goOn(orderId);
      await writing.release();
      await ended(followOrder(buyer, orderId), 'CANCELED');
      expect(await readOrder({ buyer, orderId })).toMatchObject({ endReason: 'CANCELED', tickets: [] });
      const taken = await app.sql<Data>('SELECT step FROM order_step WHERE order_id = $1 ORDER BY finished_at, step', [
        orderId,
      ]);
      expect(taken.map(({ step }) => step)).toEqual(steps);
      for (const table of ['ticket', 'seat_owner', 'posting'])
        expect(await app.sql(`SELECT FROM ${table} WHERE order_id = $1`, [orderId])).toEqual([]);
      const books = booksOfApp(app, hall.eventId);
      expect((await readSeats(books)).counts).toMatchObject({ '.': 20, h: 0, i: 0, s: 0 });
      await expectBooksBalance(books);
    },
  );
});
