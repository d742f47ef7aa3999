/**
 * One subscriber's view of something that changes. It keeps a cursor inside `pull`, never a queue: whoever reads slowly
 * gets the newest state later, and nobody else waits. `pull` answers null when there is nothing new.
 */
export class Watch<T> implements AsyncIterableIterator<T> {
  readonly #pull: () => T | null;
  readonly #onClose: () => void;
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: Error) => void } | null = null;
  #ended = false;
  #endAfterPull = false;
  #error: Error | null = null;

  constructor(pull: () => T | null, onClose: () => void) {
    this.#pull = pull;
    this.#onClose = onClose;
  }

  /** Something may be new. */
  wake(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    const value = this.#pull();
    if (value === null) {
      if (this.#endAfterPull) this.#close();
      return;
    }
    this.#waiting = null;
    waiting.resolve({ value, done: false });
  }

  /** Delivers what is left, then completes. */
  finish(): void {
    this.#endAfterPull = true;
    this.wake();
  }

  fail(error: Error): void {
    if (this.#ended) return;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) waiting.reject(error);
    else this.#error = error;
    this.#close();
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#error !== null) {
      const error = this.#error;
      this.#error = null;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    const value = this.#pull();
    if (value !== null) return Promise.resolve({ value, done: false });
    if (this.#endAfterPull) {
      this.#close();
      return Promise.resolve({ value: undefined, done: true });
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
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
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve({ value: undefined, done: true });
    this.#onClose();
  }
}
