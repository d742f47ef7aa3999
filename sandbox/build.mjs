// Builds src into dist, or into the folder that is named: JavaScript by tsc, and the Lua scripts beside it. `node dist/main.js` needs the
// production dependencies alone.
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { argv, execPath, exit, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'src');
const target = resolve(root, argv[2] ?? 'dist');

try {
  bootstrap();
} catch (error) {
  stderr.write(`${error.message}\n`);
  exit(1);
}
rmSync(target, { recursive: true, force: true });
const tsc = join(root, 'node_modules', '@typescript', 'native', 'bin', 'tsc');
const { status } = spawnSync(execPath, [tsc, '--project', 'tsconfig.build.json', '--outDir', target], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) exit(1);
// Everything that is not TypeScript is read at run time from beside the code.
cpSync(source, target, {
  recursive: true,
  filter: (path) => statSync(path).isDirectory() || !path.endsWith('.ts'),
});
stdout.write(`Built ${target} (${readdirSync(target, { recursive: true }).length} files).\n`);
