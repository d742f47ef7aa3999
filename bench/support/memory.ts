import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Inspector } from './inspector.js';

/** Memory of this process after a full collection: heap, external memory and buffers, in bytes. */
export function collectedBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  // Buffers are part of what is external.
  return heapUsed + external;
}

/** The same of another process, by its inspector. */
export class MemoryReader {
  readonly #inspector: Inspector;

  private constructor(inspector: Inspector) {
    this.#inspector = inspector;
  }

  static async connect(inspectorPort: number): Promise<MemoryReader> {
    return new MemoryReader(await Inspector.connect(inspectorPort));
  }

  async collectedBytes(): Promise<number> {
    // The second one takes what finalisers of the first have let go.
    for (let i = 0; i < 2; i += 1) await this.#inspector.ask('HeapProfiler.collectGarbage');
    const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
    const { result } = await this.#inspector.ask<{ result: { value?: number } }>('Runtime.evaluate', { expression });
    if (result.value === undefined) throw new Error('the inspector does not say how much memory there is');
    return result.value;
  }

  close(): void {
    this.#inspector.close();
  }
}
