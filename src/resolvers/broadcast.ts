import { Extensions } from 'type-graphql';

export interface BroadcastRule {
  /** The argument that only says where a stream begins. Whoever began elsewhere is told the same from then on. */
  readonly cursor?: string;
}

/**
 * Declares that what a subscription field, or every field of an object type, tells does not depend on who asks, apart from what its source
 * names as the audience. Without it nothing is shared. Such a field reads no viewer: in a shared execution there is none.
 */
export function Broadcast(rule: BroadcastRule = {}): ClassDecorator & MethodDecorator {
  return Extensions({ broadcast: rule }) as ClassDecorator & MethodDecorator;
}
