import { SetupError } from '../../sandbox/services/process.js';
import type { RunningRedis } from '../../sandbox/services/redis.js';
import { limits } from '../../src/limits.js';
import { type Api, startApi } from '../support/api.js';
import { say } from '../support/command-line.js';
import { LoopWatch } from '../support/loop-watch.js';
import type { BenchOptions } from '../support/options.js';
import { serverEnvironment } from '../support/product.js';
import { runBench } from '../support/program.js';
import type { Findings, Table } from '../support/report.js';
import { type Spread, spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';
import { Claimer, type FirstClaim } from './claimer.js';
import { Crowd } from './crowd.js';
import { loseRedis, pause, readState, startEmptyRedis, watchRecovery } from './outage.js';
import { openSales, type Sales } from './sale.js';

/** How long the product takes to sell again after Redis has been lost in the middle of a sale. */
const own = {
  waiting: { fallback: 20_000, quick: 300, low: 250, high: 100_000, says: 'people in line, each with an open socket' },
  seats: { fallback: 60_000, quick: 4_000, low: 500, high: 100_000, says: 'seats of each of the two events' },
  sold: { fallback: 30_000, quick: 1_000, low: 0, high: 100_000, says: 'of them sold, by the ledger' },
  paying: { fallback: 1_000, quick: 50, low: 0, high: 100_000, says: 'and of them in checkout, by the ledger' },
  'server-processes': { fallback: 2, quick: 2, low: 1, high: 16, says: 'WEB_CONCURRENCY of the server' },
  'watcher-processes': { fallback: 2, quick: 1, low: 1, high: 16, says: 'processes of those who wait' },
  down: { fallback: 3, quick: 1, low: 0, high: 60, says: 'seconds in which there is no Redis' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const claimMostMs = 5_000;
const allowedLoopDelayMs = 100;
const settleMs = 60_000;

/** What one loss of Redis came to, in ms from the moment at which the empty one answered. */
interface Loss {
  readonly shownMs: number;
  readonly restoredMs: number;
  readonly openMs: number;
  readonly placesMs: number;
  readonly toldHalfMs: number;
  readonly toldAllMs: number;
  readonly parts: Readonly<Record<string, number>>;
  readonly refusals: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

class Recovery {
  readonly #options: Options;
  readonly #stores: Stores;
  readonly #sales: Sales;
  readonly #api: Api;
  readonly #crowd: Crowd;
  readonly #loop = new LoopWatch();
  readonly #shows: Claimer;
  readonly #isRestored: Claimer;
  readonly #passesBy: Claimer;
  #redis: RunningRedis;

  constructor(parts: {
    readonly options: Options;
    readonly stores: Stores;
    readonly redis: RunningRedis;
    readonly sales: Sales;
    readonly api: Api;
    readonly crowd: Crowd;
  }) {
    const { sales, api } = parts;
    this.#options = parts.options;
    this.#stores = parts.stores;
    this.#redis = parts.redis;
    this.#sales = sales;
    this.#api = api;
    this.#crowd = parts.crowd;
    this.#shows = new Claimer(api.url, sales.shows.token);
    this.#isRestored = new Claimer(api.url, sales.people[0]!.token);
    this.#passesBy = new Claimer(api.url, sales.passerBy);
  }

  get loopDelay() {
    return this.#loop.result(allowedLoopDelayMs);
  }

  /** Both people who are to be admitted have been, and everybody has been told where they stand. */
  async settled(): Promise<string> {
    const { line } = this.#sales;
    const deadlineMs = Date.now() + settleMs;
    for (;;) {
      const [shown, restored] = [await this.#shows.join(line.id, null), await this.#isRestored.join(line.id, null)];
      const { recovering } = await readState(this.#redis.url, line.id);
      const reports = await this.#crowd.report();
      const open = reports.reduce((sum, report) => sum + report.open, 0);
      const isAdmitted = [shown, restored].every((answer) => 'state' in answer && answer.state === 'ADMITTED');
      if (isAdmitted && !recovering && open === this.#sales.people.length && 'token' in shown && shown.token !== null)
        return shown.token;
      if (Date.now() > deadlineMs)
        throw new SetupError(`the line does not settle: ${JSON.stringify({ shown, restored, recovering, open })}`);
      await pause(200);
    }
  }

  async loseOnce(): Promise<Loss> {
    const admission = await this.settled();
    return this.#loop.during(() => this.#lose(admission));
  }

  async #lose(admission: string): Promise<Loss> {
    const { line, open, categoryId, people } = this.#sales;
    const { url, port } = this.#redis;
    const before = await Promise.all([readState(url, line.id), readState(url, open.id)]);
    await loseRedis(this.#stores, this.#redis);
    await pause(this.#options.own.down * 1_000);
    // They have been asking all the time, as people do.
    const claims = Promise.all([
      this.#shows.claim(line.id, { categoryId, admission }),
      this.#isRestored.claim(line.id, { categoryId, admission: null }),
      this.#passesBy.claim(open.id, { categoryId, admission: null }),
    ]);
    const looking = Promise.all([
      watchRecovery(url, { eventId: line.id, before: before[0].generation, places: people.length }),
      watchRecovery(url, { eventId: open.id, before: before[1].generation, places: 0 }),
    ]);
    const started = await startEmptyRedis(this.#stores, port);
    this.#redis = started.redis;
    const { acceptsAtMs } = started;
    const [shown, restored, walked] = await claims;
    const [seen] = await looking;
    // What is told before is of the line that was lost.
    await this.#crowd.mark();
    const rebuilt = this.#api.rebuiltSince(acceptsAtMs - this.#options.own.down * 1_000);
    const ofLine = rebuilt.find(({ eventId }) => eventId === line.id);
    const ofOpen = rebuilt.find(({ eventId }) => eventId === open.id);
    if (ofLine === undefined || ofOpen === undefined) throw new Error('no process said that it loaded the events');
    const told = await this.#told();
    const since = (atMs: number) => atMs - acceptsAtMs;
    return {
      shownMs: since(shown.atMs),
      restoredMs: since(restored.atMs),
      openMs: since(walked.atMs),
      placesMs: since(seen.allPlacesAtMs),
      toldHalfMs: since(told.halfAtMs),
      toldAllMs: since(told.lastAtMs),
      parts: {
        'noticed: until the rebuild begins': since(ofLine.beganAtMs),
        'rebuild: lock, ledger, tables': seen.loadingAtMs - ofLine.beganAtMs,
        'rebuild: load into Redis': seen.openAtMs - seen.loadingAtMs,
        'rebuild as a whole, by its log': ofLine.tookMs,
        'until the first place is back': seen.firstPlaceAtMs - seen.openAtMs,
        'until all places are back': seen.allPlacesAtMs - seen.openAtMs,
        'the event without a line: noticed': since(ofOpen.beganAtMs),
        'the event without a line: rebuild, by its log': ofOpen.tookMs,
      },
      refusals: { shown: shown.refusals, restored: restored.refusals, open: walked.refusals },
    };
  }

  async #told(): Promise<{ readonly halfAtMs: number; readonly lastAtMs: number }> {
    const deadlineMs = Date.now() + limits.recoveryMs + settleMs;
    for (;;) {
      const reports = await this.#crowd.report();
      const told = reports.reduce((sum, report) => sum + report.told, 0);
      const waiting = reports.reduce((sum, report) => sum + report.waiting, 0);
      // Whoever is admitted is told nothing new.
      if (told >= waiting)
        return {
          halfAtMs: Math.max(...reports.map(({ halfToldAtMs }) => halfToldAtMs)),
          lastAtMs: Math.max(...reports.map(({ lastToldAtMs }) => lastToldAtMs)),
        };
      if (Date.now() > deadlineMs)
        throw new Error(`${told} of ${waiting} have been told a position: ${JSON.stringify(reports)}`);
      await pause(200);
    }
  }
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const { seats, sold, paying, waiting } = options.own;
  if (sold + paying > seats / 2 + 1_000)
    throw new SetupError('more than half of the hall and 1,000 seats would be gone');
  const [postgres, redis] = [await stores.startPostgres(), await stores.startRedis()];
  const client = await stores.connect(redis);
  const urls = { database: postgres.url, redis: redis.url };
  say('Publishing two events, writing their sales, letting everybody join …');
  const sales = await openSales(stores, client, { urls, seats, sold, paying, waiting, seed: options.seed });
  client.disconnect();
  const api = await startApi(stores, serverEnvironment(stores, urls), options.own['server-processes']);
  const crowd = new Crowd();
  say(`${waiting} sockets are being opened …`);
  await crowd.open(stores, { url: api.url, processes: options.own['watcher-processes'], people: sales.people });
  const recovery = new Recovery({ options, stores, redis, sales, api, crowd });
  const losses: Loss[] = [];
  // The first one warms up.
  for (let round = 0; round <= options.rounds; round += 1) {
    say(round === 0 ? 'Redis is lost, to warm up …' : `Redis is lost, round ${round} of ${options.rounds} …`);
    const loss = await Promise.race([recovery.loseOnce(), broken(api)]);
    if (round > 0) losses.push(loss);
  }
  return findings(options, losses, recovery, await crowd.report());
}

async function broken(api: Api): Promise<never> {
  throw new SetupError(`the server ended by itself (${await api.ended})`);
}

function findings(
  options: Options,
  losses: readonly Loss[],
  recovery: Recovery,
  crowd: Awaited<ReturnType<Crowd['report']>>,
): Findings {
  const { waiting, seats, sold, paying, down } = options.own;
  const spread = (read: (loss: Loss) => number): Spread => spreadOf(losses.map(read));
  const firsts = [
    ['(a) the first claim of somebody who shows an admission of before', ({ shownMs }: Loss) => shownMs],
    ['(a) the first claim of somebody admitted whom a mirror has put back', ({ restoredMs }: Loss) => restoredMs],
    ['(b) the first claim in an event without a waiting room', ({ openMs }: Loss) => openMs],
    [`(c) all ${waiting} places are back`, ({ placesMs }: Loss) => placesMs],
    ['half of those who wait have been told a position again', ({ toldHalfMs }: Loss) => toldHalfMs],
    ['all of those who wait have been told a position again', ({ toldAllMs }: Loss) => toldAllMs],
  ] as const;
  const parts = Object.keys(losses[0]!.parts).map((part) => ({ part, ms: spread((loss) => loss.parts[part]!) }));
  const refusals = (['shown', 'restored', 'open'] as const).map((who) => ({
    who,
    'answered before, in all rounds': Object.entries(addUp(losses.map((loss) => loss.refusals[who]!)))
      .map(([code, count]) => `${count} × ${code}`)
      .join(' · '),
  }));
  const tables: Table[] = [
    {
      title: 'From the moment at which the empty Redis answers',
      rows: firsts.map(([what, read]) => ({ what, ms: spread(read) })),
    },
    { title: 'Where it goes, for the event with the line', rows: parts },
    { title: 'What was answered until the claim', rows: refusals },
    {
      title: 'Those who wait',
      rows: crowd.map((report, at) => ({
        process: `watchers ${at + 1}`,
        open: report.open,
        'sockets lost': report.lost,
        'streams ended': report.failed,
        messages: report.messages,
        'loop delay p99 ms': report.loopDelayP99Ms,
        'loop delay max ms': report.loopDelayMaxMs,
      })),
    },
  ];
  return {
    method: [
      `Two events of ${seats} seats in the ledger, each with ${sold} sold and ${paying} in checkout; ${waiting} places of the one with a line are served by ${options.own['server-processes']} server processes to as many sockets of ${options.own['watcher-processes']} other processes.`,
      `Redis is killed (SIGKILL), its files are removed, and ${down} s later an empty one is started at the same address. One loss to warm up, then ${options.rounds}, each after everything has come to rest.`,
      'Three people claim over HTTP from then on, again 20 ms after every refusal: with an admission they show (they have no stream), with an admission a mirror puts back, and in the event without a line.',
      'noticed, and the rebuild as a whole, are from the log of the process that did it; the rest was seen by looking into Redis every 10 ms. The load generator, the server and the stores share the cores.',
      `Nobody is told a position before recoveryMs (${limits.recoveryMs} ms) are over, so that everybody can come back. The limits are held against the slowest round.`,
    ],
    tables,
    limits: firsts
      .slice(0, 3)
      .map(([what, read]) => ({ what, most: claimMostMs, measured: spread(read).high, unit: 'ms' })),
    loopDelay: recovery.loopDelay,
  };
}

function addUp(all: readonly FirstClaim['refusals'][]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counts of all)
    for (const [code, count] of Object.entries(counts)) total[code] = (total[code] ?? 0) + count;
  return total;
}

await runBench({ name: 'recovery', own, measure });
