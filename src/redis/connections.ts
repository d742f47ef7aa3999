import { Redis } from 'ioredis';
import { limits } from '../limits.js';
import { defineScripts } from './script.js';

export interface RedisConnections {
  /** Commands and scripts: nothing is sent twice or queued while offline; a timeout means "unknown". */
  readonly commands: Redis;
  /** Listens to channels only. Reconnects and subscribes again by itself. */
  readonly subscriber: Redis;
  close(): Promise<void>;
}

export class RedisUnusable extends Error {}

/** Connects, and refuses a server on which claims would not be safe: too old, a replica, or one that evicts keys. */
export async function connectRedis(
  url: string,
  onError: (error: Error, connection: string) => void,
): Promise<RedisConnections> {
  const commands = new Redis(url, {
    lazyConnect: true,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: limits.redisCommandMs,
    connectTimeout: limits.redisConnectMs,
    enableAutoPipelining: true,
    retryStrategy: (times) => Math.min(50 * times, 1_000),
  });
  const subscriber = new Redis(url, {
    lazyConnect: true,
    connectTimeout: limits.redisConnectMs,
    retryStrategy: (times) => Math.min(50 * times, 1_000),
  });
  commands.on('error', (error) => onError(error, 'commands'));
  subscriber.on('error', (error) => onError(error, 'subscriber'));
  defineScripts(commands);
  try {
    await Promise.all([commands.connect(), subscriber.connect()]);
    await assertUsable(commands);
  } catch (error) {
    commands.disconnect();
    subscriber.disconnect();
    throw error;
  }
  return {
    commands,
    subscriber,
    close: async () => {
      commands.disconnect();
      subscriber.disconnect();
    },
  };
}

async function assertUsable(commands: Redis): Promise<void> {
  const info = await commands.info();
  const version = /^redis_version:(\d+)\./m.exec(info)?.[1];
  if (Number(version) < 7) throw new RedisUnusable(`Redis ${version} is too old: Floodgate needs Redis 7 or later`);
  if (!/^role:master/m.test(info)) throw new RedisUnusable('REDIS_URL names a replica: give the address of the master');
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy !== 'noeviction') {
    throw new RedisUnusable(
      `Redis evicts keys (maxmemory-policy ${policy}): set it to noeviction, or seats could be forgotten`,
    );
  }
}

/** The identity of the running server: another one after a restart or failover. */
export async function redisRunId(commands: Redis): Promise<string> {
  const info = await commands.info('server');
  const runId = /^run_id:(\w+)/m.exec(info)?.[1];
  if (runId === undefined) throw new Error('Redis does not tell its run_id');
  return runId;
}
