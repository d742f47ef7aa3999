import type Stripe from 'stripe';
import { captured, order, typesOf, unlimited } from '../support/payment-calls.js';
import {
  type PaymentSandbox,
  startPaymentSandbox,
  startWebhookReceiver,
  type WebhookReceiver,
} from '../support/payment-sandbox.js';

describe('what becomes of webhooks of the payment sandbox', () => {
  let sandbox: PaymentSandbox;
  let receiver: WebhookReceiver;
  let stripe: Stripe;

  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    sandbox = await startPaymentSandbox({ webhookUrl: receiver.url, settings: { ...unlimited, webhookHold: true } });
    stripe = sandbox.client();
  });

  afterEach(async () => {
    receiver.answerWith(200);
    await sandbox.loseWebhooks();
  });

  afterAll(async () => {
    await sandbox?.stop();
    await receiver?.close();
  });

  const happened = [
    'payment_intent.created',
    'payment_intent.amount_capturable_updated',
    'payment_intent.succeeded',
    'charge.captured',
  ];

  it('are held and released later, in the order in which things happened', async () => {
    const intent = await captured(sandbox, 'held');
    expect((await sandbox.state()).webhooksHeld).toBe(happened.length);
    expect(typesOf(receiver.received, intent.id)).toEqual([]);
    const received = await sandbox.releaseWebhooks({ about: intent.id });
    expect(received.map(({ type, status }) => [type, status])).toEqual(happened.map((type) => [type, 200]));
    expect(typesOf(receiver.received, intent.id)).toEqual(happened);
    expect(await sandbox.state()).toMatchObject({ webhooksHeld: 0, webhooksPending: 0 });
  });

  it('are released in reverse, each several times, or only those of a kind', async () => {
    const intent = await captured(sandbox, 'reversed');
    await sandbox.releaseWebhooks({ types: ['charge.captured'] });
    const received = await sandbox.releaseWebhooks({ order: 'reversed', times: 2 });
    const expected = [...happened.slice(0, 3)].reverse().flatMap((type) => [type, type]);
    expect(received.map(({ type }) => type)).toEqual(expected);
    expect(typesOf(receiver.received, intent.id)).toEqual(['charge.captured', ...expected]);
  });

  it('are lost for good, but can be sent again', async () => {
    const intent = await captured(sandbox, 'lost');
    await sandbox.loseWebhooks();
    expect(await sandbox.releaseWebhooks()).toEqual([]);
    const again = await sandbox.resendWebhooks({ about: intent.id, times: 3, types: ['payment_intent.succeeded'] });
    expect(again).toHaveLength(3);
    expect(new Set(again.map(({ eventId }) => eventId)).size).toBe(1);
    const [event] = (await stripe.events.list({ type: 'payment_intent.succeeded', limit: 1 })).data;
    expect(again[0]).toEqual({ eventId: event?.id, type: event?.type, status: 200 });
  });

  it('of the past are sent again in any order, signed anew', async () => {
    const intent = await captured(sandbox, 'again');
    await sandbox.releaseWebhooks();
    const from = receiver.received.length;
    await sandbox.resendWebhooks({ about: intent.id, order: 'reversed' });
    const again = receiver.received.slice(from);
    expect(again.map(({ event }) => event.type)).toEqual([...happened].reverse());
    for (const { body, signature } of again)
      expect(stripe.webhooks.constructEvent(body, signature, sandbox.webhookSecret).id).toMatch(/^evt_/);
  });

  it('say what the subscriber answered', async () => {
    await stripe.paymentIntents.create(order('refused'));
    receiver.answerWith(503);
    expect(await sandbox.releaseWebhooks()).toMatchObject([{ status: 503 }]);
    expect((await sandbox.state()).webhooksHeld).toBe(0);
  });

  it('of another account, another endpoint, another mode, or an unknown kind can be made', async () => {
    const intent = await stripe.paymentIntents.create(order('made by hand'));
    const from = receiver.received.length;
    await sandbox.sendWebhook({ account: 'acct_other' });
    await sandbox.sendWebhook({ livemode: true, apiVersion: '2020-08-27' });
    await sandbox.sendWebhook({ type: 'invoice.paid', object: { object: 'invoice' } });
    const made = receiver.received.slice(from);
    expect(made.map(({ event }) => event)).toMatchObject([
      { account: 'acct_other', data: { object: { id: intent.id } } },
      { livemode: true, api_version: '2020-08-27' },
      { type: 'invoice.paid', data: { object: { object: 'invoice' } } },
    ]);
    for (const { body, signature } of made)
      expect(() => stripe.webhooks.constructEvent(body, signature, sandbox.webhookSecret)).not.toThrow();
  });

  it('with a wrong secret, an old signature or a huge body can be made', async () => {
    await stripe.paymentIntents.create(order('forged'));
    const from = receiver.received.length;
    await sandbox.sendWebhook({ secret: 'whsec_of_another_endpoint' });
    await sandbox.sendWebhook({ ageSeconds: 3_600 });
    await sandbox.sendWebhook({ bytes: 2_000_000 });
    const [other, old, huge] = receiver.received.slice(from);
    for (const forged of [other, old])
      expect(() =>
        stripe.webhooks.constructEvent(forged?.body ?? '', forged?.signature ?? '', sandbox.webhookSecret),
      ).toThrow();
    expect(
      stripe.webhooks.constructEvent(old?.body ?? '', old?.signature ?? '', sandbox.webhookSecret, 7_200).id,
    ).toMatch(/^evt_/);
    expect(huge?.body.length).toBeGreaterThan(2_000_000);
  });

  it('are not sent when nobody subscribed', async () => {
    await sandbox.settings({ webhookUrl: '' });
    await expect(sandbox.sendWebhook({})).rejects.toThrow('webhookUrl');
    await expect(sandbox.resendWebhooks()).rejects.toThrow('webhookUrl');
    await sandbox.settings({ webhookUrl: receiver.url });
  });
});
