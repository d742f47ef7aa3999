import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { endLeftover, findPort, pollPause, SetupError, startProgram } from './process.js';
import { findRedisServer } from './redis-binary.js';

export interface RedisOptions {
  /** Where its data, redis.pid and redis.log live. Created if absent. */
  readonly dir: string;
  /** True keeps the data over a restart (append-only file, at most one second lost); false keeps nothing. */
  readonly durable: boolean;
  /** Taken if free, else any free port. */
  readonly port?: number;
  /** The redis-server program; absent means: find one, or fetch it into `cacheDir` (by default .floodgate/programs). */
  readonly program?: string;
  readonly cacheDir?: string;
}

export interface RunningRedis {
  /** redis://127.0.0.1:port */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly logFile: string;
  /** Settles with the reason when the server has ended, asked or not. */
  readonly ended: Promise<string>;
  /** Polite stop: what is durable is written first. */
  stop(): Promise<void>;
}

const startTimeoutMs = 30_000;

/** Starts a private Redis on 127.0.0.1. Throws SetupError with one line that says what to do. */
export async function startRedis(options: RedisOptions): Promise<RunningRedis> {
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const program = options.program ?? (await findRedisServer(options.cacheDir));
  await clearPreviousRun(dir);

  const logFile = join(dir, 'redis.log');
  for (let attempt = 1; ; attempt += 1) {
    const port = await findPort(attempt === 1 ? options.port : undefined);
    rmSync(logFile, { force: true });
    const server = await startProgram(program, redisArguments(dir, port, options.durable), {
      stopSignal: 'SIGTERM',
      cwd: dir,
      stdio: 'ignore',
    });
    const deadlineMs = Date.now() + startTimeoutMs;
    while (server.running() && Date.now() < deadlineMs) {
      // Asked for its pid, so that a stranger who took the port first is not mistaken for ours.
      if ((await askRedisPid(port)) === server.pid) {
        const url = `redis://127.0.0.1:${port}`;
        return { url, port, pid: server.pid, logFile, ended: server.ended, stop: () => server.stop() };
      }
      await pollPause();
    }
    await server.stop(0);
    const log = existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-4_000) : '';
    if (/Address already in use/.test(log) && attempt < 5) continue;
    if (/No space left on device/.test(log))
      throw new SetupError('The disk is full: free at least 1 GiB and start again.');
    throw new SetupError(`Redis did not start (${await server.ended}); its log is ${logFile}.`);
  }
}

function redisArguments(dir: string, port: number, durable: boolean): string[] {
  const settings: Record<string, string> = {
    bind: '127.0.0.1',
    port: String(port),
    dir,
    pidfile: join(dir, 'redis.pid'),
    logfile: join(dir, 'redis.log'),
    // Keeps the arguments in its command line, by which a server left by a killed run is known as ours.
    'set-proc-title': 'no',
    // Evicting a key would silently drop a hold.
    'maxmemory-policy': 'noeviction',
    save: '',
    appendonly: durable ? 'yes' : 'no',
    appendfsync: 'everysec',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** Two servers must never write one append-only file: a server left by a killed run ends first. */
async function clearPreviousRun(dir: string): Promise<void> {
  const pidFile = join(dir, 'redis.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
  if (pid > 0) await endLeftover(pid, dir, 'SIGTERM');
  rmSync(pidFile, { force: true });
}

/** The pid of the Redis that answers on this port, or undefined while there is none or it is still loading. */
function askRedisPid(port: number): Promise<number | undefined> {
  return new Promise((settle) => {
    let text = '';
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('PING\r\nINFO server\r\nQUIT\r\n'));
    socket.setEncoding('utf8');
    socket.setTimeout(2_000, () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      const pid = /process_id:(\d+)/.exec(text)?.[1];
      settle(text.startsWith('+PONG') && pid !== undefined ? Number(pid) : undefined);
    });
  });
}
