import { inTransaction } from '../database/transaction.js';
import { refuseCharge, refuseStep, stepOf } from '../domain/currencies.js';
import { invalidInput, isRefusal, type Refusal, refuse } from '../domain/errors.js';
import { inputDigest } from '../domain/ids.js';
import { decodePriceList, encodePriceList, type SeatPrice, seatTotalMinor } from '../domain/money.js';
import { type Discount, maxPriceMinor, seatPrice, wholeBasisPoints } from '../domain/pricing.js';
import { DiscountCode } from '../entities/codes.js';
import { type Event, EventCategory } from '../entities/events.js';
import { limits } from '../limits.js';
import { globalKeys } from '../redis/keys.js';
import type { Selection } from '../redis/seat-holds.js';
import { reserveUse, sweepUses } from './code-uses.js';
import type { PublishedEvent } from './event-catalogue.js';
import { checkName, ownEvent } from './events.js';
import type { Platform, Viewer } from './platform.js';

export interface SaveCode {
  readonly eventId: string;
  readonly code: string;
  readonly discount: Discount;
  readonly categoryIds: readonly string[] | null;
  readonly validFrom: Date | null;
  readonly validUntil: Date | null;
  readonly maxUses: number | null;
  readonly active: boolean;
}

/** A code as its organizer sees it. */
export interface CodeView {
  readonly code: DiscountCode;
  readonly currency: string;
}

/** As people type it: in any case, with spaces round it. */
export function normalCode(text: string): string {
  return text.trim().toUpperCase();
}

/** Discount codes: what an organizer allows, what they make of a price list, and how their uses are counted. */
export class Codes {
  readonly #platform: Platform;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** The codes of an event, for its organizer's people. */
  async list({ id: eventId, currency }: Event): Promise<CodeView[]> {
    const codes = await this.#platform.database
      .getRepository(DiscountCode)
      .find({ where: { eventId }, order: { createdAt: 'ASC', code: 'ASC' }, take: limits.codes });
    return codes.map((code) => ({ code, currency }));
  }

  /** Makes a code, or changes the one of this name. Holds that were made with it keep their prices. */
  async save(viewer: Viewer, input: SaveCode): Promise<CodeView | Refusal> {
    const event = await ownEvent(this.#platform, viewer, input.eventId);
    if (isRefusal(event)) return event;
    const { eventId, maxUses } = input;
    const categories = await this.#categoriesOf(event, input.categoryIds);
    const wrong = checkCode(input, event.currency);
    if (wrong !== null || isRefusal(categories)) return wrong ?? (categories as Refusal);
    const code = normalCode(input.code);
    const { validFrom, validUntil, active, discount } = input;
    const basisPoints = 'basisPoints' in discount ? discount.basisPoints : null;
    const amountMinor = 'amountMinor' in discount ? discount.amountMinor : null;
    const fields = { basisPoints, amountMinor, categories, validFrom, validUntil, maxUses, active };
    return inTransaction(this.#platform.database, async (manager): Promise<CodeView | Refusal> => {
      await manager.query('SELECT FROM event WHERE id = $1 FOR NO KEY UPDATE', [eventId]);
      const lock = { mode: 'pessimistic_write' } as const;
      const known = await manager.findOne(DiscountCode, { where: { eventId, code }, lock });
      if (known !== null && maxUses !== null && known.uses > maxUses)
        return invalidInput('input.maxUses', `It has been used ${known.uses} times.`);
      if (known === null && (await manager.countBy(DiscountCode, { eventId })) >= limits.codes)
        return invalidInput('input.code', `An event has at most ${limits.codes} codes.`);
      const id = known?.id ?? this.#platform.clock.randomId();
      if (known === null) await manager.insert(DiscountCode, { id, eventId, code, ...fields });
      else await manager.update(DiscountCode, { id }, fields);
      return { code: await manager.findOneByOrFail(DiscountCode, { id }), currency: event.currency };
    });
  }

  /**
   * The price list of a hold with this code, or why there is none. Nothing is used up by it; what is not valid counts as a guess, of which
   * a person has a few a minute.
   */
  async priceList(
    event: PublishedEvent,
    viewer: Viewer,
    wish: { readonly code: string; readonly selection: Selection },
  ): Promise<string | Refusal<'CODE_NOT_VALID' | 'CODE_USED_UP' | 'OVERLOADED'>> {
    const path = ['input', 'code'];
    const { redis } = this.#platform;
    // Counted before it is looked up, so that guesses made at the same time are as many as those made one after the other.
    const key = globalKeys.attempts('code', inputDigest(viewer.personId));
    const replies = await redis.multi().incr(key).expire(key, 60, 'NX').pttl(key).exec();
    const [guesses, leftMs] = [Number(replies![0]![1]), Number(replies![2]![1])];
    if (guesses > limits.codeGuessesPerMinute)
      return refuse('OVERLOADED', { path, retryAfterMs: Math.max(leftMs, 1), message: 'Too many codes were tried.' });
    const code = await this.#find(event.ref.eventId, wish.code);
    if (code === null) return refuse('CODE_NOT_VALID', { path });
    if (code.maxUses !== null && code.uses >= code.maxUses) return refuse('CODE_USED_UP', { path });
    const prices = pricesWith(event, code);
    if (!categoriesIn(event, wish.selection).some((category) => prices[category]!.discountMinor > 0))
      return refuse('CODE_NOT_VALID', { path, message: 'This code is not for these places.' });
    const broken = categoriesIn(event, wish.selection).find(
      (category) => refuseCharge(event.event.currency, seatTotalMinor(prices[category]!)) !== null,
    );
    // A charge that the provider would refuse would cost the hold at checkout.
    if (broken !== undefined)
      return refuse('CODE_NOT_VALID', { path, message: 'With this code these places cost what cannot be charged.' });
    await redis.multi().decr(key).expire(key, 60, 'NX').exec();
    return encodePriceList(event.event.currency, prices, { id: code.id, without: event.prices });
  }

  /**
   * The prices at which a hold that was made with a code goes to checkout: those of the hold, once a use is reserved for its order, or
   * those without the code if that is what the buyer wants by now. They were agreed on with the hold: whether the code would still be
   * given to anybody does not matter, only whether a use is left.
   */
  async agree(
    prices: string,
    { orderId, withoutCode }: { readonly orderId: string; readonly withoutCode: boolean },
  ): Promise<string | Refusal<'CODE_USED_UP'>> {
    const { currency, code } = decodePriceList(prices);
    if (code === null) return prices;
    if (withoutCode) return encodePriceList(currency, code.without);
    const { database, clock } = this.#platform;
    const until = new Date(clock.nowMs() + limits.codeReservationMs);
    if (await reserveUse(database, { orderId, codeId: code.id, until })) return prices;
    return refuse('CODE_USED_UP', { path: ['input', 'holdId'] });
  }

  /** Gives back the uses of checkouts that came to nothing. */
  sweep(): Promise<void> {
    return sweepUses(this.#platform.database, new Date(this.#platform.clock.nowMs()));
  }

  /** A code that is valid now. */
  async #find(eventId: string, text: string): Promise<DiscountCode | null> {
    const code = normalCode(text);
    // The ledger takes no text with it.
    if (code.includes('\0') || code.length > limits.nameLength) return null;
    const found = await this.#platform.database.getRepository(DiscountCode).findOneBy({ eventId, code });
    const now = new Date(this.#platform.clock.nowMs());
    if (found === null || !found.active) return null;
    const { validFrom, validUntil } = found;
    return (validFrom !== null && now < validFrom) || (validUntil !== null && now >= validUntil) ? null : found;
  }

  async #categoriesOf(event: Event, ids: readonly string[] | null): Promise<number[] | null | Refusal> {
    if (ids === null) return null;
    const known = await this.#platform.database.getRepository(EventCategory).findBy({ eventId: event.id });
    const categories = new Set(known.map(({ category }) => String(category)));
    const unknown = ids.findIndex((id) => !categories.has(id));
    if (ids.length === 0)
      return invalidInput('input.categoryIds', 'Name at least one category, or leave it out for all.');
    if (unknown === -1) return [...new Set(ids.map(Number))];
    const path = ['input', 'categoryIds', String(unknown)];
    return refuse('NOT_FOUND', { path, message: 'This event has no such category.' });
  }
}

function pricesWith({ tariffs, event }: PublishedEvent, code: DiscountCode): SeatPrice[] {
  const stepMinor = stepOf(event.currency);
  const discount: Discount =
    code.basisPoints === null ? { amountMinor: code.amountMinor! } : { basisPoints: code.basisPoints };
  return tariffs.map((tariff, category) =>
    seatPrice(tariff, stepMinor, code.categories === null || code.categories.includes(category) ? discount : null),
  );
}

/** Categories of which places may be among those that are asked for. */
function categoriesIn({ hall }: PublishedEvent, selection: Selection): number[] {
  if (selection.kind === 'seats') return selection.indexes.map((index) => hall.categories[index]!);
  if (selection.kind !== 'accessible') return [selection.category];
  // Beside wheelchair places are seats of the category they belong to.
  return [...hall.accessibleOf].filter(([, own]) => own === selection.category).map(([category]) => category);
}

function checkCode(input: SaveCode, currency: string): Refusal<'INVALID_INPUT'> | null {
  const wrongName = checkName('input.code', input.code);
  if (wrongName !== null) return wrongName;
  if (normalCode(input.code).length < 4) return invalidInput('input.code', 'Must have at least 4 characters.');
  const { discount, validFrom, validUntil, maxUses } = input;
  const [field, value, most] =
    'basisPoints' in discount
      ? (['basisPoints', discount.basisPoints, wholeBasisPoints] as const)
      : (['amountMinor', discount.amountMinor, maxPriceMinor] as const);
  if (value < 1 || value > most) return invalidInput(`input.discount.${field}`, `Must be from 1 to ${most}.`);
  const broken = 'amountMinor' in discount ? refuseStep(currency, discount.amountMinor) : null;
  if (broken !== null) return invalidInput('input.discount.amountMinor', broken);
  if (validFrom !== null && validUntil !== null && validFrom >= validUntil)
    return invalidInput('input.validUntil', 'Must be after validFrom.');
  return maxUses !== null && maxUses < 1 ? invalidInput('input.maxUses', 'Must be at least 1.') : null;
}
