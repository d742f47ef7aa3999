/**
 * Gathers what is submitted while a batch is being written, and writes it as the next batch: under load one transaction serves many, and
 * alone nothing waits.
 */
export class Batcher<I, R> {
  readonly #write: (items: readonly I[]) => Promise<R>;
  readonly #size: number;
  #queue: { item: I; resolve: (result: R) => void; reject: (error: unknown) => void }[] = [];
  #writing = false;

  constructor(size: number, write: (items: readonly I[]) => Promise<R>) {
    this.#size = size;
    this.#write = write;
  }

  submit(item: I): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      if (!this.#writing) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#writing = true;
    // Whatever was submitted in the same turn of the event loop belongs into the first batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.#size);
      try {
        const result = await this.#write(batch.map(({ item }) => item));
        for (const { resolve } of batch) resolve(result);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = false;
  }
}
