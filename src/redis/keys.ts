/** Version of the layout of the keys. A process of another version never reads these keys by accident. */
const schemaVersion = 'fg2';

const sharedBase = (eventId: string) => `${schemaVersion}:{event:${eventId}}:`;

/** The one key a script is given: it finds the others by itself. */
export const metaKey = (eventId: string): string => `${sharedBase(eventId)}meta`;

/** An event and the generation of its inventory the caller believes in. */
export interface EventRef {
  readonly eventId: string;
  readonly generation: number;
}

/**
 * What belongs to an event and not to a generation. Everything of an event shares one hash tag, so a script touches one slot of a
 * cluster.
 */
export function sharedKeys(eventId: string) {
  const base = sharedBase(eventId);
  return {
    base,
    /** Hash: epoch (generation@server), generation, runId, lastNow, version, layoutVersion, phase and settings the scripts read. */
    meta: metaKey(eventId),
    /** Channel of seat-map deltas. */
    seatChannel: `${base}seat-changes`,
    /** Channel of the line. */
    lineChannel: `${base}line-changes`,
    /** String: the process that has last taken its turn to compare the stores. */
    reconcileTurn: `${base}reconcile-turn`,
  } as const;
}

/**
 * The keys of one generation. Another generation has other keys, so that a process that stalled while it was loading an older one can
 * never write into a newer one.
 */
export function eventKeys({ eventId, generation }: EventRef) {
  const shared = sharedKeys(eventId);
  const base = `${shared.base}${generation}:`;
  return {
    ...shared,
    base,
    /** String, one letter a seat in index order: `.` and `A` to `Z` free, `h` held, `s` sold, `r` returning, `x` blocked. */
    status: `${base}status`,
    /** String, one letter a seat: whose it is when it is free. */
    channels: `${base}channels`,
    /** String, one character a seat: its category, as character code minus 33. */
    categories: `${base}categories`,
    /** Set: names of the static tables below, which a later generation removes. */
    tables: `${base}tables`,
    /** String, three bytes a seat: the number of its run; 0xffffff for a standing place. */
    runOf: `${base}runOf`,
    /** String, 16 bytes a run: see `readRun` in includes/seats.lua. */
    runs: `${base}runs`,
    /** String, three bytes an entry: numbers of the runs of a category, or of one section of it, best first. */
    order: (category: number, section?: number) =>
      `${base}order:${category}${section === undefined ? '' : `:${section}`}`,
    /** String, one character a run in that order: how long a block of free seats of this letter it has. */
    fits: (letter: string, category: number, section?: number) =>
      `${base}fits:${letter}:${category}${section === undefined ? '' : `:${section}`}`,
    /** String, 12 bytes a stretch of wheelchair places of a category, best first: see `findAccessible` in includes/search.lua. */
    accessible: (category: number) => `${base}accessible:${category}`,
    /** JSON list of `start,length`: standing places of a category, or of one section of it. */
    standing: (category: number, section?: number) =>
      `${base}standing:${category}${section === undefined ? '' : `:${section}`}`,
    /** Hash: seat index → hold id, for every seat that is held, sold or returning. */
    seats: `${base}seats`,
    /** Hash of one hold; outlives it as a tombstone. */
    hold: (holdId: string) => `${base}hold:${holdId}`,
    /** Sorted set: HELD holds by the instant, of the clock of the sale, from which a claim may take their seats. */
    deadlines: `${base}deadlines`,
    /** Sorted set: CHECKOUT holds by the instant, of the event's time, from which a claim may take their seats. */
    payments: `${base}payments`,
    /** Hash: `category:letter`, `*:letter` and `@channel:letter` → seats; `category:revenue` → minor units. */
    counts: `${base}counts`,
    /** Hash: `minute:sold` and `minute:revenue`, minutes since 1970. */
    minutes: `${base}minutes`,
    /** Hash: person → seats held and bought; further fields of a person in includes/people.lua. */
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
    /** Sorted set: entry id by the instant, of the clock of the sale, at which absence becomes final. */
    awayUntil: `${base}awayUntil`,
    /** Hash: entry id → id of the process that serves its stream, or `@ms` until which a poll counts. */
    attached: `${base}attached`,
    /** Sorted set: process id by its last beat. */
    processes: `${base}processes`,
    /** Sorted set: entry id by the instant, of the clock of the sale, at which its admission ends. */
    admitted: `${base}admitted`,
    /** Set: entry ids of the admitted who hold nothing. */
    shopping: `${base}shopping`,
    /** Set: entry ids of the admitted who have not yet gone to checkout. */
    undecided: `${base}undecided`,
    /** Bitmap by number: 1 when the place is gone (admitted, left, expired). */
    gone: `${base}gone`,
    /** Bitmap by number: 1 when a number of before the loss of Redis has been given back. */
    issued: `${base}issued`,
    /** Stream: every admission, ending and change of presence, for an auditor. */
    audit: `${base}audit`,
  } as const;
}

/** Keys that belong to no event. */
export const globalKeys = {
  /** Hash: what is left of each rate, and until when nobody may call. */
  providerQuota: `${schemaVersion}:provider-quota`,
  /** String: since when, in ms, the payment provider does not answer. Goes when nobody repeats it. */
  paymentDelay: `${schemaVersion}:payment-delay`,
  /** String: the process that has last taken its turn to compare money. */
  moneyTurn: `${schemaVersion}:money-turn`,
  /** Channel: orders that changed, by id. */
  orderChannel: `${schemaVersion}:order-changes`,
  /** Channel: an event changed in the ledger or was rebuilt. */
  eventChannel: `${schemaVersion}:event-changes`,
  /** Channel: a session or all sessions of a person were ended. */
  revocationChannel: `${schemaVersion}:revocations`,
  /** String: digest of the input a key was first used with. */
  idempotency: (mutation: string, person: string, key: string) =>
    `${schemaVersion}:idempotency:${mutation}:${person}:${key}`,
  /** Counter of attempts, for a minute. */
  attempts: (what: string, whose: string) => `${schemaVersion}:attempts:${what}:${whose}`,
  /** Hash: digest of the code that was sent to an address, tries left. */
  emailCode: (address: string) => `${schemaVersion}:email-code:${address}`,
} as const;
