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
import { invalidInput, isRefusal, refuse } from '../domain/errors.js';
import { isUuid } from '../domain/ids.js';
import { Event, EventChannel, Identity, Venue, WaitingRoom } from '../entities/events.js';
import { limits } from '../limits.js';
import type { AllocateSeats, SeatRange } from '../services/channels.js';
import { maySteer } from '../services/sales.js';
import { asViewer, type Context, clientError, payload } from './context.js';
import { commonErrors, errorUnion } from './errors.js';
import { Category, describeCategories } from './seat-map.js';

const SaleState = {
  DRAFT: 'DRAFT',
  SCHEDULED: 'SCHEDULED',
  OPEN: 'OPEN',
  PAUSED: 'PAUSED',
  SOLD_OUT: 'SOLD_OUT',
  CLOSED: 'CLOSED',
  CANCELED: 'CANCELED',
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

  @Field(() => Int, { defaultValue: 0, description: 'Fee on top of the price.' })
  feeMinor!: number;

  @Field(() => Int, {
    defaultValue: 0,
    description: 'Fee on top of that, in hundredths of a per cent of the price: 250 is 2.5 %.',
  })
  feeBasisPoints!: number;

  @Field(() => Int, {
    defaultValue: 0,
    description: 'Tax on price and fee, in hundredths of a per cent: 1900 is 19 %.',
  })
  taxBasisPoints!: number;

  @Field(() => Boolean, {
    defaultValue: true,
    description: 'Whether the tax is contained in price and fee; otherwise it is charged on top.',
  })
  taxIncluded!: boolean;
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

@InputType()
class PointInput {
  @Field(() => Int)
  x!: number;

  @Field(() => Int)
  y!: number;
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

  @Field(() => WaitingRoom, { defaultValue: 'AUTO' })
  waitingRoom!: WaitingRoom;

  @Field(() => Identity, { defaultValue: 'ANONYMOUS' })
  identity!: Identity;

  @Field(() => Date, {
    nullable: true,
    description:
      "When wheelchair places and their companions' seats become everybody's. Defaults to a day before the start.",
  })
  accessibleReleaseAt?: Date | null;

  @Field(() => PointInput, {
    nullable: true,
    description:
      'What everybody wants to be near, in pixels of the plan: best available counts from it. Defaults to the middle of all seats.',
  })
  focalPoint?: PointInput | null;

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

  @Field(() => WaitingRoom, { nullable: true })
  waitingRoom?: WaitingRoom | null;
}

@InputType()
class UpdatePricesInput {
  @Field(() => ID)
  eventId!: string;

  @Field(() => [CategoryPriceInput], { description: 'Categories that are not named keep theirs.' })
  prices!: CategoryPriceInput[];
}

@InputType()
class PauseSaleInput {
  @Field(() => ID)
  eventId!: string;
}

@InputType()
class ResumeSaleInput {
  @Field(() => ID)
  eventId!: string;
}

@InputType()
class SaveChannelInput {
  @Field(() => ID)
  eventId!: string;

  @Field(() => String, { description: 'A new name makes a channel; the name of one there changes it.' })
  name!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Whoever has it may use the channel. Without one only your own people do.',
  })
  accessCode?: string | null;

  @Field(() => Date, { nullable: true, description: "From then on its seats are everybody's; null: never." })
  releaseAt?: Date | null;
}

@InputType('SeatRange', { description: 'Exactly one of them.' })
class SeatRangeInput {
  @Field(() => [ID], { nullable: true })
  seatIds?: string[] | null;

  @Field(() => ID, { nullable: true })
  sectionId?: string | null;

  @Field(() => ID, { nullable: true })
  categoryId?: string | null;
}

const Allocation = { CHANNEL: 'CHANNEL', EVERYBODY: 'EVERYBODY', NOBODY: 'NOBODY' } as const;
type Allocation = keyof typeof Allocation;
registerEnumType(Allocation, {
  name: 'Allocation',
  description: 'CHANNEL: whoever may use the channel. EVERYBODY. NOBODY: the seats are blocked.',
});

@InputType()
class AllocateSeatsInput {
  @Field(() => ID)
  eventId!: string;

  @Field(() => SeatRangeInput)
  seats!: SeatRangeInput;

  @Field(() => Allocation)
  to!: Allocation;

  @Field(() => ID, { nullable: true, description: 'With CHANNEL: which one.' })
  channelId?: string | null;
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
const UpdatePricesError = errorUnion('UpdatePricesError', commonErrors);
const PauseSaleError = errorUnion('PauseSaleError', [...commonErrors, 'SALE_CLOSED']);
const ResumeSaleError = errorUnion('ResumeSaleError', [...commonErrors, 'SALE_CLOSED']);
const SaveChannelError = errorUnion('SaveChannelError', commonErrors);
const AllocateSeatsError = errorUnion('AllocateSeatsError', commonErrors);
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
class UpdatePricesPayload {
  @Field(() => Event, { nullable: true })
  event!: Event | null;

  @Field(() => [UpdatePricesError])
  errors!: object[];
}

@ObjectType()
class PauseSalePayload {
  @Field(() => Event, { nullable: true })
  event!: Event | null;

  @Field(() => [PauseSaleError])
  errors!: object[];
}

@ObjectType()
class ResumeSalePayload {
  @Field(() => Event, { nullable: true })
  event!: Event | null;

  @Field(() => [ResumeSaleError])
  errors!: object[];
}

@ObjectType()
class SaveChannelPayload {
  @Field(() => EventChannel, { nullable: true })
  channel!: EventChannel | null;

  @Field(() => [SaveChannelError])
  errors!: object[];
}

@ObjectType()
class AllocateSeatsPayload {
  @Field(() => Int, { nullable: true, description: 'How many seats that was.' })
  seats!: number | null;

  @Field(() => [AllocateSeatsError])
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
export class PageInfo {
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
    if (event.state !== 'PUBLISHED') return event.state;
    const sales = await services.sales.read(event.id);
    if (sales === null || sales.counts.phase === 'LOBBY' || sales.counts.phase === 'DRAWING') return 'SCHEDULED';
    return sales.counts.phase;
  }

  @FieldResolver(() => [EventChannel], {
    description: 'Seats kept for somebody, for the people of its organizer; empty for others.',
  })
  channels(@Root() event: Event, @Ctx() { services, viewer }: Context): Promise<EventChannel[]> {
    return maySteer(viewer, event) ? services.channels.list(event.id) : Promise.resolve([]);
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
        accessibleReleaseAt: input.accessibleReleaseAt ?? null,
        focalPoint: input.focalPoint ?? null,
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

  @Mutation(() => UpdatePricesPayload, {
    description:
      'Changes what places cost from now on. Holds and orders that are there keep the prices they were made at.',
  })
  async updatePrices(
    @Arg('input', () => UpdatePricesInput) input: UpdatePricesInput,
    @Ctx() context: Context,
  ): Promise<UpdatePricesPayload> {
    return payload('event', await asViewer(context, (viewer) => context.services.events.updatePrices(viewer, input)));
  }

  @Mutation(() => CloseSalePayload, { description: 'Ends the sale: no new holds; running checkouts finish.' })
  async closeSale(
    @Arg('input', () => CloseSaleInput) { eventId }: CloseSaleInput,
    @Ctx() context: Context,
  ): Promise<CloseSalePayload> {
    return payload('event', await asViewer(context, (viewer) => context.services.events.closeSale(viewer, eventId)));
  }

  @Mutation(() => PauseSalePayload, {
    description:
      'Stops admissions and new holds. Every place is kept, running checkouts go on, and all other time stands still, for half an hour at most.',
  })
  async pauseSale(
    @Arg('input', () => PauseSaleInput) { eventId }: PauseSaleInput,
    @Ctx() context: Context,
  ): Promise<PauseSalePayload> {
    return payload('event', await asViewer(context, (viewer) => context.services.events.pauseSale(viewer, eventId)));
  }

  @Mutation(() => ResumeSalePayload, { description: 'Lets a paused sale go on where it was.' })
  async resumeSale(
    @Arg('input', () => ResumeSaleInput) { eventId }: ResumeSaleInput,
    @Ctx() context: Context,
  ): Promise<ResumeSalePayload> {
    return payload('event', await asViewer(context, (viewer) => context.services.events.resumeSale(viewer, eventId)));
  }

  @Mutation(() => SaveChannelPayload, { description: 'Makes or changes a channel: seats that are kept for somebody.' })
  async saveChannel(
    @Arg('input', () => SaveChannelInput) input: SaveChannelInput,
    @Ctx() context: Context,
  ): Promise<SaveChannelPayload> {
    const { accessCode = null, releaseAt = null } = input;
    const save = { ...input, accessCode, releaseAt };
    return payload('channel', await asViewer(context, (viewer) => context.services.channels.save(viewer, save)));
  }

  @Mutation(() => AllocateSeatsPayload, {
    description: 'Says whose seats are. Whoever has one keeps it; the allocation counts when it comes back.',
  })
  async allocateSeats(
    @Arg('input', () => AllocateSeatsInput) input: AllocateSeatsInput,
    @Ctx() context: Context,
  ): Promise<AllocateSeatsPayload> {
    const seats = rangeOf(input.seats);
    const to: AllocateSeats['to'] = input.to === 'CHANNEL' ? { channelId: input.channelId ?? '' } : input.to;
    const { eventId } = input;
    const allocate = seats && { eventId, seats, to };
    const result = allocate
      ? await asViewer(context, (viewer) => context.services.channels.allocate(viewer, allocate))
      : invalidInput('input.seats', 'Name exactly one kind of range.');
    return { seats: isRefusal(result) ? null : result, errors: isRefusal(result) ? [result] : [] };
  }
}

/** The service's form of a range; @oneOf has made sure that exactly one is there. */
function rangeOf({ seatIds, sectionId, categoryId }: SeatRangeInput): SeatRange | null {
  if (seatIds) return { seatIds };
  if (sectionId) return { sectionId };
  return categoryId ? { categoryId } : null;
}
