import type { PaymentGateway, ProviderAnswer } from '../../src/payments/gateway.js';
import { type Fault, fibers, type Verdict } from './scheduler.js';
import type { Stage } from './stage.js';
import type { World } from './world.js';

const faults: readonly Fault[] = ['fails before', 'fails after', 'is cut'];
const modes: Readonly<Partial<Record<Verdict, 'before' | 'after' | 'cut'>>> = {
  'fails before': 'before',
  'fails after': 'after',
  'is cut': 'cut',
};

/**
 * The real gateway, stopped at a gate. The provider forgets nothing, and a run has the same orders whenever it is played: what goes out carries
 * the number of the playing, and loses it again on its way back.
 */
export function gateProvider(stage: Stage, world: World): PaymentGateway {
  const { gateway, provider } = stage;
  const call = <T>(label: string, act: () => Promise<ProviderAnswer<T>>): Promise<ProviderAnswer<T>> => {
    const fiber = fibers.getStore();
    if (fiber === undefined) return act();
    return fiber.scheduler.call(fiber, { label: `provider ${label}`, faults, tell }, async (verdict) => {
      const failureMode = modes[verdict];
      if (failureMode === undefined) return act();
      await provider.settings({ failureRate: 1, failureMode });
      return act().finally(() => provider.settings({ failureRate: 0 }));
    });
  };
  /** One key is one body, whatever happens. */
  const keyed = (key: string, body: string): string => {
    const before = world.requests.get(key) ?? body;
    if (before !== body) world.complain('idempotency', `the key ${key} went out with ${before} and with ${body}`);
    world.requests.set(key, before);
    return key + world.suffix;
  };
  const sinceMs = Date.now() - 60_000;
  return {
    calls: gateway.calls,
    createIntent: (request) => {
      const { orderId, idempotencyKey } = request;
      const sent = { ...request, orderId: orderId + world.suffix };
      const key = keyed(idempotencyKey, `create ${request.amountMinor} ${request.currency} for ${orderId}`);
      return call('create', async () => {
        const answer = await gateway.createIntent({ ...sent, idempotencyKey: key });
        if (answer.kind === 'ok') world.intents.add(orderId);
        return answer;
      });
    },
    retrieveIntent: (id) => call('retrieve', () => gateway.retrieveIntent(id)),
    captureIntent: (id, key) => call('capture', () => gateway.captureIntent(id, keyed(key, `capture ${id}`))),
    cancelIntent: (id, key) => call('cancel', () => gateway.cancelIntent(id, keyed(key, `cancel ${id}`))),
    createRefund: (request) => {
      const { intentId, amountMinor, idempotencyKey } = request;
      const key = keyed(idempotencyKey, `refund ${amountMinor} of ${intentId}`);
      return call('refund', () => gateway.createRefund({ ...request, idempotencyKey: key }));
    },
    retrieveRefund: (id) => call('retrieve', () => gateway.retrieveRefund(id)),
    listRefunds: (id) => call('list', () => gateway.listRefunds(id)),
    retrieveDispute: (id) => call('retrieve', () => gateway.retrieveDispute(id)),
    // The provider's clock is the real one.
    findIntent: (orderId) => call('list', () => gateway.findIntent(orderId + world.suffix, sinceMs)),
    auditIntent: (id) => call('list', () => gateway.auditIntent(id)),
    listIntents: (window) => call('list', () => gateway.listIntents(window)),
    listMovements: (window) => call('list', () => gateway.listMovements(window)),
    listEvents: (window) => call('list', () => gateway.listEvents(window)),
    readWebhook: (body, signature) => gateway.readWebhook(body, signature),
  };
}

const tell = (answer: unknown) => {
  const { kind, value, reason } = answer as { kind: string; value?: { status?: string }; reason?: string };
  return kind === 'ok' ? (value?.status ?? 'ok') : `${kind}, ${reason}`;
};
