import { startTestApp, type TestApp } from '../support/app.js';
import type { Data } from '../support/client.js';
import { createHall, holdSeats } from '../support/events.js';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

/** Asks as one buyer after the other; answers the seats or the code of the refusal. */
async function best(eventId: string, quantity: number, categoryId = '0'): Promise<string[] | string> {
  const payload = await holdSeats(await app.guest(), eventId, { bestAvailable: { categoryId, quantity } });
  return payload.hold?.seats.map((seat: Data) => seat.id) ?? payload.errors[0].code;
}

async function take(eventId: string, seatIds: readonly string[]): Promise<void> {
  const { errors } = await holdSeats(await app.guest(), eventId, { seatIds });
  expect(errors).toEqual([]);
}

/** A published event with the seats of each row at these places along it. */
async function hallWithSeatsAt(rows: readonly (readonly number[])[]): Promise<string> {
  const plan = {
    name: 'Hall with aisles',
    categories: [{ name: 'Stalls', color: '#336699' }],
    zones: [
      {
        name: 'Floor',
        position: { x: 0, y: 0 },
        areas: [],
        rows: rows.map((places, row) => ({
          row_number: String(row + 1),
          position: { x: 0, y: row * 30 },
          seats: places.map((x, seat) => ({
            seat_guid: `${row + 1}-${seat + 1}`,
            seat_number: String(seat + 1),
            position: { x, y: 0 },
            category: 'Stalls',
          })),
        })),
      },
    ],
  };
  const { venue } = await app.organizer.mutate('importVenue', { plan: JSON.stringify(plan) }, 'venue { id }');
  const input = {
    venueId: venue.id,
    name: 'Test event',
    startsAt: '2030-01-01T19:00:00Z',
    currency: 'EUR',
    prices: [{ category: 'Stalls', priceMinor: 1000, feeMinor: 100 }],
  };
  const { event } = await app.organizer.mutate('createEvent', input, 'event { id }');
  await app.organizer.mutate('publishEvent', { eventId: event.id }, 'event { id }');
  return event.id;
}

test('Best available takes neighbours from the best row first, then from the next best', async () => {
  const { eventId } = await createHall(app.organizer, { rows: 3, seatsPerRow: 4 });
  expect(await best(eventId, 4)).toEqual(['2-1', '2-2', '2-3', '2-4']);
  // Rows 1 and 3 are equally near to the centre: the one with the lower seats comes first.
  expect(await best(eventId, 2)).toEqual(['1-1', '1-2']);
  expect(await best(eventId, 3)).toEqual(['3-1', '3-2', '3-3']);
});

test('Best available answers the same in the same state', async () => {
  const answers: (string | string[])[][] = [];
  for (let hall = 0; hall < 3; hall += 1) {
    const { eventId } = await createHall(app.organizer, { rows: 3, seatsPerRow: 7 });
    await take(eventId, ['2-3', '1-1', '3-5']);
    const given: (string | string[])[] = [];
    for (const quantity of [2, 3, 1, 2, 4, 2, 1]) given.push(await best(eventId, quantity));
    answers.push(given);
  }
  expect(answers[1]).toEqual(answers[0]);
  expect(answers[2]).toEqual(answers[0]);
});

test('Best available leaves no new single seat while another block exists, even one in a worse row', async () => {
  const { eventId } = await createHall(app.organizer, { rows: 3, seatsPerRow: 3 });
  // Row 2 is the best; taking its seats 1 and 2 would leave seat 3 alone.
  await take(eventId, ['1-1']);
  expect(await best(eventId, 2)).toEqual(['1-2', '1-3']);
});

test('Best available looks for a block without remainder further along the same row', async () => {
  const { eventId } = await createHall(app.organizer, { rows: 1, seatsPerRow: 6 });
  await take(eventId, ['1-4']);
  expect(await best(eventId, 2)).toEqual(['1-5', '1-6']);
  expect(await best(eventId, 3)).toEqual(['1-1', '1-2', '1-3']);
});

test('Best available leaves a single seat when there is no other choice', async () => {
  const { eventId } = await createHall(app.organizer, { rows: 2, seatsPerRow: 3 });
  expect(await best(eventId, 2)).toEqual(['1-1', '1-2']);
  expect(await best(eventId, 2)).toEqual(['2-1', '2-2']);
  expect(await best(eventId, 1)).toEqual(['1-3']);
});

test('An aisle splits a row: neighbours are never on both sides of it', async () => {
  const eventId = await hallWithSeatsAt([[0, 25, 50, 125, 150, 175]]);
  await take(eventId, ['1-1', '1-6']);
  expect(await best(eventId, 3)).toBe('NO_ADJACENT_SEATS');
  // Two on each side: no block of them leaves a single seat behind.
  expect(await best(eventId, 2)).toEqual(['1-2', '1-3']);
  expect(await best(eventId, 2)).toEqual(['1-4', '1-5']);
});

test('A seat alone behind an aisle is not a remainder of the block before it', async () => {
  const eventId = await hallWithSeatsAt([[0, 25, 100]]);
  expect(await best(eventId, 2)).toEqual(['1-1', '1-2']);
});

test('Best available stays within its category', async () => {
  const { eventId, categoryId } = await createHall(app.organizer, { rows: 2, seatsPerRow: 2, categories: ['A', 'B'] });
  expect(await best(eventId, 2, categoryId('B'))).toEqual(['2-1', '2-2']);
  expect(await best(eventId, 2, categoryId('B'))).toBe('SOLD_OUT');
  expect(await best(eventId, 2, categoryId('A'))).toEqual(['1-1', '1-2']);
});

test('NO_ADJACENT_SEATS says how many are free, SOLD_OUT that none is', async () => {
  const { eventId } = await createHall(app.organizer, { rows: 1, seatsPerRow: 5 });
  await take(eventId, ['1-2', '1-4']);
  const buyer = await app.guest();
  const payload = await buyer.run(
    `mutation ($input: HoldSeatsInput!) { holdSeats(input: $input) { hold { id } errors { ... on NoAdjacentSeats { code available } } } }`,
    { input: { eventId, idempotencyKey: 'k', seats: { bestAvailable: { categoryId: '0', quantity: 2 } } } },
  );
  expect(payload.holdSeats).toEqual({ hold: null, errors: [{ code: 'NO_ADJACENT_SEATS', available: 3 }] });
  await take(eventId, ['1-1', '1-3', '1-5']);
  expect(await best(eventId, 1)).toBe('SOLD_OUT');
});

test('Standing places are taken first free, need not be neighbours and have no label', async () => {
  const { eventId, categoryId } = await createHall(app.organizer, { rows: 1, seatsPerRow: 3, standing: 5 });
  const stand = async (quantity: number) => {
    const buyer = await app.guest();
    const payload = await holdSeats(buyer, eventId, { standing: { categoryId: categoryId('Standing'), quantity } });
    return { buyer, ...payload };
  };
  const indexes = ({ hold }: Data) => hold.seats.map((seat: Data) => seat.index);
  const first = await stand(1);
  const second = await stand(1);
  const third = await stand(2);
  expect([first, second, third].map(indexes)).toEqual([[3], [4], [5, 6]]);
  expect(first.hold.seats[0].id).toBe('standing:3');
  const { id, fence } = first.hold;
  await first.buyer.mutate('releaseHold', { holdId: id, fence, idempotencyKey: 'r' }, 'hold { id }');
  expect((await stand(3)).errors[0].code).toBe('NO_ADJACENT_SEATS');
  expect(indexes(await stand(2))).toEqual([3, 7]);
  expect((await stand(1)).errors[0].code).toBe('SOLD_OUT');
  // The seats beside them are another matter.
  expect(await best(eventId, 3)).toEqual(['1-1', '1-2', '1-3']);
});
