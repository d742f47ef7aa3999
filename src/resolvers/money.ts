import { GraphQLSafeInt } from 'graphql-scalars';
import { Field, ObjectType } from 'type-graphql';
import type { SeatPrice } from '../domain/money.js';
import { Broadcast } from './broadcast.js';

@Broadcast()
@ObjectType({ description: 'An amount in the minor unit of its currency: 1250 EUR is 12.50 €.' })
export class Money {
  @Field(() => GraphQLSafeInt, { description: 'Whole; sums of a large sale do not fit 32 bits.' })
  amountMinor!: number;

  @Field(() => String, { description: 'ISO 4217.' })
  currency!: string;
}

/** What one place is charged, as a hold, an order and a list of categories show it: what it is made of, in minor units, as money. */
export function describePrice(price: SeatPrice, currency: string) {
  const { priceMinor, feeMinor, taxMinor, feeTaxMinor, discountMinor } = price;
  return {
    price: { amountMinor: priceMinor, currency },
    fee: { amountMinor: feeMinor, currency },
    tax: { amountMinor: taxMinor + feeTaxMinor, currency },
    discount: { amountMinor: discountMinor, currency },
    total: { amountMinor: priceMinor + feeMinor, currency },
  };
}
