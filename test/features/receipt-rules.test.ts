import { randomFor } from '../../bench/rush/random.js';
import {
  creditLines,
  formatDay,
  formatInstant,
  formatRate,
  moneyFormat,
  type ReceiptLine,
  receiptNumber,
  taxSummary,
  totalMinor,
} from '../../src/domain/receipts.js';
import { westernText } from '../../src/services/receipt-pdf.js';

test('Amounts have the decimals of their currency', () => {
  expect(moneyFormat('EUR')(1_250)).toBe('12.50 EUR');
  expect(moneyFormat('EUR')(-5)).toBe('-0.05 EUR');
  expect(moneyFormat('JPY')(1_250)).toBe('1250 JPY');
  expect(moneyFormat('KWD')(1_250)).toBe('1.250 KWD');
  expect(moneyFormat('KWD')(2_147_483_647)).toBe('2147483.647 KWD');
  expect(moneyFormat('ISK')(50_000)).toBe('500.00 ISK');
  expect(moneyFormat('HUF')(17_500)).toBe('175.00 HUF');
  expect([700, 825, 0].map(formatRate)).toEqual(['7 %', '8.25 %', '0 %']);
});

test('Days and times are those of the place', () => {
  const instant = new Date('2026-11-28T12:00:00Z');
  expect(formatDay(instant, 'Pacific/Kiritimati')).toBe('2026-11-29');
  expect(formatInstant(instant, 'America/New_York')).toBe('2026-11-28 07:00 (America/New_York)');
});

test('Receipts and credit notes have a series each', () => {
  expect(receiptNumber('RECEIPT', 1)).toBe('R-000001');
  expect(receiptNumber('CREDIT_NOTE', 1_234_567)).toBe('C-1234567');
  expect(receiptNumber('CONFIRMATION', null)).toBeNull();
});

test('Letters that western fonts do not have lose their marks; of other scripts question marks are left', () => {
  expect(westernText('Łódź – Žižkov, 12 €\nŒuvre')).toBe('Lódz – Žižkov, 12 €\nŒuvre');
  expect(westernText('Αθήνα 東京')).toBe('????? ??');
  expect(westernText('e\u0301')).toBe('é');
});

test('A credit note is over what was given back, to the minor unit, and its tax is never more than that of the receipt', () => {
  const random = randomFor(1, 1);
  for (let run = 0; run < 2_000; run += 1) {
    const lines = Array.from({ length: random.between(1, 6) }, (_, seat): ReceiptLine => {
      const basisPoints = random.pick([0, 700, 1_900]);
      const [priceMinor, feeMinor] = [random.between(0, 5_000), random.between(0, 500)];
      const taxOf = (gross: number) => Math.round((gross * basisPoints) / (10_000 + basisPoints));
      const taxes = { taxMinor: taxOf(priceMinor), feeTaxMinor: taxOf(feeMinor), taxBasisPoints: basisPoints };
      return { seat, description: `Seat ${seat}`, priceMinor, feeMinor, discountMinor: 0, ...taxes };
    });
    const seats = random.hits(0.5) ? [] : lines.map(({ seat }) => seat!).filter(() => random.hits(0.5));
    const own = seats.length === 0 ? lines : lines.filter(({ seat }) => seats.includes(seat!));
    if (totalMinor(own) === 0) continue;
    const amountMinor = random.between(1, totalMinor(own));
    const credit = creditLines(lines, { seats, amountMinor });
    expect(totalMinor(credit)).toBe(amountMinor);
    const taxes = new Map(taxSummary(own).map(({ basisPoints, taxMinor }) => [basisPoints, taxMinor]));
    for (const { basisPoints, grossMinor, taxMinor } of taxSummary(credit)) {
      expect(grossMinor).toBeGreaterThanOrEqual(0);
      expect(taxMinor).toBeGreaterThanOrEqual(0);
      expect(taxMinor).toBeLessThanOrEqual(taxes.get(basisPoints)!);
    }
  }
});
