import {
  decideSettlement,
  type EndReason,
  type IntentStatus,
  type OrderStep,
  paymentStatusOf,
} from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { Intent, ProviderAnswer } from '../payments/gateway.js';
import { confirmCheckout, freeSeats, issueSeats, markSold, type OrderSeats, returnSeats } from '../redis/orders.js';
import { Batcher } from './batcher.js';
import type { EventCatalogue } from './event-catalogue.js';
import type { InventoryService } from './inventory.js';
import type { LeasedStep, OrderLedger, StepOutcome, Written } from './order-ledger.js';
import type { Platform } from './platform.js';

/** A step that cannot go on now and is to be taken again, without a change of the order. */
class Later extends Error {}

/**
 * Takes the steps of orders. Each handler does its outside work first, then writes the outcome with a compare-and-set on its
 * lease; a handler that dies is repeated from its beginning, and everything it does outside is safe to repeat.
 */
export class Settlement {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;
  readonly #ledger: OrderLedger;
  readonly #writer: Batcher<StepOutcome, Written>;
  readonly #handlers: Readonly<Record<OrderStep, (step: LeasedStep) => Promise<void>>>;

  constructor(platform: Platform, events: EventCatalogue, inventory: InventoryService, ledger: OrderLedger) {
    this.#platform = platform;
    this.#events = events;
    this.#inventory = inventory;
    this.#ledger = ledger;
    this.#writer = new Batcher(limits.stepBatch, (outcomes) => ledger.write(outcomes));
    this.#handlers = {
      CREATE: (step) => this.#create(step),
      SETTLE: (step) => this.#settle(step),
      ISSUE: (step) => this.#issue(step),
      CAPTURE: (step) => this.#capture(step),
      CANCEL: (step) => this.#cancel(step),
      RETURN: (step) => this.#return(step),
      REFUND: (step) => this.#refund(step),
      RELEASE: (step) => this.#release(step),
    };
  }

  /** Calls back when steps of these kinds have become due in this process. */
  onDue(listener: (kinds: ReadonlySet<OrderStep>) => void): () => void {
    return this.#ledger.onDue(listener);
  }

  lease(kinds: readonly OrderStep[], count: number): Promise<LeasedStep[]> {
    return this.#ledger.lease(kinds, count);
  }

  /** Takes one leased step to its outcome; whatever goes wrong leaves it to be taken again. */
  async take(step: LeasedStep): Promise<void> {
    try {
      await this.#handlers[step.step](step);
    } catch (error) {
      if (!(error instanceof Later)) {
        this.#platform.log.error(
          { err: error, orderId: step.orderId, step: step.step, tries: step.tries },
          'step failed, will be repeated',
        );
      }
      await this.#again(step).catch(() => {
        // The lease ends by time and somebody takes the step again.
      });
    }
  }

  async #create(step: LeasedStep): Promise<void> {
    if (step.endReason !== null && step.tries === 1) return this.#finish(step, 'not needed', 'RELEASE');
    const order = await this.#seats(step);
    const confirmed = await confirmCheckout(this.#platform.redis, {
      payByMs: step.payBy.getTime(),
      freeAtMs: step.freeAt.getTime(),
      ...order,
    });
    if (confirmed === 'WRONG_EPOCH') return this.#wrongEpoch(step);
    // An earlier try may have made an intent; only a first one may go without asking.
    if (confirmed === 'LOST' && step.tries === 1)
      return this.#finish(step, 'seats gone', 'RELEASE', { endReason: 'LOST' });
    // A free order takes the same path with nothing to ask of the provider.
    if (step.totalMinor === 0)
      return this.#finish(step, 'nothing to pay', 'ISSUE', { state: 'ISSUING', payment: 'CAPTURED' });
    const answer = await this.#platform.gateway.createIntent({
      orderId: step.orderId,
      eventId: step.eventId,
      amountMinor: step.totalMinor,
      currency: step.currency,
      idempotencyKey: idempotencyKey(step),
    });
    if (answer.kind === 'ok') return this.#created(step, answer.value, confirmed === 'LOST');
    if (answer.kind === 'refused') {
      this.#alarm(step, `the provider refuses the payment: ${answer.reason}`);
      return this.#finish(step, answer.reason, 'RELEASE', { endReason: 'CANCELED', lastDecline: answer.code });
    }
    if (answer.kind === 'broken' || this.#tooOld(step)) return this.#lookUp(step, confirmed === 'LOST');
    return this.#again(step, answer);
  }

  #created(step: LeasedStep, intent: Intent, lost = false): Promise<void> {
    return this.#finish(
      step,
      'created',
      'SETTLE',
      {
        state: 'AWAITING_PAYMENT',
        payment: 'CREATED',
        intentId: intent.id,
        ...(intent.clientSecret !== null && { clientSecret: intent.clientSecret }),
        ...(lost && { endReason: 'LOST' as const }),
      },
      lost ? 0 : step.payBy.getTime() - this.#platform.clock.nowMs(),
    );
  }

  /** The stored answer under our key is a failure: look for the intent by our id before another attempt goes out. */
  async #lookUp(step: LeasedStep, lost: boolean): Promise<void> {
    const found = await this.#platform.gateway.findIntent(step.orderId, step.createdAt.getTime());
    if (found.kind !== 'ok') return this.#again(step, found);
    if (found.value !== null) return this.#created(step, found.value, lost);
    await this.#write({
      from: step,
      finish: { outcome: 'nothing at the provider', next: 'CREATE', nextAttempt: step.attempt + 1 },
      runAtMs: this.#platform.clock.nowMs(),
    });
  }

  async #settle(step: LeasedStep): Promise<void> {
    const nowMs = this.#platform.clock.nowMs();
    let status: IntentStatus | null =
      step.hint === 'requires_capture' || step.hint === 'succeeded' || step.hint === 'canceled' ? step.hint : null;
    let lastDecline: string | null = null;
    if (status === null) {
      const answer = await this.#platform.gateway.retrieveIntent(step.intentId!);
      if (answer.kind !== 'ok') return this.#again(step, answer);
      if (answer.value.amountMinor !== step.totalMinor || answer.value.currency !== step.currency) {
        this.#alarm(
          step,
          `the intent is over ${answer.value.amountMinor} ${answer.value.currency}, the order over ${step.totalMinor} ${step.currency}`,
        );
      }
      status = answer.value.status;
      lastDecline = answer.value.lastDecline;
    }
    const facts = {
      status,
      endRequested: step.endReason !== null,
      nowMs,
      payByMs: step.payBy.getTime(),
      freeAtMs: step.freeAt.getTime(),
    };
    switch (decideSettlement(facts)) {
      case 'ISSUE':
        return this.#finish(step, status, 'ISSUE', { state: 'ISSUING', payment: paymentStatusOf(status) });
      case 'RELEASE':
        return this.#finish(step, status, 'RELEASE', { payment: 'CANCELED', endReason: endOf(step, nowMs) });
      case 'CANCEL':
        return this.#finish(step, status, 'CANCEL', { state: 'CANCELING', endReason: endOf(step, nowMs) });
      case 'WAIT': {
        const deadline = facts.nowMs < facts.payByMs ? facts.payByMs : facts.freeAtMs;
        const soon = status === 'processing' ? Math.min(deadline, nowMs + limits.orderRereadMs) : deadline;
        return this.#write({
          from: step,
          finish: null,
          runAtMs: soon,
          ...(lastDecline !== null && { order: { lastDecline } }),
        });
      }
    }
  }

  async #issue(step: LeasedStep): Promise<void> {
    const order = await this.#seats(step);
    const { generation } = order.ref;
    const seats = step.lines.map((line) => line.seat);
    const answer = await issueSeats(this.#platform.redis, {
      person: step.personId,
      seats,
      prices: step.prices,
      ...order,
    });
    if (answer.code === 'WRONG_EPOCH') return this.#wrongEpoch(step);
    if (answer.code === 'GONE') return this.#giveBack(step);
    const written = await this.#writer.submit({
      from: step,
      finish: { outcome: 'issued', next: 'CAPTURE' },
      runAtMs: this.#platform.clock.nowMs(),
      order: { state: 'CONFIRMED' },
      seats: { kind: 'issue', generation, fence: answer.fence },
    });
    if (written.conflicts.has(step)) {
      await freeSeats(this.#platform.redis, order);
      return this.#giveBack(step);
    }
    // The generation moved on under us: the next try meets the rebuilt event.
    if (!written.done.has(step)) throw new Later();
    await this.#sold(step, order);
  }

  /** The seats belong to somebody else by now: the money goes back, and the buyer is told why. */
  #giveBack(step: LeasedStep): Promise<void> {
    if (step.totalMinor === 0)
      return this.#finish(step, 'seats gone', 'RELEASE', { state: 'CANCELING', endReason: 'LOST' });
    const captured = step.payment === 'CAPTURED';
    return this.#finish(step, 'seats gone', captured ? 'REFUND' : 'CANCEL', {
      state: captured ? 'REFUNDING' : 'CANCELING',
      endReason: 'LOST',
    });
  }

  /** Answers false where this process did not know the present generation, in which the seats may still be ISSUING. */
  async #sold(step: LeasedStep, order: OrderSeats): Promise<boolean> {
    // NOT_ISSUING: a rebuild has meanwhile taken the sale from the ledger, or it was told before.
    const sale = { person: step.personId, revenue: revenueOf(step), ...order };
    if ((await markSold(this.#platform.redis, sale)) !== 'WRONG_EPOCH') return true;
    await this.#inventory.wrongEpoch(step.eventId);
    return false;
  }

  /** The tickets are void in the ledger: the seats are no longer sold, and not yet anybody's. */
  async #return(step: LeasedStep): Promise<void> {
    const order = await this.#seats(step);
    const answer = await returnSeats(this.#platform.redis, {
      ...order,
      person: step.personId,
      seats: step.lines.map((line) => line.seat),
      prices: step.prices,
      revenue: revenueOf(step),
    });
    if (answer === 'WRONG_EPOCH') return this.#wrongEpoch(step);
    // A free order has no money that could go back.
    if (step.totalMinor === 0) return this.#vacate(step, 'nothing to pay back');
    return this.#finish(step, answer, 'REFUND');
  }

  /** The money is on its way back: the ledger gives the seats up, then Redis does. In this order nobody is sold a seat the ledger still keeps. */
  #vacate(step: LeasedStep, outcome: string): Promise<void> {
    return this.#write({
      from: step,
      finish: { outcome, next: 'RELEASE' },
      runAtMs: this.#platform.clock.nowMs(),
      order: { payment: 'REFUNDED' },
      seats: { kind: 'vacate' },
    });
  }

  async #capture(step: LeasedStep): Promise<void> {
    // Repeated here for a process that died between writing the tickets and telling Redis. Nothing that gives sold seats back begins before.
    if (!(await this.#sold(step, await this.#seats(step)))) throw new Later();
    if (step.payment !== 'CAPTURED') {
      const answer = await this.#platform.gateway.captureIntent(step.intentId!, idempotencyKey(step));
      if (answer.kind === 'refused' || answer.kind === 'broken') {
        const now = await this.#platform.gateway.retrieveIntent(step.intentId!);
        if (now.kind !== 'ok' || now.value.status !== 'succeeded') {
          this.#alarm(step, `tickets without captured money: ${answer.reason}`);
          if (now.kind !== 'ok' || now.value.status !== 'requires_capture') return this.#again(step, answer);
          return this.#finish(step, answer.reason, 'CAPTURE', {}, this.#backoffMs(step.attempt));
        }
      } else if (answer.kind !== 'ok') return this.#again(step, answer);
    }
    await this.#write({
      from: step,
      finish: { outcome: 'captured', next: null },
      runAtMs: this.#platform.clock.nowMs(),
      order: { state: 'COMPLETED', payment: 'CAPTURED', wipeSecret: true },
      seats: { kind: 'validate' },
    });
  }

  async #cancel(step: LeasedStep): Promise<void> {
    const answer = await this.#platform.gateway.cancelIntent(step.intentId!, idempotencyKey(step));
    if (answer.kind === 'ok') return this.#finish(step, 'canceled', 'RELEASE', { payment: 'CANCELED' });
    if (answer.kind === 'unknown') return this.#again(step, answer);
    // It has moved on meanwhile: ask what it has become and follow it, at once the first time.
    const delayMs = step.attempt === 1 ? 0 : this.#backoffMs(step.attempt - 1);
    return this.#finish(step, answer.reason, 'SETTLE', { clearHint: true }, delayMs);
  }

  async #refund(step: LeasedStep): Promise<void> {
    const answer = await this.#platform.gateway.refundIntent(step.intentId!, idempotencyKey(step));
    if (answer.kind === 'ok') return this.#vacate(step, answer.value.refundId);
    if (answer.kind === 'refused' && answer.code === 'charge_already_refunded')
      return this.#vacate(step, answer.reason);
    if (answer.kind === 'unknown') return this.#again(step, answer);
    this.#alarm(step, `money without tickets, refund refused: ${answer.reason}`);
    // This answer is stored under this attempt's key. Another attempt cannot pay back twice: the provider refuses more than was charged.
    return this.#finish(step, answer.reason, 'REFUND', {}, this.#backoffMs(step.attempt));
  }

  async #release(step: LeasedStep): Promise<void> {
    const order = await this.#seats(step);
    if ((await freeSeats(this.#platform.redis, order)) === 'WRONG_EPOCH') return this.#wrongEpoch(step);
    const state = step.payment === 'REFUNDED' ? 'REFUNDED' : endOf(step, this.#platform.clock.nowMs());
    const written = await this.#writer.submit({
      from: step,
      finish: { outcome: 'released', next: null },
      runAtMs: this.#platform.clock.nowMs(),
      order: { state, wipeSecret: true },
      seats: { kind: 'release', generation: order.ref.generation },
    });
    // A rebuild has meanwhile taken the seats from the ledger, where they were still this order's: give those back.
    if (!written.done.has(step)) throw new Later();
  }

  async #seats(step: LeasedStep): Promise<OrderSeats> {
    const event = await this.#events.published(step.eventId);
    if (event === null) throw new Error(`order ${step.orderId} belongs to an event without inventory`);
    return { ref: event.ref, holdId: step.holdId, orderId: step.orderId };
  }

  async #wrongEpoch(step: LeasedStep): Promise<void> {
    await this.#inventory.wrongEpoch(step.eventId);
    throw new Later();
  }

  async #finish(
    step: LeasedStep,
    outcome: string,
    next: OrderStep,
    order: NonNullable<StepOutcome['order']> = {},
    delayMs = 0,
  ): Promise<void> {
    await this.#write({
      from: step,
      finish: { outcome, next },
      runAtMs: this.#platform.clock.nowMs() + delayMs,
      order,
    });
  }

  async #write(outcome: StepOutcome): Promise<void> {
    await this.#writer.submit(outcome);
  }

  /** Takes the same attempt again later. */
  async #again(step: LeasedStep, answer?: Exclude<ProviderAnswer<unknown>, { kind: 'ok' }>): Promise<void> {
    if (answer !== undefined) {
      this.#platform.log.warn(
        { orderId: step.orderId, step: step.step, tries: step.tries, reason: answer.reason },
        'provider did not settle a step',
      );
    }
    const asked = answer !== undefined && 'retryAfterMs' in answer ? (answer.retryAfterMs ?? 0) : 0;
    const waitMs = Math.max(this.#backoffMs(step.tries), asked);
    await this.#write({ from: step, finish: null, runAtMs: this.#platform.clock.nowMs() + waitMs });
  }

  /** Doubling, bounded. */
  #backoffMs(count: number): number {
    return Math.min(limits.stepRetryMs * 2 ** Math.min(count - 1, 10), limits.stepRetryMaxMs);
  }

  #tooOld(step: LeasedStep): boolean {
    return this.#platform.clock.nowMs() - step.firstCallAt.getTime() > limits.idempotencyReplayMs;
  }

  #alarm(step: LeasedStep, message: string): void {
    this.#platform.log.error({ alarm: true, orderId: step.orderId, eventId: step.eventId, step: step.step }, message);
  }
}

/** One key an attempt: the same attempt is the same call, however often it goes out. */
function idempotencyKey(step: LeasedStep): string {
  return `${step.orderId}:${step.step}:${step.attempt}`;
}

/** Minor units by category. */
function revenueOf(step: LeasedStep): Map<number, number> {
  const revenue = new Map<number, number>();
  for (const line of step.lines) revenue.set(line.category, (revenue.get(line.category) ?? 0) + line.minor);
  return revenue;
}

function endOf(step: LeasedStep, nowMs: number): EndReason {
  return step.endReason ?? (nowMs >= step.payBy.getTime() ? 'EXPIRED' : 'CANCELED');
}
