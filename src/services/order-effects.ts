import type { EntityManager } from 'typeorm';
import { derivedId } from '../domain/ids.js';
import type { StepOutcome } from './order-steps.js';

/** Tickets against a debt: a sale whose lines do not come out at its total is refused by the ledger. */
const saleSql = `
  INSERT INTO posting (order_id, kind, event_id, currency, buyer, organizer, fees, tax, posted_at)
  SELECT o.id, 'SALE', o.event_id, o.currency, o.total_minor, -sum(l.price_minor - l.tax_minor), -sum(l.fee_minor - l.fee_tax_minor),
         -sum(l.tax_minor + l.fee_tax_minor), $2
  FROM orders o JOIN order_line l ON l.order_id = o.id WHERE o.id = ANY($1) AND o.total_minor > 0 GROUP BY o.id ON CONFLICT DO NOTHING`;

/** The debt is paid: to the provider, or at the box office. An invoice is paid later. */
const captureSql = `
  WITH paid AS (
    UPDATE orders SET captured_minor = total_minor, refunded_minor = CASE WHEN $3 THEN total_minor ELSE refunded_minor END
    WHERE id = ANY($1) AND method <> 'INVOICE' RETURNING *)
  INSERT INTO posting (order_id, kind, event_id, currency, buyer, clearing, cash, posted_at)
  SELECT id, 'CAPTURE', event_id, currency, -total_minor, CASE method WHEN 'ONLINE' THEN total_minor ELSE 0 END,
         CASE method WHEN 'CASH' THEN total_minor ELSE 0 END, $2
  FROM paid WHERE total_minor > 0 ON CONFLICT DO NOTHING`;

/** Tickets whose money can never come are taken back like refunded ones, with nothing to pay: the debt for them ends. */
const voidSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, order_id uuid)),
  made AS (
    INSERT INTO refund (id, order_id, reason, amount_minor, seats, created_at)
    SELECT id, order_id, 'PROVIDER', 0, (SELECT array_agg(seat_index) FROM order_line l WHERE l.order_id = i.order_id), $2 FROM input i
    ON CONFLICT DO NOTHING RETURNING *),
  voided AS (UPDATE ticket t SET state = 'VOID' FROM made m WHERE t.order_id = m.order_id),
  taken AS (UPDATE seat_owner s SET state = 'RETURNING', refund_id = m.id FROM made m WHERE s.order_id = m.order_id)
  INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, organizer, fees, tax, posted_at)
  SELECT p.order_id, 'GRANT', m.id, p.event_id, p.currency, -p.buyer, -p.organizer, -p.fees, -p.tax, $2
  FROM made m JOIN posting p ON p.order_id = m.order_id AND p.kind = 'SALE'`;

/** A refund that failed at once is owed still: nothing was paid out, and it counts for nothing. What the bank has taken needs no paying out. */
const payOutSql = `
  WITH input AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, state text, provider_id text, failure text)),
  told AS (
    UPDATE refund r SET state = i.state, provider_id = COALESCE(i.provider_id, r.provider_id), failure = i.failure,
           settled_at = CASE WHEN i.state = 'PENDING' THEN NULL ELSE $2::timestamptz END
    FROM input i WHERE r.id = i.id RETURNING r.*),
  vacated AS (DELETE FROM seat_owner s USING told t WHERE s.order_id = t.order_id AND s.refund_id = t.id),
  owed AS (UPDATE orders o SET refunded_minor = o.refunded_minor - t.amount_minor FROM told t WHERE o.id = t.order_id AND t.state = 'FAILED')
  INSERT INTO posting (order_id, kind, ref, event_id, currency, buyer, clearing, cash, posted_at)
  SELECT o.id, 'PAYOUT', t.id, o.event_id, o.currency, t.amount_minor, CASE o.method WHEN 'ONLINE' THEN -t.amount_minor ELSE 0 END,
         CASE o.method WHEN 'ONLINE' THEN 0 ELSE -t.amount_minor END, $2
  FROM told t JOIN orders o ON o.id = t.order_id
  WHERE t.state <> 'FAILED' AND t.reason <> 'DISPUTE' AND t.amount_minor > 0 ON CONFLICT DO NOTHING`;

/** What the finished steps of a batch do to seats, tickets and money, in the transaction that finishes them. */
export async function takeEffect(manager: EntityManager, outcomes: readonly StepOutcome[], now: Date): Promise<void> {
  const having = (kind: NonNullable<StepOutcome['effect']>['kind']) =>
    outcomes.filter(({ effect }) => effect?.kind === kind);
  const idsHaving = (kind: NonNullable<StepOutcome['effect']>['kind']) => having(kind).map(({ from }) => from.orderId);
  const [issued, validated, owed, released] = [
    having('issue'),
    idsHaving('validate'),
    idsHaving('owe'),
    having('release'),
  ];
  if (issued.length > 0) {
    const rows = JSON.stringify(seatRows(issued));
    await manager.query(
      `INSERT INTO seat_owner (event_id, seat_index, order_id, generation, fence, state)
       SELECT event_id, seat, order_id, generation, fence, 'ISSUED'
       FROM jsonb_to_recordset($1::jsonb) AS x(event_id uuid, seat int, order_id uuid, generation int, fence bigint)
       ON CONFLICT (event_id, seat_index) DO UPDATE
         SET order_id = excluded.order_id, generation = excluded.generation, fence = excluded.fence, state = 'ISSUED'`,
      [rows],
    );
    await manager.query(
      `INSERT INTO ticket (id, order_id, event_id, seat_index, state, issued_at)
       SELECT ticket_id, order_id, event_id, seat, state, $2
       FROM jsonb_to_recordset($1::jsonb) AS x(ticket_id uuid, order_id uuid, event_id uuid, seat int, state text)
       ON CONFLICT (order_id, seat_index) DO NOTHING`,
      [rows, now],
    );
    await manager.query(saleSql, [issued.map(({ from }) => from.orderId), now]);
  }
  if (validated.length > 0) {
    await manager.query(`UPDATE ticket SET state = 'VALID' WHERE order_id = ANY($1) AND state = 'PENDING_CAPTURE'`, [
      validated,
    ]);
    await manager.query(captureSql, [validated, now, false]);
  }
  if (owed.length > 0) {
    await manager.query(captureSql, [owed, now, true]);
    const refunds = having('owe').map(({ from: { orderId, totalMinor } }) => ({
      id: derivedId('refund', orderId, 'LOST'),
      order_id: orderId,
      amount_minor: totalMinor,
    }));
    await manager.query(
      `INSERT INTO refund (id, order_id, reason, amount_minor, created_at)
       SELECT id, order_id, 'LOST', amount_minor, $2 FROM jsonb_to_recordset($1::jsonb) AS x(id uuid, order_id uuid, amount_minor int)
       ON CONFLICT DO NOTHING`,
      [JSON.stringify(refunds), now],
    );
  }
  const voided = idsHaving('void').map((orderId) => ({ id: derivedId('refund', orderId, 'VOID'), order_id: orderId }));
  if (voided.length > 0) await manager.query(voidSql, [JSON.stringify(voided), now]);
  const begun = having('begin').map(({ from }) => from.refund!.id);
  if (begun.length > 0) await manager.query('UPDATE refund SET begun = true WHERE id = ANY($1)', [begun]);
  const paid = outcomes.flatMap(({ from, effect }) =>
    effect?.kind === 'payOut'
      ? [{ id: from.refund!.id, state: effect.state, provider_id: effect.providerId, failure: effect.failure }]
      : [],
  );
  if (paid.length > 0) await manager.query(payOutSql, [JSON.stringify(paid), now]);
  if (released.length === 0) return;
  const ended = released.flatMap(({ from }) =>
    from.refund === null || from.refund.reason === 'LOST' ? [from.orderId] : [],
  );
  const refunded = released.flatMap(({ from }) => from.refund?.id ?? []);
  if (ended.length > 0) await manager.query('DELETE FROM seat_owner WHERE order_id = ANY($1)', [ended]);
  if (refunded.length > 0) await manager.query('UPDATE refund SET done = true WHERE id = ANY($1)', [refunded]);
}

/** One for each seat of the orders. */
export function seatRows(outcomes: readonly StepOutcome[]) {
  return outcomes.flatMap(({ from, effect }) =>
    from.lines.map(({ seat }) => ({
      order_id: from.orderId,
      event_id: from.eventId,
      seat,
      ticket_id: derivedId('ticket', from.orderId, String(seat)),
      generation: effect?.kind === 'issue' ? effect.generation : from.generation,
      fence: effect?.kind === 'issue' ? effect.fence : from.fence,
      state: from.payment === 'CAPTURED' ? 'VALID' : 'PENDING_CAPTURE',
    })),
  );
}
