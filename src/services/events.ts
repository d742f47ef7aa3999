import { inTransaction } from '../database/transaction.js';
import { findCurrency, refuseCharge, refuseStep, stepOf } from '../domain/currencies.js';
import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { isUuid } from '../domain/ids.js';
import { type Layout, withStanding } from '../domain/layout.js';
import { seatTotalMinor } from '../domain/money.js';
import { maxPriceMinor, seatPrice, type Tariff, wholeBasisPoints } from '../domain/pricing.js';
import { accessibleStretches, companionSeats } from '../domain/seat-runs.js';
import { type PlanError, parseVenuePlan } from '../domain/venue-plan.js';
import {
  Event,
  EventCategory,
  EventChannel,
  type Identity,
  Inventory,
  LayoutVersion,
  Venue,
  type WaitingRoom,
} from '../entities/events.js';
import { EventCancellation } from '../entities/money.js';
import { limits, planBounds } from '../limits.js';
import { changeSettings } from '../redis/inventory.js';
import type { EventCatalogue } from './event-catalogue.js';
import type { InventoryService } from './inventory.js';
import type { Platform, Viewer } from './platform.js';
import { maySteer } from './sales.js';

export interface CategoryPriceInput extends Tariff {
  /** Name of a category of the venue, or of one of the standing places. */
  readonly category: string;
}

export interface StandingInput {
  readonly section: string;
  readonly name: string;
  readonly category: string;
  readonly places: number;
}

export interface CreateEventInput {
  readonly venueId: string | null;
  readonly name: string;
  readonly startsAt: Date;
  readonly timeZone: string;
  readonly currency: string;
  readonly saleOpensAt: Date | null;
  readonly prices: readonly CategoryPriceInput[];
  readonly standing: readonly StandingInput[];
  readonly waitingRoom: WaitingRoom;
  readonly identity: Identity;
  /** Null: a day before the event starts. */
  readonly accessibleReleaseAt: Date | null;
  /** Plan pixels; null: the middle of all seats. */
  readonly focalPoint: { readonly x: number; readonly y: number } | null;
  readonly admitPerSecond: number | null;
  readonly activeCap: number | null;
  readonly maxSeatsPerHold: number | null;
  readonly maxSeatsPerPerson: number | null;
  readonly holdTtlSeconds: number | null;
}

const emptyLayout: Layout = { name: '', categories: [], sections: [], seatCount: 0 };

/** The organizer's side of an event: venues, drafts, publication, what may change while it sells. */
export class Events {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #inventory: InventoryService;

  constructor(platform: Platform, events: EventCatalogue, inventory: InventoryService) {
    this.#platform = platform;
    this.#events = events;
    this.#inventory = inventory;
  }

  /** Published events, newest first, after a cursor. */
  async list(first: number, after: { readonly startsAt: Date; readonly id: string } | null): Promise<Event[]> {
    const query = this.#platform.database
      .getRepository(Event)
      .createQueryBuilder('event')
      .where(`event.state <> 'DRAFT'`)
      .orderBy('event.startsAt', 'ASC')
      .addOrderBy('event.id', 'ASC')
      .take(first);
    if (after !== null) query.andWhere('(event.starts_at, event.id) > (:startsAt, :id)', after);
    return query.getMany();
  }

  /** A draft is seen by its organizer only. */
  async read(viewer: Viewer | null, id: string): Promise<Event | null> {
    if (!isUuid(id)) return null;
    const event = await this.#platform.database.getRepository(Event).findOneBy({ id });
    return event !== null && (event.state !== 'DRAFT' || maySteer(viewer, event)) ? event : null;
  }

  async importVenue(
    viewer: Viewer,
    input: { readonly name: string | null; readonly plan: string },
  ): Promise<Venue | Refusal> {
    if (viewer.organizerId === null) return refuse('FORBIDDEN', { message: 'Only organizers import venues.' });
    const parsed = parseVenuePlan(input.plan, planBounds);
    if ('errors' in parsed)
      return refuse('VENUE_PLAN_INVALID', { path: ['input', 'plan'], errors: withoutBulk(parsed.errors) });
    const name = input.name ?? parsed.layout.name;
    const wrong = checkName('input.name', name);
    if (wrong !== null) return wrong;
    const venue = this.#platform.database.getRepository(Venue).create({
      id: this.#platform.clock.randomId(),
      organizerId: viewer.organizerId,
      name,
      seatCount: parsed.layout.seatCount,
      layout: parsed.layout,
    });
    return this.#platform.database.getRepository(Venue).save(venue);
  }

  async create(viewer: Viewer, input: CreateEventInput): Promise<Event | Refusal> {
    if (viewer.organizerId === null) return refuse('FORBIDDEN', { message: 'Only organizers create events.' });
    const layout = await this.#layoutFor(viewer, input);
    if (isRefusal(layout)) return layout;
    const wrong =
      checkEvent(input) ?? checkPrices(input.prices, layout, input.currency) ?? checkAllPriced(input.prices, layout);
    if (wrong !== null) return wrong;
    if (input.identity === 'EMAIL' && !this.#platform.mailer.enabled)
      return invalidInput('input.identity', 'No mail can be sent from here: SMTP_URL is not set.');
    const event = this.#platform.database.getRepository(Event).create({
      id: this.#platform.clock.randomId(),
      organizerId: viewer.organizerId,
      name: input.name,
      state: 'DRAFT',
      startsAt: input.startsAt,
      timeZone: input.timeZone,
      currency: input.currency,
      saleOpensAt: input.saleOpensAt ?? new Date(this.#platform.clock.nowMs()),
      waitingRoom: input.waitingRoom,
      identity: input.identity,
      focalX: input.focalPoint?.x ?? null,
      focalY: input.focalPoint?.y ?? null,
      admitPerSecond: input.admitPerSecond ?? limits.admitPerSecond,
      activeCap: input.activeCap ?? limits.activeCap,
      maxSeatsPerHold: input.maxSeatsPerHold ?? limits.seatsPerPerson,
      maxSeatsPerPerson: input.maxSeatsPerPerson ?? limits.seatsPerPerson,
      holdTtlMs: input.holdTtlSeconds === null ? limits.holdTtlMs : input.holdTtlSeconds * 1_000,
    });
    const priceOf = new Map(input.prices.map((price) => [price.category, price]));
    const categories = layout.categories.map(({ name }, category) => {
      return { eventId: event.id, category, ...tariffOf(priceOf.get(name)!) };
    });
    const accessible = {
      eventId: event.id,
      letter: 'A',
      name: 'Accessible',
      releaseAt: input.accessibleReleaseAt ?? new Date(input.startsAt.getTime() - limits.accessibleKeptMs),
    };
    await inTransaction(this.#platform.database, async (manager) => {
      await manager.insert(Event, event);
      await manager.insert(EventChannel, accessible);
      await manager.insert(EventCategory, categories);
      await manager.insert(LayoutVersion, { eventId: event.id, version: 1, document: layout as object });
    });
    return event;
  }

  /** Gives a draft its inventory: from here on seats have indexes that never change. Publishing again answers the same. */
  async publish(viewer: Viewer, eventId: string): Promise<Event | Refusal> {
    const event = await this.own(viewer, eventId);
    if (isRefusal(event)) return event;
    if (isOver(event)) return refuse('SALE_CLOSED', { path: ['input', 'eventId'] });
    if (event.state === 'DRAFT') {
      await inTransaction(this.#platform.database, async (manager) => {
        const layout = await manager.findOneByOrFail(LayoutVersion, { eventId, version: 1 });
        await manager
          .createQueryBuilder()
          .insert()
          .into(Inventory)
          .values({
            eventId,
            layoutVersion: 1,
            capacity: layout.document.seatCount,
            channels: firstChannels(layout.document),
            drawSeed: this.#platform.clock.randomBytes(32).toString('hex'),
          })
          .orIgnore()
          .execute();
        await manager.update(Event, { id: eventId }, { state: 'PUBLISHED' });
      });
      await this.#inventory.rebuild(eventId);
    }
    return { ...event, state: 'PUBLISHED' };
  }

  /** Changes the pace of admission of a running sale. Lowering the cap evicts nobody. */
  async updateAdmission(
    viewer: Viewer,
    input: {
      readonly eventId: string;
      readonly admitPerSecond: number | null;
      readonly activeCap: number | null;
      readonly waitingRoom: WaitingRoom | null;
    },
  ): Promise<Event | Refusal> {
    const event = await this.own(viewer, input.eventId);
    if (isRefusal(event)) return event;
    const wrong = checkPace(input);
    if (wrong !== null) return wrong;
    const changed = {
      admitPerSecond: input.admitPerSecond ?? event.admitPerSecond,
      activeCap: input.activeCap ?? event.activeCap,
      waitingRoom: input.waitingRoom ?? event.waitingRoom,
    };
    await this.#platform.database.getRepository(Event).update({ id: event.id }, changed);
    return this.#apply({ ...event, ...changed }, '');
  }

  /** What places of these categories cost from now on. Who holds some, or has bought some, pays what was shown then. */
  async updatePrices(
    viewer: Viewer,
    { eventId, prices }: { readonly eventId: string; readonly prices: readonly CategoryPriceInput[] },
  ): Promise<Event | Refusal> {
    const event = await this.own(viewer, eventId);
    if (isRefusal(event)) return event;
    const { database } = this.#platform;
    const { document: layout } = await database.getRepository(LayoutVersion).findOneOrFail({
      where: { eventId },
      order: { version: 'DESC' },
    });
    const wrong = checkPrices(prices, layout, event.currency);
    if (wrong !== null) return wrong;
    const indexOf = new Map(layout.categories.map(({ name }, index) => [name, index]));
    await inTransaction(database, async (manager) => {
      for (const price of prices)
        await manager.update(EventCategory, { eventId, category: indexOf.get(price.category)! }, tariffOf(price));
    });
    await this.#events.changed(eventId);
    return event;
  }

  /** Ends a sale: no new holds, nobody joins; running checkouts finish. */
  closeSale(viewer: Viewer, eventId: string): Promise<Event | Refusal> {
    return this.end(viewer, eventId, 'CLOSED');
  }

  /** CANCELED is for good: an event that does not take place is not one whose sale is merely over. */
  async end(viewer: Viewer, eventId: string, state: 'CLOSED' | 'CANCELED'): Promise<Event | Refusal> {
    const event = await this.own(viewer, eventId);
    if (isRefusal(event)) return event;
    if (event.state === 'DRAFT') return unpublished();
    // Whoever was cut off between the ledger and Redis is finished by asking again.
    if (event.state === 'CANCELED') return this.#apply(event, 'close');
    await inTransaction(this.#platform.database, async (manager) => {
      await manager.update(Event, { id: event.id }, { state });
      // Whatever happens from here on: whoever has bought is paid back.
      const cancellation = {
        eventId: event.id,
        state: 'RUNNING',
        startedAt: new Date(this.#platform.clock.nowMs()),
      } as const;
      if (state !== 'CANCELED') return;
      await manager.createQueryBuilder().insert().into(EventCancellation).values(cancellation).orIgnore().execute();
    });
    return this.#apply({ ...event, state }, 'close');
  }

  /** Until when buyers may give tickets back by themselves, and whether their fees stay paid. */
  async updateReturns(
    viewer: Viewer,
    input: { readonly eventId: string; readonly until: Date | null; readonly keepFees: boolean },
  ): Promise<Event | Refusal> {
    const event = await this.own(viewer, input.eventId);
    if (isRefusal(event)) return event;
    const changed = { buyersReturnUntil: input.until, returnsKeepFees: input.keepFees };
    await this.#platform.database.getRepository(Event).update({ id: event.id }, changed);
    await this.#events.changed(event.id);
    return { ...event, ...changed };
  }

  /**
   * Stops admissions and new holds. Every place is kept, running checkouts go on, and all other clocks stand still, for as long as
   * pauseMaxMs. Pausing again changes nothing.
   */
  async pauseSale(viewer: Viewer, eventId: string): Promise<Event | Refusal> {
    const event = await this.#running(viewer, eventId);
    if (isRefusal(event) || event.pausedAt !== null) return event;
    // Written first, so that a rebuild keeps it; the instant by which seats are judged follows.
    const pausedAt = new Date(this.#platform.clock.nowMs());
    await this.#platform.database.getRepository(Event).update({ id: event.id }, { pausedAt });
    return this.#apply({ ...event, pausedAt }, 'pause');
  }

  /** Lets a paused sale go on where it was. */
  async resumeSale(viewer: Viewer, eventId: string): Promise<Event | Refusal> {
    const event = await this.#running(viewer, eventId);
    if (isRefusal(event) || event.pausedAt === null) return event;
    const forMs = Math.min(this.#platform.clock.nowMs() - event.pausedAt.getTime(), limits.pauseMaxMs);
    const changed = { pausedAt: null, pausedMs: event.pausedMs + Math.max(0, forMs) };
    await this.#platform.database.getRepository(Event).update({ id: event.id }, changed);
    return this.#apply({ ...event, ...changed }, 'resume');
  }

  async #apply(event: Event, action: 'close' | 'pause' | 'resume' | ''): Promise<Event | Refusal> {
    const { admitPerSecond, activeCap, waitingRoom } = event;
    await this.#events.changed(event.id);
    const published = await this.#events.published(event.id);
    if (published === null) return event;
    const settings = { admitPerSecond, activeCap, waitingRoom, action };
    const changed = await changeSettings(this.#platform.redis, published.ref, settings);
    if (changed === null) {
      // A rebuild that runs meanwhile reads the new settings from the ledger.
      await this.#inventory.wrongEpoch(event.id);
      return event;
    }
    if (action !== 'pause' && action !== 'resume') return event;
    // Redis time has judged: the ledger takes over its instants.
    const pause = {
      pausedAt: changed.pausedAtMs === null ? null : new Date(changed.pausedAtMs),
      pausedMs: changed.pausedMs,
    };
    await this.#platform.database.getRepository(Event).update({ id: event.id }, pause);
    return { ...event, ...pause };
  }

  /** An event of this organizer whose sale can be steered. */
  async #running(viewer: Viewer, eventId: string): Promise<Event | Refusal> {
    const event = await this.own(viewer, eventId);
    if (isRefusal(event)) return event;
    if (event.state === 'DRAFT') return unpublished();
    return isOver(event) ? refuse('SALE_CLOSED', { path: ['input', 'eventId'] }) : event;
  }

  /** A published event or draft, for its organizer. */
  own(viewer: Viewer, eventId: string): Promise<Event | Refusal> {
    return ownEvent(this.#platform, viewer, eventId);
  }

  async #layoutFor(viewer: Viewer, input: CreateEventInput): Promise<Layout | Refusal> {
    let layout = emptyLayout;
    if (input.venueId !== null) {
      const venue = isUuid(input.venueId)
        ? await this.#platform.database.getRepository(Venue).findOne({
            where: { id: input.venueId },
            select: { id: true, organizerId: true, layout: true as unknown as object },
          })
        : null;
      if (venue === null || venue.organizerId !== viewer.organizerId) {
        return refuse('NOT_FOUND', { path: ['input', 'venueId'], message: 'There is no such venue.' });
      }
      layout = venue.layout;
    }
    for (const [at, standing] of input.standing.entries()) {
      const path = `input.standing.${at}`;
      const wrong =
        checkName(`${path}.section`, standing.section) ??
        checkName(`${path}.name`, standing.name) ??
        checkName(`${path}.category`, standing.category);
      if (wrong !== null) return wrong;
      if (
        !Number.isInteger(standing.places) ||
        standing.places < 1 ||
        layout.seatCount + standing.places > limits.layoutSeats
      ) {
        return invalidInput(`${path}.places`, `An event has 1 to ${limits.layoutSeats} places in all.`);
      }
      const { section: sectionName, name, category, places: count } = standing;
      layout = withStanding(layout, { sectionName, name, category, count });
      if (layout.categories.length > limits.layoutCategories)
        return invalidInput(`${path}.category`, 'There are too many categories.');
    }
    if (layout.seatCount === 0)
      return invalidInput('input.venueId', 'An event needs a venue with seats or standing places.');
    return layout;
  }
}

const isOver = ({ state }: Event) => state === 'CLOSED' || state === 'CANCELED';

const unpublished = () => invalidInput('input.eventId', 'This event has not been published.');

/** An event of this viewer's organizer, or why it is not theirs to steer. */
export async function ownEvent(platform: Platform, viewer: Viewer, eventId: string): Promise<Event | Refusal> {
  const event = isUuid(eventId) ? await platform.database.getRepository(Event).findOneBy({ id: eventId }) : null;
  if (event === null) return refuse('NOT_FOUND', { path: ['input', 'eventId'], message: 'There is no such event.' });
  if (!maySteer(viewer, event))
    return refuse('FORBIDDEN', { path: ['input', 'eventId'], message: 'This event belongs to another organizer.' });
  return event;
}

/** Wheelchair places and the seats of their companions are kept for those who need them; everything else is everybody's. */
function firstChannels(layout: Layout): string {
  const letters = Array<string>(layout.seatCount).fill('.');
  for (const stretch of accessibleStretches(layout)) {
    letters.fill('A', stretch.places, stretch.places + stretch.placeCount);
    for (const seat of companionSeats(stretch)) letters[seat] = 'A';
  }
  return letters.join('');
}

function withoutBulk(errors: readonly PlanError[]): PlanError[] {
  return errors.slice(0, limits.planErrors + 1).map(({ path, message }) => ({ path, message }));
}

export function checkName(path: string, name: string): Refusal<'INVALID_INPUT'> | null {
  if (name.trim() === '') return invalidInput(path, 'Must not be empty.');
  if (name.length > limits.nameLength) return invalidInput(path, `Must have at most ${limits.nameLength} characters.`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is refused
  if (/[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/.test(name) || /\p{Surrogate}/u.test(name)) {
    return invalidInput(path, 'Must not contain control characters or broken text.');
  }
  return null;
}

function checkPace(input: {
  readonly admitPerSecond: number | null;
  readonly activeCap: number | null;
}): Refusal<'INVALID_INPUT'> | null {
  const { admitPerSecond, activeCap } = input;
  if (admitPerSecond !== null && !(admitPerSecond >= 0.01 && admitPerSecond <= 10_000)) {
    return invalidInput('input.admitPerSecond', 'Must be from 0.01 to 10,000.');
  }
  if (activeCap !== null && !(activeCap >= 1 && activeCap <= 1_000_000))
    return invalidInput('input.activeCap', 'Must be from 1 to 1,000,000.');
  return null;
}

function checkEvent(input: CreateEventInput): Refusal<'INVALID_INPUT'> | null {
  const wrongName = checkName('input.name', input.name);
  if (wrongName !== null) return wrongName;
  if (!Intl.supportedValuesOf('timeZone').includes(input.timeZone) && input.timeZone !== 'UTC') {
    return invalidInput('input.timeZone', 'Must be an IANA time zone, as Europe/Berlin.');
  }
  if (findCurrency(input.currency) === null) {
    return invalidInput(
      'input.currency',
      'Must be an ISO 4217 code in capitals, as EUR, of a currency that can be charged.',
    );
  }
  const { maxSeatsPerHold, maxSeatsPerPerson, holdTtlSeconds } = input;
  if (maxSeatsPerHold !== null && (maxSeatsPerHold < 1 || maxSeatsPerHold > limits.seatsPerHold)) {
    return invalidInput('input.maxSeatsPerHold', `Must be from 1 to ${limits.seatsPerHold}.`);
  }
  if (maxSeatsPerPerson !== null && (maxSeatsPerPerson < 1 || maxSeatsPerPerson > limits.layoutSeats)) {
    return invalidInput('input.maxSeatsPerPerson', `Must be from 1 to ${limits.layoutSeats}.`);
  }
  if (
    holdTtlSeconds !== null &&
    (holdTtlSeconds * 1_000 <= limits.holdWarningMs || holdTtlSeconds * 1_000 > limits.holdMaxMs)
  ) {
    return invalidInput(
      'input.holdTtlSeconds',
      `Must be over ${limits.holdWarningMs / 1_000} and at most ${limits.holdMaxMs / 1_000}.`,
    );
  }
  return checkPace(input);
}

function tariffOf({ priceMinor, feeMinor, feeBasisPoints, taxBasisPoints, taxIncluded }: Tariff): Tariff {
  return { priceMinor, feeMinor, feeBasisPoints, taxBasisPoints, taxIncluded };
}

/** Every price is of a category of its own, and within bounds. */
function checkPrices(
  prices: readonly CategoryPriceInput[],
  layout: Layout,
  currency: string,
): Refusal<'INVALID_INPUT'> | null {
  const names = new Set(layout.categories.map(({ name }) => name));
  for (const [at, price] of prices.entries()) {
    const path = `input.prices.${at}`;
    if (!names.delete(price.category)) {
      return invalidInput(
        `${path}.category`,
        `Must name a category of the event once; "${price.category.slice(0, limits.nameLength)}" does not.`,
      );
    }
    for (const field of ['priceMinor', 'feeMinor'] as const) {
      const amount = price[field];
      if (amount < 0 || amount > maxPriceMinor)
        return invalidInput(`${path}.${field}`, `Must be from 0 to ${maxPriceMinor}.`);
      const broken = refuseStep(currency, amount);
      if (broken !== null) return invalidInput(`${path}.${field}`, broken);
    }
    for (const field of ['feeBasisPoints', 'taxBasisPoints'] as const) {
      const rate = price[field];
      if (rate < 0 || rate > wholeBasisPoints)
        return invalidInput(`${path}.${field}`, `Must be from 0 to ${wholeBasisPoints}.`);
    }
    const total = seatTotalMinor(seatPrice(price, stepOf(currency)));
    if (total > 2 * maxPriceMinor)
      return invalidInput(`${path}.priceMinor`, `With fee and taxes it is over ${2 * maxPriceMinor}.`);
    const tooSmall = refuseCharge(currency, total);
    if (tooSmall !== null) return invalidInput(`${path}.priceMinor`, tooSmall);
  }
  return null;
}

function checkAllPriced(prices: readonly CategoryPriceInput[], layout: Layout): Refusal<'INVALID_INPUT'> | null {
  const priced = new Set(prices.map(({ category }) => category));
  const missing = layout.categories.find(({ name }) => !priced.has(name));
  return missing === undefined ? null : invalidInput('input.prices', `The category "${missing.name}" has no price.`);
}
