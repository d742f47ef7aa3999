import PDFDocument from 'pdfkit';
import {
  formatDay,
  formatInstant,
  formatRate,
  lineTotalMinor,
  moneyFormat,
  type Receipt,
  taxSummary,
  totalMinor,
} from '../domain/receipts.js';

const titles = { RECEIPT: 'Receipt', CREDIT_NOTE: 'Credit note', CONFIRMATION: 'Confirmation' } as const;
const marginPoints = 50;
const fontSizes = { title: 20, text: 10, small: 8.5 };
const numeric = { align: { x: 'right' } } as const;

/** A receipt as a PDF: the same bytes whenever and wherever it is made. `font`: a font file for scripts beyond western ones. */
export async function renderReceipt(receipt: Receipt, font: string | null): Promise<Buffer> {
  const { kind, number, issuedAt, facts } = receipt;
  const title = `${titles[kind]} ${number ?? ''}`.trim();
  const pdf = new PDFDocument({
    size: 'A4',
    margin: marginPoints,
    // The instant it is made would make every copy another one.
    info: { Title: title, Author: facts.seller.name, CreationDate: issuedAt, ModDate: issuedAt },
  });
  const chunks: Buffer[] = [];
  pdf.on('data', (chunk: Buffer) => chunks.push(chunk));
  const written = new Promise((resolve) => pdf.once('end', resolve));
  draw(pdf, title, receipt, font);
  pdf.end();
  await written;
  return Buffer.concat(chunks);
}

function draw(pdf: PDFKit.PDFDocument, title: string, { issuedAt, facts }: Receipt, font: string | null): void {
  const written = font === null ? westernText : (text: string) => text;
  const { seller, buyer, event, lines, currency, refersTo } = facts;
  const money = moneyFormat(currency);
  const block = (...texts: readonly (string | null | false)[]) => {
    const said = texts.filter((text) => typeof text === 'string' && text !== '');
    if (said.length > 0) pdf.text(written(said.join('\n'))).moveDown();
  };
  const table = (rows: readonly (readonly string[])[], widths: readonly (string | number)[]) => {
    pdf.fontSize(fontSizes.small).table({
      columnStyles: widths.map((width, at) => ({ width, ...(at > 0 && numeric) })),
      rowStyles: (row) => ({ border: { top: 0, left: 0, right: 0, bottom: row === 0 ? 1 : 0.25 } }),
      defaultStyle: { padding: 4, borderColor: '#888888' },
      data: rows.map((row) => row.map(written)),
    });
    pdf.moveDown().fontSize(fontSizes.text);
  };
  pdf.font(font ?? 'Helvetica');
  pdf.fontSize(fontSizes.title).text(written(title)).fontSize(fontSizes.text).moveDown();
  block(seller.name, seller.address, seller.taxId !== null && `Tax id: ${seller.taxId}`);
  if (buyer.name !== null || buyer.address !== null || buyer.email !== null)
    block('To', buyer.name, buyer.address, buyer.email);
  block(
    `Date: ${formatDay(issuedAt, event.timeZone)}`,
    refersTo !== null && `For receipt: ${refersTo}`,
    `Order: ${facts.orderId}`,
    `Event: ${event.name}, ${formatInstant(new Date(event.startsAt), event.timeZone)}`,
  );
  const head = ['Description', 'Price', 'Discount', 'Fee', 'Tax rate', 'Tax', 'Total'];
  const row = (line: (typeof lines)[number]) => [
    line.description,
    money(line.priceMinor + line.discountMinor),
    line.discountMinor === 0 ? '' : money(-line.discountMinor),
    money(line.feeMinor),
    formatRate(line.taxBasisPoints),
    money(line.taxMinor + line.feeTaxMinor),
    money(lineTotalMinor(line)),
  ];
  table([head, ...lines.map(row)], ['*', 62, 62, 58, 48, 58, 68]);
  pdf.fontSize(12).text(`Total: ${money(totalMinor(lines))}`, { align: 'right' });
  pdf.moveDown().fontSize(fontSizes.text);
  const rates = taxSummary(lines);
  if (rates.every(({ basisPoints }) => basisPoints === 0)) return;
  const sums = rates.map(({ basisPoints, grossMinor, taxMinor }) => [
    formatRate(basisPoints),
    money(grossMinor - taxMinor),
    money(taxMinor),
    money(grossMinor),
  ]);
  table([['Contained tax', 'Net', 'Tax', 'Gross'], ...sums], ['*', 90, 90, 90]);
}

/** What the fonts that every reader of PDFs has can write besides Latin-1. */
const alsoWestern = '€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ';
const baseLetters: Readonly<Record<string, string>> = {
  ł: 'l',
  Ł: 'L',
  đ: 'd',
  Đ: 'D',
  ı: 'i',
  ħ: 'h',
  Ħ: 'H',
  ŧ: 't',
};

/** The nearest that those fonts can write: letters lose marks they do not have, of other scripts nothing is left but question marks. */
export function westernText(text: string): string {
  const near = (sign: string): string => {
    if (/[\n\x20-\x7e\xa0-\xff]/.test(sign) || alsoWestern.includes(sign)) return sign;
    const base = baseLetters[sign] ?? sign.normalize('NFKD').replaceAll(/\p{M}/gu, '');
    return /^[\x20-\x7e]+$/.test(base) ? base : '?';
  };
  return Array.from(text.normalize('NFC'), near).join('');
}
