// Everything that can be said about the code without running it. All steps run; the exit code is 1 if any failed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, exit, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a program of node_modules by the path of its script. */
function tool(script, ...args) {
  return run(join('node_modules', script), ...args);
}

function run(...args) {
  const { status, stdout: out, stderr: err, error } = spawnSync(execPath, args, { cwd: root, encoding: 'utf8' });
  return { passed: status === 0, output: `${out ?? ''}${err ?? ''}${error?.message ?? ''}`.trim() };
}

/** Writes the schema elsewhere and holds it against the one that is kept. */
function schemaIsCurrent() {
  const dir = mkdtempSync(join(tmpdir(), 'floodgate-check-'));
  try {
    const fresh = join(dir, 'schema.graphql');
    const { passed, output } = run('--import', 'tsx', 'sandbox/write-schema.ts', fresh);
    if (!passed) return { passed, output };
    const isCurrent = readFileSync(fresh, 'utf8') === readFileSync(join(root, 'schema.graphql'), 'utf8');
    return { passed: isCurrent, output: 'schema.graphql is not up to date: npm run schema, then npm run codegen.' };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const folders = ['src', 'sandbox', 'test', 'bench', 'client'].filter((name) => existsSync(join(root, name)));
const steps = {
  types: () => tool('@typescript/native/bin/tsc', '--noEmit'),
  'lint and format': () => tool('@biomejs/biome/bin/biome', 'check', '--max-diagnostics=50'),
  layers: () => tool('dependency-cruiser/bin/dependency-cruise.mjs', ...folders, '--config', '.dependency-cruiser.cjs'),
  'unused code': () => tool('knip/bin/knip.js'),
  'mutants fit': () => run('test/mutants/run.mjs', '--check'),
  schema: schemaIsCurrent,
  operations: () => tool('@graphql-codegen/cli/esm/bin.js', '--config', 'codegen.yml', '--check'),
};

try {
  bootstrap();
} catch (error) {
  stderr.write(`${error.message}\n`);
  exit(1);
}
let failures = 0;
for (const [name, check] of Object.entries(steps)) {
  const startedMs = Date.now();
  const { passed, output } = check();
  const seconds = ((Date.now() - startedMs) / 1_000).toFixed(1);
  stdout.write(`${passed ? 'passed' : 'FAILED'}  ${name} (${seconds} s)\n`);
  if (passed) continue;
  failures += 1;
  stdout.write(`${output}\n\n`);
}
if (failures > 0) exit(1);
