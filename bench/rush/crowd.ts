import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Program, SetupError, startProgram } from '../../sandbox/services/process.js';
import { mergeHistories } from './history.js';
import type { RushOptions } from './options.js';
import type { LoadMessage, LoadPlan, LoadProgress, LoadResult } from './records.js';
import { root } from './stack.js';

interface Member {
  readonly program: Program;
  readonly plan: LoadPlan;
  progress: LoadProgress;
  readonly ready: Promise<void>;
  readonly done: Promise<void>;
}

/** The load processes of a run. */
export class Crowd {
  readonly #members: Member[] = [];

  /** Starts the processes; each has fetched the hall when this resolves. */
  async gather(
    options: RushOptions,
    where: { readonly serverUrl: string; readonly eventId: string; readonly home: string },
  ): Promise<void> {
    for (let index = 0; index < options.loadProcesses; index += 1) {
      const plan: LoadPlan = {
        process: index,
        processes: options.loadProcesses,
        buyers: options.buyers,
        seed: options.seed,
        rampMs: options.rampMs,
        serverUrl: where.serverUrl,
        eventId: where.eventId,
        resultFile: join(where.home, `load-${index}.json`),
        historyFile: options.history === null ? null : join(where.home, `history-${index}.jsonl`),
      };
      this.#members.push(await startMember(plan));
    }
    await Promise.all(this.#members.map((member) => member.ready));
  }

  get processes(): { readonly name: string; readonly pid: number; readonly family: boolean }[] {
    return this.#members.map(({ program, plan }) => ({
      name: `load ${plan.process + 1}`,
      pid: program.pid,
      family: false,
    }));
  }

  /** Lets the buyers come; resolves when all have ended, or after `maxMs`, when whoever is left is stopped as unfinished. */
  async rush(maxMs: number): Promise<LoadResult[]> {
    for (const { program } of this.#members) program.child.send({ type: 'start' });
    const patience = setTimeout(() => {
      for (const { program } of this.#members) program.child.send({ type: 'stop' });
    }, maxMs);
    await Promise.all(this.#members.map((member) => member.done));
    clearTimeout(patience);
    return this.#members.map(({ plan }) => JSON.parse(readFileSync(plan.resultFile, 'utf8')) as LoadResult);
  }

  /** Brings what all buyers did into one file; answers how many lines it has. */
  writeHistory(target: string): number {
    return mergeHistories(
      this.#members.flatMap(({ plan }) => plan.historyFile ?? []),
      target,
    );
  }

  progress(): LoadProgress {
    const total = { coming: 0, waiting: 0, active: 0, ended: 0 };
    for (const { progress } of this.#members) {
      total.coming += progress.coming;
      total.waiting += progress.waiting;
      total.active += progress.active;
      total.ended += progress.ended;
    }
    return total;
  }

  async stop(): Promise<void> {
    for (const { program } of this.#members) await program.stop(2_000);
  }
}

async function startMember(plan: LoadPlan): Promise<Member> {
  const program = await startProgram(process.execPath, ['--import', 'tsx', 'bench/rush/load.ts'], {
    stopSignal: 'SIGTERM',
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const heard = (type: LoadMessage['type']) =>
    new Promise<void>((resolve, reject) => {
      program.child.on('message', (message: LoadMessage) => {
        if (message.type === type) resolve();
      });
      void program.ended.then((reason) => reject(new SetupError(`a load process ended by itself (${reason})`)));
    });
  const member: Member = {
    program,
    plan,
    progress: { coming: 0, waiting: 0, active: 0, ended: 0 },
    ready: heard('ready'),
    done: heard('done'),
  };
  // Whoever waits for them hears of a failure; until somebody does, it must not count as unhandled.
  member.ready.catch(() => undefined);
  member.done.catch(() => undefined);
  program.child.on('message', (message: LoadMessage) => {
    if (message.type === 'progress') member.progress = message.progress;
  });
  program.child.send({ type: 'plan', plan });
  return member;
}
