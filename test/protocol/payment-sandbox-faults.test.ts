import Stripe from 'stripe';
import { captured, failure, order, secretOf, unlimited } from '../support/payment-calls.js';
import { type PaymentSandbox, startPaymentSandbox } from '../support/payment-sandbox.js';

const { errors } = Stripe;

describe('faults that are planned in the payment sandbox', () => {
  let sandbox: PaymentSandbox;
  let stripe: Stripe;
  let keys = 0;

  beforeAll(async () => {
    sandbox = await startPaymentSandbox({ settings: unlimited });
    stripe = sandbox.client();
  });

  afterEach(async () => {
    await sandbox.clearFaults();
    await sandbox.settings({ failureRate: 0, failureMode: 'before' });
  });

  afterAll(async () => {
    await sandbox?.stop();
  });

  async function authorised(): Promise<Stripe.PaymentIntent> {
    const intent = await stripe.paymentIntents.create(order('authorised'));
    await sandbox.confirm(secretOf(intent), 'pm_card_visa');
    return intent;
  }

  /** Only calls that are never answered are given up. */
  type Patience = { readonly timeout?: number };

  interface Step {
    /** Makes a call that can be repeated under one key, and asks the sandbox whether it took place. */
    prepare(): Promise<{ call: (patience?: Patience) => Promise<unknown>; done: () => Promise<boolean> }>;
  }

  const nextKey = () => {
    keys += 1;
    return { idempotencyKey: `planned:${keys}` };
  };

  const steps: Record<'create' | 'capture' | 'cancel' | 'refund', Step> = {
    create: {
      prepare: async () => {
        const key = nextKey();
        const about = `made under ${key.idempotencyKey}`;
        const made = async () => (await sandbox.intents()).some(({ metadata }) => metadata.orderId === about);
        return { call: (patience) => stripe.paymentIntents.create(order(about), { ...key, ...patience }), done: made };
      },
    },
    capture: {
      prepare: async () => {
        const [{ id }, key] = [await authorised(), nextKey()];
        const done = async () => (await sandbox.intents()).find((intent) => intent.id === id)?.status === 'succeeded';
        return { call: (patience) => stripe.paymentIntents.capture(id, {}, { ...key, ...patience }), done };
      },
    },
    cancel: {
      prepare: async () => {
        const [{ id }, key] = [await authorised(), nextKey()];
        const done = async () => (await sandbox.intents()).find((intent) => intent.id === id)?.status === 'canceled';
        return { call: (patience) => stripe.paymentIntents.cancel(id, {}, { ...key, ...patience }), done };
      },
    },
    refund: {
      prepare: async () => {
        const [{ id }, key] = [await captured(sandbox, 'to give back'), nextKey()];
        const done = async () =>
          ((await sandbox.intents()).find((intent) => intent.id === id)?.amount_refunded ?? 0) > 0;
        return { call: (patience) => stripe.refunds.create({ payment_intent: id }, { ...key, ...patience }), done };
      },
    },
  };
  const endpoints = Object.keys(steps) as (keyof typeof steps)[];

  it.each(endpoints)('break %s in each way, before or after it acted', async (endpoint) => {
    // The package repeats a call once by itself when a kept connection was closed on it, under the same key.
    const twice = 2;
    const modes = [
      ['before', 1, false, errors.StripeAPIError],
      ['after', 1, true, errors.StripeAPIError],
      ['hang', 1, true, errors.StripeConnectionError],
      ['hangBefore', 1, false, errors.StripeConnectionError],
      ['cutBefore', twice, false, errors.StripeConnectionError],
      ['limit', 1, false, errors.StripeRateLimitError],
      ['lock', 1, false, errors.StripeRateLimitError],
      ['unavailable', 1, false, errors.StripeAPIError],
    ] as const;
    for (const [mode, times, acted, kind] of modes) {
      const { call, done } = await steps[endpoint].prepare();
      await sandbox.fail({ endpoint, mode, times });
      const patience = mode.startsWith('hang') ? { timeout: 1_000 } : {};
      expect([mode, await failure(call(patience))]).toEqual([mode, expect.any(kind)]);
      expect([mode, await done()]).toEqual([mode, acted]);
      await sandbox.clearFaults();
      // A 500 stays one under its key; everything else is found or made under the same one.
      const again = mode === 'before' || mode === 'after' ? await failure(call()) : await call();
      if (again instanceof Error) expect(again).toMatchObject({ headers: { 'idempotent-replayed': 'true' } });
      expect([mode, await done()]).toEqual([mode, mode !== 'before']);
    }
  });

  it.each(endpoints)('cut the connection of %s after it acted; the same key finds what was done', async (endpoint) => {
    const { call, done } = await steps[endpoint].prepare();
    await sandbox.fail({ endpoint, mode: 'cut', times: 1 });
    expect(await call()).toMatchObject({ lastResponse: { headers: { 'idempotent-replayed': 'true' } } });
    expect(await done()).toBe(true);
  });

  it.each([
    ['retrieve', () => stripe.paymentIntents.retrieve('pi_any')],
    ['list', () => stripe.paymentIntents.list()],
    ['listRefunds', () => stripe.refunds.list()],
    ['retrieveRefund', () => stripe.refunds.retrieve('re_any')],
    ['retrieveCharge', () => stripe.charges.retrieve('ch_any')],
    ['listDisputes', () => stripe.disputes.list()],
    ['listBalance', () => stripe.balanceTransactions.list()],
    ['listEvents', () => stripe.events.list()],
    ['retrieveAccount', () => stripe.accounts.retrieveCurrent()],
  ] as const)('break %s alone', async (endpoint, call) => {
    await sandbox.fail({ endpoint, mode: 'unavailable' });
    expect(await failure(call())).toMatchObject({ statusCode: 503 });
    await stripe.paymentIntents.create(order('not met'));
  });

  it('say when to come back only if they were told to', async () => {
    await sandbox.fail({ endpoint: 'create', mode: 'limit', times: 1, retryAfterSeconds: 7 });
    await sandbox.fail({ endpoint: 'create', mode: 'limit', times: 1 });
    const told = await failure(stripe.paymentIntents.create(order('limited')));
    const untold = await failure(stripe.paymentIntents.create(order('limited')));
    expect(told.headers).toMatchObject({ 'retry-after': '7', 'stripe-rate-limited-reason': 'endpoint-rate' });
    expect(untold.headers).not.toHaveProperty('retry-after');
    expect((await stripe.paymentIntents.create(order('limited'))).status).toBe('requires_payment_method');
  });

  it('meet as many calls as planned, and only those they are about', async () => {
    await sandbox.fail({ endpoint: 'all', mode: 'unavailable', times: 2, matching: 'seat-17' });
    await stripe.paymentIntents.create(order('seat-18'));
    const about = () => stripe.paymentIntents.create(order('seat-17'));
    expect([await failure(about()), await failure(about())]).toMatchObject([{ statusCode: 503 }, { statusCode: 503 }]);
    await about();
    expect(await sandbox.faults()).toMatchObject([{ met: 2, times: 2, matching: 'seat-17' }]);
    await sandbox.clearFaults('create');
    expect(await sandbox.faults()).toHaveLength(1);
    await sandbox.clearFaults('all');
    expect(await sandbox.faults()).toEqual([]);
  });

  it('of the door meet replays too, those inside only what is executed', async () => {
    const { call } = await steps.create.prepare();
    await call();
    await sandbox.fail({ endpoint: 'create', mode: 'limit', times: 1 });
    await sandbox.fail({ endpoint: 'create', mode: 'before', times: 1 });
    expect(await failure(call())).toMatchObject({ statusCode: 429 });
    expect(await call()).toMatchObject({ lastResponse: { headers: { 'idempotent-replayed': 'true' } } });
    expect(await sandbox.faults()).toMatchObject([{ met: 1 }, { met: 0 }]);
  });

  it('meet the seller’s calls, never a buyer’s', async () => {
    const intent = await stripe.paymentIntents.create(order('buyer'));
    await sandbox.fail({ endpoint: 'all', mode: 'unavailable' });
    expect((await sandbox.confirm(secretOf(intent), 'pm_card_visa')).httpStatus).toBe(200);
  });

  it('only delay when told so', async () => {
    await sandbox.fail({ endpoint: 'retrieve', mode: 'none', latencyMs: 5_000 });
    const intent = await stripe.paymentIntents.create(order('slow'));
    const impatient = stripe.paymentIntents.retrieve(intent.id, {}, { timeout: 300 });
    expect(await failure(impatient)).toBeInstanceOf(errors.StripeConnectionError);
    await sandbox.clearFaults();
    expect((await stripe.paymentIntents.retrieve(intent.id)).id).toBe(intent.id);
  });

  it('of the door are settings too', async () => {
    await sandbox.settings({ failureRate: 1, failureMode: 'limit' });
    expect(await failure(stripe.paymentIntents.list())).toMatchObject({ statusCode: 429 });
  });

  it('are refused with the name of what is wrong', async () => {
    await expect(sandbox.fail({ endpoint: 'nothing', mode: 'before' })).rejects.toThrow('endpoint');
    await expect(sandbox.fail({ endpoint: 'create', mode: 'explode' as 'before' })).rejects.toThrow('mode');
    await expect(sandbox.fail({ endpoint: 'create', mode: 'before', often: 1 } as never)).rejects.toThrow('additional');
  });
});
