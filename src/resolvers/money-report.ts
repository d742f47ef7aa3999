import { GraphQLSafeInt } from 'graphql-scalars';
import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { isRefusal, refuse } from '../domain/errors.js';
import type { MoneyDifferenceKind } from '../domain/money-differences.js';
import {
  type DisputeState,
  type OrderMethod,
  type OrderState,
  type OrderStep,
  orderSteps,
  type PostingKind,
  postingKinds,
} from '../domain/order-states.js';
import { MoneyDifferenceKindEnum } from '../entities/money.js';
import { DisputeStateEnum, OrderMethodEnum, OrderStateEnum, TicketState } from '../entities/orders.js';
import { limits } from '../limits.js';
import type { PublishedEvent } from '../services/event-catalogue.js';
import {
  type Accounts,
  type CategoryMoney,
  type FoundDifference,
  type MoneyTotals as MoneySums,
  type OrderMoney,
  readOrderCursor,
  writeOrderCursor,
} from '../services/money-report.js';
import { seatId } from '../services/seat-holds.js';
import { type Context, clientError } from './context.js';
import { PageInfo } from './events.js';
import { Money } from './money.js';
import { Refund } from './orders.js';

const enumOf = <T extends string>(values: readonly T[]) =>
  Object.fromEntries(values.map((value) => [value, value])) as { readonly [V in T]: V };

const PostingKindEnum = enumOf(postingKinds);
registerEnumType(PostingKindEnum, {
  name: 'PostingKind',
  description:
    'SALE: tickets against a debt. CAPTURE: it is paid. GRANT: tickets taken back, the buyer is owed. PAYOUT: paid back. PAYOUT_FAILED: it came back. DISPUTE: the bank has taken the money. DISPUTE_WON: it gave it back.',
});

const OrderStepEnum = enumOf(orderSteps);
registerEnumType(OrderStepEnum, {
  name: 'OrderStep',
  description:
    'CREATE makes the payment, SETTLE waits for it and asks what it has become, ISSUE makes tickets, CAPTURE takes the money, CANCEL calls the payment off, RETURN takes seats back, REFUND pays back, RELEASE gives the seats up.',
});

@ObjectType({
  description:
    'Sums of all postings of an event in one currency. clearing + cash + owedByBuyers − owedToBuyers = organizer + fees + tax.',
})
class MoneyTotals {
  @Field(() => String)
  currency!: string;

  @Field(() => Int, { description: 'Orders of which anything has been posted.' })
  orders!: number;

  @Field(() => Money, { description: 'What buyers have paid.' })
  captured!: Money;

  @Field(() => Money, { description: 'What has been paid back, less what came back of that.' })
  refunded!: Money;

  @Field(() => Money, { description: 'What banks have taken, less what they gave back.' })
  disputed!: Money;

  @Field(() => Money, { description: "Money at the provider, before the provider's own fees." })
  clearing!: Money;

  @Field(() => Money, { description: 'Money of the box office and of paid invoices.' })
  cash!: Money;

  @Field(() => Money, { description: "What is the organizer's." })
  organizer!: Money;

  @Field(() => Money)
  fees!: Money;

  @Field(() => Money)
  tax!: Money;

  @Field(() => Money, { description: 'Unpaid invoices, money that banks have for the time being.' })
  owedByBuyers!: Money;

  @Field(() => Money, { description: 'Refunds on their way to the provider, and those that came back.' })
  owedToBuyers!: Money;
}

@ObjectType('CategoryMoney', { description: 'The tickets of a category that stand, and what was charged for them.' })
class CategoryMoneyType {
  @Field(() => ID)
  categoryId!: string;

  @Field(() => String)
  name!: string;

  @Field(() => Int)
  tickets!: number;

  @Field(() => Int, { description: 'Tickets that were taken back.' })
  voided!: number;

  @Field(() => Money)
  prices!: Money;

  @Field(() => Money)
  fees!: Money;

  @Field(() => Money, { description: 'The tax within both.' })
  tax!: Money;
}

@ObjectType({
  description: 'Something that the provider and the ledger say differently, or that does not come out in the ledger.',
})
class MoneyDifference {
  @Field(() => MoneyDifferenceKindEnum)
  kind!: MoneyDifferenceKind;

  @Field(() => String, { description: "What it is about: an order, or the provider's name of a payment or movement." })
  subject!: string;

  @Field(() => ID, { nullable: true })
  orderId!: string | null;

  @Field(() => String, { description: 'Both sides.' })
  detail!: string;

  @Field(() => Date)
  foundAt!: Date;

  @Field(() => Date, { description: 'When it was last found to be so.' })
  seenAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it was found to be over.' })
  endedAt!: Date | null;
}

@ObjectType({
  description:
    'An entry of the double-entry ledger, in minor units; a row sums to 0. Plus is what an account has or owes, minus is what it gave or is owed.',
})
class MoneyPosting {
  @Field(() => PostingKindEnum)
  kind!: PostingKind;

  @Field(() => String, { description: 'The refund or dispute it is about.' })
  ref!: string;

  @Field(() => GraphQLSafeInt)
  buyer!: number;

  @Field(() => GraphQLSafeInt)
  clearing!: number;

  @Field(() => GraphQLSafeInt)
  cash!: number;

  @Field(() => GraphQLSafeInt)
  organizer!: number;

  @Field(() => GraphQLSafeInt)
  fees!: number;

  @Field(() => GraphQLSafeInt)
  tax!: number;

  @Field(() => Date)
  postedAt!: Date;
}

@ObjectType({ description: 'A seat of an order, what was charged for it, and what became of its ticket.' })
class MoneyLine {
  @Field(() => ID)
  seatId!: string;

  @Field(() => Money)
  price!: Money;

  @Field(() => Money)
  fee!: Money;

  @Field(() => Money, { description: 'The tax within both.' })
  tax!: Money;

  @Field(() => TicketState, { nullable: true, description: 'None: no ticket was ever made.' })
  ticket!: TicketState | null;
}

@ObjectType({ description: 'Money of an order that goes back, with its name at the provider.' })
class MoneyRefund extends Refund {
  @Field(() => String, { nullable: true, description: "The provider's name of it." })
  providerId!: string | null;
}

@ObjectType({ description: 'An attempt at a step of an order.' })
class MoneyStep {
  @Field(() => OrderStepEnum)
  step!: OrderStep;

  @Field(() => Int)
  attempt!: number;

  @Field(() => Int, { description: 'How often this attempt was begun.' })
  tries!: number;

  @Field(() => String, { nullable: true, description: 'None: it is open.' })
  outcome!: string | null;

  @Field(() => Date, { description: 'When it is, or was, due.' })
  runAt!: Date;

  @Field(() => Date, { nullable: true })
  firstCallAt!: Date | null;

  @Field(() => Date, { nullable: true })
  finishedAt!: Date | null;
}

@ObjectType({ description: 'An order with everything that happened to its money and its seats.' })
class MoneyOrder {
  @Field(() => ID)
  id!: string;

  @Field(() => OrderStateEnum)
  state!: OrderState;

  @Field(() => OrderMethodEnum)
  method!: OrderMethod;

  @Field(() => Money)
  total!: Money;

  @Field(() => Money)
  captured!: Money;

  @Field(() => Money, { description: 'What has gone back or is on its way.' })
  refunded!: Money;

  @Field(() => DisputeStateEnum, { nullable: true })
  dispute!: DisputeState | null;

  @Field(() => String, { nullable: true, description: "The provider's name of its payment." })
  paymentIntentId!: string | null;

  @Field(() => Date)
  createdAt!: Date;

  @Field(() => [MoneyLine])
  lines!: MoneyLine[];

  @Field(() => [MoneyPosting], { description: 'Oldest first.' })
  postings!: MoneyPosting[];

  @Field(() => [MoneyRefund], { description: 'Oldest first.' })
  refunds!: MoneyRefund[];

  @Field(() => [MoneyStep], {
    description: 'In the order in which they ended, the open one last; at most the last 100.',
  })
  steps!: MoneyStep[];
}

@ObjectType()
class MoneyOrderEdge {
  @Field(() => String)
  cursor!: string;

  @Field(() => MoneyOrder)
  node!: MoneyOrder;
}

@ObjectType()
class MoneyOrderConnection {
  @Field(() => [MoneyOrderEdge])
  edges!: MoneyOrderEdge[];

  @Field(() => PageInfo)
  pageInfo!: PageInfo;
}

@ObjectType({ description: 'What became of the money of an event, from the ledger alone.' })
class MoneyReport {
  @Field(() => ID)
  eventId!: string;

  @Field(() => Date, { description: 'Now.' })
  now!: Date;

  event!: PublishedEvent;
}

const moneyOf = (currency: string) => (amountMinor: number) => ({ amountMinor, currency });

function describeTotals({ currency, orders, ...sums }: MoneySums): MoneyTotals {
  const amounts = Object.entries(sums).map(([name, minor]) => [name, moneyOf(currency)(minor)]);
  return { currency, orders, ...(Object.fromEntries(amounts) as Omit<MoneyTotals, 'currency' | 'orders'>) };
}

function describeCategory(event: PublishedEvent, row: CategoryMoney): CategoryMoneyType {
  const money = moneyOf(row.currency);
  return {
    categoryId: String(row.category),
    name: event.hall.layout.categories[row.category]?.name ?? '',
    tickets: row.tickets,
    voided: row.voided,
    prices: money(row.prices),
    fees: money(row.fees),
    tax: money(row.tax),
  };
}

function describeOrder(event: PublishedEvent, order: OrderMoney): MoneyOrder {
  const money = moneyOf(order.currency);
  return {
    id: order.id,
    state: order.state,
    method: order.method,
    total: money(order.totalMinor),
    captured: money(order.capturedMinor),
    refunded: money(order.refundedMinor),
    dispute: order.dispute,
    paymentIntentId: order.intentId,
    createdAt: order.createdAt,
    lines: order.lines.map(({ seat, priceMinor, feeMinor, taxMinor, ticket }) => ({
      seatId: seatId(event, seat),
      price: money(priceMinor),
      fee: money(feeMinor),
      tax: money(taxMinor),
      ticket,
    })),
    postings: order.postings.map((posting): Accounts & MoneyPosting => posting),
    refunds: order.refunds.map(({ amountMinor, seats, ...refund }) => ({
      amount: money(amountMinor),
      seatIds: seats.map((seat) => seatId(event, seat)),
      ...refund,
    })),
    steps: [...order.steps],
  };
}

@Resolver(() => MoneyReport)
export class MoneyReportResolver {
  @Query(() => MoneyReport, {
    description:
      "For an event's organizer: what became of its money. The same, posting by posting, is a table at `/events/ID/money.csv`.",
  })
  async moneyReport(
    @Arg('eventId', () => ID) eventId: string,
    @Ctx() { services, viewer }: Context,
  ): Promise<MoneyReport> {
    const event = await services.moneyReports.open(viewer, eventId);
    if (isRefusal(event)) throw clientError(event);
    return { eventId: event.ref.eventId, now: new Date(services.platform.clock.nowMs()), event };
  }

  @FieldResolver(() => [MoneyTotals], { description: 'One for each currency of which anything has been posted.' })
  async totals(@Root() { eventId }: MoneyReport, @Ctx() { services }: Context): Promise<MoneyTotals[]> {
    return (await services.moneyReports.totals(eventId)).map(describeTotals);
  }

  @FieldResolver(() => [CategoryMoneyType])
  async categories(
    @Root() { eventId, event }: MoneyReport,
    @Ctx() { services }: Context,
  ): Promise<CategoryMoneyType[]> {
    return (await services.moneyReports.categories(eventId)).map((row) => describeCategory(event, row));
  }

  @FieldResolver(() => [MoneyDifference], {
    description: 'Those that are not over first, then the newest; at most 100.',
  })
  differences(@Root() { eventId }: MoneyReport, @Ctx() { services }: Context): Promise<FoundDifference[]> {
    return services.moneyReports.differences(eventId);
  }

  @FieldResolver(() => Date, {
    nullable: true,
    description:
      'Up to when everything that moved at the provider has been compared with the ledger; none: nothing has.',
  })
  comparedTo(@Ctx() { services }: Context): Promise<Date | null> {
    return services.moneyReports.comparedTo();
  }

  @FieldResolver(() => MoneyOrderConnection, { description: 'All orders of the event, the oldest first.' })
  async orders(
    @Root() { eventId, event }: MoneyReport,
    @Arg('first', () => Int, { defaultValue: 20 }) first: number,
    @Arg('after', () => String, { nullable: true }) after: string | null,
    @Ctx() { services }: Context,
  ): Promise<MoneyOrderConnection> {
    if (first < 1 || first > limits.pageItems) {
      const message = `Must be from 1 to ${limits.pageItems}.`;
      throw clientError(refuse('INVALID_INPUT', { path: ['first'], message }));
    }
    const cursor = after ? readOrderCursor(after) : null;
    if (after && cursor === null)
      throw clientError(refuse('INVALID_INPUT', { path: ['after'], message: 'Is not a cursor of this list.' }));
    const orders = await services.moneyReports.orders(eventId, first + 1, cursor);
    const edges = orders
      .slice(0, first)
      .map((order) => ({ cursor: writeOrderCursor(order), node: describeOrder(event, order) }));
    return { edges, pageInfo: { hasNextPage: orders.length > first, endCursor: edges.at(-1)?.cursor ?? null } };
  }
}
