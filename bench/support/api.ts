import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findPort, SetupError, startProgram } from '../../sandbox/services/process.js';
import { buildProduct, deployed } from './build.js';
import { root, type Stores } from './stores.js';

const readyMs = 90_000;
const graceMs = 30_000;

/** The product as it is started in earnest. */
export interface Api {
  readonly url: string;
  readonly inspectorPort: number | null;
  /** Of the process that serves, where it is one. */
  readonly pid: number;
  /** What its processes have said of rebuilt events since an instant, ms since 1970. */
  rebuiltSince(ms: number): Rebuilt[];
  readonly ended: Promise<string>;
}

/** An event that was loaded again, by the log of the process that did it. */
export interface Rebuilt {
  readonly eventId: string;
  /** Instant at which it began, and how long it took with the transaction around it. */
  readonly beganAtMs: number;
  readonly tookMs: number;
}

/** `inspected`: one process, whose memory can be read (see `MemoryReader`). */
export async function startApi(
  stores: Stores,
  env: Readonly<Record<string, string>>,
  processes: number,
  inspected = false,
): Promise<Api> {
  const logFile = join(stores.home, 'server.log');
  const port = await findPort();
  const inspectorPort = inspected ? await findPort() : null;
  const inspector = inspectorPort === null ? [] : [`--inspect=127.0.0.1:${inspectorPort}`];
  const log = openSync(logFile, 'a');
  const program = await startProgram(process.execPath, [...inspector, buildProduct(stores.home)], {
    stopSignal: 'SIGTERM',
    cwd: root,
    env: {
      ...process.env,
      ...deployed,
      ...env,
      HOST: '127.0.0.1',
      PORT: String(port),
      WEB_CONCURRENCY: String(processes),
      LOG_LEVEL: 'info',
    },
    stdio: ['ignore', 'pipe', log],
  }).finally(() => closeSync(log));
  stores.onStop(() => program.stop(graceMs));
  const lines = createInterface({ input: program.child.stdout! });
  const url = await new Promise<string | null>((resolve) => {
    const patience = setTimeout(() => resolve(null), readyMs);
    lines.on('line', (line) => {
      const listening = /"listening":"([^"]+)"/.exec(line)?.[1];
      if (listening === undefined) return;
      clearTimeout(patience);
      resolve(listening);
    });
    void program.ended.then(() => resolve(null));
  });
  if (url === null) {
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-8).join('\n');
    throw new SetupError(`The server did not start; it said:\n${said}`);
  }
  return { url, inspectorPort, pid: program.pid, ended: program.ended, rebuiltSince: (ms) => readRebuilt(logFile, ms) };
}

function readRebuilt(logFile: string, sinceMs: number): Rebuilt[] {
  return readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"inventory loaded"'))
    .map((line) => JSON.parse(line) as { time: number; eventId: string; tookMs: number })
    .map(({ time, eventId, tookMs }) => ({ eventId, tookMs, beganAtMs: time - tookMs }))
    .filter(({ beganAtMs }) => beganAtMs >= sinceMs);
}
