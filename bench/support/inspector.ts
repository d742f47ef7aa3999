import WebSocket from 'ws';

interface Answer<T> {
  readonly id?: number;
  readonly result?: T;
  readonly error?: { readonly message: string };
}

/** Asks another process by its inspector, so that nothing has to be built into it. */
export class Inspector {
  readonly #socket: WebSocket;
  #serial = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async connect(port: number): Promise<Inspector> {
    const targets = await fetch(`http://127.0.0.1:${port}/json/list`);
    const [{ webSocketDebuggerUrl }] = (await targets.json()) as [{ webSocketDebuggerUrl: string }];
    const socket = new WebSocket(webSocketDebuggerUrl, { perMessageDeflate: false, maxPayload: 2 ** 30 });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Inspector(socket);
  }

  ask<T>(method: string, params: object = {}): Promise<T> {
    this.#serial += 1;
    const id = this.#serial;
    return new Promise((resolve, reject) => {
      const receive = (data: WebSocket.RawData) => {
        const answer = JSON.parse(String(data)) as Answer<T>;
        if (answer.id !== id) return;
        this.#socket.off('message', receive);
        if (answer.result === undefined) reject(new Error(`${method}: ${answer.error?.message ?? 'no answer'}`));
        else resolve(answer.result);
      };
      this.#socket.on('message', receive);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close(): void {
    this.#socket.close();
  }
}
