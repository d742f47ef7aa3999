import type { Evidence, IntentView, LedgerOrder, LedgerTicket } from './evidence.js';
import type { Violation } from './records.js';
import { groupBy, violation } from './violations.js';

const ticketed: ReadonlySet<string> = new Set(['CONFIRMED', 'COMPLETED']);

/** Seats, orders, money and counts: the ledger against itself, against Redis and against the provider. */
export function auditLedger(evidence: Evidence): Violation[] {
  return [
    ...seatsOnce(evidence),
    ...ordersComplete(evidence),
    ...moneyMatches(evidence),
    ...countsAgree(evidence),
    ...statusAgrees(evidence),
    ...revenueAgrees(evidence),
  ];
}

function liveTickets({ ledger }: Evidence): LedgerTicket[] {
  return ledger.tickets.filter((ticket) => ticket.state !== 'VOID');
}

function seatsOnce(evidence: Evidence): Violation[] {
  const bySeat = groupBy(liveTickets(evidence), (ticket) => ticket.seatIndex);
  const twice = [...bySeat]
    .filter(([, tickets]) => tickets.length > 1)
    .map(([seatIndex, tickets]) => ({ seatIndex, tickets }));
  const owners = groupBy(evidence.ledger.owners, (owner) => owner.seatIndex);
  const ownedTwice = [...owners]
    .filter(([, rows]) => rows.length > 1)
    .map(([seatIndex, rows]) => ({ seatIndex, rows }));
  return [
    ...violation('no seat has two tickets', twice),
    ...violation('no seat has two owners', ownedTwice),
    ...violation('every ticket belongs to the owner of its seat', ticketsWithoutOwner(evidence)),
  ];
}

function ticketsWithoutOwner(evidence: Evidence): unknown[] {
  const owners = new Map(evidence.ledger.owners.map((owner) => [owner.seatIndex, owner]));
  const wrong: unknown[] = liveTickets(evidence).filter((ticket) => {
    const owner = owners.get(ticket.seatIndex);
    return owner?.orderId !== ticket.orderId || owner.state !== 'ISSUED';
  });
  const bySeat = new Set(liveTickets(evidence).map((ticket) => ticket.seatIndex));
  return wrong.concat(
    evidence.ledger.owners.filter((owner) => owner.state === 'ISSUED' && !bySeat.has(owner.seatIndex)),
  );
}

function ordersComplete(evidence: Evidence): Violation[] {
  const ticketsOf = groupBy(liveTickets(evidence), (ticket) => ticket.orderId);
  const incomplete: unknown[] = [];
  const unpriced: unknown[] = [];
  const strays: unknown[] = [];
  for (const order of evidence.ledger.orders) {
    const tickets = ticketsOf.get(order.id) ?? [];
    const seats = (list: readonly { readonly seatIndex: number }[]) =>
      list
        .map((one) => one.seatIndex)
        .sort((a, b) => a - b)
        .join();
    const whole =
      seats(tickets) === seats(order.lines) &&
      (order.state !== 'COMPLETED' || tickets.every((one) => one.state === 'VALID'));
    if (ticketed.has(order.state) && !(whole && tickets.length > 0)) incomplete.push({ order, tickets });
    if (!ticketed.has(order.state) && tickets.length > 0) strays.push({ order, tickets });
    if (order.lines.reduce((sum, line) => sum + line.totalMinor, 0) !== order.totalMinor) unpriced.push(order);
    ticketsOf.delete(order.id);
  }
  return [
    ...violation('every paid order has exactly the tickets of its lines', incomplete),
    ...violation('no tickets exist without a paid order', [...strays, ...ticketsOf.values()]),
    ...violation('an order costs what its lines cost', unpriced),
  ];
}

function moneyMatches({ ledger, intents }: Evidence): Violation[] {
  const byIntent = new Map(
    ledger.orders.flatMap((order) => (order.intentId ? [[order.intentId, order] as const] : [])),
  );
  const unpaid: unknown[] = [];
  const adrift: unknown[] = [];
  const paidOrders = new Set<string>();
  for (const intent of intents) {
    const order = byIntent.get(intent.id);
    const kept = intent.amountReceived - intent.amountRefunded;
    if (kept > 0 && !pays(intent, kept, order)) adrift.push({ intent, order: order ?? null });
    if (kept > 0 && order) paidOrders.add(order.id);
    if (intent.status === 'requires_capture' && !(order && order.state === 'CONFIRMED'))
      adrift.push({ intent, order: order ?? null });
  }
  for (const order of ledger.orders) if (order.state === 'COMPLETED' && !paidOrders.has(order.id)) unpaid.push(order);
  return [
    ...violation(
      'every captured or authorised payment has a completed order of the same amount, or was given back',
      adrift,
    ),
    ...violation('every completed order was paid', unpaid),
  ];
}

function pays(intent: IntentView, kept: number, order: LedgerOrder | undefined): boolean {
  return (
    order?.state === 'COMPLETED' &&
    order.totalMinor === kept &&
    order.currency.toLowerCase() === intent.currency.toLowerCase()
  );
}

/** available + held + issuing + sold + returning + blocked = capacity, in each category and over all, and as the status string says. */
function countsAgree({ ledger, live }: Evidence): Violation[] {
  const differences: unknown[] = [];
  const capacityOf = new Map<string, number>([['*', ledger.capacity]]);
  const seen = new Map<string, number>();
  for (const [index, category] of ledger.categories.entries()) {
    capacityOf.set(String(category), (capacityOf.get(String(category)) ?? 0) + 1);
    for (const scope of [String(category), '*']) {
      const field = `${scope}:${live.status[index]}`;
      seen.set(field, (seen.get(field) ?? 0) + 1);
    }
  }
  for (const [scope, capacity] of capacityOf) {
    const count = (letter: string) => live.counts[`${scope}:${letter}`] ?? 0;
    // A free place of a channel has the channel's letter, A to Z.
    const letters = Object.keys(live.counts).flatMap((field) =>
      field.startsWith(`${scope}:`) ? [field.slice(-1)] : [],
    );
    const visible = new Set([...'.hsrx', ...letters.filter((letter) => /[A-Z]/.test(letter))]);
    const total = [...visible, 'i'].reduce((sum, letter) => sum + count(letter), 0);
    if (total !== capacity) differences.push({ scope, capacity, total });
    for (const letter of visible) {
      const counted = letter === 'h' ? count('h') + count('i') : count(letter);
      const shown = seen.get(`${scope}:${letter}`) ?? 0;
      if (counted !== shown) differences.push({ scope, letter, counted, shown });
    }
  }
  if (live.status.length !== ledger.capacity)
    differences.push({ capacity: ledger.capacity, status: live.status.length });
  return violation(
    'available + held + issuing + sold + returning + blocked = capacity, as counted over the seats',
    differences,
  );
}

function statusAgrees(evidence: Evidence): Violation[] {
  const { live, ledger } = evidence;
  const ticketSeats = new Set(liveTickets(evidence).map((ticket) => ticket.seatIndex));
  const orderOf = new Map(ledger.orders.map((order) => [order.id, order]));
  const unsold = [...ticketSeats].filter((seat) => live.status[seat] !== 's' && live.status[seat] !== 'h');
  const sold = [...live.status].flatMap((letter, seat) => (letter === 's' && !ticketSeats.has(seat) ? [seat] : []));
  const confirmed = [...ticketSeats].filter((seat) => live.status[seat] === 's').length;
  const pending = ledger.owners.filter((owner) => owner.state === 'PENDING' && live.status[owner.seatIndex] !== 'h');
  return [
    ...violation('a seat is sold in Redis if and only if the ledger has its ticket', [
      ...unsold.map((seatIndex) => ({ seatIndex, live: live.status[seatIndex], ledger: 'ticket' })),
      ...sold.map((seatIndex) => ({ seatIndex, live: 's', ledger: 'no ticket' })),
      ...(confirmed === ticketSeats.size ? [] : [{ soldLive: confirmed, soldInLedger: ticketSeats.size }]),
    ]),
    ...violation(
      'the seats of an open order are held in Redis',
      pending.map((owner) => ({ owner, live: live.status[owner.seatIndex], order: orderOf.get(owner.orderId)?.state })),
    ),
  ];
}

function revenueAgrees({ ledger, live }: Evidence): Violation[] {
  const sold = new Map<number, number>(ledger.categories.map((category) => [category, 0]));
  for (const order of ledger.orders.filter(({ state }) => ticketed.has(state))) {
    for (const line of order.lines) {
      const category = ledger.categories[line.seatIndex]!;
      sold.set(category, (sold.get(category) ?? 0) + line.totalMinor);
    }
  }
  const differing = [...sold].map(([category, minor]) => ({
    category,
    ledger: minor,
    live: live.counts[`${category}:revenue`] ?? 0,
  }));
  return violation(
    'the revenue shown live is what the sold places cost',
    differing.filter((one) => one.ledger !== one.live),
  );
}
