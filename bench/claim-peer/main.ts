import { randomUUID } from 'node:crypto';
import { HoldSeatsDocument } from '../../client/operations.js';
import { eventKeys } from '../../src/redis/keys.js';
import type { PublishedEvent } from '../../src/services/event-catalogue.js';
import { seatId } from '../../src/services/seat-holds.js';
import type { ClaimantCommand, ClaimantReport, Wish } from '../support/claimants.js';
import { say } from '../support/command-line.js';
import { cpuUs, familyCpuUs } from '../support/cpu.js';
import type { BenchOptions } from '../support/options.js';
import { type Party, startParty } from '../support/party.js';
import { type Product, startProduct } from '../support/product.js';
import { runBench } from '../support/program.js';
import type { Findings } from '../support/report.js';
import { spreadOf } from '../support/spread.js';
import type { Stores } from '../support/stores.js';
import type { PeerCommand, PeerReport, PeerSeat } from './peer-server.js';
import { makeSeats, type Way } from './seat-table.js';
import { Wishes } from './wishes.js';

/** What a hold costs altogether, server and stores, beside the same mutation with the claim done in Postgres. */
const own = {
  attempts: { fallback: 2_000, quick: 80, low: 4, high: 5_000, says: 'attempts in a round; a multiple of four' },
  'in-flight': { fallback: 64, quick: 8, low: 1, high: 1_000, says: 'attempts under way at a time' },
  connections: { fallback: 32, quick: 8, low: 1, high: 200, says: 'connections of each peer to Postgres' },
  'hall-seats': { fallback: 60_000, quick: 4_000, low: 1_000, high: 100_000, says: 'seats of the hall' },
} as const;
type Options = BenchOptions<keyof typeof own>;

const peers: readonly { readonly way: Way; readonly name: string; readonly leastTimes: number }[] = [
  { way: 'skip-locked', name: 'FOR UPDATE SKIP LOCKED', leastTimes: 2 },
  { way: 'advisory', name: 'advisory lock of the event', leastTimes: 5 },
];
const allowedLoopDelayMs = 50;
const seatsOfAHold = 3;
/** As many as the limits of a person allow. */
const attemptsOfAPerson = 3;
/** Rounds that are not counted: code is compiled and signatures are checked in them. */
const warmUps = 2;

/** One way to serve the mutation. */
interface Side {
  readonly name: string;
  readonly party: Party<ClaimantCommand, ClaimantReport>;
  serverUs(): number;
  storesUs(): number;
  readonly measured: Measured[];
}

/** A round; processor time is that of one successful hold, with all that was refused beside it. */
interface Measured {
  readonly holds: number;
  readonly refusals: number;
  readonly serverUs: number;
  readonly storesUs: number;
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

async function measure(options: Options, stores: Stores): Promise<Findings> {
  const { 'hall-seats': hallSeats } = options.own;
  const attempts = Math.ceil(options.own.attempts / 4) * 4;
  const people = Math.ceil((attempts * (options.rounds + warmUps)) / attemptsOfAPerson);
  const redis = await stores.startRedis();
  const client = await stores.connect(redis);
  const product = await startProduct(stores, redis, { hallSeats, guests: people });
  const status = (await client.get(eventKeys(product.ref).status))!;
  const wishes = new Wishes([...status].flatMap((letter, index) => (letter === '.' ? [index] : [])));
  const sides = [
    await openSide(stores, options, {
      name: 'Floodgate',
      url: product.socketUrl,
      tokens: product.tokens,
      serverUs: () => cpuUs(product.api.pid),
      storesUs: () => cpuUs(redis.pid) + familyCpuUs(product.postgres.pid),
    }),
  ];
  for (const { way, name } of peers)
    sides.push(await openSide(stores, options, { name, ...(await startPeer(stores, options, product, way)) }));
  for (let round = 0; round < options.rounds + warmUps; round += 1) {
    say(round < warmUps ? 'Warming up …' : `Round ${round + 1 - warmUps} of ${options.rounds} …`);
    const asked = Array.from({ length: attempts }, () => wishes.next());
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const texts = asked.map((indexes, at) => wishOf(product, (round * attempts + at) % people, indexes));
      const measured = await claim(side, texts);
      if (round >= warmUps) side.measured.push(measured);
    }
  }
  return findings(options, sides, people);
}

/** A peer with a Postgres of its own, of which nobody else takes anything. */
async function startPeer(stores: Stores, options: Options, { published, tokens }: Product, way: Way) {
  const { connections, 'hall-seats': hallSeats } = options.own;
  const postgres = await stores.startPostgres(`postgres-${way}`);
  await makeSeats(postgres.url, hallSeats);
  const peer = await startParty<PeerCommand, PeerReport>(stores, 'bench/claim-peer/peer-server.ts');
  const seats = describeSeats(published);
  const { currency } = published.event;
  const { url } = await peer.ask({ databaseUrl: postgres.url, way, connections, seats, currency });
  const serverUs = () => cpuUs(peer.pid);
  const storesUs = () => familyCpuUs(postgres.pid);
  return { url, serverUs, storesUs, tokens: tokens.map((_, at) => `guest-${at}`) };
}

function describeSeats({ hall, prices }: PublishedEvent): PeerSeat[] {
  return Array.from({ length: hall.layout.seatCount }, (_, index) => {
    const { guid, sectionName, rowLabel, seatLabel, category } = hall.index.describe(index)!;
    return { id: guid!, sectionName, rowLabel, seatLabel, category, ...prices[category]! };
  });
}

async function openSide(
  stores: Stores,
  options: Options,
  {
    url,
    tokens,
    ...side
  }: Omit<Side, 'party' | 'measured'> & { readonly url: string; readonly tokens: readonly string[] },
): Promise<Side> {
  say(`Opening ${tokens.length} sockets: ${side.name} …`);
  const party = await startParty<ClaimantCommand, ClaimantReport>(stores, 'bench/support/claimants.ts');
  await party.ask({ type: 'open', transport: 'socket', inFlight: options.own['in-flight'], url, tokens });
  return { ...side, party, measured: [] };
}

function wishOf({ eventId, published }: Product, person: number, indexes: readonly number[]): Wish {
  const id = randomUUID();
  const seats = { seatIds: indexes.map((index) => seatId(published, index)) };
  const variables = { input: { eventId, idempotencyKey: id, seats } };
  const payload = { query: String(HoldSeatsDocument), variables };
  return { person, id, text: JSON.stringify({ id, type: 'subscribe', payload }) };
}

async function claim(side: Side, wishes: readonly Wish[]): Promise<Measured> {
  const before = { server: side.serverUs(), stores: side.storesUs() };
  const expects = ['"HELD"', '"SEATS_UNAVAILABLE"'];
  const { answers, tookMs, p99Ms, loopP99Ms, loopMaxMs } = await side.party.ask({ type: 'claim', wishes, expects });
  const [holds, refusals] = answers as [number, number];
  return {
    holds,
    refusals,
    serverUs: (side.serverUs() - before.server) / holds,
    storesUs: (side.storesUs() - before.stores) / holds,
    perSecond: (holds * 1_000) / tookMs,
    p99Ms,
    loopP99Ms,
    loopMaxMs,
  };
}

function findings(options: Options, sides: readonly Side[], people: number): Findings {
  const { 'in-flight': inFlight, connections } = options.own;
  const spread = ({ measured }: Side, read: (round: Measured) => number) => spreadOf(measured.map(read));
  const costUs = ({ serverUs, storesUs }: Measured) => serverUs + storesUs;
  const [ours, ...others] = sides as [Side, ...Side[]];
  const share = (other: Side) =>
    spreadOf(ours.measured.map((round, at) => costUs(round) / costUs(other.measured[at]!)));
  const all = sides.flatMap(({ measured }) => measured);
  return {
    method: [
      `One event; ${seatsOfAHold} named seats an attempt, ${inFlight} attempts at a time, by ${people} people with a socket and a session each. ${warmUps} rounds that are not counted go before.`,
      'Half of the attempts name a seat that somebody else has, or that is being claimed by the attempt sent just before. All sides are asked for the same seats in the same order.',
      'The peers serve the same document of the same schema through graphql-ws and graphql, documents parsed once; labels and prices are in their memory. They check no session, no limit of a person and no repeated key, keep no counts, and tell nobody what has changed.',
      `SKIP LOCKED is one prepared statement; the advisory lock BEGIN, lock, check with update, COMMIT, sent in one round trip. ${connections} connections each. synchronous_commit is on; Redis writes its file once a second.`,
      'Processor time is user and system: of the one process that serves; of the stores, of which each side has its own: Redis and Postgres of the product, all processes of the Postgres of a peer. What was refused is in the cost of a hold.',
    ],
    tables: [
      {
        title: 'A hold',
        rows: sides.map((side) => ({
          way: side.name,
          attempts: spread(side, ({ holds, refusals }) => holds + refusals).median,
          holds: spread(side, ({ holds }) => holds),
          refusals: spread(side, ({ refusals }) => refusals),
          'server µs': spread(side, ({ serverUs }) => serverUs),
          'stores µs': spread(side, ({ storesUs }) => storesUs),
          'holds per CPU s': spread(side, (round) => 1_000_000 / costUs(round)),
          'holds/s': spread(side, ({ perSecond }) => perSecond),
          'p99 ms': spread(side, ({ p99Ms }) => p99Ms),
        })),
      },
      {
        title: 'Holds for the same processor time',
        rows: others.map((other) => ({
          beside: other.name,
          times: spreadOf(ours.measured.map((round, at) => costUs(other.measured[at]!) / costUs(round))),
        })),
      },
    ],
    limits: peers.map(({ name, leastTimes }, at) => ({
      what: `a hold: of the cost with ${name}`,
      measured: share(others[at]!).median,
      most: 1 / leastTimes,
      unit: '×',
    })),
    loopDelay: {
      p99Ms: Math.max(...all.map(({ loopP99Ms }) => loopP99Ms)),
      maxMs: Math.max(...all.map(({ loopMaxMs }) => loopMaxMs)),
      allowedP99Ms: allowedLoopDelayMs,
    },
  };
}

await runBench({ name: 'claim-peer', own, measure });
