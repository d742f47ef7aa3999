import { registerEnumType } from 'type-graphql';
import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import {
  type DisputeState,
  type EndReason,
  endReasons,
  type IntentStatus,
  type OrderMethod,
  type OrderState,
  type OrderStep,
  orderStates,
  type PaymentStatus,
} from '../domain/order-states.js';
import { enumOf } from './enums.js';
import { Event } from './events.js';

export const OrderStateEnum = enumOf(orderStates);
registerEnumType(OrderStateEnum, {
  name: 'OrderState',
  description: 'The life of an order. Final: COMPLETED, CANCELED, EXPIRED, LOST, REFUNDED.',
});

export const OrderMethodEnum = enumOf<OrderMethod>(['ONLINE', 'CASH', 'INVOICE']);
registerEnumType(OrderMethodEnum, {
  name: 'OrderMethod',
  description:
    'How an order is paid. ONLINE: through the provider. CASH: at the box office. INVOICE: on account, later.',
});

export const DisputeStateEnum = enumOf<DisputeState>(['OPEN', 'WON', 'LOST']);
registerEnumType(DisputeStateEnum, {
  name: 'DisputeState',
  description: 'OPEN: the bank looks into it. WON: the money stays. LOST: it went back, and the tickets are void.',
});

export const EndReasonEnum = enumOf(endReasons);
registerEnumType(EndReasonEnum, {
  name: 'OrderEndReason',
  description: 'Why an order ends without tickets.',
  valuesConfig: {
    CANCELED: { description: 'It was called off.' },
    EXPIRED: { description: 'Nobody paid in time.' },
    LOST: { description: "Its seats were somebody else's by then." },
    DECLINED: { description: 'Too many attempts to pay were declined; its state is CANCELED.' },
  },
});

export const TicketState = { PENDING_CAPTURE: 'PENDING_CAPTURE', VALID: 'VALID', VOID: 'VOID' } as const;
export type TicketState = (typeof TicketState)[keyof typeof TicketState];
registerEnumType(TicketState, {
  name: 'TicketState',
  description:
    'PENDING_CAPTURE: yours, the money is being taken. VALID: it opens the door. VOID: it does not any more.',
});

/** An order and what is known of its payment. Only the holder of the lease on its open step changes it. */
@Entity('orders')
@Check('orders_state', `state IN (${orderStates.map((state) => `'${state}'`).join(', ')})`)
@Check('orders_method', `method IN ('ONLINE', 'CASH', 'INVOICE')`)
@Check('orders_refunded', 'refunded_minor BETWEEN 0 AND captured_minor')
@Index('orders_without_receipt', ['issuedAt'], {
  where: 'receipt_at IS NULL AND issued_at IS NOT NULL',
})
@Index('orders_event', ['eventId', 'createdAt', 'id'])
export class Order {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'uuid' })
  eventId!: string;

  @ManyToOne(() => Event)
  @JoinColumn({ name: 'event_id' })
  event?: Relation<Event>;

  @Index('orders_person')
  @Column({ type: 'text' })
  personId!: string;

  @Index('orders_hold', { unique: true })
  @Column({ type: 'uuid' })
  holdId!: string;

  @Column({ type: 'int' })
  generation!: number;

  @Column({ type: 'bigint' })
  fence!: number;

  @Column({ type: 'text' })
  state!: OrderState;

  @Column({ type: 'text', default: 'NONE' })
  payment!: PaymentStatus;

  @Column({ type: 'int', default: 1 })
  version!: number;

  @Column({ type: 'text' })
  currency!: string;

  @Column({ type: 'int' })
  totalMinor!: number;

  /** The price list of the hold, as shown to the buyer. */
  @Column({ type: 'text' })
  prices!: string;

  @Column({ type: 'text', nullable: true })
  intentId!: string | null;

  /** Goes to the owner alone; wiped at a final state. */
  @Column({ type: 'text', nullable: true })
  clientSecret!: string | null;

  @Column({ type: 'timestamptz', precision: 3 })
  payBy!: Date;

  @Column({ type: 'timestamptz', precision: 3 })
  freeAt!: Date;

  /** Why the order is to end without tickets, once that is known. A payment that was on its way may win all the same. */
  @Column({ type: 'text', nullable: true })
  endReason!: EndReason | null;

  /** The intent's status as the provider's signed events last told it, by rank. */
  @Column({ type: 'text', nullable: true })
  hint!: IntentStatus | null;

  /** Grows with every webhook, cancellation or other reason to look again; a step that saw an older value looks again. */
  @Column({ type: 'int', default: 0 })
  nudges!: number;

  @Column({ type: 'int', default: 0 })
  declines!: number;

  @Column({ type: 'text', nullable: true })
  lastDecline!: string | null;

  /** CASH and INVOICE have nothing to do with the provider. */
  @Column({ type: 'text', default: 'ONLINE' })
  method!: OrderMethod;

  /** What has been taken, in minor units. */
  @Column({ type: 'int', default: 0 })
  capturedMinor!: number;

  /** What has been given back or is on its way back. */
  @Column({ type: 'int', default: 0 })
  refundedMinor!: number;

  /** What became of the dispute about its payment. */
  @Column({ type: 'text', nullable: true })
  dispute!: DisputeState | null;

  /** The discount code it was placed with. */
  @Column({ type: 'uuid', nullable: true })
  codeId!: string | null;

  /** Where its receipt goes. */
  @Column({ type: 'text', nullable: true })
  buyerEmail!: string | null;

  @Column({ type: 'text', nullable: true })
  buyerName!: string | null;

  @Column({ type: 'text', nullable: true })
  buyerAddress!: string | null;

  @Column({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  issuedAt!: Date | null;

  /** When it was seen to by whoever makes receipts. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  receiptAt!: Date | null;
}

/** A seat of an order and what is charged for it. All amounts are minor units, as charged: taxes are contained in them. */
@Entity('order_line')
export class OrderLine {
  @PrimaryColumn({ type: 'uuid' })
  orderId!: string;

  @PrimaryColumn({ type: 'int' })
  seatIndex!: number;

  @ManyToOne(() => Order)
  @JoinColumn({ name: 'order_id' })
  order?: Relation<Order>;

  @Column({ type: 'int' })
  category!: number;

  @Column({ type: 'int' })
  priceMinor!: number;

  @Column({ type: 'int' })
  feeMinor!: number;

  /** The tax within the price. */
  @Column({ type: 'int', default: 0 })
  taxMinor!: number;

  /** The tax within the fee. */
  @Column({ type: 'int', default: 0 })
  feeTaxMinor!: number;

  /** The rate of both. */
  @Column({ type: 'int', default: 0 })
  taxBasisPoints!: number;

  /** What a code has taken off the price. */
  @Column({ type: 'int', default: 0 })
  discountMinor!: number;
}

/** One attempt at one step. The open one (without finishedAt) is what happens next; the others are the order's history. */
@Entity('order_step')
@Index('order_step_open', ['orderId'], { unique: true, where: 'finished_at IS NULL' })
@Index('order_step_due', ['step', 'runAt'], { where: 'finished_at IS NULL' })
@Index('order_step_last', ['finishedAt'], {
  where: `step IN ('CAPTURE', 'RELEASE') AND finished_at IS NOT NULL`,
})
export class OrderStepRow {
  @PrimaryColumn({ type: 'uuid' })
  orderId!: string;

  @PrimaryColumn({ type: 'text' })
  step!: OrderStep;

  @PrimaryColumn({ type: 'int' })
  attempt!: number;

  @ManyToOne(() => Order)
  @JoinColumn({ name: 'order_id' })
  order?: Relation<Order>;

  @Column({ type: 'timestamptz', precision: 3 })
  runAt!: Date;

  @Column({ type: 'int', default: 0 })
  tries!: number;

  @Column({ type: 'uuid', nullable: true })
  lease!: string | null;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  leasedUntil!: Date | null;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  firstCallAt!: Date | null;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  finishedAt!: Date | null;

  @Column({ type: 'text', nullable: true })
  outcome!: string | null;
}

/** The last word on who has a seat. */
@Entity('seat_owner')
@Check('seat_owner_state', `state IN ('PENDING', 'ISSUED', 'RETURNING')`)
@Index('seat_owner_order', ['orderId'])
export class SeatOwner {
  @PrimaryColumn({ type: 'uuid' })
  eventId!: string;

  @PrimaryColumn({ type: 'int' })
  seatIndex!: number;

  @Column({ type: 'uuid' })
  orderId!: string;

  @ManyToOne(() => Order)
  @JoinColumn({ name: 'order_id' })
  order?: Relation<Order>;

  @Column({ type: 'int' })
  generation!: number;

  @Column({ type: 'bigint' })
  fence!: number;

  @Column({ type: 'text' })
  state!: 'PENDING' | 'ISSUED' | 'RETURNING';

  /** The refund by which a RETURNING seat goes back. */
  @Column({ type: 'uuid', nullable: true })
  refundId!: string | null;
}

@Entity('ticket')
@Check('ticket_state', `state IN ('PENDING_CAPTURE', 'VALID', 'VOID')`)
@Index('ticket_order_seat', ['orderId', 'seatIndex'], { unique: true })
@Index('ticket_seat', ['eventId', 'seatIndex'], { unique: true, where: `state <> 'VOID'` })
export class Ticket {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'uuid' })
  orderId!: string;

  @ManyToOne(() => Order)
  @JoinColumn({ name: 'order_id' })
  order?: Relation<Order>;

  @Column({ type: 'uuid' })
  eventId!: string;

  @Column({ type: 'int' })
  seatIndex!: number;

  @Column({ type: 'text' })
  state!: TicketState;

  @Column({ type: 'timestamptz', precision: 3 })
  issuedAt!: Date;
}

/** A provider's event, stored once before it is acknowledged. */
@Entity('webhook_event')
@Index('webhook_event_due', ['dueAt'], { where: 'due_at IS NOT NULL' })
export class WebhookEvent {
  @PrimaryColumn({ type: 'text' })
  id!: string;

  @Column({ type: 'text' })
  type!: string;

  @Column({ type: 'uuid', nullable: true })
  orderId!: string | null;

  @Column({ type: 'timestamptz', precision: 3 })
  receivedAt!: Date;

  /** What a job needs of it; null where storing it was all there was to do. */
  @Column({ type: 'jsonb', nullable: true })
  payload!: object | null;

  /** When the job looks at it; null: there is nothing left to do. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  dueAt!: Date | null;

  @Column({ type: 'int', default: 0 })
  tries!: number;
}
