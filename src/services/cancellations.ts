import { MoreThan } from 'typeorm';
import { inTransaction } from '../database/transaction.js';
import { isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { derivedId, isUuid } from '../domain/ids.js';
import { EventCancellation } from '../entities/money.js';
import { limits } from '../limits.js';
import { Watch } from '../pubsub/watch.js';
import type { Events } from './events.js';
import type { OrderLedger } from './order-ledger.js';
import type { Platform, Viewer } from './platform.js';
import { grant, lockOrder } from './refunds.js';

/** How far it has come. Orders are counted once each. */
export interface CancellationView {
  readonly eventId: string;
  readonly state: EventCancellation['state'];
  readonly startedAt: Date;
  readonly endedAt: Date | null;
  /** Orders that have been paid back, that are being, that still have to be, and whose refund came back. */
  readonly refunded: number;
  readonly refunding: number;
  readonly waiting: number;
  readonly failed: number;
}

const progressSql = `
  SELECT c.event_id AS "eventId", c.state, c.started_at AS "startedAt", c.ended_at AS "endedAt", o.refunded, o.refunding, o.waiting, o.failed
  FROM event_cancellation c CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE o.state = 'REFUNDED' AND NOT f.failed AND NOT f.open) AS refunded,
           count(*) FILTER (WHERE o.state = 'REFUNDING' OR o.state = 'REFUNDED' AND f.open) AS refunding,
           count(*) FILTER (WHERE o.state NOT IN ('REFUNDED', 'REFUNDING', 'CANCELED', 'EXPIRED', 'LOST')) AS waiting,
           count(*) FILTER (WHERE o.state = 'REFUNDED' AND f.failed AND NOT f.open) AS failed
    FROM orders o CROSS JOIN LATERAL (
      SELECT COALESCE(bool_or(r.state = 'PENDING' OR NOT r.done), false) AS open,
             COALESCE(bool_or(r.state = 'FAILED'), false) AND NOT COALESCE(bool_or(r.reason = 'AGAIN' AND r.state = 'SUCCEEDED'), false) AS failed
      FROM refund r WHERE r.order_id = o.id) f
    WHERE o.event_id = c.event_id) o
  WHERE c.event_id = $1`;

interface Watched {
  readonly watches: Set<Watch<CancellationView>>;
  latest: CancellationView;
  timer: NodeJS.Timeout;
}

/** Events that do not take place: every order is paid back, in the background, in an order and at a pace that anybody may stop and resume. */
export class Cancellations {
  readonly #platform: Platform;
  readonly #events: Events;
  readonly #ledger: OrderLedger;
  readonly #watched = new Map<string, Watched>();

  constructor(platform: Platform, events: Events, ledger: OrderLedger) {
    this.#platform = platform;
    this.#events = events;
    this.#ledger = ledger;
  }

  /** Ends the sale and begins, or goes on, to pay everybody back. Asking again changes nothing. */
  async start(viewer: Viewer, eventId: string): Promise<CancellationView | Refusal> {
    const ended = await this.#events.end(viewer, eventId, 'CANCELED');
    if (isRefusal(ended)) return ended;
    await this.#platform.database.query(
      `INSERT INTO event_cancellation (event_id, state, started_at) VALUES ($1, 'RUNNING', $2)
       ON CONFLICT (event_id) DO UPDATE SET state = 'RUNNING' WHERE event_cancellation.state = 'STOPPED'`,
      [eventId, new Date(this.#platform.clock.nowMs())],
    );
    return (await this.read(eventId))!;
  }

  /** No further order is begun; what is on its way goes on. */
  async halt(viewer: Viewer, eventId: string): Promise<CancellationView | Refusal> {
    const event = await this.#events.own(viewer, eventId);
    if (isRefusal(event)) return event;
    const stopped = `UPDATE event_cancellation SET state = 'STOPPED' WHERE event_id = $1 AND state = 'RUNNING'`;
    await this.#platform.database.query(stopped, [eventId]);
    const message = 'This event has not been canceled.';
    return (await this.read(eventId)) ?? refuse('NOT_FOUND', { path: ['input', 'eventId'], message });
  }

  /** Null: the event has not been canceled. */
  async read(eventId: string): Promise<CancellationView | null> {
    if (!isUuid(eventId)) return null;
    const rows: CancellationView[] = await this.#platform.database.query(progressSql, [eventId]);
    return rows[0] ?? null;
  }

  /** The progress, at once and after every change, until it is done. */
  watch(present: CancellationView): Watch<CancellationView> {
    const { eventId } = present;
    const watched = this.#watched.get(eventId) ?? this.#begin(present);
    let told: CancellationView | null = null;
    const watch: Watch<CancellationView> = new Watch(
      () => {
        if (told === watched.latest) return null;
        told = watched.latest;
        return told;
      },
      () => {
        watched.watches.delete(watch);
        if (watched.watches.size > 0) return;
        clearInterval(watched.timer);
        this.#watched.delete(eventId);
      },
    );
    watched.watches.add(watch);
    return watch;
  }

  stop(): void {
    for (const { watches } of [...this.#watched.values()]) for (const watch of [...watches]) watch.finish();
  }

  /** Begins refunds of every event that is being canceled, as many as may be under way at a time. */
  async round(): Promise<boolean> {
    // A checkout that began just before the end may come after it.
    const lately = new Date(this.#platform.clock.nowMs() - limits.cancellationWatchMs);
    const running = await this.#platform.database
      .getRepository(EventCancellation)
      .find({ where: [{ state: 'RUNNING' }, { state: 'DONE', endedAt: MoreThan(lately) }] });
    let more = false;
    for (const { eventId } of running) more = (await this.#advance(eventId)) || more;
    return more;
  }

  async #advance(eventId: string): Promise<boolean> {
    const { database, clock } = this.#platform;
    const rows: { id: string; state: string; unfinished: number }[] = await database.query(
      `SELECT id, state, (SELECT count(*) FROM refund r JOIN orders p ON p.id = r.order_id WHERE p.event_id = $1 AND NOT r.done) AS unfinished
       FROM orders WHERE event_id = $1 AND (state = 'COMPLETED' OR state IN ('PAYMENT_PREPARING', 'AWAITING_PAYMENT', 'PAYMENT_DELAYED') AND end_reason IS NULL)
       ORDER BY state = 'COMPLETED', created_at LIMIT $2`,
      [eventId, limits.cancellationBatch],
    );
    if (rows.length === 0) return this.#finish(eventId);
    const nowMs = clock.nowMs();
    const unpaid = rows.filter(({ state }) => state !== 'COMPLETED').map(({ id }) => id);
    await this.#ledger.callOff(unpaid);
    const room = Math.max(0, limits.cancellationUnfinished - rows[0]!.unfinished);
    const begun: string[] = [];
    for (const { id } of rows.filter(({ state }) => state === 'COMPLETED').slice(0, room)) {
      const refunds = await inTransaction(database, async (manager) => {
        const order = await lockOrder(manager, id);
        if (order?.state !== 'COMPLETED') return false;
        const seats = order.lines.map(({ seat }) => seat);
        return grant(manager, order, { id: derivedId('refund', 'EVENT', id), reason: 'EVENT', seats }, nowMs);
      });
      if (refunds) begun.push(id);
    }
    await this.#ledger.announce(begun);
    this.#ledger.wakeWorkers(['RETURN']);
    return begun.length === limits.cancellationBatch;
  }

  /** Done when no order of the event has anything left to happen to it. */
  async #finish(eventId: string): Promise<false> {
    await this.#platform.database.query(
      `UPDATE event_cancellation SET state = 'DONE', ended_at = $2 WHERE event_id = $1 AND state = 'RUNNING' AND NOT EXISTS (
         SELECT FROM order_step s JOIN orders o ON o.id = s.order_id WHERE o.event_id = $1 AND s.finished_at IS NULL)`,
      [eventId, new Date(this.#platform.clock.nowMs())],
    );
    return false;
  }

  #begin(present: CancellationView): Watched {
    const { eventId } = present;
    let reading = false;
    const refresh = async () => {
      if (reading) return;
      reading = true;
      try {
        const now = await this.read(eventId);
        if (now === null) return;
        if (JSON.stringify(now) !== JSON.stringify(watched.latest)) {
          watched.latest = now;
          for (const watch of [...watched.watches]) watch.wake();
        }
        if (now.state === 'DONE' && now.refunding === 0) for (const watch of [...watched.watches]) watch.finish();
      } catch (error) {
        this.#platform.log.warn({ err: error, eventId }, 'the progress of a cancellation could not be read');
      } finally {
        reading = false;
      }
    };
    const timer = setInterval(() => void refresh(), limits.cancellationEveryMs);
    const watched: Watched = { watches: new Set(), latest: present, timer };
    this.#watched.set(eventId, watched);
    return watched;
  }
}
