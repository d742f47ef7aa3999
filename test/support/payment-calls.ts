import type Stripe from 'stripe';
import type { PaymentSandbox, ReceivedWebhook } from './payment-sandbox.js';

/** No quota, no delays: what a test of the provider itself begins with. */
export const unlimited = { quotaPerSecond: 0, quotaPerEndpointPerSecond: 0, quotaPublishablePerSecond: 0 };

/** A purchase as the platform asks for it: whatever the buyer chooses, cards only held. */
export function order(orderId: string, amount = 4_200): Stripe.PaymentIntentCreateParams {
  return {
    amount,
    currency: 'eur',
    automatic_payment_methods: { enabled: true },
    payment_method_options: { card: { capture_method: 'manual' } },
    metadata: { orderId },
  };
}

/** Payments of other orders, made after those that are there; in a list they come first. */
export async function crowd(sandbox: PaymentSandbox, count: number): Promise<void> {
  const stripe = sandbox.client();
  for (let made = 0; made < count; made += 50)
    await Promise.all(Array.from({ length: 50 }, (_, at) => stripe.paymentIntents.create(order(`other-${made + at}`))));
}

/** What a call failed with. Rejects when it did not fail. */
export async function failure(call: Promise<unknown>): Promise<Stripe.StripeRawError & Error> {
  try {
    await call;
  } catch (problem) {
    return problem as Stripe.StripeRawError & Error;
  }
  throw new Error('the call was expected to fail');
}

export function secretOf(intent: Stripe.PaymentIntent): string {
  if (intent.client_secret === null) throw new Error('an intent without a secret');
  return intent.client_secret;
}

/** The types of the webhooks about something, in order of arrival. */
export function typesOf(received: readonly ReceivedWebhook[], id: string): string[] {
  return received.filter(({ body }) => body.includes(id)).map(({ event }) => event.type);
}

/** A payment whose money has come in. */
export async function captured(
  sandbox: PaymentSandbox,
  orderId: string,
  method = 'pm_card_visa',
  params: Partial<Stripe.PaymentIntentCreateParams> = {},
): Promise<Stripe.PaymentIntent> {
  const stripe = sandbox.client();
  const intent = await stripe.paymentIntents.create({ ...order(orderId), ...params });
  await sandbox.confirm(secretOf(intent), method);
  return stripe.paymentIntents.capture(intent.id, { expand: ['latest_charge'] });
}

export function chargeOf(intent: Stripe.PaymentIntent): Stripe.Charge {
  if (intent.latest_charge === null || typeof intent.latest_charge === 'string') throw new Error('no charge was shown');
  return intent.latest_charge;
}
