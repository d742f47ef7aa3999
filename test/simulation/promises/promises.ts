import type { Scenario } from '../scenario.js';
import type { Deed, Rule } from './deed.js';
import * as line from './line.js';
import * as seats from './seats.js';
import { TrailJudge } from './trail.js';
import { Witness } from './witness.js';

export interface Breach {
  readonly promise: string;
  readonly reason: string;
}

const rules: readonly (readonly [string, Rule])[] = [
  ['Promise 1', seats.countsAddUp],
  ['Promise 2', seats.oneOwner],
  ['Promise 2', seats.nobodyLosesASeat],
  ['Promise 3', seats.claimsAreWhole],
  ['Promise 3', seats.losersChangeNothing],
  ['Promise 4', seats.strangersMoveNothing],
  ['Promise 5', seats.claimsAreJudgedByDeadlines],
  ['Promise 5', seats.nobodyActsAfterTheDeadline],
  ['Promise 7', seats.stockComesBackOnce],
  ['Promise 9', line.onePlace],
  ['Promise 11', line.admissionsLast],
  ['Promise 13', line.purchasesNeedAdmission],
  ['Promise 15', line.pausesAdmitNobody],
  ['Promise 15', line.pausesStandStill],
];

/** The promises themselves, judged from what is asked, answered, kept and published, without the model. */
export class Promises {
  readonly #scenario: Scenario;
  readonly #trail = new TrailJudge();
  readonly #positions = new line.Positions();
  readonly #witness = new Witness();

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
  }

  /** The first promise that a step has broken. */
  judge(deed: Deed): Breach | null {
    const told = this.#witness.hear(deed);
    if (told !== null) return { promise: 'Promise 2', reason: told };
    for (const [promise, rule] of rules) {
      const reason = rule(deed, this.#scenario);
      if (reason !== null) return { promise, reason };
    }
    for (const record of deed.after.trail) {
      const reason = this.#trail.take(record);
      if (reason !== null) return { promise: 'Promises 11 and 12', reason };
    }
    const reason = this.#positions.rises(deed.after, deed.now);
    return reason === null ? null : { promise: 'Promise 12', reason };
  }
}
