import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stadiumPlan } from '../../sandbox/venues/stadium.js';
import {
  categoryOf,
  type Layout,
  LayoutIndex,
  type LayoutRow,
  seatRanges,
  sectionOfSeat,
  withStanding,
} from '../../src/domain/layout.js';
import { type SeatRun, seatRuns } from '../../src/domain/seat-runs.js';
import { type PlanBounds, type PlanError, parseVenuePlan } from '../../src/domain/venue-plan.js';
import { planBounds } from '../../src/limits.js';

const hallText = readFileSync(join(process.cwd(), 'sandbox/venues/riethsporthalle-erfurt.json'), 'utf8');

type Json = { [key: string]: unknown };

/** Seats of one category along a row, at the given distances from the row's start. */
function seatsAt(xs: readonly number[], changes: Json = {}): Json[] {
  return xs.map((x, i) => {
    return { seat_guid: `s${i}`, seat_number: `${i + 1}`, position: { x, y: 0 }, category: 'Stalls', ...changes };
  });
}

function planWith(seats: readonly unknown[], changes: Json = {}): Json {
  const rows = [{ row_number: '1', position: { x: 0, y: 0 }, seats }];
  const zones = [{ name: 'Main', position: { x: 0, y: 0 }, rows }];
  return { name: 'Hall', categories: [{ name: 'Stalls', color: '#123456' }], zones, ...changes };
}

function accepted(plan: unknown, bounds: PlanBounds = planBounds): Layout {
  const result = parseVenuePlan(typeof plan === 'string' ? plan : JSON.stringify(plan), bounds);
  if ('errors' in result) throw new Error(`refused: ${JSON.stringify(result.errors)}`);
  return result.layout;
}

function refused(plan: unknown, bounds: PlanBounds = planBounds): readonly PlanError[] {
  const result = parseVenuePlan(typeof plan === 'string' ? plan : JSON.stringify(plan), bounds);
  if ('layout' in result) throw new Error('the plan was accepted');
  return result.errors;
}

const rowsOf = (layout: Layout): LayoutRow[] => layout.sections.flatMap((section) => [...section.rows]);
const seatNames = (layout: Layout, runs: readonly SeatRun[]): string[][] => {
  const seats = rowsOf(layout).flatMap((row) => [...row.seats]);
  return runs.map((run) => seats.slice(run.start, run.start + run.length).map((seat) => seat.label));
};

describe('A real hall', () => {
  const hall = accepted(hallText);
  const index = new LayoutIndex(hall);

  it('is imported with every seat, section and category of its plan', () => {
    expect(hall.name).toBe('Riethsporthalle Erfurt');
    expect(hall.seatCount).toBe(1_252);
    expect(hall.sections.map(({ id }) => id)).toEqual([
      'block-d',
      'block-e',
      'block-f',
      'block-a',
      'block-b',
      'block-c',
    ]);
    const perCategory = new Map<string, number>();
    for (const category of categoryOf(hall)) {
      const { name } = hall.categories[category]!;
      perCategory.set(name, (perCategory.get(name) ?? 0) + 1);
    }
    expect(Object.fromEntries(perCategory)).toEqual({
      'Kategorie I': 300,
      'Kategorie II': 535,
      'Kategorie III': 153,
      Fanblock: 81,
      VIP: 81,
      'C unten': 81,
      'Kategorie I Rollstuhl': 10,
      'Kategorie II Rollstuhl': 10,
      'Fanblock Rollstuhl': 1,
    });
  });

  it('has its wheelchair places, and only those, marked as accessible', () => {
    const accessible = hall.categories.filter((category) => category.accessible).map(({ name }) => name);
    expect(accessible).toEqual(['Kategorie II Rollstuhl', 'Kategorie I Rollstuhl', 'Fanblock Rollstuhl']);
    expect(categoryOf(hall).filter((category) => hall.categories[category]!.accessible)).toHaveLength(21);
  });

  it('gives every seat one dense index in plan order, at its absolute position', () => {
    const plan = JSON.parse(hallText);
    let next = 0;
    for (const zone of plan.zones) {
      for (const row of zone.rows) {
        for (const seat of row.seats) {
          expect(index.indexOf(seat.seat_guid)).toBe(next);
          const found = index.sectionOf(next)!.rows.find(({ label }) => label === row.row_number)!;
          const { x, y } = found.seats[next - found.firstSeat]!;
          expect([x, y]).toEqual([
            zone.position.x + row.position.x + seat.position.x,
            zone.position.y + row.position.y + seat.position.y,
          ]);
          next++;
        }
      }
    }
    expect(next).toBe(hall.seatCount);
  });

  it('describes a seat by its section, row and number, and no seat beyond the last', () => {
    const seat = index.indexOf('D-14-8')!;
    expect(index.describe(seat)).toEqual({
      sectionId: 'block-d',
      sectionName: 'Block D',
      rowLabel: '14',
      seatLabel: '8',
      guid: 'D-14-8',
      standingName: null,
      category: 0,
    });
    for (const outside of [-1, 1_252, 0.5, Number.NaN]) expect(index.describe(outside)).toBeNull();
    expect(index.indexOf('__proto__')).toBeNull();
  });

  it('splits its rows where the plan shows an aisle', () => {
    const row = rowsOf(hall)[0]!;
    const starts = seatRuns(hall)
      .filter(({ start }) => start < row.seats.length)
      .map(({ start }) => row.seats[start]!.label);
    expect(starts.sort()).toEqual(['1', '22', '8']);
  });

  it('takes 248 standing places behind its seats to reach its 1,500', () => {
    const full = withStanding(hall, { sectionName: 'Block A', name: 'Nord', category: 'Stehplatz', count: 248 });
    expect(full.seatCount).toBe(1_500);
    expect(full.sections.slice(0, 3)).toEqual(hall.sections.slice(0, 3));
    expect(full.categories.slice(0, 9)).toEqual(hall.categories);
    expect(full.categories[9]).toEqual({ name: 'Stehplatz', color: '#888888', accessible: false });
    const blockA = full.sections[3]!;
    expect(seatRanges(blockA)).toEqual([
      [586, 235],
      [1_252, 248],
    ]);
    expect(sectionOfSeat(full)[1_499]).toBe(3);
    expect(categoryOf(full)[1_252]).toBe(9);
    expect(new LayoutIndex(full).describe(1_300)).toMatchObject({
      sectionId: 'block-a',
      rowLabel: null,
      seatLabel: null,
      guid: null,
      standingName: 'Nord',
      category: 9,
    });
    expect(seatRuns(full)).toEqual(seatRuns(hall));
  });

  it('puts standing places into a new section when there is none of that name', () => {
    const first = withStanding(hall, { sectionName: 'Floor', name: 'Floor', category: 'VIP', count: 10 });
    const second = withStanding(first, { sectionName: 'Floor!', name: 'Back', category: 'VIP', count: 5 });
    expect(second.sections.slice(6).map(({ id, standing }) => [id, standing[0]!.firstSeat])).toEqual([
      ['floor', 1_252],
      ['floor-2', 1_262],
    ]);
    expect(second.categories).toEqual(hall.categories);
    expect(() => withStanding(hall, { sectionName: 'F', name: 'F', category: 'VIP', count: 0 })).toThrow('positive');
  });
});

describe('Runs of neighbouring seats', () => {
  it.each([
    ['the hall', accepted(hallText)],
    ['a stadium', accepted(stadiumPlan(12_345))],
    ['a hall with standing room', withStanding(accepted(hallText), standing())],
  ])('cover every numbered seat of %s exactly once, within one row and category and across no aisle', (_, layout) => {
    const covered = new Uint8Array(layout.seatCount);
    const categories = categoryOf(layout);
    const rowAt = new Map(rowsOf(layout).flatMap((row) => row.seats.map((_, i) => [row.firstSeat + i, row] as const)));
    for (const { start, length, category } of seatRuns(layout)) {
      const row = rowAt.get(start)!;
      const steps = row.seats.slice(1).map((seat, i) => Math.hypot(seat.x - row.seats[i]!.x, seat.y - row.seats[i]!.y));
      for (let i = start; i < start + length; i++) {
        covered[i]!++;
        expect(rowAt.get(i)).toBe(row);
        expect(categories[i]).toBe(category);
        if (i > start) expect(steps[i - 1 - row.firstSeat]).toBeLessThanOrEqual(1.5 * Math.min(...steps));
      }
    }
    expect([...covered]).toEqual(Array.from(covered, (_, i) => (rowAt.has(i) ? 1 : 0)));
  });

  it('are sorted within their category from the focal point outwards, ties by index', () => {
    const runs = seatRuns(accepted(hallText));
    const sorted = [...runs].sort((a, b) => a.category - b.category || a.quality - b.quality || a.start - b.start);
    expect(runs).toEqual(sorted);
    expect(runs.every(({ quality }) => Number.isSafeInteger(quality) && quality >= 0)).toBe(true);
  });

  it('measure quality from the middle of all seats, or from the focal point given', () => {
    const layout = accepted(planWith(seatsAt([0, 10, 20, 60, 70, 80])));
    expect(seatRuns(layout).map(({ start, quality }) => [start, quality])).toEqual([
      [0, 30],
      [3, 30],
    ]);
    expect(seatRuns(layout, { x: 70, y: 40 })).toEqual([
      { category: 0, section: 0, start: 3, length: 3, quality: 40, focus: 1 },
      { category: 0, section: 0, start: 0, length: 3, quality: 72, focus: 2 },
    ]);
  });

  it.each([
    ['a short row with two aisles', [0, 50, 75, 125], [['1'], ['2', '3'], ['4']]],
    ['a gap of exactly one and a half seats', [0, 20, 40, 70], [['1', '2', '3', '4']]],
    ['a gap just above one and a half seats', [0, 20, 40, 71], [['1', '2', '3'], ['4']]],
    [
      'a row numbered from right to left',
      [100, 80, 60, 20, 0],
      [
        ['1', '2', '3'],
        ['4', '5'],
      ],
    ],
  ])('end where the aisle is: %s', (_, xs, expected) => {
    const layout = accepted(planWith(seatsAt(xs)));
    const inOrder = [...seatRuns(layout)].sort((a, b) => a.start - b.start);
    expect(seatNames(layout, inOrder)).toEqual(expected);
  });

  it('follow a row in any direction', () => {
    for (const [dx, dy] of [
      [1, 0],
      [0, 1],
      [3, 4],
      [-1, -1],
    ] as const) {
      const seats = seatsAt([0, 20, 40, 80, 100]).map((seat) => {
        const { x } = seat.position as { x: number };
        return { ...seat, position: { x: x * dx, y: x * dy } };
      });
      const layout = accepted(planWith(seats));
      expect(
        seatNames(
          layout,
          [...seatRuns(layout)].sort((a, b) => a.start - b.start),
        ),
      ).toEqual([
        ['1', '2', '3'],
        ['4', '5'],
      ]);
    }
  });
});

function standing() {
  return { sectionName: 'Floor', name: 'Floor', category: 'Standing', count: 248 };
}

describe('A plan that cannot be imported', () => {
  const oneSeat = (changes: Json): Json => planWith(seatsAt([0], changes));
  const seatPath = '$.zones[0].rows[0].seats[0]';

  it.each([
    ['{\n "name": "Hall",\n}', 3, 1],
    ['{"name" "Hall"}', 1, 9],
    ['hall', 1, 1],
    ['', 1, 1],
    ['{"zones": [1, 2', 1, 16],
    ['{"name": "a\\x"}', 1, 12],
    ['{"name": "a\nb"}', 1, 12],
    ['{"a": 01}', 1, 8],
    ['{"a": 1} b', 1, 10],
    ['{"a": [1,]}', 1, 10],
    ['{"a": [{"b": null, "c": -1.5e3}, "\\u00e9", true]]', 1, 49],
  ])('because it is broken JSON is refused with line and column: %j', (text, line, column) => {
    expect(refused(text)).toEqual([{ path: '$', message: `is not valid JSON: line ${line}, column ${column}` }]);
  });

  it.each<[string, unknown, PlanError]>([
    ['no object', '[]', { path: '$', message: 'must be an object' }],
    ['no name', planWith(seatsAt([0]), { name: undefined }), { path: '$.name', message: 'is missing' }],
    ['a blank name', planWith(seatsAt([0]), { name: ' ' }), { path: '$.name', message: 'must not be empty' }],
    ['no seats', planWith([]), { path: '$.zones', message: 'has no seats' }],
    ['zones that are no list', planWith([], { zones: {} }), { path: '$.zones', message: 'must be a list' }],
    ['a seat that is no object', planWith([null]), { path: seatPath, message: 'must be an object' }],
    ['no guid', oneSeat({ seat_guid: undefined }), { path: `${seatPath}.seat_guid`, message: 'is missing' }],
    ['a number for text', oneSeat({ seat_number: 7 }), { path: `${seatPath}.seat_number`, message: 'must be text' }],
    ['no position', oneSeat({ position: undefined }), { path: `${seatPath}.position`, message: 'is missing' }],
    ['half a position', oneSeat({ position: { x: 1 } }), { path: `${seatPath}.position.y`, message: 'is missing' }],
    [
      'an unknown category',
      oneSeat({ category: 'Balcony' }),
      { path: `${seatPath}.category`, message: 'there is no category "Balcony"' },
    ],
    [
      'a colour that is code',
      planWith(seatsAt([0]), { categories: [{ name: 'Stalls', color: 'red;background:url(x)' }] }),
      { path: '$.categories[0].color', message: 'must be a colour such as #1D3557' },
    ],
    [
      'a category twice',
      planWith(seatsAt([0]), { categories: [{ name: 'Stalls' }, { name: 'Stalls' }] }),
      { path: '$.categories[1].name', message: '"Stalls" is already used at $.categories[0].name' },
    ],
  ])('because it has %s is refused with the place and the reason', (_, plan, error) => {
    expect(refused(plan)).toContainEqual(error);
  });

  it('because a guid is used twice is refused with both places', () => {
    expect(refused(planWith(seatsAt([0, 10, 20], { seat_guid: 'same' })))).toEqual(
      [1, 2].map((i) => ({
        path: `$.zones[0].rows[0].seats[${i}].seat_guid`,
        message: '"same" is already used at $.zones[0].rows[0].seats[0].seat_guid',
      })),
    );
  });

  it('because two guids are the same text in different Unicode forms is refused', () => {
    const [first, second] = seatsAt([0, 10]);
    const seats = [
      { ...first, seat_guid: 'Ré-1' },
      { ...second, seat_guid: 'Re\u0301-1' },
    ];
    expect(refused(planWith(seats))[0]!.message).toContain('is already used');
    expect(rowsOf(accepted(oneSeat({ seat_guid: 'Re\u0301-1' })))[0]!.seats[0]!.guid).toBe('Ré-1');
  });

  it.each([
    ['a lone surrogate', 'a\ud800', 'U+D800'],
    ['a line feed', 'a\nb', 'U+000A'],
    ['a null', 'a\u0000', 'U+0000'],
    ['a right-to-left override', 'a\u202eb', 'U+202E'],
    ['a bidirectional isolate', 'a\u2066b', 'U+2066'],
    ['a zero-width space', 'a\u200b', 'U+200B'],
    ['a byte order mark', 'a\ufeffb', 'U+FEFF'],
    ['a Hangul filler', 'a\u3164', 'U+3164'],
    ['an invisible tag', 'a\u{e0041}', 'U+E0041'],
  ])('because a name or guid hides %s is refused', (_, text, code) => {
    const message = `contains the invisible or control character ${code}`;
    expect(refused(oneSeat({ seat_guid: text }))).toEqual([{ path: `${seatPath}.seat_guid`, message }]);
    expect(refused(planWith(seatsAt([0]), { name: text }))).toEqual([{ path: '$.name', message }]);
  });

  it.each([
    ['in one step', { x: 1_000_001, y: 0 }, `${seatPath}.position.x`],
    ['below zero', { x: 0, y: -1e9 }, `${seatPath}.position.y`],
    ['in several steps', { x: 1_000_000, y: 0 }, `${seatPath}.position`],
  ])('because a seat lies too far out %s is refused', (_, position, path) => {
    const plan = JSON.stringify(oneSeat({ position })).replace('"position":{"x":0', '"position":{"x":1');
    expect(refused(plan).map((error) => error.path)).toEqual([path]);
  });

  it('because a coordinate is beyond every number or no number is refused', () => {
    const text = JSON.stringify(oneSeat({ position: { x: 'X', y: '1' } })).replace('"X"', '1e999');
    expect(refused(text)).toEqual([
      { path: `${seatPath}.position.x`, message: 'must lie between -1000000 and 1000000' },
      { path: `${seatPath}.position.y`, message: 'must be a number' },
    ]);
  });

  it('because it is larger than its bounds is refused by one error, without reading its seats', () => {
    const broken = planWith(seatsAt([0, 0, 0, 0], { seat_guid: null }));
    expect(refused(broken, { ...planBounds, maxSeats: 3 })).toEqual([
      { path: '$.zones', message: 'has 4 seats, at most 3 may be' },
    ]);
    expect(refused('{'.repeat(100), { ...planBounds, maxBytes: 99 })).toEqual([
      { path: '$', message: 'is larger than 99 bytes' },
    ]);
    expect(refused('"ééé"', { ...planBounds, maxBytes: 7 })[0]!.message).toBe('is larger than 7 bytes');
    expect(refused('[[[]]]', { ...planBounds, maxContainers: 2 })[0]!.message).toBe(
      'has more than 2 objects and lists',
    );
    expect(refused(stadiumPlan(100_000), { ...planBounds, maxSeats: 99_999 })).toHaveLength(1);
  });

  it('because a name is too long before or after normalising is refused', () => {
    const bounds = { ...planBounds, maxNameLength: 5 };
    expect(refused(oneSeat({ seat_guid: 'abcdef' }), bounds)[0]!.path).toBe('$.categories[0].name');
    expect(refused(oneSeat({ seat_guid: '\u0958'.repeat(150) }))).toEqual([
      { path: `${seatPath}.seat_guid`, message: 'is longer than 200 characters' },
    ]);
  });

  it('lists the first errors and counts the rest', () => {
    const errors = refused(planWith(seatsAt(Array(50).fill(0), { seat_number: null })));
    expect(errors).toHaveLength(21);
    expect(errors[19]!.path).toBe('$.zones[0].rows[0].seats[19].seat_number');
    expect(errors[20]).toEqual({ path: '$', message: 'and 30 more' });
  });
});

describe('An unusual plan', () => {
  it('may carry fields that the format does not know, and a byte order mark', () => {
    const plan = planWith(seatsAt([0], { uuid: 'u', radius: 10 }), { version: 3, tags: [{ a: 1 }] });
    expect(accepted(`\uFEFF${JSON.stringify(plan)}`)).toEqual(accepted(planWith(seatsAt([0]))));
  });

  it('may use negative and fractional positions, which become whole absolute pixels', () => {
    const seats = seatsAt([0, 1]).map((seat, i) => ({ ...seat, position: { x: -20.4 + i, y: -0.2 } }));
    const zones = [{ name: 'Main', position: { x: 0.2, y: 0 }, rows: [{ row_number: '1', seats }] }];
    const positions = accepted(planWith([], { zones })).sections[0]!.rows[0]!.seats.map(({ x, y }) => [x, y]);
    expect(positions).toEqual([
      [-20, 0],
      [-19, 0],
    ]);
  });

  it('may name zones alike: their ids are made unique and stay the same', () => {
    const names = ['Block Ä', 'Block A', 'block-a-2', 'Block  A!', 'Блок', '观众席', 'Große Straße'];
    const zones = names.map((name, i) => ({
      name,
      position: { x: 0, y: 0 },
      rows: [{ row_number: '1', seats: seatsAt([0], { seat_guid: `g${i}` }) }],
    }));
    const layout = accepted(planWith([], { zones }));
    expect(layout.sections.map(({ name }) => name)).toEqual(names);
    expect(layout.sections.map(({ id }) => id)).toEqual([
      'block-a',
      'block-a-2',
      'block-a-2-2',
      'block-a-3',
      'section',
      'section-2',
      'grosse-strasse',
    ]);
    expect(accepted(planWith([], { zones }))).toEqual(layout);
  });

  it('cannot reach a prototype through its keys or names', () => {
    const poison =
      '"__proto__":{"polluted":true,"name":"x","seat_guid":"y"},"constructor":{"prototype":{"polluted":1}}';
    const text = JSON.stringify(planWith(seatsAt([0], { category: '__proto__' }))).replaceAll('{"', `{${poison},"`);
    expect(refused(text)[0]!.message).toBe('there is no category "__proto__"');
    const named = planWith(seatsAt([0], { seat_guid: '__proto__', category: '__proto__' }), {
      categories: [{ name: '__proto__' }],
    });
    expect(new LayoutIndex(accepted(named)).indexOf('__proto__')).toBe(0);
    expect(new LayoutIndex(accepted(named)).indexOf('constructor')).toBeNull();
    expect(({} as Json).polluted).toBeUndefined();
    const inherited = JSON.stringify(planWith(seatsAt([0]))).replace('"name":"Hall"', '"__proto__":{"name":"Hall"}');
    expect(refused(inherited)).toEqual([{ path: '$.name', message: 'is missing' }]);
  });

  it('marks as accessible the categories whose name ends in the word for it', () => {
    const names = [
      'PK1 Rollstuhl',
      'Stalls (wheelchair',
      'ACCESSIBLE',
      'Inaccessible',
      'Rollstuhl Begleitung',
      'Stalls',
    ];
    const layout = accepted(planWith(seatsAt([0]), { categories: names.map((name) => ({ name })) }));
    expect(layout.categories.map(({ accessible }) => accessible)).toEqual([true, true, true, false, false, false]);
  });

  it('keeps its areas as decorations at absolute positions', () => {
    const at = { x: 5, y: 6 };
    const areas = [
      { position: at, width: 30, height: 20, color: '#fff', text: 'Stage' },
      { position: at, shape: 'rectangle', rectangle: { width: 3, height: 2 }, rotation: 45, text: { text: '' } },
      { position: at, shape: 'circle', circle: { radius: 4 }, text: { text: 'Bar' } },
      { position: at, shape: 'ellipse', ellipse: { radius: { x: 4, y: 2 } } },
      {
        position: at,
        shape: 'polygon',
        polygon: {
          points: [
            { x: 0, y: 0 },
            { x: 9, y: 0 },
            { x: 0, y: 9 },
          ],
        },
      },
    ];
    const rows = [{ row_number: '1', seats: seatsAt([0]) }];
    const zones = [{ name: 'Main', position: { x: 100, y: 0 }, rows, areas }];
    const base = { x: 105, y: 6, rotationDegrees: 0, points: [], color: null, text: null };
    expect(accepted(planWith([], { zones })).sections[0]!.decorations).toEqual([
      { ...base, shape: 'rectangle', width: 30, height: 20, color: '#fff', text: 'Stage' },
      { ...base, shape: 'rectangle', width: 3, height: 2, rotationDegrees: 45 },
      { ...base, shape: 'ellipse', width: 8, height: 8, text: 'Bar' },
      { ...base, shape: 'ellipse', width: 8, height: 4 },
      {
        ...base,
        shape: 'polygon',
        width: 0,
        height: 0,
        points: [base, { x: 114, y: 6 }, { x: 105, y: 15 }].map(({ x, y }) => ({ x, y })),
      },
    ]);
    const bad = [{ ...zones[0], areas: [{ position: at, shape: 'ellipse', ellipse: { radius: { x: -1 } } }] }];
    expect(refused(planWith([], { zones: bad })).map(({ path }) => path)).toEqual([
      '$.zones[0].areas[0].ellipse.radius.x',
      '$.zones[0].areas[0].ellipse.radius.y',
    ]);
  });
});

describe('The generated stadium', () => {
  it.each([1, 29, 499, 501, 40_000, 99_999, 100_000])('has exactly %i seats, each at its own position', (seats) => {
    const layout = accepted(stadiumPlan(seats));
    expect(layout.seatCount).toBe(seats);
    const positions = rowsOf(layout).flatMap((row) => row.seats.map(({ x, y }) => x * 1_000_000 + y));
    expect(new Set(positions).size).toBe(seats);
    const accessible = categoryOf(layout).filter((category) => layout.categories[category]!.accessible);
    expect(accessible).toHaveLength(Math.round(seats / 200));
  });

  it('is the same for the same number', () => {
    expect(JSON.stringify(stadiumPlan(5_000))).toBe(JSON.stringify(stadiumPlan(5_000)));
  });

  it('has rows of 20 to 30 seats with an aisle and sells all three categories', () => {
    const layout = accepted(stadiumPlan(40_000));
    const rows = rowsOf(layout);
    expect(Math.min(...rows.map((row) => row.seats.length))).toBeGreaterThanOrEqual(20);
    expect(Math.max(...rows.map((row) => row.seats.length))).toBeLessThanOrEqual(30);
    expect(Math.max(...seatRuns(layout).map((run) => run.length))).toBeLessThanOrEqual(15);
    expect(new Set(categoryOf(layout))).toEqual(new Set([0, 1, 2, 3, 4, 5]));
    expect(layout.sections.flatMap(({ decorations }) => decorations.map(({ text }) => text))).toEqual(['Pitch']);
  });

  it('is refused for a number of seats it cannot have', () => {
    for (const seats of [0, -1, 1.5, 100_001]) expect(() => stadiumPlan(seats)).toThrow('seats must be');
  });
});
