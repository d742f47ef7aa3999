import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { derivedId, inputDigest } from '../domain/ids.js';
import { standingSeatPrefix } from '../domain/layout.js';
import { decodePriceList, seatTotalMinor } from '../domain/money.js';
import { limits } from '../limits.js';
import { Watch } from '../pubsub/watch.js';
import {
  type ClaimAnswer,
  claimSeats,
  extendHold,
  type HoldAction,
  type HoldAnswer,
  readHold,
  releaseHold,
  type Selection,
  type StoredHold,
} from '../redis/seat-holds.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import { checkIdempotencyKey } from './idempotency.js';
import type { InventoryService } from './inventory.js';
import type { Mirrors } from './mirrors.js';
import type { Platform, Viewer } from './platform.js';

/** A hold with the event it belongs to, ready to be shown to its owner. */
export interface HoldView {
  readonly event: PublishedEvent;
  readonly hold: StoredHold;
}

export type SeatSelection =
  | { readonly seatIds: readonly string[] }
  | { readonly bestAvailable: { readonly categoryId: string; readonly quantity: number } }
  | { readonly standing: { readonly categoryId: string; readonly quantity: number } };

export interface HoldSeats {
  readonly eventId: string;
  readonly idempotencyKey: string;
  readonly seats: SeatSelection;
}

/** A hold id carries its event, so that a hold is found without a table of holds. */
export function holdGlobalId(eventId: string, holdId: string): string {
  return `${eventId}.${holdId}`;
}

export function splitHoldId(id: string): { eventId: string; holdId: string } | null {
  const match = /^([0-9a-f-]{36})\.([0-9a-f-]{36})$/.exec(id);
  return match ? { eventId: match[1]!, holdId: match[2]! } : null;
}

/** What the buyer sees as fence: generation and version of the claim. */
export function fenceText(hold: StoredHold): string {
  return `${hold.generation}.${hold.fence}`;
}

export function holdTotalMinor(view: HoldView): number {
  const { prices } = decodePriceList(view.hold.prices);
  return view.hold.seats.reduce((sum, seat) => sum + seatTotalMinor(prices[view.event.hall.categories[seat]!]!), 0);
}

export class SeatHolds {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;
  readonly #mirrors: Mirrors;

  constructor(platform: Platform, events: EventCatalogue, inventory: InventoryService, mirrors: Mirrors) {
    this.#platform = platform;
    this.#events = events;
    this.#inventory = inventory;
    this.#mirrors = mirrors;
  }

  async hold(viewer: Viewer, request: HoldSeats): Promise<HoldView | Refusal> {
    const event = await this.#events.published(request.eventId);
    if (event === null) return refuse('NOT_FOUND', { path: ['input', 'eventId'], message: 'There is no such event.' });
    const selection = resolveSelection(event, request.seats);
    if (isRefusal(selection)) return selection;
    const claim = {
      holdId: derivedId('hold', event.ref.eventId, viewer.personId, request.idempotencyKey),
      person: viewer.personId,
      digest: inputDigest(selection),
      selection,
      prices: event.priceList,
      ttlMs: event.event.holdTtlMs,
      maxMs: Math.max(limits.holdMaxMs, event.event.holdTtlMs),
      seatsPerPerson: event.event.maxSeatsPerPerson,
    };
    const answer = await this.#inventory.withEvent(event, (ref) => claimSeats(this.#platform.redis, ref, claim));
    return isRefusal(answer) ? answer : this.#judgeClaim(event, answer);
  }

  async read(viewer: Viewer, id: string): Promise<HoldView | null> {
    const view = await this.#look(viewer, id);
    return view === 'gone' || view === 'later' ? null : view;
  }

  async extend(viewer: Viewer, id: string, fence: string, idempotencyKey: string): Promise<HoldView | Refusal> {
    const extensionMs = limits.holdExtensionMs;
    const reused = await this.#keyReused(viewer, 'extendHold', idempotencyKey, [id, fence]);
    if (reused !== null) return reused;
    const digest = inputDigest([idempotencyKey, id]);
    return this.#act(viewer, id, fence, (ref, action) =>
      extendHold(this.#platform.redis, ref, { ...action, extensionMs, digest }),
    );
  }

  async release(viewer: Viewer, id: string, fence: string, idempotencyKey: string): Promise<HoldView | Refusal> {
    const reused = await this.#keyReused(viewer, 'releaseHold', idempotencyKey, [id, fence]);
    if (reused !== null) return reused;
    return this.#act(viewer, id, fence, (ref, action) => releaseHold(this.#platform.redis, ref, action));
  }

  /**
   * The stream of one hold: its present state at once, a warning before it expires, and every change until it ends. It is read again when
   * one of its seats or its deadline moves; nothing is written for it.
   */
  async watch(viewer: Viewer, id: string): Promise<Watch<HoldView> | null> {
    const first = await this.read(viewer, id);
    if (first === null) return null;
    const mirror = await this.#mirrors.seats(first.event.ref.eventId);
    let known = first;
    let latest: HoldView | null = first;
    let timer: NodeJS.Timeout | undefined;
    let ended = false;
    const watch: Watch<HoldView> = new Watch(
      () => {
        const view = latest;
        latest = null;
        return view;
      },
      () => {
        ended = true;
        clearTimeout(timer);
        silence();
      },
    );
    const tell = (view: HoldView) => {
      if (faceOf(view.hold) !== faceOf(known.hold)) {
        latest = view;
        watch.wake();
      }
      known = view;
      if (isOver(view.hold)) watch.finish();
    };
    const refresh = async () => {
      const view = await this.#look(viewer, id).catch(() => 'later' as const);
      if (ended) return;
      if (view === 'gone') return tell({ ...known, hold: { ...known.hold, state: 'LOST' } });
      plan(view);
      if (view !== 'later') tell(view);
    };
    /** Wakes at the warning, then at the deadline: by Redis time, as the hold itself is judged. */
    const plan = (view: HoldView | 'later') => {
      clearTimeout(timer);
      const inMs = view === 'later' ? limits.mirrorCheckMs : msUntilNews(view.hold);
      if (inMs !== null) timer = setTimeout(() => void refresh(), Math.max(inMs, 1));
    };
    const seats = new Set(first.hold.seats);
    const silence = mirror.listen(({ indexes, holdId }) => {
      const all = indexes.length === 0 && holdId === null;
      if (all || holdId === first.hold.holdId || indexes.some((index) => seats.has(index))) void refresh();
    });
    plan(first);
    // It may have changed between being read and being watched.
    void refresh();
    return watch;
  }

  #keyReused(
    viewer: Viewer,
    mutation: string,
    key: string,
    input: unknown,
  ): Promise<Refusal<'IDEMPOTENCY_KEY_REUSED'> | null> {
    return checkIdempotencyKey(this.#platform, viewer, { mutation, key, input });
  }

  /** Runs one action of an owner on a hold and turns its codes into what the owner is told. */
  async #act(
    viewer: Viewer,
    id: string,
    fence: string,
    act: (ref: PublishedEvent['ref'], action: HoldAction) => Promise<HoldAnswer>,
  ): Promise<HoldView | Refusal> {
    const found = await this.#find(id);
    if (found === null) return refuse('NOT_FOUND', { path: ['input', 'holdId'], message: 'There is no such hold.' });
    const action = { holdId: found.holdId, person: viewer.personId, fence: scriptFence(fence, found.event) };
    const answer = await this.#inventory.withEvent(found.event, (ref) => act(ref, action));
    if (isRefusal(answer)) return answer;
    if (answer.code === 'OK') return { event: found.event, hold: answer.hold };
    // A flushed Redis has forgotten the hold; its fence still tells that it was real once.
    const lost = answer.code === 'NO_HOLD' && action.fence.endsWith('-ended');
    return lost ? refuse('HOLD_LOST', { path: ['input', 'holdId'] }) : refuseHoldAction(answer);
  }

  /** A hold of this viewer; `gone` when there is none (any more), `later` while its event is being rebuilt. */
  async #look(viewer: Viewer, id: string): Promise<HoldView | 'gone' | 'later'> {
    const found = await this.#find(id);
    if (found === null) return 'gone';
    const { event, holdId } = found;
    const answer = await this.#inventory.withEvent(event, (ref) => readHold(this.#platform.redis, ref, holdId));
    if (isRefusal(answer) || answer.code === 'WRONG_EPOCH') return 'later';
    return answer.code === 'OK' && answer.hold.owner === viewer.personId ? { event, hold: answer.hold } : 'gone';
  }

  async #find(id: string): Promise<{ event: PublishedEvent; holdId: string } | null> {
    const ids = splitHoldId(id);
    const event = ids && (await this.#events.published(ids.eventId));
    return ids && event ? { event, holdId: ids.holdId } : null;
  }

  #judgeClaim(event: PublishedEvent, answer: ClaimAnswer): HoldView | Refusal {
    switch (answer.code) {
      case 'OK':
        return { event, hold: answer.hold };
      case 'TAKEN':
        return refuse('SEATS_UNAVAILABLE', {
          path: ['input', 'seats', 'seatIds'],
          seatIds: answer.indexes.map((index) => seatId(event, index)),
        });
      case 'NO_BLOCK':
        return refuse('NO_ADJACENT_SEATS', { path: ['input', 'seats'], available: answer.free });
      case 'SOLD_OUT':
        return refuse('SOLD_OUT', { path: ['input', 'seats'] });
      case 'SALE_NOT_OPEN':
        return refuse('SALE_NOT_OPEN', { path: ['input', 'eventId'], opensAt: new Date(answer.opensAtMs) });
      case 'SALE_CLOSED':
        return refuse('SALE_CLOSED', { path: ['input', 'eventId'] });
      case 'NOT_ADMITTED':
        return refuse('NOT_ADMITTED', { path: ['input', 'eventId'] });
      case 'PERSON_LIMIT':
        return refuse('PERSON_LIMIT_REACHED', { path: ['input', 'seats'], limit: event.event.maxSeatsPerPerson });
      case 'KEY_REUSED':
        return refuse('IDEMPOTENCY_KEY_REUSED', { path: ['input', 'idempotencyKey'] });
      case 'WRONG_EPOCH':
        return refuse('REBUILDING', { retryAfterMs: 500 });
    }
  }
}

/** What a watcher would notice of a change. */
function faceOf(hold: StoredHold): string {
  return [hold.state, hold.freeAtMs, hold.payByMs, hold.seats, isExpiring(hold)].join();
}

/** When time alone will change what its owner is told; null if only somebody's action can. */
function msUntilNews(hold: StoredHold): number | null {
  if (hold.state !== 'HELD' && hold.state !== 'CHECKOUT') return null;
  const warningInMs = hold.freeAtMs - limits.holdWarningMs - hold.nowMs;
  return hold.state === 'HELD' && warningInMs > 0 ? warningInMs : hold.freeAtMs - hold.nowMs;
}

function isOver(hold: StoredHold): boolean {
  return hold.state !== 'HELD' && hold.state !== 'CHECKOUT' && hold.state !== 'ISSUING';
}

/** Whether a hold is so near its end that its owner is warned. */
export function isExpiring(hold: StoredHold): boolean {
  return hold.state === 'HELD' && hold.freeAtMs - hold.nowMs <= limits.holdWarningMs;
}

/** Codes of the scripts that act on a hold, as refusals. */
export function refuseHoldAction(answer: Exclude<HoldAnswer, { code: 'OK' }>): Refusal {
  switch (answer.code) {
    case 'WRONG_STATE':
      return refuse('HOLD_NOT_ACTIVE', { path: ['input', 'holdId'], state: answer.state });
    case 'LIMIT':
      return refuse('EXTENSION_LIMIT', {
        path: ['input', 'holdId'],
        extensionsEndAt: new Date(answer.extensionsEndAtMs),
      });
    case 'NO_HOLD':
      return refuse('NOT_FOUND', { path: ['input', 'holdId'], message: 'There is no such hold.' });
    case 'NOT_YOURS':
      return refuse('FORBIDDEN', { path: ['input', 'holdId'], message: 'This hold belongs to somebody else.' });
    case 'HOLD_LOST':
      return refuse('HOLD_LOST', { path: ['input', 'holdId'] });
    case 'STALE_FENCE':
      return refuse('STALE_FENCE', { path: ['input', 'fence'] });
    case 'EXPIRED':
      return refuse('HOLD_EXPIRED', { path: ['input', 'holdId'] });
    case 'NOT_ADMITTED':
      return refuse('NOT_ADMITTED', { path: ['input', 'holdId'] });
    case 'SALE_CLOSED':
      return refuse('SALE_CLOSED', { path: ['input', 'holdId'] });
    case 'WRONG_EPOCH':
      return refuse('REBUILDING', { retryAfterMs: 500 });
  }
}

/** The version part of a fence; a fence of another generation matches nothing. */
export function scriptFence(fence: string, event: PublishedEvent): string {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(fence);
  if (match === null) return 'malformed';
  return Number(match[1]) === event.ref.generation ? match[2]! : `${match[1]}-ended`;
}

export function seatId(event: PublishedEvent, index: number): string {
  return event.hall.index.describe(index)?.guid ?? `${standingSeatPrefix}${index}`;
}

function resolveSelection(event: PublishedEvent, seats: SeatSelection): Selection | Refusal {
  const most = Math.min(event.event.maxSeatsPerHold, limits.seatsPerHold);
  const tooMany = refuse('TOO_MANY_SEATS', { path: ['input', 'seats'], limit: most });
  if ('seatIds' in seats) {
    if (seats.seatIds.length === 0) return invalidInput('input.seats.seatIds', 'Name at least one seat.');
    if (new Set(seats.seatIds).size !== seats.seatIds.length)
      return invalidInput('input.seats.seatIds', 'Name each seat once.');
    if (seats.seatIds.length > most) return tooMany;
    const indexes = seats.seatIds.map((id) => event.hall.index.indexOf(id));
    const unknown = indexes.indexOf(null);
    if (unknown !== -1) {
      return refuse('NOT_FOUND', {
        path: ['input', 'seats', 'seatIds', String(unknown)],
        message: 'This hall has no such seat.',
      });
    }
    return { kind: 'seats', indexes: indexes as number[] };
  }
  const [kind, field, wish] =
    'bestAvailable' in seats
      ? (['best', 'bestAvailable', seats.bestAvailable] as const)
      : (['standing', 'standing', seats.standing] as const);
  const path = `input.seats.${field}`;
  if (!Number.isInteger(wish.quantity) || wish.quantity < 1)
    return invalidInput(`${path}.quantity`, 'Ask for at least one place.');
  if (wish.quantity > most) return tooMany;
  const category = /^\d{1,3}$/.test(wish.categoryId) ? Number(wish.categoryId) : -1;
  if (event.prices[category] === undefined) {
    return refuse('NOT_FOUND', { path: `${path}.categoryId`.split('.'), message: 'This event has no such category.' });
  }
  if (!(kind === 'best' ? event.hall.seated : event.hall.standing).has(category)) {
    return invalidInput(
      `${path}.categoryId`,
      kind === 'best' ? 'This category has standing places only.' : 'This category has numbered seats only.',
    );
  }
  return { kind, category, quantity: wish.quantity };
}
