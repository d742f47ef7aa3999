import type { TestApp } from './app.js';
import type { ApiClient, Data } from './client.js';
import { holdSeats, newKey, type TestHall } from './events.js';
import { eventually } from './eventually.js';
import { followOrder, pay } from './orders.js';
import { textsOfPdf } from './pdf.js';

let addresses = 0;
export const newAddress = () => `buyer${++addresses}@example.com`;

export interface Purchase {
  readonly buyer: ApiClient;
  readonly orderId: string;
}

/** An order that is not paid yet. */
export async function order(
  app: TestApp,
  { eventId }: TestHall,
  seatIds: readonly string[],
  options: { readonly as?: ApiClient; readonly buyer?: object } = {},
): Promise<Purchase> {
  const buyer = options.as ?? (await app.guest());
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

export async function buy(...wish: Parameters<typeof order>): Promise<Purchase> {
  const purchase = await order(...wish);
  await pay(wish[0], followOrder(purchase.buyer, purchase.orderId));
  return purchase;
}

const fields = 'kind number issuedAt total { amountMinor currency } path pathExpiresAt';

export const documentsOf = async ({ buyer, orderId }: Purchase): Promise<Data> =>
  (
    await buyer.run(`query ($id: ID!) { order(id: $id) { receipt { ${fields} } creditNotes { ${fields} } } }`, {
      id: orderId,
    })
  ).order;

export const receiptOf = (purchase: Purchase): Promise<Data> =>
  eventually(async () => {
    const { receipt } = await documentsOf(purchase);
    expect(receipt).not.toBeNull();
    return receipt;
  });

export async function download({ url }: TestApp, path: string): Promise<Buffer> {
  const response = await fetch(`${url}${path}`);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/pdf']);
  return Buffer.from(await response.arrayBuffer());
}

export const textsAt = async (app: TestApp, path: string): Promise<string[]> => textsOfPdf(await download(app, path));

/** What became of the mail with the receipt of an order. */
export const mailOf = async (app: TestApp, orderId: string): Promise<Data> =>
  (await app.sql<Data>('SELECT id, mail, number FROM receipt WHERE order_id = $1', [orderId]))[0];

export const noJobsLeft = (app: TestApp) =>
  eventually(async () => expect(await app.sql('SELECT last_error FROM graphile_worker.jobs')).toEqual([]));
