import { startTestApp, type TestApp } from '../support/app.js';
import type { ApiClient, Data, Stream } from '../support/client.js';
import { createHall, holdSeats, newKey, plainPlan, salesTotals, type TestHall } from '../support/events.js';
import { eventually } from '../support/eventually.js';
import { keysOf } from '../support/keys.js';
import { calm, pay, startOrder } from '../support/orders.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
// Other tests have moved the time of the processes, not that of their own events.
beforeEach(() => calm(app));

const outcome = ({ hold, errors }: Data): string | string[] => errors[0]?.code ?? hold.seats.map((s: Data) => s.id);

async function saveChannel(hall: TestHall, channel: object): Promise<string> {
  const input = { eventId: hall.eventId, name: 'Sponsors', accessCode: 'sponsor', ...channel };
  const { channel: saved, errors } = await app.organizer.mutate('saveChannel', input, 'channel { id name releaseAt }');
  if (saved === null) throw new Error(JSON.stringify(errors));
  return saved.id;
}

async function allocate(hall: TestHall, input: object): Promise<number> {
  const { seats, errors } = await app.organizer.mutate('allocateSeats', { eventId: hall.eventId, ...input }, 'seats');
  if (seats === null) throw new Error(JSON.stringify(errors));
  return seats;
}

/** Holds with an access code, or as somebody who needs a wheelchair place. */
function holdWith(client: ApiClient, hall: TestHall, seats: object, access: object = {}): Promise<Data> {
  const input = { eventId: hall.eventId, idempotencyKey: newKey(), seats, ...access };
  return client.mutate('holdSeats', input, 'hold { id fence seats { id } }');
}

const withCode = { accessCode: 'sponsor' };

/** What somebody sees of a hall now. */
async function states(client: ApiClient, hall: TestHall, args = ''): Promise<string> {
  const query = `query ($id: ID!) { seatMap(eventId: $id) { state${args} { states } } }`;
  return (await client.run(query, { id: hall.eventId })).seatMap.state.states;
}

function follow(client: ApiClient, hall: TestHall, args = ''): Stream {
  return client.subscribe(
    `subscription ($id: ID!) { seatMapChanged(eventId: $id${args}) {
      ... on SeatMapSnapshot { version states } ... on SeatMapDelta { version seats states } } }`,
    { id: hall.eventId },
  );
}

/** A hall of two rows of five whose first row is the sponsors'. */
async function sponsored(channel: object = {}): Promise<{ hall: TestHall; channelId: string }> {
  const hall = await createHall(app.organizer, { rows: 2, seatsPerRow: 5 });
  const channelId = await saveChannel(hall, channel);
  expect(await allocate(hall, { seats: { seatIds: hall.rows[0] }, to: 'CHANNEL', channelId })).toBe(5);
  return { hall, channelId };
}

describe('Seats of a channel', () => {
  test('are held by those who have its code, by name and as the best, and by nobody else', async () => {
    const { hall } = await sponsored();
    const [buyer, sponsor] = [await app.guest(), await app.guest()];
    expect(outcome(await holdWith(buyer, hall, { seatIds: ['1-1'] }))).toBe('SEATS_UNAVAILABLE');
    expect(outcome(await holdWith(buyer, hall, { seatIds: ['1-1'] }, { accessCode: 'guessed' }))).toBe('INVALID_INPUT');
    expect(outcome(await holdWith(sponsor, hall, { seatIds: ['1-1', '2-1'] }, withCode))).toEqual(['1-1', '2-1']);
    const best = { bestAvailable: { categoryId: '0', quantity: 4 } };
    expect(outcome(await holdWith(sponsor, hall, best, { accessCode: ' Sponsor ' }))).toEqual([
      '1-2',
      '1-3',
      '1-4',
      '1-5',
    ]);
    expect(outcome(await holdWith(buyer, hall, best))).toEqual(['2-2', '2-3', '2-4', '2-5']);
    expect(outcome(await holdWith(buyer, hall, { bestAvailable: { categoryId: '0', quantity: 1 } }))).toBe('SOLD_OUT');
    // The organizer's people use every channel without a code.
    const other = await sponsored({ accessCode: null });
    expect(outcome(await holdWith(buyer, other.hall, { seatIds: ['1-1'] }))).toBe('SEATS_UNAVAILABLE');
    expect(outcome(await holdWith(app.organizer, other.hall, { seatIds: ['1-1'] }))).toEqual(['1-1']);
  });

  test('go back to their channel when a hold ends, and count in the sales as free', async () => {
    const { hall } = await sponsored();
    const [buyer, sponsor] = [await app.guest(), await app.guest()];
    const { hold } = await holdWith(sponsor, hall, { seatIds: ['1-1'] }, withCode);
    expect(await salesTotals(app.organizer, hall.eventId)).toMatchObject({ capacity: 10, available: 9, held: 1 });
    const { id: holdId, fence } = hold;
    await sponsor.mutate('releaseHold', { holdId, fence, idempotencyKey: newKey() }, 'hold { id }');
    expect(outcome(await holdWith(buyer, hall, { seatIds: ['1-1'] }))).toBe('SEATS_UNAVAILABLE');
    expect(await salesTotals(app.organizer, hall.eventId)).toMatchObject({ available: 10, held: 0 });
  });

  test('read x to everybody else, in a query and in a stream, which tells nothing of what happens to them', async () => {
    const { hall } = await sponsored();
    const [buyer, sponsor] = [await app.guest(), await app.guest()];
    const code = '(accessCode: "sponsor")';
    expect(await states(buyer, hall)).toBe('xxxxx.....');
    expect(await states(sponsor, hall, code)).toBe('..........');
    expect(await states(app.organizer, hall)).toBe('..........');
    const [outside, inside] = [follow(buyer, hall), follow(sponsor, hall, ', accessCode: "sponsor"')];
    expect((await outside.next()).states).toBe('xxxxx.....');
    expect((await inside.next()).states).toBe('..........');
    await holdWith(sponsor, hall, { seatIds: ['1-1'] }, withCode);
    expect(await inside.next()).toMatchObject({ seats: '0', states: 'h' });
    await holdWith(buyer, hall, { seatIds: ['2-1'] });
    expect(await outside.next()).toMatchObject({ seats: '5', states: 'h' });
    expect(await states(buyer, hall)).toBe('xxxxxh....');
    await expect(follow(buyer, hall, ', accessCode: "guessed"').next()).rejects.toThrow('INVALID_INPUT');
  });

  test('are everybody’s from the instant of their release rule, whether or not a loop has come by', async () => {
    const releaseAt = new Date(app.clock.nowMs() + 3_600_000).toISOString();
    const { hall } = await sponsored({ releaseAt });
    const buyer = await app.guest();
    const outside = follow(buyer, hall);
    await outside.next();
    await app.advance(hall.eventId, 3_599_000);
    expect(outcome(await holdWith(buyer, hall, { seatIds: ['1-1'] }))).toBe('SEATS_UNAVAILABLE');
    await app.advance(hall.eventId, 2_000);
    expect(outcome(await holdWith(buyer, hall, { seatIds: ['1-1'] }))).toEqual(['1-1']);
    const best = { bestAvailable: { categoryId: '0', quantity: 4 } };
    expect(outcome(await holdWith(await app.guest(), hall, best))).toEqual(['1-2', '1-3', '1-4', '1-5']);
    await outside.until(({ states: letters }) => letters.includes('h'));
    await eventually(async () => expect(await states(buyer, hall)).toBe('hhhhh.....'));
  });

  test('that have changed hands while they were held stay with who holds them', async () => {
    const { hall, channelId } = await sponsored();
    const buyer = await app.guest();
    const { hold } = await holdWith(buyer, hall, { seatIds: ['2-1', '2-2'] });
    await allocate(hall, { seats: { seatIds: ['2-1'] }, to: 'CHANNEL', channelId });
    await allocate(hall, { seats: { seatIds: ['2-2'] }, to: 'NOBODY' });
    const { id: holdId, fence } = hold;
    await buyer.mutate('releaseHold', { holdId, fence, idempotencyKey: newKey() }, 'hold { id }');
    expect(await states(buyer, hall)).toBe('xxxxxxx...');
    expect(await states(buyer, hall, '(accessCode: "sponsor")')).toBe('......x...');
    expect(outcome(await holdWith(app.organizer, hall, { seatIds: ['2-2'] }))).toBe('SEATS_UNAVAILABLE');
    await allocate(hall, { seats: { categoryId: '0' }, to: 'EVERYBODY' });
    // The map this process has read already follows by messages.
    await eventually(async () => expect(await states(buyer, hall)).toBe('..........'));
    expect(await salesTotals(app.organizer, hall.eventId)).toMatchObject({ available: 10, blocked: 0 });
  });

  test('are theirs again after Redis was lost', async () => {
    const { hall } = await sponsored();
    await app.server.services.platform.redis.flushall();
    await app.server.services.inventory.rebuild(hall.eventId);
    expect(await states(await app.guest(), hall)).toBe('xxxxx.....');
  });

  test('An event has its channels by name, and only its organizer reads them', async () => {
    const { hall } = await sponsored();
    await saveChannel(hall, { name: 'Press' });
    const again = await saveChannel(hall, { name: 'Press', accessCode: 'other code' });
    const query = 'query ($id: ID!) { event(id: $id) { channels { id name } } }';
    const { event } = await app.organizer.run(query, { id: hall.eventId });
    expect(event.channels).toEqual([
      { id: 'A', name: 'Accessible' },
      { id: 'B', name: 'Sponsors' },
      { id: again, name: 'Press' },
    ]);
    expect((await app.anonymous.run(query, { id: hall.eventId })).event.channels).toEqual([]);
  });
});

describe('Wheelchair places', () => {
  /** One row: four seats, two wheelchair places, four seats. Companions sit at 1-4, 1-7 (one each). */
  async function accessibleHall(event: object = {}): Promise<TestHall> {
    const plan = plainPlan({ rows: 1, seatsPerRow: 10, categories: ['Stalls'] }) as Data;
    plan.categories.push({ name: 'Stalls wheelchair', color: '#336699' });
    for (const seat of [4, 5]) plan.zones[0].rows[0].seats[seat].category = 'Stalls wheelchair';
    const { venue } = await app.organizer.mutate('importVenue', { plan: JSON.stringify(plan) }, 'venue { id }');
    const prices = ['Stalls', 'Stalls wheelchair'].map((category) => ({ category, priceMinor: 1000, feeMinor: 100 }));
    const input = {
      venueId: venue.id,
      name: 'Test',
      startsAt: '2030-01-01T19:00:00Z',
      currency: 'EUR',
      prices,
      ...event,
    };
    const created = await app.organizer.mutate(
      'createEvent',
      { saleOpensAt: '2026-01-01T00:00:00Z', ...input },
      'event { id }',
    );
    const eventId: string = created.event.id;
    await app.organizer.mutate('publishEvent', { eventId }, 'event { id }');
    const rows = [Array.from({ length: 10 }, (_, seat) => `1-${seat + 1}`)];
    return { eventId, rows, categoryId: (name) => (name === 'Stalls' ? '0' : '1') };
  }

  test("Promise 8: they and their companions' seats are kept for those who need them until the release rule fires", async () => {
    const accessibleReleaseAt = new Date(app.clock.nowMs() + 3_600_000).toISOString();
    const hall = await accessibleHall({ accessibleReleaseAt });
    const buyer = await app.guest();
    expect(await states(buyer, hall)).toBe('...xxxx...');
    expect(await states(buyer, hall, '(accessible: true)')).toBe('..........');
    const best = (quantity: number) => ({ bestAvailable: { categoryId: '0', quantity } });
    expect(outcome(await holdWith(buyer, hall, best(4)))).toBe('NO_ADJACENT_SEATS');
    expect(outcome(await holdWith(buyer, hall, { seatIds: ['1-4'] }))).toBe('SEATS_UNAVAILABLE');
    await app.advance(hall.eventId, 3_600_000);
    expect(outcome(await holdWith(buyer, hall, best(4)))).toEqual(['1-1', '1-2', '1-3', '1-4']);
    await eventually(async () => expect(await states(buyer, hall)).toBe('hhhh......'));
  });

  test('are given with the seats beside them, as many as are asked for of each', async () => {
    const hall = await accessibleHall();
    const best = (categoryId: string, quantity: number, accessible?: number) => ({
      bestAvailable: { categoryId, quantity, ...(accessible !== undefined && { accessible }) },
    });
    const ask = async (wish: object) => outcome(await holdWith(await app.guest(), hall, wish));
    expect(await ask(best('0', 2, 1))).toEqual(['1-4', '1-5']);
    expect(await ask(best('1', 3, 1))).toEqual(['1-6', '1-7', '1-8']);
    expect(await ask(best('1', 1))).toBe('SOLD_OUT');
    expect(await ask(best('0', 2, 3))).toBe('INVALID_INPUT');
    const plain = await createHall(app.organizer);
    expect(outcome(await holdWith(await app.guest(), plain, best('0', 2, 1)))).toBe('INVALID_INPUT');
  });

  test('named one by one ask for the word that somebody needs them', async () => {
    const hall = await accessibleHall();
    const buyer = await app.guest();
    expect(outcome(await holdWith(buyer, hall, { seatIds: ['1-5'] }))).toBe('SEATS_UNAVAILABLE');
    expect(outcome(await holdWith(buyer, hall, { seatIds: ['1-5'] }, { accessible: true }))).toEqual(['1-5']);
  });

  test('that are left when all else is sold are had without waiting in a line for nothing', async () => {
    const hall = await accessibleHall({
      waitingRoom: 'ALWAYS',
      activeCap: 1,
      admitPerSecond: 1000,
      maxSeatsPerHold: 10,
    });
    const { redis } = app.server.services.platform;
    const first = await app.guest();
    const { entry } = await first.mutate('joinQueue', { eventId: hall.eventId }, 'entry { id state }');
    expect(entry.state).toBe('ADMITTED');
    const { hold } = await holdSeats(first, hall.eventId, { seatIds: ['1-1', '1-2', '1-3', '1-8', '1-9', '1-10'] });
    const other = await app.guest();
    await other.mutate('joinQueue', { eventId: hall.eventId }, 'entry { id }');
    const wish = { bestAvailable: { categoryId: '1', quantity: 1 } };
    expect(outcome(await holdWith(other, hall, wish))).toBe('NOT_ADMITTED');
    const checkout = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
    const { order } = await first.mutate('startCheckout', checkout, 'order { id }');
    const stream = first.subscribe(
      'subscription ($id: ID!) { orderUpdated(orderId: $id) { state payment { clientSecret } } }',
      { id: order.id },
    );
    const { payment } = await stream.until((update) => update.payment !== null);
    await app.provider.confirm(payment.clientSecret, 'pm_card_visa');
    await stream.until(({ state }) => state === 'COMPLETED');
    await eventually(async () => expect(await redis.hget(keysOf(hall.eventId).meta, 'phase')).toBe('SOLD_OUT'));
    expect(outcome(await holdWith(other, hall, wish))).toEqual(['1-5']);
  });

  test('reopen a sale that is sold out when they become everybody’s', async () => {
    const accessibleReleaseAt = new Date(app.clock.nowMs() + 3_600_000).toISOString();
    const hall = await accessibleHall({ accessibleReleaseAt, maxSeatsPerHold: 10 });
    const phase = () => app.server.services.platform.redis.hget(keysOf(hall.eventId).meta, 'phase');
    const { stream } = await startOrder(app, hall, ['1-1', '1-2', '1-3', '1-8', '1-9', '1-10']);
    await pay(app, stream);
    await eventually(async () => expect(await phase()).toBe('SOLD_OUT'));
    await app.advance(hall.eventId, 3_600_000);
    await eventually(async () => expect(await phase()).toBe('OPEN'));
  });
});
