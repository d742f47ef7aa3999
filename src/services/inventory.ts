import type { EntityManager } from 'typeorm';
import { inTransaction, lockInventory, queryAtLarge } from '../database/transaction.js';
import { type Refusal, refuse } from '../domain/errors.js';
import { hoardBudgetMs } from '../domain/hoarding.js';
import type { Layout } from '../domain/layout.js';
import { accessibleStretches, seatRuns } from '../domain/seat-runs.js';
import { Event, EventChannel, Inventory } from '../entities/events.js';
import { limits } from '../limits.js';
import { identify } from '../redis/connections.js';
import {
  dropGeneration,
  freezeEvent,
  type InventoryImage,
  type LedgerHold,
  type LoadedPhase,
  loadInventory,
  readEpoch,
  redisNowMs,
} from '../redis/inventory.js';
import type { EventRef } from '../redis/keys.js';
import { allowNumbers } from '../redis/line.js';
import { epochOf } from '../redis/script.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import { lockOrders } from './order-ledger.js';
import type { Platform } from './platform.js';

/** Seats of an order, as the ledger says it; `owned` PENDING: no tickets yet, RETURNING: taken back by a refund. Lists are by seat. */
interface OwnerRow {
  readonly id: string;
  readonly holdId: string;
  readonly personId: string;
  readonly fence: number;
  readonly state: string;
  readonly prices: string;
  readonly payBy: Date;
  readonly issuedAt: Date | null;
  readonly owned: 'PENDING' | 'ISSUED' | 'RETURNING';
  readonly seats: readonly number[];
  readonly categories: readonly number[];
  readonly minors: readonly number[];
}

/**
 * Keeps Redis and the ledger on the same generation. What Redis says is trusted only while it is the server the
 * event was loaded on; otherwise the event is frozen and loaded again from the ledger, under the next generation.
 */
export class InventoryService {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #running = new Map<string, Promise<void>>();
  readonly #looking = new Map<string, Promise<PublishedEvent | null>>();

  constructor(platform: Platform, events: EventCatalogue) {
    this.#platform = platform;
    this.#events = events;
  }

  /** Compares every published event with the running Redis and rebuilds what differs. Scripts notice by themselves; this is so that nobody has to wait. */
  async verifyAll(): Promise<void> {
    const { redis, database, log } = this.#platform;
    const server = await identify(redis);
    const events: { id: string; generation: number }[] = await database.query(
      `SELECT e.id, i.generation FROM event e JOIN inventory i ON i.event_id = e.id WHERE e.state <> 'DRAFT'
       ORDER BY e.state DESC, e.sale_opens_at DESC LIMIT ${limits.openEvents}`,
    );
    for (const { id, generation } of events) {
      if ((await readEpoch(redis, id))?.epoch === epochOf(generation, server)) continue;
      await this.rebuild(id).catch((error) => log.error({ err: error, eventId: id }, 'rebuild failed'));
    }
  }

  /** What a script's WRONG_EPOCH means: somebody rebuilds, or we do, or it is over by now. */
  async wrongEpoch(eventId: string): Promise<void> {
    await this.#present(eventId);
  }

  /** Runs an action with the event's present generation, and once more if that generation had just ended. */
  async withEvent<T extends { readonly code: string }>(
    event: PublishedEvent,
    act: (ref: EventRef) => Promise<T>,
  ): Promise<T | Refusal<'REBUILDING'>> {
    const answer = await act(event.ref);
    if (answer.code !== 'WRONG_EPOCH') return answer;
    const present = await this.#present(event.ref.eventId);
    const again = present && (await act(present.ref));
    return again === null || again.code === 'WRONG_EPOCH'
      ? refuse('REBUILDING', { retryAfterMs: limits.rebuildRetryMs })
      : again;
  }

  /** Lets the line give more numbers: they are written down before they are given, so that none is given twice after Redis was lost. */
  async reserveNumbers(ref: EventRef): Promise<void> {
    const [row] = await this.#platform.database.query(
      `WITH reserved AS (UPDATE inventory SET line_numbers = line_numbers + $2 WHERE event_id = $1 RETURNING line_numbers)
       SELECT line_numbers AS to FROM reserved`,
      [ref.eventId, limits.lineNumbers],
    );
    await allowNumbers(this.#platform.redis, ref, row.to);
  }

  /** Loads an event into Redis from the ledger under generation + 1. Only one process does it at a time; the others wait and find it done. */
  rebuild(eventId: string): Promise<void> {
    const running = this.#running.get(eventId);
    if (running !== undefined) return running;
    const rebuilding = this.#rebuild(eventId).finally(() => this.#running.delete(eventId));
    this.#running.set(eventId, rebuilding);
    return rebuilding;
  }

  /** Loads an event again although Redis is the one it was loaded on. */
  async reload(eventId: string): Promise<void> {
    await freezeEvent(this.#platform.redis, eventId);
    await this.rebuild(eventId);
  }

  /** The event in the generation that Redis serves now; null while there is none. Everybody who asks at the same time shares one look. */
  #present(eventId: string): Promise<PublishedEvent | null> {
    const looking = this.#looking.get(eventId) ?? this.#look(eventId).finally(() => this.#looking.delete(eventId));
    this.#looking.set(eventId, looking);
    return looking;
  }

  async #look(eventId: string): Promise<PublishedEvent | null> {
    const { redis, log } = this.#platform;
    this.#events.forget(eventId);
    const fresh = await this.#events.published(eventId);
    const server = await identify(redis);
    if (fresh === null) return null;
    if ((await readEpoch(redis, eventId))?.epoch === epochOf(fresh.ref.generation, server)) return fresh;
    this.rebuild(eventId).catch((error) => log.error({ err: error, eventId }, 'rebuild failed'));
    return null;
  }

  async #rebuild(eventId: string): Promise<void> {
    const { database, redis, log, clock } = this.#platform;
    const startedMs = clock.elapsedMs();
    const done = await inTransaction(database, async (manager) => {
      await lockInventory(manager, eventId, 'exclusive');
      const server = await identify(redis);
      const inventory = await manager.findOneByOrFail(Inventory, { eventId });
      const epoch = await readEpoch(redis, eventId);
      if (epoch?.epoch === epochOf(inventory.generation, server)) return null;
      await freezeEvent(redis, eventId);
      inventory.generation += 1;
      const nowMs = Math.max(epoch?.lastNowMs ?? 0, await redisNowMs(redis));
      const event = await manager.findOneByOrFail(Event, { id: eventId });
      const sale = salePhase(event, inventory, nowMs);
      inventory.lineNumbers = Math.max(inventory.lineNumbers, sale.oldNumbers);
      await manager.save(inventory);
      await loadInventory(redis, await this.#image(manager, { event, inventory, sale, server, nowMs }));
      return inventory.generation;
    });
    await this.#events.changed(eventId);
    if (done === null) return;
    log.info({ eventId, generation: done, tookMs: Math.round(clock.elapsedMs() - startedMs) }, 'inventory loaded');
    // Two generations back: a load that was given up in the middle has left one without an owner.
    for (const generation of [done - 1, done - 2].filter((n) => n > 0)) {
      await dropGeneration(redis, { eventId, generation }).catch((error) =>
        log.warn({ err: error, eventId }, 'an old generation could not be removed'),
      );
    }
  }

  async #image(
    manager: EntityManager,
    at: {
      readonly event: Event;
      readonly inventory: Inventory;
      readonly sale: LoadedPhase;
      readonly server: string;
      readonly nowMs: number;
    },
  ): Promise<InventoryImage> {
    const { event, inventory, sale, server, nowMs } = at;
    const { eventId, generation, layoutVersion } = inventory;
    const { layout, categories } = await this.#events.hall(eventId, layoutVersion, manager);
    const channels = await manager.findBy(EventChannel, { eventId });
    const owners: OwnerRow[] = await queryAtLarge(manager, ownersSql, [eventId]);
    const open = owners.filter(({ owned }) => owned === 'PENDING');
    await lockOrders(
      manager,
      open.map(({ id }) => id),
    );
    const grantedUntilMs = this.#platform.clock.nowMs() + limits.checkoutTtlMs;
    await queryAtLarge(manager, regrantSql, [eventId, generation, new Date(grantedUntilMs), limits.settleGraceMs]);
    const focalPoint =
      event.focalX === null || event.focalY === null ? undefined : { x: event.focalX, y: event.focalY };
    const { admitPerSecond, activeCap, waitingRoom } = event;
    return {
      ref: { eventId, generation },
      server,
      layoutVersion,
      opensAtMs: event.saleOpensAt.getTime(),
      line: { admitPerSecond, activeCap, waitingRoom },
      sale,
      categories,
      channels: inventory.channels,
      releases: new Map(
        channels.flatMap(({ letter, releaseAt }) =>
          releaseAt === null ? [] : [[letter, releaseAt.getTime()] as const],
        ),
      ),
      runs: seatRuns(layout, focalPoint),
      stretches: accessibleStretches(layout, focalPoint),
      standing: standingAreas(layout),
      holds: owners.map((owner) => ledgerHold(owner, { grantedUntilMs, nowMs })),
      ...sold(owners),
      hoardRefillPerMs: hoardBudgetMs(event) / limits.hoardRefillMs,
      notBeforeMs: nowMs,
      // Above every fence the ledger knows, so that a newer claim is newer by its fence too.
      firstVersion: 1 + Math.max(0, ...open.map(({ fence }) => fence)),
    };
  }
}

/** Where a sale stands that begins or goes on in another generation. */
function salePhase(event: Event, inventory: Inventory, nowMs: number): LoadedPhase {
  const isFirst = inventory.generation === 1;
  const opened = inventory.openedAt !== null || inventory.drawListHash !== null;
  // Whoever was in the lobby at the opening is drawn once they are back; numbers of those who came later begin behind any lobby.
  const behindLobby = !isFirst && !opened && nowMs >= event.saleOpensAt.getTime();
  const hadLine = inventory.lineNumbers > 0 || !opened;
  return {
    phase: event.state === 'CLOSED' || event.state === 'CANCELED' ? 'CLOSED' : opened ? 'OPEN' : 'LOBBY',
    oldNumbers: behindLobby ? Math.max(inventory.lineNumbers, limits.lineEntries) : inventory.lineNumbers,
    numbersTo: inventory.lineNumbers,
    behindLobby,
    recoveryMs: !isFirst && hadLine && event.waitingRoom !== 'NEVER' ? limits.recoveryMs : 0,
    pausedAtMs: event.pausedAt?.getTime() ?? null,
    pausedMs: event.pausedMs,
  };
}

function standingAreas(layout: Layout): InventoryImage['standing'] {
  return layout.sections.flatMap((section, at) =>
    section.standing.map(({ category, firstSeat, count }) => ({ category, section: at, firstSeat, count })),
  );
}

function ledgerHold(
  owner: OwnerRow,
  { grantedUntilMs, nowMs }: { readonly grantedUntilMs: number; readonly nowMs: number },
): LedgerHold {
  const payByMs = Math.max(owner.payBy.getTime(), grantedUntilMs);
  const pending = owner.state === 'ISSUING' ? ('ISSUING' as const) : ('CHECKOUT' as const);
  const states = { PENDING: pending, ISSUED: 'SOLD', RETURNING: 'RETURNING' } as const;
  return {
    holdId: owner.holdId,
    orderId: owner.id,
    person: owner.personId,
    fence: owner.fence,
    state: states[owner.owned],
    seats: owner.seats,
    prices: owner.prices,
    payByMs,
    freeAtMs: payByMs + limits.settleGraceMs,
    rememberMs: (owner.issuedAt?.getTime() ?? 0) + limits.tombstoneMs - nowMs,
  };
}

/** Every order that has seats, with and without tickets. */
const ownersSql = `
  SELECT o.id, COALESCE(s.refund_id, o.hold_id) AS "holdId", o.person_id AS "personId", o.fence, o.state, o.prices, o.pay_by AS "payBy", o.issued_at AS "issuedAt",
         s.state AS owned, array_agg(s.seat_index ORDER BY s.seat_index) AS seats, array_agg(l.category ORDER BY s.seat_index) AS categories,
         array_agg(l.price_minor + l.fee_minor ORDER BY s.seat_index) AS minors
  FROM seat_owner s JOIN orders o ON o.id = s.order_id JOIN order_line l ON l.order_id = s.order_id AND l.seat_index = s.seat_index
  WHERE s.event_id = $1
  GROUP BY o.id, s.state, s.refund_id`;

/** A buyer whose checkout lived through the loss of Redis gets its time again. */
const regrantSql = `
  WITH moved AS (
    UPDATE orders o SET generation = $2, pay_by = GREATEST(o.pay_by, $3), free_at = GREATEST(o.pay_by, $3) + make_interval(secs => $4 / 1000.0),
           version = o.version + 1
    WHERE o.event_id = $1 AND EXISTS (SELECT FROM seat_owner s WHERE s.order_id = o.id AND s.state = 'PENDING')
    RETURNING o.id)
  UPDATE seat_owner s SET generation = $2 FROM moved WHERE s.order_id = moved.id`;

function sold(owners: readonly OwnerRow[]): Pick<InventoryImage, 'revenue' | 'minutes'> {
  const revenue = new Map<number, number>();
  const minutes = new Map<string, number>();
  const add = <K>(map: Map<K, number>, key: K, by: number) => map.set(key, (map.get(key) ?? 0) + by);
  const issued = owners.filter(({ owned }) => owned === 'ISSUED');
  const minuteOf = ({ issuedAt }: OwnerRow) => Math.floor((issuedAt?.getTime() ?? 0) / 60_000);
  const latest = issued.reduce((minute, owner) => Math.max(minute, minuteOf(owner)), 0);
  for (const owner of issued) {
    for (const [at, category] of owner.categories.entries()) add(revenue, category, owner.minors[at]!);
    const minute = minuteOf(owner);
    if (minute <= latest - limits.salesMinutes) continue;
    add(minutes, `${minute}:sold`, owner.seats.length);
    add(
      minutes,
      `${minute}:revenue`,
      owner.minors.reduce((sum, minor) => sum + minor, 0),
    );
  }
  return { revenue, minutes };
}
