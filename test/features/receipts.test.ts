import { randomUUID } from 'node:crypto';
import { findPort } from '../../sandbox/services/process.js';
import { limits } from '../../src/limits.js';
import { Receipts } from '../../src/services/receipts.js';
import { startApiProcess } from '../support/api-process.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { ApiClient, type Data } from '../support/client.js';
import { createHall, holdSeats, newKey, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { holdLock } from '../support/locks.js';
import { type Mailbox, startMailbox } from '../support/mailbox.js';
import { ended, followOrder, pay } from '../support/orders.js';
import { textsOfPdf } from '../support/pdf.js';

// Several processes start one after the other.
jest.setTimeout(180_000);

let app: TestApp;
let mailbox: Mailbox;
beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startTestApp({ env: { SMTP_URL: mailbox.smtpUrl } });
});
afterAll(async () => {
  await app.close();
  await mailbox.stop();
});

let addresses = 0;
const newAddress = () => `buyer${++addresses}@example.com`;

interface Purchase {
  readonly buyer: ApiClient;
  readonly orderId: string;
}

/** An order that is not paid yet. */
async function order(
  { eventId }: TestHall,
  seatIds: readonly string[],
  options: { readonly on?: TestApp; readonly as?: ApiClient; readonly buyer?: object } = {},
): Promise<Purchase> {
  const buyer = options.as ?? (await (options.on ?? app).guest());
  const { hold } = await holdSeats(buyer, eventId, { seatIds });
  const input = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
  const { order, errors } = await buyer.mutate(
    'startCheckout',
    { ...input, ...(options.buyer && { buyer: options.buyer }) },
    'order { id }',
  );
  expect(errors).toEqual([]);
  return { buyer, orderId: order.id };
}

async function buy(...wish: Parameters<typeof order>): Promise<Purchase> {
  const purchase = await order(...wish);
  await pay(wish[2]?.on ?? app, followOrder(purchase.buyer, purchase.orderId));
  return purchase;
}

const fields = 'kind number issuedAt total { amountMinor currency } path pathExpiresAt';

const documentsOf = async ({ buyer, orderId }: Purchase): Promise<Data> =>
  (
    await buyer.run(`query ($id: ID!) { order(id: $id) { receipt { ${fields} } creditNotes { ${fields} } } }`, {
      id: orderId,
    })
  ).order;

const receiptOf = (purchase: Purchase): Promise<Data> =>
  eventually(async () => {
    const { receipt } = await documentsOf(purchase);
    expect(receipt).not.toBeNull();
    return receipt;
  });

async function download(path: string, on = app): Promise<Buffer> {
  const response = await fetch(`${on.url}${path}`);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/pdf']);
  return Buffer.from(await response.arrayBuffer());
}

const textsAt = async (path: string): Promise<string[]> => textsOfPdf(await download(path));

const mailOf = async (orderId: string, on = app): Promise<Data> =>
  (await on.sql<Data>('SELECT id, mail, number FROM receipt WHERE order_id = $1', [orderId]))[0];

const noJobsLeft = (on = app) =>
  eventually(async () => expect(await on.sql('SELECT last_error FROM graphile_worker.jobs')).toEqual([]));

/** As the step that pays money back leaves it. */
async function refunded(orderId: string, amountMinor: number, seats: readonly number[], reason = 'ORGANIZER') {
  await app.sql(
    `INSERT INTO refund (id, order_id, reason, amount_minor, seats, state, done, created_at) VALUES ($1, $2, $3, $4, $5, 'PENDING', true, now())`,
    [randomUUID(), orderId, reason, amountMinor, seats],
  );
}

describe('A receipt', () => {
  test('says who has sold what to whom, and its sums are those of the order', async () => {
    const seller = { legalName: 'Halle GmbH', address: 'Am Platz 1\n99084 Erfurt', taxId: 'DE123456789' };
    expect(await app.organizer.mutate('updateSeller', seller, 'seller { legalName address taxId }')).toMatchObject({
      seller,
      errors: [],
    });
    const hall = await createHall(app.organizer, { event: { timeZone: 'Asia/Tokyo' } });
    const buyer = { name: 'Łucja Šimić', address: 'Rue de l’Été 5\n1000 Bruxelles', email: ` ${newAddress()}` };
    const purchase = await order(hall, hall.rows[0]!.slice(0, 2), { buyer });
    await app.sql(
      `UPDATE order_line SET tax_basis_points = 1900, tax_minor = 160, fee_tax_minor = 16, discount_minor = 250 WHERE order_id = $1 AND seat_index = 0`,
      [purchase.orderId],
    );
    await app.sql(
      `UPDATE order_line SET tax_basis_points = 700, tax_minor = 65, fee_tax_minor = 7 WHERE order_id = $1 AND seat_index = 1`,
      [purchase.orderId],
    );
    await pay(app, followOrder(purchase.buyer, purchase.orderId));
    const receipt = await receiptOf(purchase);
    expect(receipt).toMatchObject({ kind: 'RECEIPT', total: { amountMinor: 2_200, currency: 'EUR' } });
    const texts = await textsAt(receipt.path);
    expect(texts[0]).toBe(`Receipt ${receipt.number}`);
    expect(texts).toEqual(
      expect.arrayContaining([
        ...['Halle GmbH', 'Am Platz 1', '99084 Erfurt', 'Tax id: DE123456789'],
        ...['Lucja Šimic', '1000 Bruxelles', buyer.email.trim(), `Order: ${purchase.orderId}`],
        'Event: Test event, 2030-01-02 04:00 (Asia/Tokyo)',
      ]),
    );
    const rows = texts.slice(texts.indexOf('Description'));
    expect(rows).toEqual([
      ...['Description', 'Price', 'Discount', 'Fee', 'Tax rate', 'Tax', 'Total'],
      ...['Floor, row 1, seat 1', '12.50 EUR', '-2.50 EUR', '1.00 EUR', '19 %', '1.76 EUR', '11.00 EUR'],
      ...['Floor, row 1, seat 2', '10.00 EUR', '1.00 EUR', '7 %', '0.72 EUR', '11.00 EUR'],
      'Total: 22.00 EUR',
      ...['Contained tax', 'Net', 'Tax', 'Gross'],
      ...['7 %', '10.28 EUR', '0.72 EUR', '11.00 EUR'],
      ...['19 %', '9.24 EUR', '1.76 EUR', '11.00 EUR'],
    ]);
  });

  test('has the decimals of its currency', async () => {
    const hall = await createHall(app.organizer, { event: { currency: 'JPY' } });
    const { path } = await receiptOf(await buy(hall, ['1-1']));
    expect(await textsAt(path)).toContain('Total: 1100 JPY');
  });

  test('never changes, whatever the organizer changes, and is the same file wherever it is made', async () => {
    await app.organizer.mutate('updateSeller', { legalName: 'Before' }, 'seller { legalName }');
    const hall = await createHall(app.organizer);
    const purchase = await buy(hall, ['1-1']);
    const { path } = await receiptOf(purchase);
    const file = await download(path);
    await app.organizer.mutate('updateSeller', {}, 'seller { legalName }');
    const { platform, tokens } = app.server.services;
    const url = new URL(path, app.url);
    const elsewhere = new Receipts(platform, tokens);
    const again = await elsewhere.open(url.pathname.split('/')[2]!, url.searchParams.get('token')!);
    expect(again!.pdf.equals(file)).toBe(true);
    expect(textsOfPdf(file)).toContain('Before');
    expect(await textsAt((await receiptOf(await buy(hall, ['1-2']))).path)).toContain('Test organizer');
    await expect(app.sql(`UPDATE receipt SET facts = '{}' WHERE order_id = $1`, [purchase.orderId])).rejects.toThrow(
      'append-only',
    );
  });

  test("is read by whoever has its link, until that expires, and by nobody else's", async () => {
    const hall = await createHall(app.organizer);
    const [mine, other] = [await buy(hall, ['1-1']), await buy(hall, ['1-2'])];
    const [own, foreign] = [await receiptOf(mine), await receiptOf(other)];
    await download(own.path);
    expect(await documentsOf({ buyer: other.buyer, orderId: mine.orderId })).toBeNull();
    expect(await documentsOf({ buyer: app.organizer, orderId: mine.orderId })).toBeNull();
    const [id, token] = [own.path.split('?')[0], foreign.path.split('token=')[1]];
    const wrong = [
      id,
      `${id}?token=`,
      `${id}?token=${token}`,
      `${id}?token=${mine.buyer.token}`,
      `${id}?token=a&token=b`,
    ];
    for (const path of wrong) expect((await fetch(`${app.url}${path}`)).status).toBe(403);
    expect((await fetch(`${app.url}/receipts/${'x'.repeat(50)}?token=${token}`)).status).toBe(403);
    app.clock.advance(limits.receiptLinkMs + 1_000);
    try {
      expect((await fetch(`${app.url}${own.path}`)).status).toBe(403);
    } finally {
      app.clock.advance(-limits.receiptLinkMs - 1_000);
    }
  });
});

describe('Numbers', () => {
  test('Promise 32: receipts of many orders, numbered by three processes at once, have numbers without gaps', async () => {
    const others = await startApiProcess({
      PORT: String(await findPort()),
      WEB_CONCURRENCY: '2',
      DATABASE_URL: app.stores.databaseUrl,
      REDIS_URL: app.stores.redisUrl,
      STRIPE_SECRET_KEY: app.provider.secretKey,
      STRIPE_WEBHOOK_SECRET: app.provider.webhookSecret,
      STRIPE_API_URL: app.provider.url,
      TOKEN_KEY_FILE: app.config.tokenKeyFile,
      SMTP_URL: mailbox.smtpUrl,
      LOG_LEVEL: 'silent',
    });
    try {
      const hall = await createHall(app.organizer, { rows: 5, event: { waitingRoom: 'NEVER' } });
      // Until this is let go, nobody gets a number: all three are caught with orders that they want to number.
      const lock = await holdLock(
        app.stores.databaseUrl,
        `INSERT INTO receipt_counter (organizer_id, kind) SELECT id, 'RECEIPT' FROM organizer
         ON CONFLICT (organizer_id, kind) DO UPDATE SET last = receipt_counter.last`,
      );
      const [last, ...seatIds] = hall.rows.flat();
      const purchases = await Promise.all(seatIds.map((seatId) => buy(hall, [seatId])));
      await lock.blocked(3);
      await lock.commit();
      await Promise.all(purchases.map(receiptOf));
      // Whoever came to nothing has used up no number either.
      await receiptOf(await buy(hall, [last!]));
      const numbered = await app.sql<{ number: number }>(
        `SELECT number FROM receipt WHERE kind = 'RECEIPT' ORDER BY organizer_id, number`,
      );
      expect(numbered.length).toBeGreaterThanOrEqual(50);
      expect(numbered.map(({ number }) => number)).toEqual(numbered.map((_, at) => at + 1));
    } finally {
      await others.stop();
    }
  });
});

describe('A credit note', () => {
  test('is over the seats that were given up, in a series of its own, and names the receipt', async () => {
    const hall = await createHall(app.organizer);
    const email = newAddress();
    const purchase = await buy(hall, ['1-1', '1-2'], { buyer: { email } });
    const receipt = await receiptOf(purchase);
    await refunded(purchase.orderId, 1_100, [1]);
    const notes = await eventually(async () => {
      const { creditNotes } = await documentsOf(purchase);
      expect(creditNotes).toHaveLength(1);
      return creditNotes;
    });
    expect(notes[0]).toMatchObject({ kind: 'CREDIT_NOTE', number: 'C-000001', total: { amountMinor: 1_100 } });
    const texts = await textsAt(notes[0].path);
    expect(texts).toEqual(
      expect.arrayContaining([
        'Credit note C-000001',
        `For receipt: ${receipt.number}`,
        'Floor, row 1, seat 2',
        'Total: 11.00 EUR',
      ]),
    );
    expect(texts).not.toContain('Floor, row 1, seat 1');
    const mail = await mailbox.newest(email, 2);
    expect(mail.subject).toBe('Your credit note for Test event');
    expect(textsOfPdf(await mailbox.attachment(mail))).toEqual(texts);
  });

  test('is made once a refund, of fees kept or any amount as well, and never of money that is sent once more', async () => {
    const hall = await createHall(app.organizer);
    const purchase = await buy(hall, ['1-1', '1-2']);
    await refunded(purchase.orderId, 1_000, [0]);
    await refunded(purchase.orderId, 333, []);
    await refunded(purchase.orderId, 333, [], 'AGAIN');
    const notes = await eventually(async () => {
      const unseen = await app.sql('SELECT FROM refund WHERE receipt_at IS NULL');
      expect(unseen).toEqual([]);
      return (await documentsOf(purchase)).creditNotes;
    });
    expect(notes.map(({ total }: Data) => total.amountMinor)).toEqual([1_000, 333]);
    expect(await textsAt(notes[0].path)).toEqual(expect.arrayContaining(['Floor, row 1, seat 1', '0.00 EUR']));
    expect(await textsAt(notes[1].path)).toEqual(expect.arrayContaining(['Part of the price', 'Total: 3.33 EUR']));
  });
});

describe('The mail with a receipt', () => {
  test('goes where the buyer has said, with the PDF', async () => {
    const hall = await createHall(app.organizer);
    const email = newAddress();
    const purchase = await buy(hall, ['1-1'], { buyer: { email } });
    const mail = await mailbox.newest(email);
    const { number, path } = await receiptOf(purchase);
    expect(mail.subject).toBe('Your receipt for Test event');
    expect(mail.text).toContain(`${number} over 11.00 EUR`);
    expect(mail.attachments).toMatchObject([{ name: `${number}.pdf`, type: 'application/pdf' }]);
    expect((await mailbox.attachment(mail)).equals(await download(path))).toBe(true);
  });

  test('goes to the address that the session has proved, unless the buyer says another', async () => {
    const hall = await createHall(app.organizer);
    const email = newAddress();
    await app.anonymous.mutate('requestEmailCode', { email }, 'request { email }');
    const code = /\d{8}/.exec((await mailbox.newest(email)).text)![0];
    const { session } = await app.anonymous.mutate('confirmEmail', { email, code }, 'session { token }');
    const as = new ApiClient(app.url, session.token);
    try {
      await buy(hall, ['1-1'], { as });
      expect((await mailbox.newest(email, 2)).attachments).toHaveLength(1);
      const other = newAddress();
      await buy(hall, ['1-2'], { as, buyer: { email: other } });
      await mailbox.newest(other);
      expect(await mailbox.all(email)).toHaveLength(2);
    } finally {
      as.close();
    }
  });

  test('about an order that cost nothing lists its places, without a number and without a receipt', async () => {
    const prices = [{ category: 'Stalls', priceMinor: 0, feeMinor: 0 }];
    const hall = await createHall(app.organizer, { event: { prices } });
    const email = newAddress();
    const purchase = await order(hall, ['1-1', '1-2'], { buyer: { email } });
    await ended(followOrder(purchase.buyer, purchase.orderId), 'COMPLETED');
    const mail = await mailbox.newest(email);
    expect(mail.subject).toBe('Your tickets for Test event');
    expect(mail.text).toContain('- Floor, row 1, seat 1\n- Floor, row 1, seat 2\n');
    expect(mail.attachments).toEqual([]);
    expect(await documentsOf(purchase)).toEqual({ receipt: null, creditNotes: [] });
  });

  test('Promise 33: is sent once, however often its job is run', async () => {
    const hall = await createHall(app.organizer);
    const email = newAddress();
    const { orderId } = await buy(hall, ['1-1'], { buyer: { email } });
    const { id } = await eventually(async () => {
      const row = await mailOf(orderId);
      expect(row?.mail).toBe('SENT');
      return row;
    });
    for (let time = 0; time < 3; time += 1)
      await app.sql(`SELECT graphile_worker.add_job('receipt', json_build_object('receiptId', $1::text))`, [id]);
    await noJobsLeft();
    expect(await mailbox.all(email)).toHaveLength(1);
  });

  test.each([
    ['a name', 'name', { name: 'A\r\nBcc: other@example.com' }],
    ['an address to mail to', 'email', { email: 'a@example.com\r\nBcc: other@example.com' }],
    ['two addresses to mail to', 'email', { email: 'a@example.com, b@example.com' }],
    ['a postal address', 'address', { address: 'Street\u0000' }],
  ])('cannot be turned elsewhere by %s', async (_what, field, buyer) => {
    const hall = await createHall(app.organizer);
    const guest = await app.guest();
    const { hold } = await holdSeats(guest, hall.eventId, { seatIds: ['1-1'] });
    const input = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey(), buyer };
    const { order, errors } = await guest.mutate('startCheckout', input, 'order { id }');
    expect(order).toBeNull();
    expect(errors).toMatchObject([{ code: 'INVALID_INPUT', path: ['input', 'buyer', field] }]);
  });
});

describe('While the mail server is down', () => {
  test('orders complete, receipts are there, and their mails come when it is back', async () => {
    const port = await findPort();
    const plain = await startTestApp({ env: { SMTP_URL: `smtp://127.0.0.1:${port}` } });
    let late: Mailbox | null = null;
    try {
      const hall = await createHall(plain.organizer);
      const [email, unlucky] = [newAddress(), newAddress()];
      const first = await buy(hall, ['1-1'], { on: plain, buyer: { email } });
      await download((await receiptOf(first)).path, plain);
      await eventually(async () => {
        const jobs = await plain.sql<Data>(
          'SELECT last_error, run_at > now() AS later FROM graphile_worker.jobs WHERE attempts > 0 AND locked_at IS NULL',
        );
        expect(jobs).toEqual([{ last_error: expect.stringContaining('could not be mailed yet'), later: true }]);
      });
      expect((await mailOf(first.orderId, plain)).mail).toBe('WAITING');
      // Another one is tried for the last time.
      const second = await buy(hall, ['1-2'], { on: plain, buyer: { email: unlucky } });
      await eventually(async () => {
        const { id } = await mailOf(second.orderId, plain);
        const [changed] = await plain.sql<Data>(
          `UPDATE graphile_worker._private_jobs SET attempts = max_attempts - 1, run_at = now() WHERE key = 'receipt:' || $1 AND locked_at IS NULL RETURNING id`,
          [id],
        );
        expect(changed).toHaveLength(1);
      });
      await eventually(async () => expect((await mailOf(second.orderId, plain)).mail).toBe('FAILED'));
      late = await startMailbox(port);
      // As if its pause were over.
      await plain.sql('UPDATE graphile_worker._private_jobs SET run_at = now() WHERE locked_at IS NULL');
      expect((await late.newest(email)).subject).toBe('Your receipt for Test event');
      await noJobsLeft(plain);
      expect(await late.all(unlucky)).toEqual([]);
    } finally {
      await plain.close();
      await late?.stop();
    }
  });

  test('and where none is configured, receipts are made all the same and nothing waits to be mailed', async () => {
    const plain = await startTestApp();
    try {
      const hall = await createHall(plain.organizer);
      const purchase = await buy(hall, ['1-1'], { on: plain, buyer: { email: newAddress() } });
      await download((await receiptOf(purchase)).path, plain);
      expect((await mailOf(purchase.orderId, plain)).mail).toBeNull();
      expect(await plain.sql('SELECT FROM graphile_worker.jobs')).toEqual([]);
    } finally {
      await plain.close();
    }
  });
});
