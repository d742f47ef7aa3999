import type { Redis } from 'ioredis';
import { limits } from '../limits.js';
import { eventKeys } from './keys.js';
import { isDistrusted, runScript, type ScriptReply, unknownCode } from './script.js';
import type { EventRef } from './seat-holds.js';

export const linePhases = ['LOBBY', 'DRAWING', 'OPEN', 'PAUSED', 'SOLD_OUT', 'CLOSED'] as const;
export type LinePhase = (typeof linePhases)[number];

/** Waiting, admitted, left, admission over, absent for good, completed by a purchase. */
export type PlaceState = 'W' | 'A' | 'L' | 'X' | 'E' | 'C';

export interface StoredPlace {
  readonly entryId: string;
  /** 0 until the draw. */
  readonly number: number;
  readonly person: string;
  readonly state: PlaceState;
  readonly sinceMs: number;
  readonly admissionEndsAtMs: number | null;
  readonly phase: LinePhase;
  /** Of the line when this was read: a position shown with it must know at least as much. */
  readonly lineVersion: number;
  readonly nowMs: number;
}

export type PlaceAnswer =
  | { readonly code: 'OK'; readonly place: StoredPlace }
  | { readonly code: 'WRONG_EPOCH' | 'NO_ENTRY' | 'NOT_YOURS' | 'QUEUE_FULL' | 'SALE_CLOSED' };

function decodePlace(script: 'line.join' | 'line.leave' | 'line.read', reply: ScriptReply): PlaceAnswer {
  switch (reply.code) {
    case 'OK': {
      const [entryId, number, person, state, since, endsAt, phase, lineVersion] = reply.values;
      return {
        code: 'OK',
        place: {
          entryId: entryId!,
          number: Number(number),
          person: person!,
          state: state as PlaceState,
          sinceMs: Number(since),
          admissionEndsAtMs: endsAt ? Number(endsAt) : null,
          phase: phase as LinePhase,
          lineVersion: Number(lineVersion),
          nowMs: reply.nowMs,
        },
      };
    }
    case 'WRONG_EPOCH':
    case 'NO_ENTRY':
    case 'NOT_YOURS':
    case 'QUEUE_FULL':
    case 'SALE_CLOSED':
      return { code: reply.code };
    default:
      return unknownCode(script, reply.code);
  }
}

/** Source: scripts/line.join.lua. */
export async function joinLine(
  client: Redis,
  ref: EventRef,
  join: { readonly person: string; readonly newEntryId: string },
): Promise<PlaceAnswer> {
  const reply = await runScript(
    client,
    'line.join',
    eventKeys(ref.eventId).meta,
    ref.generation,
    join.person,
    join.newEntryId,
    limits.pollPresenceMs,
    limits.lineEntries,
    limits.processLeaseMs,
  );
  return decodePlace('line.join', reply);
}

/** Source: scripts/line.leave.lua. */
export async function leaveLine(client: Redis, ref: EventRef, entryId: string, person: string): Promise<PlaceAnswer> {
  const reply = await runScript(client, 'line.leave', eventKeys(ref.eventId).meta, ref.generation, entryId, person);
  return decodePlace('line.leave', reply);
}

/** Source: scripts/line.read.lua. Counts as presence if `pollingPerson` owns the place; null leaves presence alone. */
export async function readPlace(
  client: Redis,
  ref: EventRef,
  entryId: string,
  pollingPerson: string | null,
): Promise<PlaceAnswer> {
  const key = eventKeys(ref.eventId).meta;
  const reply = await runScript(
    client,
    'line.read',
    key,
    ref.generation,
    entryId,
    pollingPerson ?? '',
    limits.pollPresenceMs,
    limits.processLeaseMs,
  );
  return decodePlace('line.read', reply);
}

/** Source: scripts/line.presence.lua. Answers false when the event is being rebuilt. */
export async function reportPresence(
  client: Redis,
  ref: EventRef,
  report: { readonly processId: string; readonly seen: readonly string[]; readonly lost: readonly string[] },
): Promise<boolean> {
  const reply = await runScript(
    client,
    'line.presence',
    eventKeys(ref.eventId).meta,
    ref.generation,
    report.processId,
    limits.absenceMs,
    limits.processLeaseMs,
    report.seen.length,
    ...report.seen,
    ...report.lost,
  );
  return reply.code === 'OK';
}

export interface AdmissionRound {
  readonly admitted: number;
  readonly waiting: number;
  readonly phase: LinePhase;
}

/** Source: scripts/line.admit.lua. Answers null when the event is being rebuilt. */
export async function admitFromLine(client: Redis, ref: EventRef): Promise<AdmissionRound | null> {
  const reply = await runScript(
    client,
    'line.admit',
    eventKeys(ref.eventId).meta,
    ref.generation,
    limits.admitBatch,
    limits.admitWork,
    limits.processLeaseMs,
    limits.sweepHolds,
    limits.tombstoneMs,
  );
  if (reply.code !== 'OK') return null;
  const [admitted, waiting, phase] = reply.values;
  return { admitted: Number(admitted), waiting: Number(waiting), phase: phase as LinePhase };
}

/** Source: scripts/line.draw.lua. */
export async function applyDraw(
  client: Redis,
  ref: EventRef,
  alreadyNumbered: number,
  entryIds: readonly string[],
): Promise<{ readonly numbered: number; readonly lobbySize: number } | null> {
  const key = eventKeys(ref.eventId).meta;
  const reply = await runScript(client, 'line.draw', key, ref.generation, alreadyNumbered, ...entryIds);
  if (reply.code !== 'OK') return null;
  return { numbered: Number(reply.values[0]), lobbySize: Number(reply.values[1]) };
}

export interface LineSnapshot {
  readonly version: number;
  readonly phase: LinePhase;
  /** Bit n (most significant bit of a byte first) is 1 when the place with number n is gone. */
  readonly gone: Buffer;
}

/** Source: scripts/line.snapshot.lua. Null when the event is being rebuilt. */
export async function snapshotLine(client: Redis, ref: EventRef): Promise<LineSnapshot | null> {
  if (isDistrusted(client)) return null;
  const command = (client as unknown as Record<string, (...args: unknown[]) => Promise<(Buffer | number)[]>>)[
    'line.snapshotBuffer'
  ]!;
  const reply = await command.call(client, eventKeys(ref.eventId).meta, ref.generation);
  if (String(reply[0]) !== 'OK') return null;
  return {
    version: Number(String(reply[2])),
    phase: String(reply[3]) as LinePhase,
    gone: reply[4] as Buffer,
  };
}
