import { createHmac } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { nowSeconds } from './ids.js';
import { sandboxLimits } from './limits.js';
import type { EventRecord } from './records.js';
import type { Announcer, World } from './world.js';

interface Delivery {
  readonly event: EventRecord;
  readonly failures: number;
}

/** What the subscriber answered: a status, or 0 when it gave none. */
export interface Received {
  readonly eventId: string;
  readonly type: string;
  readonly status: number;
}

/** How a webhook that somebody sends by hand differs from one of ours. */
export interface Forgery {
  readonly secret?: string | undefined;
  readonly ageSeconds?: number | undefined;
}

/**
 * Sends signed events to the subscriber, at least once unless told to lose them: anything but a 2xx is repeated with doubling waits,
 * a bounded number of times. Copies, losses, delays and reordering follow the settings of the moment an event happens.
 */
export class Webhooks implements Announcer {
  readonly counts = { delivered: 0, failedAttempts: 0, lost: 0, givenUp: 0, refusedFull: 0 };
  readonly #world: World;
  readonly #secret: string;
  readonly #agents = {
    http: new HttpAgent({ keepAlive: true, maxSockets: sandboxLimits.webhooksInFlight }),
    https: new HttpsAgent({ keepAlive: true, maxSockets: sandboxLimits.webhooksInFlight }),
  };
  readonly #copiesLeft = new Map<string, number>();
  /** Events that wait to be released, in the order in which they happened. */
  readonly #held = new Map<string, EventRecord>();
  #ready: Delivery[] = [];
  #next = 0;
  #inFlight = 0;
  #stopped = false;

  constructor(world: World, secret: string) {
    this.#world = world;
    this.#secret = secret;
  }

  accept(): boolean {
    if (this.#world.settings.webhookUrl === '') return false;
    if (this.#world.store.pendingEvents.size < sandboxLimits.webhooksPending) return true;
    this.counts.refusedFull += 1;
    return false;
  }

  send(event: EventRecord): void {
    const { webhookDuplicates, webhookDelayMs, webhookShuffleMs, webhookHold } = this.#world.settings;
    if (webhookHold) {
      this.#held.set(event.id, event);
      return;
    }
    this.#copiesLeft.set(event.id, 1 + webhookDuplicates);
    for (let copy = 0; copy <= webhookDuplicates; copy += 1) {
      const shuffleMs = webhookShuffleMs > 0 ? this.#world.dice.next() * webhookShuffleMs : 0;
      this.#schedule({ event, failures: 0 }, webhookDelayMs + shuffleMs);
    }
  }

  get held(): number {
    return this.#held.size;
  }

  /** The held events that `wanted` wants, in the order in which they happened. */
  heldEvents(wanted: (event: EventRecord) => boolean): EventRecord[] {
    return [...this.#held.values()].filter(wanted);
  }

  /** Sends events one after the other, each `times` times; those that were held are held no longer, whatever the subscriber answers. */
  async deliver(events: readonly EventRecord[], times: number): Promise<Received[]> {
    const received: Received[] = [];
    for (const event of events) {
      this.#held.delete(event.id);
      for (let copy = 0; copy < times; copy += 1) {
        const status = await this.post(event.body);
        received.push({ eventId: event.id, type: event.type, status });
      }
      this.#world.store.settleEvent(event.id);
    }
    return received;
  }

  /** Held events that nobody will ever be told of. */
  lose(events: readonly EventRecord[]): void {
    for (const event of events) {
      this.counts.lost += 1;
      this.#held.delete(event.id);
      this.#world.store.settleEvent(event.id);
    }
  }

  /** Sends a body to the subscriber once and resolves to the status it answered, 0 when it answered none. */
  async post(body: string, forgery: Forgery = {}): Promise<number> {
    const { webhookUrl } = this.#world.settings;
    const status = await new Promise<number>((resolve) => this.#post(webhookUrl, body, resolve, forgery));
    if (isAccepted(status)) this.counts.delivered += 1;
    else this.counts.failedAttempts += 1;
    return status;
  }

  /** Sends what was owed when the sandbox last stopped. */
  resume(): void {
    for (const event of [...this.#world.store.pendingEvents.values()]) this.send(event);
  }

  stop(): void {
    this.#stopped = true;
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  #schedule(delivery: Delivery, delayMs: number): void {
    if (delayMs > 0) this.#world.at(Date.now() + delayMs, () => this.#enqueue(delivery));
    else this.#enqueue(delivery);
  }

  #enqueue(delivery: Delivery): void {
    this.#ready.push(delivery);
    this.#pump();
  }

  #pump(): void {
    while (!this.#stopped && this.#inFlight < sandboxLimits.webhooksInFlight) {
      const delivery = this.#ready[this.#next];
      if (delivery === undefined) break;
      this.#next += 1;
      this.#attempt(delivery);
    }
    if (this.#next < 1_000 && this.#next < this.#ready.length) return;
    this.#ready = this.#ready.slice(this.#next);
    this.#next = 0;
  }

  #attempt(delivery: Delivery): void {
    const { webhookUrl, webhookLossRate } = this.#world.settings;
    if (webhookUrl === '' || this.#world.dice.hits(webhookLossRate)) {
      this.counts.lost += 1;
      this.#finishCopy(delivery.event.id);
      return;
    }
    this.#inFlight += 1;
    this.#post(webhookUrl, delivery.event.body, (status) => {
      this.#inFlight -= 1;
      if (this.#stopped) return;
      if (isAccepted(status)) {
        this.counts.delivered += 1;
        this.#finishCopy(delivery.event.id);
      } else this.#repeat(delivery);
      this.#pump();
    });
  }

  #repeat({ event, failures }: Delivery): void {
    this.counts.failedAttempts += 1;
    if (failures + 1 >= sandboxLimits.webhookAttempts) {
      this.counts.givenUp += 1;
      this.#finishCopy(event.id);
      return;
    }
    const waitMs = Math.min(this.#world.settings.webhookRetryMs * 2 ** failures, sandboxLimits.webhookRetryMaxMs);
    this.#schedule({ event, failures: failures + 1 }, Math.max(waitMs, 1));
  }

  #finishCopy(eventId: string): void {
    const left = (this.#copiesLeft.get(eventId) ?? 1) - 1;
    if (left > 0) {
      this.#copiesLeft.set(eventId, left);
      return;
    }
    this.#copiesLeft.delete(eventId);
    this.#world.store.settleEvent(eventId);
  }

  /** Calls back exactly once. Every attempt is signed anew because receivers refuse old timestamps. */
  #post(url: string, body: string, finished: (status: number) => void, forgery: Forgery = {}): void {
    const timestamp = nowSeconds() - (forgery.ageSeconds ?? 0);
    const signature = createHmac('sha256', forgery.secret ?? this.#secret)
      .update(`${timestamp}.${body}`)
      .digest('hex');
    const secure = url.startsWith('https:');
    const options = {
      method: 'POST',
      agent: secure ? this.#agents.https : this.#agents.http,
      timeout: sandboxLimits.webhookTimeoutMs,
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'Floodgate-Payment-Sandbox/1.0',
        'stripe-signature': `t=${timestamp},v1=${signature}`,
      },
    };
    let status = 0;
    const call = (secure ? httpsRequest : httpRequest)(url, options, (response) => {
      status = response.statusCode ?? 0;
      // An answer that breaks off after its status still counts: the receiver has decided.
      response.on('error', () => undefined).resume();
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => undefined);
    call.on('close', () => finished(status));
    call.end(body);
  }
}

function isAccepted(status: number): boolean {
  return status >= 200 && status < 300;
}
