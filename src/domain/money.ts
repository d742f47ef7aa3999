/** What one seat of a category costs: the ticket price and the fee on top, both in minor units. */
export interface SeatPrice {
  readonly priceMinor: number;
  readonly feeMinor: number;
}

export function assertMinorUnits(amount: number, name: string): void {
  if (!Number.isSafeInteger(amount) || amount < 0) {
    throw new Error(`${name} must be a whole, non-negative number of minor units, not ${amount}`);
  }
}

export function seatTotalMinor(price: SeatPrice): number {
  return price.priceMinor + price.feeMinor;
}

/**
 * The price list a hold was made under, as one string: `currency|category:price:fee|…`. It is stored in the hold, so
 * that what was shown then is what is charged later, whatever the organizer changes in between.
 */
export function encodePriceList(currency: string, prices: readonly SeatPrice[]): string {
  return [currency, ...prices.map((price, category) => `${category}:${price.priceMinor}:${price.feeMinor}`)].join('|');
}

export interface PriceList {
  readonly currency: string;
  readonly prices: readonly SeatPrice[];
}

export function decodePriceList(text: string): PriceList {
  const [currency = '', ...rows] = text.split('|');
  const prices: SeatPrice[] = [];
  for (const row of rows) {
    const [category, priceMinor, feeMinor] = row.split(':').map(Number);
    assertMinorUnits(priceMinor!, 'price');
    assertMinorUnits(feeMinor!, 'fee');
    prices[category!] = { priceMinor: priceMinor!, feeMinor: feeMinor! };
  }
  return { currency, prices };
}

/** An amount as people write it, with the decimals of its currency: 1250 with two is 12.50. */
export function decimalText(amountMinor: number, decimals: number): string {
  const digits = String(Math.abs(amountMinor)).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const sign = amountMinor < 0 ? '-' : '';
  return decimals === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-decimals)}`;
}
