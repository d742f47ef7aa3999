import { type LoopDelay, voidReason } from '../support/report.js';
import { rounded } from '../support/spread.js';
import type { Verdict } from './auditor.js';
import type { Evidence } from './evidence.js';
import type { FaultReport } from './faults.js';
import { Histogram, type LatencySummary } from './histogram.js';
import type { ProcessUse } from './machine.js';
import type { RushOptions } from './options.js';
import { type PhaseReport, type Phases, reportPhases } from './phases.js';
import { type BuyerRecord, type LatencyName, type LoadResult, latencyNames, type Violation } from './records.js';
import { type BestMinute, findBestMinute, judgeTargets, serverCpuMs, type Target } from './targets.js';

const allowedLoopDelayMs = 50;

export interface Report {
  readonly verdict: 'no violation' | 'VIOLATIONS';
  readonly violations: readonly Violation[];
  readonly examined: Verdict['examined'];
  readonly run: {
    readonly buyers: number;
    readonly event: string;
    readonly seed: number;
    readonly seats: number;
    readonly tookMs: number;
    readonly serverProcesses: number;
    readonly loadProcesses: number;
    readonly providerQuota: string;
    readonly database: Readonly<Record<string, string>>;
  };
  readonly ends: Readonly<Record<string, number>>;
  readonly admitted: { readonly total: number; readonly perSecond: number; readonly bestSecond: number };
  readonly orders: { readonly paid: number; readonly paidPerMinute: number; readonly seatsSold: number };
  readonly bestMinute: BestMinute;
  readonly targets: readonly Target[];
  /** Null: nobody was made to wait before the first admission. */
  readonly phases: Phases<PhaseReport> | null;
  readonly latencies: Readonly<Record<LatencyName, LatencySummary>>;
  readonly contention: { readonly lostClaims: number; readonly claims: number; readonly share: number };
  readonly deliveries: { readonly total: number; readonly perSecond: number; readonly bytesPerSecond: number };
  readonly sockets: { readonly reconnects: number; readonly mapGaps: number };
  readonly refusals: Readonly<Record<string, number>>;
  readonly estimates: EstimateSummary;
  /** How often the inventory was loaded; what buyers lost by that. */
  readonly generation: number;
  readonly losses: { readonly holds: number; readonly admissions: number; readonly places: number };
  readonly faults: readonly FaultReport[];
  readonly generator: readonly { readonly loopDelayP99Ms: number; readonly loopDelayMaxMs: number }[];
  /** Why the figures of latency and rate say nothing, or null. The auditor's verdict stands. */
  readonly void: string | null;
  readonly processes: readonly ProcessUse[];
}

export interface Findings {
  readonly options: RushOptions;
  readonly results: readonly LoadResult[];
  readonly phases: Phases | null;
  readonly verdict: Verdict;
  readonly evidence: Evidence;
  readonly faults: readonly FaultReport[];
  readonly processes: readonly ProcessUse[];
  readonly database: Readonly<Record<string, string>>;
  readonly tookMs: number;
}

export function makeReport(findings: Findings): Report {
  const { options, results, phases, verdict, evidence, faults, processes, database, tookMs } = findings;
  const buyers = results.flatMap((result) => result.records);
  const sum = (read: (buyer: BuyerRecord) => number) => buyers.reduce((total, buyer) => total + read(buyer), 0);
  const admittedAtMs = results.flatMap((result) => result.admittedAtMs);
  const completedAtMs = results.flatMap((result) => result.completedAtMs);
  const deliveries = results.reduce((total, result) => total + result.deliveries, 0);
  const bytes = results.reduce((total, result) => total + result.deliveredBytes, 0);
  const lostClaims = sum((buyer) => buyer.contended);
  const claims = lostClaims + sum((buyer) => buyer.beliefs.length);
  const bestMinute = findBestMinute(results);
  const violations = [...results.flatMap((result) => result.violations), ...verdict.violations];
  return {
    verdict: violations.length === 0 ? 'no violation' : 'VIOLATIONS',
    violations,
    examined: verdict.examined,
    run: {
      buyers: options.buyers,
      event: options.event.kind === 'demo' ? 'demo' : `stadium:${options.event.seats}`,
      seed: options.seed,
      seats: verdict.examined.seats ?? 0,
      tookMs,
      serverProcesses: options.serverProcesses,
      loadProcesses: options.loadProcesses,
      providerQuota: options.providerQuota,
      database,
    },
    ends: countBy(buyers.map((buyer) => buyer.end)),
    admitted: {
      total: admittedAtMs.length,
      perSecond: rate(admittedAtMs, 1_000),
      bestSecond: busiestSecond(admittedAtMs),
    },
    orders: {
      paid: completedAtMs.length,
      paidPerMinute: rate(completedAtMs, 60_000),
      seatsSold: verdict.examined.tickets ?? 0,
    },
    bestMinute,
    targets: judgeTargets(bestMinute, processes, completedAtMs.length),
    phases: reportPhases(phases, results),
    latencies: mergeLatencies(results),
    contention: { lostClaims, claims, share: claims === 0 ? 0 : Math.round((lostClaims / claims) * 1_000) / 1_000 },
    deliveries: {
      total: deliveries,
      perSecond: Math.round(deliveries / (tookMs / 1_000)),
      bytesPerSecond: Math.round(bytes / (tookMs / 1_000)),
    },
    sockets: { reconnects: sum((buyer) => buyer.reconnects), mapGaps: sum((buyer) => buyer.mapGaps) },
    refusals: addUp(buyers.map((buyer) => buyer.refusals)),
    estimates: judgeEstimates(buyers),
    generation: evidence.live.generation,
    losses: {
      holds: sum((buyer) => buyer.lostHolds),
      admissions: sum((buyer) => buyer.lostAdmissions),
      places: sum((buyer) => buyer.lostPlaces),
    },
    faults,
    generator: results.map(({ loopDelayP99Ms, loopDelayMaxMs }) => ({ loopDelayP99Ms, loopDelayMaxMs })),
    void: voidReason(loopDelayOf(results)),
    processes,
  };
}

/** Of the load process that was held up most. */
export function loopDelayOf(generator: Report['generator']): LoopDelay {
  return {
    p99Ms: Math.max(...generator.map(({ loopDelayP99Ms }) => loopDelayP99Ms)),
    maxMs: Math.max(...generator.map(({ loopDelayMaxMs }) => loopDelayMaxMs)),
    allowedP99Ms: allowedLoopDelayMs,
  };
}

/** How long those who were admitted really waited, against what they were told. */
export interface EstimateSummary {
  readonly told: number;
  /** Share whose wait lay in the range they were told. */
  readonly inRange: number;
  /** Error of the middle of the range, as a share of the wait, of the middle one of all and of the one in ten that is worst. */
  readonly medianError: number;
  readonly p90Error: number;
}

/** A wait of less than this is told to the second, and judged so. */
const judgedAboveMs = 2_000;

export function judgeEstimates(buyers: readonly BuyerRecord[]): EstimateSummary {
  const judged = buyers.flatMap(({ admittedAtMs, estimates }) =>
    admittedAtMs === null
      ? []
      : estimates
          .filter(({ atMs }) => admittedAtMs - atMs >= judgedAboveMs)
          .map(({ atMs, fromMs, toMs }) => ({ waitMs: admittedAtMs - atMs, fromMs, toMs })),
  );
  const inRange = judged.filter(
    ({ waitMs, fromMs, toMs }) => waitMs >= fromMs - 1_000 && waitMs <= (toMs ?? Number.POSITIVE_INFINITY) + 1_000,
  );
  const errors = judged
    .flatMap(({ waitMs, fromMs, toMs }) => (toMs === null ? [] : [Math.abs((fromMs + toMs) / 2 - waitMs) / waitMs]))
    .sort((a, b) => a - b);
  const at = (share: number) => Math.round((errors[Math.floor(errors.length * share)] ?? 0) * 1_000) / 1_000;
  return {
    told: judged.length,
    inRange: judged.length === 0 ? 0 : Math.round((inRange.length / judged.length) * 1_000) / 1_000,
    medianError: at(0.5),
    p90Error: at(0.9),
  };
}

function mergeLatencies(results: readonly LoadResult[]): Report['latencies'] {
  const merge = (name: LatencyName) => {
    const histogram = new Histogram();
    for (const result of results) histogram.merge(result.latencies[name]);
    return histogram.summary();
  };
  return Object.fromEntries(latencyNames.map((name) => [name, merge(name)])) as Report['latencies'];
}

/** Events per `unitMs`, from the first to the last. */
function rate(instantsMs: readonly number[], unitMs: number): number {
  if (instantsMs.length < 2) return instantsMs.length;
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const at of instantsMs) {
    first = Math.min(first, at);
    last = Math.max(last, at);
  }
  return Math.round((instantsMs.length / Math.max(1, last - first)) * unitMs * 10) / 10;
}

function busiestSecond(instantsMs: readonly number[]): number {
  return Math.max(0, ...Object.values(countBy(instantsMs.map((at) => String(Math.floor(at / 1_000))))));
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function addUp(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counts of all)
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
  return total;
}

export const latencyTitles: Readonly<Record<LatencyName, string>> = {
  session: 'start a session (HTTP)',
  connect: 'open the socket',
  join: 'join the line',
  hold: 'hold seats',
  checkout: 'start the checkout',
  formReady: 'checkout to payment form',
  payment: 'the provider’s answer',
  ticket: 'paid to tickets',
};

/** The report for people. */
export function describeReport(report: Report): string {
  const { run, admitted, orders, contention, deliveries, sockets } = report;
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .sort((a, b) => b[1] - a[1])
      .map(([name, count]) => `${name} ${count}`)
      .join(' · ') || 'none';
  const latencies = latencyNames.map((name) => {
    const { count, p50Ms, p95Ms, p99Ms, maxMs } = report.latencies[name];
    return `  ${latencyTitles[name].padEnd(26)}${[count, p50Ms, p95Ms, p99Ms, maxMs].map((value) => String(value).padStart(10)).join('')}`;
  });
  const { bestMinute } = report;
  const database = Object.entries(run.database).map(([name, value]) => `${name} ${value}`);
  return `
The rush: ${run.buyers} buyers, ${run.event} (${run.seats} places), seed ${run.seed}, ${(run.tookMs / 1_000).toFixed(1)} s
  ${run.serverProcesses} server and ${run.loadProcesses} load processes · provider quota: ${run.providerQuota}
  Durability and machine: ${database.join(' · ')}

Ends           ${list(report.ends)}
Admitted       ${admitted.total}: ${admitted.perSecond}/s, best second ${admitted.bestSecond}
Orders paid    ${orders.paid}: ${orders.paidPerMinute}/min · ${orders.seatsSold} tickets
Best 60 s      ${bestMinute.paid} orders paid · ${bestMinute.holds} claims answered, p99 ${bestMinute.holdP99Ms} ms
Phases         ${describePhases(report.phases)}
Contention     ${contention.lostClaims} of ${contention.claims} claims lost (${(contention.share * 100).toFixed(1)} %)
Deliveries     ${deliveries.total}: ${deliveries.perSecond}/s, ${Math.round(deliveries.bytesPerSecond / 1_024)} KiB/s
Sockets        ${sockets.reconnects} reconnects, ${sockets.mapGaps} gaps in the seat map
Refusals       ${list(report.refusals)}
Estimates      ${describeEstimates(report.estimates)}
Losses         ${describeLosses(report)}

Latency, ms                      count       p50       p95       p99       max
${latencies.join('\n')}

Processes                          CPU     of run    peak RSS    CPU a paid order
${describeProcesses(report)}
  load generator event loop    p99 ${report.generator.map((one) => `${one.loopDelayP99Ms} ms`).join(', ')}

${report.void === null ? '' : `VOID           ${report.void}\n`}Held against   ${report.targets.map(describeTarget).join('\n               ')}

${describeVerdict(report)}`;
}

function describeProcesses({ run, orders, processes }: Report): string {
  const perOrder = (cpuMs: number) => `${(cpuMs / Math.max(1, orders.paid)).toFixed(2)} ms`.padStart(20);
  const lines = processes.map(({ name, cpuMs, peakRssBytes }) => {
    const share = `${Math.round((cpuMs / run.tookMs) * 100)} %`;
    return `  ${name.padEnd(26)}${`${(cpuMs / 1_000).toFixed(1)} s`.padStart(10)}${share.padStart(10)}${`${Math.round(peakRssBytes / 2 ** 20)} MiB`.padStart(12)}${perOrder(cpuMs)}`;
  });
  const product = `${'  the product (all of server)'.padEnd(60)}${perOrder(serverCpuMs(processes))}`;
  return [...lines, product].join('\n');
}

function describePhases(phases: Report['phases']): string {
  if (phases === null) return 'none: people are admitted from the beginning';
  const describe = ({ fromMs, toMs, processes, waitedMinutes, paid }: PhaseReport) =>
    `${((toMs - fromMs) / 1_000).toFixed(1)} s, ${Math.round(waitedMinutes)} minutes waited, ${paid} orders paid, server CPU ${(serverCpuMs(processes) / 1_000).toFixed(2)} s`;
  return Object.entries(phases)
    .map(([name, part]) => `${name} ${describe(part)}`)
    .join('\n               ');
}

function describeTarget({ what, measured, bound, limit, unit, met }: Target): string {
  const figure = (value: number) => (Number.isInteger(value) ? value.toLocaleString('en') : rounded(value));
  return `${met ? 'met   ' : 'MISSED'}  ${what}: ${figure(measured)} ${unit}, ${bound} ${figure(limit)}`;
}

function describeEstimates({ told, inRange, medianError, p90Error }: EstimateSummary): string {
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  return `${told} told · ${percent(inRange)} waited as long as that · error of the middle: median ${percent(medianError)}, p90 ${percent(p90Error)}`;
}

function describeLosses({ generation, losses, faults }: Report): string {
  const { holds, admissions, places } = losses;
  const carried = faults.map(
    ({ kind, atMs, tookMs }) => `${kind} at ${(atMs / 1_000).toFixed(1)} s for ${(tookMs / 1_000).toFixed(1)} s`,
  );
  return `${carried.join(' · ') || 'no fault'} · generation ${generation} · ${holds} holds, ${admissions} admissions, ${places} places lost`;
}

function describeVerdict({ violations, examined }: Report): string {
  const looked = Object.entries(examined).map(([name, count]) => `${count} ${name}`);
  if (violations.length === 0) return `Auditor: no violation. Examined ${looked.join(', ')}.`;
  const shown = violations.map(({ rule, evidence }) => `  ✗ ${rule}\n    ${JSON.stringify(evidence).slice(0, 2_000)}`);
  return `Auditor: ${violations.length} rule(s) violated. Examined ${looked.join(', ')}.\n${shown.join('\n')}`;
}
