import type { Layout, LayoutPoint, LayoutRow } from './layout.js';

/** Seats side by side: the unit in which best-available searches. A lower quality number is a better place. */
export interface SeatRun {
  readonly category: number;
  /** Position in `Layout.sections`. */
  readonly section: number;
  readonly start: number;
  readonly length: number;
  /** Whole plan pixels from the point halfway between the run's ends to the focal point. */
  readonly quality: number;
  /** Offset in the run of the seat nearest to the focal point; the lower one of two. */
  readonly focus: number;
}

/**
 * Wheelchair places side by side, with the seats on both sides that follow without a gap, where companions sit. `start` and `length`
 * are all of it, `places` and `placeCount` the wheelchair places in it; nothing else in it is one.
 */
export interface AccessibleStretch {
  readonly category: number;
  readonly section: number;
  readonly start: number;
  readonly length: number;
  /** First wheelchair place, as a seat index. */
  readonly places: number;
  readonly placeCount: number;
  readonly quality: number;
}

/** A run is never longer: whoever looks through one does bounded work. */
export const runLengthMax = 256;
/** As far as anybody may sit from the wheelchair places and still be of the same party. */
const partyReach = 20;

/**
 * The static row table of best-available: each numbered seat is in exactly one run. A run is as long as the indexes
 * follow each other in one row and one category with no aisle between. Sorted by category, then quality, then start.
 * The focal point is the one given, otherwise the centre of the box around all seats.
 */
export function seatRuns(layout: Layout, focalPoint: LayoutPoint = centreOf(layout)): readonly SeatRun[] {
  const runs: SeatRun[] = [];
  for (const [section, { rows }] of layout.sections.entries())
    for (const row of rows) addRuns(runs, row, section, focalPoint);
  return runs.sort(byQuality);
}

/** The wheelchair places of a layout with their companions' seats, in the same order as runs. */
export function accessibleStretches(
  layout: Layout,
  focalPoint: LayoutPoint = centreOf(layout),
): readonly AccessibleStretch[] {
  const stretches: AccessibleStretch[] = [];
  for (const [section, { rows }] of layout.sections.entries())
    for (const row of rows) addStretches(stretches, layout, row, section, focalPoint);
  return stretches.sort(byQuality);
}

/** As many seats beside the wheelchair places as there are such places: one companion each, nearest first, left before right. */
export function companionSeats(stretch: AccessibleStretch): readonly number[] {
  const { start, length, places, placeCount } = stretch;
  const seats: number[] = [];
  for (let away = 1; seats.length < placeCount && away <= partyReach; away += 1) {
    if (places - away >= start) seats.push(places - away);
    if (seats.length < placeCount && places + placeCount - 1 + away < start + length)
      seats.push(places + placeCount - 1 + away);
  }
  return seats;
}

type Ranked = Pick<SeatRun, 'category' | 'quality' | 'start'>;

function byQuality(a: Ranked, b: Ranked): number {
  return a.category - b.category || a.quality - b.quality || a.start - b.start;
}

function addRuns(runs: SeatRun[], row: LayoutRow, section: number, focalPoint: LayoutPoint): void {
  const { gapsSquared, pitchSquared } = measure(row);
  let start = 0;
  for (let end = 1; end <= row.seats.length; end++) {
    const first = row.seats[start]!;
    // 4 gap² > 9 pitch² is gap > 1.5 pitch, in whole numbers.
    const aisle = end === row.seats.length || 4 * gapsSquared[end - 1]! > 9 * pitchSquared;
    if (!aisle && row.seats[end]!.category === first.category && end - start < runLengthMax) continue;
    const last = row.seats[end - 1]!;
    const quality = distance({ x: (first.x + last.x) / 2, y: (first.y + last.y) / 2 }, focalPoint);
    const focus = nearest(row.seats.slice(start, end), focalPoint);
    runs.push({ category: first.category, section, start: row.firstSeat + start, length: end - start, quality, focus });
    start = end;
  }
}

function addStretches(
  stretches: AccessibleStretch[],
  layout: Layout,
  row: LayoutRow,
  section: number,
  focalPoint: LayoutPoint,
): void {
  const { seats, firstSeat } = row;
  const accessible = seats.map(({ category }) => layout.categories[category]!.accessible);
  if (!accessible.includes(true)) return;
  const { gapsSquared, pitchSquared } = measure(row);
  // A wheelchair is wider than a seat: beside one, 2.5 pitches are still no aisle.
  const joined = (left: number) => {
    const wide = accessible[left]! || accessible[left + 1]!;
    return left >= 0 && left + 1 < seats.length && 4 * gapsSquared[left]! <= (wide ? 25 : 9) * pitchSquared;
  };
  for (let first = 0; first < seats.length; first += 1) {
    if (!accessible[first]) continue;
    const { category } = seats[first]!;
    let last = first;
    while (joined(last) && seats[last + 1]!.category === category) last += 1;
    let [from, to] = [first, last];
    while (first - from < partyReach && joined(from - 1) && !accessible[from - 1]) from -= 1;
    while (to - last < partyReach && joined(to) && !accessible[to + 1]) to += 1;
    const near = nearest(seats.slice(first, last + 1), focalPoint);
    stretches.push({
      category,
      section,
      start: firstSeat + from,
      length: to - from + 1,
      places: firstSeat + first,
      placeCount: last - first + 1,
      quality: distance(seats[first + near]!, focalPoint),
    });
    first = last;
  }
}

function measure(row: LayoutRow): { readonly gapsSquared: readonly number[]; readonly pitchSquared: number } {
  const gapsSquared: number[] = [];
  for (let i = 1; i < row.seats.length; i++) gapsSquared.push(distanceSquared(row.seats[i - 1]!, row.seats[i]!));
  return { gapsSquared, pitchSquared: commonPitchSquared(gapsSquared) };
}

/**
 * The gap that a quarter of the row's gaps do not exceed. Straight-line gaps make the rule the same for rows along
 * either axis, slanted or curved; the quarter, not the median, still finds the pitch of a short row cut by two aisles.
 */
function commonPitchSquared(gapsSquared: readonly number[]): number {
  const sorted = Float64Array.from(gapsSquared).sort();
  return Math.max(1, sorted[(sorted.length - 1) >> 2] ?? 1);
}

function nearest(seats: readonly LayoutPoint[], point: LayoutPoint): number {
  let best = 0;
  for (let i = 1; i < seats.length; i += 1)
    if (distanceSquared(seats[i]!, point) < distanceSquared(seats[best]!, point)) best = i;
  return best;
}

function distanceSquared(a: LayoutPoint, b: LayoutPoint): number {
  return (a.x - b.x) ** 2 + (a.y - b.y) ** 2;
}

/** Whole pixels; the square root is exactly rounded on every machine, which keeps equal layouts equal everywhere. */
function distance(a: LayoutPoint, b: LayoutPoint): number {
  return Math.round(Math.sqrt(distanceSquared(a, b)));
}

function centreOf(layout: Layout): LayoutPoint {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const section of layout.sections) {
    for (const row of section.rows) {
      for (const { x, y } of row.seats) {
        if (x < left) left = x;
        if (x > right) right = x;
        if (y < top) top = y;
        if (y > bottom) bottom = y;
      }
    }
  }
  return left <= right ? { x: (left + right) / 2, y: (top + bottom) / 2 } : { x: 0, y: 0 };
}
