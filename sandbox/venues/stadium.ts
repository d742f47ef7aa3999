import assert from 'node:assert/strict';

/** The open seating-plan JSON format, as far as the generator writes it. Positions are relative to the parent. */
export interface VenuePlan {
  readonly name: string;
  readonly size: { readonly width: number; readonly height: number };
  readonly categories: readonly { readonly name: string; readonly color: string }[];
  readonly zones: readonly PlanZone[];
}

interface PlanPoint {
  readonly x: number;
  readonly y: number;
}

interface PlanZone {
  readonly name: string;
  readonly position: PlanPoint;
  readonly rows: readonly PlanRow[];
  readonly areas?: readonly PlanArea[];
}

interface PlanRow {
  readonly row_number: string;
  readonly position: PlanPoint;
  readonly seats: readonly PlanSeat[];
}

interface PlanSeat {
  readonly seat_guid: string;
  readonly seat_number: string;
  readonly position: PlanPoint;
  readonly category: string;
}

interface PlanArea {
  readonly position: PlanPoint;
  readonly width: number;
  readonly height: number;
  readonly color: string;
  readonly text: string;
}

const seatsMax = 100_000;
const blockSeatsMax = 500;
const rowSeatsMean = 26;
/** One pixel is 2.5 cm: a seat is 50 cm wide, a row 80 cm deep, the pitch 105 by 68 m. */
const seatWidth = 20;
const rowDepth = 32;
const pitch = { width: 4_200, height: 2_720 };
const blockWidth = 700;
const tierDepth = 760;
const pitchMargin = 200;
const wheelchairShare = 1 / 200;

const prices = [
  { name: 'Category 1', color: '#1D3557' },
  { name: 'Category 2', color: '#E87722' },
  { name: 'Category 3', color: '#2A9D8F' },
];

/** Where a block stands: on one side of the pitch, so many places from the middle of that side, in one tier. */
interface Slot {
  readonly side: 'north' | 'south' | 'west' | 'east';
  readonly offset: number;
  readonly tier: number;
}

/**
 * A football stadium with exactly that many seats (1 to 100,000), the same for the same number: blocks of about 500
 * around a pitch in tiers, rows of 20 to 30 that grow towards the back with an aisle in the middle, three price
 * categories, and every two-hundredth place for a wheelchair, in the front row next to the stairs.
 */
export function stadiumPlan(seats: number): VenuePlan {
  assert(Number.isInteger(seats) && seats >= 1 && seats <= seatsMax, `seats must be 1 to ${seatsMax}, not ${seats}`);
  const blockCount = Math.ceil(seats / blockSeatsMax);
  const slots = slotsInOrder(blockCount);
  const depth = pitchMargin + (slots.at(-1)!.tier + 1) * tierDepth;
  const size = { width: pitch.width + 2 * depth, height: pitch.height + 2 * depth };
  const centre = { x: size.width / 2, y: size.height / 2 };
  const zones = slots.map((slot, i) => {
    const from = Math.floor((seats * i) / blockCount);
    const to = Math.floor((seats * (i + 1)) / blockCount);
    const wheelchairs = Math.round(to * wheelchairShare) - Math.round(from * wheelchairShare);
    return blockZone(`${slot.tier + 1}${String(i + 1).padStart(2, '0')}`, slot, centre, to - from, wheelchairs);
  });
  zones[0] = { ...zones[0]!, areas: [pitchArea(zones[0]!.position, centre)] };
  const categories = prices.flatMap(({ name, color }) => [
    { name, color },
    { name: `${name} wheelchair`, color },
  ]);
  return { name: `Stadium with ${seats} seats`, size, categories, zones };
}

/** Fills tier by tier, in each tier from the middle of all four sides outwards. */
function slotsInOrder(count: number): readonly Slot[] {
  const slots: Slot[] = [];
  for (let tier = 0; slots.length < count; tier++) {
    // Each tier stands further out, so that two more blocks fit on every side.
    const perSide = { north: 6 + 2 * tier, south: 6 + 2 * tier, west: 4 + 2 * tier, east: 4 + 2 * tier };
    const places = Object.entries(perSide).flatMap(([side, blocks]) =>
      Array.from({ length: blocks }, (_, i) => ({ side: side as Slot['side'], offset: i - (blocks - 1) / 2, tier })),
    );
    slots.push(...places.sort((a, b) => Math.abs(a.offset) - Math.abs(b.offset)));
  }
  return slots.slice(0, count);
}

function blockZone(id: string, slot: Slot, centre: PlanPoint, seats: number, wheelchairs: number): PlanZone {
  const along = slot.side === 'north' || slot.side === 'south';
  const lengths = rowLengths(seats);
  const origin = placed(slot, {
    along: slot.offset * blockWidth,
    away: (along ? pitch.height : pitch.width) / 2 + pitchMargin + slot.tier * tierDepth,
  });
  const rows = lengths.map((length, row) => {
    const rank = slot.tier + (along ? 0 : 1) + (row < lengths.length / 2 ? 0 : 1);
    const price = prices[Math.min(rank, prices.length - 1)]!.name;
    const aisle = Math.floor(length / 2);
    // The aisle stands where the block's middle is, so that the stairs of all rows form one line.
    const seat = (i: number): PlanSeat => ({
      seat_guid: `${id}-${row + 1}-${i + 1}`,
      seat_number: String(i + 1),
      position: placed(slot, { along: (i < aisle ? i - aisle : i - aisle + 1) * seatWidth, away: 0 }),
      category: row === 0 && i >= aisle && i < aisle + wheelchairs ? `${price} wheelchair` : price,
    });
    const position = placed(slot, { along: 0, away: row * rowDepth });
    return { row_number: String(row + 1), position, seats: Array.from({ length }, (_, i) => seat(i)) };
  });
  return { name: `Block ${id}`, position: { x: centre.x + origin.x, y: centre.y + origin.y }, rows };
}

/** Splits a block into rows whose lengths differ by a few seats, the short ones in front. */
function rowLengths(seats: number): readonly number[] {
  const rows = Math.ceil(seats / rowSeatsMean);
  // Opposite rows give and take the same number, so the sum stays exact.
  const growth = (row: number): number => (rows < 4 ? 0 : Math.trunc((5 * (row - (rows - 1) / 2)) / (rows - 1)));
  return Array.from({ length: rows }, (_, row) => {
    return Math.floor((seats * (row + 1)) / rows) - Math.floor((seats * row) / rows) + growth(row);
  });
}

/** Turns "along the side, away from the pitch" into plan directions; `0 - away` because `-away` could be -0. */
function placed({ side }: Slot, { along, away }: { readonly along: number; readonly away: number }): PlanPoint {
  switch (side) {
    case 'north':
      return { x: along, y: 0 - away };
    case 'south':
      return { x: along, y: away };
    case 'west':
      return { x: 0 - away, y: along };
    case 'east':
      return { x: away, y: along };
  }
}

function pitchArea(zone: PlanPoint, centre: PlanPoint): PlanArea {
  const position = { x: centre.x - pitch.width / 2 - zone.x, y: centre.y - pitch.height / 2 - zone.y };
  return { position, ...pitch, color: '#3A7D44', text: 'Pitch' };
}
