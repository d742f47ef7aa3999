/**
 * The currencies the payment provider charges in, and which amounts it takes in each. Amounts are minor units as the provider counts them: 1250
 * EUR is 12.50 €, 1250 JPY is ¥1250, 1250 KWD is 1.250 dinars.
 * Source: https://docs.stripe.com/currencies, sections "Specify amounts in API requests", "Special cases" and "Minimum charge amounts".
 */
export interface Currency {
  readonly decimals: 0 | 2 | 3;
  /** Every amount is a multiple of it. */
  readonly stepMinor: number;
  /** The least that is charged. Where the provider names none, it is a step: what the provider settles in decides. */
  readonly minimumMinor: number;
}

const twoDecimals = `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC CVE CZK DKK DOP DZD EGP
  ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR
  MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD
  TWD TZS UAH UGX USD UYU UZS WST XCD XCG YER ZAR ZMW`;
const noDecimals = 'BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF';
const threeDecimals = 'BHD JOD KWD OMR TND';

/**
 * Steps that are not one minor unit. ISK and UGX have no decimals any more and are still written with two, which are 00. Card networks take
 * two decimals at most, so that the third of three is 0. HUF and TWD are whole only in payouts, which are not ours: charges have decimals.
 */
const steps: Readonly<Record<string, number>> = { ISK: 100, UGX: 100, BHD: 10, JOD: 10, KWD: 10, OMR: 10, TND: 10 };

const minimums: Readonly<Record<string, number>> = {
  AED: 200,
  ARS: 50,
  AUD: 50,
  BRL: 50,
  CAD: 50,
  CHF: 50,
  COP: 50,
  CZK: 1_500,
  DKK: 250,
  EUR: 50,
  GBP: 30,
  HKD: 400,
  HUF: 17_500,
  IDR: 50,
  ILS: 50,
  INR: 50,
  JPY: 50,
  KRW: 50,
  MXN: 1_000,
  MYR: 200,
  NOK: 300,
  NZD: 50,
  PHP: 50,
  PLN: 200,
  RON: 200,
  RUB: 50,
  SEK: 300,
  SGD: 50,
  THB: 1_000,
  USD: 50,
  ZAR: 50,
};

const currencies: ReadonlyMap<string, Currency> = new Map(
  (
    [
      [twoDecimals, 2],
      [noDecimals, 0],
      [threeDecimals, 3],
    ] as const
  ).flatMap(([codes, decimals]) =>
    codes.split(/\s+/).map((code) => {
      const stepMinor = steps[code] ?? 1;
      return [code, { decimals, stepMinor, minimumMinor: minimums[code] ?? stepMinor }] as const;
    }),
  ),
);

/** By its ISO 4217 code in capitals; null: nothing can be charged in it. */
export function findCurrency(code: string): Currency | null {
  return currencies.get(code) ?? null;
}

/** What is charged is a multiple of it. */
export function stepOf(code: string): number {
  return findCurrency(code)?.stepMinor ?? 1;
}

/** Why an amount cannot be part of a price; null: it can. */
export function refuseStep(code: string, amountMinor: number): string | null {
  const stepMinor = stepOf(code);
  return amountMinor % stepMinor === 0 ? null : `Amounts in ${code} are multiples of ${stepMinor}.`;
}

/** Why an amount cannot be charged; null: it can. Nothing is nothing to charge. */
export function refuseCharge(code: string, amountMinor: number): string | null {
  const currency = findCurrency(code);
  if (currency === null) return `Nothing can be charged in ${code}.`;
  if (amountMinor > 0 && amountMinor < currency.minimumMinor)
    return `The least that can be charged is ${currency.minimumMinor} in ${code}; 0 is free.`;
  return refuseStep(code, amountMinor);
}
