import { readdirSync, readFileSync } from 'node:fs';
import { childrenOf } from '../rush/machine.js';

/**
 * Processor time a process has taken, user and system, all its threads, in microseconds (Linux: nanoseconds of /proc/PID/task/TID/schedstat).
 * Threads that have ended are not in it; Node's live as long as the process.
 */
export function cpuUs(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, thread) => {
    const [ran = 0] = readFileSync(`${tasks}/${thread}/schedstat`, 'utf8').split(' ').map(Number);
    return sum + ran / 1_000;
  }, 0);
}

/**
 * The same for a process with its children, also for those that have ended meanwhile: what they had taken is in field 16 and 17 of
 * /proc/PID/stat of their parent, in ticks, from the moment at which it has learnt of their end.
 */
export function familyCpuUs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field, the name, may hold spaces.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ofEnded = (Number(fields[13]) + Number(fields[14])) * usPerTick;
  return childrenOf(pid).reduce((sum, child) => sum + ifThere(() => familyCpuUs(child)), cpuUs(pid) + ofEnded);
}

const usPerTick = 10_000;

/** A child may end between being named and being looked at. */
function ifThere(read: () => number): number {
  try {
    return read();
  } catch {
    return 0;
  }
}
