import { Client } from 'pg';
import { eventually } from './eventually.js';

export interface HeldLock {
  /** Resolves when a session waits for this lock, and that many in all for locks of this database: some may wait behind the first. */
  blocked(sessions?: number): Promise<void>;
  /** Takes back what the statement did. */
  release(): Promise<void>;
  /** Lets it stand. */
  commit(): Promise<void>;
}

export const inventoryLock = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))';

/** Runs a statement that locks something, in a transaction of its own that stays open until `release`. */
export async function holdLock(
  databaseUrl: string,
  statement: string,
  values: readonly unknown[] = [],
): Promise<HeldLock> {
  const session = new Client({ connectionString: databaseUrl });
  const watcher = new Client({ connectionString: databaseUrl });
  await Promise.all([session.connect(), watcher.connect()]);
  const { rows: own } = await session.query('SELECT pg_backend_pid() AS pid');
  await session.query('BEGIN');
  await session.query(statement, [...values]);
  const release = async () => {
    await Promise.all([session.end(), watcher.end()]);
  };
  return {
    blocked: (sessions = 1) =>
      eventually(async () => {
        const { rows } = await watcher.query(
          `SELECT count(*)::int AS waiting, bool_or($1 = ANY(pg_blocking_pids(pid))) AS here
           FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          [own[0].pid],
        );
        expect(rows[0].here).toBe(true);
        expect(rows[0].waiting).toBeGreaterThanOrEqual(sessions);
      }),
    release,
    commit: async () => {
      await session.query('COMMIT');
      await release();
    },
  };
}
