import type { Logger } from 'pino';
import type { Clock } from '../../src/domain/clock.js';
import { derivedId } from '../../src/domain/ids.js';
import { sharedKeys } from '../../src/redis/keys.js';
import type { Viewer } from '../../src/services/platform.js';
import type { Complaint } from './complaint.js';
import { eventId, organizerId } from './event.js';
import type { Scenario } from './scenario.js';
import { beginningMs, clockOf, type Stage } from './stage.js';

interface OrderRow {
  readonly id: string;
  readonly state: string;
  readonly secret: string | null;
  readonly isDue: boolean;
}

/** One run as the scheduler sees it from outside: its time, and what has become of the orders. */
export class World {
  readonly complaints: Complaint[] = [];
  /** What the product has called an alarm. */
  readonly alarms: string[] = [];
  /** Orders by buyer; known before they are written, because their ids are derived. */
  readonly orders = new Map<number, string>();
  /** Orders whose payment the provider knows. */
  readonly intents = new Set<string>();
  /** The body each idempotency key first went out with. */
  readonly requests = new Map<string, string>();
  /** What a buyer's browser has once seen, it keeps. */
  readonly secrets = new Map<string, string>();
  readonly states = new Map<string, string>();
  /** Grows with everything that is written for good, and with time. */
  changes = 0;
  hasDueSteps = false;
  /** Nobody does anything any more but a healthy process. */
  isResting = false;
  readonly clock: Clock;
  readonly log: Logger;
  readonly suffix: string;
  readonly #stage: Stage;
  readonly #scenario: Scenario;

  constructor(stage: Stage, scenario: Scenario, playing: number) {
    this.#stage = stage;
    this.#scenario = scenario;
    this.suffix = `.${playing}`;
    stage.time.nowMs = beginningMs;
    let drawn = 0;
    this.clock = clockOf(stage.time, () =>
      derivedId('random', String(scenario.seed), String(scenario.run), String(++drawn)),
    );
    this.log = this.#listener();
  }

  complain(rule: string, text: string): void {
    this.complaints.push({ rule, text });
  }

  /** Other people in every run: the order of ids, by which rows are locked, is part of what is tried. */
  buyer(number: number): Viewer {
    const { seed, run } = this.#scenario;
    return viewerOf(`buyer-${number}.${seed}.${run}`, 'GUEST', null);
  }

  readonly organizer: Viewer = viewerOf('organizer', 'ORGANIZER', organizerId);

  /** The clocks of the processes go on a little, so that what was written later is also dated later. */
  tick(): void {
    this.#stage.time.nowMs += 1;
  }

  /** Moves the time of the event and of all processes; otherwise that of the event stands still. */
  async advance(ms: number): Promise<void> {
    this.#stage.time.nowMs += ms;
    await this.showTime();
    // Steps fall due and leases end.
    await this.look(true);
  }

  /** Tells Redis the time, unless the event is being loaded, which begins with the time of the run anyway. */
  async showTime(): Promise<void> {
    const { redis, time } = this.#stage;
    await redis.eval(showTimeScript, 1, sharedKeys(eventId).meta, time.nowMs);
  }

  /**
   * Hears of alarms, and of errors nobody has made on purpose. Seats are to come back by themselves: where the comparison of the stores has to
   * give them back, or finds a difference when everything has come to rest, something was lost before.
   */
  #listener(): Logger {
    const nothing = () => {};
    const error = (facts: { readonly alarm?: boolean; readonly err?: Error }, message: string) => {
      if (facts.alarm) this.alarms.push(message);
      if (
        message.startsWith('an order that is over had seats') ||
        (this.isResting && message.startsWith('Redis and the ledger disagree'))
      )
        this.complain('repair', message);
      if (facts.err && !/^(Connection|Command timed out|terminating connection)/.test(facts.err.message))
        this.complain('error', `${message}: ${facts.err.message}`);
    };
    return { error, warn: nothing, info: nothing, debug: nothing } as unknown as Logger;
  }

  /** Reads the ledger again if anything was written. */
  async look(force = false): Promise<void> {
    const { observer, statements, time } = this.#stage;
    if (!statements.hasWritten() && !force) return;
    this.changes += 1;
    const { rows } = await observer.query<OrderRow>({ ...view, values: [new Date(time.nowMs)] });
    for (const { id, state, secret } of rows) {
      this.states.set(id, state);
      if (secret !== null) this.secrets.set(id, secret);
    }
    this.hasDueSteps = rows.some(({ isDue }) => isDue);
  }
}

const showTimeScript = `if redis.call('HEXISTS', KEYS[1], 'epoch') == 1 then redis.call('HSET', KEYS[1], 'lastNow', ARGV[1]) end`;

const view = {
  name: 'view',
  text: `
  SELECT o.id, o.state, o.client_secret AS secret,
         s.run_at IS NOT NULL AND s.run_at <= $1 AND (s.leased_until IS NULL OR s.leased_until < $1) AS "isDue"
  FROM orders o LEFT JOIN order_step s ON s.order_id = o.id AND s.finished_at IS NULL`,
};

function viewerOf(personId: string, role: Viewer['role'], ofOrganizer: string | null): Viewer {
  return {
    personId,
    role,
    identity: 'ANONYMOUS',
    email: null,
    organizerId: ofOrganizer,
    session: personId,
    issuedAtMs: 0,
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  };
}
