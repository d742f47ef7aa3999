import type { Redis } from 'ioredis';
import type { Pace } from '../domain/line.js';
import { parsePace } from '../domain/line.js';
import { limits } from '../limits.js';
import type { EventRef } from './keys.js';
import { runBinaryScript, runScript, type ScriptReply, unknownCode } from './script.js';

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
  /** How far the clock of the sale, which stands still in pauses, was behind the event's time. */
  readonly shiftMs: number;
  readonly nowMs: number;
}

export type PlaceAnswer =
  | { readonly code: 'OK'; readonly place: StoredPlace }
  | { readonly code: 'WRONG_EPOCH' | 'NO_ENTRY' | 'NOT_YOURS' | 'QUEUE_FULL' | 'SALE_CLOSED' | 'NUMBERS' };

function decodePlace(script: 'line.join' | 'line.leave' | 'line.read', reply: ScriptReply): PlaceAnswer {
  switch (reply.code) {
    case 'OK': {
      const [entryId, number, person, state, since, endsAt, phase, lineVersion, shift] = reply.values;
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
          shiftMs: Number(shift),
          nowMs: reply.nowMs,
        },
      };
    }
    case 'WRONG_EPOCH':
    case 'NO_ENTRY':
    case 'NOT_YOURS':
    case 'QUEUE_FULL':
    case 'SALE_CLOSED':
    case 'NUMBERS':
      return { code: reply.code };
    default:
      return unknownCode(script, reply.code);
  }
}

/** Source: scripts/line.join.lua. `lineEntries`: places at most. */
export async function joinLine(
  client: Redis,
  ref: EventRef,
  join: { readonly person: string; readonly newEntryId: string },
  lineEntries: number = limits.lineEntries,
): Promise<PlaceAnswer> {
  const { pollPresenceMs, processLeaseMs } = limits;
  const { person, newEntryId } = join;
  return decodePlace(
    'line.join',
    await runScript(client, 'line.join', ref, person, newEntryId, pollPresenceMs, lineEntries, processLeaseMs),
  );
}

/** Source: scripts/line.leave.lua. */
export async function leaveLine(client: Redis, ref: EventRef, entryId: string, person: string): Promise<PlaceAnswer> {
  return decodePlace('line.leave', await runScript(client, 'line.leave', ref, entryId, person));
}

/** Source: scripts/line.read.lua. Counts as presence if `pollingPerson` owns the place; null leaves presence alone. */
export async function readPlace(
  client: Redis,
  ref: EventRef,
  entryId: string,
  pollingPerson: string | null,
): Promise<PlaceAnswer> {
  const { pollPresenceMs, processLeaseMs } = limits;
  return decodePlace(
    'line.read',
    await runScript(client, 'line.read', ref, entryId, pollingPerson ?? '', pollPresenceMs, processLeaseMs),
  );
}

/** Source: scripts/line.presence.lua. Answers false when the event is being rebuilt. */
export async function reportPresence(
  client: Redis,
  ref: EventRef,
  report: { readonly processId: string; readonly seen: readonly string[]; readonly lost: readonly string[] },
): Promise<boolean> {
  const { processId, seen, lost } = report;
  const { absenceMs, processLeaseMs } = limits;
  const reply = await runScript(
    client,
    'line.presence',
    ref,
    processId,
    absenceMs,
    processLeaseMs,
    seen.length,
    ...seen,
    ...lost,
  );
  return reply.code === 'OK';
}

export interface AdmissionRound {
  readonly admitted: number;
  readonly waiting: number;
  readonly phase: LinePhase;
}

/** Source: scripts/line.admit.lua. `checkoutsPerSecond` is what the payment provider can serve of this event; 0: no bound; below: nobody is let in. */
export async function admitFromLine(
  client: Redis,
  ref: EventRef,
  checkoutsPerSecond = 0,
): Promise<AdmissionRound | null> {
  const reply = await runScript(
    client,
    'line.admit',
    ref,
    limits.admitBatch,
    limits.admitWork,
    limits.processLeaseMs,
    limits.sweepHolds,
    limits.tombstoneMs,
    Math.round(checkoutsPerSecond * 1_000),
    limits.shoppersPerSeat,
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
  const reply = await runScript(client, 'line.draw', ref, alreadyNumbered, ...entryIds);
  if (reply.code !== 'OK') return null;
  return { numbered: Number(reply.values[0]), lobbySize: Number(reply.values[1]) };
}

/** Source: scripts/line.numbers.lua. */
export async function allowNumbers(client: Redis, ref: EventRef, to: number): Promise<void> {
  await runScript(client, 'line.numbers', ref, to);
}

/** A place of before the loss of Redis, as the platform itself knows or has signed it. */
export interface RestorablePlace {
  readonly entryId: string;
  readonly person: string;
  readonly number: number;
  readonly state: 'W' | 'A';
  readonly sinceMs: number;
  /** By the clock of the sale; 0 for somebody who waits. */
  readonly endsAtMs: number;
}

/** Source: scripts/line.restore.lua. `processId` serves them; null: somebody asked. Null when the event is being rebuilt. */
export async function restorePlaces(
  client: Redis,
  ref: EventRef,
  processId: string | null,
  places: readonly RestorablePlace[],
): Promise<readonly boolean[] | null> {
  const reply = await runScript(
    client,
    'line.restore',
    ref,
    processId ?? '@',
    limits.pollPresenceMs,
    limits.lineEntries,
    ...places.flatMap((p) => [p.entryId, p.person, p.number, p.state, p.sinceMs, p.endsAtMs]),
  );
  if (reply.code !== 'OK') return null;
  return reply.values.slice(1).map((done) => done === '1');
}

export interface LineSnapshot {
  readonly version: number;
  readonly phase: LinePhase;
  readonly pace: Pace | null;
  /** Places of before the loss of Redis are being put back, or are still to be drawn: no position can be told. */
  readonly uncounted: boolean;
  /** Bit n (most significant bit of a byte first) is 1 when the place with number n is gone. */
  readonly gone: Buffer;
}

/** Source: scripts/line.snapshot.lua. Null when the event is being rebuilt. */
export async function snapshotLine(client: Redis, ref: EventRef): Promise<LineSnapshot | null> {
  const reply = await runBinaryScript(client, 'line.snapshot', ref);
  if (reply === null || String(reply[0]) !== 'OK') return null;
  const [, , version, phase, pace, uncounted, gone] = reply;
  return {
    version: Number(String(version)),
    phase: String(phase) as LinePhase,
    pace: parsePace(String(pace)),
    uncounted: Number(uncounted) === 1,
    gone: gone as Buffer,
  };
}
