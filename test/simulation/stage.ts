import { connectRedis } from '../../src/redis/connections.js';
import { Post } from './follower.js';
import { defineObserver } from './observe.js';
import type { Stage } from './runner.js';

/** Connections to a Redis on which nobody else does anything. */
export async function openStage(url: string): Promise<Stage & { close(): Promise<void> }> {
  const { commands, subscriber, close } = await connectRedis(url, () => {});
  defineObserver(commands);
  return { redis: commands, post: new Post(subscriber), close };
}
