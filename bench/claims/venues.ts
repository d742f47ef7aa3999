import { stadiumPlan, type VenuePlan } from '../../sandbox/venues/stadium.js';
import { type HallFacts, readHall } from '../support/halls.js';

const seatWidth = 20;
const rowDepth = 32;

/** The stadium of that many seats: sections of about 500, rows of about 26 with an aisle in the middle, three categories. */
export function stadium(seats: number): HallFacts {
  return readHall(stadiumPlan(seats));
}

/** All seats in one section and one category, rows of `rowSeats` with an aisle behind every `block` seats. */
export function oneSection(seats: number, shape: { readonly rowSeats: number; readonly block: number }): HallFacts {
  const { rowSeats, block } = shape;
  const category = 'Everywhere';
  const rows = Array.from({ length: Math.ceil(seats / rowSeats) }, (_, row) => ({
    row_number: String(row + 1),
    position: { x: 0, y: row * rowDepth },
    seats: Array.from({ length: Math.min(rowSeats, seats - row * rowSeats) }, (_, seat) => ({
      seat_guid: `${row + 1}-${seat + 1}`,
      seat_number: String(seat + 1),
      // An aisle is as wide as two seats.
      position: { x: (seat + 2 * Math.floor(seat / block)) * seatWidth, y: 0 },
      category,
    })),
  }));
  const plan: VenuePlan = {
    name: `One section of ${seats} seats`,
    size: { width: 10_000, height: 10_000 },
    categories: [{ name: category, color: '#1D3557' }],
    zones: [{ name: 'Everything', position: { x: 0, y: 0 }, rows }],
  };
  return readHall(plan);
}
