import { spawn } from 'node:child_process';

const exitPatienceMs = 5_000;

/** Runs after failed tests as well; a run that is killed takes its servers with it, and the next one removes its directory. */
const globalTeardown = async () => {
  const { dir, postgres } = globalThis.floodgateTestServices;
  await postgres.stop();
  // Not waited for: on some disks it takes longer than the whole run.
  spawn('rm', ['-rf', dir], { detached: true, stdio: 'ignore' }).unref();
  // A test that failed may have left a client open. Jest says so; that must not keep a finished run from ending.
  setTimeout(() => process.exit(), exitPatienceMs).unref();
};

// biome-ignore lint/style/noDefaultExport: jest reads the default export.
export default globalTeardown;
