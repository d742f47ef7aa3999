import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { Seller as SellerValue } from '../domain/contacts.js';
import { type Receipt as ReceiptValue, totalMinor } from '../domain/receipts.js';
import { asViewer, type Context, payload } from './context.js';
import { commonErrors, errorUnion } from './errors.js';
import { Money } from './money.js';
import { Order } from './orders.js';

const ReceiptKind = { RECEIPT: 'RECEIPT', CREDIT_NOTE: 'CREDIT_NOTE' } as const;
registerEnumType(ReceiptKind, {
  name: 'ReceiptKind',
  description: 'RECEIPT: of what was paid. CREDIT_NOTE: of what was given back.',
});

@ObjectType({ description: 'A numbered document about money, as a PDF. What it says never changes.' })
class Receipt {
  @Field(() => ReceiptKind)
  kind!: keyof typeof ReceiptKind;

  @Field(() => String, {
    description: 'Without gaps: one series for receipts and one for credit notes of each organizer.',
  })
  number!: string;

  @Field(() => Date)
  issuedAt!: Date;

  @Field(() => Money)
  total!: Money;

  @Field(() => String, {
    description:
      'The PDF, by GET at the address of the API: a path that works for whoever has it, without a token, until it expires.',
  })
  path!: string;

  @Field(() => Date, { description: 'When the path expires; ask again for another one.' })
  pathExpiresAt!: Date;
}

@ObjectType({ description: 'Who sells, as receipts say it.' })
class Seller {
  @Field(() => String, { nullable: true, description: "Null: the organizer's name stands on receipts." })
  legalName!: string | null;

  @Field(() => String, { nullable: true })
  address!: string | null;

  @Field(() => String, { nullable: true, description: 'As the authorities have given it.' })
  taxId!: string | null;
}

@InputType({ description: 'All of it: what is left out is said no longer.' })
class UpdateSellerInput {
  @Field(() => String, { nullable: true })
  legalName?: string | null;

  @Field(() => String, { nullable: true, description: 'A few lines.' })
  address?: string | null;

  @Field(() => String, { nullable: true })
  taxId?: string | null;
}

const UpdateSellerError = errorUnion('UpdateSellerError', commonErrors);

@ObjectType()
class UpdateSellerPayload {
  @Field(() => Seller, { nullable: true })
  seller!: Seller | null;

  @Field(() => [UpdateSellerError])
  errors!: object[];
}

function describe(receipt: ReceiptValue, { services }: Context): Receipt {
  const { path, expiresAtMs } = services.receipts.link(receipt);
  const { lines, currency } = receipt.facts;
  return {
    kind: receipt.kind as keyof typeof ReceiptKind,
    number: receipt.number!,
    issuedAt: receipt.issuedAt,
    total: { amountMinor: totalMinor(lines), currency },
    path,
    pathExpiresAt: new Date(expiresAtMs),
  };
}

@Resolver(() => Order)
export class OrderReceiptsResolver {
  @FieldResolver(() => Receipt, {
    nullable: true,
    description: 'A moment after it is COMPLETED; null for one that cost nothing.',
  })
  async receipt(@Root() { id }: Order, @Ctx() context: Context): Promise<Receipt | null> {
    const found = (await context.services.receipts.ofOrder(id)).find(({ kind }) => kind === 'RECEIPT');
    return found === undefined ? null : describe(found, context);
  }

  @FieldResolver(() => [Receipt], { description: 'One for every refund that was paid, the oldest first.' })
  async creditNotes(@Root() { id }: Order, @Ctx() context: Context): Promise<Receipt[]> {
    const found = await context.services.receipts.ofOrder(id);
    return found.filter(({ kind }) => kind === 'CREDIT_NOTE').map((receipt) => describe(receipt, context));
  }
}

@Resolver()
export class SellerResolver {
  @Query(() => Seller, { nullable: true, description: 'Who you sell as; null for whoever is no organizer.' })
  async seller(@Ctx() { services, viewer }: Context): Promise<SellerValue | null> {
    return viewer && services.receipts.seller(viewer);
  }

  @Mutation(() => UpdateSellerPayload, {
    description: 'For organizers: who stands on receipts from now on. Those there are stay as they are.',
  })
  async updateSeller(
    @Arg('input', () => UpdateSellerInput) input: UpdateSellerInput,
    @Ctx() context: Context,
  ): Promise<UpdateSellerPayload> {
    const { legalName, address, taxId } = input;
    const seller = await asViewer(context, (viewer) =>
      context.services.receipts.updateSeller(viewer, { legalName, address, taxId }),
    );
    return payload('seller', seller);
  }
}
