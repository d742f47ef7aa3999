import { GraphQLSafeInt } from 'graphql-scalars';
import { Field, ObjectType } from 'type-graphql';
import { Broadcast } from './broadcast.js';

@Broadcast()
@ObjectType({ description: 'An amount in the minor unit of its currency: 1250 EUR is 12.50 €.' })
export class Money {
  @Field(() => GraphQLSafeInt, { description: 'Whole; sums of a large sale do not fit 32 bits.' })
  amountMinor!: number;

  @Field(() => String, { description: 'ISO 4217.' })
  currency!: string;
}
