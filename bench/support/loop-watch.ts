import { Histogram } from '../rush/histogram.js';
import type { LoopDelay } from './report.js';

const everyMs = 10;

/** How late the timers of the process are that generates the load, looked at only while something is being measured. */
export class LoopWatch {
  readonly #lateMs = new Histogram();
  #maxMs = 0;

  async during<T>(work: () => Promise<T>): Promise<T> {
    let dueMs = performance.now() + everyMs;
    const look = () => {
      const nowMs = performance.now();
      this.#add(nowMs - dueMs);
      dueMs = nowMs + everyMs;
    };
    const timer = setInterval(look, everyMs);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      // What was late when the work ended has not been looked at.
      if (performance.now() > dueMs) look();
    }
  }

  result(allowedP99Ms: number): LoopDelay {
    return { p99Ms: this.#lateMs.quantileMs(0.99), maxMs: this.#maxMs, allowedP99Ms };
  }

  #add(lateMs: number): void {
    this.#lateMs.add(Math.max(0, lateMs));
    this.#maxMs = Math.max(this.#maxMs, lateMs);
  }
}
