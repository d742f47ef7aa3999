import type { ApiClient, Data } from './client.js';

export interface HallOptions {
  readonly rows?: number;
  readonly seatsPerRow?: number;
  /** Categories by row, in turn; every one costs 1,000 + 100 fee. */
  readonly categories?: readonly string[];
  readonly standing?: number;
  /** Fields of createEvent that differ from the defaults. */
  readonly event?: object;
}

export interface TestHall {
  readonly eventId: string;
  /** Seat ids by row. */
  readonly rows: readonly (readonly string[])[];
  readonly categoryId: (name: string) => string;
}

/** A seating plan of plain rows: seat `R-S` in row R. */
export function plainPlan({ rows = 2, seatsPerRow = 10, categories = ['Stalls'] }: HallOptions = {}): object {
  return {
    name: 'Test hall',
    categories: categories.map((name) => ({ name, color: '#336699' })),
    zones: [
      {
        name: 'Floor',
        position: { x: 0, y: 0 },
        areas: [],
        rows: Array.from({ length: rows }, (_, row) => ({
          row_number: String(row + 1),
          position: { x: 0, y: row * 30 },
          seats: Array.from({ length: seatsPerRow }, (_, seat) => ({
            seat_guid: `${row + 1}-${seat + 1}`,
            seat_number: String(seat + 1),
            position: { x: seat * 25, y: 0 },
            category: categories[row % categories.length],
          })),
        })),
      },
    ],
  };
}

/** Imports, creates and publishes an event through the API, as an organizer does. Its sale is open. */
export async function createHall(organizer: ApiClient, options: HallOptions = {}): Promise<TestHall> {
  const { rows = 2, seatsPerRow = 10, categories = ['Stalls'], standing = 0 } = options;
  const names = standing > 0 ? [...categories, 'Standing'] : categories;
  const imported = await organizer.mutate('importVenue', { plan: JSON.stringify(plainPlan(options)) }, 'venue { id }');
  const input = {
    venueId: imported.venue.id,
    name: 'Test event',
    startsAt: '2030-01-01T19:00:00Z',
    // Long ago: whatever time a test has set, by its event or by its processes.
    saleOpensAt: '2026-01-01T00:00:00Z',
    currency: 'EUR',
    prices: names.map((category) => ({ category, priceMinor: 1000, feeMinor: 100 })),
    standing: standing > 0 ? [{ section: 'Pit', name: 'Pit', category: 'Standing', places: standing }] : [],
    ...options.event,
  };
  const created = await organizer.mutate('createEvent', input, 'event { id }');
  if (created.event === null) throw new Error(JSON.stringify(created.errors));
  const eventId: string = created.event.id;
  await organizer.mutate('publishEvent', { eventId }, 'event { id state }');
  return {
    eventId,
    rows: Array.from({ length: rows }, (_, r) => Array.from({ length: seatsPerRow }, (_, s) => `${r + 1}-${s + 1}`)),
    categoryId: (name) => String(names.indexOf(name)),
  };
}

export const holdSelection = `hold {
  id fence state seats { id index } total { amountMinor currency } expiresAt extensionsEndAt payBy expiryWarning orderId now
}`;

export const orderSelection = `order {
  id state version total { amountMinor currency } lastDecline payBy lines { seatId total { amountMinor } }
  payment { paymentIntentId clientSecret } tickets { id state seatId qr }
}`;

let keys = 0;
export const newKey = () => `key-${process.pid}-${++keys}`;

/** Holds seats; answers the payload. */
export function holdSeats(client: ApiClient, eventId: string, seats: object, idempotencyKey = newKey()): Promise<Data> {
  return client.mutate('holdSeats', { eventId, idempotencyKey, seats }, holdSelection);
}

export function startCheckout(client: ApiClient, hold: Data, idempotencyKey = newKey()): Promise<Data> {
  return client.mutate('startCheckout', { holdId: hold.id, fence: hold.fence, idempotencyKey }, orderSelection);
}

export const orderStream = `subscription ($orderId: ID!) { orderUpdated(orderId: $orderId) {
  id state version lastDecline payment { paymentIntentId clientSecret } tickets { id state seatId qr }
} }`;

/** The counts of a sale, summed over categories, as the organizer sees them. */
export async function salesTotals(organizer: ApiClient, eventId: string): Promise<Record<string, number>> {
  const fields = ['capacity', 'available', 'held', 'issuing', 'sold', 'returning', 'blocked'];
  const { sales } = await organizer.run(
    `query ($eventId: ID!) { sales(eventId: $eventId) { categories { ${fields.join(' ')} } } }`,
    { eventId },
  );
  return Object.fromEntries(fields.map((f) => [f, sales.categories.reduce((sum: number, c: Data) => sum + c[f], 0)]));
}
