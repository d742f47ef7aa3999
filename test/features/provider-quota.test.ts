import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { type ProviderEndpoint, precedenceOf, providerEndpoints } from '../../src/domain/provider-calls.js';
import { limits } from '../../src/limits.js';
import { ProviderCalls } from '../../src/payments/calls.js';
import type { ProviderAnswer } from '../../src/payments/gateway.js';
import { StripeGateway } from '../../src/payments/stripe.js';
import { globalKeys } from '../../src/redis/keys.js';
import {
  holdProviderCalls,
  type ProviderQuota,
  readProviderHold,
  takeProviderCall,
} from '../../src/redis/provider-quota.js';
import { startTestApp, type TestApp, TestClock } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { crowd } from '../support/payment-calls.js';

const log = pino({ level: 'silent' });
const done = async (): Promise<ProviderAnswer<string>> => ({ kind: 'ok', value: 'done' });

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
beforeEach(async () => {
  await app.server.services.platform.redis.del(globalKeys.providerQuota);
});

const redis = () => app.server.services.platform.redis;
const unlimited = { callsPerSecond: 0, callsPerEndpointPerSecond: 0 };

/** Another process that calls the provider. */
const processWith = (quota: ProviderQuota) =>
  new ProviderCalls({
    clock: new TestClock(),
    log,
    quota: {
      take: (endpoint) => takeProviderCall(redis(), endpoint, quota),
      holdBack: (what, ms) => holdProviderCalls(redis(), what, ms),
    },
  });

/** Takes calls of one kind until there are none; answers the wait. */
async function takeAll(endpoint: ProviderEndpoint, quota: ProviderQuota): Promise<number> {
  for (;;) {
    const waitMs = await takeProviderCall(redis(), endpoint, quota);
    if (waitMs > 0) return waitMs;
  }
}

describe('The quota of all processes', () => {
  test('Who waits for a call loses none to those who come later in the order of precedence', async () => {
    // So few that the moment between two questions fills nothing.
    const quota = { callsPerSecond: 1, callsPerEndpointPerSecond: 0 };
    await takeAll('cancel', quota);
    const waits = new Map<number, number>();
    for (const endpoint of [...providerEndpoints].sort((a, b) => precedenceOf[a] - precedenceOf[b]))
      waits.set(precedenceOf[endpoint], await takeProviderCall(redis(), endpoint, quota));
    const inOrder = [...waits.values()];
    expect(inOrder).toHaveLength(5);
    // Each would have to wait until those before it have had their calls, and some are left.
    for (const [at, waitMs] of inOrder.slice(1).entries()) expect(waitMs).toBeGreaterThan(inOrder[at]! + 20);
  });

  test('A queue of refunds does not delay a cancellation', async () => {
    const calls = processWith({ callsPerSecond: 20, callsPerEndpointPerSecond: 0 });
    let refunds = 0;
    const queue = Array.from({ length: 40 }, () =>
      calls.make('refund', done).then((answer) => {
        refunds += 1;
        return answer;
      }),
    );
    await eventually(() => expect(refunds).toBeGreaterThan(0));
    expect(await calls.make('cancel', done)).toEqual({ kind: 'ok', value: 'done' });
    expect(refunds).toBeLessThan(10);
    for (const answer of await Promise.all(queue)) expect(answer.kind).toBe('ok');
  });
});

describe('Promise 19: an order’s payment is looked for page by page', () => {
  /** A gateway of another process, and what it has taken of the quota. */
  function searching(taking: (taken: readonly ProviderEndpoint[]) => Promise<unknown> = async () => {}) {
    const taken: ProviderEndpoint[] = [];
    const calls = new ProviderCalls({
      clock: new TestClock(),
      log,
      quota: {
        take: async (endpoint) => {
          const waitMs = await takeProviderCall(redis(), endpoint, unlimited);
          if (waitMs === 0) taken.push(endpoint);
          await taking(taken);
          return waitMs;
        },
        holdBack: (what, ms) => holdProviderCalls(redis(), what, ms),
      },
    });
    const { secretKey, webhookSecret, url: apiUrl } = app.provider;
    return { taken, gateway: new StripeGateway({ secretKey, webhookSecret, apiUrl }, calls) };
  }

  const sinceMs = Date.now();
  const orderId = randomUUID();
  let intentId: string;
  beforeAll(async () => {
    const wish = { amount: 1_100, currency: 'eur', metadata: { order_id: orderId } };
    intentId = (await app.provider.client().paymentIntents.create(wish)).id;
    await crowd(app.provider, 250);
  });

  test('it is found on whatever page it is, and each page is a call of its own', async () => {
    const { taken, gateway } = searching();
    expect(await gateway.findIntent(orderId, sinceMs)).toMatchObject({ kind: 'ok', value: { id: intentId, orderId } });
    expect(taken).toEqual(['list', 'list', 'list']);
  });

  test('it is not there once the last page has been read', async () => {
    const { taken, gateway } = searching();
    expect(await gateway.findIntent(randomUUID(), sinceMs)).toEqual({ kind: 'ok', value: null });
    expect(taken).toEqual(['list', 'list', 'list']);
  });

  test('whether it is there is not known where no further call is to be had', async () => {
    const { taken, gateway } = searching(async ({ length }) => {
      if (length === 2) await holdProviderCalls(redis(), 'list', limits.providerHoldMaxMs);
    });
    const answer = await gateway.findIntent(orderId, sinceMs);
    expect(answer).toMatchObject({ kind: 'unknown', trouble: 'limited', retryAfterMs: expect.any(Number) });
    expect(taken).toEqual(['list', 'list']);
  });
});

describe('Too many calls, says the provider', () => {
  const create = (idempotencyKey: string) =>
    app.server.services.platform.gateway.createIntent({
      orderId: 'an order',
      eventId: 'an event',
      amountMinor: 1_000,
      currency: 'EUR',
      idempotencyKey,
    });
  afterEach(() => app.provider.settings({ quotaPerSecond: 0, quotaPerEndpointPerSecond: 0 }));

  test.each([
    ['at one endpoint', { quotaPerEndpointPerSecond: 1 }, false],
    ['at all', { quotaPerSecond: 1 }, true],
  ])('%s: every process holds back, for a second and a part of one', async (what, settings, all) => {
    await app.provider.settings(settings);
    await eventually(async () =>
      expect(await create(`${what} ${await redis().incr('attempt')}`)).toMatchObject({
        kind: 'unknown',
        trouble: 'limited',
      }),
    );
    expect(await readProviderHold(redis(), 'create')).toBeGreaterThan(0);
    expect(await takeProviderCall(redis(), 'create', unlimited)).toBeGreaterThan(0);
    expect((await takeProviderCall(redis(), 'cancel', unlimited)) > 0).toBe(all);
  });

  test('A shorter time to wait does not end a longer one', async () => {
    await holdProviderCalls(redis(), 'account', 60_000);
    await holdProviderCalls(redis(), 'account', 1_000);
    expect(await readProviderHold(redis(), 'list')).toBeGreaterThan(50_000);
  });

  test('Who would have to wait for too long is told so instead', async () => {
    await holdProviderCalls(redis(), 'refund', limits.providerHoldMaxMs);
    const answer = await processWith(unlimited).make('refund', done);
    expect(answer).toMatchObject({ kind: 'unknown', trouble: 'limited', retryAfterMs: expect.any(Number) });
  });

  test('Nobody is admitted meanwhile', async () => {
    await holdProviderCalls(redis(), 'account', 60_000);
    const { payments } = app.server.services;
    await eventually(() => expect(payments.checkoutsPerSecond).toBe(-1));
    await redis().del(globalKeys.providerQuota);
    await eventually(() => expect(payments.checkoutsPerSecond).toBe(0));
  });
});

test('Calls that hang leave room for those that matter more', async () => {
  const calls = processWith(unlimited);
  let end: () => void = () => {};
  const hanging = new Promise<ProviderAnswer<string>>((resolve) => {
    end = () => resolve({ kind: 'ok', value: 'late' });
  });
  const refunds = Array.from({ length: 2 * limits.providerInFlight }, () => calls.make('refund', () => hanging));
  await eventually(() => expect(calls.counts().inFlight).toBe((limits.providerInFlight * 5) / 8));
  expect(await calls.make('cancel', done)).toEqual({ kind: 'ok', value: 'done' });
  end();
  await Promise.all(refunds);
  expect(calls.counts().inFlight).toBe(0);
});

test('Without Redis money goes on', async () => {
  const { gateway } = app.server.services.platform;
  await app.stores.redis.stop();
  try {
    for (let i = 0; i < 3; i += 1) {
      const answer = await gateway.createIntent({
        orderId: 'an order',
        eventId: 'an event',
        amountMinor: 1_000,
        currency: 'EUR',
        idempotencyKey: `without Redis ${i}`,
      });
      expect(answer.kind).toBe('ok');
    }
  } finally {
    await app.stores.redis.start();
  }
});
