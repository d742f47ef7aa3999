import type { Complaint } from '../../interleaving/complaint.js';
import { type Books, type Evidence, type OrderEvidence, readEvidence, type SeatEvidence } from './evidence.js';
import { finalStates } from './scene.js';

type Complain = (text: string) => void;

/** One rule over everything that was read. */
interface Rule {
  readonly name: string;
  check(evidence: Evidence, complain: Complain): void;
}

/** A rule over each order by itself. */
const forOrders = (
  name: string,
  check: (order: OrderEvidence, evidence: Evidence, complain: Complain) => void,
): Rule => ({
  name,
  check: (evidence, complain) => {
    for (const order of evidence.orders)
      check(order, evidence, (text) => complain(`order ${order.id.slice(0, 8)} (${order.state}): ${text}`));
  },
});

/** A rule over the seats of each event. */
const forHalls = (name: string, check: (hall: SeatEvidence, evidence: Evidence, complain: Complain) => void): Rule => ({
  name,
  check: (evidence, complain) => {
    for (const hall of evidence.halls)
      check(hall, evidence, (text) => complain(`event ${hall.event.slice(0, 8)}: ${text}`));
  },
});

const isSold = ({ state }: OrderEvidence) => state === 'COMPLETED';
const soldIn = ({ orders }: Evidence, { event }: SeatEvidence) =>
  orders.filter((order) => order.event === event && isSold(order));
const seatsOf = (list: readonly { readonly seat: number }[]) => list.map(({ seat }) => seat).join(',');

/**
 * What must be true when everything has come to rest. It believes none of the product's code: the ledger is read by SQL, Redis by its
 * commands, the provider by its HTTP. Another table is another field of the evidence and another rule here.
 */
const rules: readonly Rule[] = [
  forOrders('ending', ({ state, steps, secret }, _, complain) => {
    if (!finalStates.has(state)) complain(`it is not over; open step: ${steps.join() || 'none'}`);
    else if (steps.length > 0) complain(`it is over and still has the step ${steps.join()}`);
    else if (secret !== null) complain('it is over and still shows how it is paid');
  }),

  forOrders('tickets', (order, _, complain) => {
    const live = order.tickets.filter(({ state }) => state !== 'VOID');
    const due = isSold(order) ? seatsOf(order.lines) : '';
    if (seatsOf(live) !== due)
      complain(`it has tickets for the seats ${seatsOf(live) || 'none'}, not ${due || 'none'}`);
    for (const { seat, state } of live) if (state !== 'VALID') complain(`the ticket for seat ${seat} is ${state}`);
  }),

  forOrders('owners', (order, _, complain) => {
    const owned = order.owned.map(({ seat, state }) => `${seat} ${state}`).join(',');
    const due = isSold(order) ? order.lines.map(({ seat }) => `${seat} ISSUED`).join(',') : '';
    if (owned !== due) complain(`it owns ${owned || 'nothing'}, not ${due || 'nothing'}`);
  }),

  // Ticketed and captured once, or not ticketed and nothing kept.
  forOrders('money', (order, { intentsOf }, complain) => {
    const intents = intentsOf(order.id);
    const captured = intents.filter(({ amount_received }) => amount_received > 0);
    const receivedMinor = captured.reduce((sum, { amount_received }) => sum + amount_received, 0);
    const refundedMinor = intents.reduce((sum, { amount_refunded }) => sum + amount_refunded, 0);
    const bound = intents.reduce((sum, { amount_capturable }) => sum + amount_capturable, 0);
    const story = `${captured.length} captures of ${receivedMinor}, ${refundedMinor} refunded, ${bound} still authorised, total ${order.total}`;
    const dueMinor = isSold(order) || order.state === 'REFUNDED' ? order.total : 0;
    const keptMinor = isSold(order) ? order.total : 0;
    if (receivedMinor !== dueMinor || receivedMinor - refundedMinor !== keptMinor || bound > 0) complain(story);
    else if (captured.length > 1) complain(story);
  }),

  // One payment, over what was ordered, that nobody can pay any more.
  forOrders('payments', (order, { intentsOf }, complain) => {
    const intents = intentsOf(order.id);
    for (const { id, amount, currency, status } of intents) {
      if (amount !== order.total || currency.toUpperCase() !== order.currency)
        complain(`${id} asks for ${amount} ${currency}, not ${order.total} ${order.currency}`);
      if (status !== 'succeeded' && status !== 'canceled')
        complain(`${id} is still ${status}${id === order.intent ? '' : ', and unknown to the ledger'}`);
    }
    if (intents.length > 1) complain(`${intents.length} payments were made: ${intents.map(({ id }) => id).join(', ')}`);
    const known = order.intent === null || intents.some(({ id }) => id === order.intent);
    if (!known) complain(`the provider knows no ${order.intent}`);
  }),

  forOrders('recorded', (order, { intentsOf }, complain) => {
    const intent = intentsOf(order.id).find(({ id }) => id === order.intent);
    if (intent === undefined) return;
    const refunded = intent.amount_refunded > 0 ? 'REFUNDED' : 'CAPTURED';
    const due = intent.status === 'succeeded' ? refunded : 'CANCELED';
    if (order.payment !== due) complain(`the ledger says ${order.payment}, the provider ${due}`);
  }),

  {
    name: 'postings',
    check: ({ accounts, intentsOf }, complain) => {
      for (const account of accounts) {
        const intents = intentsOf(account.order);
        const refundedMinor = intents.reduce((sum, { amount_refunded }) => sum + amount_refunded, 0);
        const keptMinor = intents.reduce((sum, { amount_received }) => sum + amount_received, 0) - refundedMinor;
        const tell = (what: string, said: number, due: number) => {
          if (said !== due) complain(`order ${account.order.slice(0, 8)}: ${what} ${said}, not ${due}`);
        };
        tell('unbalanced postings:', account.unbalanced, 0);
        tell('the buyer owes', account.buyer, 0);
        tell('at the provider lies, by the postings,', account.clearing, keptMinor);
        tell('earned, by the postings,', account.earned, keptMinor);
        tell('paid back, by the refunds,', account.refunded, refundedMinor);
        tell('unfinished refunds:', account.unfinishedRefunds, 0);
      }
    },
  },

  {
    name: 'strangers',
    check: ({ orders, intents }, complain) => {
      const known = new Set(orders.map(({ id }) => id));
      for (const { id, metadata } of intents)
        if (!known.has(metadata.order_id ?? '')) complain(`the payment ${id} is of no order`);
    },
  },

  {
    name: 'twice',
    check: ({ orders }, complain) => {
      const sold = new Map<string, string>();
      for (const order of orders.filter(isSold))
        for (const { seat } of order.lines) {
          const place = `${order.event} ${seat}`;
          if (sold.has(place)) complain(`seat ${place} is sold to ${sold.get(place)} and to ${order.person}`);
          sold.set(place, order.person);
        }
    },
  },

  forHalls('seats', (hall, evidence, complain) => {
    const holdOf = new Map(soldIn(evidence, hall).flatMap(({ hold, lines }) => lines.map(({ seat }) => [seat, hold])));
    const due = [...hall.status].map((_, seat) => (holdOf.has(seat) ? 's' : '.')).join('');
    if (hall.status === '' || hall.status !== due) {
      const seats = [...hall.status].flatMap((letter, seat) =>
        letter === due[seat] ? [] : [`${seat} is "${letter}"`],
      );
      complain(`Redis and the ledger differ: ${seats.slice(0, 10).join(', ') || 'Redis has no seats'}`);
    }
    for (const [seat, hold] of holdOf)
      if (hall.holders[seat] !== hold) complain(`seat ${seat} is of the hold ${hall.holders[seat]}, not of ${hold}`);
    if (hall.waiting > 0) complain(`${hall.waiting} holds still wait for their end`);
  }),

  forHalls('redis', ({ generation, servedGeneration, contradiction }, _, complain) => {
    if (generation !== servedGeneration)
      complain(`Redis serves generation ${servedGeneration}, the ledger ${generation}`);
    if (contradiction !== null) complain(contradiction);
  }),

  forHalls('sums', (hall, evidence, complain) => {
    const revenue = new Map<string, number>();
    const bought = new Map<string, number>();
    for (const { person, lines } of soldIn(evidence, hall)) {
      bought.set(person, (bought.get(person) ?? 0) + lines.length);
      for (const { category, minor } of lines)
        revenue.set(`${category}:revenue`, (revenue.get(`${category}:revenue`) ?? 0) + minor);
    }
    const told = Object.keys(hall.counts).filter((field) => field.endsWith(':revenue'));
    for (const field of new Set([...revenue.keys(), ...told])) {
      const [shown, due] = [Number(hall.counts[field] ?? 0), revenue.get(field) ?? 0];
      if (shown !== due) complain(`Redis counts ${field} ${shown}, the ledger ${due}`);
    }
    for (const { person } of evidence.orders.filter(({ event }) => event === hall.event)) {
      const [shown, due] = [Number(hall.people[person] ?? 0), bought.get(person) ?? 0];
      if (shown !== due) complain(`${person} is counted with ${shown} seats and has ${due}`);
    }
  }),
];

export interface Audit {
  readonly complaints: readonly Complaint[];
  readonly evidence: Evidence;
}

/** Holds what the stores and the provider say of these events against each other. */
export async function audit(books: Books, eventIds: readonly string[]): Promise<Audit> {
  const evidence = await readEvidence(books, eventIds);
  const complaints: Complaint[] = [];
  for (const { name, check } of rules) check(evidence, (text) => complaints.push({ rule: name, text }));
  return { complaints, evidence };
}
