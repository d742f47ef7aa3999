import {
  Check,
  Column,
  CreateDateColumn,
  Entity,
  Index,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  type Relation,
} from 'typeorm';
import { Event } from './events.js';

/** A word that makes places of an event cheaper. What it takes off is one of the two: a share of the price, or an amount. */
@Entity('discount_code')
@Index('discount_code_text', ['eventId', 'code'], { unique: true })
@Check('discount_code_discount', '(basis_points IS NULL) <> (amount_minor IS NULL)')
@Check('discount_code_uses', 'uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)')
export class DiscountCode {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'uuid' })
  eventId!: string;

  @ManyToOne(() => Event)
  @JoinColumn({ name: 'event_id' })
  event?: Relation<Event>;

  /** Trimmed, in capitals. */
  @Column({ type: 'text' })
  code!: string;

  @Column({ type: 'int', nullable: true })
  basisPoints!: number | null;

  @Column({ type: 'int', nullable: true })
  amountMinor!: number | null;

  /** The only categories it is for, by their index in the layout; null: all. */
  @Column({ type: 'int', array: true, nullable: true })
  categories!: number[] | null;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  validFrom!: Date | null;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  validUntil!: Date | null;

  @Column({ type: 'int', nullable: true })
  maxUses!: number | null;

  /** As many as there are rows of its uses. The constraint over it, and nothing else, keeps the maximum. */
  @Column({ type: 'int', default: 0 })
  uses!: number;

  @Column({ type: 'boolean', default: true })
  active!: boolean;

  @CreateDateColumn({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}

/** A use of a code by an order: reserved before the order is written, kept with it, and taken away when it ends without tickets. */
@Entity('code_use')
@Index('code_use_reserved', ['expiresAt'], { where: 'expires_at IS NOT NULL' })
export class CodeUse {
  @PrimaryColumn({ type: 'uuid' })
  orderId!: string;

  @Column({ type: 'uuid' })
  codeId!: string;

  @ManyToOne(() => DiscountCode)
  @JoinColumn({ name: 'code_id' })
  code?: Relation<DiscountCode>;

  /** Until when the order has to be written; null: it has been. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  expiresAt!: Date | null;
}
