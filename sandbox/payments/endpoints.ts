import { cancelIntent, captureIntent, confirmIntent, createIntent, type NewIntent } from './intents.js';
import type { Page, PageQuery } from './ledger.js';
import { maximumCharge, minimumCharge } from './methods.js';
import { ParamReader, type Params } from './params.js';
import type { Cause, IntentRecord, RefundRecord } from './records.js';
import { createRefund } from './refunds.js';
import { badParameter, done, missingResource, type Outcome, refused } from './refusals.js';
import { renderIntent, renderPublicIntent, renderRefund } from './render.js';
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
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Whether a buyer may call it with a publishable key and the intent's client secret. */
  readonly publishable: boolean;
  /** Answers the JSON of a 200, or a refusal. */
  readonly handle: (world: World, call: Call) => Outcome<string>;
}

const expandableOfIntent = ['latest_charge'];
const expandableOfRefund = ['payment_intent'];
const listed = ['limit', 'starting_after', 'ending_before', 'created', 'expand'];
const everyone = (): boolean => true;

export const endpoints: readonly Endpoint[] = [
  { method: 'POST', path: '/v1/payment_intents', publishable: false, handle: create },
  { method: 'GET', path: '/v1/payment_intents', publishable: false, handle: listIntents },
  { method: 'GET', path: '/v1/payment_intents/:id', publishable: true, handle: retrieve },
  { method: 'POST', path: '/v1/payment_intents/:id/confirm', publishable: true, handle: confirm },
  { method: 'POST', path: '/v1/payment_intents/:id/capture', publishable: false, handle: capture },
  { method: 'POST', path: '/v1/payment_intents/:id/cancel', publishable: false, handle: cancel },
  { method: 'POST', path: '/v1/refunds', publishable: false, handle: refund },
  { method: 'GET', path: '/v1/refunds', publishable: false, handle: listRefunds },
  { method: 'GET', path: '/v1/refunds/:id', publishable: false, handle: retrieveRefund },
  { method: 'GET', path: '/v1/events', publishable: false, handle: listEvents },
  { method: 'GET', path: '/v1/events/:id', publishable: false, handle: retrieveEvent },
];

const createParams = [
  'amount',
  'automatic_payment_methods',
  'capture_method',
  'confirm',
  'currency',
  'description',
  'expand',
  'metadata',
  'payment_method',
  'payment_method_options',
  'payment_method_types',
  'receipt_email',
  'return_url',
  'statement_descriptor_suffix',
];

function create(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, createParams);
  const wanted = readNewIntent(read, call.params);
  const methodName = read.text('payment_method');
  const confirmed = read.flag('confirm') ?? false;
  const expand = read.expand(expandableOfIntent);
  if (read.refusal !== undefined) return refused(read.refusal);
  const bad = checkAmount(wanted.amount, wanted.currency);
  if (bad !== undefined) return bad;
  const created = createIntent(world, wanted, methodName, call.cause);
  if (!created.ok || !confirmed) return showIntent(world, call, created, expand);
  const with_ = { methodName: undefined, returnUrl: undefined };
  return showIntent(world, call, confirmIntent(world, created.value, with_, call.cause), expand);
}

function readNewIntent(read: ParamReader, params: Params): NewIntent {
  const options = params.payment_method_options;
  const methods = typeof options === 'object' && options !== null ? Object.keys(options) : [];
  const card = read.hash('payment_method_options', methods)?.hash('card', ['capture_method', 'request_three_d_secure']);
  return {
    amount: read.requiredInteger('amount'),
    currency: read.requiredText('currency').toLowerCase(),
    metadata: read.metadata(),
    description: read.text('description') ?? null,
    receiptEmail: read.text('receipt_email') ?? null,
    statementSuffix: read.text('statement_descriptor_suffix') ?? null,
    automaticMethods: read.hash('automatic_payment_methods', ['enabled', 'allow_redirects'])?.flag('enabled') ?? false,
    captureMethod: read.oneOf('capture_method', ['automatic', 'automatic_async', 'manual']) ?? 'automatic_async',
    cardCaptureManual: card?.oneOf('capture_method', ['manual']) === 'manual',
    returnUrl: read.webAddress('return_url') ?? null,
  };
}

function checkAmount(amount: number, currency: string): Outcome<string> | undefined {
  const least = minimumCharge[currency];
  if (least === undefined) return refused(badParameter('currency', `Invalid currency: ${currency}.`));
  if (amount < least) {
    return refused(badParameter('amount', `The amount must be at least ${least} in ${currency}.`, 'amount_too_small'));
  }
  if (amount <= maximumCharge) return undefined;
  return refused(badParameter('amount', `The amount must be no more than ${maximumCharge}.`, 'amount_too_large'));
}

function retrieve(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, ['client_secret', 'expand']);
  const expand = read.expand(expandableOfIntent);
  if (read.refusal !== undefined) return refused(read.refusal);
  return showIntent(world, call, findIntent(world, call), expand);
}

function confirm(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, [
    'client_secret',
    'payment_method',
    'return_url',
    'use_stripe_sdk',
    'expand',
  ]);
  const with_ = { methodName: read.text('payment_method'), returnUrl: read.webAddress('return_url') };
  const expand = read.expand(expandableOfIntent);
  if (read.refusal !== undefined) return refused(read.refusal);
  const found = findIntent(world, call);
  return found.ok ? showIntent(world, call, confirmIntent(world, found.value, with_, call.cause), expand) : found;
}

function capture(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, ['amount_to_capture', 'expand']);
  const amount = read.positiveInteger('amount_to_capture');
  const expand = read.expand(expandableOfIntent);
  if (read.refusal !== undefined) return refused(read.refusal);
  const found = findIntent(world, call);
  return found.ok ? showIntent(world, call, captureIntent(world, found.value, amount, call.cause), expand) : found;
}

function cancel(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, ['cancellation_reason', 'expand']);
  const reason = read.oneOf('cancellation_reason', ['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned']);
  const expand = read.expand(expandableOfIntent);
  if (read.refusal !== undefined) return refused(read.refusal);
  const found = findIntent(world, call);
  return found.ok ? showIntent(world, call, cancelIntent(world, found.value, reason, call.cause), expand) : found;
}

/** A buyer is told the same about an unknown intent and a wrong secret: ids of others are nobody's business. */
function findIntent(world: World, call: Call): Outcome<IntentRecord> {
  const intent = world.store.intents.get(call.id);
  const secret = call.params.client_secret;
  const wrong = secret === undefined ? call.publishable : secret !== intent?.clientSecret;
  if (wrong) {
    const message = 'The client_secret provided does not match any PaymentIntent of this account.';
    return refused(badParameter('client_secret', message, 'payment_intent_invalid_parameter'));
  }
  return intent === undefined ? refused(missingResource('payment_intent', call.id, 'intent')) : done(intent);
}

function showIntent(
  world: World,
  call: Call,
  outcome: Outcome<IntentRecord>,
  expand: readonly string[],
): Outcome<string> {
  if (!outcome.ok) return outcome;
  if (call.publishable) return done(JSON.stringify(renderPublicIntent(outcome.value, world.pageUrl)));
  return done(JSON.stringify(renderIntent(outcome.value, world.pageUrl, expand.length > 0)));
}

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

function retrieveRefund(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, ['expand']);
  const expand = read.expand(expandableOfRefund);
  if (read.refusal !== undefined) return refused(read.refusal);
  const found = world.store.refunds.get(call.id);
  return found === undefined
    ? refused(missingResource('refund', call.id, 'id'))
    : done(showRefund(world, found, expand));
}

function showRefund(world: World, record: RefundRecord, expand: readonly string[]): string {
  const intent = world.store.intents.get(record.intentId);
  const rendered = renderRefund(record, intent);
  if (expand.length === 0 || intent === undefined) return JSON.stringify(rendered);
  return JSON.stringify({ ...rendered, payment_intent: renderIntent(intent, world.pageUrl) });
}

function listIntents(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, listed);
  const page = read.page();
  const expand = read.expand(['data.latest_charge']);
  if (read.refusal !== undefined) return refused(read.refusal);
  const found = world.store.intents.page(page, everyone);
  return showList('/v1/payment_intents', page, found, (intent) =>
    JSON.stringify(renderIntent(intent, world.pageUrl, expand.length > 0)),
  );
}

function listRefunds(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, [...listed, 'payment_intent', 'charge']);
  const page = read.page();
  const intentId = read.text('payment_intent');
  const chargeId = read.text('charge');
  read.expand([]);
  if (read.refusal !== undefined) return refused(read.refusal);
  const matches = (record: RefundRecord): boolean =>
    (intentId === undefined || record.intentId === intentId) &&
    (chargeId === undefined || record.chargeId === chargeId);
  // A refund is never older than its intent, so the search through all refunds may end there.
  const oldest = intentId === undefined ? undefined : world.store.intents.get(intentId)?.created;
  const from = Math.max(page.created.from, oldest ?? 0);
  const bounded = { ...page, created: { ...page.created, from } };
  return showList('/v1/refunds', page, world.store.refunds.page(bounded, matches), (record) =>
    showRefund(world, record, []),
  );
}

function listEvents(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, [...listed, 'type', 'types']);
  const page = read.page();
  const type = read.text('type');
  const types = type === undefined ? read.texts('types') : [type];
  read.expand([]);
  if (read.refusal !== undefined) return refused(read.refusal);
  const wanted = new Set(types);
  const found = world.store.events.page(page, (event) => wanted.size === 0 || wanted.has(event.type));
  return showList('/v1/events', page, found, (event) => event.body);
}

function retrieveEvent(world: World, call: Call): Outcome<string> {
  const found = world.store.events.get(call.id);
  return found === undefined ? refused(missingResource('event', call.id, 'id')) : done(found.body);
}

function showList<T>(
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
