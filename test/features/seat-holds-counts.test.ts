import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { Random } from '../../bench/rush/random.js';
import { connectRedis } from '../../src/redis/connections.js';
import { admitFromLine } from '../../src/redis/line.js';
import { confirmCheckout, freeSeats, issueSeats, markSold } from '../../src/redis/orders.js';
import {
  checkoutHold,
  extendHold,
  type HoldAction,
  releaseHold,
  type Selection,
  type StoredHold,
} from '../../src/redis/seat-holds.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';
import { createHall, holdSeats, newKey, startCheckout } from '../support/events.js';
import { claim, holdMs, loadHall, type ScriptHall } from '../support/halls.js';

let app: TestApp;
const connections: Redis[] = [];
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(async () => {
  for (const connection of connections) connection.disconnect();
  await app.close();
});

async function connect(): Promise<Redis> {
  const { commands, subscriber } = await connectRedis(app.stores.redisUrl, () => {});
  connections.push(commands, subscriber);
  return commands;
}

/** Counts, letters and owners at one instant: nothing runs between the reads of one script. */
const sampleScript = `return { redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3]), redis.call('HKEYS', KEYS[4]) }`;

interface Sample {
  readonly counts: ReadonlyMap<string, number>;
  readonly status: string;
  readonly categories: string;
  /** Indexes of the seats that have a hold. */
  readonly owned: readonly number[];
}

async function sample(redis: Redis, { keys }: ScriptHall): Promise<Sample> {
  const answer = await redis.eval(sampleScript, 4, keys.counts, keys.status, keys.categories, keys.seats);
  const [fields, status, categories, owned] = answer as [string[], string, string, string[]];
  const counts = new Map<string, number>();
  for (let i = 0; i < fields.length; i += 2) counts.set(fields[i]!, Number(fields[i + 1]));
  return { counts, status, categories, owned: owned.map(Number) };
}

/** What is wrong with a sample; the letters are counted anew for every category. */
function faults({ counts, status, categories, owned }: Sample, capacities: readonly number[]): string[] {
  const found: string[] = [];
  const of = (group: number | '*', letter: string) => counts.get(`${group}:${letter}`) ?? 0;
  const groups = [...capacities.entries(), ['*', capacities.reduce((a, b) => a + b, 0)] as const];
  for (const [group, capacity] of groups) {
    const letters = [...status].filter((_, i) => group === '*' || categories.charCodeAt(i) - 33 === group);
    const seen = (letter: string) => letters.filter((l) => l === letter).length;
    const sum = ['.', 'h', 'i', 's', 'r', 'x'].reduce((total, letter) => total + of(group, letter), 0);
    if (sum !== capacity) found.push(`${group}: the counts add up to ${sum}, not ${capacity}`);
    for (const letter of ['.', 's', 'r', 'x'])
      if (seen(letter) !== of(group, letter))
        found.push(`${group}: ${of(group, letter)} ${letter}, seen ${seen(letter)}`);
    if (seen('h') !== of(group, 'h') + of(group, 'i'))
      found.push(`${group}: held and issuing are not the seats shown as h`);
  }
  for (const [field, count] of counts) if (count < 0) found.push(`${field} is ${count}`);
  const taken = new Set(owned);
  for (const [i, letter] of [...status].entries())
    if ('hsr'.includes(letter) !== taken.has(i)) found.push(`seat ${i} is ${letter} and has a hold: ${taken.has(i)}`);
  return found;
}

const revenue = new Map([[0, 1100]]);

/** A buyer who does anything that may be done to seats, in any order; answers how often each action succeeded. */
async function behave(redis: Redis, hall: ScriptHall, seed: number, rounds: number): Promise<Map<string, number>> {
  const { ref, keys, capacities } = hall;
  const random = new Random(seed);
  const person = randomUUID();
  const mine: StoredHold[] = [];
  const done = new Map<string, number>();
  const action = (hold: StoredHold): HoldAction => ({ holdId: hold.holdId, person, fence: String(hold.fence) });
  const order = ({ holdId, seats, prices }: StoredHold) => ({
    ref,
    holdId,
    orderId: `order ${holdId}`,
    person,
    seats,
    prices,
  });
  const select = (): Selection => {
    const kind = random.pick(['seats', 'best', 'standing'] as const);
    if (kind !== 'seats') return { kind, category: random.between(0, 2), quantity: random.between(1, 4) };
    const first = random.between(0, 40);
    return {
      kind,
      indexes: Array.from({ length: random.between(1, 4) }, (_, i) => first + i * random.between(1, 3)).filter(
        (s, i, all) => all.indexOf(s) === i,
      ),
    };
  };
  const actions: Record<string, (hold: StoredHold) => Promise<string>> = {
    extend: async (hold) =>
      (await extendHold(redis, ref, { ...action(hold), extensionMs: holdMs, digest: randomUUID() })).code,
    release: async (hold) => (await releaseHold(redis, ref, action(hold))).code,
    checkout: async (hold) => (await checkoutHold(redis, ref, { ...action(hold), orderId: order(hold).orderId })).code,
    confirm: (hold) =>
      confirmCheckout(redis, {
        ...order(hold),
        payByMs: hold.expiresAtMs + holdMs,
        freeAtMs: hold.expiresAtMs + 2 * holdMs,
      }),
    issue: async (hold) => (await issueSeats(redis, order(hold))).code,
    sell: (hold) => markSold(redis, { ...order(hold), revenue }),
    free: (hold) => freeSeats(redis, order(hold)),
    sweep: async () => ((await admitFromLine(redis, ref)) === null ? 'WRONG_EPOCH' : 'OK'),
    expire: async () =>
      Number(await redis.hincrby(keys.meta, 'lastNow', random.between(0, holdMs / 3))) > 0 ? 'OK' : '',
  };
  for (let round = 0; round < rounds; round += 1) {
    const hold = random.hits(0.35) ? undefined : mine.at(random.between(-3, -1));
    const name = hold === undefined ? 'hold' : random.pick(Object.keys(actions));
    let code: string;
    if (hold === undefined) {
      const answer = await claim(redis, hall, { selection: select(), person, seatsPerPerson: capacities[0]! });
      if (answer.code === 'OK') mine.push(answer.hold);
      code = answer.code;
    } else code = await actions[name]!(hold);
    if (code === 'OK') done.set(name, (done.get(name) ?? 0) + 1);
  }
  return done;
}

test.each([1, 2, 3])(
  'Promise 1: at every instant the counts of every category add up to its capacity and equal the seats shown (seed %i)',
  async (seed) => {
    const reader = await connect();
    const standing = [{ category: 2, places: 10 }];
    const rows = [0, 1, 0, 1].map((category) => ({ category, seats: 12 }));
    // Blocked and returning seats count as well, though nobody can claim them.
    const status = `xxr${'.'.repeat(10)}rx${'.'.repeat(43)}`;
    const hall = await loadHall(reader, { rows, standing, status });
    const buyers = await Promise.all(Array.from({ length: 6 }, connect));
    let running = true;
    const mix = Promise.all(buyers.map((redis, i) => behave(redis, hall, seed * 100 + i, 400))).finally(() => {
      running = false;
    });
    const shown = new Set<string>();
    const found: string[] = [];
    while (running && found.length === 0) {
      const taken = await sample(reader, hall);
      found.push(...faults(taken, hall.capacities));
      shown.add(taken.status);
    }
    const done = (await mix).flatMap((counts) => [...counts.keys()]);
    expect(found).toEqual([]);
    expect(faults(await sample(reader, hall), hall.capacities)).toEqual([]);
    expect(shown.size).toBeGreaterThan(10);
    expect([...new Set(done)].sort()).toEqual([
      'checkout',
      'confirm',
      'expire',
      'extend',
      'free',
      'hold',
      'issue',
      'release',
      'sell',
      'sweep',
    ]);
  },
);

test('Promise 1: what an organizer reads adds up in every category while buyers hold, release, pay and cancel', async () => {
  const hall = await createHall(app.organizer, {
    rows: 2,
    seatsPerRow: 8,
    categories: ['Stalls', 'Circle'],
    standing: 6,
  });
  const { eventId } = hall;
  const buy = async (seed: number) => {
    const random = new Random(seed);
    const buyer = await app.guest();
    for (let round = 0; round < 6; round += 1) {
      const [kind, category] = random.pick([
        ['bestAvailable', 'Stalls'],
        ['bestAvailable', 'Circle'],
        ['standing', 'Standing'],
      ] as const);
      const seats = { [kind]: { categoryId: hall.categoryId(category), quantity: random.between(1, 3) } };
      const { hold } = await holdSeats(buyer, eventId, seats);
      if (hold === null) continue;
      const action = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
      if (random.hits(0.4)) await buyer.mutate('releaseHold', action, 'hold { id }');
      if (random.hits(0.3)) continue;
      const { order } = await startCheckout(buyer, hold);
      if (order === null) continue;
      if (random.hits(0.4))
        await buyer.mutate('cancelOrder', { orderId: order.id, idempotencyKey: newKey() }, 'order { id }');
      else {
        const orders = buyer.subscribe(
          `subscription ($id: ID!) { orderUpdated(orderId: $id) { state payment { clientSecret } } }`,
          { id: order.id },
        );
        const { payment } = await orders.until((value: Data) => value.payment !== null);
        await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
        await orders.until((value: Data) => value.state === 'COMPLETED');
        orders.stop();
      }
    }
  };
  let running = true;
  const mix = Promise.all([1, 2, 3, 4, 5].map(buy)).finally(() => {
    running = false;
  });
  const fields = ['available', 'held', 'issuing', 'sold', 'returning', 'blocked'];
  const seen = new Set<string>();
  const sums = new Set<string>();
  while (running) {
    const { sales } = await app.organizer.run(
      `query ($eventId: ID!) { sales(eventId: $eventId) { categories { capacity ${fields.join(' ')} } } }`,
      { eventId },
    );
    const sum = (c: Data) => fields.reduce((total, field) => total + c[field], 0);
    sums.add(sales.categories.map((c: Data) => `${sum(c)} of ${c.capacity}`).join());
    seen.add(JSON.stringify(sales));
  }
  await mix;
  expect([...sums]).toEqual(['8 of 8,8 of 8,6 of 6']);
  expect(seen.size).toBeGreaterThan(3);
});
