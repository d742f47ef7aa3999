import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Money1790000300000 implements MigrationInterface {
  name = 'Money1790000300000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [
      `ALTER TABLE "event" DROP CONSTRAINT "event_state"`,
      `ALTER TABLE "event" ADD CONSTRAINT "event_state" CHECK (state IN ('DRAFT', 'PUBLISHED', 'CLOSED', 'CANCELED'))`,
      `ALTER TABLE "event" ADD "buyers_return_until" TIMESTAMP(3) WITH TIME ZONE`,
      `ALTER TABLE "event" ADD "returns_keep_fees" boolean NOT NULL DEFAULT true`,
      `ALTER TABLE "orders" ADD "method" text NOT NULL DEFAULT 'ONLINE', ADD "captured_minor" integer NOT NULL DEFAULT '0', ADD "refunded_minor" integer NOT NULL DEFAULT '0', ADD "dispute" text, ADD "code_id" uuid, ADD "buyer_email" text, ADD "buyer_name" text, ADD "buyer_address" text`,
      `CREATE INDEX "orders_event" ON "orders"  ("event_id") `,
      `UPDATE orders SET captured_minor = CASE WHEN payment IN ('CAPTURED', 'REFUNDED') THEN total_minor ELSE 0 END, refunded_minor = CASE WHEN payment = 'REFUNDED' THEN total_minor ELSE 0 END`,
      `ALTER TABLE "orders" ADD CONSTRAINT "orders_refunded" CHECK (refunded_minor BETWEEN 0 AND captured_minor), ADD CONSTRAINT "orders_method" CHECK (method IN ('ONLINE', 'CASH', 'INVOICE'))`,
      `ALTER TABLE "order_line" ADD "tax_minor" integer NOT NULL DEFAULT '0', ADD "fee_tax_minor" integer NOT NULL DEFAULT '0', ADD "tax_basis_points" integer NOT NULL DEFAULT '0', ADD "discount_minor" integer NOT NULL DEFAULT '0'`,
      `ALTER TABLE "seat_owner" DROP CONSTRAINT "seat_owner_state"`,
      `ALTER TABLE "seat_owner" ADD CONSTRAINT "seat_owner_state" CHECK (state IN ('PENDING', 'ISSUED', 'RETURNING')), ADD "refund_id" uuid`,
      `ALTER TABLE "webhook_event" ADD "payload" jsonb, ADD "due_at" TIMESTAMP(3) WITH TIME ZONE, ADD "tries" integer NOT NULL DEFAULT '0'`,
      `CREATE INDEX "webhook_event_due" ON "webhook_event"  ("due_at") WHERE due_at IS NOT NULL`,
      `CREATE TABLE "refund" ("id" uuid NOT NULL, "order_id" uuid NOT NULL, "reason" text NOT NULL, "amount_minor" integer NOT NULL, "seats" integer array NOT NULL DEFAULT '{}', "state" text NOT NULL DEFAULT 'REQUESTED', "begun" boolean NOT NULL DEFAULT false, "done" boolean NOT NULL DEFAULT false, "provider_id" text, "failure" text, "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "settled_at" TIMESTAMP(3) WITH TIME ZONE, CONSTRAINT "refund_amount" CHECK (amount_minor >= 0), CONSTRAINT "refund_state" CHECK (state IN ('REQUESTED', 'PENDING', 'SUCCEEDED', 'FAILED')), CONSTRAINT "PK_f1cefa2e60d99b206c46c1116e5" PRIMARY KEY ("id"))`,
      `CREATE INDEX "refund_unfinished" ON "refund"  ("created_at") WHERE state IN ('REQUESTED', 'PENDING') OR NOT done`,
      `CREATE UNIQUE INDEX "refund_provider" ON "refund"  ("provider_id") `,
      `CREATE INDEX "refund_order" ON "refund"  ("order_id", "created_at") `,
      `CREATE TABLE "posting" ("order_id" uuid NOT NULL, "kind" text NOT NULL, "ref" text NOT NULL DEFAULT '', "event_id" uuid NOT NULL, "currency" text NOT NULL, "buyer" bigint NOT NULL DEFAULT '0', "clearing" bigint NOT NULL DEFAULT '0', "cash" bigint NOT NULL DEFAULT '0', "organizer" bigint NOT NULL DEFAULT '0', "fees" bigint NOT NULL DEFAULT '0', "tax" bigint NOT NULL DEFAULT '0', "posted_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, CONSTRAINT "posting_kind" CHECK (kind IN ('SALE', 'CAPTURE', 'GRANT', 'PAYOUT', 'PAYOUT_FAILED', 'DISPUTE', 'DISPUTE_WON')), CONSTRAINT "posting_balanced" CHECK (buyer + clearing + cash + organizer + fees + tax = 0), CONSTRAINT "PK_2116fa7a0dec6ada58d73fa992c" PRIMARY KEY ("order_id", "kind", "ref"))`,
      `CREATE INDEX "posting_event" ON "posting"  ("event_id") `,
      `CREATE TABLE "event_cancellation" ("event_id" uuid NOT NULL, "state" text NOT NULL, "started_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "ended_at" TIMESTAMP(3) WITH TIME ZONE, CONSTRAINT "event_cancellation_state" CHECK (state IN ('RUNNING', 'STOPPED', 'DONE')), CONSTRAINT "PK_02f24dfd0403a4659615b2c9991" PRIMARY KEY ("event_id"))`,
      `ALTER TABLE "refund" ADD CONSTRAINT "FK_eec9d9af4ca098e19ea6b499eaa" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
      `ALTER TABLE "posting" ADD CONSTRAINT "FK_64d85fec8080f96e25ced3e3460" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
      `ALTER TABLE "event_cancellation" ADD CONSTRAINT "FK_02f24dfd0403a4659615b2c9991" FOREIGN KEY ("event_id") REFERENCES "event"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
      // What was on its way back.
      `INSERT INTO refund (id, order_id, reason, amount_minor, seats, state, created_at)
       SELECT gen_random_uuid(), o.id, CASE o.end_reason WHEN 'LOST' THEN 'LOST' ELSE 'ORGANIZER' END, o.total_minor,
              COALESCE((SELECT array_agg(seat_index) FROM seat_owner s WHERE s.order_id = o.id AND s.state = 'ISSUED'), '{}'), 'REQUESTED', now()
       FROM orders o WHERE o.state = 'REFUNDING'`,
      `UPDATE orders SET refunded_minor = captured_minor WHERE state = 'REFUNDING'`,
      `UPDATE seat_owner s SET state = 'RETURNING', refund_id = r.id FROM refund r WHERE r.order_id = s.order_id AND s.seat_index = ANY(r.seats)`,
      // What was sold and paid back before there were postings.
      `INSERT INTO posting (order_id, kind, event_id, currency, buyer, organizer, fees, clearing, posted_at)
       SELECT o.id, k.kind, o.event_id, o.currency, k.buyer * o.total_minor, k.own * l.price, k.own * l.fee, k.clearing * o.total_minor, COALESCE(o.issued_at, o.created_at)
       FROM orders o JOIN LATERAL (SELECT sum(price_minor) AS price, sum(fee_minor) AS fee FROM order_line WHERE order_id = o.id) l ON true
       JOIN (VALUES ('SALE', 1, -1, 0), ('CAPTURE', -1, 0, 1), ('GRANT', -1, 1, 0), ('PAYOUT', 1, 0, -1)) AS k(kind, buyer, own, clearing) ON true
       WHERE o.total_minor > 0 AND (o.state = 'CONFIRMED' AND k.kind = 'SALE' OR o.payment IN ('CAPTURED', 'REFUNDED')
         AND (k.kind IN ('SALE', 'CAPTURE') OR o.payment = 'REFUNDED' OR k.kind = 'GRANT' AND o.state = 'REFUNDING'))`,
      // Both are written once and changed several times: a change that finds room on its page leaves the indexes alone.
      `ALTER TABLE orders SET (fillfactor = 60)`,
      `ALTER TABLE order_step SET (fillfactor = 70)`,
      // Nothing may change or take away what has been posted, whoever asks.
      `CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''% is append-only'', TG_TABLE_NAME; END'`,
      `CREATE TRIGGER "posting_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "posting" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`,
    ])
      await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of [
      `ALTER TABLE orders RESET (fillfactor)`,
      `ALTER TABLE order_step RESET (fillfactor)`,
      `DROP TABLE event_cancellation, posting, refund`,
      `DROP FUNCTION refuse_change()`,
      `DROP INDEX "webhook_event_due"`,
      `DROP INDEX "orders_event"`,
      `ALTER TABLE "webhook_event" DROP "payload", DROP "due_at", DROP "tries"`,
      `ALTER TABLE "seat_owner" DROP CONSTRAINT "seat_owner_state"`,
      `ALTER TABLE "seat_owner" ADD CONSTRAINT "seat_owner_state" CHECK (state IN ('PENDING', 'ISSUED')), DROP "refund_id"`,
      `ALTER TABLE "order_line" DROP "tax_minor", DROP "fee_tax_minor", DROP "tax_basis_points", DROP "discount_minor"`,
      `ALTER TABLE "orders" DROP CONSTRAINT "orders_refunded", DROP CONSTRAINT "orders_method"`,
      `ALTER TABLE "orders" DROP "method", DROP "captured_minor", DROP "refunded_minor", DROP "dispute", DROP "code_id", DROP "buyer_email", DROP "buyer_name", DROP "buyer_address"`,
      `ALTER TABLE "event" DROP "buyers_return_until", DROP "returns_keep_fees"`,
      `ALTER TABLE "event" DROP CONSTRAINT "event_state"`,
      `ALTER TABLE "event" ADD CONSTRAINT "event_state" CHECK (state IN ('DRAFT', 'PUBLISHED', 'CLOSED'))`,
    ])
      await runner.query(statement);
  }
}
