import Stripe from 'stripe';
import { chargeOf, failure, order, secretOf, typesOf, unlimited } from '../support/payment-calls.js';
import {
  type PaymentSandbox,
  startPaymentSandbox,
  startWebhookReceiver,
  type WebhookReceiver,
} from '../support/payment-sandbox.js';

const heldTypes = ['card', 'link', 'klarna', 'paypal'] as const;
const atOnceTypes = ['sepa_debit', 'ideal', 'bancontact'] as const;

describe('ways of paying in the payment sandbox', () => {
  let sandbox: PaymentSandbox;
  let receiver: WebhookReceiver;
  let stripe: Stripe;

  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    sandbox = await startPaymentSandbox({ webhookUrl: receiver.url, settings: { ...unlimited, slowMs: 600_000 } });
    stripe = sandbox.client();
  });

  afterAll(async () => {
    await sandbox?.stop();
    await receiver?.close();
  });

  async function paid(method: string, params: Partial<Stripe.PaymentIntentCreateParams> = {}) {
    const intent = await stripe.paymentIntents.create({ ...order(method), ...params });
    const answer = await sandbox.confirm(secretOf(intent), method);
    const now = await stripe.paymentIntents.retrieve(intent.id, { expand: ['latest_charge'] });
    return { answer, intent: now };
  }

  it.each(heldTypes)('holds the money of %s when its options ask for it, and captures it later', async (type) => {
    const options = { [type]: { capture_method: 'manual' as const } };
    const method = type === 'card' ? 'pm_card_visa' : `pm_${type}`;
    const { intent } = await paid(method, { payment_method_options: options });
    expect(intent).toMatchObject({ status: 'requires_capture', payment_method_options: options });
    expect(chargeOf(intent).payment_method_details).toMatchObject({ type, [type]: {} });
    expect((await stripe.paymentIntents.capture(intent.id)).status).toBe('succeeded');
    // Asked for of another way of paying it means nothing to this one.
    const other = type === 'card' ? 'link' : 'card';
    const atOnce = await paid(method, { payment_method_options: { [other]: { capture_method: 'manual' } } });
    expect(atOnce.intent.status).toBe('succeeded');
  });

  it.each(atOnceTypes)('does not know capture_method as an option of %s', async (type) => {
    const call = stripe.paymentIntents.create({
      ...order(type),
      payment_method_options: { [type]: { capture_method: 'manual' } },
    });
    const error = await failure(call);
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(error).toMatchObject({
      statusCode: 400,
      code: 'parameter_unknown',
      param: `payment_method_options[${type}][capture_method]`,
    });
  });

  it.each(['pm_ideal', 'pm_bancontact'])('takes the money of %s at once, whatever cards do', async (method) => {
    const { intent } = await paid(method);
    expect(intent).toMatchObject({ status: 'succeeded', amount_received: 4_200 });
    expect(chargeOf(intent)).toMatchObject({ captured: true });
  });

  it('takes a bank debit days later, or not at all', async () => {
    const good = await paid('pm_sepa_debit');
    const bad = await paid('pm_sepa_debit_fails');
    expect([good.intent.status, bad.intent.status]).toEqual(['processing', 'processing']);
    expect(await failure(stripe.paymentIntents.cancel(good.intent.id))).toMatchObject({
      code: 'payment_intent_unexpected_state',
    });
    expect((await sandbox.settlePayment(good.intent.id, { approved: true })).status).toBe('succeeded');
    expect(await sandbox.settlePayment(bad.intent.id, { approved: false })).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'payment_intent_payment_attempt_failed', payment_method: { type: 'sepa_debit' } },
    });
    await receiver.until((all) => typesOf(all, bad.intent.id).includes('payment_intent.payment_failed'));
    await expect(sandbox.settlePayment(good.intent.id, { approved: true })).rejects.toThrow('unexpected_state');
  });

  it('sends the buyer to where the payment is approved and follows what is decided there', async () => {
    const { intent } = await paid('pm_ideal_redirect');
    expect(intent).toMatchObject({ status: 'requires_action', next_action: { type: 'redirect_to_url' } });
    await sandbox.authenticate(intent.id, 'success');
    expect((await stripe.paymentIntents.retrieve(intent.id)).status).toBe('succeeded');
  });

  it('offers what goes with the currency and the capture, and refuses the rest', async () => {
    const all = await stripe.paymentIntents.create(order('offered'));
    expect(all.payment_method_types).toEqual([...heldTypes, ...atOnceTypes]);
    const dollars = await stripe.paymentIntents.create({ ...order('dollars'), currency: 'usd' });
    const held = await stripe.paymentIntents.create({ ...order('held'), capture_method: 'manual' });
    expect([dollars.payment_method_types, held.payment_method_types]).toEqual([heldTypes, heldTypes]);
    for (const intent of [dollars, held]) {
      const refused = await sandbox.confirm(secretOf(intent), 'pm_ideal');
      expect(refused).toMatchObject({
        httpStatus: 400,
        body: { error: { code: 'payment_intent_incompatible_payment_method' } },
      });
    }
    const allowed: Stripe.PaymentIntentCreateParams = {
      ...order('allowed'),
      allowed_payment_method_types: ['card', 'ideal', 'sepa_debit'],
      excluded_payment_method_types: ['sepa_debit'],
    };
    expect(await stripe.paymentIntents.create(allowed)).toMatchObject({ payment_method_types: ['card', 'ideal'] });
    const direct = { enabled: true, allow_redirects: 'never' as const };
    const here = await stripe.paymentIntents.create({ ...order('here'), automatic_payment_methods: direct });
    expect(here.payment_method_types).toEqual(['card', 'link', 'sepa_debit']);
    const nothing = { ...order('nothing'), allowed_payment_method_types: ['ideal' as const], currency: 'usd' };
    expect(await failure(stripe.paymentIntents.create(nothing))).toMatchObject({
      statusCode: 400,
      param: 'allowed_payment_method_types',
    });
  });

  describe('authorisations', () => {
    it('end with their time, by themselves or when somebody says so', async () => {
      const { intent } = await paid('pm_card_visa');
      expect(await sandbox.expire(intent.id)).toMatchObject({ status: 'canceled', cancellation_reason: 'automatic' });
      expect(await failure(stripe.paymentIntents.capture(intent.id))).toMatchObject({
        code: 'payment_intent_unexpected_state',
        payment_intent: { status: 'canceled' },
      });
      await receiver.until((all) => typesOf(all, intent.id).includes('charge.expired'));

      await sandbox.settings({ authorisationSeconds: 1 });
      const short = await paid('pm_card_visa');
      await sandbox.settings({ authorisationSeconds: 0 });
      await receiver.until((all) => typesOf(all, short.intent.id).includes('payment_intent.canceled'));
      await expect(sandbox.expire(short.intent.id)).rejects.toThrow('unexpected_state');
    });

    it('cannot be captured after their time, although nobody has noticed yet', async () => {
      const { intent } = await paid('pm_card_visa');
      expect(await sandbox.expire(intent.id, { noticed: false })).toMatchObject({ status: 'requires_capture' });
      const idempotencyKey = 'late:capture:1';
      const capture = () => stripe.paymentIntents.capture(intent.id, {}, { idempotencyKey });
      const late = await failure(capture());
      expect(late).toMatchObject({ statusCode: 400, code: 'charge_expired_for_capture' });
      expect(late.payment_intent).toMatchObject({ status: 'canceled', amount_received: 0 });
      const again = await failure(capture());
      expect(again).toMatchObject({ code: 'charge_expired_for_capture', headers: { 'idempotent-replayed': 'true' } });
    });

    it('are captured once, and never above what they are for', async () => {
      const { intent } = await paid('pm_card_visa');
      const above = await failure(stripe.paymentIntents.capture(intent.id, { amount_to_capture: 4_201 }));
      expect(above).toMatchObject({ code: 'amount_too_large', param: 'amount_to_capture' });
      await stripe.paymentIntents.capture(intent.id);
      expect(await failure(stripe.paymentIntents.capture(intent.id))).toMatchObject({
        code: 'payment_intent_unexpected_state',
        payment_intent: { status: 'succeeded' },
      });
    });
  });

  describe('currencies', () => {
    const create = (amount: number, currency: string) => stripe.paymentIntents.create({ amount, currency });

    it.each([
      ['eur', 50],
      ['gbp', 30],
      ['jpy', 50],
      ['huf', 17_500],
      ['kwd', 180],
    ])('has a least charge in %s', async (currency, least) => {
      expect(await failure(create(least - 1, currency))).toMatchObject({ code: 'amount_too_small', param: 'amount' });
      expect((await create(least, currency)).amount).toBe(least);
    });

    it.each([
      ['kwd', 5_124, 5_120],
      ['bhd', 1_005, 1_000],
      ['isk', 10_050, 10_000],
      ['ugx', 500_001, 500_000],
    ])('refuses fractions that %s does not have', async (currency, wrong, right) => {
      expect(await failure(create(wrong, currency))).toMatchObject({ code: 'invalid_charge_amount', param: 'amount' });
      expect((await create(right, currency)).amount).toBe(right);
    });

    it('refuses such fractions of captures and refunds too', async () => {
      const intent = await stripe.paymentIntents.create({ ...order('dinars', 5_120), currency: 'kwd' });
      await sandbox.confirm(secretOf(intent), 'pm_card_visa');
      const wrong = { statusCode: 400, code: 'invalid_charge_amount' };
      const part = stripe.paymentIntents.capture(intent.id, { amount_to_capture: 1_001 });
      expect(await failure(part)).toMatchObject(wrong);
      await stripe.paymentIntents.capture(intent.id);
      expect(await failure(stripe.refunds.create({ payment_intent: intent.id, amount: 1_001 }))).toMatchObject(wrong);
      expect((await stripe.refunds.create({ payment_intent: intent.id, amount: 1_010 })).amount).toBe(1_010);
    });

    it('takes amounts of forints and Taiwan dollars with both decimals', async () => {
      expect((await create(17_545, 'huf')).amount).toBe(17_545);
      expect((await create(80_045, 'twd')).amount).toBe(80_045);
    });

    it('has a largest charge', async () => {
      expect((await create(99_999_999, 'eur')).amount).toBe(99_999_999);
      expect(await failure(create(100_000_000, 'eur'))).toMatchObject({ code: 'amount_too_large' });
      expect((await create(999_999_999_999, 'idr')).amount).toBe(999_999_999_999);
      expect(await failure(create(100, 'xxx'))).toMatchObject({ param: 'currency' });
    });
  });
});
