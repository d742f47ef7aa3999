import { ApolloServerErrorCode } from '@apollo/server/errors';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { Logger } from 'pino';

const retryAfterMs = 1_000;

/** What a store that does not answer looks like from here: connection lost, refused, timed out, not ready. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, name, message } = error as Error & { code?: string };
  if (name === 'MaxRetriesPerRequestError' || name === 'AbortError' || name === 'RedisUnusable') return true;
  if (code !== undefined && /^(ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|08|57P|53|25006|57014)/.test(code)) return true;
  return /Connection is closed|Stream isn't writeable|Command timed out|timeout exceeded|terminated|MISCONF|READONLY|OOM command|LOADING/.test(
    message,
  );
}

/** The cause behind the wrappers that GraphQL and the stores put around an error. */
function rootOf(error: unknown): unknown {
  if (error instanceof GraphQLError && error.originalError) return rootOf(error.originalError);
  if (error instanceof Error && 'driverError' in error && error.driverError) return rootOf(error.driverError);
  return error;
}

/**
 * What leaves the server of an error: mistakes of the client with their code, an outage as UNAVAILABLE with a time, and a bug as INTERNAL.
 * Neither stack traces nor messages of the stores get out; they are in the log.
 */
export function maskError(formatted: GraphQLFormattedError, error: unknown, log: Logger): GraphQLFormattedError {
  const cause = rootOf(error);
  if (cause instanceof GraphQLError) {
    // The code the error was made with goes first: over HTTP every broken rule of a document is called a failed validation.
    const { stacktrace: _, http: __, code, ...extensions } = { ...formatted.extensions, ...cause.extensions };
    // What is thrown without a code is about the request; over HTTP it comes with one that makes it the server's.
    const isUnnamed = code === undefined || code === ApolloServerErrorCode.INTERNAL_SERVER_ERROR;
    return { ...formatted, extensions: { code: isUnnamed ? 'BAD_USER_INPUT' : code, ...extensions } };
  }
  const where = {
    ...(formatted.locations && { locations: formatted.locations }),
    ...(formatted.path && { path: formatted.path }),
  };
  if (isOutage(cause)) {
    log.warn({ err: cause, path: formatted.path }, 'a store does not answer');
    return {
      ...where,
      message:
        'The platform cannot answer at this moment. Repeat the request, with the same idempotency key if it has one.',
      extensions: { code: 'UNAVAILABLE', retryAfterMs },
    };
  }
  log.error({ err: cause, path: formatted.path }, 'a request failed');
  return { ...where, message: 'Internal error', extensions: { code: 'INTERNAL' } };
}
