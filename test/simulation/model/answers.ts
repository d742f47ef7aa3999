import type { ModelHold, ModelPlace, World } from './world.js';

/** A code and the values its contract names. Fields that are promised to nobody are left out. */
export interface Answer {
  readonly code: string;
  readonly [value: string]: unknown;
}

/** Stands for a fence that is not known before the answer. */
export const newFence = 'greater than every fence before';

/** A hold as its owner is told of it. One past its deadline is over, whether or not anybody has written that down. */
export function holdAnswer(world: World, hold: ModelHold, fence: number | typeof newFence = hold.fence): Answer {
  const { owner, seats, orderId, createdAt } = hold;
  const state = isDue(world, hold) ? 'EXPIRED' : hold.state;
  return {
    code: 'OK',
    state,
    owner,
    seats,
    orderId,
    createdAt,
    fence,
    now: world.now,
    ...deadlines(world, { ...hold, state }),
  };
}

/** Those of a hold that has ended say nothing to anybody. */
function deadlines(world: World, hold: ModelHold): object {
  const { state, freeAt, extensionsEndAt, payBy } = hold;
  if (state === 'HELD')
    return { expiresAt: freeAt + world.shift, extensionsEndAt: (extensionsEndAt ?? freeAt) + world.shift };
  return state === 'CHECKOUT' ? { expiresAt: freeAt, payBy } : {};
}

/** A hold ends by the clock of the sale, a checkout by the event's time. */
export function isDue(world: World, { state, freeAt }: Pick<ModelHold, 'state' | 'freeAt'>): boolean {
  return (state === 'HELD' && world.clock >= freeAt) || (state === 'CHECKOUT' && world.now >= freeAt);
}

export function placeAnswer(world: World, place: ModelPlace): Answer {
  const { entry, number, person, state, since, admissionEndsAt } = place;
  const endsAt = state === 'A' ? admissionEndsAt! + world.shift : null;
  const { now, shift, shownPhase: phase } = world;
  return { code: 'OK', entry, number, person, state, since, endsAt, phase, shift, now };
}
