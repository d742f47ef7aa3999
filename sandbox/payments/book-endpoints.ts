import { type Call, type Endpoint, listed, showList } from './endpoint.js';
import { expanded } from './expand.js';
import { ParamReader } from './params.js';
import type { BalanceRecord, DisputeRecord, IntentRecord, RefundRecord } from './records.js';
import { createRefund } from './refunds.js';
import { badParameter, done, missingResource, type Outcome, refused } from './refusals.js';
import { renderCharge } from './render.js';
import { renderAccount, renderBalance, renderDispute, renderRefund } from './render-books.js';
import type { World } from './world.js';

const expandableOfRefund = ['payment_intent', 'charge', 'balance_transaction', 'failure_balance_transaction'];
const expandableOfCharge = ['payment_intent', 'balance_transaction'];
const expandableOfDispute = ['payment_intent', 'charge'];
const expandableOfBalance = ['source'];

/** What the seller sees of money after it came in: charges, refunds, disputes, the balance, the account itself. */
export const bookEndpoints: readonly Endpoint[] = [
  { name: 'refund', method: 'POST', path: '/v1/refunds', publishable: false, handle: refund },
  { name: 'listRefunds', method: 'GET', path: '/v1/refunds', publishable: false, handle: listRefunds },
  { name: 'retrieveRefund', method: 'GET', path: '/v1/refunds/:id', publishable: false, handle: retrieveRefund },
  { name: 'listCharges', method: 'GET', path: '/v1/charges', publishable: false, handle: listCharges },
  { name: 'retrieveCharge', method: 'GET', path: '/v1/charges/:id', publishable: false, handle: retrieveCharge },
  { name: 'listDisputes', method: 'GET', path: '/v1/disputes', publishable: false, handle: listDisputes },
  { name: 'retrieveDispute', method: 'GET', path: '/v1/disputes/:id', publishable: false, handle: retrieveDispute },
  { name: 'listBalance', method: 'GET', path: '/v1/balance_transactions', publishable: false, handle: listBalance },
  {
    name: 'retrieveBalance',
    method: 'GET',
    path: '/v1/balance_transactions/:id',
    publishable: false,
    handle: retrieveBalance,
  },
  { name: 'retrieveAccount', method: 'GET', path: '/v1/account', publishable: false, handle: retrieveAccount },
];

function refund(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, ['payment_intent', 'charge', 'amount', 'reason', 'metadata', 'expand']);
  const intentId = read.text('payment_intent');
  const chargeId = read.text('charge');
  const wanted = {
    amount: read.positiveInteger('amount'),
    reason: read.oneOf('reason', ['duplicate', 'fraudulent', 'requested_by_customer']) ?? null,
    metadata: read.metadata(),
  };
  const expand = read.expand(expandableOfRefund);
  if (read.refusal !== undefined) return refused(read.refusal);
  if (intentId === undefined && chargeId === undefined) {
    return refused(badParameter('payment_intent', 'A payment_intent or a charge is required.', 'parameter_missing'));
  }
  const intent =
    intentId === undefined ? world.store.intentOfCharge(chargeId ?? '') : world.store.intents.get(intentId);
  if (intent === undefined) {
    const kind = intentId === undefined ? 'charge' : 'payment_intent';
    return refused(missingResource(kind, intentId ?? chargeId ?? '', kind));
  }
  const made = createRefund(world, intent, wanted, call.cause);
  return made.ok ? done(showRefund(world, made.value, expand)) : made;
}

function showRefund(world: World, record: RefundRecord, expand: readonly string[]): string {
  return expanded(world, renderRefund(record, world.store.intents.get(record.intentId)), expand);
}

/** The answer about one thing that is looked up by the id in the path. */
function show<T>(
  world: World,
  call: Call,
  kind: string,
  found: T | undefined,
  expandable: readonly string[],
  render: (item: T) => object,
): Outcome<string> {
  const read = new ParamReader(call.params, ['expand']);
  const expand = read.expand(expandable);
  if (read.refusal !== undefined) return refused(read.refusal);
  return found === undefined
    ? refused(missingResource(kind, call.id, 'id'))
    : done(expanded(world, render(found), expand));
}

function retrieveRefund(world: World, call: Call): Outcome<string> {
  const found = world.store.refunds.get(call.id);
  return show(world, call, 'refund', found, expandableOfRefund, (record) =>
    renderRefund(record, world.store.intents.get(record.intentId)),
  );
}

function retrieveCharge(world: World, call: Call): Outcome<string> {
  const intent = world.store.intentOfCharge(call.id);
  const found = intent?.charge ? { intent, charge: intent.charge } : undefined;
  return show(world, call, 'charge', found, expandableOfCharge, ({ intent, charge }) => renderCharge(intent, charge));
}

function retrieveDispute(world: World, call: Call): Outcome<string> {
  const found = world.store.disputes.get(call.id);
  return show(world, call, 'dispute', found, expandableOfDispute, (dispute) => renderDispute(dispute, world.store));
}

function retrieveBalance(world: World, call: Call): Outcome<string> {
  const found = world.store.balance.get(call.id);
  return show(world, call, 'balance_transaction', found, expandableOfBalance, renderBalance);
}

function retrieveAccount(world: World, call: Call): Outcome<string> {
  return show(world, call, 'account', renderAccount(), [], (account) => account);
}

/** `data.` is what a list calls each of its things. */
function expandOf(read: ParamReader, expandable: readonly string[]): string[] {
  return read.expand(expandable.map((name) => `data.${name}`)).map((name) => name.slice('data.'.length));
}

function listRefunds(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, [...listed, 'payment_intent', 'charge']);
  const page = read.page();
  const about = { intentId: read.text('payment_intent'), chargeId: read.text('charge') };
  const expand = expandOf(read, expandableOfRefund);
  if (read.refusal !== undefined) return refused(read.refusal);
  // A refund is never older than its intent, so the search through all refunds may end there.
  const oldest = about.intentId === undefined ? undefined : world.store.intents.get(about.intentId)?.created;
  const from = Math.max(page.created.from, oldest ?? 0);
  const bounded = { ...page, created: { ...page.created, from } };
  return showList('/v1/refunds', page, world.store.refunds.page(bounded, isAbout(about)), (record) =>
    showRefund(world, record, expand),
  );
}

function listDisputes(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, [...listed, 'payment_intent', 'charge']);
  const page = read.page();
  const about = { intentId: read.text('payment_intent'), chargeId: read.text('charge') };
  const expand = expandOf(read, expandableOfDispute);
  if (read.refusal !== undefined) return refused(read.refusal);
  return showList('/v1/disputes', page, world.store.disputes.page(page, isAbout(about)), (dispute) =>
    expanded(world, renderDispute(dispute, world.store), expand),
  );
}

function isAbout(about: { readonly intentId: string | undefined; readonly chargeId: string | undefined }) {
  return (item: DisputeRecord | RefundRecord): boolean =>
    (about.intentId === undefined || item.intentId === about.intentId) &&
    (about.chargeId === undefined || item.chargeId === about.chargeId);
}

/** Only the latest charge of an intent is kept, so there is one at most. */
function listCharges(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, ['limit', 'created', 'expand', 'payment_intent']);
  const page = read.page();
  const intentId = read.text('payment_intent');
  const expand = expandOf(read, expandableOfCharge);
  if (read.refusal !== undefined) return refused(read.refusal);
  if (intentId === undefined) {
    const message = 'The sandbox lists the charges of one payment_intent only; balance_transactions lists all of them.';
    return refused(badParameter('payment_intent', message, 'parameter_missing'));
  }
  const intent: IntentRecord | undefined = world.store.intents.get(intentId);
  const charge = intent?.charge ?? null;
  const items = intent === undefined || charge === null ? [] : [renderCharge(intent, charge)];
  return showList('/v1/charges', page, { items, hasMore: false }, (item) => expanded(world, item, expand));
}

function listBalance(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, [...listed, 'type', 'currency', 'source']);
  const page = read.page();
  const wanted = { type: read.text('type'), currency: read.text('currency'), sourceId: read.text('source') };
  const expand = expandOf(read, expandableOfBalance);
  if (read.refusal !== undefined) return refused(read.refusal);
  const matches = (movement: BalanceRecord): boolean =>
    (wanted.type ?? movement.type) === movement.type &&
    (wanted.currency ?? movement.currency) === movement.currency &&
    (wanted.sourceId ?? movement.sourceId) === movement.sourceId;
  return showList('/v1/balance_transactions', page, world.store.balance.page(page, matches), (movement) =>
    expanded(world, renderBalance(movement), expand),
  );
}
