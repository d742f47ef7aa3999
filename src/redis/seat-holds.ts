import type { Redis } from 'ioredis';
import { limits } from '../limits.js';
import { eventKeys } from './keys.js';
import { fieldsOf, runScript, type ScriptReply, unknownCode } from './script.js';

/** An event and the generation of its inventory the caller believes in. */
export interface EventRef {
  readonly eventId: string;
  readonly generation: number;
}

export const holdStates = ['HELD', 'CHECKOUT', 'ISSUING', 'SOLD', 'RELEASED', 'EXPIRED', 'LOST'] as const;
export type HoldState = (typeof holdStates)[number];

/** A hold as Redis has it. Instants are milliseconds of Redis time; `fence` grows with every claim of a generation. */
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

function decodeHold(ref: EventRef, holdId: string, reply: ScriptReply): StoredHold {
  const f = fieldsOf(reply.values);
  const freeAtMs = Number(f.freeAt);
  const generation = Number(f.generation);
  let state = f.state as HoldState;
  if ((state === 'HELD' || state === 'CHECKOUT') && reply.nowMs >= freeAtMs) state = 'EXPIRED';
  if (generation !== ref.generation && state !== 'SOLD' && state !== 'RELEASED' && state !== 'EXPIRED') state = 'LOST';
  return {
    holdId,
    owner: f.owner ?? '',
    generation,
    fence: Number(f.fence),
    state,
    seats: indexesOf(f.seats ?? ''),
    createdAtMs: Number(f.createdAt),
    expiresAtMs: Number(f.expiresAt ?? f.freeAt),
    extensionsEndAtMs: Number(f.extensionsEndAt ?? f.freeAt),
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

export type Selection =
  | { readonly kind: 'seats'; readonly indexes: readonly number[] }
  | { readonly kind: 'best' | 'standing'; readonly category: number; readonly quantity: number };

export interface ClaimRequest {
  readonly holdId: string;
  readonly person: string;
  readonly digest: string;
  readonly selection: Selection;
  readonly prices: string;
  readonly ttlMs: number;
  readonly maxMs: number;
  readonly seatsPerPerson: number;
}

export type ClaimAnswer =
  | { readonly code: 'OK'; readonly hold: StoredHold }
  | { readonly code: 'TAKEN'; readonly indexes: readonly number[] }
  | { readonly code: 'NO_BLOCK'; readonly free: number }
  | { readonly code: 'SALE_NOT_OPEN'; readonly opensAtMs: number }
  | {
      readonly code: 'WRONG_EPOCH' | 'KEY_REUSED' | 'SALE_CLOSED' | 'NOT_ADMITTED' | 'PERSON_LIMIT' | 'SOLD_OUT';
    };

/** Source: scripts/seats.hold.lua. Collects expired holds in bounded pieces until the answer is final. */
export async function claimSeats(client: Redis, ref: EventRef, request: ClaimRequest): Promise<ClaimAnswer> {
  const { selection } = request;
  for (;;) {
    const reply = await runScript(
      client,
      'seats.hold',
      eventKeys(ref.eventId).meta,
      ref.generation,
      request.holdId,
      request.person,
      request.digest,
      request.ttlMs,
      request.maxMs,
      selection.kind,
      selection.kind === 'seats' ? selection.indexes.join(',') : selection.category,
      selection.kind === 'seats' ? selection.indexes.length : selection.quantity,
      request.prices,
      request.seatsPerPerson,
      limits.claimReclaimHolds,
      limits.tombstoneMs,
    );
    switch (reply.code) {
      case 'MORE':
        continue;
      case 'OK':
        return { code: 'OK', hold: decodeHold(ref, request.holdId, reply) };
      case 'TAKEN':
        return { code: 'TAKEN', indexes: indexesOf(reply.values[0] ?? '') };
      case 'NO_BLOCK':
        return { code: 'NO_BLOCK', free: Number(reply.values[0]) };
      case 'SALE_NOT_OPEN':
        return { code: 'SALE_NOT_OPEN', opensAtMs: Number(reply.values[0]) };
      case 'WRONG_EPOCH':
      case 'KEY_REUSED':
      case 'SALE_CLOSED':
      case 'NOT_ADMITTED':
      case 'PERSON_LIMIT':
      case 'SOLD_OUT':
        return { code: reply.code };
      default:
        return unknownCode('seats.hold', reply.code);
    }
  }
}

export type HoldAnswer =
  | { readonly code: 'OK'; readonly hold: StoredHold }
  | { readonly code: 'WRONG_STATE'; readonly state: string }
  | { readonly code: 'LIMIT'; readonly extensionsEndAtMs: number }
  | {
      readonly code:
        | 'WRONG_EPOCH'
        | 'NO_HOLD'
        | 'NOT_YOURS'
        | 'HOLD_LOST'
        | 'STALE_FENCE'
        | 'EXPIRED'
        | 'NOT_ADMITTED'
        | 'SALE_CLOSED';
    };

function decodeAnswer(
  script: 'seats.read' | 'seats.extend' | 'seats.release' | 'seats.checkout',
  ref: EventRef,
  holdId: string,
  reply: ScriptReply,
): HoldAnswer {
  switch (reply.code) {
    case 'OK':
      return { code: 'OK', hold: decodeHold(ref, holdId, reply) };
    case 'WRONG_STATE':
      return { code: 'WRONG_STATE', state: reply.values[0] ?? '' };
    case 'LIMIT':
      return { code: 'LIMIT', extensionsEndAtMs: Number(reply.values[0]) };
    case 'WRONG_EPOCH':
    case 'NO_HOLD':
    case 'NOT_YOURS':
    case 'HOLD_LOST':
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
  const reply = await runScript(client, 'seats.read', eventKeys(ref.eventId).meta, ref.generation, holdId);
  return decodeAnswer('seats.read', ref, holdId, reply);
}

/** The caller of an action on a hold: who, which hold, and the fence of the claim they believe in. */
export interface HoldAction {
  readonly holdId: string;
  readonly person: string;
  readonly fence: string;
}

/** Source: scripts/seats.extend.lua. `digest` stands for (key, input), so that a repeated call extends once. */
export async function extendHold(
  client: Redis,
  ref: EventRef,
  action: HoldAction & { readonly extensionMs: number; readonly digest: string },
): Promise<HoldAnswer> {
  const { holdId, person, fence, extensionMs, digest } = action;
  const key = eventKeys(ref.eventId).meta;
  const reply = await runScript(
    client,
    'seats.extend',
    key,
    ref.generation,
    holdId,
    person,
    fence,
    extensionMs,
    digest,
  );
  return decodeAnswer('seats.extend', ref, holdId, reply);
}

/** Source: scripts/seats.release.lua. */
export async function releaseHold(client: Redis, ref: EventRef, action: HoldAction): Promise<HoldAnswer> {
  const { holdId, person, fence } = action;
  const key = eventKeys(ref.eventId).meta;
  const reply = await runScript(
    client,
    'seats.release',
    key,
    ref.generation,
    holdId,
    person,
    fence,
    limits.tombstoneMs,
  );
  return decodeAnswer('seats.release', ref, holdId, reply);
}

/** Source: scripts/seats.checkout.lua. */
export async function checkoutHold(
  client: Redis,
  ref: EventRef,
  action: HoldAction & { readonly orderId: string },
): Promise<HoldAnswer> {
  const reply = await runScript(
    client,
    'seats.checkout',
    eventKeys(ref.eventId).meta,
    ref.generation,
    action.holdId,
    action.person,
    action.fence,
    action.orderId,
    limits.checkoutTtlMs,
    limits.orphanCheckoutMs,
    limits.checkoutSlotMs,
  );
  return decodeAnswer('seats.checkout', ref, action.holdId, reply);
}
