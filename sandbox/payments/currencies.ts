import { badParameter, type Refusal } from './refusals.js';

/** What the provider takes in a currency: `least` and `most` of a charge in its minor units, in multiples of `step`. */
interface Currency {
  readonly decimals: 0 | 2 | 3;
  readonly least: number;
  readonly most: number;
  readonly step: number;
}

const eightDigits = 99_999_999;

function group(decimals: 0 | 2 | 3, step: number, least: Readonly<Record<string, number>>): [string, Currency][] {
  return Object.entries(least).map(([code, amount]) => [code, { decimals, step, least: amount, most: eightDigits }]);
}

/**
 * All the currencies the sandbox knows. Sources: the provider's page on currencies, for the minimum charges it lists, the currencies without
 * decimals, those whose third decimal must be 0, and those written with two decimals that must be 00. Where the page lists no minimum, it
 * wants what the seller's own currency asks; the figures here are then about 0.50 EUR and nothing should rely on them.
 */
const currencies: ReadonlyMap<string, Currency> = new Map([
  ...group(2, 1, {
    ...{ usd: 50, aed: 200, aud: 50, bgn: 100, brl: 50, cad: 50, chf: 50, czk: 1_500, dkk: 250, eur: 50, gbp: 30 },
    ...{ hkd: 400, huf: 17_500, inr: 50, mxn: 1_000, myr: 200, nok: 300, nzd: 50, pln: 200, ron: 200, sek: 300 },
    ...{ sgd: 50, thb: 1_000, cop: 220_000, idr: 900_000, ils: 200, php: 3_000, sar: 200, try: 2_500, twd: 1_800 },
    ...{ uah: 2_400, zar: 1_000, lbp: 5_000_000 },
  }),
  ...group(0, 1, {
    ...{ jpy: 50, bif: 1_700, clp: 550, djf: 100, gnf: 5_000, kmf: 250, krw: 800, mga: 2_600, pyg: 4_200, rwf: 850 },
    ...{ vnd: 15_000, vuv: 70, xaf: 330, xof: 330, xpf: 60 },
  }),
  ...group(3, 10, { bhd: 220, jod: 410, kwd: 180, omr: 220, tnd: 1_700 }),
  ...group(2, 100, { isk: 7_300, ugx: 210_000 }),
]);

/** The currencies of more than eight digits; twelve, nine and, for cards, ten and eleven. */
const most: Readonly<Record<string, number>> = {
  idr: 999_999_999_999,
  inr: 999_999_999,
  cop: 9_999_999_999,
  huf: 9_999_999_999,
  jpy: 9_999_999_999,
  lbp: 99_999_999_999,
};

/** What is wrong with an amount to be charged, if anything. */
export function chargeRefusal(amount: number, code: string): Refusal | undefined {
  const currency = currencies.get(code);
  if (currency === undefined) return badParameter('currency', `Invalid currency: ${code}.`);
  if (amount < currency.least) {
    const message = `The amount must be at least ${currency.least} in ${code}.`;
    return badParameter('amount', message, 'amount_too_small');
  }
  const limit = most[code] ?? currency.most;
  if (amount > limit) return badParameter('amount', `The amount must be no more than ${limit}.`, 'amount_too_large');
  return stepRefusal(amount, code, 'amount');
}

/** Amounts the partners behind the provider cannot pass on: fractions that the currency does not have. Captures and refunds too. */
export function stepRefusal(amount: number, code: string, param: string): Refusal | undefined {
  const step = currencies.get(code)?.step ?? 1;
  if (amount % step === 0) return undefined;
  return badParameter(param, `Amounts in ${code} must be divisible by ${step}.`, 'invalid_charge_amount');
}

export function decimalsOf(code: string): number {
  return currencies.get(code)?.decimals ?? 2;
}
