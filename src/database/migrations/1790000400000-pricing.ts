import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Pricing1790000400000 implements MigrationInterface {
  name = 'Pricing1790000400000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [
      `ALTER TABLE "event_category" ADD "fee_basis_points" integer NOT NULL DEFAULT '0', ADD "tax_basis_points" integer NOT NULL DEFAULT '0', ADD "tax_included" boolean NOT NULL DEFAULT true`,
      `CREATE TABLE "discount_code" ("id" uuid NOT NULL, "event_id" uuid NOT NULL, "code" text NOT NULL, "basis_points" integer, "amount_minor" integer, "categories" integer array, "valid_from" TIMESTAMP(3) WITH TIME ZONE, "valid_until" TIMESTAMP(3) WITH TIME ZONE, "max_uses" integer, "uses" integer NOT NULL DEFAULT '0', "active" boolean NOT NULL DEFAULT true, "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(), CONSTRAINT "discount_code_uses" CHECK (uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)), CONSTRAINT "discount_code_discount" CHECK ((basis_points IS NULL) <> (amount_minor IS NULL)), CONSTRAINT "PK_5119d6f26e6b4c536fd3c67a37d" PRIMARY KEY ("id"))`,
      `CREATE UNIQUE INDEX "discount_code_text" ON "discount_code"  ("event_id", "code") `,
      `CREATE TABLE "code_use" ("order_id" uuid NOT NULL, "code_id" uuid NOT NULL, "expires_at" TIMESTAMP(3) WITH TIME ZONE, CONSTRAINT "PK_37822206aceb3ebad8e12326ba2" PRIMARY KEY ("order_id"))`,
      `CREATE INDEX "code_use_reserved" ON "code_use"  ("expires_at") WHERE expires_at IS NOT NULL`,
      `ALTER TABLE "discount_code" ADD CONSTRAINT "FK_7faa0a14bbf3581baae3208e3d9" FOREIGN KEY ("event_id") REFERENCES "event"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
      `ALTER TABLE "code_use" ADD CONSTRAINT "FK_d4af0957a55e7ad51dc5bad03c4" FOREIGN KEY ("code_id") REFERENCES "discount_code"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    ])
      await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE code_use, discount_code');
    await runner.query(
      `ALTER TABLE "event_category" DROP "fee_basis_points", DROP "tax_basis_points", DROP "tax_included"`,
    );
  }
}
