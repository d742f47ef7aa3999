import { type Buyer, checkBuyer, type Said } from '../domain/contacts.js';
import { isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { derivedId } from '../domain/ids.js';
import { isCancelable, isFinal, type OrderMethod } from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { EventRef } from '../redis/keys.js';
import { confirmCheckout, freeSeats } from '../redis/orders.js';
import { checkoutHold, type HoldAction, type HoldAnswer, type StoredHold } from '../redis/seat-holds.js';
import type { Codes } from './codes.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import { checkIdempotencyKey } from './idempotency.js';
import type { InventoryService } from './inventory.js';
import type { OrderLedger } from './order-ledger.js';
import { OrderPlacing } from './order-placing.js';
import type { OrderReading, OrderView } from './order-reading.js';
import type { Platform, Viewer } from './platform.js';
import { maySteer } from './sales.js';
import { refuseHoldAction, scriptFence, splitHoldId } from './seat-holds.js';

export class Orders {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;
  readonly #ledger: OrderLedger;
  readonly #reading: OrderReading;
  readonly #codes: Codes;
  readonly #placing: OrderPlacing;

  constructor(
    platform: Platform,
    parts: {
      readonly events: EventCatalogue;
      readonly inventory: InventoryService;
      readonly ledger: OrderLedger;
      readonly reading: OrderReading;
      readonly codes: Codes;
    },
  ) {
    this.#platform = platform;
    this.#events = parts.events;
    this.#inventory = parts.inventory;
    this.#ledger = parts.ledger;
    this.#reading = parts.reading;
    this.#codes = parts.codes;
    this.#placing = new OrderPlacing(platform);
  }

  /** Moves a hold into checkout and writes the order with its first step. Nothing here waits for the provider. */
  async startCheckout(
    viewer: Viewer,
    input: {
      readonly holdId: string;
      readonly fence: string;
      readonly method: OrderMethod;
      /** At the prices of the hold without the code it was made with. */
      readonly withoutCode: boolean;
      readonly idempotencyKey: string;
      readonly buyer?: Said<Buyer> | null;
    },
  ): Promise<OrderView | Refusal> {
    const buyer = checkBuyer('input.buyer', input.buyer ?? {});
    if (isRefusal(buyer)) return buyer;
    const ids = splitHoldId(input.holdId);
    const event = ids && (await this.#events.published(ids.eventId));
    if (!ids || !event) return refuse('NOT_FOUND', { path: ['input', 'holdId'], message: 'There is no such hold.' });
    if (input.method !== 'ONLINE' && !maySteer(viewer, event.event)) {
      const message = "Only the event's organizer sells for cash or on account.";
      return refuse('FORBIDDEN', { path: ['input', 'method'], message });
    }
    // Running checkouts of a sale that is over may finish; those of an event that does not take place may not begin.
    if (event.event.state === 'CANCELED') return refuse('SALE_CLOSED', { path: ['input', 'holdId'] });
    const { idempotencyKey: key, holdId, fence, method, withoutCode } = input;
    const asked = { holdId, fence, method, ...(withoutCode && { withoutCode }), ...(input.buyer && { buyer }) };
    const reused = await checkIdempotencyKey(this.#platform, viewer, { mutation: 'startCheckout', key, input: asked });
    if (reused !== null) return reused;
    const orderId = derivedId('order', ids.eventId, ids.holdId);
    const action = { holdId: ids.holdId, person: viewer.personId, orderId };
    const answer = await this.#checkOut(event, { fence: input.fence, withoutCode, ...action });
    if (isRefusal(answer)) return answer;
    if (answer.code !== 'OK') return (await this.#ordered(viewer, orderId)) ?? refuseHoldAction(answer, input.fence);
    if (answer.hold.state !== 'CHECKOUT') return (await this.#ordered(viewer, orderId)) ?? refuseEnded(answer.hold);
    const bound = await this.#placing.place(event, answer.hold, {
      orderId,
      method,
      buyer: { name: buyer.name, address: buyer.address, email: buyer.email ?? viewer.email },
    });
    const ref = { eventId: ids.eventId, generation: answer.hold.generation };
    if (bound === 'bound') {
      this.#ledger.wakeWorkers(['CREATE']);
      await this.#confirm(ref, answer.hold, orderId);
      return this.#reading.load(orderId);
    }
    await freeSeats(this.#platform.redis, { ref, holdId: ids.holdId, orderId });
    if (bound === 'rebuilt') return refuse('HOLD_LOST', { path: ['input', 'holdId'] });
    return refuse('SEATS_UNAVAILABLE', { path: ['input', 'holdId'], seatIds: [] });
  }

  /** Moves a hold into checkout; one that was made with a code once it is known what it is to cost. */
  async #checkOut(
    event: PublishedEvent,
    { fence, withoutCode, ...action }: HoldAction & { readonly orderId: string; readonly withoutCode: boolean },
  ): Promise<HoldAnswer | Refusal> {
    for (let agreedPrices = ''; ; ) {
      const answer = await this.#inventory.withEvent(event, (ref) =>
        checkoutHold(this.#platform.redis, ref, { fence: scriptFence(fence, ref), agreedPrices, ...action }),
      );
      if (isRefusal(answer) || answer.code !== 'CODE') return answer;
      const agreed = await this.#codes.agree(answer.prices, { orderId: action.orderId, withoutCode });
      if (isRefusal(agreed)) return agreed;
      agreedPrices = agreed;
    }
  }

  /** Calls an unpaid order off. Asking again answers the same. */
  async cancel(
    viewer: Viewer,
    input: { readonly orderId: string; readonly idempotencyKey: string },
  ): Promise<OrderView | Refusal> {
    const view = await this.#reading.owned(viewer, input.orderId);
    if (isRefusal(view)) return view;
    const { idempotencyKey: key, orderId } = input;
    const reused = await checkIdempotencyKey(this.#platform, viewer, { mutation: 'cancelOrder', key, input: orderId });
    if (reused !== null) return reused;
    if (view.order.endReason === 'CANCELED') return view;
    const isAsked = isCancelable(view.order.state) && (await this.#ledger.callOff([orderId])).has(orderId);
    const now = await this.#reading.load(orderId);
    if (isAsked || now.order.endReason === 'CANCELED') return now;
    return refuse('ORDER_NOT_CANCELABLE', { path: ['input', 'orderId'], state: now.order.state });
  }

  async read(viewer: Viewer, id: string): Promise<OrderView | null> {
    const view = await this.#reading.find(id);
    return view?.order.personId === viewer.personId ? view : null;
  }

  /** For the event's organizer: an order sold on account has been paid. Asking again answers the same. */
  async recordPayment(
    viewer: Viewer,
    input: { readonly orderId: string; readonly idempotencyKey: string },
  ): Promise<OrderView | Refusal> {
    const { orderId, idempotencyKey: key } = input;
    const view = await this.#reading.steered(viewer, orderId);
    if (isRefusal(view)) return view;
    const reused = await checkIdempotencyKey(this.#platform, viewer, {
      mutation: 'recordPayment',
      key,
      input: orderId,
    });
    if (reused !== null) return reused;
    if (view.order.method !== 'INVOICE' || !isFinal(view.order.state)) {
      return refuse('ORDER_NOT_ON_ACCOUNT', { path: ['input', 'orderId'], state: view.order.state });
    }
    await this.#ledger.settleAccount(orderId);
    return this.#reading.load(orderId);
  }

  /** The newest orders of a person, bounded. */
  ofPerson(personId: string): Promise<OrderView[]> {
    return this.#reading.ofPerson(personId);
  }

  /** An order that exists already, for a retry that came after its hold had moved on. */
  async #ordered(viewer: Viewer, orderId: string): Promise<OrderView | null> {
    const view = await this.#reading.find(orderId);
    return view?.order.personId === viewer.personId ? view : null;
  }

  /** The order is committed: its seats stay until payBy. Should this fail, the order's first step does it. */
  async #confirm(ref: EventRef, hold: StoredHold, orderId: string): Promise<void> {
    const { holdId, payByMs } = hold;
    const freeAtMs = payByMs! + limits.settleGraceMs;
    const order = { ref, holdId, orderId, payByMs: payByMs!, freeAtMs };
    await confirmCheckout(this.#platform.redis, order).catch((error) =>
      this.#platform.log.warn({ err: error, orderId }, 'a checkout could not be confirmed yet'),
    );
  }
}

/** A checkout that came to its end before its order was written. */
function refuseEnded({ state }: StoredHold): Refusal {
  return state === 'EXPIRED'
    ? refuse('HOLD_EXPIRED', { path: ['input', 'holdId'] })
    : refuse('HOLD_NOT_ACTIVE', { path: ['input', 'holdId'], state });
}
