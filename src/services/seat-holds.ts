import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { derivedId, inputDigest, sha256 } from '../domain/ids.js';
import { standingSeatPrefix } from '../domain/layout.js';
import { type SeatPrice, seatTotalMinor } from '../domain/money.js';
import { limits } from '../limits.js';
import { Watch } from '../pubsub/watch.js';
import type { EventRef } from '../redis/keys.js';
import {
  type ChangeAnswer,
  type ClaimAnswer,
  type ClaimRequest,
  changeHold,
  claimSeats,
  extendHold,
  type HoldAction,
  type HoldAnswer,
  readHold,
  releaseHold,
  type Selection,
  type StoredHold,
} from '../redis/seat-holds.js';
import { type Codes, normalCode } from './codes.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import { checkIdempotencyKey } from './idempotency.js';
import { refuseStranger } from './identity.js';
import type { InventoryService } from './inventory.js';
import type { Mirrors } from './mirrors.js';
import type { Platform, Viewer } from './platform.js';
import { maySteer } from './sales.js';

/** A hold with the event it belongs to, ready to be shown to its owner. */
export interface HoldView {
  readonly event: PublishedEvent;
  readonly hold: StoredHold;
}

interface CategoryWish {
  readonly categoryId: string;
  readonly sectionId: string | null;
  readonly quantity: number;
}

export type SeatSelection =
  | { readonly seatIds: readonly string[] }
  | { readonly bestAvailable: CategoryWish & { readonly accessible: number | null } }
  | { readonly standing: CategoryWish };

/** What a buyer may have besides everybody's seats. */
export interface SeatAccess {
  /** Somebody of the party needs a wheelchair place. */
  readonly accessible: boolean;
  readonly accessCode: string | null;
}

export interface HoldSeats extends SeatAccess {
  readonly eventId: string;
  readonly idempotencyKey: string;
  readonly seats: SeatSelection;
  /** A discount code. */
  readonly code: string | null;
}

export interface ChangeHold extends SeatAccess {
  readonly holdId: string;
  readonly fence: string;
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

/** What the seats of a hold cost together by a price list. */
export function holdTotalMinor({ event, hold }: HoldView, prices: readonly SeatPrice[]): number {
  return hold.seats.reduce((sum, seat) => sum + seatTotalMinor(prices[event.hall.categories[seat]!]!), 0);
}

export class SeatHolds {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;
  readonly #mirrors: Mirrors;
  readonly #codes: Codes;

  constructor(
    platform: Platform,
    parts: {
      readonly events: EventCatalogue;
      readonly inventory: InventoryService;
      readonly mirrors: Mirrors;
      readonly codes: Codes;
    },
  ) {
    this.#platform = platform;
    this.#events = parts.events;
    this.#inventory = parts.inventory;
    this.#mirrors = parts.mirrors;
    this.#codes = parts.codes;
  }

  async hold(viewer: Viewer, request: HoldSeats): Promise<HoldView | Refusal> {
    const event = await this.#events.published(request.eventId);
    if (event === null) return refuse('NOT_FOUND', { path: ['input', 'eventId'], message: 'There is no such event.' });
    const stranger = refuseStranger(viewer, event.event);
    if (stranger !== null) return stranger;
    const wish = resolveWish(event, viewer, request);
    if (isRefusal(wish)) return wish;
    const { eventId } = event.ref;
    const holdId = derivedId('hold', eventId, viewer.personId, request.idempotencyKey);
    const priced = await this.#priceList(event, viewer, { holdId, code: request.code, ...wish });
    if (isRefusal(priced)) return priced;
    const claim: ClaimRequest = {
      holdId,
      person: viewer.personId,
      digest: inputDigest(request.code === null ? wish.selection : [wish.selection, normalCode(request.code)]),
      prices: priced,
      ttlMs: event.event.holdTtlMs,
      maxMs: Math.max(limits.holdMaxMs, event.event.holdTtlMs),
      hoardBudgetMs: event.hoardBudgetMs,
      newEntryId: derivedId('entry', eventId, viewer.personId, holdId),
      ...wish,
    };
    const answer = await this.#inventory.withEvent(event, (ref) => this.#claim(ref, claim));
    if (isRefusal(answer)) return answer;
    return answer.code === 'OK' ? { event, hold: answer.hold } : refuseClaim(event, answer);
  }

  /** Other seats for the same hold, in one step: all of the new ones or none, and the old ones stay until then. */
  async change(viewer: Viewer, request: ChangeHold): Promise<HoldView | Refusal> {
    const { holdId: id, fence, idempotencyKey: key, ...rest } = request;
    const found = await this.#find(id);
    if (found === null) return refuse('NOT_FOUND', { path: ['input', 'holdId'], message: 'There is no such hold.' });
    const { event, holdId } = found;
    const wish = resolveWish(event, viewer, rest);
    if (isRefusal(wish)) return wish;
    const reused = await this.#keyReused(viewer, 'changeHold', key, [id, wish.selection]);
    if (reused !== null) return reused;
    const action = { holdId, person: viewer.personId, digest: inputDigest([key, id]), ...wish };
    const answer = await this.#inventory.withEvent(event, (ref) =>
      changeHold(this.#platform.redis, ref, { fence: scriptFence(fence, ref), ...action }),
    );
    if (isRefusal(answer)) return answer;
    if (answer.code === 'OK') return { event, hold: answer.hold };
    return isSeatRefusal(answer) ? refuseClaim(event, answer) : refuseHoldAction(answer, fence);
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
      extendHold(this.#platform.redis, ref, { extensionMs, digest, ...action }),
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
    let seats = new Set(first.hold.seats);
    const tell = (view: HoldView) => {
      if (faceOf(view.hold) !== faceOf(known.hold)) {
        latest = view;
        watch.wake();
      }
      known = view;
      seats = new Set(view.hold.seats);
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
    const { event, holdId } = found;
    const answer = await this.#inventory.withEvent(event, (ref) =>
      act(ref, { holdId, person: viewer.personId, fence: scriptFence(fence, ref) }),
    );
    if (isRefusal(answer)) return answer;
    if (answer.code === 'OK') return { event, hold: answer.hold };
    return refuseHoldAction(answer, fence);
  }

  /** The price list of a claim. A hold that is there already is answered as it is, whatever has become of its code. */
  async #priceList(
    event: PublishedEvent,
    viewer: Viewer,
    wish: { readonly holdId: string; readonly code: string | null; readonly selection: Selection },
  ): Promise<string | Refusal> {
    const { holdId, code, selection } = wish;
    if (code === null) return event.priceList;
    const prices = await this.#codes.priceList(event, viewer, { code, selection });
    if (!isRefusal(prices)) return prices;
    const known = await this.#inventory.withEvent(event, (ref) => readHold(this.#platform.redis, ref, holdId));
    if (isRefusal(known)) return known;
    return known.code === 'OK' ? event.priceList : prices;
  }

  /** Claims, after room for another number in line has been made if somebody is to come in on the spot. */
  async #claim(ref: EventRef, claim: ClaimRequest): Promise<ClaimAnswer> {
    for (;;) {
      const answer = await claimSeats(this.#platform.redis, ref, claim);
      if (answer.code !== 'NUMBERS') return answer;
      await this.#inventory.reserveNumbers(ref);
    }
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
}

type SeatCode = Exclude<ChangeAnswer, HoldAnswer>['code'] | 'SALE_CLOSED' | 'NOT_ADMITTED';

/** Refusals that a change has in common with a claim. */
const seatCodes: ReadonlySet<string> = new Set<SeatCode>([
  'TAKEN',
  'NO_BLOCK',
  'SOLD_OUT',
  'PERSON_LIMIT',
  'PAUSED',
  'SALE_CLOSED',
  'NOT_ADMITTED',
]);

function isSeatRefusal(answer: ChangeAnswer): answer is Extract<ChangeAnswer, { code: SeatCode }> {
  return seatCodes.has(answer.code);
}

function refuseClaim(event: PublishedEvent, answer: Exclude<ClaimAnswer, { code: 'OK' }>): Refusal {
  switch (answer.code) {
    case 'TAKEN':
      return refuse('SEATS_UNAVAILABLE', {
        path: ['input', 'seats', 'seatIds'],
        seatIds: answer.indexes.map((index) => seatId(event, index)),
      });
    case 'NO_BLOCK':
      return refuse('NO_ADJACENT_SEATS', {
        path: ['input', 'seats'],
        available: answer.free,
        alternatives: answer.offers.map(({ kind, indexes }) => ({
          kind,
          seatIds: indexes.map((index) => seatId(event, index)),
          categoryId: String(event.hall.categories[indexes[0]!]),
        })),
      });
    case 'SOLD_OUT':
      return refuse('SOLD_OUT', { path: ['input', 'seats'] });
    case 'SALE_NOT_OPEN':
      return refuse('SALE_NOT_OPEN', { path: ['input', 'eventId'], opensAt: new Date(answer.opensAtMs) });
    case 'SALE_CLOSED':
      return refuse('SALE_CLOSED', { path: ['input', 'eventId'] });
    case 'PAUSED':
      return refuse('SALE_PAUSED', { path: ['input', 'eventId'], retryAfterMs: limits.pausedRetryMs });
    case 'NOT_ADMITTED':
      return refuse('NOT_ADMITTED', { path: ['input', 'eventId'] });
    case 'RECOVERING':
      return refuse('REBUILDING', { retryAfterMs: answer.retryAfterMs });
    case 'PERSON_LIMIT':
      return refuse('PERSON_LIMIT_REACHED', { path: ['input', 'seats'], limit: event.event.maxSeatsPerPerson });
    case 'HOARDING':
      return refuse('HOLD_BUDGET_SPENT', { path: ['input', 'seats'], retryAfterMs: answer.retryAfterMs });
    case 'KEY_REUSED':
      return refuse('IDEMPOTENCY_KEY_REUSED', { path: ['input', 'idempotencyKey'] });
    case 'NUMBERS':
    case 'WRONG_EPOCH':
      return refuse('REBUILDING', { retryAfterMs: limits.rebuildRetryMs });
  }
}

/** What a watcher would notice of a change. */
function faceOf(hold: StoredHold): string {
  return [hold.state, hold.fence, hold.freeAtMs, hold.payByMs, hold.seats, isExpiring(hold)].join();
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

/** Codes of the scripts that act on a hold, as refusals. Of a hold of an earlier generation nothing is left but its fence. */
export function refuseHoldAction(answer: Exclude<HoldAnswer, { code: 'OK' }>, fence: string): Refusal {
  switch (answer.code) {
    case 'WRONG_STATE':
      return refuse('HOLD_NOT_ACTIVE', { path: ['input', 'holdId'], state: answer.state });
    case 'LIMIT':
      return refuse('EXTENSION_LIMIT', {
        path: ['input', 'holdId'],
        extensionsEndAt: new Date(answer.extensionsEndAtMs),
      });
    case 'NO_HOLD':
      if (generationOf(fence) < answer.generation) return refuse('HOLD_LOST', { path: ['input', 'holdId'] });
      return refuse('NOT_FOUND', { path: ['input', 'holdId'], message: 'There is no such hold.' });
    case 'NOT_YOURS':
      return refuse('FORBIDDEN', { path: ['input', 'holdId'], message: 'This hold belongs to somebody else.' });
    case 'STALE_FENCE':
      return refuse('STALE_FENCE', { path: ['input', 'fence'] });
    case 'EXPIRED':
      return refuse('HOLD_EXPIRED', { path: ['input', 'holdId'] });
    case 'NOT_ADMITTED':
      return refuse('NOT_ADMITTED', { path: ['input', 'holdId'] });
    case 'SALE_CLOSED':
      return refuse('SALE_CLOSED', { path: ['input', 'holdId'] });
    case 'WRONG_EPOCH':
      return refuse('REBUILDING', { retryAfterMs: limits.rebuildRetryMs });
  }
}

const fencePattern = /^(\d{1,15})\.(\d{1,15})$/;

/** The version part of a fence; a fence of another generation matches nothing. */
export function scriptFence(fence: string, { generation }: EventRef): string {
  return generationOf(fence) === generation ? fencePattern.exec(fence)![2]! : 'of another generation';
}

function generationOf(fence: string): number {
  return Number(fencePattern.exec(fence)?.[1] ?? Number.NaN);
}

export function seatId(event: PublishedEvent, index: number): string {
  return event.hall.index.describe(index)?.guid ?? `${standingSeatPrefix}${index}`;
}

type Wish = Pick<ClaimRequest, 'selection' | 'letters' | 'seatsPerPerson' | 'categories'>;

/** What is asked for, as the scripts take it. */
function resolveWish(
  event: PublishedEvent,
  viewer: Viewer,
  request: SeatAccess & { readonly seats: SeatSelection },
): Wish | Refusal {
  const selection = resolveSelection(event, request.seats);
  if (isRefusal(selection)) return selection;
  const channels = openChannels(event, viewer, request, 'input');
  if (isRefusal(channels)) return channels;
  // Everybody's seats come last for somebody who has others; wheelchair places are looked for only where they are asked for.
  const withAccessible = selection.kind === 'accessible' || (selection.kind === 'seats' && channels.includes('A'));
  return {
    selection,
    letters: `${withAccessible ? 'A' : ''}${channels.replace('A', '')}.`,
    seatsPerPerson: event.event.maxSeatsPerPerson,
    categories: event.prices.length,
  };
}

/** Letters of the channels somebody may use: those whose code they know; all of them for the organizer's people. */
export function openChannels(
  event: PublishedEvent,
  viewer: Viewer | null,
  { accessible, accessCode }: SeatAccess,
  path: string,
): string | Refusal<'INVALID_INPUT'> {
  const letters = new Set(accessible ? ['A'] : []);
  if (maySteer(viewer, event.event)) for (const letter of ['A', ...event.channels.keys()]) letters.add(letter);
  if (accessCode !== null) {
    const hash = accessCodeHash(accessCode);
    const opened = [...event.channels.values()].filter(({ accessCodeHash: known }) => known === hash);
    if (opened.length === 0)
      return invalidInput(path === '' ? 'accessCode' : `${path}.accessCode`, 'Opens nothing at this event.');
    for (const { letter } of opened) letters.add(letter);
  }
  return [...letters].join('');
}

export function accessCodeHash(code: string): string {
  return sha256(`access ${code.trim().toUpperCase()}`);
}

function resolveSelection(event: PublishedEvent, seats: SeatSelection): Selection | Refusal {
  const most = Math.min(event.event.maxSeatsPerHold, limits.seatsPerHold);
  if ('seatIds' in seats) return resolveSeats(event, seats.seatIds, most);
  const [kind, field, wish] =
    'bestAvailable' in seats
      ? (['best', 'bestAvailable', seats.bestAvailable] as const)
      : (['standing', 'standing', seats.standing] as const);
  const path = `input.seats.${field}`;
  const { quantity } = wish;
  if (!Number.isInteger(quantity) || quantity < 1)
    return invalidInput(`${path}.quantity`, 'Ask for at least one place.');
  if (quantity > most) return refuse('TOO_MANY_SEATS', { path: ['input', 'seats'], limit: most });
  const category = /^\d{1,3}$/.test(wish.categoryId) ? Number(wish.categoryId) : -1;
  if (event.prices[category] === undefined) {
    return refuse('NOT_FOUND', { path: `${path}.categoryId`.split('.'), message: 'This event has no such category.' });
  }
  const section = wish.sectionId === null ? null : event.hall.sections.get(wish.sectionId);
  if (section === undefined)
    return refuse('NOT_FOUND', { path: `${path}.sectionId`.split('.'), message: 'This hall has no such section.' });
  if (!(kind === 'best' ? event.hall.seated : event.hall.standing).has(category)) {
    return invalidInput(
      `${path}.categoryId`,
      kind === 'best' ? 'This category has standing places only.' : 'This category has numbered seats only.',
    );
  }
  if (!('accessible' in wish)) return { kind: 'standing', category, section, quantity };
  const ofWheelchairs = event.hall.accessibleOf.get(category);
  const accessible = wish.accessible ?? (ofWheelchairs === category ? quantity : 0);
  if (accessible === 0 && ofWheelchairs !== category) return { kind: 'best', category, section, quantity };
  if (!Number.isInteger(accessible) || accessible < 1 || accessible > quantity)
    return invalidInput(`${path}.accessible`, 'Must be from 1 to the quantity.');
  if (ofWheelchairs === undefined) return invalidInput(`${path}.accessible`, 'This category has no wheelchair places.');
  return { kind: 'accessible', category: ofWheelchairs, section, quantity, accessible };
}

function resolveSeats(event: PublishedEvent, seatIds: readonly string[], most: number): Selection | Refusal {
  if (seatIds.length === 0) return invalidInput('input.seats.seatIds', 'Name at least one seat.');
  if (new Set(seatIds).size !== seatIds.length) return invalidInput('input.seats.seatIds', 'Name each seat once.');
  if (seatIds.length > most) return refuse('TOO_MANY_SEATS', { path: ['input', 'seats'], limit: most });
  const indexes = seatIds.map((id) => event.hall.index.indexOf(id));
  const unknown = indexes.indexOf(null);
  if (unknown !== -1) {
    const path = ['input', 'seats', 'seatIds', String(unknown)];
    return refuse('NOT_FOUND', { path, message: 'This hall has no such seat.' });
  }
  return { kind: 'seats', indexes: indexes as number[] };
}
