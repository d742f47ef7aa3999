import { Arg, Ctx, Field, FieldResolver, ID, InputType, Int, Mutation, ObjectType, Resolver, Root } from 'type-graphql';
import { invalidInput, isRefusal } from '../domain/errors.js';
import type { Discount } from '../domain/pricing.js';
import { Event } from '../entities/events.js';
import type { CodeView } from '../services/codes.js';
import { maySteer } from '../services/sales.js';
import { asViewer, type Context, payload } from './context.js';
import { commonErrors, errorUnion } from './errors.js';
import { Money } from './money.js';

@ObjectType({ description: 'A code that makes places of an event cheaper; for its organizer alone.' })
class DiscountCode {
  @Field(() => ID)
  id!: string;

  @Field(() => String, { description: 'In capitals; buyers may type it in any case.' })
  code!: string;

  @Field(() => Int, { nullable: true, description: 'What it takes off, in hundredths of a per cent of the price.' })
  basisPoints!: number | null;

  @Field(() => Money, { nullable: true, description: 'What it takes off the price of each place, at most all of it.' })
  amount!: Money | null;

  @Field(() => [ID], { nullable: true, description: 'The only categories it is for; null: all.' })
  categoryIds!: string[] | null;

  @Field(() => Date, { nullable: true })
  validFrom!: Date | null;

  @Field(() => Date, { nullable: true })
  validUntil!: Date | null;

  @Field(() => Int, { nullable: true, description: 'Orders that may use it; null: any number.' })
  maxUses!: number | null;

  @Field(() => Int, { description: 'Orders that use it: those that are complete, and those that are being paid.' })
  uses!: number;

  @Field(() => Boolean)
  active!: boolean;
}

@InputType('Discount', { description: 'Exactly one of them.' })
class DiscountInput {
  @Field(() => Int, { nullable: true, description: 'Hundredths of a per cent of the price: 2500 is a quarter.' })
  basisPoints?: number | null;

  @Field(() => Int, { nullable: true, description: 'Minor units off the price of each place, at most all of it.' })
  amountMinor?: number | null;
}

@InputType()
class SaveCodeInput {
  @Field(() => ID)
  eventId!: string;

  @Field(() => String, { description: 'A new one makes a code; one that is there is changed.' })
  code!: string;

  @Field(() => DiscountInput)
  discount!: DiscountInput;

  @Field(() => [ID], { nullable: true, description: 'Only places of these categories; null: all.' })
  categoryIds?: string[] | null;

  @Field(() => Date, { nullable: true })
  validFrom?: Date | null;

  @Field(() => Date, { nullable: true })
  validUntil?: Date | null;

  @Field(() => Int, { nullable: true, description: 'Orders that may use it; null: any number.' })
  maxUses?: number | null;

  @Field(() => Boolean, { defaultValue: true, description: 'False: nobody gets anything for it any more.' })
  active!: boolean;
}

const SaveCodeError = errorUnion('SaveCodeError', commonErrors);

@ObjectType()
class SaveCodePayload {
  @Field(() => DiscountCode, { nullable: true })
  code!: DiscountCode | null;

  @Field(() => [SaveCodeError])
  errors!: object[];
}

function describeCode({ code, currency }: CodeView): DiscountCode {
  const { amountMinor, categories, ...fields } = code;
  return {
    amount: amountMinor === null ? null : { amountMinor, currency },
    categoryIds: categories?.map(String) ?? null,
    ...fields,
  };
}

/** The service's form of a discount; @oneOf has made sure that exactly one is there. */
function discountOf({ basisPoints, amountMinor }: DiscountInput): Discount | null {
  if (typeof basisPoints === 'number') return { basisPoints };
  return typeof amountMinor === 'number' ? { amountMinor } : null;
}

@Resolver(() => Event)
export class CodesResolver {
  @FieldResolver(() => [DiscountCode], {
    description: 'Discount codes, oldest first, for the people of its organizer; empty for others.',
  })
  async codes(@Root() event: Event, @Ctx() { services, viewer }: Context): Promise<DiscountCode[]> {
    return maySteer(viewer, event) ? (await services.codes.list(event)).map(describeCode) : [];
  }

  @Mutation(() => SaveCodePayload, {
    description: 'Makes or changes a discount code. Holds that were made with it keep their prices.',
  })
  async saveCode(
    @Arg('input', () => SaveCodeInput) input: SaveCodeInput,
    @Ctx() context: Context,
  ): Promise<SaveCodePayload> {
    const { eventId, code, active, categoryIds = null, validFrom = null, validUntil = null, maxUses = null } = input;
    const discount = discountOf(input.discount);
    const save = discount && { eventId, code, discount, active, categoryIds, validFrom, validUntil, maxUses };
    const result = save
      ? await asViewer(context, (viewer) => context.services.codes.save(viewer, save))
      : invalidInput('input.discount', 'Name exactly one kind of discount.');
    return payload('code', isRefusal(result) ? result : describeCode(result));
  }
}
