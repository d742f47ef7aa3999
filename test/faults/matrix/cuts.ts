import { closeGate, type GateName } from './gates.js';
import type { Endpoint } from './provider-line.js';
import type { Scene } from './scene.js';
import type { ApiServer } from './servers.js';

/** An order that stands still at a cut point. */
export interface Stop {
  /** The process that is at work on it; null: nobody is, the order waits for its buyer. */
  readonly worker: ApiServer | null;
  /** Whether it stands in the middle of a transaction. */
  readonly isInLedger: boolean;
  /** Its session in Postgres, where it is storing a webhook. */
  readonly storing: number | null;
  /** Everything goes on. */
  go(): Promise<void>;
}

/** A point in the life of an order. */
export interface Cut {
  readonly name: string;
  readonly title: string;
  /** Whether the buyer has paid by then. */
  readonly isPaid: boolean;
  /** Whether its money is on its way back. */
  readonly isRefund: boolean;
  /** Whether the API has to call the provider from here on, or is calling it. */
  readonly callsFollow: boolean;
  /** Plays the order to this point and stops it there. */
  reach(scene: Scene): Promise<Stop>;
}

/** Stops whoever comes to a gate of the ledger while `act` goes on. */
async function stopInLedger(scene: Scene, name: GateName, act: () => Promise<void>): Promise<Stop> {
  const gate = await closeGate(scene.stage.databaseUrl, name);
  try {
    await act();
    const { user, backend } = await gate.stopped();
    const storing = name.startsWith('webhook') ? backend : null;
    return { worker: scene.apiOf(user), isInLedger: true, storing, go: gate.open };
  } catch (error) {
    await gate.open();
    throw error;
  }
}

async function stopAtProvider(scene: Scene, endpoint: Endpoint, act: () => Promise<void>): Promise<Stop> {
  const call = scene.stage.line.stopAt(endpoint);
  await act();
  const impatience = new Promise<never>((_, reject) =>
    setTimeout(() => reject(new Error(`the provider was not called: ${endpoint}`)), 30_000).unref(),
  );
  const caller = await Promise.race([call.arrived, impatience]);
  return { worker: scene.apiOf(caller), isInLedger: false, storing: null, go: async () => call.go() };
}

async function buy(scene: Scene): Promise<void> {
  await scene.checkOut();
  await scene.pay();
}

async function buyAndRefund(scene: Scene): Promise<void> {
  await buy(scene);
  await scene.over();
  await scene.refund();
}

const unpaid = { isPaid: false, isRefund: false, callsFollow: true };
const paid = { isPaid: true, isRefund: false, callsFollow: true };
const refunding = { isPaid: true, isRefund: true, callsFollow: true };

export const cuts: readonly Cut[] = [
  {
    name: 'order-written',
    title: 'after the order is committed',
    reach: (scene) => stopInLedger(scene, 'lease CREATE', () => scene.checkOut()),
    ...unpaid,
  },
  {
    name: 'creating',
    title: 'while the payment is being made',
    reach: (scene) => stopAtProvider(scene, 'create', () => scene.checkOut()),
    ...unpaid,
  },
  {
    name: 'created',
    title: 'made, and not yet written down',
    reach: (scene) => stopInLedger(scene, 'finish CREATE', () => scene.checkOut()),
    ...unpaid,
  },
  {
    name: 'authorised',
    title: 'authorised, before the webhook',
    reach: async (scene) => {
      const { postman } = scene.stage;
      await scene.checkOut();
      await scene.form();
      postman.policy = 'keep';
      await scene.pay();
      await scene.sent('payment_intent.amount_capturable_updated');
      postman.policy = 'bring';
      // Not waited for: it comes when somebody is there to take it.
      return {
        worker: null,
        isInLedger: false,
        storing: null,
        go: async () => void postman.bringKept().catch(() => {}),
      };
    },
    ...paid,
  },
  {
    name: 'webhook',
    title: 'while the webhook is being stored',
    reach: (scene) => stopInLedger(scene, 'webhook payment_intent.amount_capturable_updated', () => buy(scene)),
    ...paid,
  },
  {
    name: 'issuing',
    title: 'seats issued, before their tickets',
    reach: (scene) => stopInLedger(scene, 'ticket', () => buy(scene)),
    ...paid,
  },
  {
    name: 'issued',
    title: 'tickets written, before the capture',
    reach: async (scene) => {
      const stop = await stopInLedger(scene, 'lease CAPTURE', () => buy(scene));
      await scene.shows('s');
      return stop;
    },
    ...paid,
  },
  {
    name: 'capturing',
    title: 'while the money is being captured',
    reach: (scene) => stopAtProvider(scene, 'capture', () => buy(scene)),
    ...paid,
  },
  {
    name: 'captured',
    title: 'captured, and not yet written down',
    reach: (scene) => stopInLedger(scene, 'finish CAPTURE', () => buy(scene)),
    ...paid,
    callsFollow: false,
  },
  {
    name: 'refunding',
    title: 'while the money is being refunded',
    reach: (scene) => stopAtProvider(scene, 'refund', () => buyAndRefund(scene)),
    ...refunding,
  },
  {
    name: 'refunded',
    title: 'refunded, and not yet written down',
    reach: (scene) => stopInLedger(scene, 'finish REFUND', () => buyAndRefund(scene)),
    ...refunding,
    callsFollow: false,
  },
];
