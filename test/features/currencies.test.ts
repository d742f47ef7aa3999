import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

async function workshop(currency: string, priceMinor: number, feeMinor = 0): Promise<Data> {
  const input = {
    name: 'Workshop',
    startsAt: '2030-01-01T19:00:00Z',
    currency,
    prices: [{ category: 'Places', priceMinor, feeMinor }],
    standing: [{ section: 'Room', name: 'Room', category: 'Places', places: 5 }],
  };
  return app.organizer.mutate('createEvent', input, 'event { id }');
}

test.each([
  ['EUR', 50, 0],
  ['EUR', 0, 0],
  ['EUR', 30, 20],
  ['JPY', 51, 0],
  ['HUF', 17_501, 0],
  ['TWD', 101, 0],
  ['ISK', 15_000, 0],
  ['UGX', 500_000, 100],
  ['KWD', 1_250, 10],
  ['XOF', 1, 0],
])('A price in %s of %d and a fee of %d can be charged', async (currency, priceMinor, feeMinor) => {
  expect((await workshop(currency, priceMinor, feeMinor)).errors).toEqual([]);
});

test.each([
  ['EUR', 49, 0, 'priceMinor', 'The least that can be charged is 50 in EUR; 0 is free.'],
  ['EUR', 0, 49, 'priceMinor', 'The least that can be charged is 50 in EUR; 0 is free.'],
  ['HUF', 17_499, 0, 'priceMinor', 'The least that can be charged is 17500 in HUF; 0 is free.'],
  ['ISK', 15_050, 0, 'priceMinor', 'Amounts in ISK are multiples of 100.'],
  ['UGX', 500_000, 1, 'feeMinor', 'Amounts in UGX are multiples of 100.'],
  ['KWD', 1_251, 0, 'priceMinor', 'Amounts in KWD are multiples of 10.'],
  ['KWD', 1_250, 5, 'feeMinor', 'Amounts in KWD are multiples of 10.'],
])('A price in %s of %d and a fee of %d is INVALID_INPUT', async (currency, priceMinor, feeMinor, field, message) => {
  const { event, errors } = await workshop(currency, priceMinor, feeMinor);
  expect(event).toBeNull();
  expect(errors).toMatchObject([{ code: 'INVALID_INPUT', path: ['input', 'prices', '0', field], message }]);
});

test.each(['XAU', 'HRK', 'eur', ''])('Nothing is sold in %p, in which nothing can be charged', async (currency) => {
  const { errors } = await workshop(currency, 1_000);
  expect(errors).toMatchObject([{ code: 'INVALID_INPUT', path: ['input', 'currency'] }]);
});

test('An amount that its currency does not allow is refused before the provider is asked', async () => {
  const { gateway } = app.server.services.platform;
  const { calls } = (await app.provider.state()).api;
  const request = { orderId: 'an order', eventId: 'an event', idempotencyKey: 'a key' };
  for (const [currency, amountMinor] of [['ISK', 150] as const, ['EUR', 49] as const, ['XAU', 1_000] as const])
    expect(await gateway.createIntent({ currency, amountMinor, ...request })).toMatchObject({
      kind: 'refused',
      code: 'amount_not_allowed',
    });
  expect((await app.provider.state()).api.calls).toBe(calls);
});
