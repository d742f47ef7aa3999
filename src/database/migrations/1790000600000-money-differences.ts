import type { MigrationInterface, QueryRunner } from 'typeorm';

export class MoneyDifferences1790000600000 implements MigrationInterface {
  name = 'MoneyDifferences1790000600000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [
      `CREATE TABLE "money_difference" ("kind" text NOT NULL, "subject" text NOT NULL, "order_id" uuid, "event_id" uuid, "detail" text NOT NULL, "about" jsonb NOT NULL, "found_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "seen_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "ended_at" TIMESTAMP(3) WITH TIME ZONE, CONSTRAINT "money_difference_kind" CHECK (kind IN ('PAID_WITHOUT_TICKETS', 'TICKETS_WITHOUT_MONEY', 'ENDED_PAYABLE', 'ENDED_PAID', 'UNKNOWN_PAYMENT', 'AMOUNT_DIFFERS', 'MOVEMENT_UNKNOWN', 'REFUND_STUCK', 'BOOKS_DIFFER')), CONSTRAINT "PK_money_difference" PRIMARY KEY ("kind", "subject"))`,
      `CREATE INDEX "money_difference_open" ON "money_difference"  ("seen_at") WHERE ended_at IS NULL`,
      `CREATE INDEX "money_difference_event" ON "money_difference"  ("event_id", "found_at") `,
      `CREATE TABLE "money_cursor" ("feed" text NOT NULL, "compared_to" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "window_to" TIMESTAMP(3) WITH TIME ZONE, "after" text, CONSTRAINT "PK_money_cursor" PRIMARY KEY ("feed"))`,
      `DROP INDEX "orders_event"`,
      `CREATE INDEX "orders_event" ON "orders"  ("event_id", "created_at", "id") `,
      `DROP INDEX "posting_event"`,
      `CREATE INDEX "posting_event" ON "posting"  ("event_id", "posted_at", "order_id", "kind", "ref") `,
      `CREATE INDEX "posting_time" ON "posting"  ("posted_at") `,
      `CREATE INDEX "posting_dispute" ON "posting"  ("ref") WHERE kind = 'DISPUTE'`,
    ])
      await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of [
      `DROP INDEX "posting_dispute", "posting_time", "posting_event"`,
      `CREATE INDEX "posting_event" ON "posting"  ("event_id") `,
      `DROP INDEX "orders_event"`,
      `CREATE INDEX "orders_event" ON "orders"  ("event_id") `,
      `DROP TABLE money_cursor, money_difference`,
    ])
      await runner.query(statement);
  }
}
