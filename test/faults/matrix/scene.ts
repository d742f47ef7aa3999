import { eventKeys, sharedKeys } from '../../../src/redis/keys.js';
import type { Data } from '../../support/client.js';
import { createHall, holdSeats, newKey, orderSelection, startCheckout, type TestHall } from '../../support/events.js';
import { until } from './patience.js';
import type { ApiServer } from './servers.js';
import type { Stage } from './stage.js';

export interface OrderRow {
  readonly id: string;
  readonly state: string;
  readonly payment: string;
  readonly secret: string | null;
  readonly step: string | null;
}

const orderSql = `
  SELECT o.id, o.state, o.payment, o.client_secret AS secret, s.step
  FROM orders o LEFT JOIN order_step s ON s.order_id = o.id AND s.finished_at IS NULL WHERE o.event_id = $1`;

export const finalStates: ReadonlySet<string> = new Set(['COMPLETED', 'CANCELED', 'EXPIRED', 'LOST', 'REFUNDED']);
export const isOver = ({ state, step }: OrderRow) => finalStates.has(state) && step === null;

const weekSeconds = 7 * 86_400;

/** Each table with the instants of an order; rows are found by `order_id`. */
const instants: readonly (readonly [table: string, key: string, columns: readonly string[]])[] = [
  ['orders', 'id', ['created_at', 'pay_by', 'free_at', 'issued_at']],
  ['order_step', 'order_id', ['run_at', 'leased_until', 'first_call_at', 'finished_at']],
  ['ticket', 'order_id', ['issued_at']],
  ['webhook_event', 'order_id', ['received_at']],
];

/** One buyer and one seat of a new hall, and what becomes of them. */
export class Scene {
  readonly stage: Stage;
  readonly hall: TestHall;
  readonly #token: string;
  readonly #hold: Data;

  private constructor(stage: Stage, hall: TestHall, token: string, hold: Data) {
    this.stage = stage;
    this.hall = hall;
    this.#token = token;
    this.#hold = hold;
  }

  static async open(stage: Stage): Promise<Scene> {
    const hall = await createHall(stage.organizer, { rows: 1, seatsPerRow: 4 });
    const token = await stage.guest();
    const { hold, errors } = await holdSeats(stage.client(token), hall.eventId, { seatIds: [hall.rows[0]![0]!] });
    if (hold === null) throw new Error(`the seat could not be held: ${JSON.stringify(errors)}`);
    return new Scene(stage, hall, token, hold);
  }

  get eventId(): string {
    return this.hall.eventId;
  }

  async order(): Promise<OrderRow | null> {
    const [order = null] = await this.stage.sql<OrderRow>(orderSql, [this.eventId]);
    return order;
  }

  async checkOut(): Promise<void> {
    const { order, errors } = await startCheckout(this.stage.client(this.#token), this.#hold);
    if (order === null) throw new Error(`the checkout was refused: ${JSON.stringify(errors)}`);
  }

  /** What the payment form needs; null: the order ended before it could be paid. */
  form(): Promise<string | null> {
    return until('the payment form', async () => {
      const order = await this.order();
      if (order !== null && order.secret !== null) return { secret: order.secret };
      return order !== null && isOver(order) && { secret: null };
    }).then(({ secret }) => secret);
  }

  /** With a good card. An order that is ended at the same time may be refused. */
  async pay(): Promise<void> {
    const secret = await this.form();
    if (secret !== null) await this.stage.provider.confirm(secret, 'pm_card_visa');
  }

  async refund(): Promise<void> {
    const { id: orderId } = (await this.order())!;
    const input = { orderId, idempotencyKey: newKey() };
    const { order, errors } = await this.stage.organizer.mutate('refundOrder', input, orderSelection);
    if (order === null) throw new Error(`the refund was refused: ${JSON.stringify(errors)}`);
  }

  /** The order has come to its end. `hurry`: nobody will tell of the payment, so the deadline has to. */
  async over(hurry = false): Promise<OrderRow> {
    return until('the order to end', async () => {
      const order = await this.order();
      if (order === null || isOver(order)) return order;
      if (hurry && order.step === 'SETTLE') await this.#passPayBy();
      return null;
    });
  }

  /** A webhook of this kind has been sent. */
  async sent(type: string): Promise<void> {
    await until(`the webhook ${type}`, () => this.stage.postman.seen.some((letter) => letter.type === type));
  }

  /** Redis shows the seat so. */
  async shows(letter: string): Promise<void> {
    await until(`the seat to be "${letter}"`, async () => {
      const { redis } = this.stage;
      const generation = await redis.hget(sharedKeys(this.eventId).meta, 'generation');
      const status = await redis.get(eventKeys({ eventId: this.eventId, generation: Number(generation) }).status);
      return status?.startsWith(letter);
    });
  }

  /** A week goes by: for the order, for the event, and for what the provider remembers. */
  async weekPasses(): Promise<void> {
    for (const [table, key, columns] of instants) {
      const moved = columns.map((column) => `${column} = ${column} - make_interval(secs => $2)`).join(', ');
      const ofEvent = `${key} IN (SELECT id FROM orders WHERE event_id = $1)`;
      await this.stage.sql(`UPDATE ${table} SET ${moved} WHERE ${ofEvent}`, [this.eventId, weekSeconds]);
    }
    const { meta } = sharedKeys(this.eventId);
    await this.stage.redis.hset(meta, 'lastNow', Date.now() + weekSeconds * 1_000);
    await this.stage.provider.pruneIdempotencyKeys();
  }

  /** The process that is known to Postgres, or to the wire to the provider, by this name. */
  apiOf(name: string): ApiServer {
    return this.stage.apis.find((api) => api.name === name)!;
  }

  async #passPayBy(): Promise<void> {
    await this.stage.sql(
      `WITH due AS (UPDATE orders SET pay_by = LEAST(pay_by, now() - interval '1 second') WHERE event_id = $1 RETURNING id)
       UPDATE order_step s SET run_at = LEAST(run_at, now()) FROM due WHERE s.order_id = due.id AND s.finished_at IS NULL AND s.step = 'SETTLE'`,
      [this.eventId],
    );
  }
}
