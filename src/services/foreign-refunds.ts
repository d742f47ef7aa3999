import { inTransaction } from '../database/transaction.js';
import { derivedId } from '../domain/ids.js';
import type { ProviderRefund } from '../payments/gateway.js';
import type { LeasedRefund } from './order-steps.js';
import type { Platform } from './platform.js';
import { grant, lockOrder } from './refunds.js';

/**
 * Only while the refund is still to go out, and only what nobody has written down. Money beyond what this refund was to give is granted as well: it
 * has gone.
 */
const takeOverSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, amount_minor int, provider_id text, state text)),
  shrunk AS (
    UPDATE refund SET amount_minor = GREATEST(0, amount_minor - $3) WHERE id = $2 AND state = 'REQUESTED'
      AND NOT EXISTS (SELECT FROM refund k JOIN input i ON i.provider_id = k.provider_id) RETURNING order_id),
  made AS (
    INSERT INTO refund (id, order_id, reason, amount_minor, seats, state, begun, done, provider_id, created_at, settled_at)
    SELECT i.id, s.order_id, 'PROVIDER', i.amount_minor, '{}', i.state, true, true, i.provider_id, $4, CASE i.state WHEN 'SUCCEEDED' THEN $4::timestamptz END
    FROM input i CROSS JOIN shrunk s RETURNING id, order_id, amount_minor),
  posted AS (
    INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, clearing, posted_at)
    SELECT o.id, 'PAYOUT', m.id, o.event_id, o.currency, m.amount_minor, -m.amount_minor, $4 FROM made m JOIN orders o ON o.id = m.order_id),
  granted AS (
    INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, organizer, posted_at)
    SELECT o.id, 'GRANT', $5, o.event_id, o.currency, -$6::int, $6::int, $4 FROM shrunk s JOIN orders o ON o.id = s.order_id WHERE $6::int > 0)
  UPDATE orders o SET refunded_minor = o.refunded_minor + $6::int, version = o.version + 1 FROM shrunk s WHERE o.id = s.order_id RETURNING o.id`;

/**
 * Takes what somebody has paid back at the provider off a refund of ours that the provider refuses for it. Where it was all the money there was, every ticket
 * that still stands goes with it. Answers false where there is nothing to take over, or more than ever came.
 */
export async function takeOver(
  { database, clock }: Platform,
  orderId: string,
  refund: LeasedRefund,
  others: readonly ProviderRefund[],
): Promise<boolean> {
  const nowMs = clock.nowMs();
  const sum = others.reduce((total, { amountMinor }) => total + amountMinor, 0);
  if (sum === 0) return false;
  const rows = others.map(({ id, amountMinor, state }) => ({
    id: derivedId('refund', id),
    amount_minor: amountMinor,
    provider_id: id,
    state,
  }));
  return inTransaction(database, async (manager) => {
    const order = (await lockOrder(manager, orderId))!;
    const [{ owedMinor } = { owedMinor: 0 }]: { owedMinor: number }[] = await manager.query(
      'SELECT amount_minor AS "owedMinor" FROM refund WHERE id = $1',
      [refund.id],
    );
    const beyondMinor = Math.max(0, sum - owedMinor);
    const leftMinor = order.capturedMinor - order.refundedMinor;
    if (beyondMinor > leftMinor) return false;
    const now = new Date(nowMs);
    const taken: [unknown[], number] = await manager.query(takeOverSql, [
      JSON.stringify(rows),
      refund.id,
      sum,
      now,
      rows[0]!.id,
      beyondMinor,
    ]);
    if (taken[1] === 0) return false;
    const seats = order.lines.map(({ seat }) => seat);
    if (beyondMinor > 0 && beyondMinor === leftMinor && seats.length > 0)
      await grant(
        manager,
        order,
        { id: derivedId('refund rest', refund.id), reason: 'PROVIDER', seats, amountMinor: 0 },
        nowMs,
      );
    return true;
  });
}
