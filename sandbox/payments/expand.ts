import { renderCharge, renderIntent } from './render.js';
import { renderBalance, renderDispute, renderRefund } from './render-books.js';
import type { World } from './world.js';

/** The object with an id, rendered; undefined when there is none. */
function find(world: World, id: string): object | undefined {
  const { store } = world;
  const [prefix] = id.split('_');
  if (prefix === 'pi') {
    const intent = store.intents.get(id);
    return intent && renderIntent(intent, world.pageUrl);
  }
  if (prefix === 'ch') {
    const intent = store.intentOfCharge(id);
    return intent?.charge ? renderCharge(intent, intent.charge) : undefined;
  }
  if (prefix === 're') {
    const refund = store.refunds.get(id);
    return refund && renderRefund(refund, store.intents.get(refund.intentId));
  }
  if (prefix === 'dp') {
    const dispute = store.disputes.get(id);
    return dispute && renderDispute(dispute, store);
  }
  const movement = store.balance.get(id);
  return movement && renderBalance(movement);
}

/** The JSON of an object with the named ids in it replaced by what they stand for; `a.b` goes on inside of `a`. */
export function expanded(world: World, object: object, names: readonly string[]): string {
  if (names.length === 0) return JSON.stringify(object);
  const copy: Record<string, unknown> = { ...object };
  for (const name of names) {
    let inner = copy;
    for (const part of name.split('.')) {
      const value = inner[part];
      const found = typeof value === 'string' ? { ...find(world, value) } : value;
      if (typeof found !== 'object' || found === null) break;
      inner[part] = found;
      inner = found as Record<string, unknown>;
    }
  }
  return JSON.stringify(copy);
}
