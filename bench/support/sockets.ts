import type { ListenerCommand, ListenerReport } from './listeners.js';
import { type Party, startParty } from './party.js';
import type { Stores } from './stores.js';

export type Subscription = Extract<ListenerCommand, { type: 'open' }>['subscription'];
export type ListenerParty = Party<ListenerCommand, ListenerReport>;

/** Processes that listen, each with addresses of its own: one address has too few ports for all of them. */
export async function startListeners(stores: Stores, processes: number): Promise<ListenerParty[]> {
  const parties: ListenerParty[] = [];
  for (let at = 0; at < processes; at += 1)
    parties.push(await startParty<ListenerCommand, ListenerReport>(stores, 'bench/support/listeners.ts'));
  return parties;
}

/** Opens so many sockets, shared between the processes. `firstAddress`: number of the first local address they may use. */
export async function openSockets(
  parties: readonly ListenerParty[],
  options: {
    readonly url: string;
    readonly sockets: number;
    readonly firstAddress: number;
    readonly subscription: Subscription;
    /** So many are being opened at a time, by all processes together. */
    readonly atOnce?: number;
  },
): Promise<void> {
  const { url, sockets, firstAddress, subscription, atOnce = 100 } = options;
  const upTo = (at: number) => Math.floor((at * sockets) / parties.length);
  await Promise.all(
    parties.map((party, at) =>
      party.ask({
        type: 'open',
        url,
        localAddress: `127.0.0.${firstAddress + at}`,
        sockets: upTo(at + 1) - upTo(at),
        atOnce: Math.max(1, Math.floor(atOnce / parties.length)),
        subscription: subscription && {
          ...subscription,
          tokens: subscription.tokens?.slice(upTo(at), upTo(at + 1)) ?? null,
        },
      }),
    ),
  );
}
