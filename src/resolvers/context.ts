import { GraphQLError } from 'graphql';
import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { limits } from '../limits.js';
import type { Viewer } from '../services/platform.js';
import type { Services } from '../services/services.js';

/** What a resolver gets besides its arguments. */
export interface Context {
  readonly services: Services;
  readonly viewer: Viewer | null;
}

/** Runs an action for somebody who is signed in or has a guest session; otherwise a typed refusal. */
export async function asViewer<T>(
  context: Context,
  act: (viewer: Viewer) => Promise<T | Refusal>,
): Promise<T | Refusal> {
  return context.viewer === null ? refuse('UNAUTHENTICATED') : act(context.viewer);
}

/** An idempotency key is the client's own text, within bounds. */
export function checkKey(input: { readonly idempotencyKey: string }): Refusal<'INVALID_INPUT'> | null {
  const { length } = input.idempotencyKey;
  if (length >= 1 && length <= limits.idempotencyKeyLength) return null;
  return invalidInput('input.idempotencyKey', `Must have 1 to ${limits.idempotencyKeyLength} characters.`);
}

/** The payload of a mutation: the thing under its name, or the refusal. */
export function payload<K extends string, R>(
  name: K,
  result: R,
): { [P in K]: Exclude<R, Refusal> | null } & { errors: object[] } {
  const refused = isRefusal(result);
  return { [name]: refused ? null : result, errors: refused ? [result] : [] } as {
    [P in K]: Exclude<R, Refusal> | null;
  } & { errors: object[] };
}

/** For queries and subscriptions, which have no payload: a mistake of the client as a top-level error with a code of the catalogue. */
export function clientError(refusal: Refusal): GraphQLError {
  const { refused: _, code, message, ...extras } = refusal;
  return new GraphQLError(message, { extensions: { code, ...extras } });
}

export function requireViewer(context: Context): Viewer {
  if (context.viewer === null) throw clientError(refuse('UNAUTHENTICATED'));
  return context.viewer;
}
