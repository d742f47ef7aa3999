import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Initial1790000000000 implements MigrationInterface {
  name = 'Initial1790000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE "organizer" ("id" uuid NOT NULL, "name" text NOT NULL, CONSTRAINT "PK_b59551a131f312443b992f90434" PRIMARY KEY ("id"))`,
    );
    await runner.query(
      `CREATE TABLE "account" ("id" uuid NOT NULL, "email" text NOT NULL, "password_hash" text NOT NULL, "role" text NOT NULL, "organizer_id" uuid NOT NULL, "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(), CONSTRAINT "PK_54115ee388cdb6d86bb4bf5b2ea" PRIMARY KEY ("id"))`,
    );
    await runner.query(`CREATE UNIQUE INDEX "account_email" ON "account"  ("email") `);
    await runner.query(
      `CREATE TABLE "venue" ("id" uuid NOT NULL, "organizer_id" uuid NOT NULL, "name" text NOT NULL, "seat_count" integer NOT NULL, "layout" jsonb NOT NULL, "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(), CONSTRAINT "PK_c53deb6d1bcb088f9d459e7dbc0" PRIMARY KEY ("id"))`,
    );
    await runner.query(
      `CREATE TABLE "event" ("id" uuid NOT NULL, "organizer_id" uuid NOT NULL, "name" text NOT NULL, "state" text NOT NULL DEFAULT 'DRAFT', "starts_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "time_zone" text NOT NULL, "currency" text NOT NULL, "sale_opens_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "waiting_room" boolean NOT NULL DEFAULT false, "admit_per_second" double precision NOT NULL, "active_cap" integer NOT NULL, "max_seats_per_hold" integer NOT NULL, "max_seats_per_person" integer NOT NULL, "hold_ttl_ms" integer NOT NULL, "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(), CONSTRAINT "event_state" CHECK (state IN ('DRAFT', 'PUBLISHED', 'CLOSED')), CONSTRAINT "PK_30c2f3bbaf6d34a55f8ae6e4614" PRIMARY KEY ("id"))`,
    );
    await runner.query(`CREATE INDEX "event_organizer" ON "event"  ("organizer_id") `);
    await runner.query(
      `CREATE TABLE "event_category" ("event_id" uuid NOT NULL, "category" integer NOT NULL, "price_minor" integer NOT NULL, "fee_minor" integer NOT NULL, CONSTRAINT "PK_615059b7b1ae91c0874e4ded2b0" PRIMARY KEY ("event_id", "category"))`,
    );
    await runner.query(
      `CREATE TABLE "layout" ("event_id" uuid NOT NULL, "version" integer NOT NULL, "document" jsonb NOT NULL, CONSTRAINT "PK_96f1e76b2a7374c2985b39d6ad7" PRIMARY KEY ("event_id", "version"))`,
    );
    await runner.query(
      `CREATE TABLE "inventory" ("event_id" uuid NOT NULL, "generation" integer NOT NULL DEFAULT '0', "layout_version" integer NOT NULL, "capacity" integer NOT NULL, "draw_seed" text NOT NULL, "draw_list_hash" text, CONSTRAINT "PK_a3438a76c005a256bb6f570443b" PRIMARY KEY ("event_id"))`,
    );
    await runner.query(
      `CREATE TABLE "orders" ("id" uuid NOT NULL, "event_id" uuid NOT NULL, "person_id" text NOT NULL, "hold_id" uuid NOT NULL, "generation" integer NOT NULL, "fence" bigint NOT NULL, "state" text NOT NULL, "payment" text NOT NULL DEFAULT 'NONE', "version" integer NOT NULL DEFAULT '1', "currency" text NOT NULL, "total_minor" integer NOT NULL, "prices" text NOT NULL, "intent_id" text, "client_secret" text, "pay_by" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "free_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "end_reason" text, "hint" text, "nudges" integer NOT NULL DEFAULT '0', "declines" integer NOT NULL DEFAULT '0', "last_decline" text, "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "issued_at" TIMESTAMP(3) WITH TIME ZONE, CONSTRAINT "orders_state" CHECK (state IN ('PAYMENT_PREPARING', 'AWAITING_PAYMENT', 'PAYMENT_DELAYED', 'ISSUING', 'CONFIRMED', 'COMPLETED', 'CANCELING', 'CANCELED', 'EXPIRED', 'LOST', 'REFUNDING', 'REFUNDED')), CONSTRAINT "PK_710e2d4957aa5878dfe94e4ac2f" PRIMARY KEY ("id"))`,
    );
    await runner.query(`CREATE INDEX "orders_person" ON "orders"  ("person_id") `);
    await runner.query(`CREATE UNIQUE INDEX "orders_hold" ON "orders"  ("hold_id") `);
    await runner.query(
      `CREATE TABLE "order_line" ("order_id" uuid NOT NULL, "seat_index" integer NOT NULL, "category" integer NOT NULL, "price_minor" integer NOT NULL, "fee_minor" integer NOT NULL, CONSTRAINT "PK_7d0e43d211eefc2c6e1a77b5842" PRIMARY KEY ("order_id", "seat_index"))`,
    );
    await runner.query(
      `CREATE TABLE "order_step" ("order_id" uuid NOT NULL, "step" text NOT NULL, "attempt" integer NOT NULL, "run_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "tries" integer NOT NULL DEFAULT '0', "lease" uuid, "leased_until" TIMESTAMP(3) WITH TIME ZONE, "first_call_at" TIMESTAMP(3) WITH TIME ZONE, "finished_at" TIMESTAMP(3) WITH TIME ZONE, "outcome" text, CONSTRAINT "PK_464da632e18797e2694ff5b04a0" PRIMARY KEY ("order_id", "step", "attempt"))`,
    );
    await runner.query(`CREATE INDEX "order_step_due" ON "order_step"  ("step", "run_at") WHERE finished_at IS NULL`);
    await runner.query(`CREATE UNIQUE INDEX "order_step_open" ON "order_step"  ("order_id") WHERE finished_at IS NULL`);
    await runner.query(
      `CREATE TABLE "seat_owner" ("event_id" uuid NOT NULL, "seat_index" integer NOT NULL, "order_id" uuid NOT NULL, "generation" integer NOT NULL, "fence" bigint NOT NULL, "state" text NOT NULL, CONSTRAINT "seat_owner_state" CHECK (state IN ('PENDING', 'ISSUED')), CONSTRAINT "PK_6a23385da8cebe56d69a6495d71" PRIMARY KEY ("event_id", "seat_index"))`,
    );
    await runner.query(`CREATE INDEX "seat_owner_order" ON "seat_owner"  ("order_id") `);
    await runner.query(
      `CREATE TABLE "ticket" ("id" uuid NOT NULL, "order_id" uuid NOT NULL, "event_id" uuid NOT NULL, "seat_index" integer NOT NULL, "state" text NOT NULL, "issued_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, CONSTRAINT "ticket_state" CHECK (state IN ('PENDING_CAPTURE', 'VALID', 'VOID')), CONSTRAINT "PK_d9a0835407701eb86f874474b7c" PRIMARY KEY ("id"))`,
    );
    await runner.query(
      `CREATE UNIQUE INDEX "ticket_seat" ON "ticket"  ("event_id", "seat_index") WHERE state <> 'VOID'`,
    );
    await runner.query(`CREATE UNIQUE INDEX "ticket_order_seat" ON "ticket"  ("order_id", "seat_index") `);
    await runner.query(
      `CREATE TABLE "webhook_event" ("id" text NOT NULL, "type" text NOT NULL, "order_id" uuid, "received_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, CONSTRAINT "PK_0f56d2f40f5ec823acf8e8edad1" PRIMARY KEY ("id"))`,
    );
    await runner.query(
      `ALTER TABLE "account" ADD CONSTRAINT "FK_7fb42cce15fbd18462b1e8f35ca" FOREIGN KEY ("organizer_id") REFERENCES "organizer"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "venue" ADD CONSTRAINT "FK_52a6741d0ee61940d37ce4fb555" FOREIGN KEY ("organizer_id") REFERENCES "organizer"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "event" ADD CONSTRAINT "FK_fbc9b6120d8394996948eb5325b" FOREIGN KEY ("organizer_id") REFERENCES "organizer"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "event_category" ADD CONSTRAINT "FK_f81a9c9dcf8e57514363383fcad" FOREIGN KEY ("event_id") REFERENCES "event"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "layout" ADD CONSTRAINT "FK_1c9e34c460d0aded1a83768258a" FOREIGN KEY ("event_id") REFERENCES "event"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "inventory" ADD CONSTRAINT "FK_a3438a76c005a256bb6f570443b" FOREIGN KEY ("event_id") REFERENCES "event"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "orders" ADD CONSTRAINT "FK_642ca308ac51fea8327e593b8ab" FOREIGN KEY ("event_id") REFERENCES "event"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "order_line" ADD CONSTRAINT "FK_ed8fae6d7239e9d730219215af7" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "order_step" ADD CONSTRAINT "FK_17ea95c4ba6262ce16a9b88d4a4" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "seat_owner" ADD CONSTRAINT "FK_4b82d41a2a00ea97398a6b84607" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "ticket" ADD CONSTRAINT "FK_f1467033cf1a399aecb98f66188" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'DROP TABLE webhook_event, ticket, seat_owner, order_step, order_line, orders, inventory, layout, event_category, event, venue, account, organizer',
    );
  }
}
