/** Version of the layout of the keys. A process of another version never reads these keys by accident. */
const schemaVersion = 'fg1';

/** All keys of one event. They share one hash tag, so a script touches one slot of a cluster. */
export function eventKeys(eventId: string) {
  const base = `${schemaVersion}:{event:${eventId}}:`;
  return {
    base,
    /** Hash: generation, runId, lastNow, version, layoutVersion, phase and the settings the scripts read. */
    meta: `${base}meta`,
    /** String, one letter a seat in index order: `.` available, `h` held, `s` sold, `r` returning, `x` blocked. */
    status: `${base}status`,
    /** String, one character a seat: its category, as character code minus 33. */
    categories: `${base}categories`,
    /** List of `start,length` per category, best first: the static row table of best-available. */
    runs: (category: number) => `${base}runs:${category}`,
    /** List of `start,length` per category: standing places. */
    standing: (category: number) => `${base}standing:${category}`,
    /** Hash: seat index → hold id. */
    seats: `${base}seats`,
    /** Hash of one hold; outlives it as a tombstone. */
    hold: (holdId: string) => `${base}hold:${holdId}`,
    /** Sorted set: hold id by the instant from which a claim may take its seats. */
    deadlines: `${base}deadlines`,
    /** Hash: `category:letter` and `*:letter` → seats; `category:revenue` → minor units. */
    counts: `${base}counts`,
    /** Hash: `minute:sold` and `minute:revenue`, minutes since 1970. */
    minutes: `${base}minutes`,
    /** Hash: person → seats held and bought; `person:holds` → live holds. */
    people: `${base}people`,
    /** Hash: the state of the line and its settings. */
    line: `${base}line`,
    /** Hash: person → entry id of the present place. */
    persons: `${base}persons`,
    /** Hash: entry id → `number|person|state|sinceMs`. */
    places: `${base}places`,
    /** Sorted set: entry id by join serial, until the draw. */
    lobby: `${base}lobby`,
    /** Sorted set: entry id by number; those who wait and are present. */
    present: `${base}present`,
    /** Sorted set: entry id by number; those who wait and are away. */
    away: `${base}away`,
    /** Sorted set: entry id by the instant at which absence becomes final. */
    awayUntil: `${base}awayUntil`,
    /** Hash: entry id → id of the process that serves its stream, or `@ms` until which a poll counts. */
    attached: `${base}attached`,
    /** Sorted set: process id by its last beat. */
    processes: `${base}processes`,
    /** Sorted set: entry id by the instant its admission ends. */
    admitted: `${base}admitted`,
    /** Bitmap by number: 1 when the place is gone (admitted, left, expired). */
    gone: `${base}gone`,
    /** Stream: every admission, ending and change of presence, for an auditor. */
    audit: `${base}audit`,
    /** Channel of seat-map deltas. */
    seatChannel: `${base}seat-changes`,
    /** Channel of the line. */
    lineChannel: `${base}line-changes`,
  };
}

/** Keys that belong to no event. */
export const globalKeys = {
  providerQuota: `${schemaVersion}:provider-quota`,
  /** Channel: orders that changed, by id. */
  orderChannel: `${schemaVersion}:order-changes`,
  /** Channel: there are order steps to take. */
  stepChannel: `${schemaVersion}:order-steps`,
  /** Channel: an event changed in the ledger or was rebuilt. */
  eventChannel: `${schemaVersion}:event-changes`,
  /** String: digest of the input a key was first used with. */
  idempotency: (mutation: string, person: string, key: string) =>
    `${schemaVersion}:idempotency:${mutation}:${person}:${key}`,
  signInAttempts: (email: string) => `${schemaVersion}:sign-in:${email}`,
} as const;
