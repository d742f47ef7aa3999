import { setTimeout as pause } from 'node:timers/promises';
import { type Random, randomFor } from '../../../bench/rush/random.js';
import { ApiClient, type Data } from '../../support/client.js';
import { holdSelection, newKey, orderSelection, orderStream, type TestHall } from '../../support/events.js';
import { finalStates } from './scene.js';
import type { Stage } from './stage.js';

/** What a buyer means to do, drawn beforehand. */
type Plan = 'buy' | 'decline, then buy' | 'decline' | 'walk away with a hold' | 'walk away from the form' | 'cancel';

const plans: readonly (readonly [share: number, plan: Plan])[] = [
  [0.58, 'buy'],
  [0.1, 'decline, then buy'],
  [0.06, 'decline'],
  [0.06, 'walk away with a hold'],
  [0.08, 'walk away from the form'],
  [0.12, 'cancel'],
];

const goodCard = 'pm_card_visa';
const badCard = 'pm_card_chargeDeclined';
const confirmMs = 3_000;
const followMs = 15_000;
const hotRows = 4;
/** Answers after which the same request is sent again. */
const passing: ReadonlySet<string> = new Set(['REBUILDING', 'SALE_PAUSED', 'RATE_LIMITED', 'OVERLOADED']);

/** What the crowd has met, by what happened. */
export interface CrowdCounts {
  buyers: number;
  plans: Record<string, number>;
  refusals: Record<string, number>;
  /** Requests that failed and were sent again. */
  repeats: number;
  refundsAsked: number;
}

/** Buyers who come one after the other to so many tills, and an organizer who takes sales back, until `stop`. */
export class Crowd {
  readonly counts: CrowdCounts = { buyers: 0, plans: {}, refusals: {}, repeats: 0, refundsAsked: 0 };
  readonly #stage: Stage;
  readonly #hall: TestHall;
  readonly #seed: number;
  readonly #work: Promise<void>[] = [];
  #stopping = false;
  #gaveUp = false;

  constructor(stage: Stage, hall: TestHall, seed: number) {
    this.#stage = stage;
    this.#hall = hall;
    this.#seed = seed;
  }

  start(tills: number): void {
    for (let till = 1; till <= tills; till += 1) this.#work.push(this.#serve(till));
    this.#work.push(this.#refund(randomFor(this.#seed, 0)));
  }

  /** Nobody new comes; those who are there finish, within a bound. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const bound = pause(2 * followMs, undefined, { ref: false }).then(() => {
      this.#gaveUp = true;
    });
    await Promise.race([Promise.all(this.#work), bound]);
    await Promise.all(this.#work);
  }

  async #serve(till: number): Promise<void> {
    for (let customer = 1; !this.#stopping; customer += 1) {
      const random = randomFor(this.#seed, till * 1_000 + customer);
      this.counts.buyers += 1;
      await this.#buy(random).catch((error: Error) => this.#count(this.counts.refusals, error.message));
      await pause(random.between(20, 200));
    }
  }

  async #buy(random: Random): Promise<void> {
    const plan = drawPlan(random);
    this.#count(this.counts.plans, plan);
    const token = await this.#persist(
      random,
      (client) => client.mutate('startGuestSession', {}, 'session { token }'),
      null,
    );
    const buyer = token.session.token as string;
    const hold = await this.#hold(random, buyer);
    if (hold === null || plan === 'walk away with a hold') return;
    const input = { holdId: hold.id, fence: hold.fence, idempotencyKey: newKey() };
    const { order } = await this.#ask(random, buyer, 'startCheckout', input, orderSelection);
    if (order === null) return;
    await this.#pay(random, { buyer, orderId: order.id, plan });
  }

  async #hold(random: Random, buyer: string): Promise<Data | null> {
    for (let choice = 1; choice <= 5; choice += 1) {
      const { eventId, rows } = this.#hall;
      const row = rows[random.hits(0.25) ? random.between(0, hotRows - 1) : random.between(0, rows.length - 1)]!;
      const first = random.between(0, row.length - 4);
      const seatIds = row.slice(first, first + random.between(1, 3));
      const input = { eventId, idempotencyKey: newKey(), seats: { seatIds } };
      const { hold } = await this.#ask(random, buyer, 'holdSeats', input, holdSelection);
      if (hold !== null) return hold;
    }
    return null;
  }

  async #pay(
    random: Random,
    at: { readonly buyer: string; readonly orderId: string; readonly plan: Plan },
  ): Promise<void> {
    const { buyer, orderId, plan } = at;
    const cancelsEarly = plan === 'cancel' && random.hits(0.5);
    if (cancelsEarly) return this.#cancel(random, buyer, orderId);
    const update = await this.#follow(random, at, (order) => order.payment !== null);
    const secret: string | undefined = update?.payment?.clientSecret;
    if (secret === undefined || plan === 'walk away from the form') return;
    await pause(random.between(0, 200));
    if (plan === 'cancel') return this.#cancel(random, buyer, orderId);
    if (plan !== 'buy') await this.#confirm(random, secret, badCard);
    if (plan === 'decline') return;
    await this.#confirm(random, secret, goodCard);
    // Some do not wait for their tickets, some call off what they have just paid.
    if (random.hits(0.05)) return this.#cancel(random, buyer, orderId);
    if (random.hits(0.8)) await this.#follow(random, at, () => false);
  }

  async #cancel(random: Random, buyer: string, orderId: string): Promise<void> {
    await this.#ask(random, buyer, 'cancelOrder', { orderId, idempotencyKey: newKey() }, orderSelection);
  }

  /** Until the provider has decided: a card that is refused is an answer, a call that fails is none. */
  async #confirm(random: Random, secret: string, card: string): Promise<void> {
    for (let attempt = 1; attempt <= 10 && !this.#gaveUp; attempt += 1) {
      const answer = await Promise.race([
        this.#stage.provider.confirm(secret, card).catch(() => null),
        pause(confirmMs, null, { ref: false }),
      ]);
      if (answer !== null && answer.httpStatus < 429) return;
      this.counts.repeats += 1;
      await pause(random.between(50, 300));
    }
  }

  /** The order as its buyer is told of it, over a socket that is opened again whenever it breaks; null: it ended, or took too long. */
  async #follow(
    random: Random,
    { buyer, orderId }: { readonly buyer: string; readonly orderId: string },
    fits: (order: Data) => boolean,
  ): Promise<Data | null> {
    const endMs = performance.now() + followMs;
    while (performance.now() < endMs && !this.#gaveUp) {
      const client = this.#client(random, buyer);
      try {
        const stream = client.subscribe(orderStream, { orderId });
        const patience = pause(endMs - performance.now(), null, { ref: false });
        const update = await Promise.race([
          stream.until((order) => fits(order) || finalStates.has(order.state)),
          patience,
        ]);
        if (update === null || !fits(update)) return null;
        return update;
      } catch {
        this.counts.repeats += 1;
        await pause(random.between(50, 300));
      } finally {
        client.close();
      }
    }
    return null;
  }

  async #refund(random: Random): Promise<void> {
    while (!this.#stopping) {
      await pause(random.between(200, 800));
      const sold = await this.#stage
        .sql<{ id: string }>(`SELECT id FROM orders WHERE event_id = $1 AND state = 'COMPLETED' ORDER BY id`, [
          this.#hall.eventId,
        ])
        .catch(() => []);
      if (sold.length === 0) continue;
      const input = { orderId: random.pick(sold).id, idempotencyKey: newKey() };
      const asked = this.#ask(random, this.#stage.organizerToken, 'refundOrder', input, 'order { state }');
      await asked.catch((error: Error) => this.#count(this.counts.refusals, error.message));
      this.counts.refundsAsked += 1;
    }
  }

  /** A mutation, sent again with the same key until it is answered. Answers the payload; refusals are counted. */
  #ask(random: Random, token: string, name: string, input: object, selection: string): Promise<Data> {
    return this.#persist(
      random,
      async (client) => {
        const payload = await client.mutate(name, input, selection);
        const code: string | undefined = payload.errors[0]?.code;
        if (code !== undefined && passing.has(code)) throw new Error(code);
        if (code !== undefined) this.#count(this.counts.refusals, `${name}: ${code}`);
        return payload;
      },
      token,
    );
  }

  async #persist(random: Random, act: (client: ApiClient) => Promise<Data>, token: string | null): Promise<Data> {
    for (;;) {
      const client = this.#client(random, token);
      try {
        return await act(client);
      } catch (error) {
        if (this.#gaveUp) throw error;
        this.counts.repeats += 1;
        await pause(random.between(50, 300));
      } finally {
        client.close();
      }
    }
  }

  #client(random: Random, token: string | null): ApiClient {
    const up = this.#stage.apis.filter(({ isUp }) => isUp);
    return new ApiClient(random.pick(up.length > 0 ? up : this.#stage.apis).url, token);
  }

  #count(counts: Record<string, number>, what: string): void {
    counts[what] = (counts[what] ?? 0) + 1;
  }
}

function drawPlan(random: Random): Plan {
  let left = random.next();
  for (const [share, plan] of plans) {
    if (left < share) return plan;
    left -= share;
  }
  return 'buy';
}
