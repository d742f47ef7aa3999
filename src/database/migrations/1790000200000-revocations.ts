import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Revocations1790000200000 implements MigrationInterface {
  name = 'Revocations1790000200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE "revocation" ("subject" text NOT NULL, "before" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "expires_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL, "recorded_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(), CONSTRAINT "PK_revocation" PRIMARY KEY ("subject"))`,
    );
    await runner.query(`CREATE INDEX "revocation_recorded" ON "revocation"  ("recorded_at") `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "revocation"`);
  }
}
