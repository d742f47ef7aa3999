import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tsImport } from 'tsx/esm/api';

const prefix = 'floodgate-test-';

/** One PostgreSQL for the whole run; each test file takes a database of it and a Redis of its own (stores.ts). */
const globalSetup = async () => {
  const { startPostgres } = await tsImport('../../sandbox/services/postgres.ts', import.meta.url);
  const { findRedisServer } = await tsImport('../../sandbox/services/redis-binary.ts', import.meta.url);
  const { isAlive } = await tsImport('../../sandbox/services/process.ts', import.meta.url);
  removeOrphans(isAlive);

  const dir = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  // The postgres OS user, which runs the server when we are root, must be able to walk through.
  chmodSync(dir, 0o711);
  const redisProgram = await findRedisServer();
  const postgres = await startPostgres({ dir: join(dir, 'postgres'), durable: false });

  // The environment is what jest hands on to its workers.
  process.env.FLOODGATE_TEST_DIR = dir;
  process.env.FLOODGATE_TEST_POSTGRES = postgres.url;
  process.env.FLOODGATE_TEST_REDIS_PROGRAM = redisProgram;
  globalThis.floodgateTestServices = { dir, postgres };
};

/** A run that was killed could not remove its directory; its servers died with it. */
function removeOrphans(isAlive) {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]);
    if (pid > 0 && !isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

// biome-ignore lint/style/noDefaultExport: jest reads the default export.
export default globalSetup;
