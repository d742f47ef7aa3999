import { Redis } from 'ioredis';
import { limits } from '../limits.js';
import { defineScripts, setServer } from './script.js';

export interface RedisConnections {
  /** Commands and scripts: nothing is sent twice or queued while offline; a timeout means "unknown". */
  readonly commands: Redis;
  /** Listens to channels only. Reconnects and subscribes again by itself. */
  readonly subscriber: Redis;
  close(): Promise<void>;
}

export class RedisUnusable extends Error {
  override name = 'RedisUnusable';
}

/** Emitted by the command client when it knows which server it talks to after a reconnect. */
export const identified = 'floodgate:identified';

/**
 * Connects, and refuses a server on which claims would not be safe: too old, a replica, or one that evicts keys. The same is asked after
 * every reconnect, before any script is sent; until a server has passed, scripts answer WRONG_EPOCH.
 */
export async function connectRedis(
  url: string,
  onError: (error: Error, connection: string) => void,
): Promise<RedisConnections> {
  const retryStrategy = (times: number) => Math.min(50 * times, 1_000);
  const commands = new Redis(url, {
    lazyConnect: true,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: limits.redisCommandMs,
    connectTimeout: limits.redisConnectMs,
    enableAutoPipelining: true,
    retryStrategy,
    // A master that was made a replica: behind the same address there may be another one by now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  const subscriber = new Redis(url, { lazyConnect: true, connectTimeout: limits.redisConnectMs, retryStrategy });
  commands.on('error', (error) => onError(error, 'commands'));
  subscriber.on('error', (error) => onError(error, 'subscriber'));
  defineScripts(commands);
  try {
    await Promise.all([commands.connect(), subscriber.connect()]);
    await identify(commands);
  } catch (error) {
    commands.disconnect();
    subscriber.disconnect();
    throw error;
  }
  commands.on('close', () => setServer(commands, null));
  commands.on('ready', () => {
    identify(commands).then(
      () => commands.emit(identified),
      (error: Error) => {
        onError(error, 'commands');
        commands.disconnect(true);
      },
    );
  });
  return {
    commands,
    subscriber,
    close: async () => {
      commands.disconnect();
      subscriber.disconnect();
    },
  };
}

/**
 * Learns which server is behind the connection, and refuses one that cannot be used. A server is known by its run and by the history it
 * continues: one that was a replica in between, and so may have taken over older data, has begun another history.
 */
export async function identify(commands: Redis): Promise<string> {
  const info = await commands.info();
  const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1] ?? '';
  const version = field('redis_version');
  if (Number.parseInt(version, 10) < 7)
    throw new RedisUnusable(`Redis ${version} is too old: Floodgate needs Redis 7 or later`);
  if (field('role') !== 'master') throw new RedisUnusable('REDIS_URL names a replica: give the address of the master');
  const policy = field('maxmemory_policy');
  if (policy !== 'noeviction') {
    throw new RedisUnusable(
      `Redis evicts keys (maxmemory-policy ${policy}): set it to noeviction, or seats could be forgotten`,
    );
  }
  const server = `${field('run_id')}.${field('master_replid')}`;
  setServer(commands, server);
  return server;
}
