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

const whole = 10_000;

/** The nearest whole number of minor units, half of one upwards. Amounts have 32 bits and rates 14: everything here is exact. */
function roundHalfUp(numerator: number, denominator: number): number {
  return Math.floor((2 * numerator + denominator) / (2 * denominator));
}

/** An amount as it is charged, and the tax within it. */
function withTax(
  minor: number,
  { taxBasisPoints: rate, taxIncluded }: Tariff,
): { chargedMinor: number; taxMinor: number } {
  const taxMinor = roundHalfUp(minor * rate, taxIncluded ? whole + rate : whole);
  return { chargedMinor: taxIncluded ? minor : minor + taxMinor, taxMinor };
}

/**
 * What one place is charged. Every amount is rounded by itself, half up, and the price and the fee of every place by themselves, so that an
 * order costs exactly what its lines say.
 */
export function seatPrice(tariff: Tariff): SeatPrice {
  const price = withTax(tariff.priceMinor, tariff);
  const fee = withTax(tariff.feeMinor + roundHalfUp(tariff.priceMinor * tariff.feeBasisPoints, whole), tariff);
  return {
    priceMinor: price.chargedMinor,
    feeMinor: fee.chargedMinor,
    taxMinor: price.taxMinor,
    feeTaxMinor: fee.taxMinor,
    taxBasisPoints: tariff.taxBasisPoints,
    discountMinor: 0,
  };
}
