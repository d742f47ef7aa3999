import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { type MailState, mailStates, type ReceiptFacts, type ReceiptKind, receiptKinds } from '../domain/receipts.js';
import { Organizer } from './accounts.js';
import { Refund } from './money.js';
import { Order } from './orders.js';

const listed = (texts: readonly string[]) => texts.map((text) => `'${text}'`).join(', ');

/** A receipt, a credit note or the mail about a free order. Written once; only what became of its mail changes. */
@Entity('receipt')
@Check('receipt_kind', `kind IN (${listed(receiptKinds)})`)
@Check('receipt_numbered', `(number IS NULL) = (kind = 'CONFIRMATION')`)
@Check('receipt_mail', `mail IN (${listed(mailStates)})`)
@Index('receipt_number', ['organizerId', 'kind', 'number'], { unique: true })
@Index('receipt_order', ['orderId'])
export class ReceiptRow {
  /** Derived from the order or the refund: neither gets a second one. */
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'PK_receipt' })
  id!: string;

  @Column({ type: 'uuid' })
  organizerId!: string;

  @ManyToOne(() => Organizer)
  @JoinColumn({ name: 'organizer_id', foreignKeyConstraintName: 'FK_receipt_organizer' })
  organizer?: Relation<Organizer>;

  @Column({ type: 'text' })
  kind!: ReceiptKind;

  /** Without gaps for each organizer and kind. */
  @Column({ type: 'int', nullable: true })
  number!: number | null;

  @Column({ type: 'uuid' })
  orderId!: string;

  @ManyToOne(() => Order)
  @JoinColumn({ name: 'order_id', foreignKeyConstraintName: 'FK_receipt_order' })
  order?: Relation<Order>;

  @Column({ type: 'uuid', nullable: true })
  refundId!: string | null;

  @ManyToOne(() => Refund)
  @JoinColumn({ name: 'refund_id', foreignKeyConstraintName: 'FK_receipt_refund' })
  refund?: Relation<Refund>;

  @Column({ type: 'jsonb' })
  facts!: ReceiptFacts;

  @Column({ type: 'timestamptz', precision: 3 })
  issuedAt!: Date;

  /** Null: nobody said where to, or no mail can be sent. */
  @Column({ type: 'text', nullable: true })
  mail!: MailState | null;

  /** When that became so. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  mailAt!: Date | null;
}

/** The last number given. Whoever numbers receipts holds its row until they are written. */
@Entity('receipt_counter')
export class ReceiptCounter {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'PK_receipt_counter' })
  organizerId!: string;

  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'PK_receipt_counter' })
  kind!: ReceiptKind;

  @ManyToOne(() => Organizer)
  @JoinColumn({ name: 'organizer_id', foreignKeyConstraintName: 'FK_receipt_counter_organizer' })
  organizer?: Relation<Organizer>;

  @Column({ type: 'int', default: 0 })
  last!: number;
}
