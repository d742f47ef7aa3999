import { SetupError } from '../../sandbox/services/process.js';
import { runCommand, say } from '../support/command-line.js';
import { keepReport } from '../support/program.js';
import { audit } from './auditor.js';
import { Crowd } from './crowd.js';
import { changePace, openEvent } from './event.js';
import { Saboteur } from './faults.js';
import { countMovingOrders, gatherEvidence, readDurability } from './gather.js';
import { begin, reportToKeep } from './keep.js';
import { listenQueue, Machine, widenListenQueue } from './machine.js';
import { type RushOptions, readOptions, usage } from './options.js';
import { rushInPhases } from './phases.js';
import { describeReport, makeReport, type Report } from './report.js';
import { SalesWatch } from './sales-watch.js';
import { Stack } from './stack.js';

/**
 * The rush: a crowd against a server, stores and a payment provider started for it alone; then an auditor who asks everybody
 * but the server. Exit code 0: no violation, 1: violations or a failure, 2: a wrong command line.
 */
const progressMs = 5_000;
const settleMs = 60_000;
/** One for the session, one for the socket. */
const connectionsOfABuyer = 2;
const salesSettleMs = 2_000;

async function rush(options: RushOptions, stack: Stack, crowd: Crowd): Promise<Report> {
  say('Starting Postgres, Redis, the payment sandbox and the server …');
  await stack.startStores();
  const event = await openEvent(options, stack);
  const { eventId, organizerToken } = event;
  await stack.startServers(options);
  await crowd.gather(options, { serverUrl: stack.serverUrl, eventId, home: stack.home });

  const sales = new SalesWatch({ serverUrl: stack.serverUrl, token: organizerToken });
  await sales.start(eventId);

  const machine = new Machine();
  for (const { name, pid, family } of [...stack.processes(), ...crowd.processes]) machine.watch(name, pid, family);
  say(`${options.buyers} buyers come within ${options.rampMs / 1_000} s.`);
  const startedMs = performance.now();
  const telling = setInterval(() => {
    const { coming, waiting, active, ended } = crowd.progress();
    const seconds = Math.round((performance.now() - startedMs) / 1_000);
    say(`${seconds} s: ${coming} come, ${waiting} wait, ${active} buy, ${ended} have ended`);
  }, progressMs);
  const saboteur = new Saboteur(stack);
  const sabotage = saboteur.sabotage(options.faults);
  const letIn = () => changePace(stack.serverUrl, event, options.admitPerSecond);
  const rushing = Promise.all([rushInPhases(options, { crowd, machine, letIn }), sabotage]).then(([rush]) => rush);
  const { results, phases } = await Promise.race([rushing, brokenStack(stack)]).finally(() => clearInterval(telling));
  const tookMs = Math.round(performance.now() - startedMs);
  const processes = machine.finish();

  await untilSettled(stack.databaseUrl);
  const samples = await sales.finish(salesSettleMs);
  const database = { ...(await readDurability(stack.databaseUrl)), 'net.core.somaxconn': String(listenQueue()) };
  // From here on nothing may move: the auditor reads the stores one after the other.
  await stack.stopServer();
  const { databaseUrl, redisUrl, paymentsUrl } = stack;
  const buyers = results.flatMap((result) => result.records);
  const evidence = await gatherEvidence({ databaseUrl, redisUrl, paymentsUrl, eventId }, { buyers, sales: samples });
  const verdict = audit(evidence);
  if (options.history !== null) say(`${crowd.writeHistory(options.history)} lines in ${options.history}`);
  const faults = saboteur.reports;
  return makeReport({ options, results, phases, verdict, evidence, processes, database, tookMs, faults });
}

async function brokenStack(stack: Stack): Promise<never> {
  const reason = await stack.broken();
  throw new SetupError(reason);
}

/** Money on its way arrives; what does not within a minute is left for the auditor to find. */
async function untilSettled(databaseUrl: string): Promise<void> {
  const deadlineMs = Date.now() + settleMs;
  while ((await countMovingOrders(databaseUrl)) > 0 && Date.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const read = (argv: readonly string[]) => ({ beginning: begin(argv), options: readOptions(argv) });

await runCommand(usage, read, async ({ beginning, options }, stopped) => {
  const narrowListenQueue = widenListenQueue(options.buyers * connectionsOfABuyer);
  const stack = new Stack(options.keep);
  const crowd = new Crowd();
  try {
    const report = await Promise.race([rush(options, stack, crowd), stopped]);
    process.stdout.write(`${describeReport(report)}\n`);
    if (options.save) keepReport(reportToKeep(report, beginning));
    if (options.keep) process.stdout.write(`\nFiles of the run: ${stack.home}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    return report.violations.length === 0 ? 0 : 1;
  } finally {
    await crowd.stop();
    await stack.stop();
    narrowListenQueue();
  }
});
