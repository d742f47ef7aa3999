import { Field, Float, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
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
import type { Layout } from '../domain/layout.js';
import { Organizer } from './accounts.js';

export const EventState = { DRAFT: 'DRAFT', PUBLISHED: 'PUBLISHED', CLOSED: 'CLOSED', CANCELED: 'CANCELED' } as const;
export type EventState = (typeof EventState)[keyof typeof EventState];
registerEnumType(EventState, {
  name: 'EventState',
  description:
    'DRAFT: only its organizer sees it. PUBLISHED: it has an inventory. CLOSED: its sale is over. CANCELED: it does not take place, buyers are paid back.',
});

export const WaitingRoom = { AUTO: 'AUTO', ALWAYS: 'ALWAYS', NEVER: 'NEVER' } as const;
export type WaitingRoom = (typeof WaitingRoom)[keyof typeof WaitingRoom];
registerEnumType(WaitingRoom, {
  name: 'WaitingRoom',
  description:
    'AUTO: whoever comes holds seats at once; a line forms by itself when more come than may be admitted. ALWAYS: everybody joins the line first. NEVER: there is no line.',
});

export const Identity = { ANONYMOUS: 'ANONYMOUS', EMAIL: 'EMAIL', ACCOUNT: 'ACCOUNT' } as const;
export type Identity = (typeof Identity)[keyof typeof Identity];
registerEnumType(Identity, {
  name: 'Identity',
  description:
    'What makes a person of an event. ANONYMOUS: any session. EMAIL: a session of a verified address. ACCOUNT: somebody who has signed in.',
});

@ObjectType({ description: 'A hall with its seating plan.' })
@Entity('venue')
export class Venue {
  @Field(() => ID)
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'uuid' })
  organizerId!: string;

  @ManyToOne(() => Organizer)
  @JoinColumn({ name: 'organizer_id' })
  organizer?: Relation<Organizer>;

  @Field(() => String)
  @Column({ type: 'text' })
  name!: string;

  @Field(() => Int, { description: 'Numbered seats of the plan.' })
  @Column({ type: 'int' })
  seatCount!: number;

  @Column({ type: 'jsonb', select: false })
  layout!: Layout;

  @CreateDateColumn({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}

@ObjectType({ description: 'Something that takes place once and sells places.' })
@Entity('event')
@Check('event_state', `state IN ('DRAFT', 'PUBLISHED', 'CLOSED', 'CANCELED')`)
@Check('event_waiting_room', `waiting_room IN ('AUTO', 'ALWAYS', 'NEVER')`)
@Check('event_identity', `identity IN ('ANONYMOUS', 'EMAIL', 'ACCOUNT')`)
export class Event {
  @Field(() => ID)
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Index('event_organizer')
  @Column({ type: 'uuid' })
  organizerId!: string;

  @ManyToOne(() => Organizer)
  @JoinColumn({ name: 'organizer_id' })
  organizer?: Relation<Organizer>;

  @Field(() => String)
  @Column({ type: 'text' })
  name!: string;

  @Field(() => EventState)
  @Column({ type: 'text', default: 'DRAFT' })
  state!: EventState;

  @Field(() => Date)
  @Column({ type: 'timestamptz', precision: 3 })
  startsAt!: Date;

  @Field(() => String, { description: 'IANA name of the time zone the event takes place in.' })
  @Column({ type: 'text' })
  timeZone!: string;

  @Field(() => String, { description: 'ISO 4217.' })
  @Column({ type: 'text' })
  currency!: string;

  @Field(() => Date, { description: 'From this instant seats can be held; before it the line is a lobby.' })
  @Column({ type: 'timestamptz', precision: 3 })
  saleOpensAt!: Date;

  @Field(() => WaitingRoom)
  @Column({ type: 'text', default: 'AUTO' })
  waitingRoom!: WaitingRoom;

  @Field(() => Identity)
  @Column({ type: 'text', default: 'ANONYMOUS' })
  identity!: Identity;

  @Field(() => Float, { description: 'Admissions a second, at most.' })
  @Column({ type: 'double precision' })
  admitPerSecond!: number;

  @Field(() => Int, { description: 'People admitted at the same time, at most.' })
  @Column({ type: 'int' })
  activeCap!: number;

  @Field(() => Int)
  @Column({ type: 'int' })
  maxSeatsPerHold!: number;

  @Field(() => Int, { description: 'Seats one person may have, held and bought together.' })
  @Column({ type: 'int' })
  maxSeatsPerPerson!: number;

  @Column({ type: 'int' })
  holdTtlMs!: number;

  @Field(() => Date, { nullable: true, description: 'Since when the sale is paused.' })
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  pausedAt!: Date | null;

  /** For how long the clock of the sale has stood still in pauses that are over. */
  @Column({ type: 'bigint', default: 0 })
  pausedMs!: number;

  @Field(() => Date, {
    nullable: true,
    description: 'Until when buyers may give tickets back by themselves; null: they may not.',
  })
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  buyersReturnUntil!: Date | null;

  @Field(() => Boolean, { description: 'Whether fees stay paid when they do.' })
  @Column({ type: 'boolean', default: true })
  returnsKeepFees!: boolean;

  /** Plan pixels; null: the middle of all seats. */
  @Column({ type: 'int', nullable: true })
  focalX!: number | null;

  @Column({ type: 'int', nullable: true })
  focalY!: number | null;

  @CreateDateColumn({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}

/** What a place of one category costs: a tariff of domain/pricing.ts. `category` is its index in the layout. */
@Entity('event_category')
export class EventCategory {
  @PrimaryColumn({ type: 'uuid' })
  eventId!: string;

  @PrimaryColumn({ type: 'int' })
  category!: number;

  @ManyToOne(() => Event)
  @JoinColumn({ name: 'event_id' })
  event?: Relation<Event>;

  @Column({ type: 'int' })
  priceMinor!: number;

  @Column({ type: 'int' })
  feeMinor!: number;

  @Column({ type: 'int', default: 0 })
  feeBasisPoints!: number;

  @Column({ type: 'int', default: 0 })
  taxBasisPoints!: number;

  @Column({ type: 'boolean', default: true })
  taxIncluded!: boolean;
}

/**
 * Seats that are kept for somebody: sponsors, a presale, the box office. Letter A is the wheelchair places and their companions' seats, which
 * every event has.
 */
@ObjectType('Channel', { description: 'Seats that are kept for somebody; to everybody else they read x.' })
@Entity('event_channel')
@Index('event_channel_name', ['eventId', 'name'], { unique: true })
@Check('event_channel_letter', `letter ~ '^[A-Z]$'`)
export class EventChannel {
  @PrimaryColumn({ type: 'uuid' })
  eventId!: string;

  @Field(() => ID, { name: 'id' })
  @PrimaryColumn({ type: 'text' })
  letter!: string;

  @ManyToOne(() => Event)
  @JoinColumn({ name: 'event_id' })
  event?: Relation<Event>;

  @Field(() => String)
  @Column({ type: 'text' })
  name!: string;

  /** SHA-256 of the code that opens it; null: only the organizer's people use it. */
  @Column({ type: 'text', nullable: true })
  accessCodeHash!: string | null;

  @Field(() => Date, { nullable: true, description: "From this instant its seats are everybody's." })
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  releaseAt!: Date | null;
}

/** Says that whoever knows a code is a person who has a place in an event's line. The code itself is kept by its owner alone. */
@Entity('recovery_code')
export class RecoveryCode {
  /** SHA-256 of the code. */
  @PrimaryColumn({ type: 'text' })
  hash!: string;

  @Column({ type: 'uuid' })
  eventId!: string;

  @ManyToOne(() => Event)
  @JoinColumn({ name: 'event_id' })
  event?: Relation<Event>;

  @Column({ type: 'text' })
  personId!: string;

  @CreateDateColumn({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}

/** A version of an event's layout; a later version only adds seats. */
@Entity('layout')
export class LayoutVersion {
  @PrimaryColumn({ type: 'uuid' })
  eventId!: string;

  @PrimaryColumn({ type: 'int' })
  version!: number;

  @ManyToOne(() => Event)
  @JoinColumn({ name: 'event_id' })
  event?: Relation<Event>;

  @Column({ type: 'jsonb' })
  document!: Layout;
}

/** The stock of an event. A new generation begins whenever Redis had to be rebuilt from the ledger. */
@Entity('inventory')
export class Inventory {
  @PrimaryColumn({ type: 'uuid' })
  eventId!: string;

  @ManyToOne(() => Event)
  @JoinColumn({ name: 'event_id' })
  event?: Relation<Event>;

  @Column({ type: 'int', default: 0 })
  generation!: number;

  @Column({ type: 'int' })
  layoutVersion!: number;

  @Column({ type: 'int' })
  capacity!: number;

  /** One letter a seat: whose it is when it is free. `.` everybody's, `A` to `Z` a channel's, `x` nobody's. */
  @Column({ type: 'text' })
  channels!: string;

  /** When the sale was first seen open: from then on nobody is in a lobby any more. */
  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  openedAt!: Date | null;

  /** No number of the line above this one has been given. Written before they are. */
  @Column({ type: 'int', default: 0 })
  lineNumbers!: number;

  /** Hexadecimal; made by the platform when the event is published and shown to nobody before the draw. */
  @Column({ type: 'text' })
  drawSeed!: string;

  /** SHA-256 over the lobby's list, written before the seed is used. */
  @Column({ type: 'text', nullable: true })
  drawListHash!: string | null;

  /** The lobby's list itself: sorted entry ids, 16 bytes each. Written with its hash. */
  @Column({ type: 'bytea', nullable: true, select: false })
  drawList!: Buffer | null;
}
