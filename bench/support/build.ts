import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Builds the product as it is deployed, without anything that loads TypeScript, into `dist` below a folder of the run: others may be building
 * too, and a run may change what it has built. Answers the program.
 */
export function buildProduct(home: string): string {
  const dist = join(home, 'dist');
  execFileSync(process.execPath, ['sandbox/build.mjs', dist], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  return join(dist, 'main.js');
}

/** What a deployment sets; libraries leave out checks that are for development. */
export const deployed = { NODE_ENV: 'production' } as const;
