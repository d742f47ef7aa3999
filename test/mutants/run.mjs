// Takes a mechanism out of a copy of the tree, one patch at a time, and expects exactly the tests named in the patch to fail.
// usage: node test/mutants/run.mjs [--check] [PATCH ...]      --check only says whether the patches still fit the code
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkOnly = process.argv.includes('--check');
const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const copied = [
  'src',
  'test',
  'sandbox',
  'bench',
  'client',
  'docs',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'jest.config.mjs',
  'schema.graphql',
];

function readPatch(file) {
  const [header] = readFileSync(file, 'utf8').split(/^---$/m, 1);
  const values = (name) => [...header.matchAll(new RegExp(`^${name}: (.+)$`, 'gm'))].map((match) => match[1].trim());
  const [test] = values('Test');
  const red = values('Red');
  if (test === undefined || red.length === 0) throw new Error(`${file} needs a Test: and at least one Red: line`);
  return { file, promise: values('Promise').join(', '), test, red };
}

/** Titles of the tests that failed, or null when the run itself broke. */
function failedTests(tree, test) {
  const report = join(tree, 'jest-report.json');
  spawnSync(
    'node',
    [
      join(root, 'node_modules/jest/bin/jest.js'),
      '--json',
      `--outputFile=${report}`,
      '--silent',
      '--testPathIgnorePatterns=/node_modules/',
      '--',
      test,
    ],
    {
      cwd: tree,
      stdio: 'ignore',
      timeout: 300_000,
    },
  );
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const results = testResults.flatMap(({ assertionResults }) => assertionResults);
    return results.length === 0
      ? null
      : results.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName);
  } catch {
    return null;
  }
}

function runMutant(patch) {
  const tree = mkdtempSync(join(tmpdir(), 'floodgate-mutant-'));
  try {
    for (const name of checkOnly ? ['src'] : copied) cpSync(join(root, name), join(tree, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
    execFileSync('git', ['apply', '-C1', '--unsafe-paths', `--directory=${tree}`, resolve(patch.file)], {
      cwd: '/',
      stdio: 'pipe',
    });
    if (checkOnly) return null;
    const failed = failedTests(tree, patch.test);
    if (failed === null) return 'the test run broke';
    const missing = patch.red.filter((title) => !failed.includes(title));
    const surprising = failed.filter((title) => !patch.red.includes(title));
    if (missing.length > 0) return `stayed green: ${missing.join(' | ')}`;
    return surprising.length > 0 ? `went red as well: ${surprising.join(' | ')}` : null;
  } catch (error) {
    return `the patch does not apply: ${String(error.stderr ?? error.message).trim()}`;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

const named = process.argv.slice(2).filter((argument) => argument !== '--check');
const files =
  named.length > 0
    ? named
    : readdirSync(here)
        .filter((name) => name.endsWith('.patch'))
        .map((name) => join(here, name));
let passed = 0;
let failed = 0;
for (const patch of files.sort().map(readPatch)) {
  const problem = runMutant(patch);
  if (problem === null) passed += 1;
  else failed += 1;
  process.stdout.write(
    `${problem === null ? (checkOnly ? 'fits' : 'red as it should be') : 'FAILED'}  promise ${patch.promise}  ${basename(patch.file)}${problem === null ? '' : `: ${problem}`}\n`,
  );
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
