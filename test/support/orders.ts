import { randomUUID } from 'node:crypto';
import { limits } from '../../src/limits.js';
import type { TestApp } from './app.js';
import type { ApiClient, Data, Stream } from './client.js';
import { holdSeats, orderStream, startCheckout, type TestHall } from './events.js';
import { holdLock } from './locks.js';
import type { AuditedIntent } from './payment-sandbox.js';

/** How far the time of an event is to be moved for a checkout begun just now to be past its deadline, or for its seats to be free. */
export const pastPayByMs = limits.checkoutTtlMs + 1_000;
export const pastFreeAtMs = limits.checkoutTtlMs + limits.settleGraceMs + 1_000;

/** The provider answers at once and delivers every event once; the time is the real one, which is that of an event nobody has moved. */
export async function calm({ provider, clock, url }: TestApp): Promise<void> {
  clock.advance(Date.now() - clock.nowMs());
  await provider.settings({
    latencyMs: 0,
    failureRate: 0,
    failureMode: 'before',
    webhookUrl: `${url}/webhooks/stripe`,
    webhookDelayMs: 0,
    webhookDuplicates: 0,
    webhookShuffleMs: 0,
    webhookLossRate: 0,
    slowMs: 300,
  });
}

export interface StartedOrder {
  readonly buyer: ApiClient;
  readonly hold: Data;
  readonly orderId: string;
  readonly stream: Stream;
}

export interface Checkout extends StartedOrder {
  readonly payment: { readonly paymentIntentId: string; readonly clientSecret: string };
}

/** A buyer who has just asked for a checkout. */
export async function startOrder(app: TestApp, hall: TestHall, seatIds: readonly string[]): Promise<StartedOrder> {
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, hall.eventId, { seatIds });
  const { order } = await startCheckout(buyer, hold);
  return { buyer, hold, orderId: order.id, stream: buyer.subscribe(orderStream, { orderId: order.id }) };
}

/** A buyer who stands before the payment form. */
export async function checkOut(app: TestApp, hall: TestHall, seatIds: readonly string[]): Promise<Checkout> {
  const started = await startOrder(app, hall, seatIds);
  const { payment } = await started.stream.until((update) => update.payment !== null);
  return { ...started, payment };
}

/** The order as its buyer is told of it, to its end. */
export const followOrder = (buyer: ApiClient, orderId: string): Stream => buyer.subscribe(orderStream, { orderId });

export const ended = (stream: Stream, state: string): Promise<Data> => stream.until((update) => update.state === state);

/** Waits for the payment form and for the tickets, with a good card in between. */
export async function pay({ provider }: TestApp, stream: Stream): Promise<void> {
  const { payment } = await stream.until((update) => update.payment !== null);
  await provider.confirm(payment.clientSecret, 'pm_card_visa');
  await ended(stream, 'COMPLETED');
}

/** The order as its buyer, or whoever else is named, reads it; null when they may not. */
export async function readOrder({ buyer, orderId }: Pick<Checkout, 'buyer' | 'orderId'>): Promise<Data> {
  const { order } = await buyer.run(
    'query ($id: ID!) { order(id: $id) { id state version lastDecline endReason payBy paymentReadyAt payment { clientSecret } tickets { id state seatId } } }',
    { id: orderId },
  );
  return order;
}

export async function intentsOf({ provider }: TestApp, orderId: string): Promise<AuditedIntent[]> {
  return (await provider.intents()).filter(({ metadata }) => metadata.order_id === orderId);
}

export async function intentOf(app: TestApp, orderId: string): Promise<AuditedIntent> {
  const [intent] = await intentsOf(app, orderId);
  return intent!;
}

/** As if the worker that has the order's next step had stopped answering, until `resume`. */
export async function stall(app: TestApp, { orderId }: StartedOrder): Promise<{ resume(): Promise<void> }> {
  await app.sql(
    `UPDATE order_step SET lease = $2, leased_until = '2100-01-01' WHERE order_id = $1 AND finished_at IS NULL`,
    [orderId, randomUUID()],
  );
  return {
    resume: async () => {
      await app.sql(
        `UPDATE order_step SET leased_until = '2000-01-01', run_at = '2000-01-01' WHERE order_id = $1 AND finished_at IS NULL`,
        [orderId],
      );
    },
  };
}

/**
 * Holds up whatever the process writes down of orders behind the order of one more buyer, of the last seat of this hall, until `release`: then
 * all that has come meanwhile is written together.
 */
export async function holdUpWriting(app: TestApp, hall: TestHall): Promise<{ release(): Promise<void> }> {
  const { orderId } = await checkOut(app, hall, [hall.rows.at(-1)!.at(-1)!]);
  const row = await holdLock(app.stores.databaseUrl, 'SELECT FROM orders WHERE id = $1 FOR UPDATE', [orderId]);
  await app.sql(`UPDATE order_step SET run_at = '2000-01-01' WHERE order_id = $1 AND finished_at IS NULL`, [orderId]);
  await row.blocked();
  return row;
}
