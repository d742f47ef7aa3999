import {
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  type OperationDefinitionNode,
} from 'graphql';
import { type AnswerWriter, isLater, planWriter } from './writer.js';

/** An operation with its variables read, ready to be answered as often as it takes. */
export interface Prepared {
  readonly args: ExecutionArgs;
  /** Null: only a whole execution answers it. */
  readonly writer: AnswerWriter | null;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** What the field at the root has come to already: it is not done again. */
class Answered {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

/** Lets an execution go on from what the fields at the root have come to. Once for every schema. */
export function resumable(schema: GraphQLSchema): GraphQLSchema {
  for (const type of [schema.getQueryType(), schema.getMutationType()]) {
    for (const field of Object.values(type?.getFields() ?? {})) {
      const { resolve } = field;
      if (resolve === undefined) continue;
      field.resolve = (root, ...rest) => (root instanceof Answered ? root.value : resolve(root, ...rest));
    }
  }
  return schema;
}

/** Answers operations with the text of their results: written at once where that can be, by a whole execution elsewhere. */
export class Execution {
  readonly #format: (result: ExecutionResult) => unknown;
  readonly #writers = new WeakMap<OperationDefinitionNode, AnswerWriter | null>();

  /** `format`: what leaves of a result, with errors as the client may see them. */
  constructor(format: (result: ExecutionResult) => unknown) {
    this.#format = format;
  }

  /** Of a validated document. */
  prepare(args: ExecutionArgs): Prepared {
    const operation = getOperationAST(args.document, args.operationName);
    const writer = operation == null ? null : this.#writerOf(args, operation);
    if (writer === null) return { args, writer, variables: {} };
    const { coerced } = getVariableValues(args.schema, operation!.variableDefinitions ?? [], args.variableValues ?? {});
    return coerced === undefined ? { args, writer: null, variables: {} } : { args, writer, variables: coerced };
  }

  /** A query or a mutation. */
  async answer(prepared: Prepared): Promise<{ readonly text: string; readonly failed: boolean }> {
    const { args, writer, variables } = prepared;
    if (writer === null) return this.#execute(args);
    let answered: Answered;
    try {
      const value: unknown = await writer.resolve(args.rootValue, variables, args.contextValue);
      const text = writer.write(value, variables, args.contextValue);
      if (text !== null) return { text, failed: false };
      answered = new Answered(value);
    } catch (error) {
      const failure = Promise.reject(error);
      // Nobody may come to hear of it: what is wrong with its arguments is said before.
      failure.catch(() => {});
      answered = new Answered(failure);
    }
    return this.#execute({ ...args, rootValue: answered });
  }

  /** What a subscriber is told of an update. Fields at the root of a subscription only read it, so they may be asked twice. */
  tell({ args, writer, variables }: Prepared, update: object, contextValue: unknown): string | Promise<string> {
    const whole = () => {
      const result = execute({ ...args, contextValue, rootValue: update });
      return result instanceof Promise ? result.then((made) => this.#textOf(made)) : this.#textOf(result);
    };
    if (writer === null || writer.waits) return whole();
    try {
      const value = writer.resolve(update, variables, contextValue);
      if (isLater(value))
        return Promise.resolve(value).then((come) => writer.write(come, variables, contextValue) ?? whole(), whole);
      return writer.write(value, variables, contextValue) ?? whole();
    } catch {
      return whole();
    }
  }

  #writerOf(args: ExecutionArgs, operation: OperationDefinitionNode): AnswerWriter | null {
    let writer = this.#writers.get(operation);
    if (writer === undefined) {
      writer = planWriter(args.schema, args.document, operation);
      this.#writers.set(operation, writer);
    }
    return writer;
  }

  async #execute(args: ExecutionArgs): Promise<{ readonly text: string; readonly failed: boolean }> {
    const result = await execute(args);
    return { text: this.#textOf(result), failed: result.errors !== undefined };
  }

  #textOf(result: ExecutionResult): string {
    return JSON.stringify(this.#format(result));
  }
}
