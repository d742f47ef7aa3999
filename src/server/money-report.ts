import { pipeline, Readable } from 'node:stream';
import { stringify } from 'csv-stringify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { findCurrency } from '../domain/currencies.js';
import { isRefusal } from '../domain/errors.js';
import { decimalText } from '../domain/money.js';
import { accountNames, type JournalEntry } from '../services/money-report.js';
import type { Viewer } from '../services/platform.js';
import type { Services } from '../services/services.js';

const columns = [
  ...['order_id', 'order_state', 'method', 'buyer_name', 'buyer_email', 'placed_at', 'posting', 'ref', 'posted_at'],
  'currency',
  ...accountNames.flatMap((name) => [name, `${name}_minor`]),
];

const statuses: Readonly<Record<string, number>> = { UNAUTHENTICATED: 401, FORBIDDEN: 403, NOT_FOUND: 404 };

/** What a buyer has written is text and stays so, whatever a spreadsheet would make of how it begins. */
const asText = (text: string | null): string =>
  text === null ? '' : text.replace(/^(?=\s*[=+\-@\t\r＝＋－＠])/u, "'");

function rowOf(entry: JournalEntry): (string | number)[] {
  const decimals = findCurrency(entry.currency)?.decimals ?? 2;
  return [
    entry.orderId,
    entry.state,
    entry.method,
    asText(entry.buyerName),
    asText(entry.buyerEmail),
    entry.placedAt.toISOString(),
    entry.kind,
    asText(entry.ref),
    entry.postedAt.toISOString(),
    entry.currency,
    ...accountNames.flatMap((name) => [decimalText(entry[name], decimals), entry[name]]),
  ];
}

async function* rowsOf(entries: AsyncIterable<JournalEntry>): AsyncGenerator<(string | number)[]> {
  for await (const entry of entries) yield rowOf(entry);
}

/** Every posting of an event as a table, for its organizer. It is made as it is taken: a large sale costs no more memory than a small one. */
export function serveMoneyReport(
  http: FastifyInstance,
  { moneyReports, platform: { log } }: Services,
  viewerOf: (request: FastifyRequest) => Promise<Viewer | null>,
): void {
  http.get<{ Params: { id: string } }>('/events/:id/money.csv', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    const { id } = request.params;
    const event = await moneyReports.open(await viewerOf(request), id);
    if (isRefusal(event)) {
      const { code, message } = event;
      return reply.code(statuses[code] ?? 400).send({ errors: [{ message, extensions: { code } }] });
    }
    const table = stringify({ header: true, columns, record_delimiter: '\r\n' });
    pipeline(Readable.from(rowsOf(moneyReports.journal(id))), table, (error) => {
      // The answer breaks off, so that half a table is not taken for a whole one.
      if (error) log.warn({ err: error, eventId: id }, 'a table of postings was not finished');
    });
    return reply
      .type('text/csv; charset=utf-8; header=present')
      .header('content-disposition', `attachment; filename="money-${id}.csv"`)
      .send(table);
  });
}
