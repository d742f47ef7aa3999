import { Field, Int, ObjectType } from 'type-graphql';

@ObjectType({ description: 'An amount in the minor unit of its currency: 1250 EUR is 12.50 €.' })
export class Money {
  @Field(() => Int)
  amountMinor!: number;

  @Field(() => String, { description: 'ISO 4217.' })
  currency!: string;
}
