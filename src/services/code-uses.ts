import type { DataSource, EntityManager } from 'typeorm';
import { inTransaction } from '../database/transaction.js';
import { limits } from '../limits.js';

/**
 * A use is counted where its row is written. Should that be more than the code allows, the constraint on it refuses both: however many
 * orders come at once, the last use goes to one of them.
 */
const reserveSql = `
  WITH prolonged AS (UPDATE code_use SET expires_at = $3 WHERE order_id = $1 AND expires_at IS NOT NULL),
  reserved AS (
    INSERT INTO code_use (order_id, code_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING code_id)
  UPDATE discount_code c SET uses = uses + 1 FROM reserved r WHERE c.id = r.code_id`;

/** Reserves a use for an order that is to be written by `until`; false if none is left. An order has one, however often it asks. */
export async function reserveUse(
  database: DataSource,
  use: { readonly orderId: string; readonly codeId: string; readonly until: Date },
): Promise<boolean> {
  try {
    await database.query(reserveSql, [use.orderId, use.codeId, use.until]);
    return true;
  } catch (error) {
    if ((error as { readonly code?: string }).code !== '23514') throw error;
    return false;
  }
}

/** Codes are locked first and in one order, so that no two of those who give uses back wait for each other. */
const lockSql = `
  SELECT id FROM discount_code WHERE id IN (SELECT code_id FROM code_use WHERE order_id = ANY($1)) ORDER BY id FOR NO KEY UPDATE`;

/** `$2`: what has expired by then; null: whatever there is. Taking the row away is what gives a use back: once. */
const giveBackSql = `
  WITH gone AS (DELETE FROM code_use WHERE order_id = ANY($1) AND ($2::timestamptz IS NULL OR expires_at < $2) RETURNING code_id),
  counted AS (SELECT code_id, count(*)::int AS given FROM gone GROUP BY code_id)
  UPDATE discount_code c SET uses = c.uses - g.given FROM counted g WHERE c.id = g.code_id`;

/** Gives back what orders that are over have used, in the transaction that ends them. Orders without a code have nothing to give. */
export async function giveBackUses(
  manager: EntityManager,
  orderIds: readonly string[],
  expiredBy: Date | null = null,
): Promise<void> {
  if (orderIds.length === 0) return;
  const codes: unknown[] = await manager.query(lockSql, [orderIds]);
  if (codes.length > 0) await manager.query(giveBackSql, [orderIds, expiredBy]);
}

/** Gives back what was reserved for orders that have never been written. */
export async function sweepUses(database: DataSource, now: Date): Promise<void> {
  const expired: { orderId: string }[] = await database.query(
    'SELECT order_id AS "orderId" FROM code_use WHERE expires_at < $1 ORDER BY expires_at LIMIT $2',
    [now, limits.codeSweepUses],
  );
  if (expired.length === 0) return;
  const ids = expired.map(({ orderId }) => orderId);
  await inTransaction(database, (manager) => giveBackUses(manager, ids, now));
}
