/** What one place costs, in minor units, as it is charged: taxes are contained in the amounts, a discount has been taken off. */
export interface SeatPrice {
  readonly priceMinor: number;
  readonly feeMinor: number;
  /** The tax within the price. */
  readonly taxMinor: number;
  /** The tax within the fee. */
  readonly feeTaxMinor: number;
  /** The rate of both. */
  readonly taxBasisPoints: number;
  /** What a code has taken off the price. */
  readonly discountMinor: number;
}

/** Before the id of a code in a price list. scripts/seats.checkout.lua looks for it. */
const codeMark = 'code:';

/** A price of which what is 0 may be left out. */
type ListedPrice = Pick<SeatPrice, 'priceMinor' | 'feeMinor'> & Partial<SeatPrice>;

function assertMinorUnits(amount: number, name: string): void {
  if (!Number.isSafeInteger(amount) || amount < 0) {
    throw new Error(`${name} must be a whole, non-negative number of minor units, not ${amount}`);
  }
}

export function seatTotalMinor(price: Pick<SeatPrice, 'priceMinor' | 'feeMinor'>): number {
  return price.priceMinor + price.feeMinor;
}

/** Price and fee of a category, and of what else there is as much as is not 0. */
function encodePrice(price: ListedPrice, category: number): string {
  const { priceMinor, feeMinor, taxMinor = 0, feeTaxMinor = 0, taxBasisPoints = 0, discountMinor = 0 } = price;
  const amounts = [priceMinor, feeMinor, taxMinor, feeTaxMinor, taxBasisPoints, discountMinor];
  while (amounts.length > 2 && amounts.at(-1) === 0) amounts.pop();
  return `${category}:${amounts.join(':')}`;
}

function decodePrices(rows: readonly string[]): SeatPrice[] {
  const prices: SeatPrice[] = [];
  for (const row of rows) {
    const [category, ...amounts] = row.split(':').map(Number);
    for (const amount of amounts) assertMinorUnits(amount, 'an amount of a price list');
    const [priceMinor, feeMinor, taxMinor = 0, feeTaxMinor = 0, taxBasisPoints = 0, discountMinor = 0] = amounts;
    if (priceMinor === undefined || feeMinor === undefined) throw new Error(`${row} is no row of a price list`);
    prices[category!] = { priceMinor, feeMinor, taxMinor, feeTaxMinor, taxBasisPoints, discountMinor };
  }
  return prices;
}

/** The code a price list was made with, and what everything costs without it. */
interface ListedCode {
  readonly id: string;
  readonly without: readonly SeatPrice[];
}

/**
 * The price list a hold was made under, as one string: `currency|category:price:fee:…|…`, and with a code `|code:id|…`, the prices without it.
 * It is stored in the hold, so that what was shown then is what is charged later, whatever the organizer changes in between.
 */
export function encodePriceList(
  currency: string,
  prices: readonly ListedPrice[],
  code: ListedCode | null = null,
): string {
  const rows = prices.map(encodePrice);
  if (code !== null) rows.push(`${codeMark}${code.id}`, ...code.without.map(encodePrice));
  return [currency, ...rows].join('|');
}

export interface PriceList {
  readonly currency: string;
  readonly prices: readonly SeatPrice[];
  readonly code: ListedCode | null;
}

/** In a rush nearly all holds have the same. */
let lastDecoded: { readonly text: string; readonly list: PriceList } | null = null;

export function decodePriceList(text: string): PriceList {
  if (lastDecoded?.text !== text) lastDecoded = { text, list: readPriceList(text) };
  return lastDecoded.list;
}

function readPriceList(text: string): PriceList {
  const [currency = '', ...rows] = text.split('|');
  const at = rows.findIndex((row) => row.startsWith(codeMark));
  if (at === -1) return { currency, prices: decodePrices(rows), code: null };
  const code = { id: rows[at]!.slice(codeMark.length), without: decodePrices(rows.slice(at + 1)) };
  return { currency, prices: decodePrices(rows.slice(0, at)), code };
}

/** An amount as people write it, with the decimals of its currency: 1250 with two is 12.50. */
export function decimalText(amountMinor: number, decimals: number): string {
  const digits = String(Math.abs(amountMinor)).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const sign = amountMinor < 0 ? '-' : '';
  return decimals === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-decimals)}`;
}
