import type { MigrationInterface, QueryRunner } from 'typeorm';

export class LineAndClaims1790000100000 implements MigrationInterface {
  name = 'LineAndClaims1790000100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE "event_channel" ("event_id" uuid NOT NULL, "letter" text NOT NULL, "name" text NOT NULL, "access_code_hash" text, "release_at" TIMESTAMP(3) WITH TIME ZONE, CONSTRAINT "event_channel_letter" CHECK (letter ~ '^[A-Z]$'), CONSTRAINT "PK_ad7d0f52f2e09bd1cf059105968" PRIMARY KEY ("event_id", "letter"))`,
    );
    await runner.query(`CREATE UNIQUE INDEX "event_channel_name" ON "event_channel"  ("event_id", "name") `);
    await runner.query(
      `CREATE TABLE "recovery_code" ("hash" text NOT NULL, "event_id" uuid NOT NULL, "person_id" text NOT NULL, "created_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL DEFAULT now(), CONSTRAINT "PK_46127763228d7cdda224cb7f029" PRIMARY KEY ("hash"))`,
    );
    await runner.query(`ALTER TABLE "event" ADD "identity" text NOT NULL DEFAULT 'ANONYMOUS'`);
    await runner.query(`ALTER TABLE "event" ADD "paused_at" TIMESTAMP(3) WITH TIME ZONE`);
    await runner.query(`ALTER TABLE "event" ADD "paused_ms" bigint NOT NULL DEFAULT '0'`);
    await runner.query(`ALTER TABLE "event" ADD "focal_x" integer`);
    await runner.query(`ALTER TABLE "event" ADD "focal_y" integer`);
    await runner.query(`ALTER TABLE "event" ALTER COLUMN "waiting_room" DROP DEFAULT`);
    await runner.query(
      `ALTER TABLE "event" ALTER COLUMN "waiting_room" TYPE text USING CASE WHEN waiting_room THEN 'ALWAYS' ELSE 'AUTO' END`,
    );
    await runner.query(`ALTER TABLE "event" ALTER COLUMN "waiting_room" SET DEFAULT 'AUTO'`);
    await runner.query(
      `ALTER TABLE "event" ADD CONSTRAINT "event_identity" CHECK (identity IN ('ANONYMOUS', 'EMAIL', 'ACCOUNT'))`,
    );
    await runner.query(
      `ALTER TABLE "event" ADD CONSTRAINT "event_waiting_room" CHECK (waiting_room IN ('AUTO', 'ALWAYS', 'NEVER'))`,
    );
    await runner.query(`ALTER TABLE "inventory" ADD "channels" text`);
    await runner.query(`UPDATE inventory SET channels = repeat('.', capacity)`);
    await runner.query(`ALTER TABLE "inventory" ALTER COLUMN "channels" SET NOT NULL`);
    await runner.query(`ALTER TABLE "inventory" ADD "opened_at" TIMESTAMP(3) WITH TIME ZONE`);
    await runner.query(
      `UPDATE inventory i SET opened_at = e.sale_opens_at FROM event e WHERE e.id = i.event_id AND e.sale_opens_at <= now()`,
    );
    await runner.query(`ALTER TABLE "inventory" ADD "line_numbers" integer NOT NULL DEFAULT '0'`);
    await runner.query(`ALTER TABLE "inventory" ADD "draw_list" bytea`);
    await runner.query(`UPDATE inventory SET draw_list = '' WHERE draw_list_hash IS NOT NULL`);
    await runner.query(
      `INSERT INTO event_channel (event_id, letter, name, release_at) SELECT id, 'A', 'Accessible', starts_at - interval '1 day' FROM event`,
    );
    await runner.query(`ALTER TABLE "account" ALTER COLUMN "organizer_id" DROP NOT NULL`);
    await runner.query(
      `ALTER TABLE "event_channel" ADD CONSTRAINT "FK_bd62e2ee72bb4ec4e3d26ec2f6a" FOREIGN KEY ("event_id") REFERENCES "event"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "recovery_code" ADD CONSTRAINT "FK_023bd8f88d7370df8a60edfedc0" FOREIGN KEY ("event_id") REFERENCES "event"("id") ON DELETE NO ACTION ON UPDATE NO ACTION`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE recovery_code, event_channel');
    await runner.query(`DELETE FROM account WHERE organizer_id IS NULL`);
    await runner.query(`ALTER TABLE "account" ALTER COLUMN "organizer_id" SET NOT NULL`);
    await runner.query(
      `ALTER TABLE "inventory" DROP COLUMN "draw_list", DROP COLUMN "line_numbers", DROP COLUMN "opened_at", DROP COLUMN "channels"`,
    );
    await runner.query(
      `ALTER TABLE "event" DROP CONSTRAINT "event_waiting_room", DROP CONSTRAINT "event_identity", DROP COLUMN "focal_y", DROP COLUMN "focal_x", DROP COLUMN "paused_ms", DROP COLUMN "paused_at", DROP COLUMN "identity"`,
    );
    await runner.query(`ALTER TABLE "event" ALTER COLUMN "waiting_room" DROP DEFAULT`);
    await runner.query(
      `ALTER TABLE "event" ALTER COLUMN "waiting_room" TYPE boolean USING waiting_room = 'ALWAYS', ALTER COLUMN "waiting_room" SET DEFAULT false`,
    );
  }
}
