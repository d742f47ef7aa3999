import { type Random, randomFor } from '../../bench/rush/random.js';
import { decodePriceList, encodePriceList, seatTotalMinor } from '../../src/domain/money.js';
import { type Discount, seatPrice, type Tariff } from '../../src/domain/pricing.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';
import { createHall, newKey, type TestHall } from '../support/events.js';
import { calm, intentOf, pay } from '../support/orders.js';

const plain: Tariff = { priceMinor: 1000, feeMinor: 0, feeBasisPoints: 0, taxBasisPoints: 0, taxIncluded: true };
const priceOf = (change: Partial<Tariff>, stepMinor = 1) => seatPrice({ ...plain, ...change }, stepMinor);

describe('Each amount is rounded by itself, half of a unit upwards', () => {
  test.each<[string, Partial<Tariff>, object]>([
    ['a price alone', {}, { priceMinor: 1000, feeMinor: 0, taxMinor: 0, feeTaxMinor: 0 }],
    ['a fee of 2.5 % of 10.20', { priceMinor: 1020, feeBasisPoints: 250 }, { priceMinor: 1020, feeMinor: 26 }],
    ['a fee of 2.5 % of 10.18', { priceMinor: 1018, feeBasisPoints: 250 }, { priceMinor: 1018, feeMinor: 25 }],
    ['both fees', { feeMinor: 100, feeBasisPoints: 500 }, { priceMinor: 1000, feeMinor: 150 }],
    ['19 % within 10.00', { taxBasisPoints: 1900 }, { priceMinor: 1000, taxMinor: 160 }],
    [
      '19 % on top of price and fee',
      { feeMinor: 50, taxBasisPoints: 1900, taxIncluded: false },
      { priceMinor: 1190, taxMinor: 190, feeMinor: 60, feeTaxMinor: 10 },
    ],
    [
      'half a unit of tax',
      { priceMinor: 10, taxBasisPoints: 500, taxIncluded: false },
      { priceMinor: 11, taxMinor: 1 },
    ],
    ['a currency without minor units', { priceMinor: 4500, taxBasisPoints: 1000 }, { priceMinor: 4500, taxMinor: 409 }],
    ['one with three decimals', { priceMinor: 12_345, taxBasisPoints: 500 }, { priceMinor: 12_345, taxMinor: 588 }],
  ])('%s', (_what, change, expected) => {
    expect(priceOf(change)).toMatchObject(expected);
  });

  test.each<[string, Partial<Tariff>, Discount | null, object]>([
    ['a fee of 2.5 %', { feeBasisPoints: 250 }, null, { priceMinor: 12_500, feeMinor: 310 }],
    [
      '5 % on top',
      { taxBasisPoints: 500, taxIncluded: false, feeMinor: 110 },
      null,
      { priceMinor: 13_130, taxMinor: 630, feeMinor: 120, feeTaxMinor: 10 },
    ],
    // What is within a price is not charged by itself.
    ['5 % within', { taxBasisPoints: 500 }, null, { priceMinor: 12_500, taxMinor: 595 }],
    ['15 % less', {}, { basisPoints: 1_500 }, { priceMinor: 10_620, discountMinor: 1_880 }],
    ['nearly everything less', {}, { basisPoints: 9_999 }, { priceMinor: 0, discountMinor: 12_500 }],
  ])('Where tens are charged: %s', (_what, change, discount, expected) => {
    expect(seatPrice({ ...plain, priceMinor: 12_500, ...change }, 10, discount)).toMatchObject(expected);
  });
});

describe('A code lowers the price before fee and tax are counted', () => {
  const asked = { feeMinor: 100, feeBasisPoints: 1000, taxBasisPoints: 1000 };
  test.each<[string, Partial<Tariff>, Discount, object]>([
    [
      'a share, with the tax within',
      asked,
      { basisPoints: 3333 },
      { priceMinor: 667, taxMinor: 61, discountMinor: 333, feeMinor: 167, feeTaxMinor: 15 },
    ],
    [
      'an amount, with the tax on top',
      { ...asked, taxIncluded: false },
      { amountMinor: 400 },
      { priceMinor: 660, taxMinor: 60, discountMinor: 440, feeMinor: 176, feeTaxMinor: 16 },
    ],
    [
      'more than the price: nothing is left, and no fee either',
      asked,
      { amountMinor: 1001 },
      { priceMinor: 0, taxMinor: 0, discountMinor: 1000, feeMinor: 0, feeTaxMinor: 0 },
    ],
    ['a price of nothing, which has a fee', { priceMinor: 0, feeMinor: 50 }, { basisPoints: 10_000 }, { feeMinor: 50 }],
  ])('%s', (_what, change, discount, expected) => {
    expect(seatPrice({ ...plain, ...change }, 1, discount)).toMatchObject(expected);
  });
});

function drawDiscount(random: Random): Discount {
  return random.hits(0.5) ? { basisPoints: random.between(1, 10_000) } : { amountMinor: random.between(1, 60_000) };
}

test('A code makes nothing dearer, and what it takes off and what is left are the price', () => {
  for (let seed = 1; seed <= 20_000; seed += 1) {
    const random = randomFor(seed, 1);
    const tariff = drawTariff(random);
    const full = seatPrice(tariff, 1);
    const { priceMinor, feeMinor, taxMinor, feeTaxMinor, discountMinor } = seatPrice(tariff, 1, drawDiscount(random));
    expect({ seed, minor: priceMinor + discountMinor }).toEqual({ seed, minor: full.priceMinor });
    expect(feeMinor).toBeLessThanOrEqual(full.feeMinor);
    expect(Math.min(discountMinor, priceMinor - taxMinor, feeMinor - feeTaxMinor)).toBeGreaterThanOrEqual(0);
  }
});

test('Where only multiples are charged, every amount that is charged is one, and as near as one can be', () => {
  for (let seed = 1; seed <= 20_000; seed += 1) {
    const random = randomFor(seed, 2);
    const stepMinor = random.pick([10, 100]);
    const drawn = drawTariff(random);
    const whole = (minor: number) => minor - (minor % stepMinor);
    const tariff = { ...drawn, priceMinor: whole(drawn.priceMinor), feeMinor: whole(drawn.feeMinor) };
    const basisPoints = random.between(1, 10_000);
    const { priceMinor, feeMinor, discountMinor } = seatPrice(tariff, stepMinor, { basisPoints });
    expect({ seed, broken: [priceMinor, feeMinor, discountMinor].filter((minor) => minor % stepMinor !== 0) }).toEqual({
      seed,
      broken: [],
    });
    if (!tariff.taxIncluded) continue;
    expect(Math.abs(discountMinor - (tariff.priceMinor * basisPoints) / 10_000)).toBeLessThanOrEqual(stepMinor / 2);
  }
});

function drawTariff(random: Random): Tariff {
  return {
    priceMinor: random.pick([0, random.between(0, 20), random.between(0, 50_000), random.between(0, 50_000_000)]),
    feeMinor: random.pick([0, random.between(0, 2_000), random.between(0, 50_000_000)]),
    feeBasisPoints: random.pick([0, random.between(0, 10_000)]),
    taxBasisPoints: random.pick([0, 700, 1900, random.between(0, 10_000)]),
    taxIncluded: random.hits(0.5),
  };
}

/** The nearest whole number, half upwards, in numbers without end. */
const nearest = (numerator: bigint, denominator: bigint) => Number((2n * numerator + denominator) / (2n * denominator));

test('Prices, fees and taxes of any tariff are whole, never negative, and what exact arithmetic says', () => {
  for (let seed = 1; seed <= 20_000; seed += 1) {
    const tariff = drawTariff(randomFor(seed, 0));
    const { priceMinor, feeMinor, taxMinor, feeTaxMinor } = seatPrice(tariff, 1);
    const [price, rate] = [BigInt(tariff.priceMinor), BigInt(tariff.taxBasisPoints)];
    const fee = BigInt(tariff.feeMinor + nearest(price * BigInt(tariff.feeBasisPoints), 10_000n));
    const taxOf = (amount: bigint) => nearest(amount * rate, tariff.taxIncluded ? 10_000n + rate : 10_000n);
    const onTop = tariff.taxIncluded ? 0 : 1;
    const expected = {
      priceMinor: Number(price) + onTop * taxOf(price),
      feeMinor: Number(fee) + onTop * taxOf(fee),
      taxMinor: taxOf(price),
      feeTaxMinor: taxOf(fee),
    };
    expect({ seed, priceMinor, feeMinor, taxMinor, feeTaxMinor }).toEqual({ seed, ...expected });
    expect(Math.min(priceMinor - taxMinor, feeMinor - feeTaxMinor, taxMinor, feeTaxMinor)).toBeGreaterThanOrEqual(0);
  }
});

test('A price list that has been written down says the same when it is read', () => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const random = randomFor(seed, 0);
    const tariffs = Array.from({ length: random.between(1, 90) }, () => drawTariff(random));
    const without = tariffs.map((tariff) => seatPrice(tariff, 1));
    expect(decodePriceList(encodePriceList('JPY', without))).toEqual({ currency: 'JPY', prices: without, code: null });
    const prices = tariffs.map((tariff) => seatPrice(tariff, 1, drawDiscount(random)));
    const code = { id: 'a0b1', without };
    expect(decodePriceList(encodePriceList('JPY', prices, code))).toEqual({ currency: 'JPY', prices, code });
  }
  // As it was written before there were taxes.
  expect(decodePriceList('EUR|0:1000:100')).toEqual({
    currency: 'EUR',
    prices: [{ ...priceOf({}), feeMinor: 100 }],
    code: null,
  });
});

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
afterEach(() => calm(app));

const money = (name: string) => `${name} { amountMinor }`;
const line = ['price', 'fee', 'tax', 'discount', 'total'].map(money).join(' ');

async function holdRow(
  { eventId, rows }: TestHall,
  count: number,
): Promise<{ buyer: Awaited<ReturnType<TestApp['guest']>>; hold: Data }> {
  const buyer = await app.guest();
  const input = { eventId, idempotencyKey: newKey(), seats: { seatIds: rows[0]!.slice(0, count) } };
  const { hold } = await buyer.mutate('holdSeats', input, `hold { id fence seats { id ${line} } ${money('total')} }`);
  return { buyer, hold };
}

const amountsOf = ({ price, fee, tax, discount, total }: Data) =>
  [price, fee, tax, discount, total].map(({ amountMinor }) => amountMinor);

const sumOf = (lines: readonly Data[]) => lines.reduce((sum, { total }) => sum + total.amountMinor, 0);

test('Promise 20: the price shown at hold time, fees and taxes included, is the price charged, whatever the organizer changes', async () => {
  const price = { category: 'Stalls', priceMinor: 999, feeMinor: 50, feeBasisPoints: 250, taxBasisPoints: 1900 };
  const hall = await createHall(app.organizer, { event: { prices: [{ ...price, taxIncluded: false }] } });
  const { buyer, hold } = await holdRow(hall, 3);
  // 9.99 and 1.90 of tax; a fee of 0.50 and 0.25, with 0.14 of tax.
  expect(hold.seats.map(amountsOf)).toEqual(Array(3).fill([1189, 89, 204, 0, 1278]));
  expect(hold.total.amountMinor).toBe(3 * 1278);
  const changed = [{ ...price, feeBasisPoints: 1000, taxBasisPoints: 700 }];
  const update = { eventId: hall.eventId, prices: changed };
  const { event } = await app.organizer.mutate('updatePrices', update, `event { categories { ${money('total')} } }`);
  expect(event.categories).toEqual([{ total: { amountMinor: 999 + 150 } }]);
  const checkout = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
  const { order } = await buyer.mutate('startCheckout', checkout, `order { id lines { ${line} } ${money('total')} }`);
  expect(order.lines.map(amountsOf)).toEqual(hold.seats.map(amountsOf));
  expect(order.total).toEqual(hold.total);
  const stream = buyer.subscribe(
    'subscription ($id: ID!) { orderUpdated(orderId: $id) { state payment { clientSecret } } }',
    { id: order.id },
  );
  await pay(app, stream);
  expect(await intentOf(app, order.id)).toMatchObject({ amount: 3 * 1278, amount_received: 3 * 1278 });
  const rows = await app.sql(
    `SELECT price_minor - tax_minor AS price, fee_minor - fee_tax_minor AS fee, tax_minor + fee_tax_minor AS tax, tax_basis_points AS rate
     FROM order_line WHERE order_id = $1`,
    [order.id],
  );
  expect(rows).toEqual(Array(3).fill({ price: 999, fee: 75, tax: 204, rate: 1900 }));
});

test('The total of a hold and of an order is the sum of its lines, to the minor unit', async () => {
  const random = randomFor(20, 0);
  for (const currency of ['EUR', 'JPY']) {
    const tariff = { ...drawTariff(random), priceMinor: random.between(100, 99_999), feeMinor: random.between(0, 999) };
    const hall = await createHall(app.organizer, { event: { currency, prices: [{ category: 'Stalls', ...tariff }] } });
    const { buyer, hold } = await holdRow(hall, 7);
    expect(hold.total.amountMinor).toBe(sumOf(hold.seats));
    expect(hold.total.amountMinor).toBe(7 * seatTotalMinor(seatPrice(tariff, 1)));
    const checkout = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
    const { order } = await buyer.mutate('startCheckout', checkout, `order { id lines { ${line} } ${money('total')} }`);
    expect(order.total.amountMinor).toBe(sumOf(order.lines));
    expect(order.total.amountMinor).toBe(hold.total.amountMinor);
  }
});

test('A category shows what a place of it costs before anybody holds one', async () => {
  const prices = [{ category: 'Stalls', priceMinor: 1190, feeMinor: 119, taxBasisPoints: 1900 }];
  const hall = await createHall(app.organizer, { event: { prices } });
  const { event } = await app.anonymous.run(
    `query ($id: ID!) { event(id: $id) { categories { ${['price', 'fee', 'tax', 'total'].map(money).join(' ')} taxBasisPoints } } }`,
    { id: hall.eventId },
  );
  expect(event.categories).toEqual([
    {
      price: { amountMinor: 1190 },
      fee: { amountMinor: 119 },
      tax: { amountMinor: 209 },
      total: { amountMinor: 1309 },
      taxBasisPoints: 1900,
    },
  ]);
});
