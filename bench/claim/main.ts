import { randomUUID } from 'node:crypto';
import { HoldSeatsDocument } from '../../client/operations.js';
import { eventKeys } from '../../src/redis/keys.js';
import { seatId } from '../../src/services/seat-holds.js';
import type { ClaimantCommand, ClaimantReport, Wish } from '../support/claimants.js';
import { say } from '../support/command-line.js';
import { cpuUs } from '../support/cpu.js';
import { drawFlames } from '../support/flame.js';
import type { BenchOptions } from '../support/options.js';
import { type Party, startParty } from '../support/party.js';
import { startProduct } from '../support/product.js';
import { keepPicture, runBench } from '../support/program.js';
import type { Findings } from '../support/report.js';
import { spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';
import type { BareCommand, BareReport, BareWish } from './bare-server.js';

/** What a hold costs the process that serves it, through GraphQL and beside the same script behind a bare socket or request. */
const own = {
  claims: { fallback: 2_000, quick: 50, low: 10, high: 5_000, says: 'claims of one kind in a round' },
  'in-flight': { fallback: 64, quick: 8, low: 1, high: 1_000, says: 'claims under way at a time' },
  'hall-seats': { fallback: 60_000, quick: 2_000, low: 500, high: 100_000, says: 'seats of the hall' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const socketLeast = 0.7;
const httpLeast = 0.35;
const allowedLoopDelayMs = 50;
const seatsOfAPerson = 10;

interface Kind {
  readonly name: string;
  readonly pid: number;
  readonly party: Party<ClaimantCommand, ClaimantReport>;
  readonly expects: string;
  wish(serial: number): Wish;
  readonly cost: number[];
  readonly redis: number[];
  readonly perSecond: number[];
  readonly p99Ms: number[];
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const { claims, 'in-flight': inFlight, 'hall-seats': hallSeats } = options.own;
  const redis = await stores.startRedis();
  const client = await stores.connect(redis);
  // One round is not counted, and one more is drawn.
  const people = Math.ceil((claims * (options.rounds + 2)) / seatsOfAPerson);
  const product = await startProduct(stores, redis, { hallSeats, guests: 2 * people, inspected: options.save });
  const bare = await startParty<BareCommand, BareReport>(stores, 'bench/claim/bare-server.ts');
  const { published } = product;
  const bareUrls = await bare.ask({
    redisUrl: redis.url,
    ref: product.ref,
    prices: published.priceList,
    categories: published.hall.layout.categories.length,
  });
  const status = (await client.get(eventKeys(product.ref).status))!;
  const seats = [...status].flatMap((letter, index) => (letter === '.' ? [index] : []));
  const next = () => {
    const index = seats.pop();
    if (index === undefined) throw new Error('the hall is too small for so many claims');
    return index;
  };
  const kinds: Kind[] = [];
  const add = async (
    name: string,
    pid: number,
    expects: string,
    wish: Kind['wish'],
    open: Omit<Extract<ClaimantCommand, { type: 'open' }>, 'type' | 'inFlight'>,
  ) => {
    const party = await startParty<ClaimantCommand, ClaimantReport>(stores, 'bench/support/claimants.ts');
    await party.ask({ type: 'open', inFlight, ...open });
    kinds.push({ name, pid, party, expects, wish, cost: [], redis: [], perSecond: [], p99Ms: [] });
  };
  const bareWish =
    (way: string) =>
    (serial: number): Wish => {
      const wish: BareWish = { id: randomUUID(), person: `${way}-${serial % people}`, index: next() };
      return { person: serial % people, id: wish.id, text: JSON.stringify(wish) };
    };
  const input = (index: number, id: string) => {
    const selection = { seatIds: [seatId(published, index)] };
    return { eventId: product.eventId, idempotencyKey: id, seats: selection };
  };
  const query = String(HoldSeatsDocument);
  const socketWish = (serial: number): Wish => {
    const id = randomUUID();
    const payload = { query, variables: { input: input(next(), id) } };
    return { person: serial % people, id, text: JSON.stringify({ id, type: 'subscribe', payload }) };
  };
  const httpWish = (serial: number): Wish => {
    const id = randomUUID();
    return { person: serial % people, id, text: JSON.stringify({ query, variables: { input: input(next(), id) } }) };
  };
  const { pid } = product.api;
  const [ofSockets, ofRequests] = [product.tokens.slice(0, people), product.tokens.slice(people)];
  await add('bare ws', bare.pid, '"OK"', bareWish('ws'), {
    transport: 'socket',
    url: bareUrls.socketUrl,
    tokens: null,
  });
  await add('GraphQL over WebSocket', pid, '"HELD"', socketWish, {
    transport: 'socket',
    url: product.socketUrl,
    tokens: ofSockets,
  });
  await add('bare node:http', bare.pid, '"OK"', bareWish('http'), {
    transport: 'http',
    url: bareUrls.httpUrl,
    tokens: null,
  });
  await add('GraphQL over HTTP', pid, '"HELD"', httpWish, {
    transport: 'http',
    url: `${product.api.url}/graphql`,
    tokens: ofRequests,
  });
  let delays = { p99Ms: 0, maxMs: 0 };
  // The first round is not counted: code is compiled and signatures are checked in it.
  for (let round = 0; round <= options.rounds; round += 1) {
    say(round === 0 ? 'Warming up …' : `Round ${round} of ${options.rounds} …`);
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const wishes = Array.from({ length: claims }, (_, at) => kind.wish(round * claims + at));
      const before = { api: cpuUs(kind.pid), redis: cpuUs(redis.pid) };
      const report = await kind.party.ask({ type: 'claim', wishes, expects: [kind.expects] });
      if (round === 0) continue;
      kind.cost.push((cpuUs(kind.pid) - before.api) / claims);
      kind.redis.push((cpuUs(redis.pid) - before.redis) / claims);
      kind.perSecond.push((claims * 1_000) / report.tookMs);
      kind.p99Ms.push(report.p99Ms);
      delays = {
        p99Ms: Math.max(delays.p99Ms, report.loopP99Ms),
        maxMs: Math.max(delays.maxMs, report.loopMaxMs),
      };
    }
  }
  if (options.save)
    for (const kind of kinds.filter(({ pid: served }) => served === pid)) {
      const wishes = Array.from({ length: claims }, (_, at) => kind.wish((options.rounds + 1) * claims + at));
      const claim = () => kind.party.ask({ type: 'claim', wishes, expects: [kind.expects] });
      const flames = await drawFlames(product.api.inspectorPort!, `A hold, ${kind.name}: where the time goes`, claim);
      keepPicture(kind.name === 'GraphQL over HTTP' ? 'claim-http-flames' : 'claim-websocket-flames', flames);
    }
  const ratio = (bareAt: number, at: number) => spreadOf(kinds[bareAt]!.cost.map((us, i) => us / kinds[at]!.cost[i]!));
  return {
    method: [
      `${claims} claims of one named seat each, ${inFlight} at a time, by ${people} people with a session each, all limits on. A round that is not counted goes before.`,
      'The bare server calls the very script of the product through ioredis with the connection settings of the product, and answers with its result as JSON; it knows no sessions, no GraphQL and no seat names.',
      'Processor time is user and system of all threads of the one process that serves; that of Redis is beside it.',
    ],
    tables: [
      {
        title: 'A hold',
        rows: kinds.map((kind) => ({
          way: kind.name,
          'server µs': spreadOf(kind.cost),
          'Redis µs': spreadOf(kind.redis),
          'holds/s': spreadOf(kind.perSecond),
          'p99 ms': spreadOf(kind.p99Ms),
        })),
      },
      {
        title: 'Share of what a bare server does for the same processor time',
        rows: [
          { way: 'GraphQL over WebSocket', share: ratio(0, 1) },
          { way: 'GraphQL over HTTP', share: ratio(2, 3) },
        ],
      },
    ],
    limits: [
      { what: 'bare ws needs, of WebSocket', measured: 1 / ratio(0, 1).median, most: 1 / socketLeast, unit: '×' },
      { what: 'bare http needs, of HTTP', measured: 1 / ratio(2, 3).median, most: 1 / httpLeast, unit: '×' },
    ],
    loopDelay: { ...delays, allowedP99Ms: allowedLoopDelayMs },
  };
}

await runBench({ name: 'claim', own, measure });
