import type { Client, Pool, PoolClient } from 'pg';
import type { DataSource } from 'typeorm';
import { type Fault, fibers, type Mortal } from './scheduler.js';

interface Answer {
  readonly command: string;
  readonly rowCount: number | null;
}
type Send = (text: string, values?: unknown[]) => Promise<Answer>;
type Connect = (done: (...args: unknown[]) => void) => void;

/** A connection that a task uses. */
interface Use {
  readonly process: Mortal | null;
  readonly backend: number;
  readonly send: Send;
  /** It is of no use any more to whoever has it. */
  broken: boolean;
  sent: Promise<unknown>;
}

/** The connections of a lane, as the scheduler has to know them. */
export interface Statements {
  /** Whether a connection is being taken from the pool, or opened. */
  isConnecting(): boolean;
  /** Whether anybody else is in a transaction, and may have locks. */
  mayWait(backend: number): boolean;
  blockersOf(backend: number): Promise<readonly number[]>;
  /** Whether a transaction has ended since this was last asked. */
  haveLocksMoved(): boolean;
  /** Whether anything has been written for good since this was last asked. */
  hasWritten(): boolean;
  /** Ends what a process has open, as its death does; resolves when Postgres has rolled it back. */
  cut(process: Mortal): Promise<void>;
  /**
   * Whether connections really end from here on. A new connection costs more than all the rest of a run, so mostly only that happens by which
   * anybody notices the end of one: Postgres rolls back what was open on it.
   */
  cutForGood(really: boolean): void;
}

const faults: readonly Fault[] = ['request lost', 'answer lost'];
const unusable = 'Connection terminated unexpectedly';
/** Of steps due at the same instant Postgres takes those it finds first, which depends on what was there in earlier runs. */
const anyOfThem = /ORDER BY run_at(?= LIMIT)/;
const backendOf = (client: PoolClient) => (client as unknown as { readonly processID: number }).processID;

export function gateStatements(database: DataSource, observer: Client): Statements {
  const { master: pool, connectedQueryRunners: runners } = database.driver as unknown as {
    readonly master: Pool;
    readonly connectedQueryRunners: { readonly databaseConnection: PoolClient; release(): Promise<void> }[];
  };
  const uses = new Map<PoolClient, Use>();
  const open = new Set<number>();
  let [connecting, moved, written, really] = [0, false, false, false];

  const end = async (client: PoolClient, use: Use): Promise<void> => {
    use.broken = true;
    if (really) await terminate(observer, client);
    else {
      if (use.process?.dead) await observer.query('SELECT pg_cancel_backend($1)', [use.backend]);
      await use.sent;
      if (open.has(use.backend)) await use.send('ROLLBACK');
      // The dead let nothing go by themselves.
      if (use.process?.dead) await runners.find(({ databaseConnection }) => databaseConnection === client)?.release();
    }
    open.delete(use.backend);
    moved = true;
  };

  const carryOut = async (use: Use, text: string, values?: unknown[]): Promise<Answer> => {
    const answer = await use.send(text, values);
    if (text === 'START TRANSACTION') open.add(use.backend);
    else if (text === 'COMMIT' || text === 'ROLLBACK') moved = open.delete(use.backend) || moved;
    if (!open.has(use.backend) && !/^\s*SELECT/.test(text)) written = true;
    return answer;
  };

  const gate = (client: PoolClient): Send => {
    const query = client.query.bind(client) as unknown as Send;
    const send: Send = (text, values) => query(text.replace(anyOfThem, '$&, order_id'), values);
    return async (text, values) => {
      const fiber = fibers.getStore();
      if (fiber === undefined) return send(text, values);
      const { process } = fiber;
      const use = uses.get(client) ?? {
        process,
        backend: backendOf(client),
        send,
        broken: false,
        sent: Promise.resolve(),
      };
      uses.set(client, use);
      if (use.broken) throw new Error(unusable);
      const call = { label: describe(text), faults, backend: use.backend, locks: mayLock(text), tell };
      return fiber.scheduler.call(fiber, call, async (verdict) => {
        if (verdict === 'request lost') await end(client, use);
        else {
          const answer = carryOut(use, text, values);
          use.sent = answer.catch(() => {});
          if (verdict === 'goes on') return answer;
          await answer;
          await end(client, use);
        }
        throw new Error(unusable);
      });
    };
  };

  const known = new WeakSet<PoolClient>();
  pool.on('acquire', (client) => {
    if (known.has(client)) return;
    known.add(client);
    // That it breaks is what happens to it here.
    client.on('error', () => {});
    client.query = gate(client) as unknown as PoolClient['query'];
  });
  pool.on('release', (_error, client) => uses.delete(client));
  const connect = pool.connect.bind(pool) as unknown as Connect & (() => Promise<PoolClient>);
  pool.connect = ((done?: (...args: unknown[]) => void) => {
    if (done === undefined) return connect();
    connecting += 1;
    return connect((...args) => {
      connecting -= 1;
      done(...args);
    });
  }) as unknown as Pool['connect'];

  return {
    isConnecting: () => connecting > 0,
    mayWait: (id) => [...open].some((other) => other !== id),
    blockersOf: async (id) => {
      const { rows } = await observer.query({
        name: 'blockers',
        text: 'SELECT pg_blocking_pids($1) AS ids',
        values: [id],
      });
      return rows[0].ids;
    },
    haveLocksMoved: () => {
      const have = moved;
      moved = false;
      return have;
    },
    hasWritten: () => {
      const has = written;
      written = false;
      return has;
    },
    cut: async (process) => {
      for (const [client, use] of [...uses]) if (use.process === process) await end(client, use);
    },
    cutForGood: (value) => {
      really = value;
    },
  };
}

/** Ends a connection, and waits until Postgres has given up what it held. */
async function terminate(observer: Client, client: PoolClient): Promise<void> {
  const id = backendOf(client);
  const ended = new Promise((resolve) => client.once('end', resolve));
  await observer.query('SELECT pg_terminate_backend($1)', [id]);
  await ended;
  for (;;) {
    const { rows } = await observer.query('SELECT FROM pg_stat_activity WHERE pid = $1', [id]);
    if (rows.length === 0) return;
  }
}

/** Reading waits for nobody, and neither does what begins and ends a transaction. */
const mayLock = (text: string) => !/^\s*(START|COMMIT|ROLLBACK|SELECT\b(?!.*(FOR UPDATE|pg_advisory)))/s.test(text);

const tell = (answer: unknown) => {
  const { command, rowCount } = answer as Answer;
  return rowCount === null || command === 'START' ? '' : `${rowCount} ${rowCount === 1 ? 'row' : 'rows'}`;
};

/** The first statement that changes something, or else the first one: enough to find it in the code. */
function describe(text: string): string {
  const flat = text.replace(/\s+/g, ' ').trim();
  const change = /\b(INSERT INTO|UPDATE|DELETE FROM) "?\w+"?.*/.exec(flat)?.[0] ?? flat;
  return change.length > 70 ? `${change.slice(0, 69)}…` : change;
}
