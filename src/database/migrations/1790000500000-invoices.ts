import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Invoices1790000500000 implements MigrationInterface {
  name = 'Invoices1790000500000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [
      `ALTER TABLE "organizer" ADD "legal_name" text, ADD "address" text, ADD "tax_id" text`,
      `ALTER TABLE "orders" ADD "receipt_at" TIMESTAMP(3) WITH TIME ZONE`,
      `CREATE INDEX "orders_without_receipt" ON "orders"  ("issued_at") WHERE receipt_at IS NULL AND issued_at IS NOT NULL`,
      `ALTER TABLE "refund" ADD "receipt_at" TIMESTAMP(3) WITH TIME ZONE`,
      `CREATE INDEX "refund_without_receipt" ON "refund"  ("created_at") WHERE receipt_at IS NULL AND done`,
      `CREATE TABLE "receipt" ("id" uuid NOT NULL, "organizer_id" uuid NOT NULL, "kind" text NOT NULL, "number" integer, "order_id" uuid NOT NULL, "refund_id" uuid, "facts" jsonb NOT NULL, "issued_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "mail" text, "mail_at" TIMESTAMP(3) WITH TIME ZONE, CONSTRAINT "receipt_kind" CHECK (kind IN ('RECEIPT', 'CREDIT_NOTE', 'CONFIRMATION')), CONSTRAINT "receipt_numbered" CHECK ((number IS NULL) = (kind = 'CONFIRMATION')), CONSTRAINT "receipt_mail" CHECK (mail IN ('WAITING', 'SENDING', 'SENT', 'FAILED')), CONSTRAINT "PK_receipt" PRIMARY KEY ("id"))`,
      `CREATE UNIQUE INDEX "receipt_number" ON "receipt"  ("organizer_id", "kind", "number") `,
      `CREATE INDEX "receipt_order" ON "receipt"  ("order_id") `,
      `CREATE TABLE "receipt_counter" ("organizer_id" uuid NOT NULL, "kind" text NOT NULL, "last" integer NOT NULL DEFAULT '0', CONSTRAINT "PK_receipt_counter" PRIMARY KEY ("organizer_id", "kind"))`,
      `ALTER TABLE "receipt" ADD CONSTRAINT "FK_receipt_organizer" FOREIGN KEY ("organizer_id") REFERENCES "organizer"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
      `ALTER TABLE "receipt" ADD CONSTRAINT "FK_receipt_order" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
      `ALTER TABLE "receipt" ADD CONSTRAINT "FK_receipt_refund" FOREIGN KEY ("refund_id") REFERENCES "refund"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
      `ALTER TABLE "receipt_counter" ADD CONSTRAINT "FK_receipt_counter_organizer" FOREIGN KEY ("organizer_id") REFERENCES "organizer"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
      // What a receipt says stays, whoever asks; what became of its mail may change.
      `CREATE TRIGGER "receipt_append_only" BEFORE UPDATE OF id, organizer_id, kind, number, order_id, refund_id, facts, issued_at OR DELETE OR TRUNCATE ON "receipt" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`,
    ])
      await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of [
      `DROP TABLE receipt_counter, receipt`,
      `DROP INDEX "refund_without_receipt"`,
      `ALTER TABLE "refund" DROP "receipt_at"`,
      `DROP INDEX "orders_without_receipt"`,
      `ALTER TABLE "orders" DROP "receipt_at"`,
      `ALTER TABLE "organizer" DROP "legal_name", DROP "address", DROP "tax_id"`,
    ])
      await runner.query(statement);
  }
}
