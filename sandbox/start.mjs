// Plain JavaScript over Node alone until the dependencies are there; the house itself is TypeScript, in services/house.ts.
import { argv, exit, stderr } from 'node:process';
import { bootstrap } from './bootstrap.mjs';

try {
  bootstrap();
} catch (error) {
  stderr.write(`${error.message}\n`);
  exit(1);
}
const { tsImport } = await import('tsx/esm/api');
const { runHouse } = await tsImport('./services/house.ts', import.meta.url);
exit(await runHouse(argv.slice(2)));
