import { sandboxLimits } from './limits.js';
import type { Dice, FailureMode } from './settings.js';

/** A fault planned for calls with the secret key. */
export interface FaultPlan {
  /** The name of an endpoint, or `all`. */
  readonly endpoint: string;
  /** `none` only delays. */
  readonly mode: FailureMode | 'none';
  /** How many more calls it meets; null: until it is taken back. */
  readonly times: number | null;
  /** The share of calls it meets. */
  readonly rate: number;
  readonly latencyMs: number;
  /** The `Retry-After` of mode `limit`; null: without one. */
  readonly retryAfterSeconds: number | null;
  /** Meets only calls whose address or form contains this; '': all. */
  readonly matching: string;
}

export type Fault = Pick<FaultPlan, 'mode' | 'latencyMs' | 'retryAfterSeconds'>;

/** At the door nothing was looked at yet; inside, the idempotency key was. */
export type FaultPlace = 'door' | 'inside';

const atDoor: readonly string[] = ['limit', 'lock', 'unavailable', 'hangBefore', 'cutBefore'];

export function placeOf(mode: FaultPlan['mode']): FaultPlace {
  return atDoor.includes(mode) ? 'door' : 'inside';
}

/** The faults in force, in the order they were planned; the first that fits a call meets it. */
export class Faults {
  #plans: (FaultPlan & { met: number })[] = [];

  get plans(): readonly (FaultPlan & { readonly met: number })[] {
    return this.#plans;
  }

  /** False when there are too many already. */
  plan(plan: FaultPlan): boolean {
    if (this.#plans.length >= sandboxLimits.plannedFaults) return false;
    this.#plans.push({ ...plan, met: 0 });
    return true;
  }

  /** @param endpoint all faults when undefined. */
  clear(endpoint: string | undefined): void {
    this.#plans = endpoint === undefined ? [] : this.#plans.filter((plan) => plan.endpoint !== endpoint);
  }

  take(place: FaultPlace, endpoint: string, call: () => string, dice: Dice): Fault | undefined {
    for (const plan of this.#plans) {
      if (plan.endpoint !== 'all' && plan.endpoint !== endpoint) continue;
      if (placeOf(plan.mode) !== place || plan.met === plan.times) continue;
      if (plan.matching !== '' && !call().includes(plan.matching)) continue;
      if (plan.rate < 1 && !dice.hits(plan.rate)) continue;
      plan.met += 1;
      return plan;
    }
    return undefined;
  }
}
