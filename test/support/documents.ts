import {
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isLeafType,
  isNonNullType,
  isObjectType,
  isUnionType,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import type { Random } from '../../bench/rush/random.js';
import { documentRules } from '../../src/server/documents.js';

/** How the field at the root is asked for. */
export interface RootField {
  readonly name: string;
  /** Its arguments as they stand in the document, with the definitions of their variables. */
  readonly args?: string;
  readonly definitions?: readonly string[];
  /** Selected in any case, under the names of the fields. */
  readonly always?: string;
}

export interface RandomDocument {
  readonly text: string;
  /** Values for the variables of its conditions and arguments, drawn anew. Some are left out where the document has a default. */
  values(random: Random): Record<string, unknown>;
}

/** Names that every object has as well. */
const oddNames = ['constructor', 'toString', 'valueOf', 'hasOwnProperty'];
const maxDepth = 6;

/**
 * Draws valid documents over a schema, within the bounds of the server: aliases, inline and named fragments one in another, `__typename`,
 * `@include` and `@skip` with and without variables. An alias is the name of its field and a number: `version_2`.
 */
export class DocumentGenerator {
  readonly #schema: GraphQLSchema;
  readonly #random: Random;
  readonly #maxFields: number;
  readonly #conditionShare: number;
  #draft = new Draft();

  /** `conditionShare`: how many of the selections carry `@include` or `@skip`. */
  constructor(schema: GraphQLSchema, random: Random, maxFields = 40, conditionShare = 0.3) {
    this.#schema = schema;
    this.#random = random;
    this.#maxFields = maxFields;
    this.#conditionShare = conditionShare;
  }

  /** A selection of a type as it stands behind a field, with what else the document needs for it. */
  selection(typeName: string, always = ''): { readonly body: string; readonly document: Draft } {
    this.#draft = new Draft();
    const body = this.#selectionOf(this.#schema.getType(typeName) as GraphQLCompositeType, 1, always);
    return { body, document: this.#draft };
  }

  subscription(root: RootField): RandomDocument {
    return this.operation(OperationTypeNode.SUBSCRIPTION, root);
  }

  operation(kind: OperationTypeNode, root: RootField): RandomDocument {
    for (;;) {
      const document = this.#operation(kind, root);
      const parsed = parse(document.text);
      if ([documentRules, specifiedRules].every((rules) => validate(this.#schema, parsed, rules).length === 0))
        return document;
    }
  }

  #operation(kind: OperationTypeNode, { name, args = '', definitions = [], always = '' }: RootField): RandomDocument {
    this.#draft = new Draft();
    const draft = this.#draft;
    const random = this.#random;
    const root = this.#schema.getRootType(kind)!;
    const field = root.getFields()[name]!;
    const alias = random.hits(0.3) ? `${name}_1: ` : '';
    const ask = () => {
      const type = getNamedType(field.type);
      const selected = isLeafType(type) ? '' : this.#selectionOf(type as GraphQLCompositeType, 1, always);
      return `${alias}${name}${args}${selected}`;
    };
    const asked = Array.from({ length: random.hits(0.2) ? 2 : 1 }, () => this.#wrapped(root.name, ask()));
    const title = random.hits(0.5) ? ` ${random.pick(['Watch', 'Changes'])}` : '';
    const all = [...definitions, ...draft.definitions];
    const text = [
      `${kind}${title}${all.length > 0 ? ` (${all.join(', ')})` : ''} { ${asked.join(' ')} }`,
      ...draft.fragments.map(({ text }) => text),
    ].join('\n');
    return { text, values: (from) => draft.values(from) };
  }

  /** As it is, or in a fragment. */
  #wrapped(on: string, selected: string): string {
    const how = this.#random.next();
    if (how < 0.6) return selected;
    if (how < 0.75) return `... on ${on} { ${selected} }`;
    if (how < 0.85) return `... { ${selected} }`;
    return `...${this.#draft.addFragment(on, `{ ${selected} }`)}`;
  }

  #selectionOf(type: GraphQLCompositeType, depth: number, always = ''): string {
    const random = this.#random;
    const selections = always === '' ? [] : [always];
    const count = random.between(1, depth === 1 ? 5 : 3);
    for (let at = 0; at < count; at += 1) selections.splice(random.between(0, at), 0, this.#oneOf(type, depth));
    return ` { ${selections.join(' ')} }`;
  }

  /** Nothing further below. */
  #isDeep(depth: number): boolean {
    return depth >= maxDepth || this.#draft.fields >= this.#maxFields;
  }

  #oneOf(type: GraphQLCompositeType, depth: number): string {
    const random = this.#random;
    const how = random.next();
    const isDeep = this.#isDeep(depth);
    if (how < 0.1 || (isDeep && isUnionType(type))) return this.#field('__typename', '', '');
    if (how < 0.55 && !isUnionType(type)) return this.#fieldOf(type, depth);
    if (isDeep) return this.#field('__typename', '', '');
    if (how < 0.6) return `...${this.#condition()}${this.#selectionOf(type, depth + 1)}`;
    const on = random.pick(this.#overlapping(type));
    if (how < 0.8) return `... on ${on.name}${this.#condition()}${this.#selectionOf(on, depth + 1)}`;
    const known = this.#draft.fragments.filter(({ on: name }) => name === on.name);
    if (known.length > 0 && random.hits(0.5)) return `...${random.pick(known).name}${this.#condition()}`;
    const body = this.#selectionOf(on, depth + 1);
    return `...${this.#draft.addFragment(on.name, body)}${this.#condition()}`;
  }

  #fieldOf(type: Exclude<GraphQLCompositeType, { getTypes: unknown }>, depth: number): string {
    const fields = Object.values(type.getFields() as Record<string, GraphQLField<unknown, unknown>>);
    const isDeep = this.#isDeep(depth);
    const fitting = fields.filter((field) => !isDeep || isLeafType(getNamedType(field.type)));
    if (fitting.length === 0) return this.#field('__typename', '', '');
    const field = this.#random.pick(fitting);
    const type_ = getNamedType(field.type);
    const selected = isCompositeType(type_) ? this.#selectionOf(type_, depth + 1) : '';
    const args = field.args.flatMap((arg) => {
      const value = this.#argument(arg);
      return value === null ? [] : [[arg.name, value] as const];
    });
    const given = args.length > 0 ? `(${args.map(([name, value]) => `${name}: ${value}`).join(', ')})` : '';
    // Under one name a field may be asked for with one list of arguments only.
    const mark = args.map(([, value]) => value.replace('$', '_')).join('');
    return this.#field(field.name, `${given}`, selected, mark);
  }

  #field(name: string, args: string, selected: string, mark = ''): string {
    this.#draft.fields += 1;
    const alias = mark !== '' || this.#random.hits(0.25) ? `${name}${mark}_${this.#random.between(1, 3)}: ` : '';
    return `${alias}${name}${args}${this.#condition()}${selected}`;
  }

  /** Null: it is left out. */
  #argument({ type, defaultValue }: GraphQLArgument): string | null {
    const { name } = getNamedType(type);
    if (name === 'Int') return this.#number();
    const isOptional = !isNonNullType(type) || defaultValue !== undefined;
    if (isOptional && this.#random.hits(0.5)) return null;
    if (name === 'Boolean') return String(this.#random.hits(0.5));
    return name === 'ID' ? String(this.#random.between(1, 3)) : null;
  }

  #number(): string {
    return this.#random.hits(0.5) ? String(this.#random.between(1, 3)) : this.#draft.numberVariable(this.#random);
  }

  #condition(): string {
    const random = this.#random;
    if (random.hits(1 - this.#conditionShare)) return '';
    const value = random.hits(0.2) ? String(random.hits(0.5)) : this.#draft.conditionVariable(random);
    return ` @${random.pick(['include', 'skip'])}(if: ${value})`;
  }

  /** Types a fragment may be on where this one stands. */
  #overlapping(type: GraphQLCompositeType): GraphQLCompositeType[] {
    const possible = new Set(isAbstractType(type) ? this.#schema.getPossibleTypes(type) : [type]);
    return Object.values(this.#schema.getTypeMap()).filter((other): other is GraphQLCompositeType => {
      if (!isCompositeType(other) || other.name.startsWith('__')) return false;
      if (isObjectType(other)) return possible.has(other);
      return this.#schema.getPossibleTypes(other).some((one) => possible.has(one));
    });
  }
}

interface Variable {
  readonly name: string;
  readonly type: string;
  /** Whether it may be left out. */
  readonly isOptional: boolean;
}

/** What a document needs besides its selections. */
export class Draft {
  readonly fragments: { readonly name: string; readonly on: string; readonly text: string }[] = [];
  readonly #variables: Variable[] = [];
  fields = 0;

  get definitions(): string[] {
    return this.#variables.map(({ name, type }) => `$${name}: ${type}`);
  }

  addFragment(on: string, body: string): string {
    const name = `Part${this.fragments.length + 1}`;
    this.fragments.push({ name, on, text: `fragment ${name} on ${on}${body}` });
    return name;
  }

  conditionVariable(random: Random): string {
    return this.#variable(random, 'Boolean', ['Boolean!', 'Boolean! = true', 'Boolean = false', 'Boolean! = false']);
  }

  numberVariable(random: Random): string {
    return this.#variable(random, 'Int', ['Int!', 'Int = 2']);
  }

  values(random: Random): Record<string, unknown> {
    const given = this.#variables.filter(({ isOptional }) => !isOptional || random.hits(0.6));
    return Object.fromEntries(
      given.map(({ name, type }) => [name, type.startsWith('Boolean') ? random.hits(0.5) : random.between(1, 3)]),
    );
  }

  #variable(random: Random, kind: string, types: readonly string[]): string {
    const known = this.#variables.filter(({ type }) => type.startsWith(kind));
    if (known.length > 3 || (known.length > 0 && random.hits(0.3))) return `$${random.pick(known).name}`;
    const type = random.pick(types);
    const odd = oddNames.filter((name) => this.#variables.every((one) => one.name !== name));
    const name = odd.length > 0 && random.hits(0.2) ? random.pick(odd) : `v${this.#variables.length + 1}`;
    this.#variables.push({ name, type, isOptional: type.includes('=') });
    return `$${name}`;
  }
}
