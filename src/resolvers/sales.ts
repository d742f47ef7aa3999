import { Arg, Ctx, Field, ID, Int, ObjectType, Query, Resolver, Root, Subscription } from 'type-graphql';
import { refuse } from '../domain/errors.js';
import { categoryCapacities } from '../services/event-catalogue.js';
import { maySteer, type SalesView } from '../services/sales.js';
import { Broadcast } from './broadcast.js';
import { type Context, clientError, requireViewer } from './context.js';
import { QueuePhase } from './line.js';
import { Money } from './money.js';

@Broadcast()
@ObjectType()
class CategorySales {
  @Field(() => ID)
  categoryId!: string;

  @Field(() => String)
  name!: string;

  @Field(() => Int)
  capacity!: number;

  @Field(() => Int, { description: 'Free, for everybody or in a channel.' })
  available!: number;

  @Field(() => Int, { description: 'Held or in checkout.' })
  held!: number;

  @Field(() => Int, { description: 'Paid, tickets being made: not yet sold.' })
  issuing!: number;

  @Field(() => Int)
  sold!: number;

  @Field(() => Int, { description: 'Being given back: no longer sold.' })
  returning!: number;

  @Field(() => Int)
  blocked!: number;

  @Field(() => Money)
  revenue!: Money;
}

@Broadcast()
@ObjectType()
class MinuteSales {
  @Field(() => Date, { description: 'Beginning of the minute.' })
  minute!: Date;

  @Field(() => Int)
  sold!: number;

  @Field(() => Money)
  revenue!: Money;
}

@Broadcast()
@ObjectType({
  description:
    'The counts of a sale at one version: available + held + issuing + sold + returning + blocked = capacity.',
})
class Sales {
  @Field(() => ID)
  eventId!: string;

  @Field(() => String)
  epoch!: string;

  @Field(() => Int)
  version!: number;

  @Field(() => [CategorySales])
  categories!: CategorySales[];

  @Field(() => [MinuteSales], { description: 'The last 60 minutes in which something was sold, oldest first.' })
  minutes!: MinuteSales[];

  @Field(() => Money)
  revenue!: Money;

  @Field(() => QueuePhase, { description: 'Of the line; PAUSED while the sale is.' })
  phase!: string;

  @Field(() => Int)
  waiting!: number;

  @Field(() => Int)
  admitted!: number;

  @Field(() => Date, {
    nullable: true,
    description:
      'Since when the payment provider does not answer: orders wait as PAYMENT_DELAYED, nobody is admitted. Null: it answers.',
  })
  paymentsDelayedSince!: Date | null;

  @Field(() => Date)
  now!: Date;
}

function describeSales({ event, counts: sales, paymentsDelayedSinceMs }: SalesView): Sales {
  const { currency } = event.event;
  const count = (category: number, letter: string) => Number(sales.counts[`${category}:${letter}`] ?? 0);
  const capacities = categoryCapacities(event);
  // A free seat of a channel is counted under the channel's letter.
  const letters = ['A', ...event.channels.keys()].filter((letter, at, all) => all.indexOf(letter) === at);
  const categories = event.hall.layout.categories.map(({ name }, category) => ({
    categoryId: String(category),
    name,
    capacity: capacities[category] ?? 0,
    available: letters.reduce((sum, letter) => sum + count(category, letter), count(category, '.')),
    held: count(category, 'h'),
    issuing: count(category, 'i'),
    sold: count(category, 's'),
    returning: count(category, 'r'),
    blocked: count(category, 'x'),
    revenue: { amountMinor: count(category, 'revenue'), currency },
  }));
  const minutes = Object.keys(sales.minutes)
    .filter((field) => field.endsWith(':sold'))
    .map((field) => Number.parseInt(field, 10))
    .sort((a, b) => a - b)
    .map((minute) => ({
      minute: new Date(minute * 60_000),
      sold: Number(sales.minutes[`${minute}:sold`]),
      revenue: { amountMinor: Number(sales.minutes[`${minute}:revenue`] ?? 0), currency },
    }));
  return {
    eventId: event.ref.eventId,
    epoch: String(sales.generation),
    version: sales.version,
    categories,
    minutes,
    revenue: { amountMinor: categories.reduce((sum, { revenue }) => sum + revenue.amountMinor, 0), currency },
    phase: sales.phase,
    waiting: sales.waiting,
    admitted: sales.admitted,
    paymentsDelayedSince: paymentsDelayedSinceMs === null ? null : new Date(paymentsDelayedSinceMs),
    now: new Date(sales.nowMs),
  };
}

/** Sales are for the event's organizer: anybody else is refused before anything is read. */
async function requireSteering(context: Context, eventId: string): Promise<void> {
  const viewer = requireViewer(context);
  const event = await context.services.catalogue.published(eventId);
  if (event === null) throw clientError(refuse('NOT_FOUND', { path: ['eventId'] }));
  if (!maySteer(viewer, event.event)) throw clientError(refuse('FORBIDDEN', { path: ['eventId'] }));
}

@Resolver()
export class SalesResolver {
  @Query(() => Sales, { nullable: true, description: 'The counts of a sale now, for its organizer.' })
  async sales(@Arg('eventId', () => ID) eventId: string, @Ctx() context: Context): Promise<Sales | null> {
    await requireSteering(context, eventId);
    const view = await context.services.sales.read(eventId);
    return view && describeSales(view);
  }

  @Broadcast()
  @Subscription(() => Sales, {
    description: 'The counts of a sale, for its organizer: at once, then after every change, merged per tick.',
    subscribe: async ({ args, context }) => {
      const { eventId } = args as { eventId: string };
      await requireSteering(context as Context, eventId);
      return (context as Context).services.sales.watch(eventId);
    },
  })
  salesChanged(@Root() view: SalesView, @Arg('eventId', () => ID) _eventId: string): Sales {
    return describeSales(view);
  }
}
