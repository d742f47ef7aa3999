import { setTimeout as pause } from 'node:timers/promises';
import { Logger, type LogLevel, type Runner, run, runMigrations, type TaskList } from 'graphile-worker';
import { limits } from '../limits.js';
import type { Platform } from '../services/platform.js';
import type { Receipts } from '../services/receipts.js';
import { startLoop } from './loop.js';

/** No job takes that long: whoever has had one for longer has died over it. The library by itself waits for hours. */
const unlockSql = `
  SELECT graphile_worker.force_unlock_workers(
    ARRAY(SELECT DISTINCT locked_by FROM graphile_worker.jobs WHERE locked_at < now() - $1 * interval '1 millisecond'))`;

function tasksOf(receipts: Receipts): TaskList {
  return {
    receipt: async (payload, { job }) => {
      const { receiptId } = payload as { readonly receiptId: string };
      const mailing = receipts.mail(receiptId, { isLast: job.attempts >= job.max_attempts });
      // However fast the mail server is: in the minute in which everybody comes, making documents takes a bounded part of a process.
      await Promise.all([mailing, pause(limits.jobSlotMs)]);
    },
  };
}

/** Brings the library's own tables up to date, in a schema of their own. */
export function migrateJobs(databaseUrl: string): Promise<void> {
  return runMigrations({ connectionString: databaseUrl, maxPoolSize: 1 });
}

/** What the library has to say, in our log. Its errors tell of a job that is tried again: what is final is told by the job itself. */
function logTo({ log }: Platform): Logger {
  const levels: Readonly<Record<LogLevel, 'error' | 'warn' | 'debug'>> = {
    error: 'warn',
    warning: 'warn',
    info: 'debug',
    debug: 'debug',
  };
  return new Logger(() => (level, message) => log[levels[level]]({ jobs: true }, message));
}

/**
 * Runs what may be done at any time: graphile-worker's jobs, a few at once in every process, on connections of their own. Should its workers end by
 * themselves, as when the database goes away under them, others begin.
 */
export async function startJobs(platform: Platform, receipts: Receipts): Promise<{ stop(): Promise<void> }> {
  const begin = (): Promise<Runner> =>
    run({
      connectionString: platform.config.databaseUrl,
      concurrency: limits.jobConcurrency,
      maxPoolSize: limits.jobConnections,
      noHandleSignals: true,
      parsedCronItems: [],
      taskList: tasksOf(receipts),
      logger: logTo(platform),
    });
  const stopping = new AbortController();
  let runner: Runner | null = await begin();
  const keep = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await runner?.promise;
      runner = null;
      if (stopping.signal.aborted) return;
      await pause(limits.jobRestartMs);
      if (stopping.signal.aborted) return;
      runner = await begin().catch((error) => {
        platform.log.error({ err: error }, 'jobs cannot be run');
        return null;
      });
    }
  };
  const kept = keep();
  const locks = startLoop('job locks', limits.jobLocksEveryMs, platform.log, async () => {
    await platform.database.query(unlockSql, [limits.jobMaxMs]);
    return false;
  });
  return {
    stop: async () => {
      stopping.abort();
      await locks.stop();
      // One that has just ended by itself has nothing to stop.
      await runner?.stop().catch(() => {});
      await kept;
    },
  };
}
