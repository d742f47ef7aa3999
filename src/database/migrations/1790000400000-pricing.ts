import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Pricing1790000400000 implements MigrationInterface {
  name = 'Pricing1790000400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE "event_category" ADD "fee_basis_points" integer NOT NULL DEFAULT '0', ADD "tax_basis_points" integer NOT NULL DEFAULT '0', ADD "tax_included" boolean NOT NULL DEFAULT true`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE "event_category" DROP "fee_basis_points", DROP "tax_basis_points", DROP "tax_included"`,
    );
  }
}
