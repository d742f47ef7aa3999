import pg from 'pg';
import { obey } from '../support/party.js';

/** The least that writing an order down could cost: one row, one commit, and nobody who wants to know of it. */
export interface InsertCommand {
  readonly databaseUrl: string;
  readonly connections: number;
  readonly forMs: number;
}

export interface InsertReport {
  readonly rows: number;
  readonly tookMs: number;
}

obey<InsertCommand, InsertReport>(async ({ databaseUrl, connections, forMs }) => {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: connections });
  await pool.query(
    'CREATE TABLE IF NOT EXISTS bench_row (id bigserial PRIMARY KEY, at timestamptz NOT NULL, note text NOT NULL)',
  );
  const startedMs = performance.now();
  let rows = 0;
  const lane = async () => {
    while (performance.now() - startedMs < forMs) {
      await pool.query({
        name: 'insert',
        text: 'INSERT INTO bench_row (at, note) VALUES (now(), $1)',
        values: ['an order'],
      });
      rows += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, lane));
  const tookMs = performance.now() - startedMs;
  await pool.end();
  return { rows, tookMs };
});
