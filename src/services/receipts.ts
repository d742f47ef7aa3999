import { LRUCache } from 'lru-cache';
import { checkSeller, type Said, type Seller } from '../domain/contacts.js';
import { isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { isUuid } from '../domain/ids.js';
import { formatInstant, moneyFormat, type Receipt, receiptNumber, totalMinor } from '../domain/receipts.js';
import { Organizer } from '../entities/accounts.js';
import { ReceiptRow } from '../entities/receipts.js';
import { limits } from '../limits.js';
import type { Mail } from '../mail/mailer.js';
import { Batcher } from './batcher.js';
import type { Platform, Viewer } from './platform.js';
import { renderReceipt } from './receipt-pdf.js';
import type { Tokens } from './tokens.js';

export interface ReceiptFile {
  readonly name: string;
  readonly pdf: Buffer;
}

/** Receipts as they were written: to be read, downloaded and mailed. */
export class Receipts {
  readonly #platform: Platform;
  readonly #tokens: Tokens;
  readonly #reader: Batcher<string, ReadonlyMap<string, readonly Receipt[]>>;
  readonly #files = new LRUCache<string, Promise<ReceiptFile>>({ max: limits.receiptCacheEntries });

  constructor(platform: Platform, tokens: Tokens) {
    this.#platform = platform;
    this.#tokens = tokens;
    this.#reader = new Batcher(limits.stepBatch, (orderIds) => this.#ofOrders(orderIds));
  }

  /** The receipt of an order and its credit notes, the oldest first; those who ask at the same time are read together. */
  async ofOrder(orderId: string): Promise<readonly Receipt[]> {
    return (await this.#reader.submit(orderId)).get(orderId) ?? [];
  }

  /** Where whoever has the link may read a receipt, for a while. */
  link({ id }: Receipt): { readonly path: string; readonly expiresAtMs: number } {
    const { token, expiresAtMs } = this.#tokens.receiptLink(id);
    return { path: `/receipts/${id}?token=${token}`, expiresAtMs };
  }

  /** The file that a link is about; null when the link is not valid, or about another one. */
  async open(id: string, token: string): Promise<ReceiptFile | null> {
    if (!isUuid(id) || (await this.#tokens.readReceiptLink(token)) !== id) return null;
    const row = await this.#platform.database.getRepository(ReceiptRow).findOneBy({ id });
    return row === null || row.number === null ? null : this.#file(receiptOf(row));
  }

  /**
   * Mails a receipt, if that was not done before. Between handing a mail to the mail server and writing that down nobody can know: whoever dies
   * there leaves SENDING, and the next try sends it once more, under the same Message-ID. Throws when it is to be tried again.
   */
  async mail(id: string, { isLast }: { readonly isLast: boolean }): Promise<void> {
    const { mailer, log } = this.#platform;
    const row = await this.#platform.database.getRepository(ReceiptRow).findOneBy({ id });
    const to = row?.facts.buyer.email ?? null;
    if (row === null || to === null || row.mail === null || row.mail === 'SENT') return;
    await this.#note(id, 'SENDING');
    const receipt = receiptOf(row);
    try {
      const file = receipt.number === null ? null : await this.#file(receipt);
      const attachment = file && { filename: file.name, contentType: 'application/pdf', content: file.pdf };
      await mailer.deliver({ to, id, ...mailText(receipt), ...(attachment !== null && { attachment }) });
    } catch (error) {
      const { code, responseCode, message } = error as Error & {
        readonly code?: string;
        readonly responseCode?: number;
      };
      await this.#note(id, isLast ? 'FAILED' : 'WAITING');
      // The address stays out of the log, and what mail servers say names it.
      const reason = responseCode ?? code ?? message;
      if (!isLast) throw new Error(`a receipt could not be mailed yet: ${reason}`);
      return log.error({ alarm: true, receiptId: id, orderId: row.orderId, reason }, 'a receipt could not be mailed');
    }
    await this.#note(id, 'SENT');
  }

  /** Who sells, as the organizer has said it. */
  async seller(viewer: Viewer): Promise<Seller | null> {
    if (viewer.organizerId === null) return null;
    const { legalName, address, taxId } = await this.#platform.database
      .getRepository(Organizer)
      .findOneByOrFail({ id: viewer.organizerId });
    return { legalName, address, taxId };
  }

  /** From now on receipts say this; those there are stay as they are. */
  async updateSeller(viewer: Viewer, said: Said<Seller>): Promise<Seller | Refusal> {
    if (viewer.organizerId === null) return refuse('FORBIDDEN', { message: 'Only organizers sell.' });
    const seller = checkSeller('input', said);
    if (isRefusal(seller)) return seller;
    await this.#platform.database.getRepository(Organizer).update({ id: viewer.organizerId }, { ...seller });
    return seller;
  }

  async #ofOrders(orderIds: readonly string[]): Promise<ReadonlyMap<string, readonly Receipt[]>> {
    const rows = await this.#platform.database
      .createQueryBuilder(ReceiptRow, 'receipt')
      .where('receipt.order_id = ANY(:orderIds)', { orderIds })
      .orderBy('receipt.issued_at')
      .addOrderBy('receipt.number')
      .getMany();
    const found = new Map<string, Receipt[]>();
    for (const row of rows) found.set(row.orderId, [...(found.get(row.orderId) ?? []), receiptOf(row)]);
    return found;
  }

  /** Made when it is asked for, and kept for whoever asks again soon. */
  #file(receipt: Receipt): Promise<ReceiptFile> {
    const known = this.#files.get(receipt.id);
    if (known !== undefined) return known;
    const file = renderReceipt(receipt, this.#platform.config.receiptFont).then((pdf) => ({
      name: `${receipt.number}.pdf`,
      pdf,
    }));
    this.#files.set(receipt.id, file);
    file.catch(() => this.#files.delete(receipt.id));
    return file;
  }

  /** What became of a mail. One that was sent stays so, whoever says something else later. */
  async #note(id: string, mail: 'WAITING' | 'SENDING' | 'SENT' | 'FAILED'): Promise<void> {
    const now = new Date(this.#platform.clock.nowMs());
    await this.#platform.database.query(`UPDATE receipt SET mail = $2, mail_at = $3 WHERE id = $1 AND mail <> 'SENT'`, [
      id,
      mail,
      now,
    ]);
  }
}

function receiptOf({ id, kind, number, issuedAt, facts }: ReceiptRow): Receipt {
  return { id, kind, number: receiptNumber(kind, number), issuedAt, facts };
}

function mailText({ kind, number, facts }: Receipt): Pick<Mail, 'subject' | 'text'> {
  const { event, lines, currency, refersTo } = facts;
  const places = lines.filter(({ seat }) => seat !== null).map(({ description }) => `- ${description}`);
  const when = `${event.name}, ${formatInstant(new Date(event.startsAt), event.timeZone)}`;
  const total = moneyFormat(currency)(totalMinor(lines));
  const order = `Your order: ${facts.orderId}`;
  const said = {
    RECEIPT: [`Your receipt for ${event.name}`, `Your receipt ${number} over ${total} is attached.`],
    CREDIT_NOTE: [
      `Your credit note for ${event.name}`,
      `${total} of your receipt ${refersTo} are given back; the credit note ${number} is attached.`,
    ],
    CONFIRMATION: [`Your tickets for ${event.name}`, 'Your tickets are there; they cost nothing.'],
  }[kind] as [string, string];
  return { subject: said[0], text: `${[said[1], when, places.join('\n'), order].filter(Boolean).join('\n\n')}\n` };
}
