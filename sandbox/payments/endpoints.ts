import { bookEndpoints } from './book-endpoints.js';
import { chargeRefusal } from './currencies.js';
import { type Call, type Endpoint, listed, showList } from './endpoint.js';
import { expanded } from './expand.js';
import { cancelIntent, captureIntent, confirmIntent, createIntent, type NewIntent } from './intents.js';
import { knownTypes, takesHold } from './methods.js';
import { ParamReader } from './params.js';
import type { IntentRecord } from './records.js';
import { badParameter, done, missingResource, type Outcome, type Refusal, refused } from './refusals.js';
import { renderIntent, renderPublicIntent } from './render.js';
import { offeredTypes } from './render-methods.js';
import type { World } from './world.js';

const expandableOfIntent = ['latest_charge', 'latest_charge.balance_transaction'];
const everyone = (): boolean => true;

export const endpoints: readonly Endpoint[] = [
  { name: 'create', method: 'POST', path: '/v1/payment_intents', publishable: false, handle: create },
  { name: 'list', method: 'GET', path: '/v1/payment_intents', publishable: false, handle: list },
  { name: 'retrieve', method: 'GET', path: '/v1/payment_intents/:id', publishable: true, handle: retrieve },
  { name: 'confirm', method: 'POST', path: '/v1/payment_intents/:id/confirm', publishable: true, handle: confirm },
  { name: 'capture', method: 'POST', path: '/v1/payment_intents/:id/capture', publishable: false, handle: capture },
  { name: 'cancel', method: 'POST', path: '/v1/payment_intents/:id/cancel', publishable: false, handle: cancel },
  ...bookEndpoints,
  { name: 'listEvents', method: 'GET', path: '/v1/events', publishable: false, handle: listEvents },
  { name: 'retrieveEvent', method: 'GET', path: '/v1/events/:id', publishable: false, handle: retrieveEvent },
];

const createParams = [
  'allowed_payment_method_types',
  'amount',
  'automatic_payment_methods',
  'capture_method',
  'confirm',
  'currency',
  'description',
  'excluded_payment_method_types',
  'expand',
  'metadata',
  'payment_method',
  'payment_method_options',
  'receipt_email',
  'return_url',
  'statement_descriptor_suffix',
];

/** `capture_method` is an option of what can be authorised only; elsewhere it is as unknown as any other name. */
const optionsOf = new Map(
  knownTypes.map((type) => {
    const others = [
      'preferred_language',
      'preferred_locale',
      'reference',
      'request_three_d_secure',
      'setup_future_usage',
    ];
    return [type, takesHold(type) ? ['capture_method', ...others] : others];
  }),
);

function create(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, createParams);
  const wanted = readNewIntent(read);
  const methodName = read.text('payment_method');
  const confirmed = read.flag('confirm') ?? false;
  const expand = read.expand(expandableOfIntent);
  if (read.refusal !== undefined) return refused(read.refusal);
  const bad = chargeRefusal(wanted.amount, wanted.currency) ?? checkOffered(wanted);
  if (bad !== undefined) return refused(bad);
  const created = createIntent(world, wanted, methodName, call.cause);
  if (!created.ok || !confirmed) return showIntent(world, call, created, expand);
  const with_ = { methodName: undefined, returnUrl: undefined };
  return showIntent(world, call, confirmIntent(world, created.value, with_, call.cause), expand);
}

function readNewIntent(read: ParamReader): NewIntent {
  const options = read.hash('payment_method_options', knownTypes);
  const manualTypes = (options?.names ?? []).filter((type) => readManual(options, type));
  const automatic = read.hash('automatic_payment_methods', ['enabled', 'allow_redirects']);
  const allowed = readTypes(read, 'allowed_payment_method_types');
  return {
    amount: read.requiredInteger('amount'),
    currency: read.requiredText('currency').toLowerCase(),
    metadata: read.metadata(),
    description: read.text('description') ?? null,
    receiptEmail: read.text('receipt_email') ?? null,
    statementSuffix: read.text('statement_descriptor_suffix') ?? null,
    automaticMethods: automatic?.flag('enabled') ?? true,
    captureMethod: read.oneOf('capture_method', ['automatic', 'automatic_async', 'manual']) ?? 'automatic_async',
    manualTypes,
    allowedTypes: allowed.length > 0 ? allowed : null,
    excludedTypes: readTypes(read, 'excluded_payment_method_types'),
    redirects: automatic?.oneOf('allow_redirects', ['always', 'never']) !== 'never',
    returnUrl: read.webAddress('return_url') ?? null,
  };
}

function readManual(options: ParamReader | undefined, type: string): boolean {
  return options?.hash(type, optionsOf.get(type) ?? [])?.oneOf('capture_method', ['manual']) === 'manual';
}

function readTypes(read: ParamReader, name: string): string[] {
  const types = read.texts(name);
  for (const type of types) if (!knownTypes.includes(type)) read.refuse(name, `Invalid ${name}: ${type}`);
  return types;
}

/** What does not fit a payment is left out of the offer, as long as something is left. */
function checkOffered(wanted: NewIntent): Refusal | undefined {
  if (offeredTypes(wanted).length > 0) return undefined;
  const message = 'None of the allowed payment methods can be used for this PaymentIntent.';
  return badParameter('allowed_payment_method_types', message);
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
  return done(expanded(world, renderIntent(outcome.value, world.pageUrl), expand));
}

function list(world: World, call: Call): Outcome<string> {
  const read = new ParamReader(call.params, listed);
  const page = read.page();
  const expand = read.expand(expandableOfIntent.map((name) => `data.${name}`)).map((name) => name.slice(5));
  if (read.refusal !== undefined) return refused(read.refusal);
  const found = world.store.intents.page(page, everyone);
  return showList('/v1/payment_intents', page, found, (intent) =>
    expanded(world, renderIntent(intent, world.pageUrl), expand),
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
