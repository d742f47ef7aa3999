/**
 * The rule by which a client of `seatMapChanged` keeps its seats, as PROTOCOL.md states it. Pure: it needs no connection and no library.
 */

/** What a client knows of a hall, or of the section it subscribed to. */
export interface KnownSeats {
  readonly epoch: string;
  readonly version: number;
  readonly layoutVersion: number;
  /** The letter of each watched place by its index: `.` available, `h` held, `s` sold, `r` returning, `x` blocked. */
  readonly states: ReadonlyMap<number, string>;
}

interface SeatMapVersion {
  readonly epoch: string;
  readonly version: number;
  readonly layoutVersion: number;
}

export interface SeatMapSnapshotMessage extends SeatMapVersion {
  readonly __typename: 'SeatMapSnapshot';
  readonly states: string;
}

export interface SeatMapDeltaMessage extends SeatMapVersion {
  readonly __typename: 'SeatMapDelta';
  readonly fromVersion: number;
  readonly seats: string;
  readonly states: string;
}

export type SeatMapMessage = SeatMapSnapshotMessage | SeatMapDeltaMessage;

/** Index ranges of the watched part: `{ first: 0, count: seatCount }` for a hall, `firstSeats` and `counts` for a section. */
export interface SeatRange {
  readonly first: number;
  readonly count: number;
}

/** What to send as `since` when subscribing again. */
export function cursorOf({ epoch, version, layoutVersion }: KnownSeats): SeatMapVersion {
  return { epoch, version, layoutVersion };
}

/**
 * What a client knows after a message. `resubscribe`: the message does not follow what is known; subscribe again with `cursorOf(known)`
 * as `since`, and fetch the layout again if its version is another one.
 */
export function applySeatMapUpdate(
  known: KnownSeats | null,
  update: SeatMapMessage,
  ranges: readonly SeatRange[],
): KnownSeats | 'resubscribe' {
  const { epoch, version, layoutVersion } = update;
  if (update.__typename === 'SeatMapSnapshot') {
    const indexes = ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, at) => first + at));
    // A layout that has grown since the ranges were read.
    if (indexes.length !== update.states.length) return 'resubscribe';
    return { epoch, version, layoutVersion, states: new Map(indexes.map((index, at) => [index, update.states[at]!])) };
  }
  if (known === null || epoch !== known.epoch || layoutVersion !== known.layoutVersion) return 'resubscribe';
  if (version <= known.version) return known;
  if (update.fromVersion > known.version) return 'resubscribe';
  const states = new Map(known.states);
  if (update.seats !== '') {
    for (const [at, index] of update.seats.split(',').entries()) states.set(Number(index), update.states[at]!);
  }
  return { epoch, version, layoutVersion, states };
}
