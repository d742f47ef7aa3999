import { inflateSync } from 'node:zlib';

/** What Windows-1252 has where Latin-1 has control characters. */
const windows: Readonly<Record<number, string>> = { 128: '€', 138: 'Š', 154: 'š', 150: '–', 153: '™' };

const decode = (hex: string) =>
  Array.from(Buffer.from(hex, 'hex'), (byte) => windows[byte] ?? String.fromCharCode(byte)).join('');

/** The texts of a PDF in the order in which they are written, as long as it uses the fonts that every reader has. */
export function textsOfPdf(pdf: Buffer): string[] {
  const file = pdf.toString('latin1');
  const streams = [...file.matchAll(/\/FlateDecode\s*>>\s*stream\r?\n/g)].map(({ 0: head, index }) => {
    const start = index + head.length;
    return inflateSync(pdf.subarray(start, file.indexOf('endstream', start))).toString('latin1');
  });
  return streams.flatMap((stream) =>
    [...stream.matchAll(/\[([^\]]*)\]\s*TJ/g)].map(([, shown]) =>
      [...shown!.matchAll(/<([0-9a-f]*)>/g)].map(([, hex]) => decode(hex!)).join(''),
    ),
  );
}
