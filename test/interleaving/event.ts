import type { Client } from 'pg';
import { derivedId } from '../../src/domain/ids.js';
import { parseVenuePlan } from '../../src/domain/venue-plan.js';
import { plainPlan } from '../support/events.js';

/** Two rows of two seats; the rows cost differently, so that revenue by category tells them apart. */
export const seatIds = ['1-1', '1-2', '2-1', '2-2'] as const;
const plan = plainPlan({ rows: 2, seatsPerRow: 2, categories: ['Stalls', 'Circle'] });
const prices = [
  { priceMinor: 1_000, feeMinor: 100 },
  { priceMinor: 2_500, feeMinor: 0 },
] as const;
export const eventId = derivedId('event', 'interleaving');
export const organizerId = derivedId('organizer', 'interleaving');

/** The event of all runs, as it is before it has been loaded into Redis. */
export async function writeEvent(client: Client): Promise<void> {
  const parsed = parseVenuePlan(JSON.stringify(plan));
  if ('errors' in parsed) throw new Error(JSON.stringify(parsed.errors));
  await client.query('INSERT INTO organizer (id, name) VALUES ($1, $2)', [organizerId, 'Interleaving']);
  await client.query(
    `INSERT INTO event (id, organizer_id, name, state, starts_at, time_zone, currency, sale_opens_at, waiting_room, admit_per_second,
       active_cap, max_seats_per_hold, max_seats_per_person, hold_ttl_ms)
     VALUES ($1, $2, 'Interleaving', 'PUBLISHED', '2200-01-01', 'UTC', 'EUR', '2026-01-01', 'NEVER', 100, 100, 10, 10, 300000)`,
    [eventId, organizerId],
  );
  for (const [category, { priceMinor, feeMinor }] of prices.entries())
    await client.query('INSERT INTO event_category VALUES ($1, $2, $3, $4)', [eventId, category, priceMinor, feeMinor]);
  await client.query('INSERT INTO layout VALUES ($1, 1, $2)', [eventId, JSON.stringify(parsed.layout)]);
  await client.query(
    `INSERT INTO inventory (event_id, generation, layout_version, capacity, draw_seed, channels, opened_at)
     VALUES ($1, 0, 1, $2, '00', $3, '2026-01-01')`,
    [eventId, seatIds.length, '.'.repeat(seatIds.length)],
  );
}
