import { limits } from '../../../src/limits.js';
import type { Observation } from '../observe.js';
import { clockOf, fieldOf, isKnown, type Rule } from './deed.js';
import { isAdmission } from './trail.js';

export const onePlace: Rule = ({ call: { step }, answer, before, after }) => {
  const places = new Map<string, string>();
  const numbers = new Set<number>();
  for (const [entry, { person, number, state }] of after.places) {
    if (number > 0 && numbers.has(number)) return `number ${number} was given twice`;
    numbers.add(number);
    if (state !== 'W' && state !== 'A') continue;
    if (places.has(person)) return `${person} has the places ${places.get(person)} and ${entry}`;
    if (after.persons.get(person) !== entry) return `${entry} of ${person} is not found by its owner`;
    places.set(person, entry);
  }
  if (step.op !== 'join' || answer.code !== 'OK') return null;
  const known = before.persons.get(step.person) ?? '';
  const isLost = known !== answer.entry && places.get(step.person) === known;
  return isLost ? `${step.person} was not shown the place they have` : null;
};

/** An admission ends by time, but not while a hold lives; settings evict nobody. */
export const admissionsLast: Rule = ({ call: { step }, before, after, now }) => {
  const clock = clockOf(after, now);
  for (const [hold, fields] of after.holds) {
    const entry = after.persons.get(fields.get('owner') ?? '') ?? '';
    const endsAt = after.admitted.get(entry) ?? 0;
    if (fields.get('state') !== 'HELD' || endsAt <= clock || endsAt >= Number(fields.get('freeAt'))) continue;
    return `the admission of ${entry} ends before ${hold}`;
  }
  if (step.op !== 'settings') return null;
  const evicted = [...before.admitted.keys()].find((entry) => !after.admitted.has(entry));
  return evicted === undefined ? null : `${evicted} was evicted`;
};

export const purchasesNeedAdmission: Rule = ({ call: { step }, answer, before, after, now }) => {
  if (answer.code !== 'OK' || (step.op !== 'claim' && step.op !== 'checkout')) return null;
  const isRepeated = step.op === 'claim' ? isKnown(before, step.hold) : fieldOf(before, step.hold, 'orderId') !== '';
  if (isRepeated || before.meta.get('waitingRoom') === 'NEVER') return null;
  // Whoever comes in on the spot is admitted by the claim itself.
  const seen = step.op === 'claim' ? after : before;
  const endsAt = seen.admitted.get(seen.persons.get(step.person) ?? '') ?? 0;
  return endsAt > clockOf(before, now) ? null : `${step.op} of ${step.hold} without an admission`;
};

export const pausesAdmitNobody: Rule = ({ call: { step }, answer, before, after }) => {
  if (!isPaused(before)) return null;
  // What was admitted before Redis was lost is no new admission.
  const admitted = after.trail.find(({ kind }) => isAdmission(kind) && kind !== 'back');
  if (admitted !== undefined) return `${admitted.entry} was admitted in a pause`;
  const isTaken = step.op === 'claim' && answer.code === 'OK' && !isKnown(before, step.hold);
  return isTaken ? `${step.hold} was taken in a pause` : null;
};

/** For a bounded time of a pause nothing ends that had not ended when it began. */
export const pausesStandStill: Rule = ({ before, after, now }) => {
  const pausedAt = Number(before.meta.get('pausedAt'));
  if (!isPaused(before) || now - pausedAt > limits.pauseMaxMs) return null;
  const clock = clockOf(before, pausedAt);
  for (const hold of before.holds.keys()) {
    const wasLive = fieldOf(before, hold, 'state') === 'HELD' && Number(fieldOf(before, hold, 'freeAt')) > clock;
    if (wasLive && fieldOf(after, hold, 'state') === 'EXPIRED') return `${hold} expired in a pause`;
  }
  for (const { kind, entry } of after.trail) {
    const endsAt = (kind === 'E' ? before.awayUntil : before.admitted).get(entry) ?? 0;
    if ((kind === 'E' || kind === 'X') && endsAt > clock) return `${entry} was dropped in a pause`;
  }
  return null;
};

function isPaused({ meta }: Observation): boolean {
  return meta.get('pausedAt') !== '' && meta.get('phase') !== 'CLOSED';
}

/** Positions, as everybody works them out from the numbers that are gone. */
export class Positions {
  readonly #told = new Map<string, number>();

  /** What is wrong: somebody's position has risen. While places of before are put back, or still to be drawn, none is told. */
  rises(seen: Observation, now: number): string | null {
    if (now < Number(seen.meta.get('recoverUntil')) || isLateDraw(seen)) return null;
    for (const [entry, { number, state }] of seen.places) {
      if (state !== 'W' || number === 0) continue;
      const ahead = number - 1 - seen.gone.filter((other) => other < number).length;
      const told = this.#told.get(entry) ?? ahead;
      if (ahead > told) return `${entry} was told ${told} ahead, and now ${ahead}`;
      this.#told.set(entry, ahead);
    }
    return null;
  }
}

/** Whether those of a lobby of before are still to be drawn in front of everybody who has a number. */
function isLateDraw({ meta, line }: Observation): boolean {
  const isToCome = meta.get('phase') === 'LOBBY' || meta.get('phase') === 'DRAWING';
  return isToCome && line.get('behind') === '1';
}
