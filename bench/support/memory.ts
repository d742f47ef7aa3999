import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import WebSocket from 'ws';

/** Memory of this process after a full collection: heap, external memory and buffers, in bytes. */
export function collectedBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  // Buffers are part of what is external.
  return heapUsed + external;
}

interface InspectorAnswer {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: number } };
}

/** The same of another process, by its inspector, so that nothing has to be built into it. */
export class MemoryReader {
  readonly #socket: WebSocket;
  #serial = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async connect(inspectorPort: number): Promise<MemoryReader> {
    const targets = await fetch(`http://127.0.0.1:${inspectorPort}/json/list`);
    const [{ webSocketDebuggerUrl }] = (await targets.json()) as [{ webSocketDebuggerUrl: string }];
    const socket = new WebSocket(webSocketDebuggerUrl, { perMessageDeflate: false });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new MemoryReader(socket);
  }

  async collectedBytes(): Promise<number> {
    // The second one takes what finalisers of the first have let go.
    for (let i = 0; i < 2; i += 1) await this.#ask('HeapProfiler.collectGarbage', {});
    const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
    const { result } = await this.#ask('Runtime.evaluate', { expression });
    const bytes = result?.result?.value;
    if (bytes === undefined) throw new Error('the inspector does not say how much memory there is');
    return bytes;
  }

  close(): void {
    this.#socket.close();
  }

  #ask(method: string, params: object): Promise<InspectorAnswer> {
    this.#serial += 1;
    const id = this.#serial;
    return new Promise((resolve) => {
      const receive = (data: WebSocket.RawData) => {
        const answer = JSON.parse(String(data)) as InspectorAnswer;
        if (answer.id !== id) return;
        this.#socket.off('message', receive);
        resolve(answer);
      };
      this.#socket.on('message', receive);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
