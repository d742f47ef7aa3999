import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

let built = false;

/** The product as it is deployed: compiled, without anything that loads TypeScript. Answers what to give to node. */
export function builtProduct(): readonly string[] {
  if (!built)
    execFileSync(process.execPath, ['sandbox/build.mjs'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  built = true;
  return ['dist/main.js'];
}

/** What a deployment sets; libraries leave out checks that are for development. */
export const deployed = { NODE_ENV: 'production' } as const;
