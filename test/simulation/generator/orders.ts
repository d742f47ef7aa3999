import type { Operation, OperationName } from '../steps.js';
import type { Source } from './source.js';

type OrderOperation = 'confirm' | 'issue' | 'sell' | 'return' | 'free';

/** States of a hold in which it is an operation's turn. */
const turns: Readonly<Record<OrderOperation, readonly string[]>> = {
  confirm: ['CHECKOUT'],
  issue: ['CHECKOUT', 'EXPIRED'],
  sell: ['ISSUING'],
  return: ['SOLD'],
  free: ['RETURNING', 'CHECKOUT', 'ISSUING'],
};

const ended: ReadonlySet<string> = new Set(['SOLD', 'RETURNED', 'RELEASED', 'EXPIRED']);

/** Null: it is another kind of operation, or there is nothing to do it with. */
export function drawOrderStep(op: OperationName, source: Source): Operation | null {
  switch (op) {
    case 'confirm':
    case 'issue':
    case 'sell':
    case 'return':
    case 'free':
      return drawSettlement(op, source);
    case 'forget': {
      const { random, world } = source;
      const over = [...world.holds.values()].filter(({ state, forgotten }) => !forgotten && ended.has(state));
      return over.length === 0 ? null : { op, hold: random.pick(over).name };
    }
    default:
      return null;
  }
}

/** A step of an order whose turn it is, most of the time; the rest come late, twice or for another order. */
function drawSettlement(op: OrderOperation, { random, world }: Source): Operation | null {
  const orders = [...world.orders.keys()].filter((hold) => world.holds.has(hold));
  const due = orders.filter((hold) => turns[op].includes(world.holds.get(hold)!.state));
  if (orders.length === 0 || (due.length === 0 && random.hits(0.75))) return null;
  const hold = random.pick(due.length > 0 && random.hits(0.9) ? due : orders);
  return { op, hold, order: random.hits(0.04) ? 'other' : 'own' };
}
