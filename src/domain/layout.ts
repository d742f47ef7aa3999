import assert from 'node:assert/strict';

/**
 * A venue as it is sold. Every place, numbered seat or standing place, has a dense index 0..seatCount-1 that is fixed
 * once and never reused: rows take theirs in plan order, whatever is added later goes to the end.
 */
export interface Layout {
  readonly name: string;
  readonly categories: readonly LayoutCategory[];
  readonly sections: readonly LayoutSection[];
  /** Numbered seats plus standing places. */
  readonly seatCount: number;
}

/** A price category; its position in `Layout.categories` is the category index used everywhere else. */
export interface LayoutCategory {
  readonly name: string;
  readonly color: string;
  readonly accessible: boolean;
}

export interface LayoutSection {
  /** Slug of the name, unique within the layout. */
  readonly id: string;
  readonly name: string;
  readonly rows: readonly LayoutRow[];
  readonly standing: readonly LayoutStanding[];
  readonly decorations: readonly LayoutDecoration[];
}

/** The index of `seats[i]` is `firstSeat + i`. */
export interface LayoutRow {
  readonly label: string;
  readonly firstSeat: number;
  readonly seats: readonly LayoutSeat[];
}

/** A numbered seat; x and y are absolute whole plan pixels. */
export interface LayoutSeat {
  readonly guid: string;
  readonly label: string;
  readonly category: number;
  readonly x: number;
  readonly y: number;
}

/** Standing room: `count` places without labels, at the indexes `firstSeat`..`firstSeat + count - 1`. */
export interface LayoutStanding {
  readonly name: string;
  readonly category: number;
  readonly firstSeat: number;
  readonly count: number;
}

export interface LayoutPoint {
  readonly x: number;
  readonly y: number;
}

/** Something to draw that nobody sits on: the stage, the pitch, a pillar. Absolute whole plan pixels, degrees. */
export interface LayoutDecoration {
  readonly shape: 'rectangle' | 'ellipse' | 'polygon' | 'text';
  /** The upper left corner of a rectangle, the centre of an ellipse, the anchor of a polygon or text. */
  readonly x: number;
  readonly y: number;
  /** 0 for a polygon and a text. */
  readonly width: number;
  readonly height: number;
  readonly rotationDegrees: number;
  /** Absolute corners of a polygon, otherwise empty. */
  readonly points: readonly LayoutPoint[];
  readonly color: string | null;
  readonly text: string | null;
}

/** What a person is told about one place. A standing place has no row, seat label or guid, but a standing name. */
export interface SeatDescription {
  readonly sectionId: string;
  readonly sectionName: string;
  readonly rowLabel: string | null;
  readonly seatLabel: string | null;
  readonly guid: string | null;
  readonly standingName: string | null;
  readonly category: number;
}

export interface StandingPlaces {
  readonly sectionName: string;
  readonly name: string;
  /** An existing category by name; a new name adds a category behind the others. */
  readonly category: string;
  readonly count: number;
  /** Used for a new category only. */
  readonly color?: string;
}

/** A category index is one byte wherever it is stored per seat. */
export const categoryCountMax = 256;
export const defaultColor = '#888888';
const slugLengthMax = 60;

/** Standing places are named by their index behind this prefix; no numbered seat may be. */
export const standingSeatPrefix = 'standing:';

/** Accessible places are those whose category name ends in the word Rollstuhl, wheelchair or accessible, in any case. */
export function isAccessibleCategory(name: string): boolean {
  return /(?:^|[^\p{L}\p{N}])(?:rollstuhl|wheelchair|accessible)\s*$/iu.test(name);
}

/**
 * For every category the one of its wheelchair places: named as the category itself with one of those words behind it. A category of
 * wheelchair places stands for itself.
 */
export function accessibleOf(layout: Layout): ReadonlyMap<number, number> {
  const byName = new Map(layout.categories.map(({ name }, index) => [name, index]));
  const found = new Map<number, number>();
  for (const [index, { name, accessible }] of layout.categories.entries()) {
    if (!accessible) continue;
    found.set(index, index);
    const base = byName.get(name.replace(/[\s\p{P}]*(?:rollstuhl|wheelchair|accessible)\s*$/iu, ''));
    if (base !== undefined) found.set(base, index);
  }
  return found;
}

/** Makes section ids: the same names in the same order give the same ids, and no id is given twice. */
export class SectionIds {
  private readonly taken = new Set<string>();
  private readonly nextSuffix = new Map<string, number>();

  constructor(taken: Iterable<string> = []) {
    for (const id of taken) this.taken.add(id);
  }

  take(name: string): string {
    const slug = slugOf(name);
    let id = slug;
    let suffix = this.nextSuffix.get(slug) ?? 2;
    while (this.taken.has(id)) id = `${slug}-${suffix++}`;
    this.nextSuffix.set(slug, suffix);
    this.taken.add(id);
    return id;
  }
}

function slugOf(name: string): string {
  const ascii = name.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replaceAll('ß', 'ss');
  const words = ascii.replace(/[^a-z0-9]+/g, '-').slice(0, slugLengthMax);
  return words.replace(/^-+|-+$/g, '') || 'section';
}

/** The index ranges [first, count] of a section, ascending, with neighbouring ranges merged. */
export function seatRanges(section: LayoutSection): readonly (readonly [first: number, count: number])[] {
  const spans: [number, number][] = [];
  for (const row of section.rows) spans.push([row.firstSeat, row.seats.length]);
  for (const standing of section.standing) spans.push([standing.firstSeat, standing.count]);
  spans.sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [first, count] of spans) {
    const last = merged.at(-1);
    if (last && last[0] + last[1] === first) last[1] += count;
    else if (count > 0) merged.push([first, count]);
  }
  return merged;
}

/** For every seat index the position of its section in `layout.sections`. */
export function sectionOfSeat(layout: Layout): Uint16Array {
  assert(layout.sections.length <= 65_536, 'a section position must fit two bytes');
  const sections = new Uint16Array(layout.seatCount);
  layout.sections.forEach((section, position) => {
    for (const [first, count] of seatRanges(section)) sections.fill(position, first, first + count);
  });
  return sections;
}

/** For every seat index its category index. */
export function categoryOf(layout: Layout): Uint8Array {
  assert(layout.categories.length <= categoryCountMax, 'a category index must fit one byte');
  const categories = new Uint8Array(layout.seatCount);
  for (const section of layout.sections) {
    for (const row of section.rows) {
      for (const [i, seat] of row.seats.entries()) categories[row.firstSeat + i] = seat.category;
    }
    for (const standing of section.standing) {
      categories.fill(standing.category, standing.firstSeat, standing.firstSeat + standing.count);
    }
  }
  return categories;
}

interface Span {
  readonly first: number;
  readonly count: number;
  readonly section: LayoutSection;
  readonly source: LayoutRow | LayoutStanding;
}

/** Answers questions about single places. Built once per layout version; a lookup by index takes O(log rows). */
export class LayoutIndex {
  private readonly spans: readonly Span[];
  /** For every seat index the position of its span. */
  private readonly spanAt: Uint32Array;
  private readonly indexes = new Map<string, number>();

  constructor(readonly layout: Layout) {
    const spans: Span[] = [];
    for (const section of layout.sections) {
      for (const row of section.rows) {
        spans.push({ first: row.firstSeat, count: row.seats.length, section, source: row });
        for (const [i, seat] of row.seats.entries()) this.indexes.set(seat.guid, row.firstSeat + i);
      }
      for (const standing of section.standing) {
        spans.push({ first: standing.firstSeat, count: standing.count, section, source: standing });
      }
    }
    this.spans = spans;
    this.spanAt = new Uint32Array(layout.seatCount);
    for (const [at, { first, count }] of spans.entries()) this.spanAt.fill(at, first, first + count);
  }

  /** The index of a numbered seat, or null for an unknown guid. */
  indexOf(guid: string): number | null {
    return this.indexes.get(guid) ?? null;
  }

  /** The section a place lies in, or null if there is no such index. */
  sectionOf(index: number): LayoutSection | null {
    return this.spanOf(index)?.section ?? null;
  }

  /** Everything a person may read about a place, or null if there is no such index. */
  describe(index: number): SeatDescription | null {
    const span = this.spanOf(index);
    if (!span) return null;
    const { section, source } = span;
    const place = { sectionId: section.id, sectionName: section.name };
    if (!('seats' in source)) {
      const { name: standingName, category } = source;
      return { rowLabel: null, seatLabel: null, guid: null, standingName, category, ...place };
    }
    const { label: seatLabel, guid, category } = source.seats[index - span.first]!;
    return { rowLabel: source.label, seatLabel, guid, standingName: null, category, ...place };
  }

  /** What stands on a ticket; no such index is a bug. */
  nameOf(index: number): string {
    const place = this.describe(index);
    assert(place !== null, `there is no place ${index}`);
    const seat = place.rowLabel === null ? place.standingName : `row ${place.rowLabel}, seat ${place.seatLabel}`;
    return `${place.sectionName}, ${seat}`;
  }

  private spanOf(index: number): Span | null {
    const at = this.spanAt[index];
    return at === undefined ? null : this.spans[at]!;
  }
}

/**
 * The layout with standing places added behind all existing indexes, in the first section of that name or in a new
 * one. Names are taken as they are: whoever calls has checked them. A count below one is a bug.
 */
export function withStanding(layout: Layout, places: StandingPlaces): Layout {
  const { sectionName, name, count, color = defaultColor } = places;
  assert(Number.isSafeInteger(count) && count > 0, `standing places must be a positive whole number, not ${count}`);
  const known = layout.categories.findIndex((category) => category.name === places.category);
  const category = known < 0 ? layout.categories.length : known;
  assert(category < categoryCountMax, 'a category index must fit one byte');
  const added = { name: places.category, color, accessible: isAccessibleCategory(places.category) };
  const standing: LayoutStanding = { name, category, firstSeat: layout.seatCount, count };
  const home = layout.sections.findIndex((section) => section.name === sectionName);
  return {
    ...layout,
    categories: known < 0 ? [...layout.categories, added] : layout.categories,
    sections: home < 0 ? [...layout.sections, newSection()] : layout.sections.map(extended),
    seatCount: layout.seatCount + count,
  };

  function newSection(): LayoutSection {
    const id = new SectionIds(layout.sections.map((section) => section.id)).take(sectionName);
    return { id, name: sectionName, rows: [], standing: [standing], decorations: [] };
  }
  function extended(section: LayoutSection, position: number): LayoutSection {
    return position === home ? { ...section, standing: [...section.standing, standing] } : section;
  }
}
