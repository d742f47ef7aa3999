import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** Processor time and memory of the programs of a run, read from /proc (Linux); elsewhere everything reads 0. */
export interface ProcessUse {
  readonly name: string;
  /** User and system time since the meter started, ms. */
  readonly cpuMs: number;
  /** The largest resident set seen, bytes. For a family of processes: their private memory plus the shared memory once. */
  readonly peakRssBytes: number;
}

type ProcessCpu = Pick<ProcessUse, 'name' | 'cpuMs'>;

/** A part of a run: when it was (ms since 1970), and what each program took of the processors in it. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  readonly processes: readonly ProcessCpu[];
}

interface Meter {
  readonly name: string;
  readonly pid: number;
  /** Whether its descendants count as the same program. */
  readonly family: boolean;
  readonly startedTicks: number;
  peakRssBytes: number;
  lastTicks: number;
}

const msPerTick = 10;
const sampleMs = 1_000;

const listenQueueFile = '/proc/sys/net/core/somaxconn';

/**
 * So many connections may wait to be accepted. With the usual 4,096 the kernel drops what a crowd sends beyond them, and whoever is dropped
 * tries again after 1, 3, 7 … 63 s: `docs/operating.md` says to raise it before a large sale. Answers how to put it back.
 */
export function widenListenQueue(connections: number): () => void {
  try {
    const before = readFileSync(listenQueueFile, 'utf8').trim();
    if (Number(before) >= connections) return () => undefined;
    writeFileSync(listenQueueFile, String(connections));
    return () => writeFileSync(listenQueueFile, before);
  } catch {
    // Not Linux, or not allowed: it stays as it is, and the report tells how long connecting took.
    return () => undefined;
  }
}

/** 0: unknown. */
export function listenQueue(): number {
  try {
    return Number(readFileSync(listenQueueFile, 'utf8'));
  } catch {
    return 0;
  }
}

export class Machine {
  readonly #meters: Meter[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => this.#sample(), sampleMs);
  }

  watch(name: string, pid: number, family: boolean): void {
    const startedTicks = ticksOf(pid, family);
    this.#meters.push({ name, pid, family, startedTicks, lastTicks: startedTicks, peakRssBytes: 0 });
  }

  /** Begins a part of the run; the answer ends it. */
  begin(): () => Stretch {
    const look = () => this.#meters.map(({ pid, family }) => ticksOf(pid, family));
    const fromMs = Date.now();
    const before = look();
    return () => {
      const after = look();
      const cpuMs = (at: number) => Math.max(0, after[at]! - before[at]!) * msPerTick;
      const processes = this.#meters.map(({ name }, at) => ({ name, cpuMs: cpuMs(at) }));
      return { fromMs, toMs: Date.now(), processes };
    };
  }

  /** Takes a last look and stops. */
  finish(): ProcessUse[] {
    clearInterval(this.#timer);
    this.#sample();
    return this.#meters.map(({ name, lastTicks, startedTicks, peakRssBytes }) => ({
      name,
      cpuMs: (lastTicks - startedTicks) * msPerTick,
      peakRssBytes,
    }));
  }

  #sample(): void {
    for (const meter of this.#meters) {
      meter.lastTicks = Math.max(meter.lastTicks, ticksOf(meter.pid, meter.family));
      meter.peakRssBytes = Math.max(meter.peakRssBytes, rssOf(meter.pid, meter.family));
    }
  }
}

/** The pids of the direct children of a process. */
export function childrenOf(pid: number): number[] {
  const threads = attempt(() => readdirSync(`/proc/${pid}/task`), []);
  return threads.flatMap((thread) => {
    const text = attempt(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'), '');
    return text.split(' ').filter(Boolean).map(Number);
  });
}

function familyOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(familyOf)];
}

function ticksOf(pid: number, family: boolean): number {
  const members = family ? familyOf(pid) : [pid];
  let ticks = 0;
  for (const member of members) {
    const text = attempt(() => readFileSync(`/proc/${member}/stat`, 'utf8'), '');
    // The second field, the name, may hold spaces; fields 14 to 17 are times of the process and of its children that have ended.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
    ticks += user + system + (family ? childUser + childSystem : 0);
  }
  return ticks;
}

function rssOf(pid: number, family: boolean): number {
  let own = 0;
  let shared = 0;
  for (const member of family ? familyOf(pid) : [pid]) {
    const text = attempt(() => readFileSync(`/proc/${member}/status`, 'utf8'), '');
    const kilobytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    const shmem = kilobytes('RssShmem');
    own += kilobytes('VmRSS') - shmem;
    shared = Math.max(shared, shmem);
  }
  return (own + shared) * 1_024;
}

function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    // The process has ended between two looks.
    return otherwise;
  }
}
