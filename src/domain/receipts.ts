import type { Buyer } from './contacts.js';
import { findCurrency } from './currencies.js';

/** RECEIPT: of what was paid. CREDIT_NOTE: of what was given back. CONFIRMATION: of what cost nothing; a mail alone, without a number. */
export const receiptKinds = ['RECEIPT', 'CREDIT_NOTE', 'CONFIRMATION'] as const;
export type ReceiptKind = (typeof receiptKinds)[number];

/**
 * WAITING: it goes out soon. SENDING: it was handed to the mail server, or whoever did it has died over it. SENT: the mail server has taken it.
 * FAILED: it was tried often enough.
 */
export const mailStates = ['WAITING', 'SENDING', 'SENT', 'FAILED'] as const;
export type MailState = (typeof mailStates)[number];

/** Amounts are minor units, as charged: taxes are contained in them, the discount is off the price already. */
export interface ReceiptLine {
  /** Null: not about one seat. */
  readonly seat: number | null;
  readonly description: string;
  readonly priceMinor: number;
  readonly discountMinor: number;
  readonly feeMinor: number;
  /** Within the price, and within the fee. */
  readonly taxMinor: number;
  readonly feeTaxMinor: number;
  readonly taxBasisPoints: number;
}

/** Everything a receipt says besides its number and date. Written once: whoever sells may move later, and the receipt stays what it was. */
export interface ReceiptFacts {
  readonly orderId: string;
  readonly currency: string;
  readonly seller: { readonly name: string; readonly address: string | null; readonly taxId: string | null };
  readonly buyer: Buyer;
  readonly event: { readonly name: string; readonly startsAt: string; readonly timeZone: string };
  readonly lines: readonly ReceiptLine[];
  /** The number of the receipt that a credit note is about. */
  readonly refersTo: string | null;
}

export interface Receipt {
  readonly id: string;
  readonly kind: ReceiptKind;
  /** As people read it; null: it has none. */
  readonly number: string | null;
  readonly issuedAt: Date;
  readonly facts: ReceiptFacts;
}

/** As people read it: each organizer has one series for receipts and one for credit notes. */
export function receiptNumber(kind: ReceiptKind, number: number | null): string | null {
  return number === null ? null : `${kind === 'CREDIT_NOTE' ? 'C' : 'R'}-${String(number).padStart(6, '0')}`;
}

export const lineTotalMinor = ({ priceMinor, feeMinor }: ReceiptLine): number => priceMinor + feeMinor;

export function totalMinor(lines: readonly ReceiptLine[]): number {
  return lines.reduce((sum, line) => sum + lineTotalMinor(line), 0);
}

export interface TaxOfRate {
  readonly basisPoints: number;
  readonly grossMinor: number;
  readonly taxMinor: number;
}

/** What was charged under each rate, the lowest first. */
export function taxSummary(lines: readonly ReceiptLine[]): TaxOfRate[] {
  const rates = [...new Set(lines.map(({ taxBasisPoints }) => taxBasisPoints))].sort((a, b) => a - b);
  return rates.map((basisPoints) => {
    const own = lines.filter(({ taxBasisPoints }) => taxBasisPoints === basisPoints);
    const taxMinor = own.reduce((sum, line) => sum + line.taxMinor + line.feeTaxMinor, 0);
    return { basisPoints, grossMinor: totalMinor(own), taxMinor };
  });
}

/**
 * What a credit note is over: the lines of the seats that were given up if they were paid back whole or but for their fees, otherwise the amount
 * spread over the rates of those lines, each with its share of their tax. Without seats it is about all of them.
 */
export function creditLines(
  receipt: readonly ReceiptLine[],
  { seats, amountMinor }: { readonly seats: readonly number[]; readonly amountMinor: number },
): readonly ReceiptLine[] {
  const own = seats.length === 0 ? receipt : receipt.filter(({ seat }) => seat !== null && seats.includes(seat));
  const withoutFees = own.map((line) => ({ ...line, feeMinor: 0, feeTaxMinor: 0 }));
  for (const lines of [own, withoutFees]) if (totalMinor(lines) === amountMinor) return lines;
  const rates = taxSummary(own.length > 0 ? own : receipt);
  const grossMinor = rates.reduce((sum, rate) => sum + rate.grossMinor, 0);
  let passedMinor = 0;
  // From boundary to boundary, so that the shares add up and none is more than there was under its rate.
  const shareUpTo = (minor: number) => Math.floor((amountMinor * minor) / grossMinor);
  return rates.map((rate) => {
    const priceMinor = shareUpTo(passedMinor + rate.grossMinor) - shareUpTo(passedMinor);
    passedMinor += rate.grossMinor;
    const taxMinor = rate.grossMinor === 0 ? 0 : Math.round((rate.taxMinor * priceMinor) / rate.grossMinor);
    const none = { seat: null, discountMinor: 0, feeMinor: 0, feeTaxMinor: 0 };
    return { description: 'Part of the price', priceMinor, taxMinor, taxBasisPoints: rate.basisPoints, ...none };
  });
}

/** `12.50 EUR`, `1250 JPY`, `1.250 KWD`: with the decimals in which amounts are counted, whatever people there write. */
export function moneyFormat(currency: string): (minor: number) => string {
  const { decimals } = findCurrency(currency) ?? { decimals: 2 };
  return (minor) => `${(minor / 10 ** decimals).toFixed(decimals)} ${currency}`;
}

/** `7 %`, `8.25 %`. */
export const formatRate = (basisPoints: number): string => `${basisPoints / 100} %`;

/** Where somebody is, day by day: `2030-01-01`. */
export function formatDay(instant: Date, timeZone: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' }).format(instant);
}

/** `2030-01-01 20:00 (Europe/Berlin)`. */
export function formatInstant(instant: Date, timeZone: string): string {
  const time = new Intl.DateTimeFormat('sv-SE', { timeZone, timeStyle: 'short' }).format(instant);
  return `${formatDay(instant, timeZone)} ${time} (${timeZone})`;
}
