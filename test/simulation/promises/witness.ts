import { limits } from '../../../src/limits.js';
import type { Deed } from './deed.js';

interface Told {
  readonly seats: readonly number[];
  /** The event's time up to which the seats are theirs, by what they were told last. In a pause it is later than that. */
  readonly until: number;
}

const forGood = Number.POSITIVE_INFINITY;

/** Believes what owners are told and looks nowhere else: nobody is told that a seat is theirs while it is somebody else's. */
export class Witness {
  readonly #told = new Map<string, Told>();

  /** What is wrong with an answer; null: nothing. */
  hear({ call: { step, order }, answer, now }: Deed): string | null {
    if (answer.code !== 'OK' || !('hold' in step)) return null;
    switch (step.op) {
      case 'claim':
      case 'change':
      case 'extend':
      case 'release':
      case 'checkout':
      case 'read':
        return this.#hearState(step.hold, answer, now);
      case 'confirm': {
        const known = this.#told.get(step.hold);
        const until = order!.payBy + limits.settleGraceMs;
        if (known !== undefined && known.until !== forGood) this.#told.set(step.hold, { ...known, until });
        return null;
      }
      case 'issue':
      case 'sell':
      case 'return':
        return this.#give(step.hold, { seats: order!.seats, until: forGood }, now);
      case 'free':
        this.#told.delete(step.hold);
        return null;
      default:
        return null;
    }
  }

  #hearState(hold: string, { state, seats, expiresAt }: Deed['answer'], now: number): string | null {
    const isForATime = state === 'HELD' || state === 'CHECKOUT';
    if (isForATime || state === 'ISSUING' || state === 'SOLD' || state === 'RETURNING') {
      const until = isForATime ? (expiresAt as number) : forGood;
      return this.#give(hold, { seats: seats as readonly number[], until }, now);
    }
    this.#told.delete(hold);
    return null;
  }

  #give(hold: string, told: Told, now: number): string | null {
    for (const [other, { seats, until }] of this.#told) {
      if (other === hold || until <= now) continue;
      const seat = told.seats.find((wanted) => seats.includes(wanted));
      if (seat !== undefined) return `seat ${seat} was given to ${hold} while ${other} has been told that it has it`;
    }
    this.#told.set(hold, told);
    return null;
  }
}
