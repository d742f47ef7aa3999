import { SetupError } from '../../sandbox/services/process.js';

/** Starts the parts of a run; what is being started when somebody says stop is finished first, so that it can be stopped. */
export class Startup {
  #stopping = false;
  #starting: Promise<unknown> = Promise.resolve();

  async start<T extends { stop(): Promise<void> }>(start: () => Promise<T>): Promise<T> {
    this.assertGoing();
    const starting = start();
    this.#starting = starting.then(
      (part) => (this.#stopping ? part.stop() : undefined),
      () => undefined,
    );
    return starting;
  }

  assertGoing(): void {
    if (this.#stopping) throw new SetupError('stopped while starting');
  }

  /** Nothing is started from here on; resolves when nothing is being started any more. */
  async end(): Promise<void> {
    this.#stopping = true;
    await this.#starting;
  }
}
