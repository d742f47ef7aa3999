import type { EntityManager } from 'typeorm';
import { inTransaction } from '../database/transaction.js';
import { isUuid } from '../domain/ids.js';
import { cancelableStates, hintRanks, type IntentStatus } from '../domain/order-states.js';
import { limits } from '../limits.js';
import type { ProviderEvent } from '../payments/gateway.js';
import { Batcher } from './batcher.js';
import { lockOrders, type OrderLedger } from './order-ledger.js';
import type { Platform } from './platform.js';

/** Statuses that let an order go on; the others tell nothing that its own clock would not. */
const decisive: ReadonlySet<IntentStatus> = new Set(['requires_capture', 'succeeded', 'canceled']);

/**
 * Stores each event once and turns it into a hint in the same statement. After too many declines the order is to end: its next step asks what
 * the intent is by then, so a payment that has meanwhile succeeded still wins. An event counts only for the intent the order has; before the
 * intent is stored it is merely a reason to ask. A decline is written down for the buyer to see while the order is unpaid; it changes no
 * state. What it says of refunds and disputes is left to a job. `DISTINCT` because one batch may carry several copies of one event.
 */
const storeSql = `
  WITH input AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb)
    AS x(id text, type text, order_id uuid, intent_id text, rank int, decisive boolean, decline text, payload jsonb)),
  stored AS (
    INSERT INTO webhook_event (id, type, order_id, payload, due_at, received_at)
    SELECT DISTINCT ON (id) id, type, order_id, payload, CASE WHEN payload IS NOT NULL THEN $2::timestamptz END, $2 FROM input
    ON CONFLICT (id) DO NOTHING RETURNING id, order_id),
  news AS (
    SELECT o.id AS order_id, o.state, o.declines AS before, max(i.rank) FILTER (WHERE o.intent_id IS NOT NULL) AS rank, bool_or(i.decisive) AS decisive,
           count(DISTINCT i.id) FILTER (WHERE i.decline IS NOT NULL AND o.payment IN ('NONE', 'CREATED')) AS declines,
           max(i.decline) FILTER (WHERE o.payment IN ('NONE', 'CREATED')) AS decline
    FROM stored s JOIN input i ON i.id = s.id JOIN orders o ON o.id = i.order_id AND COALESCE(o.intent_id, i.intent_id) = i.intent_id
    WHERE i.decisive OR i.decline IS NOT NULL GROUP BY o.id),
  judged AS (
    SELECT *, declines > 0 AND before + declines >= ${limits.declinesPerOrder} AND state = ANY($4) AS spent FROM news),
  told AS (
    UPDATE orders o SET
      hint = CASE WHEN n.rank > COALESCE(array_position($3::text[], o.hint), 0) THEN ($3::text[])[n.rank] ELSE o.hint END,
      nudges = o.nudges + (n.decisive OR n.spent)::int, declines = o.declines + n.declines, last_decline = COALESCE(n.decline, o.last_decline),
      state = CASE WHEN n.spent THEN 'CANCELING' ELSE o.state END,
      end_reason = CASE WHEN n.spent THEN COALESCE(o.end_reason, 'DECLINED') ELSE o.end_reason END,
      version = o.version + (n.declines > 0)::int
    FROM judged n WHERE o.id = n.order_id RETURNING o.id, n.decisive OR n.spent AS decisive, n.declines),
  woken AS (
    UPDATE order_step s SET run_at = LEAST(s.run_at, $2) FROM told t
    WHERE s.order_id = t.id AND t.decisive AND s.finished_at IS NULL AND s.step = 'SETTLE')
  SELECT id, decisive, declines FROM told`;

export class Webhooks {
  readonly #platform: Platform;
  readonly #ledger: OrderLedger;
  readonly #store: Batcher<ProviderEvent, void>;
  #onJob: () => void = () => {};

  constructor(platform: Platform, ledger: OrderLedger) {
    this.#platform = platform;
    this.#ledger = ledger;
    this.#store = new Batcher(limits.stepBatch, (events) => this.#write(events));
  }

  /** Calls back when something has come that a job takes care of. */
  onJob(listener: () => void): void {
    this.#onJob = listener;
  }

  /** Answers false when the provider did not sign this. Resolves once the event is stored for good. */
  async receive(body: Buffer, signature: string): Promise<boolean> {
    const event = this.#platform.gateway.readWebhook(body, signature);
    if (event === null) return false;
    await this.#store.submit(event);
    return true;
  }

  /** Events of the provider's list: those that have never come are taken as if they had come now. Answers which. */
  async takeMissing(events: readonly ProviderEvent[]): Promise<ProviderEvent[]> {
    const rows: { id: string }[] = await this.#platform.database.query(
      'SELECT id FROM webhook_event WHERE id = ANY($1)',
      [events.map(({ id }) => id)],
    );
    const known = new Set(rows.map(({ id }) => id));
    const missing = events.filter(({ id }) => !known.has(id));
    await Promise.all(missing.map((event) => this.#store.submit(event)));
    return missing;
  }

  async #write(events: readonly ProviderEvent[]): Promise<void> {
    // Whatever happens in another's account is none of our business, but stored like everything else.
    const judged = events.map(({ own, intent, changed, ...event }) => ({
      intent: own ? intent : null,
      changed: own ? changed : null,
      ...event,
    }));
    const rows = judged.map(({ id, type, intent, changed }) => ({
      id,
      type,
      order_id: intent?.orderId && isUuid(intent.orderId) ? intent.orderId : null,
      intent_id: intent?.id ?? null,
      rank: intent === null ? 0 : hintRanks.indexOf(intent.status) + 1,
      decisive: intent !== null && decisive.has(intent.status),
      decline: type === 'payment_intent.payment_failed' ? (intent?.lastDecline ?? 'declined') : null,
      payload: changed,
    }));
    const now = new Date(this.#platform.clock.nowMs());
    const store = (manager: EntityManager) =>
      manager.query<{ id: string; decisive: boolean; declines: string }[]>(storeSql, [
        JSON.stringify(rows),
        now,
        hintRanks,
        cancelableStates,
      ]);
    const telling = rows.filter((row) => row.decisive || row.decline !== null);
    const orderIds = [...new Set(telling.flatMap(({ order_id }) => order_id ?? []))];
    const told =
      orderIds.length === 0
        ? await store(this.#platform.database.manager)
        : await inTransaction(this.#platform.database, async (manager) => {
            await lockOrders(manager, orderIds);
            return store(manager);
          });
    const declined = told.filter(({ declines }) => Number(declines) > 0).map(({ id }) => id);
    if (declined.length > 0) await this.#ledger.announce(declined);
    if (told.some((order) => order.decisive)) this.#ledger.wakeWorkers(['SETTLE']);
    if (judged.some(({ changed }) => changed !== null)) this.#onJob();
  }
}
