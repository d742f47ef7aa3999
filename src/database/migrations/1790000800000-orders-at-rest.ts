import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Orders are compared when they have come to rest, whether or not anything was posted for them; those of the last month once more. */
export class OrdersAtRest1790000800000 implements MigrationInterface {
  name = 'OrdersAtRest1790000800000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(
      `CREATE INDEX "order_step_last" ON "order_step"  ("finished_at") WHERE step IN ('CAPTURE', 'RELEASE') AND finished_at IS NOT NULL`,
    );
    await queryRunner.query(`DELETE FROM "money_cursor" WHERE feed = 'postings'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DELETE FROM "money_cursor" WHERE feed = 'orders'`);
    await queryRunner.query(`DROP INDEX "order_step_last"`);
  }
}
