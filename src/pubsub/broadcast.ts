import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';

/** What an operation's result depends on besides its source, if that is no viewer. */
export interface SharingPlan {
  /** Variables that make a difference: all but those that only say where the stream begins. */
  readonly variables: readonly string[];
}

interface Rule {
  readonly cursor?: string;
}

const ruleOf = (thing: { readonly extensions: Readonly<Record<string, unknown>> }) =>
  thing.extensions.broadcast as Rule | undefined;

/** A directive nobody knows here may do anything. */
const knownDirectives: ReadonlySet<string> = new Set(['skip', 'include']);

/** On a definition none of those may stand. */
const carriesDirectives = ({ directives = [] }: { readonly directives?: readonly DirectiveNode[] | undefined }) =>
  directives.length > 0;

/**
 * Whether one execution of a validated subscription serves all its subscribers: every field it selects, in whatever fragment, has been
 * declared to tell everybody the same. Null: it may not be shared.
 */
export function planSharing(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): SharingPlan | null {
  const root = schema.getSubscriptionType();
  const defined = [operation, ...(operation.variableDefinitions ?? [])];
  if (root == null || defined.some(carriesDirectives)) return null;
  const reader = new Reader(schema, document);
  return reader.mayShare(operation.selectionSet, root) ? { variables: [...reader.variables].sort() } : null;
}

class Reader {
  readonly variables = new Set<string>();
  readonly #schema: GraphQLSchema;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #read = new Set<string>();

  constructor(schema: GraphQLSchema, document: DocumentNode) {
    this.#schema = schema;
    for (const definition of document.definitions)
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition);
  }

  mayShare(set: SelectionSetNode, parent: GraphQLNamedType): boolean {
    return set.selections.every((selection) => {
      for (const { name, arguments: given = [] } of selection.directives ?? []) {
        if (!knownDirectives.has(name.value)) return false;
        for (const { value } of given) this.#note(value);
      }
      if (selection.kind === Kind.FIELD) return this.#mayShareField(selection, parent);
      if (selection.kind === Kind.INLINE_FRAGMENT) {
        const on = selection.typeCondition ? this.#schema.getType(selection.typeCondition.name.value) : parent;
        return on != null && this.mayShare(selection.selectionSet, on);
      }
      const name = selection.name.value;
      const fragment = this.#fragments.get(name);
      const on = fragment && this.#schema.getType(fragment.typeCondition.name.value);
      if (fragment === undefined || on == null || carriesDirectives(fragment)) return false;
      if (this.#read.has(name)) return true;
      this.#read.add(name);
      return this.mayShare(fragment.selectionSet, on);
    });
  }

  #mayShareField(node: FieldNode, parent: GraphQLNamedType): boolean {
    const name = node.name.value;
    if (name === '__typename') return true;
    if (!isObjectType(parent) && !isInterfaceType(parent)) return false;
    // What may be any of several types is shared only if it may be in each of them.
    const types = isObjectType(parent) ? [parent] : this.#schema.getPossibleTypes(parent);
    const rules = types.map((type) => declared(type, name));
    const field = parent.getFields()[name];
    if (field === undefined || rules.length === 0 || rules.includes(undefined)) return false;
    for (const { name: argument, value } of node.arguments ?? [])
      if (rules.some((rule) => rule?.cursor !== argument.value)) this.#note(value);
    return node.selectionSet === undefined || this.mayShare(node.selectionSet, getNamedType(field.type));
  }

  #note(value: ValueNode): void {
    if (value.kind === Kind.VARIABLE) this.variables.add(value.name.value);
    else if (value.kind === Kind.LIST) for (const item of value.values) this.#note(item);
    else if (value.kind === Kind.OBJECT) for (const field of value.fields) this.#note(field.value);
  }
}

/** The rule of a field, or undefined where nobody has declared one. A field with arguments of its own needs its own. */
function declared(type: GraphQLObjectType, name: string): Rule | undefined {
  const field = type.getFields()[name];
  return field && (ruleOf(field) ?? (field.args.length === 0 ? ruleOf(type) : undefined));
}
