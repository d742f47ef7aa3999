import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startRedis } from '../../sandbox/services/redis.js';
import type { FaultKind } from './options.js';
import type { Stack } from './stack.js';

export interface FaultReport {
  readonly kind: FaultKind;
  /** After the start of the rush. */
  readonly atMs: number;
  readonly tookMs: number;
}

const pausedMs = 10_000;
const hamperedMs = 5_000;
const replicaReadyMs = 30_000;

/** Lets things fail at the times it was told. What a fault needs from before it happens is taken half-way there. */
export class Saboteur {
  readonly #stack: Stack;
  readonly reports: FaultReport[] = [];
  #version = 1;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  /** Carries all of them out, one after the other. */
  async sabotage(plan: readonly { readonly kind: FaultKind; readonly atMs: number }[]): Promise<void> {
    const startedMs = performance.now();
    const sinceStart = () => Math.round(performance.now() - startedMs);
    const until = (atMs: number) => pause(Math.max(0, atMs - sinceStart()));
    for (const { kind, atMs } of plan.toSorted((a, b) => a.atMs - b.atMs)) {
      await until((sinceStart() + atMs) / 2);
      const fault = await this.#prepare(kind);
      await until(atMs);
      const beganMs = sinceStart();
      await fault();
      this.reports.push({ kind, atMs: beganMs, tookMs: sinceStart() - beganMs });
    }
  }

  async #prepare(kind: FaultKind): Promise<() => Promise<void>> {
    const stack = this.#stack;
    switch (kind) {
      case 'redis-killed':
        return () => stack.restartRedis();
      case 'redis-flushed':
        return () => this.#command('FLUSHALL');
      case 'redis-old-file':
        return this.#oldFile();
      case 'redis-stale-replica':
        return this.#staleReplica();
      case 'redis-paused':
        return async () => {
          process.kill(stack.redisPid, 'SIGSTOP');
          await pause(pausedMs);
          process.kill(stack.redisPid, 'SIGCONT');
        };
      case 'redis-full':
        return () => this.#hamper(['CONFIG', 'SET', 'maxmemory', '1mb'], ['CONFIG', 'SET', 'maxmemory', '0']);
      case 'redis-read-only':
        // A replica of nobody: it keeps its data and refuses to write.
        return () => this.#hamper(['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']);
      case 'rolling-restart':
        return () => this.#nextVersion();
    }
  }

  async #hamper(begin: readonly string[], end: readonly string[]): Promise<void> {
    await this.#command(...begin);
    await pause(hamperedMs);
    await this.#command(...end);
  }

  async #command(...[name, ...args]: readonly string[]): Promise<void> {
    const client = new Redis(this.#stack.redisUrl);
    await client.call(name!, ...args).finally(() => client.disconnect());
  }

  /** Yesterday's file, which somebody puts in place of today's. */
  async #oldFile(): Promise<() => Promise<void>> {
    const files = 'appendonlydir';
    const old = join(this.#stack.home, 'old-file');
    cpSync(join(this.#stack.redisDir, files), old, { recursive: true });
    return () =>
      this.#stack.restartRedis((dir) => {
        rmSync(join(dir, files), { recursive: true });
        cpSync(old, join(dir, files), { recursive: true });
      });
  }

  /** A replica that has lost its master for a while takes over its address. */
  async #staleReplica(): Promise<() => Promise<void>> {
    const replica = await startRedis({ dir: join(this.#stack.home, 'replica'), durable: false });
    const client = new Redis(replica.url);
    await client.replicaof('127.0.0.1', new URL(this.#stack.redisUrl).port);
    const deadlineMs = Date.now() + replicaReadyMs;
    while (!(await client.info('replication')).includes('master_link_status:up')) {
      if (Date.now() > deadlineMs) throw new Error('the replica does not follow');
      await pause(50);
    }
    await client.call('REPLICAOF', 'NO', 'ONE');
    return async () => {
      await this.#stack.replaceRedis(replica);
      await client.call('CONFIG', 'SET', 'port', new URL(this.#stack.redisUrl).port);
      client.disconnect();
    };
  }

  /** Installs a version whose scripts are others, and lets it take over process by process. */
  async #nextVersion(): Promise<void> {
    this.#version += 1;
    const folder = join(this.#stack.home, 'dist/redis/scripts');
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      const text = readFileSync(path, 'utf8').replace(/\n-- version \d+\n$/, '\n');
      writeFileSync(path, `${this.#changed(name, text)}\n-- version ${this.#version}\n`);
    }
    await this.#stack.replaceServers();
  }

  /** Changes as a next version may make them: another field in a hash, another value at the end of an answer. */
  #changed(name: string, text: string): string {
    const changed =
      name === 'seats.hold.lua'
        ? text.replace(/('prices', ARGV\[13\]).* \}$/m, `$1, 'version${this.#version}', 1 }`)
        : name === 'seats.snapshot.lua'
          ? text.replace(/^(return \{ 'OK'.*) \}$/m, `$1, '${this.#version}' }`)
          : null;
    if (changed === text) throw new Error(`${name} is not what it was: there is nothing to change in it`);
    return changed ?? text;
  }
}
