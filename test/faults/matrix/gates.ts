import { Client, type Pool } from 'pg';
import { until } from './patience.js';

/**
 * Points of the ledger at which a transaction can be stopped. Passing one takes a shared lock that nobody disputes unless the gate is
 * closed, so they stay where they are for the life of a stage.
 */
export type GateName = `lease ${string}` | `finish ${string}` | 'ticket' | `webhook ${string}`;

const seed = 7;

const gatesSql = `
  CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(TG_ARGV[0] || CASE TG_TABLE_NAME
      WHEN 'order_step' THEN to_jsonb(NEW) ->> 'step' WHEN 'webhook_event' THEN to_jsonb(NEW) ->> 'type' ELSE '' END, ${seed}));
    RETURN NEW;
  END $$;
  CREATE TRIGGER gate_lease BEFORE UPDATE ON order_step FOR EACH ROW
    WHEN (NEW.lease IS NOT NULL AND NEW.lease IS DISTINCT FROM OLD.lease) EXECUTE FUNCTION pass_gate('lease ');
  CREATE TRIGGER gate_finish BEFORE UPDATE ON order_step FOR EACH ROW
    WHEN (NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL) EXECUTE FUNCTION pass_gate('finish ');
  CREATE TRIGGER gate_ticket BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION pass_gate('ticket');
  CREATE TRIGGER gate_webhook BEFORE INSERT ON webhook_event FOR EACH ROW EXECUTE FUNCTION pass_gate('webhook ');`;

export async function buildGates(database: Pool): Promise<void> {
  await database.query(gatesSql);
}

/** A session that waits at a gate. */
export interface Stopped {
  readonly user: string;
  readonly backend: number;
}

export interface Gate {
  /** Resolves when somebody stands at the gate. */
  stopped(): Promise<Stopped>;
  /** Lets everybody pass from here on. A restart of Postgres has done so already. */
  open(): Promise<void>;
}

const stoppedSql = `
  SELECT usename AS user, pid AS backend FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock' AND $1 = ANY(pg_blocking_pids(pid)) ORDER BY query_start LIMIT 1`;

export async function closeGate(url: string, name: GateName): Promise<Gate> {
  const session = new Client({ connectionString: url });
  // It may be cut by a restart of Postgres, which opens the gate.
  session.on('error', () => {});
  await session.connect();
  const { rows: own } = await session.query(
    `SELECT pg_backend_pid() AS pid FROM pg_advisory_lock(hashtextextended($1, ${seed}))`,
    [name],
  );
  const watcher = new Client({ connectionString: url });
  watcher.on('error', () => {});
  await watcher.connect();
  return {
    stopped: () =>
      until(`a session at the gate "${name}"`, async () => {
        const { rows } = await watcher.query<Stopped>(stoppedSql, [own[0].pid]);
        return rows[0];
      }),
    open: async () => {
      await Promise.allSettled([session.end(), watcher.end()]);
    },
  };
}
