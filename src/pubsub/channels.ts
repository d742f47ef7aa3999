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
  readonly #subscriber: Redis;
  readonly #refused = new Set<string>();
  readonly #reconnected = new Set<() => void>();

  constructor(publisher: Redis, subscriber: Redis) {
    this.#subscriber = subscriber;
    this.#pubsub = new RedisPubSub({ publisher, subscriber: this.#forgiving() });
    let connectedBefore = subscriber.status === 'ready';
    subscriber.on('ready', () => {
      if (connectedBefore) this.#announceReconnect();
      connectedBefore = true;
    });
  }

  /** Rejects, as an outage, while there is no connection. */
  async listen(channel: string, listener: Listener): Promise<() => void> {
    if (this.#subscriber.status !== 'ready') throw new Error('Connection is closed.');
    const id = await this.#pubsub.subscribe(channel, listener);
    let listening = true;
    const silence = () => {
      if (listening) this.#pubsub.unsubscribe(id);
      listening = false;
    };
    if (this.#refused.has(channel)) {
      silence();
      throw new Error('Connection is closed.');
    }
    return silence;
  }

  publish(channel: string, message: unknown): Promise<void> {
    return this.#pubsub.publish(channel, message);
  }

  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener);
    return () => this.#reconnected.delete(listener);
  }

  /** The client has sent its subscriptions again; the answer to a ping behind them says that Redis has taken them. */
  #announceReconnect(): void {
    this.#subscriber.ping().then(
      () => {
        for (const listener of this.#reconnected) listener();
      },
      () => {
        // Lost again: the next connect is announced instead.
      },
    );
  }

  /**
   * The subscriber as the library sees it. When a command fails the library leaves a rejected promise behind that nobody
   * handles, which would end the process: here failures are noted, and `listen` reports them.
   */
  #forgiving(): Redis {
    const subscriber = this.#subscriber;
    const subscribe = (channel: string, done: (error: null) => void) => {
      subscriber
        .subscribe(channel)
        .then(
          () => this.#refused.delete(channel),
          () => this.#refused.add(channel),
        )
        .then(() => done(null));
    };
    const unsubscribe = (channel: string) => {
      subscriber.unsubscribe(channel).catch(() => {
        // Without a connection there is no subscription either.
      });
    };
    const on = subscriber.on.bind(subscriber);
    return { on, subscribe, unsubscribe, punsubscribe: () => {} } as unknown as Redis;
  }
}
