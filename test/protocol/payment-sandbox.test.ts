import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Stripe from 'stripe';
import { failure, order, secretOf, typesOf, unlimited } from '../support/payment-calls.js';
import {
  type PaymentSandbox,
  startPaymentSandbox,
  startWebhookReceiver,
  type WebhookReceiver,
} from '../support/payment-sandbox.js';

const calm = {
  failureRate: 0,
  latencyMs: 0,
  webhookDuplicates: 0,
  webhookShuffleMs: 0,
  webhookLossRate: 0,
  ...unlimited,
};

describe('the payment sandbox', () => {
  let sandbox: PaymentSandbox;
  let receiver: WebhookReceiver;
  let stripe: Stripe;

  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    sandbox = await startPaymentSandbox({
      webhookUrl: receiver.url,
      settings: { ...calm, slowMs: 50, webhookRetryMs: 20 },
    });
    stripe = sandbox.client();
  });

  afterEach(async () => {
    receiver.answerWith(200);
    await sandbox.settings(calm);
  });

  afterAll(async () => {
    await sandbox?.stop();
    await receiver?.close();
  });

  async function authorised(orderId: string, method = 'pm_card_visa'): Promise<Stripe.PaymentIntent> {
    const intent = await stripe.paymentIntents.create(order(orderId));
    await sandbox.confirm(secretOf(intent), method);
    return stripe.paymentIntents.retrieve(intent.id, { expand: ['latest_charge'] });
  }

  describe('payments', () => {
    it('authorises what the buyer confirms and takes the money at capture', async () => {
      const created = await stripe.paymentIntents.create(order('happy'));
      expect(created).toMatchObject({
        status: 'requires_payment_method',
        amount: 4_200,
        metadata: { orderId: 'happy' },
      });

      const paid = await sandbox.confirm(secretOf(created), 'pm_card_visa');
      expect(paid).toMatchObject({ httpStatus: 200, body: { status: 'requires_capture' } });

      const held = await stripe.paymentIntents.retrieve(created.id, { expand: ['latest_charge'] });
      expect(held).toMatchObject({ amount_capturable: 4_200, amount_received: 0, latest_charge: { captured: false } });
      const charge = held.latest_charge as Stripe.Charge;
      expect(charge.payment_method_details?.card?.capture_before).toBe(charge.created + 7 * 24 * 3_600);

      const captured = await stripe.paymentIntents.capture(created.id, {}, { idempotencyKey: 'happy:capture:1' });
      expect(captured).toMatchObject({ status: 'succeeded', amount_capturable: 0, amount_received: 4_200 });
      const settled = await stripe.paymentIntents.retrieve(created.id, { expand: ['latest_charge'] });
      expect(settled.latest_charge).toMatchObject({ captured: true, amount_captured: 4_200, amount_refunded: 0 });
    });

    it('takes the money at once when capture is not manual', async () => {
      const intent = await stripe.paymentIntents.create({
        amount: 100,
        currency: 'eur',
        payment_method: 'pm_card_visa',
        confirm: true,
      });
      expect(intent).toMatchObject({ status: 'succeeded', amount_received: 100 });
    });

    it('answers a decline as a card error and lets the buyer try again', async () => {
      const intent = await stripe.paymentIntents.create(order('declined'));
      const declined = await failure(
        stripe.paymentIntents.confirm(intent.id, { payment_method: 'pm_card_chargeDeclinedInsufficientFunds' }),
      );
      expect(declined).toBeInstanceOf(Stripe.errors.StripeCardError);
      expect(declined).toMatchObject({ statusCode: 402, code: 'card_declined', decline_code: 'insufficient_funds' });
      expect(declined.payment_intent).toMatchObject({ id: intent.id, status: 'requires_payment_method' });

      const afterwards = await stripe.paymentIntents.retrieve(intent.id);
      expect(afterwards.last_payment_error).toMatchObject({ code: 'card_declined', type: 'card_error' });
      const retried = await sandbox.confirm(secretOf(intent), 'pm_card_visa');
      expect(retried.body).toMatchObject({ status: 'requires_capture', last_payment_error: null });
    });

    it('sends the buyer to the bank and follows the answer given there', async () => {
      const intent = await stripe.paymentIntents.create(order('bank'));
      const asked = await sandbox.confirm(secretOf(intent), 'pm_card_authenticationRequired');
      const page = `${sandbox.url}/_sandbox/3ds/${intent.id}`;
      expect(asked.body).toMatchObject({ status: 'requires_action', next_action: { redirect_to_url: { url: page } } });
      expect(await (await fetch(page)).text()).toContain('value="success"');

      const refused = await sandbox.authenticate(intent.id, 'fail');
      expect(refused.body).toMatchObject({ status: 'requires_payment_method' });
      const afterwards = await stripe.paymentIntents.retrieve(intent.id);
      expect(afterwards.last_payment_error?.code).toBe('payment_intent_authentication_failure');

      await sandbox.confirm(secretOf(intent), 'pm_card_authenticationRequired');
      const form = new URLSearchParams({ result: 'success' });
      expect((await fetch(page, { method: 'POST', body: form })).status).toBe(200);
      expect((await stripe.paymentIntents.retrieve(intent.id)).status).toBe('requires_capture');
      expect((await sandbox.authenticate(intent.id, 'success')).httpStatus).toBe(400);
    });

    it('settles a slow payment later and cannot cancel it meanwhile', async () => {
      await sandbox.settings({ slowMs: 600_000 });
      const stuck = await authorised('stuck', 'pm_slow');
      expect(stuck.status).toBe('processing');
      expect(await failure(stripe.paymentIntents.cancel(stuck.id))).toMatchObject({
        code: 'payment_intent_unexpected_state',
      });

      await sandbox.settings({ slowMs: 50 });
      const slow = await authorised('slow', 'pm_slow');
      await receiver.until((all) => typesOf(all, slow.id).length === 3);
      expect((await stripe.paymentIntents.retrieve(slow.id)).status).toBe('requires_capture');
      expect(typesOf(receiver.received, slow.id)).toEqual(
        expect.arrayContaining(['payment_intent.processing', 'payment_intent.amount_capturable_updated']),
      );
    });

    it('captures some payments not at once but when it is done with them', async () => {
      const held = await authorised('late', 'pm_slow_capture');
      expect(held.status).toBe('requires_capture');
      await sandbox.settings({ slowMs: 600_000 });
      const asked = await stripe.paymentIntents.capture(held.id);
      await sandbox.settings({ slowMs: 50 });
      expect(asked).toMatchObject({ status: 'processing', amount_received: 0, amount_capturable: 0 });
      const settled = await sandbox.settlePayment(held.id, { approved: true });
      expect(settled).toMatchObject({ status: 'succeeded', amount_received: held.amount });
      expect(settled.latest_charge).toBe(asked.latest_charge);
    });

    it('refuses an action in the wrong state and shows the intent in the error', async () => {
      const intent = await authorised('states');
      const twice = await failure(stripe.paymentIntents.confirm(intent.id, { payment_method: 'pm_card_visa' }));
      expect(twice).toMatchObject({
        code: 'payment_intent_unexpected_state',
        payment_intent: { status: 'requires_capture' },
      });

      await stripe.paymentIntents.capture(intent.id);
      for (const call of [stripe.paymentIntents.capture(intent.id), stripe.paymentIntents.cancel(intent.id)]) {
        const late = await failure(call);
        expect(late).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
        expect(late).toMatchObject({ statusCode: 400, code: 'payment_intent_unexpected_state' });
        expect(late.payment_intent).toMatchObject({ id: intent.id, status: 'succeeded' });
      }
    });

    it('lets an authorisation go when it is canceled', async () => {
      const intent = await authorised('canceled');
      const canceled = await stripe.paymentIntents.cancel(intent.id, { cancellation_reason: 'abandoned' });
      expect(canceled).toMatchObject({ status: 'canceled', amount_capturable: 0, cancellation_reason: 'abandoned' });
      expect(await failure(stripe.paymentIntents.capture(intent.id))).toMatchObject({
        code: 'payment_intent_unexpected_state',
      });
    });

    it('names what is wrong with a call', async () => {
      const { paymentIntents, refunds, events } = stripe;
      const wrong = [
        [paymentIntents.create({ amount: 10, currency: 'eur' }), { code: 'amount_too_small', param: 'amount' }],
        [paymentIntents.create({ amount: 100, currency: '' }), { code: 'parameter_missing', param: 'currency' }],
        [
          paymentIntents.create({ amount: 1.5, currency: 'eur' }),
          { code: 'parameter_invalid_integer', param: 'amount' },
        ],
        [paymentIntents.create({ ...order('x'), customer: 'cus_1' }), { code: 'parameter_unknown', param: 'customer' }],
        [paymentIntents.retrieve('pi_none'), { code: 'resource_missing', statusCode: 404 }],
        [refunds.create({ payment_intent: 'pi_none' }), { code: 'resource_missing', statusCode: 404 }],
        [events.retrieve('evt_none'), { code: 'resource_missing', statusCode: 404 }],
      ] as const;
      const answers = wrong.map(([call, expected]) => [failure(call), expected] as const);
      for (const [answer, expected] of answers) expect(await answer).toMatchObject(expected);
    });

    it('gives back at most what was taken', async () => {
      const intent = await authorised('refunds');
      expect(await failure(stripe.refunds.create({ payment_intent: intent.id }))).toMatchObject({ statusCode: 400 });
      await stripe.paymentIntents.capture(intent.id);

      const first = await stripe.refunds.create({ payment_intent: intent.id, amount: 1_200, metadata: { line: '1' } });
      expect(first).toMatchObject({ status: 'succeeded', amount: 1_200, metadata: { line: '1' } });
      const above = await failure(stripe.refunds.create({ payment_intent: intent.id, amount: 3_001 }));
      expect(above).toMatchObject({ statusCode: 400, param: 'amount' });

      const charge = (intent.latest_charge as Stripe.Charge).id;
      expect((await stripe.refunds.create({ charge })).amount).toBe(3_000);
      expect(await failure(stripe.refunds.create({ charge }))).toMatchObject({ code: 'charge_already_refunded' });

      const all = await stripe.refunds.list({ payment_intent: intent.id });
      expect(all.data.map(({ amount }) => amount)).toEqual([3_000, 1_200]);
      expect((await stripe.refunds.retrieve(first.id)).payment_intent).toBe(intent.id);
      const audited = (await sandbox.intents()).find(({ id }) => id === intent.id);
      expect(audited).toMatchObject({ status: 'succeeded', amount_received: 4_200, amount_refunded: 4_200 });
    });

    it('takes a failed refund back onto the seller', async () => {
      const intent = await authorised('failing refund', 'pm_card_refundFail');
      await stripe.paymentIntents.capture(intent.id);
      const refund = await stripe.refunds.create({ payment_intent: intent.id });
      expect(refund.status).toBe('succeeded');
      await receiver.until((all) => typesOf(all, refund.id).includes('refund.failed'));
      expect((await stripe.refunds.retrieve(refund.id)).status).toBe('failed');
      const { latest_charge } = await stripe.paymentIntents.retrieve(intent.id, { expand: ['latest_charge'] });
      expect(latest_charge).toMatchObject({ amount_refunded: 0, refunded: false });
    });

    it('lists every payment once over any number of pages, so that one can be found by its metadata', async () => {
      const made: string[] = [];
      for (let index = 0; index < 7; index += 1)
        made.unshift((await stripe.paymentIntents.create(order(`page ${index}`))).id);
      const listed: Stripe.PaymentIntent[] = [];
      for await (const intent of stripe.paymentIntents.list({ limit: 3, created: { gte: 1 } })) listed.push(intent);
      expect(listed.slice(0, 7).map(({ id }) => id)).toEqual(made);
      expect(new Set(listed.map(({ id }) => id)).size).toBe((await sandbox.intents()).length);
      expect(listed.find(({ metadata }) => metadata.orderId === 'page 4')?.id).toBe(made[2]);

      const newer = await stripe.paymentIntents.list({ limit: 2, ending_before: made[4] ?? '' });
      expect(newer).toMatchObject({ has_more: true, data: [{ id: made[2] }, { id: made[3] }] });
      expect((await stripe.paymentIntents.list({ created: { lt: 1_000 } })).data).toEqual([]);
    });
  });

  describe('callers', () => {
    it('answers nobody without its key', async () => {
      const stranger = new Stripe('sk_test_other', { host: '127.0.0.1', port: sandbox.port, protocol: 'http' });
      expect(await failure(stranger.paymentIntents.list())).toBeInstanceOf(Stripe.errors.StripeAuthenticationError);
      const basic = `Basic ${Buffer.from(`${sandbox.secretKey}:`).toString('base64')}`;
      const response = await fetch(`${sandbox.url}/v1/payment_intents`, { headers: { authorization: basic } });
      expect(response.status).toBe(200);
    });

    it('lets a buyer see and confirm only the payment whose secret they hold', async () => {
      const mine = await stripe.paymentIntents.create(order('mine'));
      const theirs = await stripe.paymentIntents.create(order('theirs'));
      const headers = { authorization: 'Bearer pk_test_1' };
      const get = (id: string, secret: string) =>
        fetch(`${sandbox.url}/v1/payment_intents/${id}?client_secret=${secret}`, { headers });

      const seen = (await (await get(mine.id, secretOf(mine))).json()) as Record<string, unknown>;
      expect(seen).toMatchObject({ id: mine.id, amount: 4_200, status: 'requires_payment_method' });
      expect(seen).not.toHaveProperty('metadata');

      const unknown = await get('pi_none', secretOf(mine));
      const foreign = await get(theirs.id, secretOf(mine));
      expect([unknown.status, foreign.status, (await get(mine.id, '')).status]).toEqual([400, 400, 400]);
      expect(await foreign.json()).toEqual(await unknown.json());
      const withoutSecret = await fetch(`${sandbox.url}/v1/payment_intents/pi_none`, { headers });
      expect(withoutSecret.status).toBe(400);

      const cancel = `${sandbox.url}/v1/payment_intents/${mine.id}/cancel`;
      const refused = await fetch(cancel, {
        method: 'POST',
        headers,
        body: new URLSearchParams({ client_secret: secretOf(mine) }),
      });
      expect([refused.status, await refused.json()]).toMatchObject([401, { error: { code: 'secret_key_required' } }]);
    });

    it('refuses calls above the quota of an endpoint and of the account', async () => {
      await sandbox.settings({ quotaPerSecond: 0, quotaPerEndpointPerSecond: 1 });
      const reasonsOf = async () => {
        const calls = Array.from({ length: 12 }, () =>
          stripe.paymentIntents.list().then(
            () => undefined,
            (problem) => problem,
          ),
        );
        return (await Promise.all(calls)).filter((problem) => problem !== undefined);
      };
      const byEndpoint = await reasonsOf();
      expect(byEndpoint.length).toBeGreaterThan(0);
      for (const problem of byEndpoint) {
        expect(problem).toBeInstanceOf(Stripe.errors.StripeRateLimitError);
        expect(problem).toMatchObject({ statusCode: 429, headers: { 'stripe-rate-limited-reason': 'endpoint-rate' } });
      }
      await sandbox.settings({ quotaPerSecond: 1, quotaPerEndpointPerSecond: 0 });
      const byAccount = await reasonsOf();
      expect(byAccount[0]?.headers).toMatchObject({ 'stripe-rate-limited-reason': 'global-rate' });
    });
  });

  describe('idempotency keys', () => {
    it('replays the first answer and creates nothing again', async () => {
      const first = await stripe.paymentIntents.create(order('once'), { idempotencyKey: 'once:create:1' });
      const again = await stripe.paymentIntents.create(order('once'), { idempotencyKey: 'once:create:1' });
      expect(again.id).toBe(first.id);
      expect(first.lastResponse.headers).not.toHaveProperty('idempotent-replayed');
      expect(again.lastResponse.headers).toMatchObject({ 'idempotent-replayed': 'true' });
    });

    it('refuses a used key with other parameters or another endpoint', async () => {
      const idempotencyKey = 'mixed:create:1';
      const { id } = await stripe.paymentIntents.create(order('mixed'), { idempotencyKey });
      const otherAmount = await failure(stripe.paymentIntents.create(order('mixed', 4_300), { idempotencyKey }));
      expect(otherAmount).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
      expect(await failure(stripe.paymentIntents.cancel(id, {}, { idempotencyKey }))).toMatchObject({
        statusCode: 400,
      });
    });

    it('remembers a decline and replays it although the buyer has paid since', async () => {
      const intent = await stripe.paymentIntents.create(order('declined once'));
      const declinedTwice = () =>
        stripe.paymentIntents.confirm(
          intent.id,
          { payment_method: 'pm_card_chargeDeclined' },
          { idempotencyKey: 'declined:1' },
        );
      const first = await failure(declinedTwice());
      await sandbox.confirm(secretOf(intent), 'pm_card_visa');
      const again = await failure(declinedTwice());
      expect(again).toMatchObject({ statusCode: 402, decline_code: 'generic_decline', charge: first.charge });
      expect((await stripe.paymentIntents.retrieve(intent.id)).status).toBe('requires_capture');
    });

    it('remembers a failure of the provider until the key is pruned', async () => {
      await sandbox.settings({ failureRate: 1, failureMode: 'after' });
      const idempotencyKey = 'broken:create:1';
      const broken = await failure(stripe.paymentIntents.create(order('broken'), { idempotencyKey }));
      expect(broken).toMatchObject({ statusCode: 500, type: 'StripeAPIError' });

      await sandbox.settings({ failureRate: 0 });
      const replayed = await failure(stripe.paymentIntents.create(order('broken'), { idempotencyKey }));
      expect(replayed).toMatchObject({ statusCode: 500, headers: { 'idempotent-replayed': 'true' } });
      const acted = (await sandbox.intents()).filter(({ metadata }) => metadata.orderId === 'broken');
      expect(acted).toHaveLength(1);

      expect(await sandbox.pruneIdempotencyKeys()).toBeGreaterThan(0);
      await stripe.paymentIntents.create(order('broken'), { idempotencyKey });
      expect((await sandbox.intents()).filter(({ metadata }) => metadata.orderId === 'broken')).toHaveLength(2);
    });

    it('does not remember a call that never began', async () => {
      const idempotencyKey = 'corrected:create:1';
      expect(await failure(stripe.paymentIntents.create(order('corrected', 1), { idempotencyKey }))).toMatchObject({
        code: 'amount_too_small',
      });
      expect((await stripe.paymentIntents.create(order('corrected'), { idempotencyKey })).amount).toBe(4_200);
    });

    it('tells a concurrent call that its key is in use', async () => {
      await sandbox.settings({ latencyMs: 1_000 });
      const calls = [1, 2].map(() => stripe.paymentIntents.create(order('both'), { idempotencyKey: 'both:create:1' }));
      const outcomes = await Promise.allSettled(calls);
      const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
      expect(failed).toHaveLength(1);
      expect(failed[0]?.reason).toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' });
    });
  });

  describe('faults on purpose', () => {
    const countOf = async (orderId: string) =>
      (await sandbox.intents()).filter(({ metadata }) => metadata.orderId === orderId).length;

    it('fails before acting when told so', async () => {
      await sandbox.settings({ failureRate: 1, failureMode: 'before' });
      expect(await failure(stripe.paymentIntents.create(order('before')))).toMatchObject({ statusCode: 500 });
      expect(await countOf('before')).toBe(0);
    });

    it('acts and then cuts the connection, so that the same key finds what was done', async () => {
      await sandbox.settings({ failureRate: 1, failureMode: 'cut' });
      // The client repeats a call on a closed connection once by itself, under the same key.
      const found = await stripe.paymentIntents.create(order('cut'));
      expect(found.lastResponse.headers).toMatchObject({ 'idempotent-replayed': 'true' });
      expect(await countOf('cut')).toBe(1);
      expect(await failure(stripe.paymentIntents.list())).toBeInstanceOf(Stripe.errors.StripeConnectionError);
    });

    it('acts and then never answers, and replays the outcome to the same key', async () => {
      await sandbox.settings({ failureRate: 1, failureMode: 'hang' });
      const idempotencyKey = 'hang:create:1';
      const impatient = sandbox.client({ timeout: 300 });
      const lost = await failure(impatient.paymentIntents.create(order('hang'), { idempotencyKey }));
      expect(lost).toBeInstanceOf(Stripe.errors.StripeConnectionError);
      await sandbox.settings({ failureRate: 0 });
      const found = await stripe.paymentIntents.create(order('hang'), { idempotencyKey });
      expect(found.metadata).toEqual({ orderId: 'hang' });
      expect(await countOf('hang')).toBe(1);
    });

    it('names the setting that has a bad value and changes none', async () => {
      await expect(sandbox.settings({ latencyMs: 5, failureRate: 2 })).rejects.toThrow('failureRate');
      await expect(sandbox.settings({ failureMode: 'never' as 'cut' })).rejects.toThrow('failureMode');
      await expect(sandbox.settings({ unknown: 1 } as object)).rejects.toThrow('unknown');
      const settings = (await (await fetch(`${sandbox.url}/_sandbox/settings`)).json()) as { latencyMs: number };
      expect(settings.latencyMs).toBe(0);
      expect(await (await fetch(sandbox.url)).text()).toContain('failureRate');
    });
  });

  describe('webhooks', () => {
    it('announces each change with the full object, signed, in the version of the client', async () => {
      const intent = await authorised('announced');
      await stripe.paymentIntents.capture(intent.id);
      await stripe.refunds.create({ payment_intent: intent.id });
      const expected = [
        'charge.captured',
        'charge.refunded',
        'payment_intent.amount_capturable_updated',
        'payment_intent.created',
        'payment_intent.succeeded',
        'refund.created',
      ];
      const all = await receiver.until((received) => typesOf(received, intent.id).length === expected.length);
      expect(typesOf(all, intent.id).sort()).toEqual(expected);

      const paid = all.find(
        ({ event }) => event.type === 'payment_intent.succeeded' && event.data.object.id === intent.id,
      );
      const event = stripe.webhooks.constructEvent(paid?.body ?? '', paid?.signature ?? '', sandbox.webhookSecret);
      expect(event).toMatchObject({ object: 'event', api_version: Stripe.API_VERSION, livemode: false });
      expect(event.data.object).toMatchObject({
        id: intent.id,
        status: 'succeeded',
        metadata: { orderId: 'announced' },
      });
      expect(event).not.toHaveProperty('account');
      expect(() =>
        stripe.webhooks.constructEvent(`${paid?.body} `, paid?.signature ?? '', sandbox.webhookSecret),
      ).toThrow();

      expect((await stripe.events.retrieve(event.id)).type).toBe('payment_intent.succeeded');
      const listed = await stripe.events.list({ type: 'payment_intent.succeeded', limit: 1 });
      expect(listed.data[0]?.id).toBe(event.id);
    });

    it('repeats a delivery until it is accepted', async () => {
      receiver.answerWith(500);
      const intent = await stripe.paymentIntents.create(order('repeated'));
      await receiver.until((all) => typesOf(all, intent.id).length >= 2);
      receiver.answerWith(200);
      const seen = typesOf(receiver.received, intent.id).length;
      const all = await receiver.until((received) => typesOf(received, intent.id).length > seen);
      expect(new Set(all.filter(({ body }) => body.includes(intent.id)).map(({ event }) => event.id)).size).toBe(1);
    });

    it('duplicates and loses events when told so', async () => {
      await sandbox.settings({ webhookDuplicates: 2 });
      const doubled = await stripe.paymentIntents.create(order('doubled'));
      await receiver.until((all) => typesOf(all, doubled.id).length === 3);

      await sandbox.settings({ webhookDuplicates: 0, webhookLossRate: 1 });
      const lostBefore = (await sandbox.state()).webhooks.lost;
      const lost = await stripe.paymentIntents.create(order('lost'));
      expect((await sandbox.state()).webhooks.lost).toBeGreaterThan(lostBefore);
      expect(typesOf(receiver.received, lost.id)).toEqual([]);
    });
  });
});

describe('a payment sandbox with a state file', () => {
  let directory: string;
  let stateFile: string;
  const running: PaymentSandbox[] = [];

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'payment-sandbox-'));
    stateFile = join(directory, 'state.jsonl');
  });

  afterAll(async () => {
    for (const sandbox of running) await sandbox.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function start(options: Parameters<typeof startPaymentSandbox>[0] = {}): Promise<PaymentSandbox> {
    const sandbox = await startPaymentSandbox({ stateFile, ...options });
    running.push(sandbox);
    return sandbox;
  }

  it('keeps payments, refunds, events and keys over a restart, and sends the webhooks it still owed', async () => {
    const receiver = await startWebhookReceiver();
    const before = await start({ webhookUrl: receiver.url, settings: { webhookDelayMs: 600_000, slowMs: 50 } });
    const idempotencyKey = 'kept:create:1';
    const created = await before.client().paymentIntents.create(order('kept'), { idempotencyKey });
    await before.confirm(secretOf(created), 'pm_card_visa');
    await before.client().paymentIntents.capture(created.id);
    const refund = await before.client().refunds.create({ payment_intent: created.id, amount: 200 });
    const slow = await before.client().paymentIntents.create(order('slow'));
    await before.confirm(secretOf(slow), 'pm_slow');
    const audit = (await before.intents()).filter(({ id }) => id === created.id);
    expect(receiver.received).toEqual([]);
    expect(await before.stop()).toBe('exit code 0');

    const after = await start({ webhookUrl: receiver.url });
    expect((await after.intents()).filter(({ id }) => id === created.id)).toEqual(audit);
    const replayed = await after.client().paymentIntents.create(order('kept'), { idempotencyKey });
    expect([replayed.id, replayed.status]).toEqual([created.id, 'requires_payment_method']);
    expect((await after.client().refunds.retrieve(refund.id)).amount).toBe(200);
    const settled = 'payment_intent.amount_capturable_updated';
    const all = await receiver.until(
      (received) => typesOf(received, created.id).length === 6 && typesOf(received, slow.id).includes(settled),
    );
    const listed = await after.client().events.list({ limit: 100 });
    expect(listed.data.map(({ id }) => id).sort()).toEqual([...new Set(all.map(({ event }) => event.id))].sort());
    expect(await after.stop()).toBe('exit code 0');
    await receiver.close();
  });

  it('starts again after a crash', async () => {
    const before = await start();
    await before.kill();
    const after = await start();
    expect((await after.intents()).map(({ metadata }) => metadata.orderId)).toEqual(['kept', 'slow']);
  });

  it('says in one line that its port is taken', async () => {
    const first = await start({ stateFile: join(directory, 'other.jsonl') });
    const second = startPaymentSandbox({ port: first.port });
    await expect(second).rejects.toThrow(`port ${first.port} is taken`);
  });
});
