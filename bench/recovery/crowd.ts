import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Party, startParty } from '../support/party.js';
import type { Stores } from '../support/stores.js';

export interface WatcherPlan {
  readonly socketUrl: string;
  readonly localAddress: string;
  /** JSON: `people`, each with a session token and the id of the own place. */
  readonly peopleFile: string;
}

export type WatcherCommand =
  | { readonly type: 'open'; readonly plan: WatcherPlan }
  | { readonly type: 'mark' | 'report' };

export interface WatcherReport {
  readonly open: number;
  /** Sockets that were closed, and streams that ended, though nobody asked for it. */
  readonly lost: number;
  readonly failed: number;
  readonly messages: number;
  /** Those who wait, by what they were told last. */
  readonly waiting: number;
  /** Those who have been told a position since the mark. */
  readonly told: number;
  readonly halfToldAtMs: number;
  readonly lastToldAtMs: number;
  readonly loopDelayP99Ms: number;
  readonly loopDelayMaxMs: number;
}

/** Those who wait, in processes of their own: what they take of the machine is theirs. */
export class Crowd {
  readonly #members: Party<WatcherCommand, WatcherReport>[] = [];

  /** Everybody has a socket and a stream when this resolves. */
  async open(
    stores: Stores,
    options: {
      readonly url: string;
      readonly processes: number;
      readonly people: readonly { readonly token: string; readonly entryId: string }[];
    },
  ): Promise<void> {
    const { url, processes, people } = options;
    const socketUrl = `${url.replace(/^http/, 'ws')}/graphql`;
    const opening: Promise<WatcherReport>[] = [];
    for (let process = 0; process < processes; process += 1) {
      const peopleFile = join(stores.home, `people-${process}.json`);
      writeFileSync(peopleFile, JSON.stringify({ people: people.filter((_, at) => at % processes === process) }));
      const member = await startParty<WatcherCommand, WatcherReport>(stores, 'bench/recovery/watchers.ts');
      this.#members.push(member);
      // One address has too few ports for all of them.
      const plan = { socketUrl, localAddress: `127.0.0.${2 + process}`, peopleFile };
      opening.push(member.ask({ type: 'open', plan }));
    }
    await Promise.all(opening);
  }

  /** From here on it counts who is told something. */
  async mark(): Promise<void> {
    await this.#askAll('mark');
  }

  report(): Promise<WatcherReport[]> {
    return this.#askAll('report');
  }

  #askAll(type: 'mark' | 'report'): Promise<WatcherReport[]> {
    return Promise.all(this.#members.map((member) => member.ask({ type })));
  }
}
