import type { ModelOrder, World } from './model/world.js';
import type { Step } from './steps.js';

/** A step with what its caller has been told by now: the fence of a hold, the order that was made from it. */
export interface Call {
  readonly step: Step;
  readonly fence: string;
  readonly order: ModelOrder | null;
}

export function orderIdOf(hold: string): string {
  return `order-${hold}`;
}

/** Null: nobody would make this call, because what it is about has been left out or is over for good. */
export function resolve(step: Step, world: World): Call | null {
  const known = 'hold' in step ? world.holds.get(step.hold) : undefined;
  const fence = known?.fence ?? 1;
  const call = { step, fence: 'fence' in step && step.fence === 'earlier' ? `${fence - 1}` : `${fence}`, order: null };
  const isSold = known?.state === 'SOLD' || known?.state === 'RETURNING';
  switch (step.op) {
    case 'claim':
      // A key is remembered for a day. Whoever uses it again later, for a hold that was bought meanwhile, is beyond what is promised.
      return known?.forgotten && isSold ? null : call;
    case 'forget':
      return known !== undefined && !known.forgotten && endedStates.has(known.state) ? call : null;
    case 'confirm':
    case 'issue':
    case 'sell':
    case 'return':
    case 'free': {
      const order = world.orders.get(step.hold);
      if (order === undefined || (step.op === 'issue' && known?.state === 'RETURNED')) return null;
      const isOther = step.order === 'other' && step.op !== 'issue' && step.op !== 'return';
      return { ...call, order: isOther ? { ...order, orderId: `${order.orderId}-other` } : order };
    }
    default:
      return call;
  }
}

const endedStates: ReadonlySet<string> = new Set(['SOLD', 'RETURNED', 'RELEASED', 'EXPIRED']);
