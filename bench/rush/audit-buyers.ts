import type { Evidence } from './evidence.js';
import type { Belief, BuyerRecord, Violation } from './records.js';
import { groupBy, violation } from './violations.js';

/** What the buyers saw, against each other and against the ledger. */
export function auditBuyers({ buyers, ledger }: Evidence): Violation[] {
  const of = <T>(read: (buyer: BuyerRecord) => readonly T[]) =>
    buyers.flatMap((buyer) => read(buyer).map((one) => ({ buyer: buyer.buyer, ...one })));
  const stranded = buyers.filter((buyer) => buyer.end === 'unfinished' || buyer.end === 'failed');
  return [
    ...violation('no two buyers believe at the same time that one seat is theirs', overlaps(buyers)),
    ...violation(
      'no client in silence: a message within its next due time + 5 s',
      of((buyer) => buyer.silences),
    ),
    ...violation(
      'a shown position never rises',
      of((buyer) => buyer.positionRises),
    ),
    ...violation(
      'the same request with the same key gives the same answer',
      of((buyer) => buyer.repeats),
    ),
    ...violation(
      'every buyer comes to an end that the platform explained',
      stranded.map(({ buyer, end, endDetail, stage, persona }) => ({ buyer, end, endDetail, stage, persona })),
    ),
    ...violation('the tickets a buyer was shown are the tickets of the ledger', ticketDifferences(buyers, ledger)),
    ...violation('every completed order was shown complete to its buyer', unseenOrders(buyers, ledger)),
    ...violation('the price a buyer was shown is the price of the order', priceDifferences(buyers, ledger)),
  ];
}

interface Claim extends Belief {
  readonly buyer: number;
}

/**
 * Per seat, beliefs sorted by their beginning: each must begin after all earlier ones have ended. A hold, unlike an order, has ended when
 * somebody has the seat in a later generation: Redis was lost in between.
 */
function overlaps(buyers: readonly BuyerRecord[]): unknown[] {
  const claims = buyers.flatMap(({ buyer, beliefs }) =>
    beliefs.flatMap((one) => one.seats.map((seat) => ({ seat, buyer, ...one }))),
  );
  const found: unknown[] = [];
  for (const [seat, list] of groupBy(claims, (claim) => claim.seat)) {
    list.sort((a, b) => a.fromMs - b.fromMs);
    let longest: Claim | null = null;
    for (const claim of list) {
      if (longest && longest.buyer !== claim.buyer && claim.fromMs < endOf(longest) && !isLater(claim, longest))
        found.push({ seat, first: longest, second: claim });
      if (longest === null || endOf(claim) > endOf(longest)) longest = claim;
    }
  }
  return found;
}

function isLater(claim: Claim, than: Claim): boolean {
  return !than.ordered && claim.generation > than.generation;
}

function endOf(belief: Belief): number {
  return belief.untilMs ?? Number.POSITIVE_INFINITY;
}

function ticketDifferences(buyers: readonly BuyerRecord[], ledger: Evidence['ledger']): unknown[] {
  const ticketsOf = groupBy(ledger.tickets, (ticket) => ticket.orderId);
  const personOf = new Map(ledger.orders.map((order) => [order.id, order.personId]));
  const differences: unknown[] = [];
  for (const { buyer, personId, end, tickets } of buyers) {
    if (end === 'bought' && tickets.length === 0)
      differences.push({ buyer, problem: 'bought, but was shown no ticket' });
    for (const [orderId, shown] of groupBy(tickets, (ticket) => ticket.orderId)) {
      const stored = ticketsOf.get(orderId) ?? [];
      const shownList = shown.map(({ ticketId, state }) => `${ticketId} ${state}`).sort();
      const storedList = stored.map(({ id, state }) => `${id} ${state}`).sort();
      if (shownList.join() !== storedList.join()) differences.push({ buyer, orderId, shown, stored });
      if (personOf.get(orderId) !== personId)
        differences.push({ buyer, orderId, problem: 'the order of somebody else' });
    }
  }
  return differences;
}

function unseenOrders(buyers: readonly BuyerRecord[], ledger: Evidence['ledger']): unknown[] {
  const seen = new Set(buyers.flatMap((buyer) => buyer.tickets.map((ticket) => ticket.orderId)));
  return ledger.orders.filter((order) => order.state === 'COMPLETED' && !seen.has(order.id));
}

function priceDifferences(buyers: readonly BuyerRecord[], ledger: Evidence['ledger']): unknown[] {
  const orderOf = new Map(ledger.orders.map((order) => [order.id, order]));
  return buyers.flatMap(({ buyer, orders }) =>
    orders.flatMap((shown) => {
      const stored = orderOf.get(shown.orderId);
      const same = stored?.totalMinor === shown.totalMinor && stored.currency === shown.currency;
      return same ? [] : [{ buyer, shown, stored: stored ?? null }];
    }),
  );
}
