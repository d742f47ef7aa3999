import { limits } from '../../../src/limits.js';
import type { Call } from '../calls.js';
import type { Published } from '../follower.js';
import type { Answer } from '../model/answers.js';
import type { Observation } from '../observe.js';
import type { Scenario } from '../scenario.js';

/** One step as everybody can see it: what was asked and answered, what Redis had before and after, and what it published. */
export interface Deed {
  readonly call: Call;
  readonly answer: Answer;
  readonly before: Observation;
  readonly after: Observation;
  readonly published: Published;
  readonly now: number;
}

/** Says what is wrong with a step; null: nothing. */
export type Rule = (deed: Deed, scenario: Scenario) => string | null;

export function fieldOf(seen: Observation, hold: string, name: string): string {
  return seen.holds.get(hold)?.get(name) ?? '';
}

export function isKnown(seen: Observation, hold: string): boolean {
  return (seen.holds.get(hold)?.size ?? 0) > 0;
}

/** The clock of the sale at an instant of the event's time, as the meta key sets it. */
export function clockOf({ meta }: Observation, now: number): number {
  const pausedAt = meta.get('pausedAt') || null;
  const standing = pausedAt === null ? 0 : Math.min(now - Number(pausedAt), limits.pauseMaxMs);
  return now - Number(meta.get('pausedMs')) - standing;
}

/** Whether the deadline of a hold has passed. */
export function isPast(seen: Observation, hold: string, now: number): boolean {
  const state = fieldOf(seen, hold, 'state');
  const freeAt = Number(fieldOf(seen, hold, 'freeAt'));
  return (state === 'HELD' && clockOf(seen, now) >= freeAt) || (state === 'CHECKOUT' && now >= freeAt);
}

/** Whether a claim with these letters may have free places of a channel. */
export function isOpenTo(seen: Observation, channel: string, letters: string, now: number): boolean {
  if (channel === 'x') return false;
  const releaseAt = seen.meta.get(`release:${channel}`);
  return letters.includes(channel) || (Boolean(releaseAt) && now >= Number(releaseAt));
}

/** The first part that is not what it was; null: nothing has changed. */
export function changeOf(before: Observation, after: Observation): string | null {
  // Redis may list the same fields in another order.
  for (const [hold, fields] of after.holds) {
    const was = before.holds.get(hold);
    if (was !== fields && comparable(was ?? new Map()) !== comparable(fields)) return `the hold ${hold}`;
  }
  if (before.text === after.text) return null;
  const now = new Map(Object.entries(after.state).map(([part, value]) => [part, comparable(value)]));
  for (const [part, value] of Object.entries(before.state)) {
    const text = comparable(value);
    if (part !== 'trail' && now.get(part) !== text) return `${part} from ${text} to ${now.get(part)}`;
  }
  return null;
}

function comparable(value: unknown): string {
  const pairs = value instanceof Map ? [...value] : null;
  return pairs === null
    ? String(value)
    : pairs
        .map((pair) => JSON.stringify(pair))
        .sort()
        .join();
}

export function add(sums: Map<string, number>, name: string, by: number): void {
  sums.set(name, (sums.get(name) ?? 0) + by);
}
