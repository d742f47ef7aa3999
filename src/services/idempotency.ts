import { type Refusal, refuse } from '../domain/errors.js';
import { inputDigest } from '../domain/ids.js';
import { limits } from '../limits.js';
import { globalKeys } from '../redis/keys.js';
import type { Platform, Viewer } from './platform.js';

/**
 * Remembers what a key was first used for, per person and mutation. It only catches the misuse of a key; that a repeated request does
 * nothing twice is the work of the mutations themselves.
 */
export async function checkIdempotencyKey(
  platform: Platform,
  viewer: Viewer,
  request: { readonly mutation: string; readonly key: string; readonly input: unknown },
): Promise<Refusal<'IDEMPOTENCY_KEY_REUSED'> | null> {
  const digest = inputDigest(request.input);
  const key = globalKeys.idempotency(request.mutation, viewer.personId, inputDigest(request.key));
  const first = await platform.redis.set(key, digest, 'PX', limits.tombstoneMs, 'NX', 'GET');
  return first === null || first === digest
    ? null
    : refuse('IDEMPOTENCY_KEY_REUSED', { path: ['input', 'idempotencyKey'] });
}
