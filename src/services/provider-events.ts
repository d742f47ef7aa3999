import type { EntityManager } from 'typeorm';
import { inTransaction } from '../database/transaction.js';
import { derivedId, isUuid } from '../domain/ids.js';
import type { RefundState } from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { ProviderAnswer, ProviderRefund } from '../payments/gateway.js';
import type { OrderLedger } from './order-ledger.js';
import type { Platform } from './platform.js';
import { grant, type LockedOrder, lockOrder, type NewRefund } from './refunds.js';

interface WaitingEvent {
  readonly id: string;
  readonly tries: number;
  readonly payload: { readonly kind: 'refund' | 'dispute'; readonly id: string };
}

/** Leases events; one that is not finished comes again after its time. */
const leaseSql = `
  WITH due AS (
    SELECT id FROM webhook_event WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
  UPDATE webhook_event e SET tries = e.tries + 1, due_at = $1::timestamptz + make_interval(secs => LEAST($3, 1000 * 2 ^ LEAST(e.tries, 10)) / 1000.0)
  FROM due WHERE e.id = due.id RETURNING e.id, e.tries, e.payload`;

/** A refund that is known, as the provider now has it. The money of a failed one is owed again. */
const followSql = `
  WITH told AS (
    UPDATE refund SET state = $2, failure = $3, settled_at = $4 WHERE id = $1 AND provider_id = $5 AND state <> $2 AND state <> 'FAILED'
      AND NOT (state = 'SUCCEEDED' AND $2 = 'PENDING') RETURNING *),
  counted AS (
    UPDATE orders o SET version = o.version + 1, refunded_minor = o.refunded_minor - CASE WHEN t.state = 'FAILED' THEN t.amount_minor ELSE 0 END
    FROM told t WHERE o.id = t.order_id RETURNING o.*),
  reversed AS (
    INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, clearing, posted_at)
    SELECT c.id, 'PAYOUT_FAILED', t.id, c.event_id, c.currency, -t.amount_minor, t.amount_minor, $4
    FROM told t JOIN counted c ON c.id = t.order_id WHERE t.state = 'FAILED' AND t.amount_minor > 0)
  SELECT state FROM told`;

/** The bank takes the money, or gives it back: the buyer owes it again, or no longer. */
const disputeSql = `
  WITH told AS (UPDATE orders SET dispute = $2, version = version + 1 WHERE id = $1 AND dispute IS DISTINCT FROM $2 RETURNING id),
  withdrawn AS (
    INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, clearing, posted_at)
    SELECT id, 'DISPUTE', $3, event_id, currency, $4::int, -$4::int, $5 FROM orders WHERE id = $1 AND $6 ON CONFLICT DO NOTHING),
  given AS (
    INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, clearing, posted_at)
    SELECT id, 'DISPUTE_WON', $3, event_id, currency, -$4::int, $4::int, $5 FROM orders WHERE id = $1 AND $6 AND $2 = 'WON' ON CONFLICT DO NOTHING)
  SELECT id FROM told`;

/** A refund of ours that waits for the provider, which refuses it while the bank has the money: the bank has given it back. Found again later. */
const takenByBankSql = `
  UPDATE refund SET provider_id = $2, state = 'SUCCEEDED', reason = 'DISPUTE'
  WHERE id = (SELECT id FROM refund WHERE order_id = $1 AND (state = 'REQUESTED' AND amount_minor BETWEEN 1 AND $3 OR provider_id = $2)
              ORDER BY provider_id = $2 DESC NULLS LAST, begun DESC, created_at LIMIT 1)
  RETURNING amount_minor AS "amountMinor"`;

/** A part of a refund of ours that waits for the provider: the bank has given that part back. */
const partTakenByBankSql = `
  WITH shrunk AS (
    UPDATE refund SET amount_minor = amount_minor - $3
    WHERE id = (SELECT id FROM refund WHERE order_id = $1 AND state = 'REQUESTED' AND amount_minor > $3 ORDER BY begun DESC, created_at LIMIT 1)
    RETURNING order_id)
  INSERT INTO refund (id, order_id, reason, amount_minor, seats, state, begun, done, provider_id, created_at, settled_at)
  SELECT $4, order_id, 'DISPUTE', $3, '{}', 'SUCCEEDED', true, true, $2, $5, $5 FROM shrunk RETURNING id`;

/** An order in a state in which its money may be taken over as it is at the provider. */
const isSettled = ({ state }: LockedOrder) => state === 'COMPLETED' || state === 'REFUNDED';

/**
 * Takes over what happens to money at the provider without the platform: refunds and disputes. An event only says where to look: what is
 * written down is what the provider answers when asked, so that neither order nor number of the events matters.
 */
export class ProviderEvents {
  readonly #platform: Platform;
  readonly #ledger: OrderLedger;

  constructor(platform: Platform, ledger: OrderLedger) {
    this.#platform = platform;
    this.#ledger = ledger;
  }

  /** Takes what is due, bounded; answers whether there may be more. */
  async round(): Promise<boolean> {
    const { database, clock } = this.#platform;
    const [events]: [WaitingEvent[]] = await database.query(leaseSql, [
      new Date(clock.nowMs()),
      limits.providerEvents,
      limits.providerEventMs,
    ]);
    await Promise.all(events.map((event) => this.#take(event)));
    return events.length === limits.providerEvents;
  }

  async #take(event: WaitingEvent): Promise<void> {
    const { log, database } = this.#platform;
    const { kind, id } = event.payload;
    try {
      if (await (kind === 'refund' ? this.#refund(id) : this.#dispute(id))) {
        await database.query('UPDATE webhook_event SET due_at = NULL WHERE id = $1', [event.id]);
        return;
      }
      if (event.tries === limits.providerEventTries)
        log.error(
          { alarm: true, eventId: event.id, kind, id },
          'something at the provider cannot be taken over yet; it is tried again',
        );
    } catch (error) {
      log.error(
        { err: error, eventId: event.id, kind, id },
        'an event of the provider could not be taken over, will be repeated',
      );
    }
  }

  /** Answers whether there is nothing left to do. */
  async #refund(id: string): Promise<boolean> {
    const answer = await this.#platform.gateway.retrieveRefund(id);
    if (answer.kind !== 'ok') return isUnknownThere(answer);
    const refund = answer.value;
    const orderId = await this.#orderOf(refund);
    if (typeof orderId !== 'string') return orderId;
    return this.#write(orderId, async (manager, order) => {
      const known: { id: string; state: RefundState; done: boolean }[] = await manager.query(
        'SELECT id, state, done FROM refund WHERE order_id = $1 AND (provider_id = $2 OR id = $3)',
        [order.id, refund.id, isUuid(refund.refundId ?? '') ? refund.refundId : null],
      );
      if (known.length > 0) return this.#follow(manager, order, known[0]!, refund);
      // Refunds of our own that are under way may be this one.
      return isSettled(order) && this.#adopt(manager, order, refund);
    });
  }

  async #follow(
    manager: EntityManager,
    order: LockedOrder,
    known: { readonly id: string; readonly state: RefundState; readonly done: boolean },
    refund: ProviderRefund,
  ): Promise<boolean> {
    // The steps of its order are not through with it yet.
    if (known.state === 'REQUESTED' || !known.done) return false;
    const settledAt = refund.state === 'PENDING' ? null : new Date(this.#platform.clock.nowMs());
    const told: unknown[] = await manager.query(followSql, [
      known.id,
      refund.state,
      refund.failure,
      settledAt,
      refund.id,
    ]);
    if (told.length > 0 && refund.state === 'FAILED') {
      const about = { alarm: true, orderId: order.id, refundId: known.id, reason: refund.failure };
      this.#platform.log.error(about, 'a refund has failed, its money is owed still');
    }
    return true;
  }

  /**
   * Made at the provider by somebody else. Where all of the money went back the tickets go with it; part of it leaves them as they are. One that
   * has failed before anybody heard of it is owed, as it would be if it had been heard of in time.
   */
  async #adopt(manager: EntityManager, order: LockedOrder, refund: ProviderRefund): Promise<boolean> {
    const left = order.capturedMinor - order.refundedMinor;
    const { log, clock } = this.#platform;
    const known: { id: string; state: RefundState; amountMinor: number }[] = await manager.query(
      'SELECT id, state, amount_minor AS "amountMinor" FROM refund WHERE order_id = $1 ORDER BY created_at',
      [order.id],
    );
    if (refund.amountMinor > left) {
      if (refund.state === 'FAILED') return true;
      // The provider will refuse that one for this one, which is then taken off it.
      if (known.some(({ state, amountMinor }) => state === 'REQUESTED' && amountMinor > 0)) return false;
      const about = { alarm: true, orderId: order.id, providerId: refund.id, amountMinor: refund.amountMinor, left };
      log.error(about, 'the provider has paid back more than the ledger knows of');
      return true;
    }
    // What came back has been paid out again there, as `retryRefund` would have done it here.
    const again = known
      .filter(({ state, amountMinor }) => state === 'FAILED' && amountMinor === refund.amountMinor)
      .map(({ id }) => derivedId('refund again', id))
      .find((id) => !known.some((other) => other.id === id));
    const made = { amountMinor: refund.amountMinor, providerId: refund.id, state: refund.state };
    const seats = refund.amountMinor === left ? order.lines.map(({ seat }) => seat) : [];
    const taken: NewRefund =
      again === undefined
        ? { id: derivedId('refund', refund.id), reason: 'PROVIDER', seats, ...made }
        : { id: again, reason: 'AGAIN', seats: [], ...made };
    await grant(manager, order, taken, clock.nowMs());
    log.warn(
      { orderId: order.id, providerId: refund.id, seats: seats.length },
      'a refund made at the provider has been taken over',
    );
    return true;
  }

  async #dispute(id: string): Promise<boolean> {
    const answer = await this.#platform.gateway.retrieveDispute(id);
    if (answer.kind !== 'ok') return isUnknownThere(answer);
    const dispute = answer.value;
    const orderId = await this.#orderOf(dispute);
    if (typeof orderId !== 'string') return orderId;
    return this.#write(orderId, async (manager, order) => {
      const nowMs = this.#platform.clock.nowMs();
      const { state, amountMinor, withdrawn } = dispute;
      const told: unknown[] = await manager.query(disputeSql, [
        order.id,
        state,
        id,
        amountMinor,
        new Date(nowMs),
        withdrawn,
      ]);
      if (told.length > 0 && state !== 'WON')
        this.#platform.log.error({ alarm: true, orderId, disputeId: id, state }, 'a buyer disputes a payment');
      if (state !== 'LOST') return true;
      const [taken]: [{ amountMinor: number }[], number] = await manager.query(takenByBankSql, [
        order.id,
        id,
        amountMinor,
      ]);
      const rest = amountMinor - (taken[0]?.amountMinor ?? 0);
      if (rest === 0) return true;
      if (order.capturedMinor - order.refundedMinor < rest) {
        const about = [order.id, id, rest, derivedId('dispute', id), new Date(nowMs)];
        const parts: unknown[] = await manager.query(partTakenByBankSql, about);
        if (parts.length > 0) return true;
      }
      if (!isSettled(order)) return false;
      // One name at the provider stands for one refund here.
      const providerId = taken.length > 0 ? {} : { providerId: id };
      await grant(manager, order, { ...lostTo(dispute.id, rest, order), ...providerId }, nowMs);
      return true;
    });
  }

  /** The order an object of the provider is about; otherwise whether that is known for good: it is of no order. */
  async #orderOf({ intentId }: { readonly intentId: string | null }): Promise<string | boolean> {
    if (intentId === null) return true;
    const intent = await this.#platform.gateway.retrieveIntent(intentId);
    if (intent.kind !== 'ok') return isUnknownThere(intent);
    const { orderId } = intent.value;
    return orderId !== null && isUuid(orderId) ? orderId : true;
  }

  async #write(
    orderId: string,
    act: (manager: EntityManager, order: LockedOrder) => Promise<boolean>,
  ): Promise<boolean> {
    const done = await inTransaction(this.#platform.database, async (manager) => {
      const order = await lockOrder(manager, orderId);
      return order === null || (await act(manager, order));
    });
    await this.#ledger.announce([orderId]);
    this.#ledger.wakeWorkers(['RETURN']);
    return done;
  }
}

/** The bank has decided for the buyer: as much goes back as it took, and the tickets if that is all. */
function lostTo(disputeId: string, takenMinor: number, order: LockedOrder): NewRefund {
  const leftMinor = order.capturedMinor - order.refundedMinor;
  const amountMinor = Math.min(takenMinor, leftMinor);
  return {
    id: derivedId('dispute', disputeId),
    reason: 'DISPUTE',
    seats: amountMinor === leftMinor ? order.lines.map(({ seat }) => seat) : [],
    amountMinor,
    state: 'SUCCEEDED',
  };
}

/** The provider has nothing of this name: it is of another account, and none of ours. */
const isUnknownThere = (answer: Exclude<ProviderAnswer<unknown>, { kind: 'ok' }>) =>
  answer.kind === 'refused' && answer.code === 'resource_missing';
