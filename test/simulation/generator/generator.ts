import { type Random, randomFor } from '../../../bench/rush/random.js';
import type { World } from '../model/world.js';
import { type Scenario, startMs } from '../scenario.js';
import type { Operation, OperationName, Step } from '../steps.js';
import { drawHoldStep } from './holds.js';
import { nextInstant } from './instants.js';
import { drawLineStep } from './line.js';
import { drawOrderStep } from './orders.js';
import { Names, type Source } from './source.js';
import { drawSteering } from './steering.js';

/** How often each operation is tried, as parts of the whole; every run shifts these, so that runs have characters of their own. */
const weights: Readonly<Record<OperationName, number>> = {
  claim: 22,
  change: 7,
  extend: 5,
  release: 5,
  checkout: 8,
  read: 1,
  confirm: 4,
  issue: 6,
  sell: 6,
  return: 4,
  free: 5,
  forget: 1,
  allocate: 1.5,
  join: 10,
  leave: 3,
  place: 4,
  presence: 5,
  admit: 9,
  draw: 2,
  numbers: 1,
  restore: 4,
  settings: 1.3,
  look: 1.5,
};

/** So many steps are taken of a sale that has been closed. */
const closedSteps = 60;

/** Makes one step after another out of what is true of the event, so that interesting things happen. The same seed makes the same steps. */
export class Generator {
  readonly #random: Random;
  readonly #names = new Names();
  readonly #odds: readonly (readonly [OperationName, number])[];
  readonly #total: number;
  /** The largest steps in time belong to some runs only, or nothing would ever live long. */
  readonly #haste: number;
  #left: number;
  #leftClosed = closedSteps;

  constructor(scenario: Scenario) {
    const random = randomFor(scenario.seed, 2 * scenario.run + 1);
    this.#random = random;
    this.#odds = Object.entries(weights).map(([op, weight]) => {
      const rush = scenario.isCrowd && op === 'claim' ? 4 : 1;
      return [op as OperationName, rush * weight * random.pick([0.3, 1, 1, 2])];
    });
    this.#total = this.#odds.reduce((sum, [, weight]) => sum + weight, 0);
    this.#haste = scenario.isCrowd ? 1 : random.pick([0.2, 1, 1, 3]);
    this.#left = scenario.steps;
  }

  /** Null: the run is long enough, or has been closed for so long that nothing new happens. */
  next(world: World): Step | null {
    this.#left -= 1;
    if (world.phase === 'CLOSED') this.#leftClosed -= 1;
    if (this.#left < 0 || this.#leftClosed < 0) return null;
    const random = this.#random;
    const at = nextInstant(random, world, this.#haste) - startMs;
    // The step is made for the instant at which it happens.
    world.now = world.at(at);
    const operation = this.#draw({ random, world, names: this.#names });
    const mayBeLate = operation.op !== 'forget' && operation.op !== 'numbers' && operation.op !== 'draw';
    const isLate = mayBeLate && random.hits(operation.op === 'restore' ? 0.05 : 0.01);
    return isLate ? { ...operation, at, epoch: 'earlier' } : { ...operation, at };
  }

  #draw(source: Source): Operation {
    for (;;) {
      const op = this.#drawName(source.world);
      const operation =
        drawHoldStep(op, source) ?? drawOrderStep(op, source) ?? drawLineStep(op, source) ?? drawSteering(op, source);
      if (operation !== null) return operation;
    }
  }

  #drawName(world: World): OperationName {
    const random = this.#random;
    // A pause ends sooner or later, numbers are allowed, and places of before are shown.
    if (world.pausedAt !== null && random.hits(0.06)) return 'settings';
    if (world.lastNumber >= world.numbersTo && random.hits(0.06)) return 'numbers';
    if (world.recovering && random.hits(0.15)) return 'restore';
    let left = random.next() * this.#total;
    for (const [op, weight] of this.#odds) {
      left -= weight;
      if (left < 0) return op;
    }
    return 'admit';
  }
}
