import type { Random } from '../../../bench/rush/random.js';
import type { World } from '../model/world.js';

/** What steps are drawn from: chance, the event as it is, and names that have not been used. */
export interface Source {
  readonly random: Random;
  readonly world: World;
  readonly names: Names;
}

/** Names in the order in which they are given; one that a step was drawn for stays its own. */
export class Names {
  #holds = 0;
  #entries = 0;
  #keys = 0;

  hold(): string {
    this.#holds += 1;
    return `h${this.#holds}`;
  }

  entry(): string {
    this.#entries += 1;
    return `e${this.#entries}`;
  }

  /** Now and then one that was given before, of this hold or of another one. */
  key(random: Random): number {
    if (this.#keys > 0 && random.hits(0.15)) return random.between(Math.max(1, this.#keys - 8), this.#keys);
    this.#keys += 1;
    return this.#keys;
  }
}

export function anyPerson({ random, world }: Source): string {
  return random.pick(world.scenario.persons);
}
