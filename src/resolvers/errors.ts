import 'reflect-metadata';
import { createUnionType, Field, ID, Int, InterfaceType, ObjectType, registerEnumType } from 'type-graphql';
import { type ErrorCode, errorCatalogue, type Refusal, type SeatOfferValue } from '../domain/errors.js';

@InterfaceType('UserError', {
  description: 'An expected refusal. PROTOCOL.md says for every code what it means and what a client does next.',
  resolveType: (refusal: Refusal) => errorTypeName(refusal.code),
})
export abstract class UserError {
  @Field(() => String, { description: 'A code of the catalogue.' })
  code!: string;

  @Field(() => String, { description: 'What went wrong, in a sentence.' })
  message!: string;

  @Field(() => [String], { nullable: true, description: 'The input field it is about, outermost first.' })
  path?: string[];
}

@ObjectType('PlanError', { description: 'An error of a seating plan.' })
class PlanErrorType {
  @Field(() => String, { description: 'Where in the file, as $.zones[3].rows[0].seats[12].seat_guid.' })
  path!: string;

  @Field(() => String)
  message!: string;
}

const SeatOfferKind = { SPLIT: 'SPLIT', OTHER_SECTION: 'OTHER_SECTION', OTHER_CATEGORY: 'OTHER_CATEGORY' } as const;
registerEnumType(SeatOfferKind, {
  name: 'SeatOfferKind',
  description:
    'SPLIT: as many seats in the fewest blocks. OTHER_SECTION: a block of the same category elsewhere. OTHER_CATEGORY: a block of another category.',
});

@ObjectType({ description: 'Seats that were free a moment ago. They are not held: hold them by their ids.' })
class SeatOffer {
  @Field(() => SeatOfferKind)
  kind!: SeatOfferValue['kind'];

  @Field(() => [ID])
  seatIds!: string[];

  @Field(() => ID)
  categoryId!: string;
}

const extraTypes = {
  Int: () => Int,
  String: () => String,
  DateTime: () => Date,
  IDs: () => [String],
  PlanErrors: () => [PlanErrorType],
  SeatOffers: () => [SeatOffer],
} as const;

/** SEATS_UNAVAILABLE → SeatsUnavailable. */
export function errorTypeName(code: ErrorCode): string {
  return code.toLowerCase().replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
}

type ErrorClass = new () => UserError;

function makeErrorType(code: ErrorCode): ErrorClass {
  const name = errorTypeName(code);
  const entry: { meaning: string; extras?: Readonly<Record<string, keyof typeof extraTypes>> } = errorCatalogue[code];
  const type = { [name]: class extends UserError {} }[name]!;
  ObjectType(name, { implements: UserError, description: entry.meaning })(type);
  for (const [field, kind] of Object.entries(entry.extras ?? {})) Field(extraTypes[kind])(type.prototype, field);
  return type;
}

const errorTypes = Object.fromEntries(
  (Object.keys(errorCatalogue) as ErrorCode[]).map((code) => [code, makeErrorType(code)]),
) as Record<ErrorCode, ErrorClass>;

/** The errors one mutation may answer with, as a union. */
export function errorUnion(name: string, codes: readonly ErrorCode[]): object {
  return createUnionType({
    name,
    description: codes.join(', '),
    types: () => codes.map((code) => errorTypes[code]) as unknown as readonly [ErrorClass],
    resolveType: (refusal) => errorTypeName((refusal as unknown as Refusal).code),
  });
}

/** What nearly every mutation may answer. */
export const commonErrors = ['INVALID_INPUT', 'UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND'] as const;
