import type { MigrationInterface, QueryRunner } from 'typeorm';

const kinds = (more: string) =>
  `CHECK (kind IN ('PAID_WITHOUT_TICKETS', 'TICKETS_WITHOUT_MONEY', 'ENDED_PAYABLE', 'ENDED_PAID', 'UNKNOWN_PAYMENT', 'AMOUNT_DIFFERS', 'MOVEMENT_UNKNOWN', 'REFUND_STUCK', 'BOOKS_DIFFER'${more}))`;

/** Orders whose tickets or seats are not those they should have are differences too. */
export class TicketsDiffer1790000700000 implements MigrationInterface {
  name = 'TicketsDiffer1790000700000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "money_difference" DROP CONSTRAINT "money_difference_kind"`);
    await queryRunner.query(
      `ALTER TABLE "money_difference" ADD CONSTRAINT "money_difference_kind" ${kinds(", 'TICKETS_DIFFER'")}`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DELETE FROM "money_difference" WHERE kind = 'TICKETS_DIFFER'`);
    await queryRunner.query(`ALTER TABLE "money_difference" DROP CONSTRAINT "money_difference_kind"`);
    await queryRunner.query(`ALTER TABLE "money_difference" ADD CONSTRAINT "money_difference_kind" ${kinds('')}`);
  }
}
