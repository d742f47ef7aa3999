import { RedisPubSub } from 'graphql-redis-subscriptions';
import type { Redis } from 'ioredis';

type Listener = (message: unknown) => void;

/**
 * Redis channels: one subscription per channel and process, whoever listens. Listening resolves when Redis has
 * acknowledged, so that a snapshot read afterwards misses nothing. After a reconnect everything sent in between is
 * lost: `onReconnect` tells the mirrors to read again.
 */
export class Channels {
  readonly #pubsub: RedisPubSub;
  readonly #reconnected = new Set<() => void>();
  #connections = 0;

  constructor(publisher: Redis, subscriber: Redis) {
    this.#pubsub = new RedisPubSub({ publisher, subscriber });
    if (subscriber.status === 'ready') this.#connections = 1;
    subscriber.on('ready', () => {
      this.#connections += 1;
      if (this.#connections > 1) for (const listener of this.#reconnected) listener();
    });
  }

  async listen(channel: string, listener: Listener): Promise<() => void> {
    const id = await this.#pubsub.subscribe(channel, listener);
    let listening = true;
    return () => {
      if (listening) this.#pubsub.unsubscribe(id);
      listening = false;
    };
  }

  publish(channel: string, message: unknown): Promise<void> {
    return this.#pubsub.publish(channel, message);
  }

  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener);
    return () => this.#reconnected.delete(listener);
  }
}
