import { QueuePositionChangedDocument } from '../../client/operations.js';
import { RushSocket } from '../rush/socket.js';
import { LoopWatch } from '../support/loop-watch.js';
import { obey } from '../support/party.js';

/** A process of people who wait, each with a socket, a session and the stream of the own place. What they are told is written down. */
export type WatcherCommand =
  | {
      readonly type: 'open';
      readonly url: string;
      readonly localAddress: string;
      readonly people: readonly Person[];
    }
  /** From here on it is written down, and from there not any more. */
  | { readonly type: 'mark' | 'stop' }
  | { readonly type: 'report' };

/** Somebody with a session and a place. */
export interface Person {
  readonly token: string;
  readonly entryId: string;
}

/** What somebody, by position among the people of the process, was told so many milliseconds after the mark. */
export interface Push {
  readonly to: number;
  readonly atMs: number;
  readonly text: string;
}

export interface WatcherReport {
  readonly pushes: readonly Push[];
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

const openingAtOnce = 50;
const streamId = '1';
const query = String(QueuePositionChangedDocument);

let pushes: Push[] = [];
let isWriting = false;
let markedAtMs = 0;
let loop = new LoopWatch();
let stopWatching = () => {};

async function open({ url, localAddress, people }: Extract<WatcherCommand, { type: 'open' }>): Promise<void> {
  const queue = [...people.entries()];
  const lane = async () => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const [to, { token, entryId }] = next;
      await follow(to, { url, localAddress, token }, entryId);
    }
  };
  await Promise.all(Array.from({ length: openingAtOnce }, lane));
}

/** Resolves when the place has been told for the first time. */
function follow(to: number, target: Parameters<typeof RushSocket.connect>[0], entryId: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const lost = (why: string) => {
      throw new Error(`a stream has ended: ${why}`);
    };
    const events = {
      onNext: (_id: string, text: string) => {
        if (isWriting) pushes.push({ to, atMs: performance.now() - markedAtMs, text });
        resolve();
      },
      onEnd: (_id: string, errors: unknown) => lost(JSON.stringify(errors)),
      onClose: (code: number) => lost(String(code)),
    };
    RushSocket.connect(target, events).then((socket) => socket.subscribe(streamId, query, { entryId }), reject);
  });
}

function mark(): void {
  pushes = [];
  isWriting = true;
  markedAtMs = performance.now();
  loop = new LoopWatch();
  void loop.during(
    () =>
      new Promise<void>((resolve) => {
        stopWatching = resolve;
      }),
  );
}

function stop(): void {
  isWriting = false;
  stopWatching();
}

obey<WatcherCommand, WatcherReport>(async (command) => {
  if (command.type === 'open') await open(command);
  if (command.type === 'mark') mark();
  if (command.type === 'stop') stop();
  if (command.type !== 'report') return { pushes: [], loopP99Ms: 0, loopMaxMs: 0 };
  const { p99Ms, maxMs } = loop.result(0);
  return { pushes, loopP99Ms: p99Ms, loopMaxMs: maxMs };
});
