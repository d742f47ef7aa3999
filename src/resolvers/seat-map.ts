import {
  Arg,
  Ctx,
  createUnionType,
  Field,
  FieldResolver,
  ID,
  InputType,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { isRefusal } from '../domain/errors.js';
import type { LayoutSection } from '../domain/layout.js';
import type { SeatCursor, SeatUpdate } from '../pubsub/seat-map.js';
import type { PublishedEvent } from '../services/event-catalogue.js';
import { Broadcast } from './broadcast.js';
import { type Context, clientError } from './context.js';
import { describePrice, Money } from './money.js';

@ObjectType({ description: 'A price category.' })
export class Category {
  @Field(() => ID)
  id!: string;

  @Field(() => String)
  name!: string;

  @Field(() => String, { description: 'As the plan gives it: a CSS colour, mostly #rrggbb.' })
  color!: string;

  @Field(() => Boolean, { description: 'Wheelchair places.' })
  accessible!: boolean;

  @Field(() => Money, { description: 'Price of the ticket, its tax included.' })
  price!: Money;

  @Field(() => Money, { description: 'Fee on top of the price, its tax included.' })
  fee!: Money;

  @Field(() => Money, { description: 'The tax contained in price and fee.' })
  tax!: Money;

  @Field(() => Int, { description: 'The rate of that tax, in hundredths of a per cent.' })
  taxBasisPoints!: number;

  @Field(() => Money, { description: 'What is charged for one place, fee and taxes included.' })
  total!: Money;
}

@ObjectType()
class Seat {
  @Field(() => ID, { description: 'To be named in holdSeats.' })
  id!: string;

  @Field(() => Int, { description: 'Position in the state strings and deltas; never changes for an event.' })
  index!: number;

  @Field(() => String)
  label!: string;

  @Field(() => Int)
  x!: number;

  @Field(() => Int)
  y!: number;

  @Field(() => ID)
  categoryId!: string;
}

@ObjectType()
class Row {
  @Field(() => String)
  label!: string;

  @Field(() => [Seat])
  seats!: Seat[];
}

@ObjectType({ description: 'Standing places: they have indexes like seats, but nobody chooses one.' })
class StandingArea {
  @Field(() => String)
  name!: string;

  @Field(() => ID)
  categoryId!: string;

  @Field(() => Int)
  firstSeat!: number;

  @Field(() => Int)
  count!: number;
}

@ObjectType({ description: 'Part of a hall; subscribe to one instead of the whole.' })
class Section {
  @Field(() => ID)
  id!: string;

  @Field(() => String)
  name!: string;

  @Field(() => [Int], { description: 'First index of each range of indexes that belongs to the section.' })
  firstSeats!: number[];

  @Field(() => [Int], { description: 'Length of each range.' })
  counts!: number[];

  @Field(() => [Row])
  rows!: Row[];

  @Field(() => [StandingArea])
  standing!: StandingArea[];
}

@ObjectType({ description: 'What does not move: cache it by (eventId, layoutVersion).' })
class SeatMap {
  @Field(() => ID)
  eventId!: string;

  @Field(() => Int)
  layoutVersion!: number;

  @Field(() => Int, { description: 'All places: the length of the state string of the whole hall.' })
  seatCount!: number;

  @Field(() => [Category])
  categories!: Category[];

  sectionMap!: readonly LayoutSection[];
  event!: PublishedEvent;
}

@Broadcast()
@ObjectType({ description: 'The state of all watched places at one version.' })
export class SeatMapSnapshot {
  @Field(() => String, { description: 'Another epoch means: forget what you know.' })
  epoch!: string;

  @Field(() => Int)
  version!: number;

  @Field(() => Int)
  layoutVersion!: number;

  @Field(() => String, {
    description: 'One letter a place, in index order: . available, h held, s sold, r returning, x blocked.',
  })
  states!: string;
}

@Broadcast()
@ObjectType({
  description:
    'Changes since fromVersion. Apply if epoch and layoutVersion are yours and fromVersion ≤ yours < version.',
})
class SeatMapDelta {
  @Field(() => String)
  epoch!: string;

  @Field(() => Int)
  version!: number;

  @Field(() => Int)
  fromVersion!: number;

  @Field(() => Int)
  layoutVersion!: number;

  @Field(() => String, { description: 'Indexes, joined by commas.' })
  seats!: string;

  @Field(() => String, { description: 'The new letter of each of them.' })
  states!: string;
}

const SeatMapUpdate = createUnionType({
  name: 'SeatMapUpdate',
  description: 'First a snapshot (or, with `since`, the delta to it), then deltas; after a gap a snapshot again.',
  types: () => [SeatMapSnapshot, SeatMapDelta] as const,
  resolveType: (update) => ('fromVersion' in update ? SeatMapDelta : SeatMapSnapshot),
});

@InputType({ description: 'What you know already.' })
class SeatMapCursor {
  @Field(() => String)
  epoch!: string;

  @Field(() => Int)
  version!: number;

  @Field(() => Int)
  layoutVersion!: number;
}

/** The categories of an event with their prices. */
export function describeCategories({ hall, prices, event }: PublishedEvent): Category[] {
  const { currency } = event;
  return hall.layout.categories.map(({ name, color, accessible }, index) => {
    const { taxBasisPoints } = prices[index]!;
    const { price, fee, tax, total } = describePrice(prices[index]!, currency);
    return { id: String(index), name, color, accessible, price, fee, tax, taxBasisPoints, total };
  });
}

function describeSection(event: PublishedEvent, section: LayoutSection): Section {
  const ranges = event.hall.ranges.get(section.id)!;
  return {
    id: section.id,
    name: section.name,
    firstSeats: ranges.map(([first]) => first),
    counts: ranges.map(([, count]) => count),
    rows: section.rows.map((row) => ({
      label: row.label,
      seats: row.seats.map((seat, at) => ({
        id: seat.guid,
        index: row.firstSeat + at,
        label: seat.label,
        x: seat.x,
        y: seat.y,
        categoryId: String(seat.category),
      })),
    })),
    standing: section.standing.map(({ name, category, firstSeat, count }) => ({
      name,
      categoryId: String(category),
      firstSeat,
      count,
    })),
  };
}

const showsAccessible =
  'Shows wheelchair places and the seats beside them, which read x otherwise while they are kept.';
const showsChannel = 'Shows the seats that are kept for those who have this code.';

@Resolver(() => SeatMap)
export class SeatMapResolver {
  @Query(() => SeatMap, {
    nullable: true,
    description: 'The layout of an event with prices; null for an unknown event.',
  })
  async seatMap(@Arg('eventId', () => ID) eventId: string, @Ctx() { services }: Context): Promise<SeatMap | null> {
    const event = await services.seatMaps.layout(eventId);
    return (
      event && {
        eventId,
        layoutVersion: event.hall.layoutVersion,
        seatCount: event.hall.layout.seatCount,
        categories: describeCategories(event),
        sectionMap: event.hall.layout.sections,
        event,
      }
    );
  }

  @FieldResolver(() => [Section])
  sections(@Root() { event, sectionMap }: SeatMap): Section[] {
    return sectionMap.map((section) => describeSection(event, section));
  }

  @FieldResolver(() => Section, { nullable: true })
  section(@Root() { event, sectionMap }: SeatMap, @Arg('id', () => ID) id: string): Section | null {
    const section = sectionMap.find((candidate) => candidate.id === id);
    return section === undefined ? null : describeSection(event, section);
  }

  @FieldResolver(() => SeatMapSnapshot, { description: 'What moves, as of now: for clients that do not subscribe.' })
  async state(
    @Root() { eventId }: SeatMap,
    @Arg('sectionId', () => ID, { nullable: true }) sectionId: string | null,
    @Arg('accessible', () => Boolean, { defaultValue: false, description: showsAccessible }) accessible: boolean,
    @Arg('accessCode', () => String, { nullable: true, description: showsChannel }) accessCode: string | null,
    @Ctx() { services, viewer }: Context,
  ): Promise<SeatMapSnapshot> {
    const wish = { eventId, sectionId: sectionId ?? null, accessible, accessCode: accessCode ?? null };
    const snapshot = await services.seatMaps.snapshot(viewer, wish);
    if (isRefusal(snapshot)) throw clientError(snapshot);
    return snapshot;
  }

  @Broadcast({ cursor: 'since' })
  @Subscription(() => SeatMapUpdate, {
    description: 'Every change of the seats of an event or one of its sections, merged per tick.',
    subscribe: async ({ args, context }) => {
      const { eventId, sectionId, accessible, accessCode, since } = args as {
        eventId: string;
        sectionId?: string | null;
        accessible: boolean;
        accessCode?: string | null;
        since?: SeatCursor | null;
      };
      const { services, viewer } = context as Context;
      const wish = { eventId, sectionId: sectionId ?? null, accessible, accessCode: accessCode ?? null };
      const watch = await services.seatMaps.watch(viewer, wish, since ?? null);
      if (isRefusal(watch)) throw clientError(watch);
      return watch;
    },
  })
  seatMapChanged(
    @Root() update: SeatUpdate,
    @Arg('eventId', () => ID) _eventId: string,
    @Arg('accessible', () => Boolean, { defaultValue: false, description: showsAccessible }) _accessible: boolean,
    @Arg('sectionId', () => ID, { nullable: true }) _sectionId?: string,
    @Arg('accessCode', () => String, { nullable: true, description: showsChannel }) _accessCode?: string,
    @Arg('since', () => SeatMapCursor, { nullable: true }) _since?: SeatMapCursor,
  ): SeatUpdate {
    return update;
  }
}
