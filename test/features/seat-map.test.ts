import { Redis } from 'ioredis';
import { applySeatMapUpdate, cursorOf, type KnownSeats, type SeatMapMessage } from '../../client/seat-map.js';
import type { SeatUpdate } from '../../src/pubsub/seat-map.js';
import type { Watch } from '../../src/pubsub/watch.js';
import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data, Stream } from '../support/client.js';
import { createHall, holdSeats, newKey, orderStream, salesTotals, startCheckout } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { neededHeapBytes } from '../support/heap.js';
import { keysOf, presentKeys } from '../support/keys.js';
import { holdLock, inventoryLock } from '../support/locks.js';
import { ended, startOrder } from '../support/orders.js';

// Every wait here is for a message that comes within seconds, or never.
jest.setTimeout(20_000);

let app: TestApp;
let admin: Redis;
beforeAll(async () => {
  app = await startTestApp();
  admin = new Redis(app.stores.redisUrl);
  admin.on('error', () => {});
});
afterAll(async () => {
  admin.disconnect();
  await app.close();
});

const changes = `subscription ($eventId: ID!, $sectionId: ID, $since: SeatMapCursor) {
  seatMapChanged(eventId: $eventId, sectionId: $sectionId, since: $since) {
    __typename
    ... on SeatMapSnapshot { epoch version layoutVersion states }
    ... on SeatMapDelta { epoch version layoutVersion fromVersion seats states }
  }
}`;

/** What Redis itself says, past every mirror. */
const statusOf = async (eventId: string) => (await admin.get((await presentKeys(admin, eventId)).status))!;
const versionOf = async (eventId: string) => Number(await admin.hget(keysOf(eventId).meta, 'version'));

const textOf = (known: KnownSeats | null) =>
  [...(known?.states ?? [])]
    .sort(([a], [b]) => a - b)
    .map(([, letter]) => letter)
    .join('');

/** A client that follows the rule of PROTOCOL.md, and remembers what it was sent. */
class Follower {
  readonly #client: ApiClient;
  readonly #variables: object;
  readonly #ranges: readonly { first: number; count: number }[];
  readonly messages: SeatMapMessage[] = [];
  known: KnownSeats | null = null;
  stream: Stream;

  constructor(
    client: ApiClient,
    hall: { eventId: string; sectionId?: string; ranges: { first: number; count: number }[] },
  ) {
    this.#client = client;
    this.#ranges = hall.ranges;
    this.#variables = { eventId: hall.eventId, sectionId: hall.sectionId };
    this.stream = client.subscribe(changes, this.#variables);
  }

  /** Subscribes again with what is known, as after a lost connection. */
  resume(): void {
    this.stream.stop();
    this.stream = this.#client.subscribe(changes, { ...this.#variables, since: this.known && cursorOf(this.known) });
  }

  async next(): Promise<SeatMapMessage> {
    const message: SeatMapMessage = await this.stream.next();
    this.messages.push(message);
    const known = applySeatMapUpdate(this.known, message, this.#ranges);
    if (known === 'resubscribe') this.resume();
    else this.known = known;
    return message;
  }

  async untilKnown(fits: (known: KnownSeats) => boolean): Promise<void> {
    while (this.known === null || !fits(this.known)) await this.next();
  }
}

function follow(client: ApiClient, eventId: string, seatCount: number): Follower {
  return new Follower(client, { eventId, ranges: [{ first: 0, count: seatCount }] });
}

const queryState = `query ($eventId: ID!) { seatMap(eventId: $eventId) { state { epoch version layoutVersion states } } }`;
const freshState = async (client: ApiClient, eventId: string): Promise<Data> =>
  (await client.run(queryState, { eventId })).seatMap.state;

test('Promise 22: state and its version change together, and every published change follows the one before it', async () => {
  const { eventId, rows } = await createHall(app.organizer, { rows: 4, seatsPerRow: 10 });
  const status = [...(await statusOf(eventId))];
  let version = await versionOf(eventId);
  const listener = new Redis(app.stores.redisUrl);
  const published: { g: number; v: number; f: number; i: string; s: string; h?: string }[] = [];
  listener.on('message', (_channel, text) => published.push(JSON.parse(text)));
  await listener.subscribe(keysOf(eventId).seatChannel);
  const buyers = await Promise.all(Array.from({ length: 10 }, () => app.guest()));
  const seats = rows.flat();
  // Everybody wants overlapping seats, and half of them give theirs back: claims, refusals and releases interleave.
  await Promise.all(
    buyers.flatMap((buyer, at) =>
      [0, 1, 2].map(async (turn) => {
        const first = (at * 7 + turn * 13) % (seats.length - 2);
        const { hold } = await holdSeats(buyer, eventId, { seatIds: seats.slice(first, first + 2) });
        if (hold === null || at % 2 === 0) return;
        await buyer.mutate(
          'releaseHold',
          { holdId: hold.id, fence: hold.fence, idempotencyKey: hold.id.slice(0, 90) },
          'hold { id }',
        );
      }),
    ),
  );
  const finalVersion = await versionOf(eventId);
  await eventually(async () => expect(published.filter((m) => m.h === undefined).at(-1)?.v).toBe(finalVersion));
  listener.disconnect();
  const moved = published.filter((message) => message.v !== message.f);
  expect(moved.length).toBeGreaterThan(10);
  for (const message of moved) {
    expect(message.f).toBe(version);
    expect(message.v).toBe(version + 1);
    version = message.v;
    if (message.i === '') continue;
    for (const [at, index] of message.i.split(',').entries()) status[Number(index)] = message.s[at]!;
  }
  expect(version).toBe(finalVersion);
  expect(status.join('')).toBe(await statusOf(eventId));
});

test('Promise 23: a stream begins with a snapshot, goes on with deltas, and ends equal to a fresh query', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const watcher = follow(app.anonymous, eventId, 20);
  expect(await watcher.next()).toMatchObject({ __typename: 'SeatMapSnapshot', states: '.'.repeat(20) });
  const [one, two] = [await app.guest(), await app.guest()];
  await Promise.all([
    holdSeats(one, eventId, { seatIds: rows[0]!.slice(0, 3) }),
    holdSeats(two, eventId, { seatIds: rows[1]!.slice(4, 6) }),
    holdSeats(two, eventId, { seatIds: [rows[0]![9]!] }),
  ]);
  const version = await versionOf(eventId);
  await watcher.untilKnown((known) => known.version === version);
  expect(watcher.messages.slice(1).every(({ __typename }) => __typename === 'SeatMapDelta')).toBe(true);
  const fresh = await freshState(app.anonymous, eventId);
  expect({ ...cursorOf(watcher.known!), states: textOf(watcher.known) }).toEqual(fresh);
  expect(fresh.states).toBe(await statusOf(eventId));
  watcher.stream.stop();
});

test('Promise 23: with a `since` that is still known the answer is one delta at once, empty if nothing has changed', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const buyer = await app.guest();
  const watcher = follow(app.anonymous, eventId, 20);
  await watcher.next();
  watcher.resume();
  const { version } = watcher.known!;
  expect(await watcher.next()).toMatchObject({ __typename: 'SeatMapDelta', fromVersion: version, version, seats: '' });
  watcher.stream.stop();
  await holdSeats(buyer, eventId, { seatIds: [rows[0]![2]!] });
  await holdSeats(buyer, eventId, { seatIds: [rows[0]![5]!] });
  watcher.resume();
  const message = await watcher.next();
  expect(message).toMatchObject({ __typename: 'SeatMapDelta', fromVersion: version });
  await watcher.untilKnown((known) => known.version === version + 2);
  expect(watcher.messages.filter(({ __typename }) => __typename === 'SeatMapSnapshot')).toHaveLength(1);
  expect(textOf(watcher.known)).toBe(await statusOf(eventId));
  watcher.stream.stop();
});

test('Promise 23: a `since` of another epoch, of another layout version or too old is answered with a snapshot', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const buyer = await app.guest();
  const { hold } = await holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] });
  const { states: _, ...cursor } = await freshState(app.anonymous, eventId);
  const first = async (since: object) => {
    const stream = app.anonymous.subscribe(changes, { eventId, since });
    const message = await stream.next();
    stream.stop();
    return message.__typename;
  };
  await eventually(async () => expect(await first(cursor)).toBe('SeatMapDelta'));
  expect(await first({ ...cursor, epoch: '999' })).toBe('SeatMapSnapshot');
  expect(await first({ ...cursor, layoutVersion: cursor.layoutVersion + 1 })).toBe('SeatMapSnapshot');
  expect(await first({ ...cursor, version: cursor.version + 1_000 })).toBe('SeatMapSnapshot');
  expect(await first({ ...cursor, version: 0 })).toBe('SeatMapSnapshot');
  expect(hold.state).toBe('HELD');
});

test('Promise 23: changes lost while the process was cut off from Redis reach every watcher without another change', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const buyer = await app.guest();
  const watcher = follow(app.anonymous, eventId, 20);
  await watcher.next();
  // Cut off again and again until the change is made, so that its message finds no listener.
  let made = false;
  const cut = (async () => {
    while (!made) await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  })();
  await holdSeats(buyer, eventId, { seatIds: rows[0]!.slice(3, 6) });
  made = true;
  await cut;
  const version = await versionOf(eventId);
  await watcher.untilKnown((known) => known.version === version);
  expect(textOf(watcher.known)).toBe(await statusOf(eventId));
  // The stream has survived: what comes next is a delta again.
  await holdSeats(buyer, eventId, { seatIds: [rows[1]![0]!] });
  await watcher.untilKnown((known) => known.version === version + 1);
  expect(watcher.messages.at(-1)).toMatchObject({ __typename: 'SeatMapDelta' });
  expect(textOf(watcher.known)).toBe(await statusOf(eventId));
  watcher.stream.stop();
});

test('Promise 23: after Redis has lost the event every watcher gets a snapshot of the new epoch', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const buyer = await app.guest();
  await holdSeats(buyer, eventId, { seatIds: rows[0]!.slice(0, 2) });
  const watcher = follow(app.anonymous, eventId, 20);
  const before: SeatMapMessage = await watcher.next();
  expect(textOf(watcher.known)).toContain('h');
  await admin.flushall();
  await watcher.untilKnown(({ epoch }) => epoch !== before.epoch);
  expect(watcher.messages.at(-1)).toMatchObject({ __typename: 'SeatMapSnapshot', states: '.'.repeat(20) });
  await holdSeats(buyer, eventId, { seatIds: rows[1]!.slice(0, 2) });
  const version = await versionOf(eventId);
  await watcher.untilKnown((known) => known.version === version);
  expect(textOf(watcher.known)).toBe(await statusOf(eventId));
  watcher.stream.stop();
});

test('Promise 23: a section stream tells of its section alone and still ends equal to the hall', async () => {
  const { eventId, rows } = await createHall(app.organizer, { standing: 5 });
  const { seatMap } = await app.anonymous.run(
    `query ($eventId: ID!) { seatMap(eventId: $eventId) { sections { id name firstSeats counts } } }`,
    { eventId },
  );
  const pit = seatMap.sections.find(({ name }: Data) => name === 'Pit');
  const ranges = pit.firstSeats.map((first: number, at: number) => ({ first, count: pit.counts[at] }));
  const watcher = new Follower(app.anonymous, { eventId, sectionId: pit.id, ranges });
  expect(await watcher.next()).toMatchObject({ __typename: 'SeatMapSnapshot', states: '.....' });
  const buyer = await app.guest();
  await holdSeats(buyer, eventId, { seatIds: rows[0]!.slice(0, 2) });
  await holdSeats(buyer, eventId, { standing: { categoryId: '1', quantity: 2 } });
  await watcher.untilKnown((known) => textOf(known) === 'hh...');
  for (const message of watcher.messages.slice(1)) {
    if (message.__typename === 'SeatMapDelta') expect(message.seats).toBe('20,21');
  }
  await holdSeats(buyer, eventId, { seatIds: [rows[1]![0]!] });
  watcher.resume();
  expect(await watcher.next()).toMatchObject({ __typename: 'SeatMapDelta', seats: '' });
  expect(textOf(watcher.known)).toBe((await statusOf(eventId)).slice(20));
  watcher.stream.stop();
});

test('Promise 24: whoever is told nothing for long keeps nothing of what was told last', async () => {
  const { eventId, rows } = await createHall(app.organizer, { standing: 5 });
  const { seatMap } = await app.anonymous.run(
    'query ($eventId: ID!) { seatMap(eventId: $eventId) { sections { id name } } }',
    { eventId },
  );
  const pit = seatMap.sections.find(({ name }: Data) => name === 'Pit');
  const watch = async (sectionId: string | null) => {
    const wish = { eventId, sectionId, accessible: false, accessCode: null };
    return (await app.server.services.seatMaps.watch(null, wish, null)) as Watch<SeatUpdate>;
  };
  const told: WeakRef<SeatUpdate>[] = [];
  const kindOfNext = async (from: Watch<SeatUpdate>) => {
    const { value } = await from.next();
    told.push(new WeakRef(value));
    return value.kind;
  };
  const buyer = await app.guest();
  const idle = await watch(pit.id);
  expect(await kindOfNext(idle)).toBe('snapshot');
  await holdSeats(buyer, eventId, { standing: { categoryId: '1', quantity: 1 } });
  expect(await kindOfNext(idle)).toBe('delta');
  // From here on something happens elsewhere alone.
  const busy = await watch(null);
  await busy.next();
  await holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] });
  await busy.next();
  expect(idle.take()).toBeNull();
  await neededHeapBytes();
  expect(told.map((update) => update.deref())).toEqual([undefined, undefined]);
  for (const one of [idle, busy]) await one.return();
});

test('An unknown event or section is refused with NOT_FOUND and its path', async () => {
  const { eventId } = await createHall(app.organizer);
  const unknown = '00000000-0000-4000-8000-000000000000';
  await expect(app.anonymous.subscribe(changes, { eventId: unknown }).next()).rejects.toThrow(/"code":"NOT_FOUND"/);
  await expect(app.anonymous.subscribe(changes, { eventId, sectionId: 'none' }).next()).rejects.toThrow(/"sectionId"/);
  await expect(app.anonymous.subscribe(changes, { eventId: 'x' }).next()).rejects.toThrow(/"code":"NOT_FOUND"/);
});

const salesStream = `subscription ($eventId: ID!) { salesChanged(eventId: $eventId) {
  epoch version revenue { amountMinor } categories { capacity available held issuing sold returning blocked }
} }`;

test('Live sales are for the organizer alone', async () => {
  const { eventId } = await createHall(app.organizer);
  const guest = await app.guest();
  await expect(guest.subscribe(salesStream, { eventId }).next()).rejects.toThrow(/FORBIDDEN/);
  await expect(app.anonymous.subscribe(salesStream, { eventId }).next()).rejects.toThrow(/UNAUTHENTICATED/);
});

describe('Live sales', () => {
  async function buy(eventId: string, seatIds: readonly string[]): Promise<string> {
    const buyer = await app.guest();
    const { hold } = await holdSeats(buyer, eventId, { seatIds });
    const { order } = await startCheckout(buyer, hold);
    const orders = buyer.subscribe(orderStream, { orderId: order.id });
    const { payment } = await orders.until((update) => update.payment !== null);
    await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
    await orders.until(({ state }) => state === 'COMPLETED');
    return order.id;
  }

  async function inLedger(eventId: string): Promise<{ sold: number; minor: number }> {
    const [row] = await app.sql<{ sold: number; minor: number }>(
      `SELECT count(*)::int AS sold, COALESCE(sum(l.price_minor + l.fee_minor), 0)::int AS minor
       FROM seat_owner s JOIN order_line l ON l.order_id = s.order_id AND l.seat_index = s.seat_index
       WHERE s.event_id = $1 AND s.state = 'ISSUED'`,
      [eventId],
    );
    return row!;
  }

  test('Promise 26: live sales never exceed the ledger while selling and equal it in the end', async () => {
    const { eventId, rows } = await createHall(app.organizer);
    const stream = app.organizer.subscribe(salesStream, { eventId });
    const selling = Promise.all([0, 2, 4, 6, 8].map((at) => buy(eventId, rows[0]!.slice(at, at + 2))));
    let sold = 0;
    while (sold < 10) {
      const { categories, revenue } = await stream.next();
      const [{ capacity, ...counts }] = categories;
      expect(Object.values<number>(counts).reduce((sum, n) => sum + n, 0)).toBe(capacity);
      // Read after the sample: what was live then must be in the ledger by now.
      const ledger = await inLedger(eventId);
      expect(counts.sold).toBeLessThanOrEqual(ledger.sold);
      expect(revenue.amountMinor).toBeLessThanOrEqual(ledger.minor);
      sold = counts.sold;
    }
    await selling;
    expect(await inLedger(eventId)).toEqual({ sold: 10, minor: 11_000 });
    expect(await salesTotals(app.organizer, eventId)).toMatchObject({ sold: 10, available: 10, held: 0, issuing: 0 });
    stream.stop();
  });

  test('Promise 26: what is being paid is not yet sold, and what is being given back is sold no longer', async () => {
    const { eventId, rows } = await createHall(app.organizer);
    const { redis } = app.server.services.platform;
    const stream = app.organizer.subscribe(salesStream, { eventId });
    const totals = () => salesTotals(app.organizer, eventId);
    // The payment is there, and the ledger has not yet written down whose the seats are.
    const paying = await startOrder(app, { eventId, rows, categoryId: () => '0' }, rows[1]!.slice(0, 2));
    const { payment } = await paying.stream.until((update) => update.payment !== null);
    const ledger = await holdLock(app.stores.databaseUrl, inventoryLock, [`inventory:${eventId}`]);
    await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
    await ledger.blocked();
    expect(await totals()).toMatchObject({ issuing: 2, sold: 0 });
    await ledger.release();
    await ended(paying.stream, 'COMPLETED');
    expect(await totals()).toMatchObject({ issuing: 0, sold: 2 });
    const kept = await buy(eventId, rows[0]!.slice(0, 2));
    const refunded = await buy(eventId, rows[0]!.slice(2, 4));
    expect(kept).not.toBe(refunded);
    // The provider takes its time over the refund.
    await app.provider.settings({ latencyMs: 2_000 });
    const input = { orderId: refunded, idempotencyKey: newKey() };
    await app.organizer.mutate('refundOrder', input, 'order { state }');
    const returning = await stream.until(({ categories: [category] }) => category.returning > 0);
    expect(returning.categories[0]).toMatchObject({ sold: 4, returning: 2, available: 14 });
    expect(returning.revenue.amountMinor).toBe(4_400);
    await app.provider.settings({ latencyMs: 0 });
    await stream.until(({ categories: [category] }) => category.available === 16);
    expect(await totals()).toMatchObject({ sold: 4, returning: 0, available: 16 });
    expect(await inLedger(eventId)).toEqual({ sold: 4, minor: 4_400 });
    expect(await redis.hget(keysOf(eventId).counts, '0:revenue')).toBe('4400');
    stream.stop();
  });
});

test('The reducer refuses what does not follow and ignores what is known already', () => {
  const snapshot = { __typename: 'SeatMapSnapshot', epoch: '1', version: 5, layoutVersion: 1, states: '..' } as const;
  const ranges = [{ first: 0, count: 2 }];
  const known = applySeatMapUpdate(null, snapshot, ranges) as KnownSeats;
  const delta = {
    ...snapshot,
    __typename: 'SeatMapDelta',
    fromVersion: 4,
    version: 7,
    seats: '1',
    states: 'h',
  } as const;
  expect(textOf(applySeatMapUpdate(known, delta, ranges) as KnownSeats)).toBe('.h');
  expect(applySeatMapUpdate(known, { ...delta, version: 5 }, ranges)).toBe(known);
  expect(applySeatMapUpdate(known, { ...delta, fromVersion: 6 }, ranges)).toBe('resubscribe');
  expect(applySeatMapUpdate(known, { ...delta, epoch: '2' }, ranges)).toBe('resubscribe');
  expect(applySeatMapUpdate(known, { ...delta, layoutVersion: 2 }, ranges)).toBe('resubscribe');
  expect(applySeatMapUpdate(null, delta, ranges)).toBe('resubscribe');
  expect(applySeatMapUpdate(known, { ...snapshot, states: '...' }, ranges)).toBe('resubscribe');
});

test('Promise 23: a stream outlives a restart of Redis and goes on with a snapshot of the new epoch', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const buyer = await app.guest();
  const watcher = follow(app.anonymous, eventId, 20);
  const before: SeatMapMessage = await watcher.next();
  await app.stores.redis.kill();
  await app.stores.redis.start();
  await watcher.untilKnown(({ epoch }) => epoch !== before.epoch);
  expect(watcher.messages.at(-1)).toMatchObject({ __typename: 'SeatMapSnapshot' });
  await eventually(async () => {
    const { hold } = await holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] }, 'after the restart');
    expect(hold).not.toBeNull();
  });
  await watcher.untilKnown((known) => textOf(known).startsWith('h'));
  expect(textOf(watcher.known)).toBe(await statusOf(eventId));
  watcher.stream.stop();
});
