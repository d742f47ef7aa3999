import cluster from 'node:cluster';
import type { Logger } from 'pino';
import type { Config } from './config.js';
import { ConfigError, readConfig } from './config.js';
import { makeDataSource } from './database/data-source.js';
import { assertLimits, limits } from './limits.js';
import { RedisUnusable } from './redis/connections.js';
import { answerSupervisor, ClusterMetrics, serveMetrics } from './server/metrics.js';
import { makeLogger, startServer } from './server/server.js';
import { migrateJobs } from './workers/jobs.js';

/** One clear line for whoever starts it; everything else is in the log. */
function fail(error: unknown): never {
  const code = (error as { code?: string }).code;
  const message = error instanceof Error ? error.message : String(error);
  const known: Record<string, string> = {
    EADDRINUSE: `the port is taken: set PORT or METRICS_PORT to a free one (${message})`,
    ECONNREFUSED: `a store does not answer (${message}): check DATABASE_URL and REDIS_URL`,
    ENOTFOUND: `a host is unknown (${message}): check DATABASE_URL and REDIS_URL`,
    '28P01': 'PostgreSQL refuses the user or password of DATABASE_URL',
    '3D000': `PostgreSQL: ${message}: create it, or correct DATABASE_URL`,
  };
  const clear =
    error instanceof ConfigError || error instanceof RedisUnusable ? message : (known[code ?? ''] ?? message);
  process.stderr.write(`floodgate: ${clear}\n`);
  process.exit(1);
}

/** Brings the schema up to date; processes that start together take turns. */
async function migrate(config: Config): Promise<void> {
  const database = makeDataSource(config.databaseUrl, 2);
  await database.initialize();
  const lock = database.createQueryRunner();
  try {
    await lock.query(`SELECT pg_advisory_lock(hashtextextended('migrations', 0))`);
    await database.runMigrations({ transaction: 'each' });
    await migrateJobs(config.databaseUrl);
  } finally {
    await lock.query(`SELECT pg_advisory_unlock(hashtextextended('migrations', 0))`);
    await lock.release();
    await database.destroy();
  }
}

const announce = (listening: string, metrics: string | null) =>
  process.stdout.write(`${JSON.stringify({ listening, ...(metrics !== null && { metrics }) })}\n`);

async function serve(config: Config): Promise<void> {
  const log = makeLogger(config);
  const server = await startServer(config, { log });
  const { url, metrics, metricsUrl } = server;
  const tellLastMetrics = cluster.isWorker && metrics !== null ? answerSupervisor(metrics, log) : async () => {};
  if (cluster.isWorker) process.send?.({ listening: url });
  else announce(url, metricsUrl);
  const stop = () => {
    server
      .close()
      .then(tellLastMetrics)
      .then(
        () => process.exit(0),
        (error) => fail(error),
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/**
 * Several processes behind one address. One that dies is replaced; the others go on. SIGHUP replaces all of them one by one by what is
 * installed now, so that at no moment fewer serve than before.
 */
async function supervise(config: Config): Promise<void> {
  const log = makeLogger(config);
  const metrics = await serveMetrics(config, new ClusterMetrics(), log);
  const ready = new Set<number>();
  /** Processes whose end is nothing to worry about. */
  const expendable = new Set<number>();
  let announced = false;
  let stopping = false;
  cluster.on('message', (worker, message: { listening?: string }) => {
    if (message.listening === undefined) return;
    ready.add(worker.id);
    if (announced || ready.size < config.processes) return;
    announced = true;
    announce(message.listening, metrics?.url ?? null);
  });
  cluster.on('exit', (worker, code, signal) => {
    if (stopping) {
      if (Object.keys(cluster.workers ?? {}).length === 0) process.exit(0);
      return;
    }
    if (expendable.delete(worker.id)) return;
    // At the start, a process that cannot serve says why on its own; trying again would only repeat it.
    if (!announced) process.exit(1);
    log.error({ pid: worker.process.pid, code, signal }, 'a process died and is replaced');
    setTimeout(() => stopping || cluster.fork(), ready.has(worker.id) ? 0 : limits.processRestartMs);
  });
  // Each process accepts for itself: handing connections over one by one takes a turn of the receiver's loop for each of them.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  for (let i = 0; i < config.processes; i += 1) cluster.fork();
  let replacing = Promise.resolve();
  process.on('SIGHUP', () => {
    replacing = replacing.then(() => replaceAll(expendable, log));
  });
  const stop = () => {
    stopping = true;
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM');
    if (Object.keys(cluster.workers ?? {}).length === 0) process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** A new process serves before the old one is told to go. If it cannot start, the old ones stay. */
async function replaceAll(expendable: Set<number>, log: Logger): Promise<void> {
  for (const old of Object.values(cluster.workers ?? {})) {
    if (old === undefined || old.isDead()) continue;
    const next = cluster.fork();
    expendable.add(next.id);
    const serves = await new Promise<boolean>((resolve) => {
      next.once('message', () => resolve(true));
      next.once('exit', () => resolve(false));
    });
    if (!serves) return log.error('a new process does not start; the old ones go on');
    expendable.delete(next.id);
    if (old.isDead()) continue;
    expendable.add(old.id);
    const gone = new Promise((resolve) => old.once('exit', resolve));
    old.process.kill('SIGTERM');
    await gone;
  }
  log.info('all processes have been replaced');
}

async function main(): Promise<void> {
  assertLimits();
  const config = readConfig(process.env);
  // A process that replaces others may be of a newer version than the one that started it.
  await migrate(config);
  if (cluster.isPrimary && config.processes > 1) await supervise(config);
  else await serve(config);
}

main().catch(fail);
