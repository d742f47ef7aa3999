import { Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { Column, CreateDateColumn, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';

export const AccountRole = { BUYER: 'BUYER', ORGANIZER: 'ORGANIZER', ADMIN: 'ADMIN' } as const;
export type AccountRole = (typeof AccountRole)[keyof typeof AccountRole];
registerEnumType(AccountRole, { name: 'AccountRole', description: 'What an account may do.' });

@ObjectType({ description: 'Who puts on events: a company, a club, a school.' })
@Entity('organizer')
export class Organizer {
  @Field(() => ID)
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Field(() => String)
  @Column({ type: 'text' })
  name!: string;

  /** Who sells, as receipts say it; null: the name. */
  @Column({ type: 'text', nullable: true })
  legalName!: string | null;

  @Column({ type: 'text', nullable: true })
  address!: string | null;

  @Column({ type: 'text', nullable: true })
  taxId!: string | null;
}

/** Somebody who signs in with a password: buyers, an organizer's people and the platform's administrators. */
@Entity('account')
export class Account {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Index('account_email', { unique: true })
  @Column({ type: 'text' })
  email!: string;

  /** `scrypt$salt$hash`, both base64. */
  @Column({ type: 'text' })
  passwordHash!: string;

  @Column({ type: 'text' })
  role!: AccountRole;

  /** Null for a buyer. */
  @Column({ type: 'uuid', nullable: true })
  organizerId!: string | null;

  @ManyToOne(() => Organizer)
  @JoinColumn({ name: 'organizer_id' })
  organizer?: Relation<Organizer>;

  @CreateDateColumn({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}

/** Sessions that end before their time: one by the digest of its token, or all of a person's from before an instant. */
@Entity('revocation')
export class Revocation {
  /** `session:…` or `person:…` */
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'PK_revocation' })
  subject!: string;

  @Column({ type: 'timestamptz', precision: 3 })
  before!: Date;

  /** No token that this is about is valid any longer. */
  @Column({ type: 'timestamptz', precision: 3 })
  expiresAt!: Date;

  @Index('revocation_recorded')
  @CreateDateColumn({ type: 'timestamptz', precision: 3 })
  recordedAt!: Date;
}
