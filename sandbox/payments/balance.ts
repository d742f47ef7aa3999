import { makeId, nowSeconds } from './ids.js';
import { methodOf } from './methods.js';
import type { BalanceRecord, DisputeRecord, IntentRecord, RefundRecord } from './records.js';
import type { World } from './world.js';

type Movement = Omit<BalanceRecord, 'id' | 'created'>;

function book(world: World, movement: Movement): string {
  const id = makeId('txn_');
  world.store.putBalance({ ...movement, id, created: nowSeconds() });
  return id;
}

/** Money that came in, less the provider's fee. What is not paid by card is called a payment, as the provider does. */
export function bookCharge(world: World, intent: IntentRecord, chargeId: string, amount: number): string {
  const { feeRate, feeFixedMinor } = world.settings;
  return book(world, {
    type: methodOf(intent.methodName).type === 'card' ? 'charge' : 'payment',
    category: 'charge',
    amount,
    fee: Math.round(amount * feeRate) + feeFixedMinor,
    currency: intent.currency,
    sourceId: chargeId,
    description: `Charge of ${intent.id}`,
  });
}

/** The provider keeps its fee when money is given back. */
export function bookRefund(world: World, intent: IntentRecord, refundId: string, amount: number): string {
  return book(world, {
    type: methodOf(intent.methodName).type === 'card' ? 'refund' : 'payment_refund',
    category: 'refund',
    amount: -amount,
    fee: 0,
    currency: intent.currency,
    sourceId: refundId,
    description: `Refund of ${intent.id}`,
  });
}

export function bookFailedRefund(world: World, refund: RefundRecord): string {
  return book(world, {
    type: 'refund_failure',
    category: 'refund_failure',
    amount: refund.amount,
    fee: 0,
    currency: refund.currency,
    sourceId: refund.id,
    description: `Refund that could not be made of ${refund.intentId}`,
  });
}

type Disputed = Pick<DisputeRecord, 'id' | 'amount' | 'currency' | 'chargeId'>;

export function bookDispute(world: World, { id, amount, currency, chargeId }: Disputed): string {
  return book(world, {
    type: 'adjustment',
    category: 'dispute',
    amount: -amount,
    fee: world.settings.disputeFeeMinor,
    currency,
    sourceId: id,
    description: `Chargeback withdrawal for ${chargeId}`,
  });
}

export function bookWonDispute(world: World, { id, amount, currency, chargeId }: Disputed): string {
  return book(world, {
    type: 'adjustment',
    category: 'dispute_reversal',
    amount,
    fee: 0,
    currency,
    sourceId: id,
    description: `Chargeback reversal for ${chargeId}`,
  });
}
