import { readFileSync } from 'node:fs';
import { RushSocket } from '../rush/socket.js';
import { LoopWatch } from '../support/loop-watch.js';
import { obey } from '../support/party.js';
import { quantile } from '../support/spread.js';
import type { WatcherCommand, WatcherPlan, WatcherReport } from './crowd.js';

/** A process of people who wait: each has a socket of its own and follows the stream of its place. */
const openingAtOnce = 50;
const allowedLoopDelayMs = Number.POSITIVE_INFINITY;
const query = `subscription ($entryId: ID!) {
  queuePositionChanged(entryId: $entryId) { id state phase position peopleAhead estimatedWait { fromMs toMs } nextPushInMs now }
}`;
const streamId = 'p';

class Watchers {
  readonly #plan: WatcherPlan;
  readonly #loop = new LoopWatch();
  #open = 0;
  #lost = 0;
  #failed = 0;
  #messages = 0;
  /** Those who wait, by what they were told last. */
  readonly #waiting = new Set<number>();
  /** Instants at which each was told a position for the first time since `mark`; ms since 1970. */
  readonly #toldAtMs = new Map<number, number>();

  constructor(plan: WatcherPlan) {
    this.#plan = plan;
  }

  async open(): Promise<void> {
    const { people } = JSON.parse(readFileSync(this.#plan.peopleFile, 'utf8')) as {
      people: readonly { readonly token: string; readonly entryId: string }[];
    };
    const queue = [...people.entries()];
    const lane = async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) await this.#follow(next[0], next[1]);
    };
    await Promise.all(Array.from({ length: openingAtOnce }, lane));
    // To the end of the process.
    void this.#loop.during(() => new Promise(() => {}));
  }

  mark(): void {
    this.#toldAtMs.clear();
  }

  report(): WatcherReport {
    const told = [...this.#toldAtMs.values()];
    const { p99Ms, maxMs } = this.#loop.result(allowedLoopDelayMs);
    return {
      open: this.#open,
      lost: this.#lost,
      failed: this.#failed,
      messages: this.#messages,
      waiting: this.#waiting.size,
      told: told.length,
      halfToldAtMs: quantile(told, 0.5),
      lastToldAtMs: quantile(told, 1),
      loopDelayP99Ms: p99Ms,
      loopDelayMaxMs: maxMs,
    };
  }

  async #follow(at: number, { token, entryId }: { readonly token: string; readonly entryId: string }): Promise<void> {
    const { socketUrl: url, localAddress } = this.#plan;
    const socket = await RushSocket.connect(
      { url, token, localAddress },
      {
        onNext: (_id, text) => {
          this.#messages += 1;
          if (text.includes('"state":"WAITING"')) this.#waiting.add(at);
          else this.#waiting.delete(at);
          if (/"position":\d/.test(text) && !this.#toldAtMs.has(at)) this.#toldAtMs.set(at, Date.now());
        },
        onEnd: () => {
          this.#failed += 1;
        },
        onClose: () => {
          this.#open -= 1;
          this.#lost += 1;
        },
      },
    );
    this.#open += 1;
    socket.subscribe(streamId, query, { entryId });
  }
}

let watchers: Watchers | null = null;

obey<WatcherCommand, WatcherReport | null>(async (command) => {
  if (command.type === 'open') {
    watchers = new Watchers(command.plan);
    await watchers.open();
  } else if (command.type === 'mark') watchers?.mark();
  return watchers?.report() ?? null;
});
