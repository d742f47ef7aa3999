import { readdirSync, readFileSync } from 'node:fs';

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
