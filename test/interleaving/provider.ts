import type Stripe from 'stripe';
import type { Stage } from './stage.js';

/** More than a run can make; what others have made is left out. */
const limit = 15;

/** The events of an order in the order in which they happened, as the provider would send them. */
export async function readEvents(
  { account }: Stage,
  orderId: string,
  suffix: string,
): Promise<{ type: string; body: string }[]> {
  const { data } = await account.events.list({ limit: 2 * limit });
  return data
    .map((event) => ({ type: event.type, body: JSON.stringify(event) }))
    .filter(({ body }) => body.includes(`"order_id":"${orderId}${suffix}"`))
    .map(({ type, body }) => ({ type, body: body.replaceAll(orderId + suffix, orderId) }))
    .reverse();
}

export interface Payment {
  readonly orderId: string;
  readonly intent: Stripe.PaymentIntent;
  readonly refundedMinor: number;
}

/** The payments of a run, and what of them went back. */
export async function readPayments({ account }: Stage, suffix: string): Promise<readonly Payment[]> {
  const [intents, refunds] = await Promise.all([
    account.paymentIntents.list({ limit }),
    account.refunds.list({ limit }),
  ]);
  return intents.data
    .filter(({ metadata }) => metadata.order_id?.endsWith(suffix))
    .map((intent) => ({
      orderId: intent.metadata.order_id!.slice(0, -suffix.length),
      intent,
      refundedMinor: refunds.data
        .filter((refund) => refund.payment_intent === intent.id && refund.status === 'succeeded')
        .reduce((sum, { amount }) => sum + amount, 0),
    }));
}
