import type { DataSource, EntityManager } from 'typeorm';

/** Runs work in one transaction; a thrown error rolls back. No provider call ever happens inside. */
export function inTransaction<T>(database: DataSource, work: (manager: EntityManager) => Promise<T>): Promise<T> {
  return database.transaction(work);
}

/** Waits for, and holds until commit, the right to bind seats of an event; rebuilding its inventory excludes it. */
export async function lockInventory(
  manager: EntityManager,
  eventId: string,
  mode: 'shared' | 'exclusive',
): Promise<void> {
  const lock = mode === 'shared' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock';
  await manager.query(`SELECT ${lock}(hashtextextended($1, 0))`, [`inventory:${eventId}`]);
}
