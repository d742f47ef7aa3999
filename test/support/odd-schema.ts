import {
  buildSchema,
  type GraphQLAbstractType,
  type GraphQLEnumType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLScalarType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
} from 'graphql';
import { type Random, randomFor } from '../../bench/rush/random.js';

const text = `
  scalar Any scalar Moment scalar Fickle
  enum Colour { RED GREEN BLUE }
  interface Named { name: String part: Named }
  union Thing = Plain | Wide | Shy
  type Plain implements Named {
    name: String part: Plain text: String number: Int float: Float flag: Boolean id: ID colour: Colour any: Any moment: Moment
    fickle: Fickle sure: Int! certain: String! wide: Wide! shy: Shy strict: [Int!] grid: [[Int]!] parts: [Named] things: [Thing]
    times(by: Int, from: Int = 3): Int every(by: Int): [Thing]
  }
  type Wide implements Named { name: String part: Named number: Int colour: Colour! things: [Thing] times(by: Int!): [Int] }
  type Shy implements Named { name: String part: Shy moment: Moment any: Any! times(by: Int, from: Int = 3): Int! }
  type Query { thing(seed: Int!, odd: Int!): Thing named(seed: Int!, odd: Int!): Named plain(seed: Int!, odd: Int!): Plain!
    things(seed: Int!, odd: Int!): [Thing] grid(seed: Int!, odd: Int!): [[Int]!]! fickle(seed: Int!, odd: Int!): Fickle }
  type Mutation { thing(seed: Int!, odd: Int!): Thing plain(seed: Int!, odd: Int!): Plain! parts(seed: Int!, odd: Int!): [Named]
    any(seed: Int!, odd: Int!): Any }
  type Subscription { thing(seed: Int!, odd: Int!): Thing plain(seed: Int!, odd: Int!): Plain! named(seed: Int!, odd: Int!): Named! }
`;

/** What an object is made from: the same seed makes the same object, whoever asks and however often. */
interface Origin {
  readonly seed: number;
  /** How many of a hundred values are not what a schema would expect. */
  readonly odd: number;
  readonly depth: number;
}

/** An object of the schema. Its properties are made when they are read, so that nothing comes late that nobody has asked for. */
class Made {
  readonly #origin: Origin;

  constructor(type: GraphQLObjectType, origin: Origin, tellsType: boolean) {
    this.#origin = origin;
    if (tellsType) Object.defineProperty(this, '__typename', { value: type.name });
    for (const field of Object.values(type.getFields()))
      Object.defineProperty(this, field.name, { get: () => made(field, {}, origin) });
  }

  static originOf(value: unknown): Origin | null {
    return value instanceof Made ? value.#origin : null;
  }
}

const texts = [
  '',
  'plain',
  '"quoted" \\ \n\t\u0000',
  'é€😀',
  '\u2028\u2029',
  'half \ud83d',
  '\udc00',
  '</script>',
  '7',
];
const numbers = [0, -0, 1, -7, 2_147_483_647, -2_147_483_648];
const floats = [...numbers, 0.1, 1e21, 1e-7, -1.5e300, 5e-324, 2 ** 53];
/** Values that fit some types and not others. */
const anything = [
  NaN, Infinity, -0, 1.5, 2 ** 40, '', '7', 'RED', true, {}, [], [1, null], new Set([1, 2]), new Map(), new Date(0), new Date(NaN),
  Symbol('odd'), () => 1, Object.create(null), { toJSON: () => 7 }, { valueOf: () => 8 }, { length: 1, 0: 1 },
]; // biome-ignore format: one list of values
const serialized = [
  'as it is', 0, false, '', null, undefined, NaN, -Infinity, -0, { b: 1, a: [undefined, NaN, () => 1] }, new Date(1), [new Date(2)],
  { toJSON: () => ({ own: true }) }, { toJSON: () => undefined }, () => 1, Symbol('odd'), new Error('returned'),
]; // biome-ignore format: one list of values

function fitting(type: GraphQLOutputType, random: Random, origin: Origin, mayBeLate: boolean): unknown {
  const named = getNamedType(type);
  if (isListType(type)) return listFor(type.ofType, random, origin, mayBeLate);
  if (!isLeafType(named)) {
    const types = isAbstractType(named) ? possibleTypes(named) : [named as GraphQLObjectType];
    if (origin.depth > 4) return null;
    const inner = { ...origin, seed: random.between(1, 2 ** 31), depth: origin.depth + 1 };
    return new Made(random.pick(types), inner, isAbstractType(named) && random.hits(0.8));
  }
  switch (named.name) {
    case 'Int':
      return random.pick(numbers);
    case 'Float':
      return random.pick(floats);
    case 'Boolean':
      return random.hits(0.5);
    case 'Colour':
      return random.pick(colours);
    case 'Moment':
      return new Date(random.between(0, 2 ** 31));
    case 'Any':
      return random.pick([...texts, ...floats, null, [1, [2]], { a: { b: [null] } }]);
    case 'Fickle':
      return random.between(0, origin.odd === 0 ? 3 : serialized.length - 1);
    default:
      return random.pick(texts);
  }
}

function listFor(item: GraphQLOutputType, random: Random, origin: Origin, mayBeLate: boolean): unknown {
  const count = random.between(0, origin.depth > 2 ? 1 : 3);
  // In a list in which nothing may be missing, what comes late would be lost by the library itself.
  const items = Array.from({ length: count }, () => valueFor(item, random, origin, mayBeLate && !isNonNullType(item)));
  const how = random.next() * 100;
  if (how < origin.odd) return new Set(items);
  return how < 2 * origin.odd ? items.values() : items;
}

/** A value for a type, or now and then something else. */
function valueFor(type: GraphQLOutputType, random: Random, origin: Origin, mayBeLate = true): unknown {
  const value = () => fitting(getNullableType(type), random, origin, mayBeLate);
  if (!isNonNullType(type) && random.hits(0.05)) return random.pick([null, undefined]);
  if (!random.hits(origin.odd / 100)) return value();
  switch (random.between(0, mayBeLate ? 9 : 4)) {
    case 0:
      return random.pick([null, undefined]);
    case 1:
      return new Error(`odd ${origin.seed}`);
    case 2:
      return (args: unknown) => `called with ${JSON.stringify(args)}`;
    case 3:
      return value;
    case 4:
      return random.pick(anything);
    case 5:
    case 6:
      return Promise.resolve(value());
    case 7: {
      const late = Promise.resolve(value());
      // biome-ignore lint/suspicious/noThenProperty: a promise of another kind
      return { then: late.then.bind(late) };
    }
    case 8:
      return Promise.resolve(random.pick(anything));
    default:
      return isNonNullType(type) ? value() : Promise.reject(new Error(`late ${origin.seed}`));
  }
}

function made({ name, type }: GraphQLField<unknown, unknown>, args: object, origin: Origin): unknown {
  const stream = [...`${name}${JSON.stringify(args)}`].reduce(
    (sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0,
    7,
  );
  const random = randomFor(origin.seed, stream);
  if (random.hits(origin.odd / 400)) throw new Error(`thrown by ${name}`);
  return valueFor(type, random, origin);
}

const colours = [7, 'green inside', { blue: true }];
const possible = buildSchema(text);
const possibleTypes = (type: GraphQLAbstractType) =>
  possible.getPossibleTypes(possible.getType(type.name) as GraphQLAbstractType);

/** Whatever a schema may do when it says of what type something is. */
function typeOf(value: unknown, ofWhat: GraphQLAbstractType): unknown {
  const origin = Made.originOf(value);
  if (origin === null) return 'Nobody';
  const random = randomFor(origin.seed, 1);
  const name = ['Plain', 'Wide', 'Shy'][random.between(0, 2)];
  if (!random.hits(origin.odd / 100)) return name;
  switch (random.between(0, 6)) {
    case 0:
      return undefined;
    case 1:
      return random.pick(['Nobody', 'Colour', 'Query', 7]);
    case 2:
      throw new Error('no type');
    case 3:
      return Promise.reject(new Error('no type, late'));
    case 4:
      return possibleTypes(ofWhat)[0];
    default:
      return Promise.resolve(name);
  }
}

function isOfType(value: unknown): unknown {
  const origin = Made.originOf(value);
  const random = randomFor(origin?.seed ?? 1, 2);
  if (!random.hits((origin?.odd ?? 0) / 100)) return true;
  return random.pick([false, 0, 'yes', null, Promise.resolve(true), Promise.resolve(false)]);
}

/**
 * A schema of all that a schema can have, over data made up from a seed: fields with and without resolvers, at once and late, that fail now and
 * then and in all the ways there are. `onRoot` hears of every call of a field at the root.
 */
export function oddSchema(onRoot: (path: string) => void = () => {}): GraphQLSchema {
  const schema = buildSchema(text);
  const scalar = (name: string, serialize: (value: unknown) => unknown) =>
    Object.assign(schema.getType(name) as GraphQLScalarType, { serialize });
  scalar('Moment', (value) => {
    if (value instanceof Date) return value;
    throw new TypeError('no moment');
  });
  scalar('Fickle', (value) => {
    if (value === 5) throw new Error('not serialized');
    return serialized[Number(value)];
  });
  for (const [at, value] of (schema.getType('Colour') as GraphQLEnumType).getValues().entries())
    value.value = colours[at];
  const thing = schema.getType('Thing') as GraphQLAbstractType;
  Object.assign(thing, { resolveType: (value: unknown) => typeOf(value, thing) });
  Object.assign(schema.getType('Shy')!, { isTypeOf: isOfType });
  // Half of them are read from their object.
  for (const name of ['Plain', 'Wide', 'Shy'])
    for (const field of Object.values((schema.getType(name) as GraphQLObjectType).getFields()))
      if (field.args.length > 0 || field.name.length % 2 === 0)
        field.resolve = (source, args) => made(field, args, Made.originOf(source)!);
  for (const root of [schema.getQueryType()!, schema.getMutationType()!, schema.getSubscriptionType()!])
    for (const field of Object.values(root.getFields()))
      field.resolve = (_source, { seed, odd }) => {
        onRoot(`${root.name}.${field.name}`);
        return made(field, {}, { seed, odd, depth: 0 });
      };
  return schema;
}
