import type { Stretch } from '../rush/machine.js';
import type { Report } from '../rush/report.js';
import { serverCpuMs } from '../rush/targets.js';

type Read = (processes: Stretch['processes']) => number;

const cpuOf =
  (program: string): Read =>
  (processes) =>
    processes.find(({ name }) => name === program)?.cpuMs ?? 0;

const programs = { server: serverCpuMs, redis: cpuOf('redis'), postgres: cpuOf('postgres') };
export type Program = keyof typeof programs;

/** Processor time of one program, ms. */
export interface Costs {
  /** Of one person who waits for a minute, while nobody is admitted. */
  readonly waitedMinute: number;
  /** Of one paid order with everything that led to it: claims that were lost, seat maps, whoever did not pay. */
  readonly paidOrder: number;
}

/** Tells apart what waiting and selling cost a program, by the parts of a run; what it needs when nobody is there is in neither. */
export function costsOf({ phases }: Report, program: Program): Costs {
  if (phases === null) throw new Error('the rush was not told to wait');
  const { rest, waiting, sale } = phases;
  const tookMs = ({ fromMs, toMs }: Stretch) => toMs - fromMs;
  const read = programs[program];
  const restShare = read(rest.processes) / tookMs(rest);
  const ownMs = (part: Stretch) => read(part.processes) - restShare * tookMs(part);
  const waitedMinute = ownMs(waiting) / waiting.waitedMinutes;
  return { waitedMinute, paidOrder: (ownMs(sale) - waitedMinute * sale.waitedMinutes) / sale.paid };
}
