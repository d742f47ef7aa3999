import { limits } from '../limits.js';
import { Watch } from '../pubsub/watch.js';
import { globalKeys } from '../redis/keys.js';
import { isAtRest, type OrderReading, type OrderView } from './order-reading.js';
import type { Platform } from './platform.js';

interface WatchedOrder {
  readonly orderId: string;
  latest: OrderView;
  sent: number;
  readonly watch: Watch<OrderView>;
}

const isPreparing = ({ order }: OrderView) => order.state === 'PAYMENT_PREPARING';

/**
 * The orders that are watched in this process. Changes are told by id and read together; every few seconds the open ones are read again,
 * because a message may get lost.
 */
export class OrderFeed {
  readonly #platform: Platform;
  readonly #reading: OrderReading;
  readonly #watched = new Map<string, Set<WatchedOrder>>();
  #changed = new Set<string>();
  #isBusy = false;
  #timers: NodeJS.Timeout[] = [];
  #silence: () => void = () => {};

  constructor(platform: Platform, reading: OrderReading) {
    this.#platform = platform;
    this.#reading = reading;
  }

  async start(): Promise<void> {
    this.#silence = await this.#platform.channels.listen(globalKeys.orderChannel, (message) => {
      for (const id of (message as { ids: readonly string[] }).ids) if (this.#watched.has(id)) this.#changed.add(id);
    });
    this.#timers = [
      setInterval(() => void this.#read(), limits.orderTickMs),
      setInterval(() => {
        for (const id of this.#watched.keys()) this.#changed.add(id);
      }, limits.orderRereadMs),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#silence();
    for (const orders of [...this.#watched.values()]) for (const { watch } of [...orders]) watch.finish();
  }

  /** A stream that begins with the present order and ends when nothing of it may change any more. */
  watch(present: OrderView): Watch<OrderView> {
    const orderId = present.order.id;
    const watched: WatchedOrder = {
      orderId,
      latest: present,
      sent: -1,
      watch: new Watch(
        () => {
          if (watched.latest.order.version <= watched.sent) return null;
          watched.sent = watched.latest.order.version;
          return watched.latest;
        },
        () => this.#forget(watched),
      ),
    };
    const orders = this.#watched.get(orderId) ?? new Set();
    this.#watched.set(orderId, orders.add(watched));
    // It may have changed between being read and being watched.
    this.#changed.add(orderId);
    return watched.watch;
  }

  /** The order once it asks to be paid or needs no payment any more, or as it is after a while. Nobody but this request waits for it. */
  async whenPayable(present: OrderView, waitMs: number): Promise<OrderView> {
    if (!isPreparing(present)) return present;
    let latest = present;
    const watch = this.watch(present);
    const timer = setTimeout(() => watch.finish(), waitMs);
    for await (const view of watch) {
      latest = view;
      if (!isPreparing(view)) break;
    }
    clearTimeout(timer);
    return latest;
  }

  async #read(): Promise<void> {
    if (this.#isBusy || this.#changed.size === 0) return;
    this.#isBusy = true;
    const ids = [...this.#changed].slice(0, limits.presenceBatch);
    for (const id of ids) this.#changed.delete(id);
    try {
      for (const view of await this.#reading.readMany(ids)) this.#update(view);
    } catch (error) {
      for (const id of ids) if (this.#watched.has(id)) this.#changed.add(id);
      this.#platform.log.warn({ err: error }, 'watched orders could not be read');
    } finally {
      this.#isBusy = false;
    }
  }

  #update(view: OrderView): void {
    for (const watched of [...(this.#watched.get(view.order.id) ?? [])]) {
      if (view.order.version > watched.latest.order.version) watched.latest = view;
      watched.watch.wake();
      if (isAtRest(view)) watched.watch.finish();
    }
  }

  #forget(watched: WatchedOrder): void {
    const orders = this.#watched.get(watched.orderId);
    orders?.delete(watched);
    if (orders?.size === 0) this.#watched.delete(watched.orderId);
  }
}
