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
import {
  type DisputeState,
  type EndReason,
  isFinal,
  type OrderMethod,
  type OrderState,
  type RefundReason,
  type RefundState,
} from '../domain/order-states.js';
import { RefundReasonEnum, RefundStateEnum } from '../entities/money.js';
import {
  DisputeStateEnum,
  EndReasonEnum,
  OrderMethodEnum,
  OrderStateEnum,
  type Ticket as TicketRow,
  TicketState,
} from '../entities/orders.js';
import type { PublishedEvent } from '../services/event-catalogue.js';
import type { OrderView } from '../services/order-reading.js';
import { seatId } from '../services/seat-holds.js';
import { Viewer } from './accounts.js';
import { asViewer, type Context, checkKey, clientError, payload, requireViewer } from './context.js';
import { commonErrors, errorUnion } from './errors.js';
import { describePrice, Money } from './money.js';

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

  @Field(() => Money, { description: 'Of the ticket: what a code takes off has been taken off.' })
  price!: Money;

  @Field(() => Money)
  fee!: Money;

  @Field(() => Money, { description: 'The tax contained in price and fee.' })
  tax!: Money;

  @Field(() => Money, { description: 'What a code has taken off the price.' })
  discount!: Money;

  @Field(() => Money, { description: 'Price and fee.' })
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
  personId!: string;
  issuedAt!: Date;
}

@ObjectType({ description: 'Money of an order that goes back.' })
export class Refund {
  @Field(() => ID)
  id!: string;

  @Field(() => RefundReasonEnum)
  reason!: RefundReason;

  @Field(() => RefundStateEnum)
  state!: RefundState;

  @Field(() => Money)
  amount!: Money;

  @Field(() => [ID], { description: 'Places that were given up for it.' })
  seatIds!: string[];

  @Field(() => String, { nullable: true, description: "The provider's reason, where it FAILED." })
  failure!: string | null;

  @Field(() => Date)
  createdAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it SUCCEEDED or FAILED.' })
  settledAt!: Date | null;
}

@ObjectType()
export class Order {
  @Field(() => ID)
  id!: string;

  @Field(() => ID)
  eventId!: string;

  @Field(() => OrderStateEnum)
  state!: OrderState;

  @Field(() => OrderMethodEnum)
  method!: OrderMethod;

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

  @Field(() => EndReasonEnum, { nullable: true, description: 'From CANCELING on, unless it ended with tickets.' })
  endReason!: EndReason | null;

  @Field(() => Date, {
    nullable: true,
    description:
      'In PAYMENT_PREPARING: when the payment form should be there, by how many wait for theirs. An estimate; null: nobody can say.',
  })
  paymentReadyAt!: Date | null;

  @Field(() => [Ticket], { description: 'From CONFIRMED on.' })
  tickets!: Ticket[];

  @Field(() => [Refund], { description: 'Oldest first.' })
  refunds!: Refund[];

  @Field(() => Money, { description: 'What has gone back or is on its way.' })
  refunded!: Money;

  @Field(() => DisputeStateEnum, {
    nullable: true,
    description: 'Where the buyer has disputed the payment with the bank: what became of it.',
  })
  dispute!: DisputeState | null;

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

  @Field(() => OrderMethodEnum, {
    defaultValue: 'ONLINE',
    description: "How it is paid. CASH and INVOICE are for the event's organizer: tickets at once.",
  })
  method!: OrderMethod;

  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Pay what the hold costs without the code it was made with, its totalWithoutCode.',
  })
  withoutCode!: boolean;

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

  @Field(() => [ID], { nullable: true, description: 'Tickets to take back; none named: all that stand.' })
  seatIds?: string[] | null;

  @Field(() => ID)
  idempotencyKey!: string;
}

@InputType()
class RecordPaymentInput {
  @Field(() => ID)
  orderId!: string;

  @Field(() => ID)
  idempotencyKey!: string;
}

@InputType()
class ReturnTicketsInput extends RefundOrderInput {}

@InputType()
class RetryRefundInput {
  @Field(() => ID)
  refundId!: string;

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
  'CODE_USED_UP',
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
  'TOO_MANY_SEATS',
]);

const ReturnTicketsError = errorUnion('ReturnTicketsError', [
  ...commonErrors,
  'IDEMPOTENCY_KEY_REUSED',
  'ORDER_NOT_REFUNDABLE',
  'TOO_MANY_SEATS',
  'RETURNS_CLOSED',
]);

const RecordPaymentError = errorUnion('RecordPaymentError', [
  ...commonErrors,
  'IDEMPOTENCY_KEY_REUSED',
  'ORDER_NOT_ON_ACCOUNT',
]);

const RetryRefundError = errorUnion('RetryRefundError', [
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

@ObjectType()
class ReturnTicketsPayload {
  @Field(() => Order, { nullable: true })
  order!: Order | null;

  @Field(() => [ReturnTicketsError])
  errors!: object[];
}

@ObjectType()
class RecordPaymentPayload {
  @Field(() => Order, { nullable: true })
  order!: Order | null;

  @Field(() => [RecordPaymentError])
  errors!: object[];
}

@ObjectType()
class RetryRefundPayload {
  @Field(() => Order, { nullable: true })
  order!: Order | null;

  @Field(() => [RetryRefundError])
  errors!: object[];
}

function describeTicket({ event, order }: OrderView, ticket: TicketRow): Ticket {
  const { id, orderId, state, issuedAt, seatIndex } = ticket;
  return {
    id,
    orderId,
    seatId: seatId(event, seatIndex),
    state,
    description: event.hall.index.nameOf(seatIndex),
    event,
    personId: order.personId,
    issuedAt,
  };
}

/** States of an order that ends, or has ended, without tickets. */
const withoutTickets: ReadonlySet<OrderState> = new Set([
  'CANCELING',
  'CANCELED',
  'EXPIRED',
  'LOST',
  'REFUNDING',
  'REFUNDED',
]);

function describeOrder(view: OrderView, { services, viewer }: Context): Order {
  const { order, event, lines, tickets, refunds } = view;
  const { currency } = order;
  const { stripe } = services.platform.config;
  const readyAtMs = order.state === 'PAYMENT_PREPARING' ? services.payments.formReadyAtMs : null;
  const isOwn = viewer?.personId === order.personId;
  const open = isOwn && order.clientSecret !== null && order.intentId !== null && !isFinal(order.state);
  return {
    id: order.id,
    eventId: order.eventId,
    state: order.state,
    method: order.method,
    version: order.version,
    total: { amountMinor: order.totalMinor, currency },
    lines: lines.map((line) => ({
      seatId: seatId(event, line.seatIndex),
      description: event.hall.index.nameOf(line.seatIndex),
      ...describePrice(line, currency),
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
    endReason: withoutTickets.has(order.state) ? order.endReason : null,
    paymentReadyAt: readyAtMs === null ? null : new Date(readyAtMs),
    tickets: tickets.map((ticket) => describeTicket(view, ticket)),
    refunds: refunds.map((refund) => ({
      id: refund.id,
      reason: refund.reason,
      state: refund.state,
      amount: { amountMinor: refund.amountMinor, currency },
      seatIds: refund.seats.map((seat) => seatId(event, seat)),
      failure: refund.failure,
      createdAt: refund.createdAt,
      settledAt: refund.settledAt,
    })),
    refunded: { amountMinor: order.refundedMinor, currency },
    dispute: order.dispute,
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
    description:
      'Makes an order of a hold. The payment form comes with the answer, if it is there at once, and by orderUpdated.',
  })
  async startCheckout(
    @Arg('input', () => StartCheckoutInput) input: StartCheckoutInput,
    @Ctx() context: Context,
  ): Promise<StartCheckoutPayload> {
    const { holdId, fence, method, withoutCode, idempotencyKey, buyer } = input;
    const wish = { holdId, fence, method, withoutCode, idempotencyKey, buyer: buyer ?? null };
    const { orders, orderFeed, payments, platform } = context.services;
    const { checkoutWaitMs } = platform.config;
    const act = () =>
      asViewer(context, async (viewer) => {
        const started = await orders.startCheckout(viewer, wish);
        // Where many wait for their forms there is nothing to wait for.
        const isSoon = payments.queueMs !== null && payments.queueMs < checkoutWaitMs;
        return isRefusal(started) || !isSoon ? started : orderFeed.whenPayable(started, checkoutWaitMs);
      });
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
      'For the organizer: gives the money of a completed order back, or of some of its tickets. They are void at once, their seats free when the money goes.',
  })
  async refundOrder(
    @Arg('input', () => RefundOrderInput) input: RefundOrderInput,
    @Ctx() context: Context,
  ): Promise<RefundOrderPayload> {
    const { orderId, seatIds = null, idempotencyKey } = input;
    const act = () =>
      asViewer(context, (viewer) => context.services.refunds.refund(viewer, { orderId, seatIds, idempotencyKey }));
    return payload('order', this.#describe(checkKey(input) ?? (await act()), context));
  }

  @Mutation(() => ReturnTicketsPayload, {
    description:
      'Gives tickets back, as long as the event lets buyers do so; the money follows, less fees if the event keeps them.',
  })
  async returnTickets(
    @Arg('input', () => ReturnTicketsInput) input: ReturnTicketsInput,
    @Ctx() context: Context,
  ): Promise<ReturnTicketsPayload> {
    const { orderId, seatIds = null, idempotencyKey } = input;
    const act = () =>
      asViewer(context, (viewer) =>
        context.services.refunds.returnTickets(viewer, { orderId, seatIds, idempotencyKey }),
      );
    return payload('order', this.#describe(checkKey(input) ?? (await act()), context));
  }

  @Mutation(() => RecordPaymentPayload, {
    description: 'For the organizer: an order that was sold on account (INVOICE) has been paid.',
  })
  async recordPayment(
    @Arg('input', () => RecordPaymentInput) input: RecordPaymentInput,
    @Ctx() context: Context,
  ): Promise<RecordPaymentPayload> {
    const { orderId, idempotencyKey } = input;
    const act = () =>
      asViewer(context, (viewer) => context.services.orders.recordPayment(viewer, { orderId, idempotencyKey }));
    return payload('order', this.#describe(checkKey(input) ?? (await act()), context));
  }

  @Mutation(() => RetryRefundPayload, {
    description: 'For the organizer: pays out again what had come back (FAILED).',
  })
  async retryRefund(
    @Arg('input', () => RetryRefundInput) input: RetryRefundInput,
    @Ctx() context: Context,
  ): Promise<RetryRefundPayload> {
    const { refundId, idempotencyKey } = input;
    const act = () =>
      asViewer(context, (viewer) => context.services.refunds.retry(viewer, { refundId, idempotencyKey }));
    return payload('order', this.#describe(checkKey(input) ?? (await act()), context));
  }

  @Subscription(() => Order, {
    description:
      'One of your orders: as it is, then every change; it ends when nothing of it may change any more: with the final state, or with what became of its refunds.',
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
    description: 'The signed text of the QR code, once the ticket is VALID, for whoever bought it.',
  })
  qr(
    @Root() { id, state, event, seatId: seat, issuedAt, personId }: Ticket,
    @Ctx() { services, viewer }: Context,
  ): string | null {
    // Whoever steers the event sees the order, and opens no door with it.
    if (state !== 'VALID' || viewer?.personId !== personId) return null;
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
    return views.flatMap((view) =>
      view.tickets.filter(({ state }) => state !== 'VOID').map((ticket) => describeTicket(view, ticket)),
    );
  }
}
