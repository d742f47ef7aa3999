import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function collectAll(): Promise<NodeJS.MemoryUsage> {
  for (let turn = 0; turn < 3; turn += 1) {
    await setImmediate();
    collect();
  }
  return process.memoryUsage();
}

/** Bytes that are still needed, once everything that has closed has been let go of. */
export async function neededHeapBytes(): Promise<number> {
  return (await collectAll()).heapUsed;
}

/** The same with what lies outside the heap; buffers are part of what is external. */
export async function neededBytes(): Promise<number> {
  const { heapUsed, external } = await collectAll();
  return heapUsed + external;
}
