import {
  Arg,
  Ctx,
  Field,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
  Subscription,
} from 'type-graphql';
import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { decodePriceList } from '../domain/money.js';
import { holdStates } from '../redis/seat-holds.js';
import {
  fenceText,
  type HoldView,
  holdGlobalId,
  holdTotalMinor,
  isExpiring,
  type SeatSelection,
  seatId,
} from '../services/seat-holds.js';
import { asViewer, type Context, checkKey, clientError, payload, requireViewer } from './context.js';
import { commonErrors, errorUnion } from './errors.js';
import { describePrice, Money } from './money.js';

const HoldState = Object.fromEntries(holdStates.map((state) => [state, state])) as Record<
  (typeof holdStates)[number],
  string
>;
registerEnumType(HoldState, {
  name: 'HoldState',
  description:
    'HELD: yours until expiresAt. CHECKOUT: an order is being paid. ISSUING: paid, tickets are being made. SOLD, RELEASED, EXPIRED, LOST: over. RETURNING, RETURNED: the sale is taken back.',
});

@ObjectType()
class HeldSeat {
  @Field(() => ID)
  id!: string;

  @Field(() => Int)
  index!: number;

  @Field(() => String)
  sectionName!: string;

  @Field(() => String, { nullable: true })
  rowLabel!: string | null;

  @Field(() => String, { nullable: true, description: 'Null for a standing place.' })
  seatLabel!: string | null;

  @Field(() => ID)
  categoryId!: string;

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

@ObjectType({ description: 'Seats that are yours for a while.' })
class Hold {
  @Field(() => ID)
  id!: string;

  @Field(() => ID)
  eventId!: string;

  @Field(() => HoldState)
  state!: string;

  @Field(() => String, { description: 'Proof of this very claim: send it back with every action on the hold.' })
  fence!: string;

  @Field(() => [HeldSeat])
  seats!: HeldSeat[];

  @Field(() => Money, { description: 'What will be charged, fees and taxes included, whatever changes meanwhile.' })
  total!: Money;

  @Field(() => Money, {
    nullable: true,
    description:
      'What will be charged if you check out with `withoutCode`; null for a hold that was made without a code.',
  })
  totalWithoutCode!: Money | null;

  @Field(() => Date, {
    description: 'From this instant anybody may take the seats; compare with `now`, not with your own clock.',
  })
  expiresAt!: Date;

  @Field(() => Date, { description: 'extendHold does not reach beyond this.' })
  extensionsEndAt!: Date;

  @Field(() => Date, { nullable: true, description: 'In CHECKOUT: pay before this.' })
  payBy!: Date | null;

  @Field(() => Boolean, { description: 'True from 30 s before expiresAt.' })
  expiryWarning!: boolean;

  @Field(() => ID, { nullable: true })
  orderId!: string | null;

  @Field(() => Date, { description: 'The time of the server that judges the hold.' })
  now!: Date;
}

@InputType()
class CategoryQuantityInput {
  @Field(() => ID)
  categoryId!: string;

  @Field(() => ID, { nullable: true, description: 'Only in this section.' })
  sectionId?: string | null;

  @Field(() => Int)
  quantity!: number;
}

@InputType()
class BestAvailableInput extends CategoryQuantityInput {
  @Field(() => Int, {
    nullable: true,
    description:
      'Wheelchair places among them; the others are the seats beside. In a category of wheelchair places all of them, unless you say otherwise.',
  })
  accessible?: number | null;
}

@InputType('SeatSelection', { description: 'Exactly one of them.' })
export class SeatSelectionInput {
  @Field(() => [ID], { nullable: true, description: 'These seats, all or none.' })
  seatIds?: string[] | null;

  @Field(() => BestAvailableInput, {
    nullable: true,
    description: 'The best block of neighbouring seats of a category.',
  })
  bestAvailable?: BestAvailableInput | null;

  @Field(() => CategoryQuantityInput, { nullable: true, description: 'Standing places of a category.' })
  standing?: CategoryQuantityInput | null;
}

@InputType()
class SeatWishInput {
  @Field(() => SeatSelectionInput)
  seats!: SeatSelectionInput;

  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Somebody of you needs a wheelchair place: those may be named in `seatIds`.',
  })
  accessible!: boolean;

  @Field(() => String, { nullable: true, description: 'Opens seats that are kept for those who have it.' })
  accessCode?: string | null;
}

@InputType()
class HoldSeatsInput extends SeatWishInput {
  @Field(() => ID)
  eventId!: string;

  @Field(() => String, { nullable: true, description: 'A discount code. One that is not valid holds nothing.' })
  code?: string | null;

  @Field(() => ID, { description: 'Your own name for this wish: repeating it returns the same hold.' })
  idempotencyKey!: string;
}

@InputType()
class ChangeHoldInput extends SeatWishInput {
  @Field(() => ID)
  holdId!: string;

  @Field(() => String)
  fence!: string;

  @Field(() => ID)
  idempotencyKey!: string;
}

@InputType()
class HoldActionInput {
  @Field(() => ID)
  holdId!: string;

  @Field(() => String)
  fence!: string;

  @Field(() => ID)
  idempotencyKey!: string;
}

@InputType()
class ExtendHoldInput extends HoldActionInput {}

@InputType()
class ReleaseHoldInput extends HoldActionInput {}

const HoldSeatsError = errorUnion('HoldSeatsError', [
  ...commonErrors,
  'OVERLOADED',
  'IDENTITY_REQUIRED',
  'IDEMPOTENCY_KEY_REUSED',
  'REBUILDING',
  'SALE_NOT_OPEN',
  'SALE_PAUSED',
  'SALE_CLOSED',
  'NOT_ADMITTED',
  'SEATS_UNAVAILABLE',
  'SOLD_OUT',
  'NO_ADJACENT_SEATS',
  'TOO_MANY_SEATS',
  'PERSON_LIMIT_REACHED',
  'HOLD_BUDGET_SPENT',
  'CODE_NOT_VALID',
  'CODE_USED_UP',
]);
const holdActionErrors = [
  ...commonErrors,
  'IDEMPOTENCY_KEY_REUSED',
  'REBUILDING',
  'HOLD_EXPIRED',
  'HOLD_LOST',
  'HOLD_NOT_ACTIVE',
  'STALE_FENCE',
] as const;
const ChangeHoldError = errorUnion('ChangeHoldError', [
  ...holdActionErrors,
  'SALE_PAUSED',
  'SALE_CLOSED',
  'NOT_ADMITTED',
  'SEATS_UNAVAILABLE',
  'SOLD_OUT',
  'NO_ADJACENT_SEATS',
  'TOO_MANY_SEATS',
  'PERSON_LIMIT_REACHED',
]);
const ExtendHoldError = errorUnion('ExtendHoldError', [...holdActionErrors, 'EXTENSION_LIMIT']);
const ReleaseHoldError = errorUnion('ReleaseHoldError', holdActionErrors);

@ObjectType()
class HoldSeatsPayload {
  @Field(() => Hold, { nullable: true })
  hold!: Hold | null;

  @Field(() => [HoldSeatsError])
  errors!: object[];
}

@ObjectType()
class ChangeHoldPayload {
  @Field(() => Hold, { nullable: true })
  hold!: Hold | null;

  @Field(() => [ChangeHoldError])
  errors!: object[];
}

@ObjectType()
class ExtendHoldPayload {
  @Field(() => Hold, { nullable: true })
  hold!: Hold | null;

  @Field(() => [ExtendHoldError])
  errors!: object[];
}

@ObjectType()
class ReleaseHoldPayload {
  @Field(() => Hold, { nullable: true })
  hold!: Hold | null;

  @Field(() => [ReleaseHoldError])
  errors!: object[];
}

export function describeHold(view: HoldView): Hold {
  const { event, hold } = view;
  const { currency, prices, code } = decodePriceList(hold.prices);
  return {
    id: holdGlobalId(event.ref.eventId, hold.holdId),
    eventId: event.ref.eventId,
    state: hold.state,
    fence: fenceText(hold),
    seats: hold.seats.map((index) => {
      const place = event.hall.index.describe(index)!;
      return {
        id: place.guid ?? seatId(event, index),
        index,
        sectionName: place.sectionName,
        rowLabel: place.rowLabel,
        seatLabel: place.seatLabel,
        categoryId: String(place.category),
        ...describePrice(prices[place.category]!, currency),
      };
    }),
    total: { amountMinor: holdTotalMinor(view, prices), currency },
    totalWithoutCode: code && { amountMinor: holdTotalMinor(view, code.without), currency },
    expiresAt: new Date(hold.expiresAtMs),
    extensionsEndAt: new Date(hold.extensionsEndAtMs),
    payBy: hold.payByMs === null ? null : new Date(hold.payByMs),
    expiryWarning: isExpiring(hold),
    orderId: hold.orderId,
    now: new Date(hold.nowMs),
  };
}

const describeResult = (result: HoldView | Refusal) => (isRefusal(result) ? result : describeHold(result));

/** The service's form of a selection; @oneOf has made sure that exactly one is there. */
function selectionOf(seats: SeatSelectionInput): SeatSelection | Refusal<'INVALID_INPUT'> {
  if (seats.seatIds) return { seatIds: seats.seatIds };
  const wish = ({ categoryId, sectionId = null, quantity }: CategoryQuantityInput) => ({
    categoryId,
    sectionId,
    quantity,
  });
  if (seats.bestAvailable) {
    const { accessible = null } = seats.bestAvailable;
    return { bestAvailable: { ...wish(seats.bestAvailable), accessible } };
  }
  if (seats.standing) return { standing: wish(seats.standing) };
  return invalidInput('input.seats', 'Name exactly one kind of selection.');
}

@Resolver(() => Hold)
export class SeatHoldsResolver {
  @Query(() => Hold, { nullable: true, description: 'One of your holds; null for anything else.' })
  async hold(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<Hold | null> {
    const view = await context.services.holds.read(requireViewer(context), id);
    return view && describeHold(view);
  }

  @Mutation(() => HoldSeatsPayload, { description: 'Takes seats for you alone, all or none, for a while.' })
  async holdSeats(
    @Arg('input', () => HoldSeatsInput) input: HoldSeatsInput,
    @Ctx() context: Context,
  ): Promise<HoldSeatsPayload> {
    const seats = selectionOf(input.seats);
    const wrong = checkKey(input) ?? (isRefusal(seats) ? seats : null);
    if (wrong !== null || isRefusal(seats)) return payload('hold', wrong!);
    const { eventId, idempotencyKey, accessible, accessCode = null, code = null } = input;
    const result = await asViewer(context, (viewer) =>
      context.services.holds.hold(viewer, { eventId, idempotencyKey, seats, code, accessible, accessCode }),
    );
    return payload('hold', describeResult(result));
  }

  @Mutation(() => ChangeHoldPayload, {
    description:
      'Other seats for the same hold, in one step: all of the new ones, or the old ones stay. It lives no longer for it, and has a new fence.',
  })
  async changeHold(
    @Arg('input', () => ChangeHoldInput) input: ChangeHoldInput,
    @Ctx() context: Context,
  ): Promise<ChangeHoldPayload> {
    const seats = selectionOf(input.seats);
    const wrong = checkKey(input) ?? (isRefusal(seats) ? seats : null);
    if (wrong !== null || isRefusal(seats)) return payload('hold', wrong!);
    const { holdId, fence, idempotencyKey, accessible, accessCode = null } = input;
    const result = await asViewer(context, (viewer) =>
      context.services.holds.change(viewer, { holdId, fence, idempotencyKey, seats, accessible, accessCode }),
    );
    return payload('hold', describeResult(result));
  }

  @Mutation(() => ExtendHoldPayload, { description: 'Gives a hold more time, up to extensionsEndAt.' })
  async extendHold(
    @Arg('input', () => ExtendHoldInput) input: ExtendHoldInput,
    @Ctx() context: Context,
  ): Promise<ExtendHoldPayload> {
    const { holdId, fence, idempotencyKey } = input;
    const act = () =>
      asViewer(context, (viewer) => context.services.holds.extend(viewer, holdId, fence, idempotencyKey));
    return payload('hold', describeResult(checkKey(input) ?? (await act())));
  }

  @Mutation(() => ReleaseHoldPayload, { description: 'Gives the seats of a hold back.' })
  async releaseHold(
    @Arg('input', () => ReleaseHoldInput) input: ReleaseHoldInput,
    @Ctx() context: Context,
  ): Promise<ReleaseHoldPayload> {
    const { holdId, fence, idempotencyKey } = input;
    const act = () =>
      asViewer(context, (viewer) => context.services.holds.release(viewer, holdId, fence, idempotencyKey));
    return payload('hold', describeResult(checkKey(input) ?? (await act())));
  }

  @Subscription(() => Hold, {
    description: 'One of your holds: its present state, a warning 30 s before it expires, every change, its end.',
    subscribe: async ({ args, context }) => {
      const viewer = requireViewer(context as Context);
      const watch = await (context as Context).services.holds.watch(viewer, (args as { holdId: string }).holdId);
      if (watch === null) throw clientError(refuse('NOT_FOUND', { path: ['holdId'] }));
      return watch;
    },
  })
  holdUpdated(@Root() view: HoldView, @Arg('holdId', () => ID) _holdId: string): Hold {
    return describeHold(view);
  }
}
