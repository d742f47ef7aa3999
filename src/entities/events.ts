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

export const EventState = { DRAFT: 'DRAFT', PUBLISHED: 'PUBLISHED', CLOSED: 'CLOSED' } as const;
export type EventState = (typeof EventState)[keyof typeof EventState];
registerEnumType(EventState, {
  name: 'EventState',
  description: 'DRAFT: only its organizer sees it. PUBLISHED: it has an inventory. CLOSED: its sale is over.',
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
@Check('event_state', `state IN ('DRAFT', 'PUBLISHED', 'CLOSED')`)
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

  @Field(() => Boolean, { description: 'Whether a hold needs an admission from the waiting room.' })
  @Column({ type: 'boolean', default: false })
  waitingRoom!: boolean;

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

  @CreateDateColumn({ type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}

/** What a place of one category costs. `category` is its index in the layout. */
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

  /** Hexadecimal; made by the platform when the event is published and shown to nobody before the draw. */
  @Column({ type: 'text' })
  drawSeed!: string;

  /** SHA-256 over the lobby's list, written before the seed is used. */
  @Column({ type: 'text', nullable: true })
  drawListHash!: string | null;
}
