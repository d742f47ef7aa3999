import type { Redis } from 'ioredis';
import { limits } from '../limits.js';
import type { EventRef } from './keys.js';
import { fieldsOf, runScript, type ScriptReply, type ScriptValue, unknownCode } from './script.js';

export const holdStates = [
  'HELD',
  'CHECKOUT',
  'ISSUING',
  'SOLD',
  'RETURNING',
  'RETURNED',
  'RELEASED',
  'EXPIRED',
  'LOST',
] as const;
export type HoldState = (typeof holdStates)[number];

/**
 * A hold as Redis has it. Instants are milliseconds of Redis time, as of `nowMs`: while a sale is paused those of a HELD hold move on with
 * it. `fence` grows with every claim of a generation.
 */
export interface StoredHold {
  readonly holdId: string;
  readonly owner: string;
  readonly generation: number;
  readonly fence: number;
  readonly state: HoldState;
  readonly seats: readonly number[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly extensionsEndAtMs: number;
  readonly freeAtMs: number;
  readonly payByMs: number | null;
  readonly orderId: string | null;
  readonly prices: string;
  readonly nowMs: number;
}

const overAnyway: ReadonlySet<HoldState> = new Set(['SOLD', 'RETURNING', 'RETURNED', 'RELEASED', 'EXPIRED']);

function decodeHold(ref: EventRef, holdId: string, reply: ScriptReply): StoredHold {
  const f = fieldsOf(reply.values);
  const generation = Number(f.generation);
  let state = f.state as HoldState;
  // What ends by the clock of the sale is told in the event's time, in which everybody counts.
  const shiftMs = state === 'HELD' ? Number(f.shift) : 0;
  const freeAtMs = Number(f.freeAt) + shiftMs;
  if ((state === 'HELD' || state === 'CHECKOUT') && reply.nowMs >= freeAtMs) state = 'EXPIRED';
  if (generation !== ref.generation && !overAnyway.has(state)) state = 'LOST';
  return {
    holdId,
    owner: f.owner ?? '',
    generation,
    fence: Number(f.fence),
    state,
    seats: indexesOf(f.seats ?? ''),
    createdAtMs: Number(f.createdAt),
    expiresAtMs: freeAtMs,
    extensionsEndAtMs: f.extensionsEndAt === undefined ? freeAtMs : Number(f.extensionsEndAt) + shiftMs,
    freeAtMs,
    payByMs: f.payBy === undefined ? null : Number(f.payBy),
    orderId: f.orderId ?? null,
    prices: f.prices ?? '',
    nowMs: reply.nowMs,
  };
}

export function indexesOf(text: string): number[] {
  return text === '' ? [] : text.split(',').map(Number);
}

/** What is asked for. `section` is a position in the layout; null: anywhere. */
export type Selection =
  | { readonly kind: 'seats'; readonly indexes: readonly number[] }
  | {
      readonly kind: 'best' | 'standing';
      readonly category: number;
      readonly section?: number | null;
      readonly quantity: number;
    }
  | {
      readonly kind: 'accessible';
      readonly category: number;
      readonly section?: number | null;
      readonly quantity: number;
      /** Wheelchair places among them. */
      readonly accessible: number;
    };

/** Kind, target, quantity, wheelchair places and section, as the claim scripts take them. */
function selectionArguments(selection: Selection): [kind: string, ScriptValue, ScriptValue] {
  if (selection.kind === 'seats') return ['seats', selection.indexes.join(','), selection.indexes.length];
  return [selection.kind, selection.category, selection.quantity];
}

function placeArguments(selection: Selection): [accessible: ScriptValue, section: ScriptValue] {
  const accessible = selection.kind === 'accessible' ? selection.accessible : 0;
  return [accessible, selection.kind === 'seats' ? '' : (selection.section ?? '')];
}

export interface ClaimRequest {
  readonly holdId: string;
  readonly person: string;
  readonly digest: string;
  readonly selection: Selection;
  /** Letters of free places the person may have, in the order in which they are looked for. */
  readonly letters: string;
  readonly prices: string;
  readonly ttlMs: number;
  readonly maxMs: number;
  readonly seatsPerPerson: number;
  /** Seat-milliseconds a person may hold without buying. */
  readonly hoardBudgetMs: number;
  /** For somebody who comes in without having joined the line. */
  readonly newEntryId: string;
  readonly categories: number;
}

/** What is offered where no block is left. */
export interface StoredOffer {
  readonly kind: 'SPLIT' | 'OTHER_SECTION' | 'OTHER_CATEGORY';
  readonly indexes: readonly number[];
}

type SeatRefusal =
  | { readonly code: 'TAKEN'; readonly indexes: readonly number[] }
  | { readonly code: 'NO_BLOCK'; readonly free: number; readonly offers: readonly StoredOffer[] }
  | {
      readonly code: 'WRONG_EPOCH' | 'PAUSED' | 'SALE_CLOSED' | 'NOT_ADMITTED' | 'PERSON_LIMIT' | 'SOLD_OUT';
    };

export type ClaimAnswer =
  | { readonly code: 'OK'; readonly hold: StoredHold }
  | { readonly code: 'SALE_NOT_OPEN'; readonly opensAtMs: number }
  | { readonly code: 'RECOVERING' | 'HOARDING'; readonly retryAfterMs: number }
  | { readonly code: 'KEY_REUSED' | 'NUMBERS' }
  | SeatRefusal;

/** Refusals of a claim that a change of a hold has in common; null for every other code. */
function decodeSeatRefusal(reply: ScriptReply): SeatRefusal | null {
  switch (reply.code) {
    case 'TAKEN':
      return { code: 'TAKEN', indexes: indexesOf(reply.values[0] ?? '') };
    case 'NO_BLOCK': {
      const [free, ...pairs] = reply.values;
      const offers: StoredOffer[] = [];
      for (let i = 0; i + 1 < pairs.length; i += 2)
        offers.push({ kind: pairs[i] as StoredOffer['kind'], indexes: indexesOf(pairs[i + 1]!) });
      return { code: 'NO_BLOCK', free: Number(free), offers };
    }
    case 'WRONG_EPOCH':
    case 'PAUSED':
    case 'SALE_CLOSED':
    case 'NOT_ADMITTED':
    case 'PERSON_LIMIT':
    case 'SOLD_OUT':
      return { code: reply.code };
    default:
      return null;
  }
}

/** Calls a script that collects expired holds in bounded pieces until its answer is final. */
async function untilFinal(call: () => Promise<ScriptReply>): Promise<ScriptReply> {
  for (;;) {
    const reply = await call();
    if (reply.code !== 'MORE') return reply;
  }
}

/** Source: scripts/seats.hold.lua. */
export async function claimSeats(client: Redis, ref: EventRef, request: ClaimRequest): Promise<ClaimAnswer> {
  const { holdId, selection } = request;
  const reply = await untilFinal(() =>
    runScript(
      client,
      'seats.hold',
      ref,
      holdId,
      request.person,
      request.digest,
      request.ttlMs,
      request.maxMs,
      ...selectionArguments(selection),
      ...placeArguments(selection),
      request.letters,
      request.prices,
      request.seatsPerPerson,
      request.hoardBudgetMs,
      limits.claimReclaimHolds,
      limits.tombstoneMs,
      request.newEntryId,
      request.categories,
    ),
  );
  switch (reply.code) {
    case 'OK':
      return { code: 'OK', hold: decodeHold(ref, holdId, reply) };
    case 'SALE_NOT_OPEN':
      return { code: 'SALE_NOT_OPEN', opensAtMs: Number(reply.values[0]) };
    case 'RECOVERING':
    case 'HOARDING':
      return { code: reply.code, retryAfterMs: Number(reply.values[0]) };
    case 'KEY_REUSED':
    case 'NUMBERS':
      return { code: reply.code };
    default:
      return decodeSeatRefusal(reply) ?? unknownCode('seats.hold', reply.code);
  }
}

export type HoldAnswer =
  | { readonly code: 'OK'; readonly hold: StoredHold }
  | { readonly code: 'WRONG_STATE'; readonly state: string }
  | { readonly code: 'LIMIT'; readonly extensionsEndAtMs: number }
  /** `generation`: in which there is none. */
  | { readonly code: 'NO_HOLD'; readonly generation: number }
  | {
      readonly code: 'WRONG_EPOCH' | 'NOT_YOURS' | 'STALE_FENCE' | 'EXPIRED' | 'NOT_ADMITTED' | 'SALE_CLOSED';
    };

export type ChangeAnswer = HoldAnswer | SeatRefusal;

/** CODE: the hold was made with a code, and nobody has said yet at which prices it is to go to checkout. */
export type CheckoutAnswer = HoldAnswer | { readonly code: 'CODE'; readonly prices: string };

type HoldScript = 'seats.read' | 'seats.extend' | 'seats.release' | 'seats.checkout' | 'seats.change';

function decodeAnswer(script: HoldScript, ref: EventRef, holdId: string, reply: ScriptReply): HoldAnswer {
  switch (reply.code) {
    case 'OK':
      return { code: 'OK', hold: decodeHold(ref, holdId, reply) };
    case 'WRONG_STATE':
      return { code: 'WRONG_STATE', state: reply.values[0] ?? '' };
    case 'NO_HOLD':
      return { code: 'NO_HOLD', generation: ref.generation };
    case 'LIMIT':
      return { code: 'LIMIT', extensionsEndAtMs: Number(reply.values[0]) };
    case 'WRONG_EPOCH':
    case 'NOT_YOURS':
    case 'STALE_FENCE':
    case 'EXPIRED':
    case 'NOT_ADMITTED':
    case 'SALE_CLOSED':
      return { code: reply.code };
    default:
      return unknownCode(script, reply.code);
  }
}

/** Source: scripts/seats.read.lua. */
export async function readHold(client: Redis, ref: EventRef, holdId: string): Promise<HoldAnswer> {
  return decodeAnswer('seats.read', ref, holdId, await runScript(client, 'seats.read', ref, holdId));
}

/** The caller of an action on a hold: who, which hold, and the fence of the claim they believe in. */
export interface HoldAction {
  readonly holdId: string;
  readonly person: string;
  readonly fence: string;
}

/** Source: scripts/seats.change.lua. `digest` stands for (key, input), so that a repeated call changes once. */
export async function changeHold(
  client: Redis,
  ref: EventRef,
  action: HoldAction & { readonly digest: string } & Pick<
      ClaimRequest,
      'selection' | 'letters' | 'seatsPerPerson' | 'categories'
    >,
): Promise<ChangeAnswer> {
  const { holdId, person, fence, digest, selection, letters, seatsPerPerson, categories } = action;
  const reply = await untilFinal(() =>
    runScript(
      client,
      'seats.change',
      ref,
      holdId,
      person,
      fence,
      digest,
      ...selectionArguments(selection),
      ...placeArguments(selection),
      letters,
      seatsPerPerson,
      limits.claimReclaimHolds,
      limits.tombstoneMs,
      categories,
    ),
  );
  return decodeSeatRefusal(reply) ?? decodeAnswer('seats.change', ref, holdId, reply);
}

/** Source: scripts/seats.extend.lua. `digest` stands for (key, input), so that a repeated call extends once. */
export async function extendHold(
  client: Redis,
  ref: EventRef,
  action: HoldAction & { readonly extensionMs: number; readonly digest: string },
): Promise<HoldAnswer> {
  const { holdId, person, fence, extensionMs, digest } = action;
  const reply = await runScript(client, 'seats.extend', ref, holdId, person, fence, extensionMs, digest);
  return decodeAnswer('seats.extend', ref, holdId, reply);
}

/** Source: scripts/seats.release.lua. */
export async function releaseHold(client: Redis, ref: EventRef, action: HoldAction): Promise<HoldAnswer> {
  const { holdId, person, fence } = action;
  const reply = await runScript(client, 'seats.release', ref, holdId, person, fence, limits.tombstoneMs);
  return decodeAnswer('seats.release', ref, holdId, reply);
}

/** Source: scripts/seats.checkout.lua. `agreedPrices`: the price list it goes to checkout with, where that is not the hold's own. */
export async function checkoutHold(
  client: Redis,
  ref: EventRef,
  action: HoldAction & { readonly orderId: string; readonly agreedPrices?: string },
): Promise<CheckoutAnswer> {
  const { holdId, person, fence, orderId, agreedPrices = '' } = action;
  const { checkoutTtlMs, orphanCheckoutMs, checkoutSlotMs } = limits;
  const reply = await runScript(
    client,
    'seats.checkout',
    ref,
    holdId,
    person,
    fence,
    orderId,
    checkoutTtlMs,
    orphanCheckoutMs,
    checkoutSlotMs,
    agreedPrices,
  );
  if (reply.code === 'CODE') return { code: 'CODE', prices: reply.values[0] ?? '' };
  return decodeAnswer('seats.checkout', ref, holdId, reply);
}

/** Source: scripts/seats.allocate.lua. `releaseAtMs`: from then on the channel's seats are everybody's. Answers false while rebuilding. */
export async function allocateSeats(
  client: Redis,
  ref: EventRef,
  channel: { readonly letter: string; readonly releaseAtMs: number | null; readonly indexes: readonly number[] },
): Promise<boolean> {
  const { letter, releaseAtMs, indexes } = channel;
  const reply = await runScript(client, 'seats.allocate', ref, letter, releaseAtMs ?? '', indexes.join(','));
  return reply.code === 'OK';
}
