import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Stripe from 'stripe';
import { captured, chargeOf, failure, order, secretOf, typesOf, unlimited } from '../support/payment-calls.js';
import {
  type PaymentSandbox,
  startPaymentSandbox,
  startWebhookReceiver,
  type WebhookReceiver,
} from '../support/payment-sandbox.js';

describe('money that goes back in the payment sandbox', () => {
  let sandbox: PaymentSandbox;
  let receiver: WebhookReceiver;
  let stripe: Stripe;

  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    sandbox = await startPaymentSandbox({ webhookUrl: receiver.url, settings: { ...unlimited, slowMs: 20 } });
    stripe = sandbox.client();
  });

  afterEach(async () => {
    await sandbox.settings({ refundMode: 'succeed', feeRate: 0.015, feeFixedMinor: 25 });
  });

  afterAll(async () => {
    await sandbox?.stop();
    await receiver?.close();
  });

  const refundedOf = async (intentId: string) => {
    const intent = await stripe.paymentIntents.retrieve(intentId, { expand: ['latest_charge'] });
    const { amount_refunded, refunded } = chargeOf(intent);
    return { amount_refunded, refunded };
  };

  describe('refunds', () => {
    it('stay pending until they are settled, and hold their amount meanwhile', async () => {
      await sandbox.settings({ refundMode: 'pending' });
      const intent = await captured(sandbox, 'pending');
      const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 4_000, metadata: { line: '7' } });
      expect(refund).toMatchObject({ status: 'pending', pending_reason: 'processing', metadata: { line: '7' } });
      expect(await refundedOf(intent.id)).toEqual({ amount_refunded: 4_000, refunded: false });
      expect(await failure(stripe.refunds.create({ payment_intent: intent.id, amount: 201 }))).toMatchObject({
        statusCode: 400,
        param: 'amount',
      });

      expect(await sandbox.settleRefund(refund.id, 'succeeded')).toMatchObject({ status: 'succeeded' });
      expect(await stripe.refunds.retrieve(refund.id)).toMatchObject({ status: 'succeeded', metadata: { line: '7' } });
      const all = await receiver.until((received) => typesOf(received, refund.id).includes('refund.updated'));
      const updated = all.find(({ event, body }) => event.type === 'refund.updated' && body.includes(refund.id));
      expect(updated?.event.data).toMatchObject({
        object: { status: 'succeeded' },
        previous_attributes: { status: 'pending' },
      });
      await expect(sandbox.settleRefund(refund.id, 'succeeded')).rejects.toThrow('cannot become');
    });

    it('that fail put the money back onto the balance and may be tried again', async () => {
      await sandbox.settings({ refundMode: 'pending' });
      const intent = await captured(sandbox, 'failed refund');
      const refund = await stripe.refunds.create({ payment_intent: intent.id });
      const failed = await sandbox.settleRefund(refund.id, 'failed', 'lost_or_stolen_card');
      expect(failed).toMatchObject({ status: 'failed', failure_reason: 'lost_or_stolen_card' });
      const shown = await stripe.refunds.retrieve(refund.id, { expand: ['failure_balance_transaction'] });
      expect(shown.failure_balance_transaction).toMatchObject({ amount: 4_200, type: 'refund_failure', net: 4_200 });
      expect(await refundedOf(intent.id)).toEqual({ amount_refunded: 0, refunded: false });
      const all = await receiver.until((received) => typesOf(received, refund.id).length === 4);
      expect(typesOf(all, refund.id).sort()).toEqual([
        'charge.refund.updated',
        'refund.created',
        'refund.failed',
        'refund.updated',
      ]);

      await sandbox.settings({ refundMode: 'succeed' });
      expect((await stripe.refunds.create({ payment_intent: intent.id })).status).toBe('succeeded');
      expect(await refundedOf(intent.id)).toEqual({ amount_refunded: 4_200, refunded: true });
    });

    it('that had succeeded may still come back', async () => {
      const intent = await captured(sandbox, 'bounced');
      const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 500 });
      expect(await sandbox.settleRefund(refund.id, 'failed')).toMatchObject({ status: 'failed' });
      await expect(sandbox.settleRefund(refund.id, 'failed')).rejects.toThrow('cannot become');
    });

    it.each([
      ['succeedLater', ['pending', 'succeeded']],
      ['failLater', ['pending', 'failed']],
      ['bounceLater', ['succeeded', 'failed']],
    ] as const)('go their way by themselves when the mode is %s', async (refundMode, [first, last]) => {
      await sandbox.settings({ refundMode });
      const intent = await captured(sandbox, refundMode);
      const refund = await stripe.refunds.create({ payment_intent: intent.id });
      expect(refund.status).toBe(first);
      await receiver.until((all) => typesOf(all, refund.id).includes('refund.updated'));
      expect((await stripe.refunds.retrieve(refund.id)).status).toBe(last);
    });

    it('are told apart when a charge has none left and when the amount is too large', async () => {
      const intent = await captured(sandbox, 'partial');
      for (const amount of [1_000, 2_000]) await stripe.refunds.create({ payment_intent: intent.id, amount });
      const above = await failure(stripe.refunds.create({ payment_intent: intent.id, amount: 1_201 }));
      expect(above).toMatchObject({ statusCode: 400, param: 'amount' });
      expect(above.code).toBeUndefined();
      await stripe.refunds.create({ payment_intent: intent.id, amount: 1_200 });
      expect(await failure(stripe.refunds.create({ payment_intent: intent.id, amount: 1 }))).toMatchObject({
        code: 'charge_already_refunded',
        charge: chargeOf(intent).id,
      });
      const all = await stripe.refunds.list({ payment_intent: intent.id });
      expect(all.data.reduce((sum, { amount }) => sum + amount, 0)).toBe(4_200);
    });

    it('made in the dashboard are nobody’s call', async () => {
      const intent = await captured(sandbox, 'dashboard');
      const part = await sandbox.refund(intent.id, { amount: 1_000, reason: 'requested_by_customer' });
      expect(part).toMatchObject({ amount: 1_000, status: 'succeeded', reason: 'requested_by_customer' });
      expect(await sandbox.refund(intent.id)).toMatchObject({ amount: 3_200 });
      await expect(sandbox.refund(intent.id)).rejects.toThrow('charge_already_refunded');
      const all = await receiver.until((received) => typesOf(received, part.id).includes('refund.created'));
      const created = all.find(({ event, body }) => event.type === 'refund.created' && body.includes(part.id));
      expect(created?.event.request).toEqual({ id: null, idempotency_key: null });
    });
  });

  describe('disputes', () => {
    it('take the money, block refunds, and give it back when they are won', async () => {
      const intent = await captured(sandbox, 'won');
      const dispute = await sandbox.dispute(intent.id, { reason: 'product_not_received' });
      expect(dispute).toMatchObject({ status: 'needs_response', amount: 4_200, is_charge_refundable: false });
      expect(dispute.balance_transactions).toMatchObject([
        { type: 'adjustment', amount: -4_200, fee: 2_000, net: -6_200 },
      ]);
      expect(await stripe.charges.retrieve(chargeOf(intent).id)).toMatchObject({ disputed: true });
      expect(await failure(stripe.refunds.create({ payment_intent: intent.id }))).toMatchObject({
        code: 'charge_disputed',
      });
      await expect(sandbox.dispute(intent.id)).rejects.toThrow('payment_intent_unexpected_state');

      await sandbox.moveDispute(dispute.id, 'under_review');
      const won = await sandbox.moveDispute(dispute.id, 'won');
      expect(won.balance_transactions.map(({ amount }) => amount)).toEqual([-4_200, 4_200]);
      const told = (all: Parameters<typeof typesOf>[0]) => [...new Set(typesOf(all, dispute.id))].sort();
      const all = await receiver.until((received) => told(received).length === 5);
      expect(told(all)).toEqual([
        'charge.dispute.closed',
        'charge.dispute.created',
        'charge.dispute.funds_reinstated',
        'charge.dispute.funds_withdrawn',
        'charge.dispute.updated',
      ]);
      expect((await stripe.refunds.create({ payment_intent: intent.id })).status).toBe('succeeded');
    });

    it('keep the money when they are lost', async () => {
      const intent = await captured(sandbox, 'lost');
      const dispute = await sandbox.dispute(intent.id, { amount: 1_000 });
      expect(await sandbox.moveDispute(dispute.id, 'lost')).toMatchObject({ status: 'lost', amount: 1_000 });
      await expect(sandbox.moveDispute(dispute.id, 'won')).rejects.toThrow('cannot become won');
      expect(await failure(stripe.refunds.create({ payment_intent: intent.id }))).toMatchObject({
        code: 'charge_disputed',
      });
      await receiver.until((all) => typesOf(all, dispute.id).includes('charge.dispute.closed'));
      expect(typesOf(receiver.received, dispute.id)).not.toContain('charge.dispute.funds_reinstated');
    });

    it('begin as an inquiry that takes nothing and may become one that does', async () => {
      const intent = await captured(sandbox, 'inquiry');
      const inquiry = await sandbox.dispute(intent.id, { inquiry: true });
      expect(inquiry).toMatchObject({ status: 'warning_needs_response', balance_transactions: [] });
      expect((await stripe.refunds.create({ payment_intent: intent.id, amount: 1 })).status).toBe('succeeded');
      const dispute = await sandbox.moveDispute(inquiry.id, 'needs_response');
      expect(dispute.balance_transactions).toHaveLength(1);
    });

    it('are listed by charge and by payment, and found by their id', async () => {
      const intent = await captured(sandbox, 'listed');
      const dispute = await sandbox.dispute(intent.id);
      const byPayment = await stripe.disputes.list({ payment_intent: intent.id });
      const byCharge = await stripe.disputes.list({ charge: chargeOf(intent).id });
      expect([byPayment.data, byCharge.data].map(([found]) => found?.id)).toEqual([dispute.id, dispute.id]);
      expect((await stripe.disputes.retrieve(dispute.id, { expand: ['charge'] })).charge).toMatchObject({
        payment_intent: intent.id,
      });
    });
  });

  describe('the balance', () => {
    it('lists every movement once, with fee and net, so that sums can be compared', async () => {
      await sandbox.settings({ feeRate: 0.1, feeFixedMinor: 30 });
      const before = await sandbox.balance();
      const intent = await captured(sandbox, 'sums');
      const sepa = await stripe.paymentIntents.create(order('sums by debit', 1_000));
      await sandbox.confirm(secretOf(sepa), 'pm_ideal');
      const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 200 });
      const [charge] = (await stripe.balanceTransactions.list({ source: chargeOf(intent).id })).data;
      expect(charge).toMatchObject({ type: 'charge', amount: 4_200, fee: 450, net: 3_750 });
      const [payment] = (await stripe.balanceTransactions.list({ type: 'payment', limit: 1 })).data;
      expect(payment).toMatchObject({ amount: 1_000, fee: 130, reporting_category: 'charge' });
      const [back] = (await stripe.balanceTransactions.list({ source: refund.id })).data;
      expect(back).toMatchObject({ id: refund.balance_transaction, type: 'refund', amount: -200, fee: 0, net: -200 });

      const all: Stripe.BalanceTransaction[] = [];
      for await (const movement of stripe.balanceTransactions.list({ limit: 7, currency: 'eur' })) all.push(movement);
      expect(new Set(all.map(({ id }) => id)).size).toBe((await sandbox.state()).balanceTransactions);
      const after = await sandbox.balance();
      const charges = all.filter(({ reporting_category }) => reporting_category === 'charge');
      expect(charges.reduce((sum, { amount }) => sum + amount, 0)).toBe(after.eur?.charge?.amount);
      expect((after.eur?.charge?.amount ?? 0) - (before.eur?.charge?.amount ?? 0)).toBe(5_200);
    });

    it('moves only what was captured', async () => {
      const intent = await stripe.paymentIntents.create(order('part'));
      await sandbox.confirm(secretOf(intent), 'pm_card_visa');
      const held = await stripe.paymentIntents.retrieve(intent.id, { expand: ['latest_charge'] });
      expect(chargeOf(held).balance_transaction).toBeNull();
      await stripe.paymentIntents.capture(intent.id, { amount_to_capture: 1_200 });
      const [movement] = (await stripe.balanceTransactions.list({ source: chargeOf(held).id })).data;
      expect(movement?.amount).toBe(1_200);
      expect(await failure(stripe.refunds.create({ payment_intent: intent.id, amount: 1_201 }))).toMatchObject({
        param: 'amount',
      });
    });
  });
});

describe('money that goes back over a restart of the payment sandbox', () => {
  const directory = mkdtempSync(join(tmpdir(), 'payment-sandbox-money-'));
  const stateFile = join(directory, 'state.jsonl');
  let running: PaymentSandbox | undefined;

  afterAll(async () => {
    await running?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const start = async (options: Parameters<typeof startPaymentSandbox>[0] = {}) => {
    await running?.stop();
    running = await startPaymentSandbox({ stateFile, ...options });
    return running;
  };

  it('keeps refunds under way, disputes, the balance and webhooks that are held', async () => {
    const receiver = await startWebhookReceiver();
    const settings = { ...unlimited, slowMs: 600_000, webhookHold: true };
    const before = await start({ webhookUrl: receiver.url, settings });
    const intent = await captured(before, 'kept');
    const byItself = await before.refund(intent.id, { amount: 100, mode: 'failLater' });
    const byHand = await before.refund(intent.id, { amount: 200, mode: 'pending' });
    const dispute = await before.dispute(await captured(before, 'disputed').then(({ id }) => id));
    const [sums, { webhooksHeld }] = [await before.balance(), await before.state()];

    const after = await start({ webhookUrl: receiver.url, settings });
    expect(await after.balance()).toEqual(sums);
    expect(await after.state()).toMatchObject({ disputes: 1, refunds: 2, webhooksHeld });
    expect(await after.releaseWebhooks({ order: 'reversed' })).toHaveLength(webhooksHeld);
    expect((await after.client().refunds.retrieve(byItself.id)).status).toBe('pending');
    expect(await after.settleRefund(byHand.id, 'succeeded')).toMatchObject({ status: 'succeeded' });
    expect(await after.settleRefund(byItself.id, 'failed')).toMatchObject({ status: 'failed' });
    expect(await after.moveDispute(dispute.id, 'won')).toMatchObject({ status: 'won' });
    await receiver.close();
  });

  it('reads what a sandbox that knew less has written', async () => {
    const before = await start();
    const { id } = await before.client().paymentIntents.create(order('old'));
    await before.stop();
    const known = ['manualTypes', 'allowedTypes', 'excludedTypes', 'redirects', 'disputeId'];
    const lines = readFileSync(stateFile, 'utf8').split('\n').filter(Boolean);
    const older = lines.map((line) =>
      JSON.stringify(JSON.parse(line, (key, value) => (known.includes(key) ? undefined : value))),
    );
    writeFileSync(stateFile, `${older.join('\n')}\n`);
    const after = await start();
    const intent = await after.client().paymentIntents.retrieve(id);
    expect((await after.confirm(secretOf(intent), 'pm_card_visa')).body).toMatchObject({ status: 'requires_capture' });
  });
});
