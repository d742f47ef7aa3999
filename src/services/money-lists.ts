import { MoneyCursor } from '../entities/money.js';
import { limits } from '../limits.js';
import type { ListPage, ListWindow, ProviderAnswer } from '../payments/gateway.js';
import type { Platform } from './platform.js';

/** A list that is compared once from its beginning to now, page by page. */
export interface MoneyList<T> {
  readonly name: string;
  /** How old something is when it is compared: until then it may still be on its way. */
  readonly ageMs: number;
  /** A stretch shorter than this is not worth a call. */
  readonly everyMs: number;
  read(window: ListWindow): Promise<ProviderAnswer<ListPage<T>>>;
  compare(items: readonly T[]): Promise<unknown>;
}

/**
 * Goes on with a list where somebody stopped: whatever is compared is compared by whoever has the turn. Stretches overlap a little, for a list
 * that shows something late; everything done about a difference may be done twice.
 */
export async function followList<T>({ database, clock, log }: Platform, list: MoneyList<T>): Promise<void> {
  const cursors = database.getRepository(MoneyCursor);
  const nowMs = clock.nowMs();
  const stored = await cursors.findOneBy({ feed: list.name });
  const comparedTo = stored?.comparedTo ?? new Date(nowMs - limits.moneyLookBackMs);
  const windowTo = stored?.windowTo ?? new Date(nowMs - list.ageMs);
  let after = stored?.after ?? null;
  const wholeMs = windowTo.getTime() - comparedTo.getTime();
  if (stored?.windowTo == null && wholeMs >= 0 && wholeMs < list.everyMs) return;
  const fromMs = Math.min(comparedTo.getTime(), windowTo.getTime()) - limits.moneyOverlapMs;
  for (let page = 0; page < limits.moneyPages; page += 1) {
    const answer = await list.read({ fromMs, toMs: windowTo.getTime(), after });
    if (answer.kind !== 'ok') {
      log.warn({ list: list.name, reason: answer.reason }, 'a list of the provider could not be read');
      // The page it stopped at may be gone: the stretch begins again.
      if (answer.kind === 'refused' && after !== null)
        await cursors.save({ feed: list.name, comparedTo, windowTo, after: null });
      return;
    }
    await list.compare(answer.value.items);
    after = answer.value.after;
    if (after === null) {
      await cursors.save({ feed: list.name, comparedTo: windowTo, windowTo: null, after: null });
      return;
    }
    await cursors.save({ feed: list.name, comparedTo, windowTo, after });
  }
}
