import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { SeatMapChangedDocument, SeatMapDocument } from '../../client/operations.js';
import { Buyer } from './buyer.js';
import { Connection } from './connection.js';
import { pause } from './conversation.js';
import { Hall, parseMapText } from './hall.js';
import { Histogram } from './histogram.js';
import { HistoryWriter } from './history.js';
import { HttpClient } from './http.js';
import { arrivalMs, drawPersona } from './persona.js';
import { randomFor } from './random.js';
import {
  type LatencyName,
  type LoadMessage,
  type LoadPlan,
  type LoadProgress,
  type LoadResult,
  latencyNames,
  type Violation,
} from './records.js';
import { startSession } from './session.js';
import type { LoadWorld } from './world.js';

/**
 * A process of buyers. The parent sends a LoadPlan, then `start`; `stop` ends whoever has not ended. The result is a file,
 * because the records of thousands of buyers are too much for one message.
 */
const sweepMs = 250;
const progressMs = 1_000;
const compareMs = 15_000;
const compareAttempts = 10;
const httpSockets = 48;

type Command = { readonly type: 'plan'; readonly plan: LoadPlan } | { readonly type: 'start' | 'stop' };

class LoadProcess {
  readonly #plan: LoadPlan;
  readonly #buyers: Buyer[] = [];
  readonly #loopDelay = monitorEventLoopDelay({ resolution: 10 });
  readonly #violations: Violation[] = [];
  #world: LoadWorld | null = null;
  #observer: Connection | null = null;
  #stop: () => void = () => undefined;
  #stopped = false;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
  }

  /** Fetches the hall and begins to follow its seat map, before anybody arrives. */
  async prepare(): Promise<void> {
    const plan = this.#plan;
    // Every load process has an address of its own: one address has too few ports for all buyers.
    const localAddress = `127.0.0.${2 + (plan.process % 250)}`;
    const http = new HttpClient({ sockets: httpSockets, localAddress });
    const httpUrl = `${plan.serverUrl}/graphql`;
    const socketUrl = httpUrl.replace(/^http/, 'ws');
    const traffic = { deliveries: 0, bytes: 0 };
    const { token } = await startSession(http, httpUrl, () => undefined);
    // What the observer receives is not what buyers receive, and is counted apart.
    const observer = new Connection({ url: socketUrl, token, localAddress }, { deliveries: 0, bytes: 0 }, Math.random);
    await observer.open();
    const { data } = await observer.call(SeatMapDocument, { eventId: plan.eventId });
    if (!data.seatMap) throw new Error(`there is no seat map of event ${plan.eventId}`);
    const hall = new Hall(data.seatMap, plan.seed);
    this.#observer = observer;
    this.#world = {
      eventId: plan.eventId,
      httpUrl,
      socketUrl,
      localAddress,
      http,
      hall,
      traffic,
      latencies: Object.fromEntries(latencyNames.map((name) => [name, new Histogram()])) as Record<
        LatencyName,
        Histogram
      >,
      history: plan.historyFile === null ? null : new HistoryWriter(plan.historyFile),
      admittedAtMs: [],
      completedAtMs: [],
      holds: [],
    };
    await this.#follow(hall);
  }

  async run(): Promise<void> {
    const plan = this.#plan;
    const world = this.#world!;
    this.#loopDelay.enable();
    const stopped = new Promise<void>((resolve) => {
      this.#stop = resolve;
    });
    const lives: Promise<void>[] = [];
    for (let buyer = plan.process; buyer < plan.buyers; buyer += plan.processes) {
      const random = randomFor(plan.seed, buyer * 2);
      const one = new Buyer(world, buyer, drawPersona(random), random);
      this.#buyers.push(one);
      lives.push(pause(arrivalMs(plan.seed, buyer, plan.rampMs)).then(() => (this.#stopped ? undefined : one.live())));
    }
    const sweeping = setInterval(() => {
      const nowMs = Date.now();
      for (const buyer of this.#buyers) buyer.sweep(nowMs);
    }, sweepMs);
    const reporting = setInterval(() => tell({ type: 'progress', progress: this.#progress() }), progressMs);
    await Promise.race([Promise.all(lives), stopped]);
    this.#loopDelay.disable();
    await this.#compareHall();
    clearInterval(sweeping);
    clearInterval(reporting);
    tell({ type: 'progress', progress: this.#progress() });
    this.#world!.history?.close();
    this.#writeResult();
  }

  stop(): void {
    this.#stopped = true;
    this.#stop();
  }

  async #follow(hall: Hall): Promise<void> {
    const observer = this.#observer!;
    await new Promise<void>((resolve, reject) => {
      const patience = setTimeout(() => reject(new Error('seatMapChanged sent no snapshot')), compareMs);
      observer.watch('m', SeatMapChangedDocument, {
        variables: () => ({ eventId: this.#plan.eventId, sectionId: null, since: hall.cursor }),
        onNext: (text) =>
          observer.take('m', () => {
            clearTimeout(patience);
            if (hall.follow(parseMapText(text))) observer.resume('m');
            resolve();
          }),
        onError: (message) => reject(new Error(`seatMapChanged: ${message}`)),
      });
    });
  }

  /** A client that has followed the rule from the beginning must end equal to one that asks now. */
  async #compareHall(): Promise<void> {
    const { hall } = this.#world!;
    for (let attempt = 0; attempt < compareAttempts; attempt += 1) {
      const fresh = await this.#freshMap();
      if (fresh === null) {
        const rule = 'a new watcher of the seat map gets a snapshot';
        this.#violations.push({ rule, evidence: `none within ${compareMs} ms` });
        return;
      }
      const rule = 'who follows the seat map ends equal to a fresh snapshot';
      const evidence = {
        followed: hall.cursor,
        fresh: fresh.version,
        differing: differences(hall.states, fresh.states),
      };
      if (!(await eventually(() => (hall.cursor?.version ?? 0) >= fresh.version, compareMs))) {
        this.#violations.push({ rule, evidence });
        return;
      }
      // While seats still change, the follower may be ahead by now; then the next snapshot is asked for.
      if (hall.cursor?.version !== fresh.version) continue;
      if (hall.states !== fresh.states) this.#violations.push({ rule, evidence });
      return;
    }
  }

  async #freshMap(): Promise<{ readonly version: number; readonly states: string } | null> {
    const observer = this.#observer!;
    const fresh = await new Promise<{ version: number; states: string } | null>((resolve) => {
      const patience = setTimeout(() => resolve(null), compareMs);
      observer.watch('fresh', SeatMapChangedDocument, {
        variables: () => ({ eventId: this.#plan.eventId, sectionId: null, since: null }),
        onNext: (text) =>
          observer.take('fresh', () => {
            const update = parseMapText(text);
            if ('fromVersion' in update) return;
            clearTimeout(patience);
            resolve(update);
          }),
        onError: () => resolve(null),
      });
    });
    observer.unwatch('fresh');
    return fresh;
  }

  #progress(): LoadProgress {
    const count = (is: (buyer: Buyer) => boolean) => this.#buyers.filter(is).length;
    const coming = count((buyer) => buyer.isComing);
    const waiting = count((buyer) => buyer.stage === 'wait' && !buyer.isComing);
    const ended = count((buyer) => buyer.stage === 'ended');
    return { coming, waiting, active: this.#buyers.length - coming - waiting - ended, ended };
  }

  #writeResult(): void {
    const world = this.#world!;
    const ms = (ns: number) => Math.round(ns / 10_000) / 100;
    const result: LoadResult = {
      latencies: Object.fromEntries(
        latencyNames.map((name) => [name, world.latencies[name].stored()]),
      ) as LoadResult['latencies'],
      deliveries: world.traffic.deliveries,
      deliveredBytes: world.traffic.bytes,
      loopDelayP99Ms: ms(this.#loopDelay.percentile(99)),
      loopDelayMaxMs: ms(this.#loopDelay.max),
      admittedAtMs: world.admittedAtMs,
      completedAtMs: world.completedAtMs,
      holds: world.holds,
      violations: this.#violations,
      records: this.#buyers.map((buyer) => buyer.record),
    };
    writeFileSync(this.#plan.resultFile, JSON.stringify(result));
  }
}

/** The first seats in which two maps differ. */
function differences(followed: string, fresh: string): number[] {
  return [...fresh].flatMap((state, index) => (followed[index] === state ? [] : [index])).slice(0, 20);
}

async function eventually(done: () => boolean, ms: number): Promise<boolean> {
  const deadlineMs = Date.now() + ms;
  while (!done() && Date.now() < deadlineMs) await pause(50);
  return done();
}

function tell(message: LoadMessage): void {
  process.send?.(message);
}

let load: LoadProcess | null = null;

async function obey(command: Command): Promise<void> {
  if (command.type === 'plan') {
    load = new LoadProcess(command.plan);
    await load.prepare();
    tell({ type: 'ready' });
  } else if (command.type === 'stop') {
    load?.stop();
  } else {
    await load?.run();
    process.send?.({ type: 'done' } satisfies LoadMessage, () => process.exit(0));
  }
}

process.on('message', (command: Command) => {
  obey(command).catch((error: Error) => {
    process.stderr.write(`load process: ${error.stack ?? error.message}\n`);
    process.exit(1);
  });
});
process.on('disconnect', () => process.exit(1));
