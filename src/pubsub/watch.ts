/** Told whenever a value may be there, and when the stream has ended. */
export interface Listener {
  news(): void;
}

const nobody: Listener = { news() {} };

/**
 * One subscriber's view of something that changes. It keeps a cursor inside `pull`, never a queue: whoever reads slowly
 * gets the newest state later, and nobody else waits. `pull` answers null when there is nothing new.
 */
export class Watch<T> implements AsyncIterableIterator<T> {
  /** Who else is told the same values; null: nobody. */
  readonly audience: string | null;
  readonly #pull: () => T | null;
  readonly #onClose: () => void;
  #listener = nobody;
  #ended = false;
  #endAfterPull = false;

  constructor(pull: () => T | null, onClose: () => void, audience: string | null = null) {
    this.#pull = pull;
    this.#onClose = onClose;
    this.audience = audience;
  }

  onNews(listener: Listener): void {
    this.#listener = listener;
  }

  /** What is new, or null: nothing for now, or nothing any more. */
  take(): T | null {
    if (this.#ended) return null;
    const value = this.#pull();
    if (value === null && this.#endAfterPull) this.#close();
    return value;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Something may be new. */
  wake(): void {
    if (!this.#ended) this.#listener.news();
  }

  /** Delivers what is left, then completes. */
  finish(): void {
    this.#endAfterPull = true;
    this.wake();
  }

  next(): Promise<IteratorResult<T>> {
    const value = this.take();
    if (value !== null) return Promise.resolve({ value, done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.onNews({
        news: () => {
          const value = this.take();
          if (value === null && !this.#ended) return;
          this.onNews(nobody);
          resolve(value !== null ? { value, done: false } : { value: undefined, done: true });
        },
      });
    });
  }

  return(): Promise<IteratorResult<T>> {
    this.#close();
    return Promise.resolve({ value: undefined, done: true });
  }

  throw(error: Error): Promise<IteratorResult<T>> {
    this.#close();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onClose();
    this.#listener.news();
  }
}
