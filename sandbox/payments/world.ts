import Stripe from 'stripe';
import { Faults } from './faults.js';
import { makeId, nowSeconds } from './ids.js';
import type { Cause, EventRecord } from './records.js';
import type { PageUrl } from './render.js';
import { Dice, type Settings } from './settings.js';
import type { Store } from './store.js';

/** Takes an event that somebody subscribed to; false when it will never be sent (nobody listens, the queue is full). */
export type Announcer = { accept(): boolean; send(event: EventRecord): void };

/** What operations work on: the state, the settings of this moment, chance, and time to come. */
export class World {
  readonly store: Store;
  settings: Settings;
  dice: Dice;
  readonly faults = new Faults();
  pageUrl: PageUrl = (intentId) => `/_sandbox/3ds/${intentId}`;
  announcer: Announcer = { accept: () => false, send: () => undefined };
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(store: Store, settings: Settings) {
    this.store = store;
    this.settings = settings;
    this.dice = new Dice(settings.seed);
  }

  /** Runs `task` at an instant (ms since 1970), or never if the sandbox stops first: the state says what is still to come. */
  at(instantMs: number, task: () => void): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        task();
      },
      Math.max(0, instantMs - Date.now()),
    );
    this.#timers.add(timer);
  }

  /**
   * Records an event and hands it to the webhooks. `object` is the JSON of the full object after the change, `previous` what some of its
   * fields were before.
   */
  announce(type: string, object: string, cause: Cause, previous?: object): void {
    const wanted = this.announcer.accept();
    const id = makeId('evt_');
    const created = nowSeconds();
    const request = JSON.stringify({ id: cause.requestId, idempotency_key: cause.idempotencyKey });
    const before = previous === undefined ? '' : `,"previous_attributes":${JSON.stringify(previous)}`;
    // Joined by hand: the object was rendered for the answer already and is the bulk of the event.
    const body =
      `{"id":"${id}","object":"event","api_version":"${Stripe.API_VERSION}","created":${created},"data":{"object":${object}${before}},` +
      `"livemode":false,"pending_webhooks":${wanted ? 1 : 0},"request":${request},"type":"${type}"}`;
    const event: EventRecord = { id, created, type, body };
    this.store.putEvent(event, wanted);
    if (wanted) this.announcer.send(event);
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
