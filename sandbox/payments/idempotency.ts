import { sandboxLimits } from './limits.js';

interface StoredAnswer {
  readonly status: number;
  readonly body: string;
}

export interface StoredKey extends StoredAnswer {
  readonly id: string;
  readonly fingerprint: string;
  readonly requestId: string;
  readonly atMs: number;
}

type KeyCheck =
  | { readonly kind: 'new' }
  | { readonly kind: 'replay'; readonly stored: StoredKey }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'inUse' };

/** Answers remembered by idempotency key, errors of executed calls included, for a day or until pruned. The oldest go first. */
export class IdempotencyKeys {
  readonly #stored = new Map<string, StoredKey>();
  readonly #inFlight = new Map<string, string>();

  get size(): number {
    return this.#stored.size;
  }

  /** After `new` the key is in use until `finish` or `forget`. */
  begin(id: string, fingerprint: string): KeyCheck {
    const running = this.#inFlight.get(id);
    if (running !== undefined) return { kind: running === fingerprint ? 'inUse' : 'mismatch' };
    const stored = this.#stored.get(id);
    if (stored !== undefined && Date.now() - stored.atMs < sandboxLimits.idempotencyKeyAgeMs) {
      return stored.fingerprint === fingerprint ? { kind: 'replay', stored } : { kind: 'mismatch' };
    }
    this.#inFlight.set(id, fingerprint);
    return { kind: 'new' };
  }

  finish(key: StoredKey): void {
    this.#inFlight.delete(key.id);
    this.restore(key);
  }

  forget(id: string): void {
    this.#inFlight.delete(id);
  }

  restore(key: StoredKey): void {
    this.#stored.delete(key.id);
    this.#stored.set(key.id, key);
    if (this.#stored.size <= sandboxLimits.idempotencyKeys) return;
    const oldest = this.#stored.keys().next();
    if (!oldest.done) this.#stored.delete(oldest.value);
  }

  /** Forgets every remembered answer, as the provider does after a day; calls under way keep their key. */
  prune(): number {
    const count = this.#stored.size;
    this.#stored.clear();
    return count;
  }

  *kept(): Generator<StoredKey> {
    const tooOldMs = Date.now() - sandboxLimits.idempotencyKeyAgeMs;
    for (const key of this.#stored.values()) if (key.atMs > tooOldMs) yield key;
  }
}
