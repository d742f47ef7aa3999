import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

/**
 * What Redis says of one command in a window. Redis keeps a histogram of two significant digits for every command, counted in whole
 * microseconds: a percentile is at most 1 % and 1 µs beside the true one. What Redis was made to wait for a core while a script ran is in it.
 */
export interface Window {
  readonly calls: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  readonly meanUs: number;
  /** Processor time of the main thread of Redis in the window, user and system, by all it did. */
  readonly cpuUs: number;
  /** How long the main thread of Redis was ready to run and had no core: what others did to it. */
  readonly waitedUs: number;
  readonly tookUs: number;
}

export interface LongestCommand {
  readonly command: string;
  readonly maxUs: number;
}

const percentiles = '50 99 100';

/** Reads a private Redis: its own statistics, and its process in /proc (Linux; elsewhere processor time reads 0). */
export class RedisMeter {
  readonly #client: Redis;
  readonly #pid: number;
  readonly #hasPrecedence: boolean;

  private constructor(client: Redis, pid: number, hasPrecedence: boolean) {
    this.#client = client;
    this.#pid = pid;
    this.#hasPrecedence = hasPrecedence;
  }

  static async for(client: Redis, pid: number): Promise<RedisMeter> {
    await client.config('SET', 'latency-tracking-info-percentiles', percentiles);
    // Writing the append-only file anew forks, and copying the pages that are written meanwhile would be measured too.
    await client.config('SET', 'auto-aof-rewrite-percentage', 0);
    return new RedisMeter(client, pid, takePrecedence(pid));
  }

  /** What was done so that the figures are those of Redis and not of whoever else uses the machine. */
  get method(): string {
    return this.#hasPrecedence
      ? 'Redis runs at real-time priority (chrt --fifo 1), so that nobody else takes its core in the middle of a script; its append-only file is not written anew meanwhile.'
      : 'Redis could not be given real-time priority: whoever else uses the machine is in the figures; its append-only file is not written anew meanwhile.';
  }

  /** Does the work and says what one command, as EVALSHA, did in it. */
  async window(command: 'evalsha' | 'zrange', work: () => Promise<void>): Promise<Window> {
    await this.#client.config('RESETSTAT');
    const before = readSchedule(this.#pid);
    const startedMs = performance.now();
    await work();
    const tookUs = (performance.now() - startedMs) * 1_000;
    const after = readSchedule(this.#pid);
    const [latencies, commands] = await this.#statistics();
    const { calls, usec } = commands.get(command) ?? { calls: 0, usec: 0 };
    const [p50Us = 0, p99Us = 0, maxUs = 0] = latencies.get(command) ?? [];
    return {
      calls,
      p50Us,
      p99Us,
      maxUs,
      meanUs: calls === 0 ? 0 : usec / calls,
      cpuUs: after.ranUs - before.ranUs,
      waitedUs: after.waitedUs - before.waitedUs,
      tookUs,
    };
  }

  /** Does the work and answers the longest call of every command in it, longest first. Scripts count as a whole, not by their parts. */
  async longest(work: () => Promise<void>): Promise<LongestCommand[]> {
    await this.#client.config('RESETSTAT');
    await work();
    const [latencies] = await this.#statistics();
    return [...latencies]
      .map(([command, values]) => ({ command, maxUs: values.at(-1) ?? 0 }))
      .sort((a, b) => b.maxUs - a.maxUs);
  }

  async #statistics() {
    const latencies = new Map<string, number[]>();
    const commands = new Map<string, { calls: number; usec: number }>();
    const info = `${await this.#client.info('latencystats')}\n${await this.#client.info('commandstats')}`;
    for (const line of info.split(/\r?\n/)) {
      const latency = /^latency_percentiles_usec_([^:]+):(.*)$/.exec(line);
      if (latency)
        latencies.set(
          latency[1]!,
          latency[2]!.split(',').map((part) => Number(part.split('=')[1])),
        );
      const command = /^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/.exec(line);
      if (command) commands.set(command[1]!, { calls: Number(command[2]), usec: Number(command[3]) });
    }
    return [latencies, commands] as const;
  }
}

/** From /proc/PID/schedstat: nanoseconds the main thread ran, and nanoseconds it was ready to run without a core. */
function readSchedule(pid: number): { readonly ranUs: number; readonly waitedUs: number } {
  let text = '';
  try {
    text = readFileSync(`/proc/${pid}/schedstat`, 'utf8');
  } catch {
    // There is no such file elsewhere.
  }
  const [ran = 0, waited = 0] = text.split(' ').map(Number);
  return { ranUs: ran / 1_000, waitedUs: waited / 1_000 };
}

/** Needs a right that not everybody has; children, which write files, are not given it. */
function takePrecedence(pid: number): boolean {
  return spawnSync('chrt', ['--reset-on-fork', '--fifo', '--pid', '1', String(pid)]).status === 0;
}
