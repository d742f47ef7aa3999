import type { IntentStatus, OrderState } from './order-states.js';

/**
 * What the provider and the ledger may say differently about money, and the line of the log that tells of it. docs/operations/payments.md says
 * of each what it means and what to do; a test holds the two together.
 */
export const moneyAlarms = {
  PAID_WITHOUT_TICKETS: 'money without tickets for a minute; the order is woken',
  TICKETS_WITHOUT_MONEY: 'tickets without captured money for a minute; the order is woken',
  ENDED_PAYABLE: 'an order that is over could still be paid; its payment is called off',
  ENDED_PAID: 'an order that is over has been paid; the money goes back',
  UNKNOWN_PAYMENT: 'a payment of which the ledger has no order; it is called off unless it has been taken',
  AMOUNT_DIFFERS: 'the provider and the ledger name different amounts',
  MOVEMENT_UNKNOWN: 'money has moved at the provider and the ledger does not know of it; it is taken over',
  REFUND_STUCK: 'a refund waits and nobody carries it out; the order is woken',
  BOOKS_DIFFER: 'the postings of an order do not come out',
  TICKETS_DIFFER: 'an order does not have the tickets and seats that it should have',
} as const;

export type MoneyDifferenceKind = keyof typeof moneyAlarms;

export const moneyDifferenceKinds = Object.keys(moneyAlarms) as readonly MoneyDifferenceKind[];

/** A payment as the provider has it. */
interface Payment {
  readonly id: string;
  readonly status: IntentStatus;
  readonly amountMinor: number;
  readonly currency: string;
  readonly receivedMinor: number;
}

/** The order it is for, as the ledger has it. */
export interface PaidOrder {
  readonly state: OrderState;
  readonly intentId: string | null;
  readonly totalMinor: number;
  readonly currency: string;
  readonly capturedMinor: number;
}

export interface Judgement {
  readonly kind: MoneyDifferenceKind;
  readonly detail: string;
}

/** What is wrong between a payment and its order, of which nothing has been heard for a minute; null: nothing. */
export function judgePayment(payment: Payment, order: PaidOrder | null): Judgement | null {
  const { status } = payment;
  const paid = status === 'requires_capture' || status === 'succeeded';
  if (order === null || (order.intentId !== null && order.intentId !== payment.id))
    return status === 'canceled' ? null : { kind: 'UNKNOWN_PAYMENT', detail: `${status} there` };
  const detail = `${order.state} here, ${status} there`;
  switch (order.state) {
    case 'CANCELED':
    case 'EXPIRED':
    case 'LOST':
      return status === 'canceled' ? null : { kind: paid ? 'ENDED_PAID' : 'ENDED_PAYABLE', detail };
    case 'CONFIRMED':
      return { kind: 'TICKETS_WITHOUT_MONEY', detail };
    case 'COMPLETED':
    case 'REFUNDING':
    case 'REFUNDED':
      return judgeAmounts(payment, order);
    default:
      return paid ? { kind: 'PAID_WITHOUT_TICKETS', detail } : null;
  }
}

function judgeAmounts(payment: Payment, order: PaidOrder): Judgement | null {
  const compared: readonly [string, number, number][] = [
    ['asked', order.totalMinor, payment.amountMinor],
    ['taken', order.capturedMinor, payment.receivedMinor],
  ];
  const wrong = compared
    .filter(([, here, there]) => here !== there)
    .map(([what, here, there]) => `${what}: ${here} here, ${there} there`);
  if (order.currency !== payment.currency) wrong.push(`${order.currency} here, ${payment.currency} there`);
  return wrong.length === 0 ? null : { kind: 'AMOUNT_DIFFERS', detail: wrong.join('; ') };
}
