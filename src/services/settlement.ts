import { fractionOf } from '../domain/clock.js';
import {
  decideSettlement,
  type EndReason,
  endStateOf,
  type IntentStatus,
  type OrderStep,
  paymentStatusOf,
  type RefundState,
} from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { Intent, ProviderAnswer, UnknownAnswer } from '../payments/gateway.js';
import { confirmCheckout, freeSeats, issueSeats, markSold, type OrderSeats, returnSeats } from '../redis/orders.js';
import { Batcher } from './batcher.js';
import type { EventCatalogue } from './event-catalogue.js';
import { takeOver } from './foreign-refunds.js';
import type { InventoryService } from './inventory.js';
import type { OrderLedger, Written } from './order-ledger.js';
import type { LeasedStep, StepOutcome } from './order-steps.js';
import type { Platform } from './platform.js';

/** A step that cannot go on now and is to be taken again, without a change of the order. */
class Later extends Error {}

/** A step whose outcome the ledger refuses, because its money does not come out. A human has to look. */
class Unbalanced extends Error {}

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
      if (error instanceof Unbalanced) {
        this.#alarm(step, 'a balance does not come out; the order goes no further');
      } else if (!(error instanceof Later)) {
        this.#platform.log.error(
          { err: error, orderId: step.orderId, step: step.step, tries: step.tries },
          'step failed, will be repeated',
        );
      }
      await this.#giveUp(step);
    }
  }

  /** The ledger may be what has failed: whoever is alive says a few times that the step is free. Otherwise its lease ends by time. */
  async #giveUp(step: LeasedStep): Promise<void> {
    for (let left = limits.stepGiveUps; left > 0; left -= 1) {
      const given = await this.#again(step).then(
        () => true,
        () => false,
      );
      if (given) return;
      await new Promise((resolve) => setTimeout(resolve, limits.stepRetryMs));
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
    // A free order, or one of the box office, takes the same path with nothing to ask of the provider.
    if (asksNothing(step)) {
      if (step.endReason !== null) return this.#finish(step, 'not needed', 'RELEASE');
      return this.#finish(step, 'nothing to ask', 'ISSUE', { state: 'ISSUING', payment: 'CAPTURED' });
    }
    // The provider forgets keys after a day: an old attempt that went out again could be another payment.
    if (step.tries > 1 && this.#tooOld(step)) return this.#lookUp(step, confirmed === 'LOST');
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
    if (answer.kind === 'broken') return this.#lookUp(step, confirmed === 'LOST');
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
      // Nobody is to pay any more: it is canceled at once.
      lost || step.endReason !== null ? 0 : step.payBy.getTime() - this.#platform.clock.nowMs(),
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
        // A bank that takes days does not let itself be called off: it is asked ever more seldom, and its event comes anyway.
        if (status === 'processing' && step.attempt > 1)
          return this.#write({
            from: step,
            finish: null,
            runAtMs: nowMs + this.#backoffMs(step.tries, limits.processingRereadMaxMs),
          });
        return this.#finish(step, status, 'CANCEL', { state: 'CANCELING', endReason: endOf(step, nowMs) });
      case 'WAIT': {
        const deadline = facts.nowMs < facts.payByMs ? facts.payByMs : facts.freeAtMs;
        const soon = status === 'processing' ? Math.min(deadline, nowMs + limits.orderRereadMs) : deadline;
        return this.#write({
          from: step,
          finish: null,
          runAtMs: soon,
          order: {
            ...(step.state === 'PAYMENT_DELAYED' && { state: 'AWAITING_PAYMENT' }),
            ...(lastDecline !== null && { lastDecline }),
          },
        });
      }
    }
  }

  async #issue(step: LeasedStep): Promise<void> {
    // Called off at the last moment. What has been paid at the provider wins over it.
    if (asksNothing(step) && step.endReason !== null)
      return this.#finish(step, 'not needed', 'RELEASE', { state: 'CANCELING', payment: 'CANCELED' });
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
    const written = await this.#submit({
      from: step,
      finish: { outcome: 'issued', next: 'CAPTURE' },
      runAtMs: this.#platform.clock.nowMs(),
      order: { state: 'CONFIRMED' },
      effect: { kind: 'issue', generation, fence: answer.fence },
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
    if (asksNothing(step))
      return this.#finish(step, 'seats gone', 'RELEASE', { state: 'CANCELING', endReason: 'LOST' });
    if (step.payment !== 'CAPTURED')
      return this.#finish(step, 'seats gone', 'CANCEL', { state: 'CANCELING', endReason: 'LOST' });
    return this.#write({
      from: step,
      finish: { outcome: 'seats gone', next: 'REFUND' },
      runAtMs: this.#platform.clock.nowMs(),
      order: { state: 'REFUNDING', endReason: 'LOST', wipeSecret: true },
      effect: { kind: 'owe' },
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
    const refund = step.refund!;
    if (refund.seats.length > 0) {
      const order = await this.#seats(step);
      const answer = await returnSeats(this.#platform.redis, {
        person: step.personId,
        seats: refund.seats,
        prices: step.prices,
        revenue: revenueOf(step, new Set(refund.seats)),
        backHoldId: refund.id,
        ...order,
      });
      if (answer === 'WRONG_EPOCH') return this.#wrongEpoch(step);
    }
    return this.#write({
      from: step,
      finish: { outcome: 'seats taken back', next: 'REFUND' },
      runAtMs: this.#platform.clock.nowMs(),
      effect: { kind: 'begin' },
    });
  }

  /** The money is on its way back: the ledger gives the seats up, then Redis does. In this order nobody is sold a seat the ledger still keeps. */
  #payOut(
    step: LeasedStep,
    given: { readonly state: RefundState; readonly id: string | null; readonly failure: string | null },
  ): Promise<void> {
    const { state, id, failure } = given;
    if (state === 'FAILED') this.#alarm(step, `a refund has failed, its money is owed still: ${failure}`);
    return this.#write({
      from: step,
      finish: { outcome: `${id ?? 'without the provider'} ${state}`, next: 'RELEASE' },
      runAtMs: this.#platform.clock.nowMs(),
      ...(step.state === 'REFUNDING' && step.payment !== 'CANCELED' && { order: { payment: 'REFUNDED' as const } }),
      effect: { kind: 'payOut', state, providerId: id, failure },
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
          if (now.kind === 'ok' && now.value.status === 'canceled') return this.#void(step, answer.reason);
          if (now.kind !== 'ok' || now.value.status !== 'requires_capture') return this.#again(step, answer);
          return this.#finish(step, answer.reason, 'CAPTURE', {}, this.#backoffMs(step.attempt));
        }
      } else if (answer.kind !== 'ok') return this.#again(step, answer);
      else if (answer.value.status !== 'succeeded')
        return this.#finish(step, answer.value.status, 'CAPTURE', {}, this.#backoffMs(step.attempt));
    }
    await this.#write({
      from: step,
      finish: { outcome: 'captured', next: null },
      runAtMs: this.#platform.clock.nowMs(),
      order: { state: 'COMPLETED', payment: 'CAPTURED', wipeSecret: true },
      effect: { kind: 'validate' },
    });
  }

  /** The authorisation is gone, by its time, by the bank or in the dashboard: tickets that can never be paid for are void, their seats go back. */
  #void(step: LeasedStep, reason: string): Promise<void> {
    return this.#write({
      from: step,
      finish: { outcome: reason, next: 'RETURN' },
      runAtMs: this.#platform.clock.nowMs(),
      order: { state: 'REFUNDING', payment: 'CANCELED', endReason: 'CANCELED', wipeSecret: true },
      effect: { kind: 'void' },
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
    const { id, reason, amountMinor, state, providerId } = step.refund!;
    // Made at the provider, or taken by the bank: it is there already.
    if (providerId !== null || reason === 'DISPUTE')
      return this.#payOut(step, { state, id: providerId, failure: null });
    if (amountMinor === 0 || step.method !== 'ONLINE')
      return this.#payOut(step, { state: 'SUCCEEDED', id: null, failure: null });
    if (this.#tooOld(step)) return this.#findRefund(step, 'too old to be repeated');
    const answer = await this.#platform.gateway.createRefund({
      intentId: step.intentId!,
      refundId: id,
      amountMinor,
      idempotencyKey: idempotencyKey(step),
    });
    if (answer.kind === 'ok') return this.#payOut(step, answer.value);
    if (answer.kind === 'unknown') return this.#again(step, answer);
    return this.#findRefund(step, answer.reason);
  }

  /** The answer under this attempt's key says nothing of the refund, or that it cannot be: look for it before another attempt goes out. */
  async #findRefund(step: LeasedStep, reason: string): Promise<void> {
    const found = await this.#platform.gateway.listRefunds(step.intentId!);
    if (found.kind !== 'ok') return this.#again(step, found);
    const { id, amountMinor } = step.refund!;
    const made = found.value.find(({ refundId, state }) => refundId === id && state !== 'FAILED');
    if (made !== undefined) return this.#payOut(step, made);
    // Somebody has paid it, or some of it, back at the provider, and its event has not come yet.
    const known = await this.#ledger.knownRefunds(found.value.map((refund) => refund.id));
    const others = found.value.filter(
      (refund) => refund.refundId === null && refund.state !== 'FAILED' && !known.has(refund.id),
    );
    const same = others.find((refund) => refund.amountMinor === amountMinor);
    if (same !== undefined) return this.#payOut(step, same);
    if (await takeOver(this.#platform, step.orderId, step.refund!, others))
      return this.#finish(step, 'paid back in part at the provider', 'REFUND');
    this.#alarm(step, `money to be given back, refund refused: ${reason}`);
    return this.#finish(step, reason, 'REFUND', {}, this.#backoffMs(step.attempt));
  }

  async #release(step: LeasedStep): Promise<void> {
    const order = await this.#seats(step);
    const { refund } = step;
    if (refund === null && step.state === 'COMPLETED')
      return this.#write({
        from: step,
        finish: { outcome: 'nothing to release', next: null },
        runAtMs: this.#platform.clock.nowMs(),
      });
    const back = refund !== null && refund.seats.length > 0 ? { ...order, holdId: refund.id } : order;
    // A refund without places, of an order that keeps its tickets, has none to give back.
    const has = refund === null || refund.reason === 'LOST' || refund.seats.length > 0;
    if (has && (await freeSeats(this.#platform.redis, back)) === 'WRONG_EPOCH') return this.#wrongEpoch(step);
    const written = await this.#submit({
      from: step,
      finish: { outcome: 'released', next: null },
      runAtMs: this.#platform.clock.nowMs(),
      order: this.#endingOf(step),
      effect: { kind: 'release', generation: order.ref.generation },
    });
    // A rebuild has meanwhile taken the seats from the ledger, where they were still this order's: give those back.
    if (!written.done.has(step)) throw new Later();
  }

  #endingOf(step: LeasedStep): NonNullable<StepOutcome['order']> {
    if (step.payment === 'REFUNDED') return { state: 'REFUNDED', wipeSecret: true };
    return step.refund === null || step.payment === 'CANCELED'
      ? { state: endStateOf(endOf(step, this.#platform.clock.nowMs())), wipeSecret: true }
      : {};
  }

  async #seats(step: LeasedStep): Promise<OrderSeats> {
    const event = await this.#events.published(step.eventId);
    if (event === null) throw new Error(`order ${step.orderId} belongs to an event without inventory`);
    return { ref: event.ref, holdId: step.holdId, orderId: step.orderId };
  }

  async #wrongEpoch(step: LeasedStep): Promise<never> {
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
    await this.#submit(outcome);
  }

  async #submit(outcome: StepOutcome): Promise<Written> {
    const written = await this.#writer.submit(outcome);
    if (written.unbalanced.has(outcome.from)) throw new Unbalanced();
    if (written.failed.has(outcome.from)) throw written.failed.get(outcome.from);
    return written;
  }

  /** Takes the same attempt again later. */
  async #again(step: LeasedStep, answer?: Exclude<ProviderAnswer<unknown>, { kind: 'ok' }>): Promise<void> {
    if (answer !== undefined) {
      this.#platform.log.warn(
        { orderId: step.orderId, step: step.step, tries: step.tries, reason: answer.reason },
        'provider did not settle a step',
      );
    }
    const delayMs = answer?.kind === 'unknown' ? this.#outageMs(answer) : null;
    if (delayMs !== null) return this.#delay(step, delayMs);
    const asked = answer?.kind === 'unknown' ? (answer.retryAfterMs ?? 0) : 0;
    const waitMs = Math.max(this.#backoffMs(step.tries), asked);
    await this.#write({ from: step, finish: null, runAtMs: this.#platform.clock.nowMs() + waitMs });
  }

  /** When to come back, where the provider is known not to answer; null: it may. */
  #outageMs({ trouble, retryAfterMs = 0 }: UnknownAnswer): number | null {
    if (trouble === 'delayed') return retryAfterMs;
    // This very call has asked whether it does.
    return trouble === 'outage' ? (this.#platform.gateway.calls.outage()?.askedAgainInMs ?? null) : null;
  }

  /**
   * The provider does not answer. Who cannot pay for that reason loses no time by it: the deadline moves along, in Redis
   * first, up to checkoutMaxMs. An order without a payment form needs no word of the provider to end: what nobody has the secret of, nobody
   * can pay.
   */
  async #delay(step: LeasedStep, delayMs: number): Promise<void> {
    const { clock } = this.#platform;
    const nowMs = clock.nowMs();
    const runAtMs = nowMs + Math.round(delayMs + limits.stepRetryMs * fractionOf(clock));
    const isUnpaid = (step.step === 'CREATE' || step.step === 'SETTLE') && step.endReason === null;
    const lastMs = step.createdAt.getTime() + limits.checkoutMaxMs;
    if (step.step === 'CREATE' && (step.endReason !== null || nowMs >= Math.max(lastMs, step.payBy.getTime())))
      return this.#finish(step, 'no payment form', 'RELEASE', { state: 'CANCELING', endReason: endOf(step, nowMs) });
    if (!isUnpaid) return this.#write({ from: step, finish: null, runAtMs });
    // Before the payment form there is the whole time to pay; at its end, until somebody can be asked and a while more.
    const neededMs = step.step === 'CREATE' ? nowMs + limits.checkoutTtlMs : runAtMs + limits.settleGraceMs;
    const payByMs = Math.min(lastMs, neededMs);
    const moves = payByMs > step.payBy.getTime() && (await this.#keepSeats(step, payByMs));
    await this.#write({
      from: step,
      finish: null,
      runAtMs,
      order: {
        ...(step.state !== 'PAYMENT_DELAYED' && { state: 'PAYMENT_DELAYED' }),
        ...(moves && { payByMs }),
      },
    });
  }

  /** Answers false where the seats are this order's no more. */
  async #keepSeats(step: LeasedStep, payByMs: number): Promise<boolean> {
    const order = await this.#seats(step);
    const freeAtMs = payByMs + limits.settleGraceMs;
    const kept = await confirmCheckout(this.#platform.redis, { payByMs, freeAtMs, ...order });
    if (kept === 'WRONG_EPOCH') return this.#wrongEpoch(step);
    return kept === 'OK';
  }

  /** Doubling, bounded, and never quite the same for two. */
  #backoffMs(count: number, maxMs: number = limits.stepRetryMaxMs): number {
    const backoffMs = Math.min(limits.stepRetryMs * 2 ** Math.min(count - 1, 20), maxMs);
    return Math.round(backoffMs * (0.75 + fractionOf(this.#platform.clock) / 2));
  }

  #tooOld(step: LeasedStep): boolean {
    return this.#platform.clock.nowMs() - step.firstCallAt.getTime() > limits.idempotencyReplayMs;
  }

  #alarm(step: LeasedStep, message: string): void {
    this.#platform.log.error({ alarm: true, orderId: step.orderId, eventId: step.eventId, step: step.step }, message);
  }
}

/** Nobody pays at the provider. */
const asksNothing = ({ totalMinor, method }: LeasedStep) => totalMinor === 0 || method !== 'ONLINE';

/** One key an attempt: the same attempt is the same call, however often it goes out. */
function idempotencyKey(step: LeasedStep): string {
  return `${step.orderId}:${step.step}:${step.attempt}`;
}

/** Minor units by category, of all seats or of some. */
function revenueOf(step: LeasedStep, seats?: ReadonlySet<number>): Map<number, number> {
  const revenue = new Map<number, number>();
  for (const { seat, category, minor } of step.lines)
    if (seats?.has(seat) !== false) revenue.set(category, (revenue.get(category) ?? 0) + minor);
  return revenue;
}

function endOf(step: LeasedStep, nowMs: number): EndReason {
  return step.endReason ?? (nowMs >= step.payBy.getTime() ? 'EXPIRED' : 'CANCELED');
}
