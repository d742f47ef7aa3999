import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLAbstractType,
  type GraphQLField,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getArgumentValues,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

type Variables = Readonly<Record<string, unknown>>;

/** What an execution is about. */
interface Given {
  readonly variables: Variables;
  readonly context: unknown;
}

type Write = (value: unknown, given: Given) => string;

/** Something that only a whole execution deals with. */
const unwritable = new Error('not written');
const tooEarly = new Error('not there yet');

/** A value that comes later. Nobody waits for it here: another execution will. */
export function isLater(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  if (typeof (value as { readonly then?: unknown }).then !== 'function') return false;
  if (value instanceof Promise) value.catch(() => {});
  return true;
}

/** Nobody looks at it any further: what of it comes later may fail unheard. */
function abandon(value: unknown, levels: number): void {
  if (isLater(value) || levels === 0 || typeof value !== 'object' || value === null) return;
  for (const part of Object.values(value)) abandon(part, levels - 1);
}

/**
 * The one field at the root of an operation, and how its value becomes text: what `execute` and `JSON.stringify` would make of it, in one
 * step and without the objects in between. It knows nothing of errors: where there is one, or where a value has to be waited for, it
 * answers null, and a whole execution says what is to be said.
 */
export interface AnswerWriter {
  resolve(root: unknown, variables: Variables, context: unknown): unknown;
  /** A field below the root has had to be waited for: it will be next time. */
  readonly waits: boolean;
  /** The whole result with this value of the field at the root. */
  write(value: unknown, variables: Variables, context: unknown): string | null;
}

/** Null for an operation that is not made for it: with conditions, or with several fields at the root. */
export function planWriter(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): AnswerWriter | null {
  const root = schema.getRootType(operation.operation);
  const planner = new Planner(schema, document);
  if (root == null || planner.isConditional) return null;
  const fields = [...planner.collect(root, [operation.selectionSet])];
  const [name, nodes] = fields[0] ?? [];
  const definition = nodes && root.getFields()[nodes[0]!.name.value];
  if (fields.length !== 1 || nodes === undefined || definition?.resolve === undefined) return null;
  const field = planner.field(definition, nodes);
  const opening = `{"data":{${JSON.stringify(name)}:`;
  let waits = false;
  return {
    get waits() {
      return waits;
    },
    resolve: (source, variables, context) => field.resolve(source, { variables, context }),
    write: (value, variables, context) => {
      if (waits) return null;
      try {
        if (isLater(value)) throw tooEarly;
        return `${opening}${field.write(value, { variables, context })}}}`;
      } catch (error) {
        waits = error === tooEarly;
        return null;
      }
    },
  };
}

interface PlannedField {
  resolve(source: unknown, given: Given): unknown;
  readonly write: Write;
}

class Planner {
  readonly isConditional: boolean;
  readonly #schema: GraphQLSchema;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();

  constructor(schema: GraphQLSchema, document: DocumentNode) {
    this.#schema = schema;
    for (const definition of document.definitions)
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition);
    this.isConditional = document.definitions.some(
      (definition) => 'selectionSet' in definition && hasDirectives(definition.selectionSet),
    );
  }

  /** What is selected of a type, by response name, in the order of the document. */
  collect(
    type: GraphQLObjectType,
    sets: readonly SelectionSetNode[],
    found = new Map<string, FieldNode[]>(),
    read = new Set<string>(),
  ): Map<string, FieldNode[]> {
    for (const selection of sets.flatMap(({ selections }) => selections)) {
      if (selection.kind === Kind.FIELD) {
        const name = selection.alias?.value ?? selection.name.value;
        found.set(name, [...(found.get(name) ?? []), selection]);
        continue;
      }
      const isNamed = selection.kind === Kind.FRAGMENT_SPREAD;
      if (isNamed && read.has(selection.name.value)) continue;
      if (isNamed) read.add(selection.name.value);
      const fragment = isNamed ? this.#fragments.get(selection.name.value)! : selection;
      if (this.#applies(type, fragment.typeCondition?.name.value))
        this.collect(type, [fragment.selectionSet], found, read);
    }
    return found;
  }

  field(definition: GraphQLField<unknown, unknown>, nodes: readonly FieldNode[]): PlannedField {
    const { name, resolve, args } = definition;
    const [node] = nodes as [FieldNode];
    const write = this.#value(definition.type, nodes);
    const argumentsOf = ({ variables }: Given) =>
      args.length === 0 ? noArguments : getArgumentValues(definition, node, variables);
    if (resolve === undefined) {
      const read = (source: unknown) => {
        const value = (source as Readonly<Record<string, unknown>>)[name];
        if (typeof value === 'function') throw unwritable;
        return value;
      };
      return { resolve: read, write };
    }
    // No resolver here asks where in the document it stands.
    return { resolve: (source, given) => resolve(source, argumentsOf(given), given.context, noInfo), write };
  }

  #applies(type: GraphQLObjectType, condition: string | undefined): boolean {
    if (condition === undefined || condition === type.name) return true;
    const on = this.#schema.getType(condition);
    return on !== undefined && isAbstractType(on) && this.#schema.isSubType(on, type);
  }

  #value(type: GraphQLOutputType, nodes: readonly FieldNode[]): Write {
    if (isNonNullType(type)) {
      const write = this.#value(type.ofType, nodes);
      return (value, given) => {
        if (value === null || value === undefined) throw unwritable;
        return write(value, given);
      };
    }
    const write = this.#present(type, nodes);
    return (value, given) => (value === null || value === undefined ? 'null' : write(value, given));
  }

  #present(type: GraphQLOutputType, nodes: readonly FieldNode[]): Write {
    if (isLeafType(type)) return leafWriter(type);
    if (isListType(type)) {
      const write = this.#value(type.ofType, nodes);
      return (value, given) => {
        if (!Array.isArray(value)) throw unwritable;
        try {
          let text = '[';
          for (let i = 0; i < value.length; i += 1) {
            if (isLater(value[i])) throw tooEarly;
            text += i === 0 ? write(value[i], given) : `,${write(value[i], given)}`;
          }
          return `${text}]`;
        } catch (error) {
          abandon(value, 2);
          throw error;
        }
      };
    }
    if (isObjectType(type)) return this.#object(type, nodes);
    return isAbstractType(type) ? this.#abstract(type, nodes) : fail;
  }

  #object(type: GraphQLObjectType, nodes: readonly FieldNode[]): Write {
    const parts = [
      ...this.collect(
        type,
        nodes.flatMap(({ selectionSet }) => selectionSet ?? []),
      ),
    ].map(([name, selected], at): Part => {
      const key = `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`;
      const asked = selected[0]!.name.value;
      const definition = type.getFields()[asked];
      if (definition !== undefined) return { key, ...this.field(definition, selected) };
      // What else can be asked for is the schema itself.
      return asked === '__typename' ? `${key}${JSON.stringify(type.name)}` : { key, resolve: fail, write: fail };
    });
    return (source, given) => {
      if (typeof source !== 'object' || source instanceof Error) throw unwritable;
      const fits = type.isTypeOf == null || type.isTypeOf(source, given.context, noInfo);
      if (isLater(fits) || !fits) throw unwritable;
      try {
        return writeParts(parts, source, given);
      } catch (error) {
        abandon(source, 1);
        throw error;
      }
    };
  }

  #abstract(type: GraphQLAbstractType, nodes: readonly FieldNode[]): Write {
    const writers = new Map<string, Write>();
    for (const possible of this.#schema.getPossibleTypes(type))
      writers.set(possible.name, this.#object(possible, nodes));
    return (value, given) => {
      const name = type.resolveType?.(value, given.context, noInfo, type);
      const write = !isLater(name) && typeof name === 'string' ? writers.get(name) : undefined;
      if (write === undefined) throw unwritable;
      return write(value, given);
    };
  }
}

const noArguments = {};
const noInfo = undefined as unknown as GraphQLResolveInfo;

const fail: Write = () => {
  throw unwritable;
};

function leafWriter(type: GraphQLLeafType): Write {
  return (value) => {
    if (value instanceof Error) throw unwritable;
    const serialized: unknown = type.serialize(value);
    if (Number.isFinite(serialized) || typeof serialized === 'boolean') return String(serialized);
    if (serialized === null || isLater(serialized)) throw unwritable;
    const text = JSON.stringify(serialized);
    if (text === undefined) throw unwritable;
    return text;
  };
}

/** One field of an object with its name before it; or both, where they are always the same. */
type Part = string | (PlannedField & { readonly key: string });

function writeParts(parts: readonly Part[], source: unknown, given: Given): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    else {
      const value = part.resolve(source, given);
      if (isLater(value)) throw tooEarly;
      text += part.key + part.write(value, given);
    }
  }
  return text === '' ? '{}' : `${text}}`;
}

function hasDirectives({ selections }: SelectionSetNode): boolean {
  return selections.some(
    (selection) =>
      (selection.directives?.length ?? 0) > 0 ||
      ('selectionSet' in selection && selection.selectionSet !== undefined && hasDirectives(selection.selectionSet)),
  );
}
