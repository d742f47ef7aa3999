import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from './process.js';

const oldestMajor = 7;
/** Shared by everything that runs from this checkout, so that it is fetched once. */
const checkoutPrograms = fileURLToPath(new URL('../../.floodgate/programs', import.meta.url));
const names = ['redis-server', 'valkey-server'];

/**
 * The path of a redis-server or valkey-server of version 7 or newer: from PATH, else the copy in `cacheDir`, else a copy made now
 * from the Debian packages. Those are unpacked below `cacheDir`, not installed, so that neither root nor a change of the machine
 * is needed. Throws SetupError with one line that says what to do.
 */
export async function findRedisServer(cacheDir = checkoutPrograms): Promise<string> {
  const onPath = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = onPath.filter((path) => existsSync(path)).map((path) => ({ path, major: majorOf(path) }));
  const usable = found.find(({ major }) => major >= oldestMajor);
  if (usable !== undefined) return usable.path;

  const cached = join(resolve(cacheDir), 'redis-server');
  if (majorOf(cached) >= oldestMajor) return cached;
  const why = process.platform === 'linux' ? fetchFromDebian(resolve(cacheDir), cached) : 'none was found';
  if (majorOf(cached) >= oldestMajor) return cached;
  throw new SetupError(`Redis ${oldestMajor} or newer is needed and ${why}: ${advice()}, or set REDIS_URL.`);
}

function majorOf(path: string): number {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  return Number(/\bv=(\d+)/.exec(stdout ?? '')?.[1] ?? 0);
}

function advice(): string {
  return process.platform === 'darwin' ? 'brew install redis' : 'sudo apt-get install redis-server';
}

/** Makes `cached` a program that runs Debian's redis-server out of `cacheDir`. Returns why it failed, or '' . */
function fetchFromDebian(cacheDir: string, cached: string): string {
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb')) return 'none was found';
  process.stderr.write('Fetching Redis from the Debian archive (once) …\n');
  const work = join(cacheDir, `apt.${process.pid}`);
  try {
    const packages = downloadPackages(work);
    if (packages.length === 0) return 'the Debian archive could not be reached';
    const root = join(work, 'root');
    for (const file of packages) run(work, 'dpkg-deb', ['-x', file, root]);
    const program = findProgram(root);
    if (program === undefined) return 'the Debian package holds none';
    const kept = join(cacheDir, 'redis-package');
    rmSync(kept, { recursive: true, force: true });
    renameSync(root, kept);
    writeLauncher(cached, kept, program);
    return 'the fetched one is too old or does not run';
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Downloads redis-server and those of its dependencies that this machine lacks. Returns the paths of the .deb files. */
function downloadPackages(work: string): string[] {
  mkdirSync(join(work, 'debs'), { recursive: true });
  mkdirSync(join(work, 'cache', 'archives', 'partial'), { recursive: true });
  // The machine's own package lists are tried first; a fresh machine has none, and then private ones are fetched, which unlike
  // the machine's may be written by anybody.
  for (const own of [[], privateLists(work)]) {
    if (own.length > 0) run(work, 'apt-get', [...own, 'update']);
    const plan = run(work, 'apt-get', [
      ...own,
      // A package that lies in the machine's cache would not be listed.
      '-o',
      `Dir::Cache::archives=${join(work, 'cache', 'archives')}`,
      '--print-uris',
      '-y',
      '--no-install-recommends',
      'install',
      'redis-server',
    ]);
    const wanted = [...plan.stdout.matchAll(/^'[^']+' ([^_ ]+)_/gm)].flatMap((match) => match[1] ?? []);
    if (wanted.length === 0) continue;
    if (run(join(work, 'debs'), 'apt-get', [...own, 'download', ...wanted]).status !== 0) continue;
    return readdirSync(join(work, 'debs')).map((name) => join(work, 'debs', name));
  }
  return [];
}

function privateLists(work: string): string[] {
  mkdirSync(join(work, 'lists', 'partial'), { recursive: true });
  return ['-o', `Dir::State::Lists=${join(work, 'lists')}`, '-o', `Dir::Cache=${join(work, 'cache')}`];
}

function run(cwd: string, command: string, args: string[]): SpawnSyncReturns<string> {
  const unlocked = command === 'apt-get' ? ['-o', 'Debug::NoLocking=1', '-o', 'Acquire::Retries=2', '-qq'] : [];
  return spawnSync(command, [...unlocked, ...args], {
    cwd,
    encoding: 'utf8',
    timeout: 180_000,
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/** Debian's redis-server is a link to the program redis-check-rdb, which looks at the name it was called by. */
function findProgram(root: string): string | undefined {
  return ['redis-check-rdb', 'valkey-check-rdb', 'redis-server', 'valkey-server']
    .map((name) => join('usr', 'bin', name))
    .find((path) => existsSync(join(root, path)));
}

/** A script rather than a link, because the libraries beside the program must be found as well. `exec` keeps the pid. */
function writeLauncher(cached: string, kept: string, program: string): void {
  const named = join(kept, 'redis-server');
  symlinkSync(program, named);
  const lib = join(kept, 'usr', 'lib');
  // A machine that has all the libraries itself was sent none.
  const libraries = (existsSync(lib) ? readdirSync(lib) : [])
    .filter((name) => name.includes('-linux-'))
    .map((name) => join(lib, name));
  const script = `#!/bin/sh\nLD_LIBRARY_PATH='${libraries.join(':')}' exec '${named}' "$@"\n`;
  const partial = `${cached}.${process.pid}`;
  writeFileSync(partial, script, { mode: 0o755 });
  renameSync(partial, cached);
}
