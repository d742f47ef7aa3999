import {
  defaultColor,
  isAccessibleCategory,
  type Layout,
  type LayoutCategory,
  type LayoutDecoration,
  type LayoutPoint,
  type LayoutRow,
  type LayoutSeat,
  type LayoutSection,
  SectionIds,
  standingSeatPrefix,
} from './layout.js';

/** What a plan may cost and contain. Whatever exceeds a bound is refused, never cut. */
export interface PlanBounds {
  /** Size of the text as UTF-8. */
  readonly maxBytes: number;
  readonly maxSeats: number;
  /** UTF-16 units of any name, label, guid or colour. */
  readonly maxNameLength: number;
  /** How many errors are listed before "and N more". */
  readonly maxErrors: number;
  /** Objects and arrays in the text, counted before parsing because each costs many times its two bytes. */
  readonly maxContainers?: number;
  readonly maxCategories?: number;
  readonly maxSections?: number;
  readonly maxRows?: number;
  readonly maxDecorations?: number;
  readonly maxPolygonPoints?: number;
  /** Plan pixels from the origin, in either direction, for each part of a position and for their sum. */
  readonly maxCoordinate?: number;
}

export const defaultPlanBounds: Required<PlanBounds> = {
  maxBytes: 33_554_432,
  maxSeats: 100_000,
  maxNameLength: 200,
  maxErrors: 20,
  maxContainers: 1_000_000,
  maxCategories: 90,
  maxSections: 2_000,
  maxRows: 20_000,
  maxDecorations: 2_000,
  maxPolygonPoints: 200,
  maxCoordinate: 1_000_000,
};

/** Where in the plan and what is wrong, for example `$.zones[3].rows[0].seats[12].seat_guid`, `is missing`. */
export interface PlanError {
  readonly path: string;
  readonly message: string;
}

export type PlanResult = { readonly layout: Layout } | { readonly errors: readonly PlanError[] };

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads a hall from the open seating-plan JSON format. Positions are relative to the parent and may carry fractions;
 * the absolute position is rounded to whole pixels. Text is normalised to NFC first, and duplicates are judged then.
 * Fields the format does not know are ignored. Errors are values, each with its path; nothing is imported partially.
 */
export function parseVenuePlan(text: string, bounds: PlanBounds = defaultPlanBounds): PlanResult {
  const limits = { ...defaultPlanBounds, ...bounds };
  const tooLarge = sizeError(text, limits);
  if (tooLarge) return { errors: [{ path: '$', message: tooLarge }] };
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text;
  let root: unknown;
  try {
    root = JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { errors: [{ path: '$', message: `is not valid JSON: ${lineAndColumn(json, jsonErrorOffset(json))}` }] };
  }
  const reader = new PlanReader(limits);
  const layout = readLayout(reader, root);
  const errors = reader.listedErrors();
  return layout && errors.length === 0 ? { layout } : { errors };
}

function sizeError(text: string, { maxBytes, maxContainers }: Required<PlanBounds>): string | null {
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) return `is larger than ${maxBytes} bytes`;
  let containers = 0;
  for (const opening of ['{', '[']) {
    for (let at = text.indexOf(opening); at >= 0; at = text.indexOf(opening, at + 1)) {
      if (++containers > maxContainers) return `has more than ${maxContainers} objects and lists`;
    }
  }
  return null;
}

function readLayout(reader: PlanReader, root: unknown): Layout | null {
  const plan = reader.object(root, '$');
  if (!plan || !withinCounts(reader, plan)) return null;
  const name = reader.text(plan, 'name', '$');
  const categories = readCategories(reader, plan);
  const categoryIndexes = new Map(categories.map((category, index) => [category.name, index]));
  const context: PlanContext = { reader, categoryIndexes, guidPaths: new Map(), ids: new SectionIds() };
  let seatCount = 0;
  const sections: LayoutSection[] = [];
  reader.list(plan, 'zones', '$').forEach((zone, i) => {
    const section = readSection(context, zone, `$.zones[${i}]`, seatCount);
    sections.push(section);
    for (const row of section.rows) seatCount += row.seats.length;
  });
  if (seatCount === 0) reader.report('$.zones', 'has no seats');
  return { name, categories, sections, seatCount };
}

/** Counts before anything is read, so that a plan that is too large costs no more than its parsing. */
function withinCounts(reader: PlanReader, plan: JsonObject): boolean {
  const { limits } = reader;
  const zones = arrayOf(plan, 'zones');
  const rows = zones.flatMap((zone) => arrayOf(zone, 'rows'));
  const counts: readonly [path: string, count: number, max: number, what: string][] = [
    ['$.categories', arrayOf(plan, 'categories').length, limits.maxCategories, 'categories'],
    ['$.zones', zones.length, limits.maxSections, 'zones'],
    ['$.zones', rows.length, limits.maxRows, 'rows'],
    ['$.zones', rows.reduce<number>((sum, row) => sum + arrayOf(row, 'seats').length, 0), limits.maxSeats, 'seats'],
    ['$.zones', zones.flatMap((zone) => arrayOf(zone, 'areas')).length, limits.maxDecorations, 'areas'],
  ];
  const exceeded = counts.filter(([, count, max]) => count > max);
  for (const [path, count, max, what] of exceeded) reader.report(path, `has ${count} ${what}, at most ${max} may be`);
  return exceeded.length === 0;
}

function arrayOf(value: unknown, key: string): readonly unknown[] {
  const list = isObject(value) ? own(value, key) : undefined;
  return Array.isArray(list) ? list : [];
}

function readCategories(reader: PlanReader, plan: JsonObject): readonly LayoutCategory[] {
  const paths = new Map<string, string>();
  return reader.list(plan, 'categories', '$').map((value, i) => {
    const path = `$.categories[${i}]`;
    const category = reader.object(value, path) ?? {};
    const name = reader.text(category, 'name', path);
    reader.once(paths, name, `${path}.name`);
    return { name, color: reader.color(category, path) ?? defaultColor, accessible: isAccessibleCategory(name) };
  });
}

interface PlanContext {
  readonly reader: PlanReader;
  readonly categoryIndexes: ReadonlyMap<string, number>;
  readonly guidPaths: Map<string, string>;
  readonly ids: SectionIds;
}

function readSection(context: PlanContext, value: unknown, path: string, firstIndex: number): LayoutSection {
  const { reader, ids } = context;
  const zone = reader.object(value, path) ?? {};
  const name = reader.text(zone, 'name', path);
  const origin = reader.position(zone, path, { x: 0, y: 0 });
  const rows: LayoutRow[] = [];
  let firstSeat = firstIndex;
  reader.list(zone, 'rows', path).forEach((rowValue, i) => {
    const row = readRow(context, rowValue, `${path}.rows[${i}]`, origin, firstSeat);
    if (row.seats.length > 0) rows.push(row);
    firstSeat += row.seats.length;
  });
  const areas = Object.hasOwn(zone, 'areas') ? reader.list(zone, 'areas', path) : [];
  const decorations = areas.map((area, i) => readDecoration(reader, area, `${path}.areas[${i}]`, origin));
  return { id: ids.take(name), name, rows, standing: [], decorations };
}

function readRow(
  context: PlanContext,
  value: unknown,
  path: string,
  zoneOrigin: LayoutPoint,
  firstSeat: number,
): LayoutRow {
  const { reader } = context;
  const row = reader.object(value, path) ?? {};
  const label = reader.text(row, 'row_number', path);
  // The format lets a row leave its position out; its seats are then relative to the zone.
  const origin = Object.hasOwn(row, 'position') ? reader.position(row, path, zoneOrigin) : zoneOrigin;
  const seats = reader
    .list(row, 'seats', path)
    .map((seat, i) => readSeat(context, seat, `${path}.seats[${i}]`, origin));
  return { label, firstSeat, seats };
}

function readSeat(context: PlanContext, value: unknown, path: string, origin: LayoutPoint): LayoutSeat {
  const { reader, categoryIndexes, guidPaths } = context;
  const seat = reader.object(value, path) ?? {};
  const guid = reader.text(seat, 'seat_guid', path);
  if (guid.startsWith(standingSeatPrefix))
    reader.report(`${path}.seat_guid`, `must not begin with ${standingSeatPrefix}, which names standing places`);
  reader.once(guidPaths, guid, `${path}.seat_guid`);
  const label = reader.text(seat, 'seat_number', path);
  const categoryName = reader.text(seat, 'category', path);
  const category = categoryIndexes.get(categoryName);
  if (category === undefined && categoryName !== '') {
    reader.report(`${path}.category`, `there is no category ${JSON.stringify(categoryName)}`);
  }
  const position = reader.position(seat, path, origin);
  return { guid, label, category: category ?? 0, ...wholePixels(position) };
}

/** An area in either of the format's two writings: with width and height of its own, or with a shape and its measures. */
function readDecoration(reader: PlanReader, value: unknown, path: string, origin: LayoutPoint): LayoutDecoration {
  const area = reader.object(value, path) ?? {};
  const at = reader.position(area, path, origin);
  const rotationDegrees = Object.hasOwn(area, 'rotation') ? Math.round(reader.number(area, 'rotation', path)) : 0;
  const text = own(area, 'text') ?? '';
  const label = isObject(text) ? labelOf(reader, text, `${path}.text`) : labelOf(reader, area, path);
  const form = readForm(reader, area, path, at);
  return { ...form, ...wholePixels(at), rotationDegrees, color: reader.color(area, path), text: label };
}

function labelOf(reader: PlanReader, owner: JsonObject, path: string): string | null {
  return (own(owner, 'text') ?? '') === '' ? null : reader.text(owner, 'text', path);
}

type Form = Pick<LayoutDecoration, 'shape' | 'width' | 'height' | 'points'>;

function readForm(reader: PlanReader, area: JsonObject, path: string, at: LayoutPoint): Form {
  const size = (...keys: readonly string[]): number => reader.size(area, path, keys);
  const shape: unknown = Object.hasOwn(area, 'shape') ? area.shape : 'rectangle';
  const points: readonly LayoutPoint[] = [];
  switch (shape) {
    case 'rectangle': {
      const owner = Object.hasOwn(area, 'rectangle') ? ['rectangle'] : [];
      return { shape, width: size(...owner, 'width'), height: size(...owner, 'height'), points };
    }
    case 'circle': {
      const diameter = 2 * size('circle', 'radius');
      return { shape: 'ellipse', width: diameter, height: diameter, points };
    }
    case 'ellipse':
      return { shape, width: 2 * size('ellipse', 'radius', 'x'), height: 2 * size('ellipse', 'radius', 'y'), points };
    case 'polygon':
      return readPolygon(reader, area, `${path}.polygon`, at);
    case 'text':
      return { shape, width: 0, height: 0, points };
    default:
      reader.report(`${path}.shape`, 'must be rectangle, circle, ellipse, polygon or text');
      return { shape: 'text', width: 0, height: 0, points };
  }
}

function readPolygon(reader: PlanReader, area: JsonObject, path: string, at: LayoutPoint): Form {
  const list = reader.list(reader.object(own(area, 'polygon'), path) ?? {}, 'points', path);
  const { maxPolygonPoints: max } = reader.limits;
  if (list.length > max) reader.report(`${path}.points`, `has ${list.length} points, at most ${max} may be`);
  const points = list.slice(0, max).map((point, i) => wholePixels(reader.point(point, `${path}.points[${i}]`, at)));
  return { shape: 'polygon', width: 0, height: 0, points };
}

/** Adding 0 turns -0, which JSON cannot carry, into 0. */
function wholePixels({ x, y }: LayoutPoint): LayoutPoint {
  return { x: Math.round(x) + 0, y: Math.round(y) + 0 };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Only what the text itself says counts; nothing is read from a prototype. */
function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/**
 * What nobody can see or what changes how its neighbours read: control and format characters (with the bidirectional
 * overrides), line separators, private use, zero-width fillers, and surrogates without their other half.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
/** Zero-width joiners and non-joiners between letters or symbols, without which some scripts cannot be written. */
const joinersWithinWords = /(?<=[\p{L}\p{M}\p{S}])[\u200c\u200d](?=[\p{L}\p{M}\p{S}])/gu;
const plainAscii = /^[\x20-\x7e]*$/;
const colorPattern = /^(?:#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})|[a-z]{1,32}|rgba?\([0-9., %]{1,40}\))$/i;

/** Takes values out of unknown JSON and keeps the errors; a bad value reads as '', 0 or an empty list. */
class PlanReader {
  private readonly errors: PlanError[] = [];
  private errorCount = 0;

  constructor(readonly limits: Required<PlanBounds>) {}

  report(path: string, message: string): void {
    this.errorCount++;
    if (this.errors.length < this.limits.maxErrors) this.errors.push({ path, message });
  }

  listedErrors(): readonly PlanError[] {
    const more = this.errorCount - this.errors.length;
    return more > 0 ? [...this.errors, { path: '$', message: `and ${more} more` }] : this.errors;
  }

  object(value: unknown, path: string): JsonObject | null {
    if (isObject(value)) return value;
    this.report(path, value === undefined ? 'is missing' : 'must be an object');
    return null;
  }

  list(parent: JsonObject, key: string, path: string): readonly unknown[] {
    const value = own(parent, key);
    if (Array.isArray(value)) return value;
    this.report(`${path}.${key}`, value === undefined ? 'is missing' : 'must be a list');
    return [];
  }

  /** Text in NFC. Its length is checked before normalising too, because that may cost more than linear time. */
  text(parent: JsonObject, key: string, path: string): string {
    const value = own(parent, key);
    const problem = this.textProblem(value);
    if (problem) {
      this.report(`${path}.${key}`, problem);
      return '';
    }
    const text = value as string;
    if (plainAscii.test(text)) return text;
    const normal = text.normalize('NFC');
    if (normal.length <= this.limits.maxNameLength) return normal;
    this.report(`${path}.${key}`, `is longer than ${this.limits.maxNameLength} characters`);
    return '';
  }

  private textProblem(value: unknown): string | null {
    if (value === undefined) return 'is missing';
    if (typeof value !== 'string') return 'must be text';
    if (value.length > this.limits.maxNameLength) return `is longer than ${this.limits.maxNameLength} characters`;
    if (value.trim() === '') return 'must not be empty';
    const found = plainAscii.test(value) ? null : unseen.exec(value.replace(joinersWithinWords, ''));
    if (!found) return null;
    const code = found[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
    return `contains the invisible or control character U+${code}`;
  }

  color(parent: JsonObject, path: string): string | null {
    const value = own(parent, 'color') ?? null;
    if (value === null || (typeof value === 'string' && colorPattern.test(value))) return value;
    this.report(`${path}.color`, 'must be a colour such as #1D3557');
    return null;
  }

  number(parent: JsonObject, key: string, path: string): number {
    const value = own(parent, key);
    const max = this.limits.maxCoordinate;
    if (typeof value === 'number' && Math.abs(value) <= max) return value;
    const problem = typeof value === 'number' ? `must lie between -${max} and ${max}` : 'must be a number';
    this.report(`${path}.${key}`, value === undefined ? 'is missing' : problem);
    return 0;
  }

  /** A length in whole pixels at the end of a chain of keys. */
  size(parent: JsonObject, path: string, [key, ...rest]: readonly string[]): number {
    if (rest.length > 0) {
      const child = this.object(own(parent, key!), `${path}.${key}`);
      return child ? this.size(child, `${path}.${key}`, rest) : 0;
    }
    const length = this.number(parent, key!, path);
    if (length < 0) this.report(`${path}.${key}`, 'must not be negative');
    return Math.round(length);
  }

  position(parent: JsonObject, path: string, origin: LayoutPoint): LayoutPoint {
    return this.point(own(parent, 'position'), `${path}.position`, origin);
  }

  /** A point given relative to the origin, as an absolute one. */
  point(value: unknown, path: string, origin: LayoutPoint): LayoutPoint {
    const point = this.object(value, path);
    if (!point) return origin;
    const x = origin.x + this.number(point, 'x', path);
    const y = origin.y + this.number(point, 'y', path);
    const max = this.limits.maxCoordinate;
    if (Math.abs(x) <= max && Math.abs(y) <= max) return { x, y };
    this.report(path, `puts the absolute position beyond ${max}`);
    return origin;
  }

  /** Refuses a name that was used before, naming the other place. */
  once(paths: Map<string, string>, name: string, path: string): void {
    const first = paths.get(name);
    if (first !== undefined) this.report(path, `${JSON.stringify(name)} is already used at ${first}`);
    else if (name !== '') paths.set(name, path);
  }
}

function lineAndColumn(text: string, offset: number): string {
  let line = 1;
  let lineStart = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line++;
    lineStart = at + 1;
  }
  return `line ${line}, column ${offset - lineStart + 1}`;
}

/**
 * Where broken JSON stops being JSON, as an offset into the text. The engine's own message names the place only for
 * some mistakes, and quotes the text for others.
 */
function jsonErrorOffset(text: string): number {
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const takeString = (): boolean => {
    if (!take(/"/y)) return false;
    do take(/[ !#-[\]-\uffff]*/y);
    while (take(/\\(?:["\\/bfnrt]|u[0-9a-f]{4})/iy));
    return take(/"/y);
  };
  const open: string[] = [];
  let at = 0;
  let expected: 'value' | 'value or end' | 'key' | 'key or end' | 'comma or end' = 'value';
  for (;;) {
    take(/[ \t\r\n]*/y);
    if (expected.endsWith('end') && take(open.at(-1) === '{' ? /\}/y : /\]/y)) {
      open.pop();
      expected = 'comma or end';
    } else if (expected === 'comma or end') {
      if (open.length === 0 || !take(/,/y)) return at;
      expected = open.at(-1) === '{' ? 'key' : 'value';
    } else if (expected.startsWith('key')) {
      if (!takeString()) return at;
      take(/[ \t\r\n]*/y);
      if (!take(/:/y)) return at;
      expected = 'value';
    } else if (take(/[{[]/y)) {
      open.push(text[at - 1]!);
      expected = open.at(-1) === '{' ? 'key or end' : 'value or end';
    } else {
      if (!takeString() && !take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y)) return at;
      expected = 'comma or end';
    }
  }
}
