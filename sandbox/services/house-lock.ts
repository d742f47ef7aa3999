import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { commandLineOf, isAlive, SetupError } from './process.js';

/**
 * Takes the state directory for this process, so that two houses never write the same data. A lock left by a killed run is
 * taken over. Throws SetupError with one line if another house runs. Returns what gives the lock back.
 */
export function takeLock(file: string): () => void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
  if (existsSync(file)) {
    const pid = Number(readFileSync(file, 'utf8'));
    // The pid may be somebody else's after a reboot.
    if (pid > 0 && isAlive(pid) && commandLineOf(pid).includes('start.mjs')) {
      throw new SetupError(
        `Floodgate already runs here as process ${pid}: stop it first (Ctrl-C there, or kill ${pid}), or set FLOODGATE_HOME and PORT for a second one.`,
      );
    }
    rmSync(file, { force: true });
  }
  // `wx` lets only one of two that come at the same moment pass.
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new SetupError('Floodgate is just being started here by somebody else.');
  }
  return () => rmSync(file, { force: true });
}
