import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  Float,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { refuse } from '../domain/errors.js';
import { isUuid } from '../domain/ids.js';
import { Event, Venue } from '../entities/events.js';
import { limits } from '../limits.js';
import { asViewer, type Context, clientError, payload } from './context.js';
import { commonErrors, errorUnion } from './errors.js';
import { Category, describeCategories } from './seat-map.js';

const SaleState = {
  DRAFT: 'DRAFT',
  SCHEDULED: 'SCHEDULED',
  OPEN: 'OPEN',
  SOLD_OUT: 'SOLD_OUT',
  CLOSED: 'CLOSED',
} as const;
type SaleState = keyof typeof SaleState;
registerEnumType(SaleState, { name: 'SaleState', description: 'Whether seats can be had now.' });

@InputType()
class ImportVenueInput {
  @Field(() => String, { nullable: true, description: 'Defaults to the name in the plan.' })
  name?: string;

  @Field(() => String, { description: 'The text of a seating plan in the open JSON format that pretix imports.' })
  plan!: string;
}

@InputType({ description: 'What a place of one category costs, in minor units.' })
class CategoryPriceInput {
  @Field(() => String, { description: 'Name of a category of the venue or of standing places.' })
  category!: string;

  @Field(() => Int)
  priceMinor!: number;

  @Field(() => Int, { defaultValue: 0 })
  feeMinor!: number;
}

@InputType({ description: 'Standing places, sold without a number.' })
class StandingPlacesInput {
  @Field(() => String, { description: 'Section of the venue, or a new one.' })
  section!: string;

  @Field(() => String)
  name!: string;

  @Field(() => String, { description: 'Category of the venue, or a new one.' })
  category!: string;

  @Field(() => Int)
  places!: number;
}

@InputType({
  description:
    'A workshop needs a name, a start, a currency, a price and a number of standing places; everything else has a default.',
})
class CreateEventInput {
  @Field(() => ID, { nullable: true })
  venueId?: string | null;

  @Field(() => String)
  name!: string;

  @Field(() => Date)
  startsAt!: Date;

  @Field(() => String, { defaultValue: 'UTC', description: 'IANA time zone.' })
  timeZone!: string;

  @Field(() => String, { description: 'ISO 4217.' })
  currency!: string;

  @Field(() => Date, { nullable: true, description: 'Defaults to now.' })
  saleOpensAt?: Date | null;

  @Field(() => [CategoryPriceInput])
  prices!: CategoryPriceInput[];

  @Field(() => [StandingPlacesInput], { defaultValue: [] })
  standing!: StandingPlacesInput[];

  @Field(() => Boolean, { defaultValue: false, description: 'Whether a hold needs an admission.' })
  waitingRoom!: boolean;

  @Field(() => Float, { nullable: true })
  admitPerSecond?: number | null;

  @Field(() => Int, { nullable: true })
  activeCap?: number | null;

  @Field(() => Int, { nullable: true })
  maxSeatsPerHold?: number | null;

  @Field(() => Int, { nullable: true })
  maxSeatsPerPerson?: number | null;

  @Field(() => Int, { nullable: true, description: 'How long a hold lives before it is extended or checked out.' })
  holdTtlSeconds?: number | null;
}

@InputType()
class PublishEventInput {
  @Field(() => ID)
  eventId!: string;
}

@InputType()
class CloseSaleInput {
  @Field(() => ID)
  eventId!: string;
}

@InputType({ description: 'What is left out stays as it is.' })
class UpdateAdmissionInput {
  @Field(() => ID)
  eventId!: string;

  @Field(() => Float, { nullable: true })
  admitPerSecond?: number | null;

  @Field(() => Int, { nullable: true })
  activeCap?: number | null;

  @Field(() => Boolean, { nullable: true })
  waitingRoom?: boolean | null;
}

const ImportVenueError = errorUnion('ImportVenueError', [
  'INVALID_INPUT',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'VENUE_PLAN_INVALID',
]);
const CreateEventError = errorUnion('CreateEventError', commonErrors);
const PublishEventError = errorUnion('PublishEventError', [...commonErrors, 'SALE_CLOSED']);
const UpdateAdmissionError = errorUnion('UpdateAdmissionError', commonErrors);
const CloseSaleError = errorUnion('CloseSaleError', commonErrors);

@ObjectType()
class ImportVenuePayload {
  @Field(() => Venue, { nullable: true })
  venue!: Venue | null;

  @Field(() => [ImportVenueError])
  errors!: object[];
}

@ObjectType()
class CreateEventPayload {
  @Field(() => Event, { nullable: true })
  event!: Event | null;

  @Field(() => [CreateEventError])
  errors!: object[];
}

@ObjectType()
class PublishEventPayload {
  @Field(() => Event, { nullable: true })
  event!: Event | null;

  @Field(() => [PublishEventError])
  errors!: object[];
}

@ObjectType()
class UpdateAdmissionPayload {
  @Field(() => Event, { nullable: true })
  event!: Event | null;

  @Field(() => [UpdateAdmissionError])
  errors!: object[];
}

@ObjectType()
class CloseSalePayload {
  @Field(() => Event, { nullable: true })
  event!: Event | null;

  @Field(() => [CloseSaleError])
  errors!: object[];
}

@ObjectType()
class EventEdge {
  @Field(() => String)
  cursor!: string;

  @Field(() => Event)
  node!: Event;
}

@ObjectType()
class PageInfo {
  @Field(() => Boolean)
  hasNextPage!: boolean;

  @Field(() => String, { nullable: true })
  endCursor!: string | null;
}

@ObjectType()
class EventConnection {
  @Field(() => [EventEdge])
  edges!: EventEdge[];

  @Field(() => PageInfo)
  pageInfo!: PageInfo;
}

const writeCursor = (event: Event) => Buffer.from(`${event.startsAt.getTime()}.${event.id}`).toString('base64url');

function readCursor(text: string): { startsAt: Date; id: string } | null {
  const [ms, id = ''] = Buffer.from(text, 'base64url').toString('utf8').split('.');
  const startsAt = new Date(Number(ms));
  return Number.isNaN(startsAt.getTime()) || !isUuid(id) ? null : { startsAt, id };
}

@Resolver(() => Event)
export class EventsResolver {
  @Query(() => EventConnection, { description: 'Published events by their start.' })
  async events(
    @Arg('first', () => Int, { defaultValue: 20 }) first: number,
    @Arg('after', () => String, { nullable: true }) after: string | null,
    @Ctx() { services }: Context,
  ): Promise<EventConnection> {
    if (first < 1 || first > limits.pageItems) {
      throw clientError(
        refuse('INVALID_INPUT', { path: ['first'], message: `Must be from 1 to ${limits.pageItems}.` }),
      );
    }
    const cursor = after ? readCursor(after) : null;
    if (after && cursor === null)
      throw clientError(refuse('INVALID_INPUT', { path: ['after'], message: 'Is not a cursor of this list.' }));
    const events = await services.events.list(first + 1, cursor);
    const edges = events.slice(0, first).map((node) => ({ cursor: writeCursor(node), node }));
    return { edges, pageInfo: { hasNextPage: events.length > first, endCursor: edges.at(-1)?.cursor ?? null } };
  }

  @Query(() => Event, { nullable: true, description: 'An event; null for an unknown id or a draft that is not yours.' })
  event(@Arg('id', () => ID) id: string, @Ctx() { services, viewer }: Context): Promise<Event | null> {
    return services.events.read(viewer, id);
  }

  @FieldResolver(() => SaleState)
  async saleState(@Root() event: Event, @Ctx() { services }: Context): Promise<SaleState> {
    if (event.state === 'DRAFT' || event.state === 'CLOSED') return event.state;
    const sales = await services.sales.read(event.id);
    if (sales === null || sales.counts.phase === 'LOBBY' || sales.counts.phase === 'DRAWING') return 'SCHEDULED';
    return sales.counts.phase === 'SOLD_OUT' || sales.counts.phase === 'CLOSED' ? sales.counts.phase : 'OPEN';
  }

  @FieldResolver(() => [Category], { description: 'Price categories; empty for a draft.' })
  async categories(@Root() event: Event, @Ctx() { services }: Context): Promise<Category[]> {
    const published = await services.seatMaps.layout(event.id);
    return published === null ? [] : describeCategories(published);
  }

  @Mutation(() => ImportVenuePayload, {
    description:
      'Reads a seating plan. A plan with errors stores nothing and names each error by its path in the file.',
  })
  async importVenue(
    @Arg('input', () => ImportVenueInput) input: ImportVenueInput,
    @Ctx() context: Context,
  ): Promise<ImportVenuePayload> {
    const { name = null, plan } = input;
    return payload(
      'venue',
      await asViewer(context, (viewer) => context.services.events.importVenue(viewer, { name, plan })),
    );
  }

  @Mutation(() => CreateEventPayload, { description: 'Makes a draft that only its organizer sees.' })
  async createEvent(
    @Arg('input', () => CreateEventInput) input: CreateEventInput,
    @Ctx() context: Context,
  ): Promise<CreateEventPayload> {
    const event = await asViewer(context, (viewer) =>
      context.services.events.create(viewer, {
        ...input,
        venueId: input.venueId ?? null,
        saleOpensAt: input.saleOpensAt ?? null,
        admitPerSecond: input.admitPerSecond ?? null,
        activeCap: input.activeCap ?? null,
        maxSeatsPerHold: input.maxSeatsPerHold ?? null,
        maxSeatsPerPerson: input.maxSeatsPerPerson ?? null,
        holdTtlSeconds: input.holdTtlSeconds ?? null,
      }),
    );
    return payload('event', event);
  }

  @Mutation(() => PublishEventPayload, {
    description: 'Puts a draft on sale from its saleOpensAt on. Publishing twice answers the same.',
  })
  async publishEvent(
    @Arg('input', () => PublishEventInput) { eventId }: PublishEventInput,
    @Ctx() context: Context,
  ): Promise<PublishEventPayload> {
    return payload('event', await asViewer(context, (viewer) => context.services.events.publish(viewer, eventId)));
  }

  @Mutation(() => UpdateAdmissionPayload, {
    description: 'Changes the pace of admission while the sale runs. Nobody who is admitted is put out.',
  })
  async updateAdmission(
    @Arg('input', () => UpdateAdmissionInput) input: UpdateAdmissionInput,
    @Ctx() context: Context,
  ): Promise<UpdateAdmissionPayload> {
    const { eventId, admitPerSecond = null, activeCap = null, waitingRoom = null } = input;
    const change = { eventId, admitPerSecond, activeCap, waitingRoom };
    return payload(
      'event',
      await asViewer(context, (viewer) => context.services.events.updateAdmission(viewer, change)),
    );
  }

  @Mutation(() => CloseSalePayload, { description: 'Ends the sale: no new holds; running checkouts finish.' })
  async closeSale(
    @Arg('input', () => CloseSaleInput) { eventId }: CloseSaleInput,
    @Ctx() context: Context,
  ): Promise<CloseSalePayload> {
    return payload('event', await asViewer(context, (viewer) => context.services.events.closeSale(viewer, eventId)));
  }
}
