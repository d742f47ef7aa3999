import pg from 'pg';

/** Seats as rows of Postgres, and the two ways in which ticket shops claim rows. */
export type Way = 'skip-locked' | 'advisory';

export interface RowClaim {
  readonly holdId: string;
  readonly holder: string;
  readonly seats: readonly number[];
}

export interface RowHold {
  readonly heldUntil: Date;
  readonly now: Date;
}

/** Takes all of the seats in a transaction; null: one of them is not to be had, and nothing has changed. */
export type Claim = (claim: RowClaim) => Promise<RowHold | null>;

const event = 1;

/** Half of each page is left free and no column of an index ever changes, so that a claim stays within its page (HOT). */
const table = `
  CREATE TABLE seat (
    event integer NOT NULL,
    seat integer NOT NULL,
    held_until timestamptz NOT NULL DEFAULT '-infinity',
    hold_id uuid,
    holder text,
    PRIMARY KEY (event, seat)
  ) WITH (fillfactor = 50)`;

export async function makeSeats(url: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(table);
  await client.query('INSERT INTO seat (event, seat) SELECT $1, generate_series(0, $2 - 1)', [event, count]);
  await client.query('VACUUM (FREEZE, ANALYZE) seat');
  await client.end();
}

const named = 'event = $1 AND seat = ANY($2)';
const noneHeld = `NOT EXISTS (SELECT FROM seat WHERE ${named} AND held_until > now())`;
const take = `UPDATE seat SET hold_id = $3, holder = $4, held_until = now() + interval '5 minutes' WHERE ${named}`;
const told = 'RETURNING held_until AS "heldUntil", now() AS now';

// A transaction of one statement. Whoever asks for a seat that is plainly held locks nothing, and has nothing to commit.
const lockAndTake = `
  WITH free AS MATERIALIZED
    (SELECT FROM seat WHERE ${named} AND held_until <= now() AND ${noneHeld} FOR UPDATE SKIP LOCKED)
  ${take} AND (SELECT count(*) FROM free) = cardinality($2) ${told}`;

// A statement of its own: the next one is to see what was committed while this one waited.
const lockEvent = 'SELECT pg_advisory_xact_lock($1)';
const takeIfFree = `${take} AND ${noneHeld} ${told}`;

/** Every statement is prepared once a connection; those of a transaction are sent at once, in one round trip. */
export function claimBy(way: Way, url: string, connections: number): Claim {
  const pool = new pg.Pool({ connectionString: url, max: connections, idleTimeoutMillis: 0, pipeline: true });
  const valuesOf = ({ holdId, holder, seats }: RowClaim) => [event, seats, holdId, holder];
  if (way === 'skip-locked')
    return async (claim) => {
      const { rows } = await pool.query<RowHold>({ name: 'take', text: lockAndTake, values: valuesOf(claim) });
      return rows[0] ?? null;
    };
  return async (claim) => {
    const client = await pool.connect();
    const [, , { rows }] = await Promise.all([
      client.query({ name: 'begin', text: 'BEGIN' }),
      client.query({ name: 'lock', text: lockEvent, values: [event] }),
      client.query<RowHold>({ name: 'take', text: takeIfFree, values: valuesOf(claim) }),
      client.query({ name: 'commit', text: 'COMMIT' }),
    ]);
    client.release();
    return rows[0] ?? null;
  };
}
