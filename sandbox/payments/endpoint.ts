import type { Page, PageQuery } from './ledger.js';
import type { Params } from './params.js';
import type { Cause } from './records.js';
import { done, missingResource, type Outcome, refused } from './refusals.js';
import type { World } from './world.js';

/** One call, past authentication and quota. */
export interface Call {
  readonly params: Params;
  /** From the path, '' where it has none. */
  readonly id: string;
  readonly publishable: boolean;
  readonly cause: Cause;
}

export interface Endpoint {
  /** What planned faults call it. */
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Whether a buyer may call it with a publishable key and the intent's client secret. */
  readonly publishable: boolean;
  /** Answers the JSON of a 200, or a refusal. */
  readonly handle: (world: World, call: Call) => Outcome<string>;
}

/** The parameters of every list. */
export const listed = ['limit', 'starting_after', 'ending_before', 'created', 'expand'];

export function showList<T>(
  url: string,
  query: PageQuery,
  page: Page<T> | undefined,
  render: (item: T) => string,
): Outcome<string> {
  if (page === undefined) {
    const param = query.startingAfter === undefined ? 'ending_before' : 'starting_after';
    return refused(missingResource('object', query.startingAfter ?? query.endingBefore ?? '', param, 400));
  }
  const data = page.items.map(render).join(',');
  return done(`{"object":"list","data":[${data}],"has_more":${page.hasMore},"url":"${url}"}`);
}
