import { waitingRooms } from '../../../src/redis/inventory.js';
import { liveHolds } from '../model/stock.js';
import { startMs } from '../scenario.js';
import type { Operation, OperationName, StepOf } from '../steps.js';
import type { Source } from './source.js';

/** Null: it is another kind of operation. */
export function drawSteering(op: OperationName, source: Source): Operation | null {
  const { random, world } = source;
  switch (op) {
    case 'allocate':
      return drawAllocation(source);
    case 'numbers':
      return { op, to: world.lastNumber + random.between(0, 6) };
    case 'settings':
      return drawSettings(source);
    case 'look':
      return { op, part: random.pick(['seats', 'line', 'sales']) };
    default:
      return null;
  }
}

function drawAllocation({ random, world }: Source): Operation {
  const letter = random.pick(['.', '.', 'A', 'B', 'C', 'x']);
  const count = random.pick([0, 1, 1, 2, 3, 6]);
  const seats = Array.from({ length: count }, () => random.between(0, world.seats.length - 1));
  const releaseAt = random.hits(0.5) ? null : world.now - startMs + random.pick([-1, 0, 1_000, 60_000]);
  return { op: 'allocate', letter, seats: [...new Set(seats)], releaseAt };
}

function drawSettings({ random, world }: Source): Operation {
  const { admitPerSecond, cap } = world.scenario;
  return {
    op: 'settings',
    admitPerSecond: random.hits(0.7) ? admitPerSecond : random.pick([0.2, 1, 5, 100]),
    cap: random.pick([cap, cap, 1, 2, 4, 40]),
    room: random.hits(0.7) ? world.room : random.pick(waitingRooms),
    action: drawAction(random, world),
  };
}

function drawAction(random: Source['random'], world: Source['world']): StepOf<'settings'>['action'] {
  // Best while somebody could still buy.
  if (random.hits(liveHolds(world).length > 2 ? 0.07 : 0.01)) return 'close';
  return world.pausedAt === null
    ? random.pick(['pause', '', '', 'resume'] as const)
    : random.pick(['resume', 'resume', 'resume', 'pause', ''] as const);
}
