import { limits } from '../../src/limits.js';
import { Receipts } from '../../src/services/receipts.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';
import { createHall, holdSeats, newKey } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { type Mailbox, startMailbox } from '../support/mailbox.js';
import { followOrder, intentOf, pay } from '../support/orders.js';
import { textsOfPdf } from '../support/pdf.js';
import { buy, documentsOf, download, newAddress, order, receiptOf, textsAt } from '../support/receipts.js';

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

const refund = (orderId: string, seatIds: readonly string[] | null = null) =>
  app.organizer.mutate('refundOrder', { orderId, seatIds, idempotencyKey: newKey() }, 'order { refunds { id } }');

describe('A receipt', () => {
  test('says who has sold what to whom, and its sums are those of the order', async () => {
    const seller = { legalName: 'Halle GmbH', address: 'Am Platz 1\n99084 Erfurt', taxId: 'DE123456789' };
    expect(await app.organizer.mutate('updateSeller', seller, 'seller { legalName address taxId }')).toMatchObject({
      seller,
      errors: [],
    });
    const hall = await createHall(app.organizer, { event: { timeZone: 'Asia/Tokyo' } });
    const buyer = { name: 'Łucja Šimić', address: 'Rue de l’Été 5\n1000 Bruxelles', email: ` ${newAddress()}` };
    const purchase = await order(app, hall, hall.rows[0]!.slice(0, 2), { buyer });
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
    const texts = await textsAt(app, receipt.path);
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
    const { path } = await receiptOf(await buy(app, hall, ['1-1']));
    expect(await textsAt(app, path)).toContain('Total: 1100 JPY');
  });

  test('never changes, whatever the organizer changes, and is the same file wherever it is made', async () => {
    await app.organizer.mutate('updateSeller', { legalName: 'Before' }, 'seller { legalName }');
    const hall = await createHall(app.organizer);
    const purchase = await buy(app, hall, ['1-1']);
    const { path } = await receiptOf(purchase);
    const file = await download(app, path);
    await app.organizer.mutate('updateSeller', {}, 'seller { legalName }');
    const { platform, tokens } = app.server.services;
    const url = new URL(path, app.url);
    const elsewhere = new Receipts(platform, tokens);
    const again = await elsewhere.open(url.pathname.split('/')[2]!, url.searchParams.get('token')!);
    expect(again!.pdf.equals(file)).toBe(true);
    expect(textsOfPdf(file)).toContain('Before');
    expect(await textsAt(app, (await receiptOf(await buy(app, hall, ['1-2']))).path)).toContain('Test organizer');
    await expect(app.sql(`UPDATE receipt SET facts = '{}' WHERE order_id = $1`, [purchase.orderId])).rejects.toThrow(
      'append-only',
    );
  });

  test("is read by whoever has its link, until that expires, and by nobody else's", async () => {
    const hall = await createHall(app.organizer);
    const [mine, other] = [await buy(app, hall, ['1-1']), await buy(app, hall, ['1-2'])];
    const [own, foreign] = [await receiptOf(mine), await receiptOf(other)];
    await download(app, own.path);
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

describe('A credit note', () => {
  test('is over the seats that were given up, in a series of its own, and names the receipt', async () => {
    const hall = await createHall(app.organizer);
    const email = newAddress();
    const purchase = await buy(app, hall, ['1-1', '1-2'], { buyer: { email } });
    const receipt = await receiptOf(purchase);
    await refund(purchase.orderId, ['1-2']);
    const notes = await eventually(async () => {
      const { creditNotes } = await documentsOf(purchase);
      expect(creditNotes).toHaveLength(1);
      return creditNotes;
    });
    expect(notes[0]).toMatchObject({ kind: 'CREDIT_NOTE', number: 'C-000001', total: { amountMinor: 1_100 } });
    const texts = await textsAt(app, notes[0].path);
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

  /** Whatever is to be known of refunds is written down. */
  const allSeen = () =>
    eventually(async () => {
      expect(await app.sql('SELECT FROM refund WHERE NOT done OR receipt_at IS NULL')).toEqual([]);
    });
  const credited = async (purchase: Parameters<typeof documentsOf>[0]) => {
    await allSeen();
    return (await documentsOf(purchase)).creditNotes;
  };

  test('is made once a refund, of fees kept or any amount as well, and never of money that is sent once more', async () => {
    const hall = await createHall(app.organizer);
    const purchase = await buy(app, hall, ['1-1', '1-2']);
    const { orderId } = purchase;
    const until = { eventId: hall.eventId, until: '2100-01-01T00:00:00Z', keepFees: true };
    await app.organizer.mutate('updateReturns', until, 'event { id }');
    const back = { orderId, seatIds: ['1-1'], idempotencyKey: newKey() };
    await purchase.buyer.mutate('returnTickets', back, 'order { id }');
    await allSeen();
    const { id: intentId } = await intentOf(app, orderId);
    await app.provider.refund(intentId, { amount: 333 });
    await eventually(async () => expect((await documentsOf(purchase)).creditNotes).toHaveLength(2));
    // What comes back and is sent once more is of the same note.
    await app.provider.settings({ refundMode: 'pending' });
    await refund(orderId);
    const notes = await credited(purchase);
    const [last] = await app.sql<{ id: string; providerId: string }>(
      `SELECT id, provider_id AS "providerId" FROM refund WHERE order_id = $1 AND state = 'PENDING'`,
      [orderId],
    );
    await app.provider.settleRefund(last!.providerId, 'failed');
    await eventually(async () => {
      const again = { refundId: last!.id, idempotencyKey: newKey() };
      expect((await app.organizer.mutate('retryRefund', again, 'order { id }')).errors).toEqual([]);
    });
    await app.provider.settings({ refundMode: 'succeed' });
    expect(await credited(purchase)).toHaveLength(notes.length);
    expect(notes.map(({ total }: Data) => total.amountMinor)).toEqual([1_000, 333, 867]);
    expect(await textsAt(app, notes[0].path)).toEqual(expect.arrayContaining(['Floor, row 1, seat 1', '0.00 EUR']));
    expect(await textsAt(app, notes[1].path)).toEqual(expect.arrayContaining(['Part of the price', 'Total: 3.33 EUR']));
  });

  test('is made of a ticket on account that was never paid, and of money that came back at once', async () => {
    const hall = await createHall(app.organizer);
    const { hold } = await holdSeats(app.organizer, hall.eventId, { seatIds: ['1-1'] });
    const input = { holdId: hold.id, fence: hold.fence, method: 'INVOICE', idempotencyKey: newKey() };
    const { order: sold } = await app.organizer.mutate('startCheckout', input, 'order { id }');
    const onAccount = { buyer: app.organizer, orderId: sold.id as string };
    await followOrder(app.organizer, sold.id).until(({ state }) => state === 'COMPLETED');
    await receiptOf(onAccount);
    await refund(sold.id);
    const purchase = await buy(app, hall, ['1-2']);
    await receiptOf(purchase);
    await app.provider.settings({ refundMode: 'bounceLater' });
    await refund(purchase.orderId);
    for (const credit of [await credited(onAccount), await credited(purchase)])
      expect(credit.map(({ total }: Data) => total.amountMinor)).toEqual([1_100]);
    await app.provider.settings({ refundMode: 'succeed' });
  });
});
