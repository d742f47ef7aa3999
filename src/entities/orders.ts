import { registerEnumType } from 'type-graphql';
import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import {
  type EndReason,
  endReasons,
  type IntentStatus,
  type OrderState,
  type OrderStep,
  orderStates,
  type PaymentStatus,
} from '../domain/order-states.js';
import { Event } from './events.js';

export const OrderStateEnum = Object.fromEntries(orderStates.map((state) => [state, state])) as {
  readonly [S in OrderState]: S;
};
registerEnumType(OrderStateEnum, {
  name: 'OrderState',
  description: 'The life of an order. Final: COMPLETED, CANCELED, EXPIRED, LOST, REFUNDED.',
});

export const EndReasonEnum = Object.fromEntries(endReasons.map((reason) => [reason, reason])) as {
  readonly [R in EndReason]: R;
};
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

  @Column({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  issuedAt!: Date | null;
}

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
}

/** One attempt at one step. The open one (without finishedAt) is what happens next; the others are the order's history. */
@Entity('order_step')
@Index('order_step_open', ['orderId'], { unique: true, where: 'finished_at IS NULL' })
@Index('order_step_due', ['step', 'runAt'], { where: 'finished_at IS NULL' })
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
@Check('seat_owner_state', `state IN ('PENDING', 'ISSUED')`)
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
  state!: 'PENDING' | 'ISSUED';
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
export class WebhookEvent {
  @PrimaryColumn({ type: 'text' })
  id!: string;

  @Column({ type: 'text' })
  type!: string;

  @Column({ type: 'uuid', nullable: true })
  orderId!: string | null;

  @Column({ type: 'timestamptz', precision: 3 })
  receivedAt!: Date;
}
