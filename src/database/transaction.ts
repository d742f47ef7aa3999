import type { DataSource, EntityManager } from 'typeorm';
import { waysToRead } from './data-source.js';

/** Runs work in one transaction; a thrown error rolls back. No provider call ever happens inside. */
export function inTransaction<T>(database: DataSource, work: (manager: EntityManager) => Promise<T>): Promise<T> {
  return database.transaction(work);
}

/**
 * In a transaction, a statement that reads most of a table: planned for that, and not to look up each row. For texts of its own: how it is planned is
 * kept with the text (see `makeDataSource`).
 */
export async function queryAtLarge<T>(manager: EntityManager, sql: string, parameters: unknown[]): Promise<T> {
  const switchTo = (state: 'on' | 'off') =>
    manager.query('SELECT set_config(way, $2, true) FROM unnest($1::text[]) AS way', [[...waysToRead], state]);
  await switchTo('on');
  const rows: T = await manager.query(sql, parameters);
  await switchTo('off');
  return rows;
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
