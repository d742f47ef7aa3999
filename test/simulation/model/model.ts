import type { Call } from '../calls.js';
import { admit } from './admission.js';
import type { Answer } from './answers.js';
import * as holds from './holds.js';
import * as line from './line.js';
import * as orders from './orders.js';
import { open, waitingCount } from './places.js';
import * as steering from './steering.js';
import { countSeats } from './stock.js';
import type { World } from './world.js';

/**
 * What a step has to answer; afterwards the world is what it has to be. Written from the promises and the contracts of the scripts: whether
 * something is over is judged by comparing instants, and whatever can be counted is counted anew.
 */
export function foresee(world: World, call: Call): Answer {
  const { step } = call;
  world.trail = [];
  world.marks = [];
  if (step.op === 'forget') return orders.forget(world, step.hold);
  if (step.epoch === 'earlier') return { code: 'WRONG_EPOCH' };
  open(world);
  return ask(world, call);
}

function ask(world: World, call: Call): Answer {
  const { step } = call;
  switch (step.op) {
    case 'claim':
      return holds.claim(world, step);
    case 'change':
      return holds.change(world, step, call);
    case 'extend':
      return holds.extend(world, step, call);
    case 'release':
      return holds.release(world, step, call);
    case 'checkout':
      return holds.checkout(world, step, call);
    case 'read':
      return holds.read(world, step);
    case 'confirm':
      return orders.confirm(world, call);
    case 'issue':
      return orders.issue(world, call);
    case 'sell':
      return orders.sell(world, call);
    case 'return':
      return orders.giveBack(world, call);
    case 'free':
      return orders.free(world, call);
    case 'forget':
      return orders.forget(world, step.hold);
    case 'join':
      return line.join(world, step);
    case 'leave':
      return line.leave(world, step);
    case 'place':
      return line.look(world, step);
    case 'presence':
      return line.presence(world, step);
    case 'admit':
      return admit(world, step);
    case 'draw':
      return steering.draw(world, step);
    case 'numbers':
      return steering.allowNumbers(world, step);
    case 'restore':
      return steering.restore(world, step);
    case 'settings':
      return steering.settings(world, step);
    case 'allocate':
      return steering.allocate(world, step);
    case 'look':
      return look(world, step.part);
  }
}

function look(world: World, part: 'seats' | 'line' | 'sales'): Answer {
  const { now, shownPhase: phase } = world;
  if (part === 'seats') {
    const channels = world.hasChannels ? world.seats.map(({ channel }) => channel).join('') : '';
    return { code: 'OK', status: world.status(), channels, now };
  }
  const gone = [...world.gone].sort((a, b) => a - b);
  if (part === 'line') return { code: 'OK', phase, uncounted: world.uncounted, gone };
  const admitted = world.admittedPlaces().length;
  const counts = Object.fromEntries([...countSeats(world)].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { code: 'OK', waiting: waitingCount(world), admitted, phase, counts, now };
}
