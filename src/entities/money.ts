import { registerEnumType } from 'type-graphql';
import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { type MoneyDifferenceKind, moneyDifferenceKinds } from '../domain/money-differences.js';
import { type PostingKind, postingKinds, type RefundReason, type RefundState } from '../domain/order-states.js';
import { enumOf } from './enums.js';
import { Event } from './events.js';
import { Order } from './orders.js';

export const RefundStateEnum = enumOf<RefundState>(['REQUESTED', 'PENDING', 'SUCCEEDED', 'FAILED']);
registerEnumType(RefundStateEnum, {
  name: 'RefundState',
  description:
    'REQUESTED: the provider has not taken it yet. PENDING: it is on its way. FAILED: it came back; the money is owed still, and the organizer pays it out again.',
});

export const RefundReasonEnum = enumOf<RefundReason>([
  'ORGANIZER',
  'BUYER',
  'EVENT',
  'LOST',
  'PROVIDER',
  'DISPUTE',
  'AGAIN',
]);
registerEnumType(RefundReasonEnum, {
  name: 'RefundReason',
  description:
    'ORGANIZER, BUYER: asked for. EVENT: the event does not take place. LOST: paid too late, the seats were gone. PROVIDER: made at the provider. DISPUTE: the bank gave it back. AGAIN: an earlier one had failed.',
});

/**
 * Money that goes back. `seats` lists the places that are given up for it; none: the tickets stay, or there are none. An order's refunds are
 * carried out one after the other, by its steps.
 */
@Entity('refund')
@Check('refund_state', `state IN ('REQUESTED', 'PENDING', 'SUCCEEDED', 'FAILED')`)
@Check('refund_amount', 'amount_minor >= 0')
@Index('refund_order', ['orderId', 'createdAt'])
@Index('refund_provider', ['providerId'], { unique: true })
@Index('refund_without_receipt', ['createdAt'], { where: 'receipt_at IS NULL AND done' })
@Index('refund_unfinished', ['createdAt'], { where: `state IN ('REQUESTED', 'PENDING') OR NOT done` })
export class Refund {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'uuid' })
  orderId!: string;

  @ManyToOne(() => Order)
  @JoinColumn({ name: 'order_id' })
  order?: Relation<Order>;

  @Column({ type: 'text' })
  reason!: RefundReason;

  @Column({ type: 'int' })
  amountMinor!: number;

  @Column({ type: 'int', array: true, default: () => `'{}'` })
  seats!: number[];

  /** What is known of it at the provider. */
  @Column({ type: 'text', default: 'REQUESTED' })
  state!: RefundState;

  /** Its turn has come, and stays until it is done: the next one waits, whenever it was written. */
  @Column({ type: 'boolean', default: false })
  begun!: boolean;

  /** Whether the order's steps are through with it; the provider may still say later that it failed. */
  @Column({ type: 'boolean', default: false })
  done!: boolean;

  @Column({ type: 'text', nullable: true })
  providerId!: string | null;

  @Column({ type: 'text', nullable: true })
  failure!: string | null;

  @Column({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  settledAt!: Date | null;

  /** When it was seen to by whoever makes credit notes. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  receiptAt!: Date | null;
}

/**
 * An entry of the double-entry ledger, never changed: a row is balanced or it is refused. Amounts are minor units; plus is what an account has
 * or owes to us, minus is what it has given or is owed.
 * `buyer`: what buyers owe. `clearing`: money at the provider. `cash`: money in the box office. `organizer`, `fees`, `tax`: whose it is, as minus.
 */
@Entity('posting')
@Check('posting_balanced', 'buyer + clearing + cash + organizer + fees + tax = 0')
@Check('posting_kind', `kind IN (${postingKinds.map((kind) => `'${kind}'`).join(', ')})`)
@Index('posting_event', ['eventId', 'postedAt', 'orderId', 'kind', 'ref'])
@Index('posting_time', ['postedAt'])
@Index('posting_dispute', ['ref'], { where: `kind = 'DISPUTE'` })
export class Posting {
  @PrimaryColumn({ type: 'uuid' })
  orderId!: string;

  @ManyToOne(() => Order)
  @JoinColumn({ name: 'order_id' })
  order?: Relation<Order>;

  @PrimaryColumn({ type: 'text' })
  kind!: PostingKind;

  /** What it is about, where an order may have several of a kind: a refund, a dispute. */
  @PrimaryColumn({ type: 'text', default: '' })
  ref!: string;

  @Column({ type: 'uuid' })
  eventId!: string;

  @Column({ type: 'text' })
  currency!: string;

  @Column({ type: 'bigint', default: 0 })
  buyer!: number;

  @Column({ type: 'bigint', default: 0 })
  clearing!: number;

  @Column({ type: 'bigint', default: 0 })
  cash!: number;

  @Column({ type: 'bigint', default: 0 })
  organizer!: number;

  @Column({ type: 'bigint', default: 0 })
  fees!: number;

  @Column({ type: 'bigint', default: 0 })
  tax!: number;

  @Column({ type: 'timestamptz', precision: 3 })
  postedAt!: Date;
}

export const MoneyDifferenceKindEnum = enumOf(moneyDifferenceKinds);
registerEnumType(MoneyDifferenceKindEnum, {
  name: 'MoneyDifferenceKind',
  description:
    'PAID_WITHOUT_TICKETS, TICKETS_WITHOUT_MONEY: for a minute. ENDED_PAYABLE, ENDED_PAID: at the provider, of an order that is over. UNKNOWN_PAYMENT: of no order. AMOUNT_DIFFERS: between provider and ledger. MOVEMENT_UNKNOWN: money moved at the provider and the ledger does not know. REFUND_STUCK: nobody carries it out. BOOKS_DIFFER: postings do not come out. TICKETS_DIFFER: tickets or seats are missing, or too many.',
});

/** Something that the provider and the ledger say differently, from when it was found until it was over. */
@Entity('money_difference')
@Check('money_difference_kind', `kind IN (${moneyDifferenceKinds.map((kind) => `'${kind}'`).join(', ')})`)
@Index('money_difference_event', ['eventId', 'foundAt'])
@Index('money_difference_open', ['seenAt'], { where: 'ended_at IS NULL' })
export class MoneyDifference {
  @PrimaryColumn({ type: 'text' })
  kind!: MoneyDifferenceKind;

  /** What it is about: the provider's name of a payment or a movement, or an order. */
  @PrimaryColumn({ type: 'text' })
  subject!: string;

  @Column({ type: 'uuid', nullable: true })
  orderId!: string | null;

  @Column({ type: 'uuid', nullable: true })
  eventId!: string | null;

  @Column({ type: 'text' })
  detail!: string;

  /** What it takes to look again. */
  @Column({ type: 'jsonb' })
  about!: object;

  @Column({ type: 'timestamptz', precision: 3 })
  foundAt!: Date;

  @Column({ type: 'timestamptz', precision: 3 })
  seenAt!: Date;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  endedAt!: Date | null;
}

/** How far one list has been compared, and the page at which it goes on. */
@Entity('money_cursor')
export class MoneyCursor {
  @PrimaryColumn({ type: 'text' })
  feed!: string;

  /** Everything before has been compared. */
  @Column({ type: 'timestamptz', precision: 3 })
  comparedTo!: Date;

  /** The end of the stretch that is being compared. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  windowTo!: Date | null;

  @Column({ type: 'text', nullable: true })
  after!: string | null;
}

/** An event that does not take place: all its orders are paid back, in the background. */
@Entity('event_cancellation')
@Check('event_cancellation_state', `state IN ('RUNNING', 'STOPPED', 'DONE')`)
export class EventCancellation {
  @PrimaryColumn({ type: 'uuid' })
  eventId!: string;

  @ManyToOne(() => Event)
  @JoinColumn({ name: 'event_id' })
  event?: Relation<Event>;

  @Column({ type: 'text' })
  state!: 'RUNNING' | 'STOPPED' | 'DONE';

  @Column({ type: 'timestamptz', precision: 3 })
  startedAt!: Date;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  endedAt!: Date | null;
}
