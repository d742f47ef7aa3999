import { join } from 'node:path';
import { seedStadium, withServices } from '../../sandbox/seed.js';
import { readConfig } from '../../src/config.js';
import type { Event } from '../../src/entities/events.js';
import { limits } from '../../src/limits.js';
import { redisNowMs } from '../../src/redis/inventory.js';
import { type EventRef, eventKeys } from '../../src/redis/keys.js';
import type { Services } from '../../src/services/services.js';
import type { BenchClient } from '../support/client.js';
import { say } from '../support/command-line.js';
import { LoopWatch } from '../support/loop-watch.js';
import type { BenchOptions } from '../support/options.js';
import { joinAll } from '../support/people.js';
import { runBench } from '../support/program.js';
import { type LongestCommand, RedisMeter, type Window } from '../support/redis-meter.js';
import type { Findings, Table } from '../support/report.js';
import { spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';

/** For how long at a time Redis does nothing else while a lobby becomes a line. */
const own = {
  lobby: { fallback: 100_000, quick: 4_000, low: 100, high: 400_000, says: 'people in the lobby' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const seats = 2_000;
const blockedMostMs = 5;
/** Five hundred answers at once are a few milliseconds of work. */
const allowedLoopDelayMs = 200;
/** Commands shorter than this are not told of. */
const shownUs = 300;

interface Round {
  readonly joins: Window;
  readonly longest: readonly LongestCommand[];
  /** From the opening until everybody has a number, ms. */
  readonly tookMs: number;
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const [postgres, redis] = [await stores.startPostgres(), await stores.startRedis()];
  const client = await stores.connect(redis);
  const meter = await RedisMeter.for(client, redis.pid);
  const loop = new LoopWatch();
  const config = readConfig({
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    STRIPE_SECRET_KEY: 'sk_test_unused',
    STRIPE_WEBHOOK_SECRET: 'whsec_unused',
    TOKEN_KEY_FILE: join(stores.home, 'token-key.json'),
    LOG_LEVEL: 'silent',
  });
  const rounds: Round[] = [];
  await withServices(config, async (services) => {
    // The first one warms up.
    for (let round = 0; round <= options.rounds; round += 1) {
      say(round === 0 ? 'Warming up …' : `Round ${round} of ${options.rounds} …`);
      const found = await drawOnce(options, { services, client, meter, loop });
      if (round > 0) rounds.push(found);
    }
  });
  return findings(options, meter, rounds, loop);
}

interface Tools {
  readonly services: Services;
  readonly client: BenchClient;
  readonly meter: RedisMeter;
  readonly loop: LoopWatch;
}

async function drawOnce(options: Options, { services, client, meter, loop }: Tools): Promise<Round> {
  const { lobby } = options.own;
  const event = await publish(services);
  const ref = { eventId: event.id, generation: 1 };
  const keys = eventKeys(ref);
  const joins = await meter.window('evalsha', () => loop.during(async () => void (await joinAll(client, ref, lobby))));
  // As if the hour had passed.
  await client.hset(keys.meta, 'opensAt', await redisNowMs(client));
  let tookMs = 0;
  const longest = await meter.longest(async () => {
    const startedMs = performance.now();
    await open(services, ref);
    tookMs = performance.now() - startedMs;
  });
  const placed = await Promise.all([client.zcard(keys.present), client.zcard(keys.away), client.zcard(keys.admitted)]);
  const numbered = placed.reduce((sum, count) => sum + count, 0);
  if (numbered !== lobby) throw new Error(`${numbered} of ${lobby} have got a number`);
  return { joins, longest, tookMs };
}

function publish(services: Services): Promise<Event> {
  const saleOpensAt = new Date(Date.now() + 3_600_000);
  return seedStadium(services, seats, { admitPerSecond: 100, activeCap: 500, waitingRoom: 'ALWAYS', saleOpensAt });
}

/** What the worker of the first process does that looks at the event after the opening. */
async function open({ catalogue, line, draws }: Services, ref: EventRef): Promise<void> {
  const event = (await catalogue.published(ref.eventId))!;
  const round = await line.admit(event);
  if (round?.phase !== 'DRAWING') throw new Error(`the lobby is ${round?.phase}, not being drawn`);
  await draws.draw(ref);
  const after = await line.admit(event);
  if (after?.phase !== 'OPEN') throw new Error(`the line is ${after?.phase}, not open`);
}

function findings(options: Options, meter: RedisMeter, rounds: readonly Round[], loop: LoopWatch): Findings {
  const { lobby } = options.own;
  const joins = (read: (window: Window) => number) => spreadOf(rounds.map((round) => read(round.joins)));
  const longestOf = (command: string) =>
    spreadOf(rounds.map(({ longest }) => longest.find((one) => one.command === command)?.maxUs ?? 0));
  const commands = [...new Set(rounds.flatMap(({ longest }) => longest.map(({ command }) => command)))];
  const shown = commands
    .map((command) => ({ command, 'longest µs': longestOf(command) }))
    .filter((row) => row['longest µs'].high >= shownUs)
    .sort((a, b) => b['longest µs'].median - a['longest µs'].median);
  const blockedMs = Math.max(...rounds.map(({ longest }) => longest[0]!.maxUs)) / 1_000;
  const tables: Table[] = [
    {
      title: `${lobby} joins into the lobby`,
      rows: [
        {
          call: 'line.join',
          'p50 µs': joins(({ p50Us }) => p50Us),
          'p99 µs': joins(({ p99Us }) => p99Us),
          'max µs': joins(({ maxUs }) => maxUs),
          'CPU µs': joins(({ cpuUs, calls }) => cpuUs / calls),
          'waited %': joins(({ waitedUs, tookUs }) => (100 * waitedUs) / tookUs).median,
        },
      ],
    },
    { title: `The longest of each command from the opening to the last number, ${shownUs} µs and more`, rows: shown },
    {
      title: 'The draw as a whole',
      rows: [
        {
          what: 'from the opening until everybody has a number, ms',
          took: spreadOf(rounds.map(({ tookMs }) => tookMs)),
        },
      ],
    },
  ];
  return {
    method: [
      `A new event for every round, one more before them to warm up; ${lobby} people join by the product's own script, 500 sent at once. The opening is written into the event by hand.`,
      `The draw is the product's own (Draws.draw, with the ledger): latch, lobby in pages of ${limits.drawPage}, chunks of ${limits.drawChunk}, the first admissions.`,
      'The time of a command is that inside Redis (INFO latencystats, within 1 %); commands inside a script are told of for themselves as well, and are in the time of the script (evalsha, eval).',
      meter.method,
      'Each figure: the median of the rounds (lowest–highest round). The limit is held against the longest command of all rounds.',
    ],
    tables,
    limits: [
      {
        what: 'the longest that Redis was blocked by one command',
        most: blockedMostMs,
        measured: blockedMs,
        unit: 'ms',
      },
    ],
    loopDelay: loop.result(allowedLoopDelayMs),
  };
}

await runBench({ name: 'draw', own, measure });
