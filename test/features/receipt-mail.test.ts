import { findPort } from '../../sandbox/services/process.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { ApiClient, type Data } from '../support/client.js';
import { createHall, holdSeats, newKey } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { type Mailbox, startMailbox } from '../support/mailbox.js';
import { ended, followOrder } from '../support/orders.js';
import { buy, documentsOf, download, mailOf, newAddress, noJobsLeft, order, receiptOf } from '../support/receipts.js';

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

describe('The mail with a receipt', () => {
  test('goes where the buyer has said, with the PDF', async () => {
    const hall = await createHall(app.organizer);
    const email = newAddress();
    const purchase = await buy(app, hall, ['1-1'], { buyer: { email } });
    const mail = await mailbox.newest(email);
    const { number, path } = await receiptOf(purchase);
    expect(mail.subject).toBe('Your receipt for Test event');
    expect(mail.text).toContain(`${number} over 11.00 EUR`);
    expect(mail.attachments).toMatchObject([{ name: `${number}.pdf`, type: 'application/pdf' }]);
    expect((await mailbox.attachment(mail)).equals(await download(app, path))).toBe(true);
  });

  test('goes to the address that the session has proved, unless the buyer says another', async () => {
    const hall = await createHall(app.organizer);
    const email = newAddress();
    await app.anonymous.mutate('requestEmailCode', { email }, 'request { email }');
    const code = /\d{8}/.exec((await mailbox.newest(email)).text)![0];
    const { session } = await app.anonymous.mutate('confirmEmail', { email, code }, 'session { token }');
    const as = new ApiClient(app.url, session.token);
    try {
      await buy(app, hall, ['1-1'], { as });
      expect((await mailbox.newest(email, 2)).attachments).toHaveLength(1);
      const other = newAddress();
      await buy(app, hall, ['1-2'], { as, buyer: { email: other } });
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
    const purchase = await order(app, hall, ['1-1', '1-2'], { buyer: { email } });
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
    const { orderId } = await buy(app, hall, ['1-1'], { buyer: { email } });
    const { id } = await eventually(async () => {
      const row = await mailOf(app, orderId);
      expect(row?.mail).toBe('SENT');
      return row;
    });
    for (let time = 0; time < 3; time += 1)
      await app.sql(`SELECT graphile_worker.add_job('receipt', json_build_object('receiptId', $1::text))`, [id]);
    await noJobsLeft(app);
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
    const app = await startTestApp({ env: { SMTP_URL: `smtp://127.0.0.1:${port}` } });
    let late: Mailbox | null = null;
    try {
      const hall = await createHall(app.organizer);
      const [email, unlucky] = [newAddress(), newAddress()];
      const first = await buy(app, hall, ['1-1'], { buyer: { email } });
      await download(app, (await receiptOf(first)).path);
      await eventually(async () => {
        const jobs = await app.sql<Data>(
          'SELECT last_error, run_at > now() AS later FROM graphile_worker.jobs WHERE attempts > 0 AND locked_at IS NULL',
        );
        expect(jobs).toEqual([{ last_error: expect.stringContaining('could not be mailed yet'), later: true }]);
      });
      expect((await mailOf(app, first.orderId)).mail).toBe('WAITING');
      // Another one is tried for the last time.
      const second = await buy(app, hall, ['1-2'], { buyer: { email: unlucky } });
      await eventually(async () => {
        const { id } = await mailOf(app, second.orderId);
        const [changed] = await app.sql<Data>(
          `UPDATE graphile_worker._private_jobs SET attempts = max_attempts - 1, run_at = now() WHERE key = 'receipt:' || $1 AND locked_at IS NULL RETURNING id`,
          [id],
        );
        expect(changed).toHaveLength(1);
      });
      await eventually(async () => expect((await mailOf(app, second.orderId)).mail).toBe('FAILED'));
      late = await startMailbox(port);
      // As if its pause were over.
      await app.sql('UPDATE graphile_worker._private_jobs SET run_at = now() WHERE locked_at IS NULL');
      expect((await late.newest(email)).subject).toBe('Your receipt for Test event');
      await noJobsLeft(app);
      expect(await late.all(unlucky)).toEqual([]);
    } finally {
      await app.close();
      await late?.stop();
    }
  });

  test('and where none is configured, receipts are made all the same and nothing waits to be mailed', async () => {
    const app = await startTestApp();
    try {
      const hall = await createHall(app.organizer);
      const purchase = await buy(app, hall, ['1-1'], { buyer: { email: newAddress() } });
      await download(app, (await receiptOf(purchase)).path);
      expect((await mailOf(app, purchase.orderId)).mail).toBeNull();
      expect(await app.sql('SELECT FROM graphile_worker.jobs')).toEqual([]);
    } finally {
      await app.close();
    }
  });
});
