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
    const { webhookDuplicates, webhookDelayMs, webhookShuffleMs } = this.#world.settings;
    this.#copiesLeft.set(event.id, 1 + webhookDuplicates);
    for (let copy = 0; copy <= webhookDuplicates; copy += 1) {
      const shuffleMs = webhookShuffleMs > 0 ? this.#world.dice.next() * webhookShuffleMs : 0;
      this.#schedule({ event, failures: 0 }, webhookDelayMs + shuffleMs);
    }
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
    this.#post(webhookUrl, delivery.event.body, (accepted) => {
      this.#inFlight -= 1;
      if (this.#stopped) return;
      if (accepted) {
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
  #post(url: string, body: string, finished: (accepted: boolean) => void): void {
    const timestamp = nowSeconds();
    const signature = createHmac('sha256', this.#secret).update(`${timestamp}.${body}`).digest('hex');
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
    call.on('close', () => finished(status >= 200 && status < 300));
    call.end(body);
  }
}
