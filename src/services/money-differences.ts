import { type Judgement, type MoneyDifferenceKind, moneyAlarms } from '../domain/money-differences.js';
import { limits } from '../limits.js';
import type { ProviderMovement } from '../payments/gateway.js';
import type { Platform } from './platform.js';

/** What it takes to look at a difference again. */
export type About =
  | { readonly intentId: string; readonly orderId: string | null }
  | { readonly movement: ProviderMovement }
  | { readonly refundId: string }
  | { readonly booksOf: string }
  | { readonly ticketsOf: string };

export interface Difference extends Judgement {
  /** Unique among those of a kind. */
  readonly subject: string;
  readonly orderId: string | null;
  readonly eventId: string | null;
  readonly about: About;
}

export interface OpenDifference {
  readonly kind: MoneyDifferenceKind;
  readonly subject: string;
  readonly about: About;
}

const noteSql = `
  INSERT INTO money_difference AS d (kind, subject, order_id, event_id, detail, about, found_at, seen_at)
  SELECT kind, subject, order_id, event_id, detail, about, $2, $2
  FROM jsonb_to_recordset($1::jsonb) AS x(kind text, subject text, order_id uuid, event_id uuid, detail text, about jsonb)
  ON CONFLICT (kind, subject) DO UPDATE SET detail = excluded.detail, about = excluded.about, seen_at = excluded.seen_at, ended_at = NULL,
    found_at = CASE WHEN d.ended_at IS NULL THEN d.found_at ELSE excluded.found_at END
  RETURNING kind, subject, found_at = seen_at AS fresh`;

/** Differences as they were found, until they are over. Each is an alarm once. */
export class MoneyDifferences {
  readonly #platform: Platform;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  async note(differences: readonly Difference[]): Promise<void> {
    if (differences.length === 0) return;
    const byName = new Map(differences.map((difference) => [nameOf(difference), difference]));
    const rows = [...byName.values()].map(({ kind, subject, orderId, eventId, detail, about }) => ({
      kind,
      subject,
      order_id: orderId,
      event_id: eventId,
      detail,
      about,
    }));
    const { database, clock, log } = this.#platform;
    const noted: { kind: MoneyDifferenceKind; subject: string; fresh: boolean }[] = await database.query(noteSql, [
      JSON.stringify(rows),
      new Date(clock.nowMs()),
    ]);
    for (const row of noted.filter(({ fresh }) => fresh)) {
      const { kind, subject, orderId, eventId, detail } = byName.get(nameOf(row))!;
      log.error({ alarm: true, orderId, eventId, subject, detail }, moneyAlarms[kind]);
    }
  }

  /** Those to be looked at again, the longest unseen first; bounded. The longer something is different, the more seldom it is looked at. */
  async open(beforeMs: number): Promise<OpenDifference[]> {
    return this.#platform.database.query(
      `SELECT kind, subject, about FROM money_difference
       WHERE ended_at IS NULL AND seen_at < $1 AND $1 - seen_at >= ($1 - found_at) / 10 ORDER BY seen_at LIMIT $2`,
      [new Date(beforeMs), limits.moneyRechecks],
    );
  }

  async end({ kind, subject }: Pick<OpenDifference, 'kind' | 'subject'>): Promise<void> {
    const sql = 'UPDATE money_difference SET ended_at = $3 WHERE kind = $1 AND subject = $2 AND ended_at IS NULL';
    await this.#platform.database.query(sql, [kind, subject, new Date(this.#platform.clock.nowMs())]);
  }
}

const nameOf = ({ kind, subject }: Pick<Difference, 'kind' | 'subject'>) => `${kind} ${subject}`;
