import Stripe from 'stripe';
import { captured, chargeOf, failure, order, secretOf, unlimited } from '../support/payment-calls.js';
import {
  type PaymentSandbox,
  startPaymentSandbox,
  startWebhookReceiver,
  type WebhookReceiver,
} from '../support/payment-sandbox.js';

/** What the package's types declare as present in every answer. */
type AlwaysPresent<T> = { [K in keyof T]-?: object extends Pick<T, K> ? never : K }[keyof T] & string;

/** The compiler refuses a list that lacks one of them or has one too many. */
function always<T>(fields: Record<AlwaysPresent<T>, true>): string[] {
  return Object.keys(fields).sort();
}

const intentFields = always<Stripe.PaymentIntent>({
  id: true,
  object: true,
  allowed_payment_method_types: true,
  amount: true,
  amount_capturable: true,
  amount_received: true,
  application: true,
  application_fee_amount: true,
  automatic_payment_methods: true,
  canceled_at: true,
  cancellation_reason: true,
  capture_method: true,
  client_secret: true,
  confirmation_method: true,
  created: true,
  currency: true,
  customer: true,
  customer_account: true,
  description: true,
  excluded_payment_method_types: true,
  last_payment_error: true,
  latest_charge: true,
  livemode: true,
  managed_payments: true,
  metadata: true,
  next_action: true,
  on_behalf_of: true,
  payment_method: true,
  payment_method_configuration_details: true,
  payment_method_options: true,
  payment_method_types: true,
  payment_record: true,
  processing: true,
  receipt_email: true,
  review: true,
  setup_future_usage: true,
  shipping: true,
  source: true,
  statement_descriptor: true,
  statement_descriptor_suffix: true,
  status: true,
  transfer_group: true,
});

const chargeFields = always<Stripe.Charge>({
  id: true,
  object: true,
  amount: true,
  amount_captured: true,
  amount_refunded: true,
  application: true,
  application_fee: true,
  application_fee_amount: true,
  balance_transaction: true,
  billing_details: true,
  calculated_statement_descriptor: true,
  captured: true,
  created: true,
  currency: true,
  customer: true,
  description: true,
  disputed: true,
  failure_balance_transaction: true,
  failure_code: true,
  failure_message: true,
  fraud_details: true,
  livemode: true,
  metadata: true,
  on_behalf_of: true,
  outcome: true,
  paid: true,
  payment_intent: true,
  payment_method: true,
  payment_method_details: true,
  receipt_email: true,
  receipt_number: true,
  receipt_url: true,
  refunded: true,
  review: true,
  shipping: true,
  source: true,
  source_transfer: true,
  statement_descriptor: true,
  statement_descriptor_suffix: true,
  status: true,
  transfer_data: true,
  transfer_group: true,
});

const refundFields = always<Stripe.Refund>({
  id: true,
  object: true,
  amount: true,
  balance_transaction: true,
  charge: true,
  created: true,
  currency: true,
  customer: true,
  customer_account: true,
  metadata: true,
  payment_intent: true,
  payment_method: true,
  reason: true,
  receipt_number: true,
  source_transfer_reversal: true,
  status: true,
  transfer_reversal: true,
});

const disputeFields = always<Stripe.Dispute>({
  id: true,
  object: true,
  amount: true,
  balance_transactions: true,
  charge: true,
  created: true,
  currency: true,
  enhanced_eligibility_types: true,
  evidence: true,
  evidence_details: true,
  intended_submission_method: true,
  is_charge_refundable: true,
  livemode: true,
  metadata: true,
  payment_intent: true,
  reason: true,
  status: true,
});

const balanceFields = always<Stripe.BalanceTransaction>({
  id: true,
  object: true,
  amount: true,
  available_on: true,
  balance_type: true,
  created: true,
  currency: true,
  description: true,
  exchange_rate: true,
  fee: true,
  fee_details: true,
  net: true,
  reporting_category: true,
  source: true,
  status: true,
  type: true,
});

const accountFields = always<Stripe.Account>({
  id: true,
  object: true,
  charges_enabled: true,
  details_submitted: true,
  email: true,
  payouts_enabled: true,
  type: true,
});

const eventFields = always<Extract<Stripe.Event, { type: 'payment_intent.succeeded' }>>({
  id: true,
  object: true,
  api_version: true,
  created: true,
  data: true,
  livemode: true,
  pending_webhooks: true,
  request: true,
  type: true,
});

describe('what the payment sandbox answers the package', () => {
  let sandbox: PaymentSandbox;
  let receiver: WebhookReceiver;
  let stripe: Stripe;

  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    sandbox = await startPaymentSandbox({ webhookUrl: receiver.url, settings: unlimited });
    stripe = sandbox.client();
  });

  afterEach(async () => {
    await sandbox.clearFaults();
  });

  afterAll(async () => {
    await sandbox?.stop();
    await receiver?.close();
  });

  it('has every field that the types of the package declare as always present', async () => {
    const intent = await captured(sandbox, 'fields');
    const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 100 });
    const dispute = await sandbox.dispute(intent.id);
    const charge = chargeOf(intent);
    const events = await stripe.events.list({ limit: 100 });
    const [movement] = (await stripe.balanceTransactions.list({ source: charge.id })).data;
    const shown: [string, object | undefined, string[]][] = [
      ['payment_intent', await stripe.paymentIntents.retrieve(intent.id), intentFields],
      ['charge', await stripe.charges.retrieve(charge.id), chargeFields],
      ['refund', await stripe.refunds.retrieve(refund.id), refundFields],
      ['dispute', await stripe.disputes.retrieve(dispute.id), disputeFields],
      ['balance_transaction', movement, balanceFields],
      ['account', await stripe.accounts.retrieveCurrent(), accountFields],
      ...events.data.map((event): [string, object, string[]] => ['event', event, eventFields]),
    ];
    for (const [object, found, fields] of shown) {
      expect(found).toMatchObject({ object });
      expect(fields.filter((field) => !Object.hasOwn(found ?? {}, field))).toEqual([]);
    }
  });

  it('says the same of a thing in an answer, in a list and in its event', async () => {
    const intent = await captured(sandbox, 'same');
    const plain = { ...(await stripe.paymentIntents.retrieve(intent.id)) };
    const listed = await stripe.paymentIntents.list({ limit: 1 });
    const succeeded = await stripe.events.list({ type: 'payment_intent.succeeded', limit: 1 });
    expect(listed.data[0]).toEqual(plain);
    expect(succeeded.data[0]?.data.object).toEqual(plain);
  });

  it('puts what is asked for in the place of its id, however deep', async () => {
    const intent = await captured(sandbox, 'expanded');
    const deep = await stripe.paymentIntents.retrieve(intent.id, { expand: ['latest_charge.balance_transaction'] });
    const movement = chargeOf(deep).balance_transaction;
    expect(movement).toMatchObject({ object: 'balance_transaction', amount: 4_200, type: 'charge' });
    const refund = await stripe.refunds.create({ payment_intent: intent.id, expand: ['payment_intent', 'charge'] });
    expect(refund).toMatchObject({
      payment_intent: { id: intent.id },
      charge: { amount_refunded: 4_200, refunded: true },
    });
    expect(await failure(stripe.refunds.retrieve(refund.id, { expand: ['customer'] }))).toMatchObject({
      param: 'expand',
    });
  });

  it('makes the package throw the error class that belongs to each refusal', async () => {
    const { errors } = Stripe;
    const idempotencyKey = 'classes:1';
    const intent = await stripe.paymentIntents.create(order('classes'), { idempotencyKey });
    const create = () => stripe.paymentIntents.create(order('classes', 100));
    const confirm = { payment_method: 'pm_card_chargeDeclined' };
    const cases: [Promise<unknown>, unknown, object][] = [
      [
        stripe.paymentIntents.confirm(intent.id, confirm),
        errors.StripeCardError,
        { statusCode: 402, code: 'card_declined' },
      ],
      [stripe.paymentIntents.retrieve('pi_x'), errors.StripeInvalidRequestError, { statusCode: 404 }],
      [
        stripe.paymentIntents.create(order('classes', 9_999), { idempotencyKey }),
        errors.StripeIdempotencyError,
        { statusCode: 400, type: 'StripeIdempotencyError' },
      ],
    ];
    for (const [call, kind, fields] of cases) {
      const error = await failure(call);
      expect(error).toBeInstanceOf(kind);
      expect(error).toMatchObject(fields);
    }
    const faults = [
      ['limit', errors.StripeRateLimitError, { statusCode: 429, code: 'rate_limit' }],
      ['lock', errors.StripeRateLimitError, { statusCode: 429, code: 'lock_timeout' }],
      ['before', errors.StripeAPIError, { statusCode: 500 }],
      ['unavailable', errors.StripeAPIError, { statusCode: 503 }],
      ['cutBefore', errors.StripeConnectionError, {}],
    ] as const;
    for (const [mode, kind, fields] of faults) {
      await sandbox.clearFaults();
      await sandbox.fail({ endpoint: 'create', mode });
      const error = await failure(create());
      expect(error).toBeInstanceOf(kind);
      expect(error).toMatchObject(fields);
    }
  });

  it('names the account that an event belongs to only if it is another one', async () => {
    const intent = await stripe.paymentIntents.create(order('account'));
    const [own] = await receiver.until((all) => all.some(({ body }) => body.includes(intent.id)));
    expect(own?.event).not.toHaveProperty('account');
    expect(await sandbox.sendWebhook({ account: 'acct_other', object: { id: 'pi_other' } })).toMatchObject({
      status: 200,
    });
    const foreign = receiver.received.find(({ event }) => event.account === 'acct_other');
    const { body = '', signature = '' } = foreign ?? {};
    expect(stripe.webhooks.constructEvent(body, signature, sandbox.webhookSecret)).toMatchObject({
      account: 'acct_other',
      data: { object: { id: 'pi_other' } },
    });
  });

  it('says what the buyer has to do and where, and what went wrong when it was not done', async () => {
    const intent = await stripe.paymentIntents.create(order('3ds'));
    await sandbox.confirm(secretOf(intent), 'pm_card_authenticationRequired');
    const waiting = await stripe.paymentIntents.retrieve(intent.id);
    expect(waiting).toMatchObject({ status: 'requires_action', next_action: { type: 'redirect_to_url' } });
    await sandbox.authenticate(intent.id, 'fail');
    const refused = await stripe.paymentIntents.retrieve(intent.id);
    expect(refused).toMatchObject({
      status: 'requires_payment_method',
      next_action: null,
      last_payment_error: { code: 'payment_intent_authentication_failure', payment_method: { type: 'card' } },
    });
  });
});
