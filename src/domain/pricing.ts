import type { SeatPrice } from './money.js';

/** What an organizer asks for a place of one category. Rates are basis points: hundredths of a per cent. */
export interface Tariff {
  readonly priceMinor: number;
  /** For every place, whatever its price. */
  readonly feeMinor: number;
  /** Of the price, on top of that. */
  readonly feeBasisPoints: number;
  /** The rate of the tax on price and fee. */
  readonly taxBasisPoints: number;
  /** Whether that tax is contained in price and fee; otherwise it comes on top. */
  readonly taxIncluded: boolean;
}

/** What a code takes off the price of a place, as the organizer asks for it: a share of it, or an amount. */
export type Discount = { readonly basisPoints: number } | { readonly amountMinor: number };

/** So that the total of the largest hold stays a 32-bit number: a place costs at most twice as much, with its fee and its taxes. */
export const maxPriceMinor = 50_000_000;
export const wholeBasisPoints = 10_000;

/** The nearest whole number of minor units, half of one upwards. Amounts have 32 bits and rates 14: everything here is exact. */
function roundHalfUp(numerator: number, denominator: number): number {
  return Math.floor((2 * numerator + denominator) / (2 * denominator));
}

/** An amount as it is charged, and the tax within it. What comes on top is charged, so it is whole steps. */
function withTax(
  minor: number,
  { taxBasisPoints: rate, taxIncluded }: Tariff,
  stepMinor: number,
): { chargedMinor: number; taxMinor: number } {
  if (!taxIncluded) {
    const taxMinor = shareOf(minor, rate, stepMinor);
    return { chargedMinor: minor + taxMinor, taxMinor };
  }
  return { chargedMinor: minor, taxMinor: roundHalfUp(minor * rate, wholeBasisPoints + rate) };
}

function shareOf(minor: number, basisPoints: number, stepMinor: number): number {
  return stepMinor * roundHalfUp(minor * basisPoints, wholeBasisPoints * stepMinor);
}

/**
 * What one place is charged. Every amount is rounded by itself, half up, and the price and the fee of every place by themselves, so that an
 * order costs exactly what its lines say. A code lowers the price before fee and tax are counted; what it gives away has no fee.
 * `stepMinor`: what is charged in the currency is a multiple of it, and so are the amounts of the tariff; shares are rounded to one.
 */
export function seatPrice(tariff: Tariff, stepMinor: number, discount: Discount | null = null): SeatPrice {
  const full = withTax(tariff.priceMinor, tariff, stepMinor);
  const askedMinor = tariff.priceMinor - takenOff(tariff.priceMinor, stepMinor, discount);
  const isGivenAway = askedMinor === 0 && tariff.priceMinor > 0;
  const price = withTax(askedMinor, tariff, stepMinor);
  const feeMinor = isGivenAway ? 0 : tariff.feeMinor + shareOf(askedMinor, tariff.feeBasisPoints, stepMinor);
  const fee = withTax(feeMinor, tariff, stepMinor);
  return {
    priceMinor: price.chargedMinor,
    feeMinor: fee.chargedMinor,
    taxMinor: price.taxMinor,
    feeTaxMinor: fee.taxMinor,
    taxBasisPoints: tariff.taxBasisPoints,
    discountMinor: full.chargedMinor - price.chargedMinor,
  };
}

function takenOff(minor: number, stepMinor: number, discount: Discount | null): number {
  if (discount === null) return 0;
  if ('basisPoints' in discount) return shareOf(minor, discount.basisPoints, stepMinor);
  return Math.min(minor, discount.amountMinor);
}
