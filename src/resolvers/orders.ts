import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { isFinal, type OrderState } from '../domain/order-states.js';
import { OrderStateEnum, type Ticket as TicketRow, TicketState } from '../entities/orders.js';
import type { PublishedEvent } from '../services/event-catalogue.js';
import type { OrderView } from '../services/order-reading.js';
import { seatId } from '../services/seat-holds.js';
import { Viewer } from './accounts.js';
import { asViewer, type Context, checkKey, clientError, payload, requireViewer } from './context.js';
import { commonErrors, errorUnion } from './errors.js';
import { Money } from './money.js';

@ObjectType({
  description:
    'How to pay: what Stripe.js needs. Only the owner of the order sees it, and only until the order has ended.',
})
class Payment {
  @Field(() => ID)
  paymentIntentId!: string;

  @Field(() => String)
  clientSecret!: string;

  @Field(() => String)
  publishableKey!: string;

  @Field(() => String, {
    description: 'Where the provider speaks; https://api.stripe.com unless another is configured.',
  })
  apiUrl!: string;
}

@ObjectType('OrderLine')
class OrderLineType {
  @Field(() => ID)
  seatId!: string;

  @Field(() => String)
  description!: string;

  @Field(() => Money)
  price!: Money;

  @Field(() => Money)
  fee!: Money;

  @Field(() => Money)
  total!: Money;
}

@ObjectType()
class Ticket {
  @Field(() => ID)
  id!: string;

  @Field(() => ID)
  orderId!: string;

  @Field(() => ID)
  seatId!: string;

  @Field(() => TicketState)
  state!: TicketRow['state'];

  @Field(() => String)
  description!: string;

  event!: PublishedEvent;
  issuedAt!: Date;
}

@ObjectType()
export class Order {
  @Field(() => ID)
  id!: string;

  @Field(() => ID)
  eventId!: string;

  @Field(() => OrderStateEnum)
  state!: OrderState;

  @Field(() => Int, { description: 'Grows with every change; a stream never goes back.' })
  version!: number;

  @Field(() => Money)
  total!: Money;

  @Field(() => [OrderLineType])
  lines!: OrderLineType[];

  @Field(() => Date, { description: 'Pay before this; afterwards the seats go back.' })
  payBy!: Date;

  @Field(() => Payment, { nullable: true, description: 'From AWAITING_PAYMENT on.' })
  payment!: Payment | null;

  @Field(() => String, {
    nullable: true,
    description: "The provider's reason for the last declined attempt; the seats stay until payBy.",
  })
  lastDecline!: string | null;

  @Field(() => [Ticket], { description: 'From CONFIRMED on.' })
  tickets!: Ticket[];

  @Field(() => Date)
  now!: Date;
}

@InputType({ description: 'For the receipt. Whatever is left out is not on it.' })
class BuyerInput {
  @Field(() => String, {
    nullable: true,
    description: 'Where the receipt goes by mail. Defaults to the address that the session has proved.',
  })
  email?: string | null;

  @Field(() => String, { nullable: true })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'A few lines.' })
  address?: string | null;
}

@InputType()
class StartCheckoutInput {
  @Field(() => ID)
  holdId!: string;

  @Field(() => String)
  fence!: string;

  @Field(() => ID)
  idempotencyKey!: string;

  @Field(() => BuyerInput, {
    nullable: true,
    description: 'Whom the receipt is made out to. What the order was begun with stays.',
  })
  buyer?: BuyerInput | null;
}

@InputType()
class CancelOrderInput {
  @Field(() => ID)
  orderId!: string;

  @Field(() => ID)
  idempotencyKey!: string;
}

@InputType()
class RefundOrderInput {
  @Field(() => ID)
  orderId!: string;

  @Field(() => ID)
  idempotencyKey!: string;
}

const StartCheckoutError = errorUnion('StartCheckoutError', [
  ...commonErrors,
  'IDEMPOTENCY_KEY_REUSED',
  'REBUILDING',
  'SALE_CLOSED',
  'NOT_ADMITTED',
  'HOLD_EXPIRED',
  'HOLD_LOST',
  'HOLD_NOT_ACTIVE',
  'STALE_FENCE',
  'SEATS_UNAVAILABLE',
]);
const CancelOrderError = errorUnion('CancelOrderError', [
  ...commonErrors,
  'IDEMPOTENCY_KEY_REUSED',
  'ORDER_NOT_CANCELABLE',
]);

const RefundOrderError = errorUnion('RefundOrderError', [
  ...commonErrors,
  'IDEMPOTENCY_KEY_REUSED',
  'ORDER_NOT_REFUNDABLE',
]);

@ObjectType()
class StartCheckoutPayload {
  @Field(() => Order, { nullable: true })
  order!: Order | null;

  @Field(() => [StartCheckoutError])
  errors!: object[];
}

@ObjectType()
class CancelOrderPayload {
  @Field(() => Order, { nullable: true })
  order!: Order | null;

  @Field(() => [CancelOrderError])
  errors!: object[];
}

@ObjectType()
class RefundOrderPayload {
  @Field(() => Order, { nullable: true })
  order!: Order | null;

  @Field(() => [RefundOrderError])
  errors!: object[];
}

function describeTicket(event: PublishedEvent, ticket: TicketRow): Ticket {
  const { id, orderId, state, issuedAt, seatIndex } = ticket;
  return {
    id,
    orderId,
    seatId: seatId(event, seatIndex),
    state,
    description: event.hall.index.nameOf(seatIndex),
    event,
    issuedAt,
  };
}

function describeOrder({ order, event, lines, tickets }: OrderView, { services }: Context): Order {
  const { currency } = order;
  const { stripe } = services.platform.config;
  const open = order.clientSecret !== null && order.intentId !== null && !isFinal(order.state);
  return {
    id: order.id,
    eventId: order.eventId,
    state: order.state,
    version: order.version,
    total: { amountMinor: order.totalMinor, currency },
    lines: lines.map((line) => ({
      seatId: seatId(event, line.seatIndex),
      description: event.hall.index.nameOf(line.seatIndex),
      price: { amountMinor: line.priceMinor, currency },
      fee: { amountMinor: line.feeMinor, currency },
      total: { amountMinor: line.priceMinor + line.feeMinor, currency },
    })),
    payBy: order.payBy,
    payment: open
      ? {
          paymentIntentId: order.intentId!,
          clientSecret: order.clientSecret!,
          publishableKey: stripe.publishableKey,
          apiUrl: stripe.publicApiUrl,
        }
      : null,
    lastDecline: order.lastDecline,
    tickets: tickets.map((ticket) => describeTicket(event, ticket)),
    now: new Date(services.platform.clock.nowMs()),
  };
}

@Resolver(() => Order)
export class OrdersResolver {
  @Query(() => Order, { nullable: true, description: 'One of your orders; null for anything else.' })
  async order(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<Order | null> {
    const view = await context.services.orders.read(requireViewer(context), id);
    return view && describeOrder(view, context);
  }

  @Mutation(() => StartCheckoutPayload, {
    description: 'Makes an order of a hold and returns at once; the payment form comes by orderUpdated.',
  })
  async startCheckout(
    @Arg('input', () => StartCheckoutInput) input: StartCheckoutInput,
    @Ctx() context: Context,
  ): Promise<StartCheckoutPayload> {
    const { holdId, fence, idempotencyKey, buyer } = input;
    const { orders } = context.services;
    const act = () =>
      asViewer(context, (viewer) =>
        orders.startCheckout(viewer, { holdId, fence, idempotencyKey, buyer: buyer ?? null }),
      );
    return payload('order', this.#describe(checkKey(input) ?? (await act()), context));
  }

  @Mutation(() => CancelOrderPayload, {
    description: 'Calls an unpaid order off; a payment that is already on its way wins.',
  })
  async cancelOrder(
    @Arg('input', () => CancelOrderInput) input: CancelOrderInput,
    @Ctx() context: Context,
  ): Promise<CancelOrderPayload> {
    const { orderId, idempotencyKey } = input;
    const act = () =>
      asViewer(context, (viewer) => context.services.orders.cancel(viewer, { orderId, idempotencyKey }));
    return payload('order', this.#describe(checkKey(input) ?? (await act()), context));
  }

  @Mutation(() => RefundOrderPayload, {
    description:
      'For the organizer: gives the money of a completed order back. Its tickets are void at once, its seats free when the money goes.',
  })
  async refundOrder(
    @Arg('input', () => RefundOrderInput) input: RefundOrderInput,
    @Ctx() context: Context,
  ): Promise<RefundOrderPayload> {
    const { orderId, idempotencyKey } = input;
    const act = () =>
      asViewer(context, (viewer) => context.services.orders.refund(viewer, { orderId, idempotencyKey }));
    return payload('order', this.#describe(checkKey(input) ?? (await act()), context));
  }

  @Subscription(() => Order, {
    description: 'One of your orders: as it is, then every change; it ends with the final state.',
    subscribe: async ({ args, context }) => {
      const { services } = context as Context;
      const view = await services.orders.read(requireViewer(context as Context), (args as { orderId: string }).orderId);
      if (view === null) throw clientError(refuse('NOT_FOUND', { path: ['orderId'] }));
      return services.orderFeed.watch(view);
    },
  })
  orderUpdated(@Root() view: OrderView, @Arg('orderId', () => ID) _orderId: string, @Ctx() context: Context): Order {
    return describeOrder(view, context);
  }

  #describe(result: OrderView | Refusal, context: Context): Order | Refusal {
    return isRefusal(result) ? result : describeOrder(result, context);
  }
}

@Resolver(() => Ticket)
export class TicketsResolver {
  @FieldResolver(() => String, {
    nullable: true,
    description: 'The signed text of the QR code, once the ticket is VALID.',
  })
  qr(@Root() { id, state, event, seatId: seat, issuedAt }: Ticket, @Ctx() { services }: Context): string | null {
    if (state !== 'VALID') return null;
    return services.tokens.ticket({ ticketId: id, eventId: event.ref.eventId, seat, issuedAtMs: issuedAt.getTime() });
  }
}

@Resolver(() => Viewer)
export class ViewerOrdersResolver {
  @FieldResolver(() => [Order], { description: 'Your newest orders, at most 100.' })
  async orders(@Root() { personId }: Viewer, @Ctx() context: Context): Promise<Order[]> {
    return (await context.services.orders.ofPerson(personId)).map((view) => describeOrder(view, context));
  }

  @FieldResolver(() => [Ticket], { description: 'The tickets of those orders that are not void.' })
  async tickets(@Root() { personId }: Viewer, @Ctx() context: Context): Promise<Ticket[]> {
    const views = await context.services.orders.ofPerson(personId);
    return views.flatMap(({ event, tickets }) =>
      tickets.filter(({ state }) => state !== 'VOID').map((ticket) => describeTicket(event, ticket)),
    );
  }
}
