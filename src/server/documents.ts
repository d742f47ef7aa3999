import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  parse,
  type SelectionSetNode,
  specifiedRules,
  type ValidationRule,
  validate,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { limits } from '../limits.js';

interface Measure {
  readonly depth: number;
  readonly aliases: number;
  readonly fields: number;
}

const nothing: Measure = { depth: 0, aliases: 0, fields: 0 };

/** Depth, aliases and fields of a selection with its fragments spread out; a fragment is measured once, however often it is spread. */
function measureSelections(
  set: SelectionSetNode | undefined,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  measured: Map<string, Measure>,
): Measure {
  if (set === undefined) return nothing;
  let { depth, aliases, fields } = nothing;
  for (const selection of set.selections) {
    let part: Measure;
    if (selection.kind === Kind.FIELD) {
      const inner = measureSelections(selection.selectionSet, fragments, measured);
      part = { depth: inner.depth + 1, aliases: inner.aliases + (selection.alias ? 1 : 0), fields: inner.fields + 1 };
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      part = measureSelections(selection.selectionSet, fragments, measured);
    } else {
      const name = selection.name.value;
      const known = measured.get(name);
      if (known === undefined) {
        // A fragment that spreads itself is another rule's error; here it must only not loop.
        measured.set(name, nothing);
        measured.set(name, measureSelections(fragments.get(name)?.selectionSet, fragments, measured));
      }
      part = measured.get(name)!;
    }
    depth = Math.max(depth, part.depth);
    aliases += part.aliases;
    fields += part.fields;
  }
  return { depth, aliases, fields };
}

const isIntrospection = (field: FieldNode) => field.name.value === '__schema' || field.name.value === '__type';

/** Bounds what one document may ask for. Introspection is deep by nature and bounded by the schema, so it is measured by fields only. */
const boundedDocument: ValidationRule = (context) => {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of context.getDocument().definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const measured = new Map<string, Measure>();
  const refuse = (message: string) =>
    context.reportError(new GraphQLError(message, { extensions: { code: 'DOCUMENT_TOO_LARGE' } }));
  return {
    OperationDefinition(operation) {
      const introspects = operation.selectionSet.selections.some((s) => s.kind === Kind.FIELD && isIntrospection(s));
      const { depth, aliases, fields } = measureSelections(operation.selectionSet, fragments, measured);
      if (!introspects && depth > limits.documentDepth)
        refuse(`The document is ${depth} levels deep; at most ${limits.documentDepth} are allowed.`);
      if (aliases > limits.documentAliases)
        refuse(`The document has ${aliases} aliases; at most ${limits.documentAliases} are allowed.`);
      if (fields > limits.documentFields)
        refuse(`The document asks for ${fields} fields; at most ${limits.documentFields} are allowed.`);
      if (operation.selectionSet.selections.length > limits.documentRootFields) {
        refuse(`The document has too many root fields; at most ${limits.documentRootFields} are allowed.`);
      }
    },
  };
};

/** A stream that is left out would be none. The library does not refuse this: it throws, already while it validates. */
const unconditionalRoot: ValidationRule = (context) => {
  const read = new Set<string>();
  const isConditional = ({ selections }: SelectionSetNode): boolean =>
    selections.some((selection) => {
      if (selection.directives?.some(({ name: { value } }) => value === 'skip' || value === 'include')) return true;
      if (selection.kind === Kind.FIELD) return false;
      if (selection.kind === Kind.INLINE_FRAGMENT) return isConditional(selection.selectionSet);
      const name = selection.name.value;
      const fragment = read.has(name) ? undefined : context.getFragment(name);
      read.add(name);
      return fragment != null && isConditional(fragment.selectionSet);
    });
  return {
    OperationDefinition(operation) {
      read.clear();
      if (operation.operation !== 'subscription' || !isConditional(operation.selectionSet)) return;
      const message = 'Neither @skip nor @include may stand at the root of a subscription.';
      context.reportError(new GraphQLError(message, { nodes: operation }));
    },
  };
};

/** Further rules for every document, over HTTP as over WebSocket. */
export const documentRules: readonly ValidationRule[] = [boundedDocument, unconditionalRoot];

export type PreparedDocument = { readonly document: DocumentNode } | { readonly errors: readonly GraphQLError[] };

const usualDocumentCharacters = 1_024;

/** Parses and validates each text once; what does not fit is remembered as refused just as well. Bounded by number and by length. */
export class DocumentCache {
  readonly #schema: GraphQLSchema;
  readonly #prepared = new LRUCache<string, PreparedDocument>({
    max: limits.documentCacheEntries,
    maxSize: limits.documentCacheEntries * usualDocumentCharacters,
    sizeCalculation: (_prepared, text) => text.length + 1,
  });

  constructor(schema: GraphQLSchema) {
    this.#schema = schema;
  }

  prepare(text: string): PreparedDocument {
    const known = this.#prepared.get(text);
    if (known !== undefined) return known;
    const prepared = this.#prepare(text);
    this.#prepared.set(text, prepared);
    return prepared;
  }

  #prepare(text: string): PreparedDocument {
    let document: DocumentNode;
    try {
      document = parse(text, { maxTokens: limits.documentTokens });
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      error.extensions.code = 'GRAPHQL_PARSE_FAILED';
      return { errors: [error] };
    }
    // Ours go first: what breaks them may be too much for the others.
    const broken = validate(this.#schema, document, documentRules);
    const errors = broken.length > 0 ? broken : validate(this.#schema, document, specifiedRules);
    for (const error of errors) error.extensions.code ??= 'GRAPHQL_VALIDATION_FAILED';
    return errors.length > 0 ? { errors } : { document };
  }
}
