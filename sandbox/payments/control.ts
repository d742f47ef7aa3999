import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { addFaultRoutes } from './control-faults.js';
import { addMoneyRoutes } from './control-money.js';
import { addWebhookRoutes } from './control-webhooks.js';
import { type Form, type Gate, renderRefusal } from './gate.js';
import { completeAuthentication } from './intents.js';
import { authenticatedPage, authenticationPage, homePage } from './pages.js';
import type { IntentRecord } from './records.js';
import { missingResource } from './refusals.js';
import { amountCapturable } from './render.js';
import { changeSettings, Dice } from './settings.js';
import type { Webhooks } from './webhooks.js';
import type { World } from './world.js';

const intentsPerChunk = 500;

/**
 * What is not the provider's API: settings, counts, the auditor's listings, the bank's page and the home page; in files of their own, faults,
 * what sellers, banks and time do to money, and what becomes of webhooks.
 */
export function addControlRoutes(app: FastifyInstance, world: World, gate: Gate, webhooks: Webhooks): void {
  app.get('/', (_request, reply) => reply.type('text/html').send(homePage(world.settings)));
  app.get('/_sandbox/settings', () => world.settings);
  app.patch('/_sandbox/settings', (request, reply) => patchSettings(world, request.body, reply));
  app.post('/_sandbox/idempotency-keys/prune', () => ({ pruned: world.store.pruneKeys() }));
  app.get('/_sandbox/state', () => summary(world, gate, webhooks));
  app.get('/_sandbox/intents', (_request, reply) =>
    reply.type('application/json').send(Readable.from(intentChunks(world))),
  );
  app.get('/_sandbox/balance', () => balanceSums(world));
  addFaultRoutes(app, world);
  addMoneyRoutes(app, world);
  addWebhookRoutes(app, world, webhooks);
  app.get<{ Params: { id: string } }>('/_sandbox/3ds/:id', (request, reply) => {
    const intent = world.store.intents.get(request.params.id);
    if (intent === undefined) return reply.code(404).send({ error: { message: 'unknown payment' } });
    return reply.type('text/html').send(authenticationPage(intent));
  });
  app.post<{ Params: { id: string } }>('/_sandbox/3ds/:id', (request, reply) => authenticate(world, request, reply));
}

function patchSettings(world: World, patch: unknown, reply: FastifyReply): unknown {
  const change = changeSettings(world.settings, patch);
  if ('problem' in change) {
    const message = `${change.field === '' ? 'body' : change.field}: ${change.problem}`;
    return reply.code(400).send({ error: { field: change.field, message } });
  }
  world.settings = change.settings;
  if (Object.hasOwn(patch as object, 'seed')) world.dice = new Dice(change.settings.seed);
  return world.settings;
}

function summary(world: World, gate: Gate, webhooks: Webhooks): unknown {
  const { store } = world;
  return {
    intents: store.intents.size,
    intentsByStatus: store.intentsByStatus,
    refunds: store.refunds.size,
    disputes: store.disputes.size,
    balanceTransactions: store.balance.size,
    events: store.events.size,
    idempotencyKeys: store.keys.size,
    webhooksPending: store.pendingEvents.size,
    webhooksHeld: webhooks.held,
    webhooks: webhooks.counts,
    api: gate.counts,
  };
}

interface Sum {
  count: number;
  amount: number;
  fee: number;
}

/** What all movements come to, by currency and what they were about. */
function balanceSums(world: World): Record<string, Record<string, Sum>> {
  const sums: Record<string, Record<string, Sum>> = {};
  for (const { currency, category, amount, fee } of world.store.balance.oldestFirst()) {
    sums[currency] ??= {};
    sums[currency][category] ??= { count: 0, amount: 0, fee: 0 };
    const sum = sums[currency][category];
    sum.count += 1;
    sum.amount += amount;
    sum.fee += fee;
  }
  return sums;
}

/** In pieces: half a million intents as one text would stop everything else for seconds. */
function* intentChunks(world: World): Generator<string> {
  let separator = '[';
  let lines: string[] = [];
  for (const intent of world.store.intents.oldestFirst()) {
    lines.push(JSON.stringify(auditLine(intent)));
    if (lines.length < intentsPerChunk) continue;
    yield separator + lines.join(',\n');
    separator = ',\n';
    lines = [];
  }
  yield `${lines.length > 0 || separator === '[' ? separator : ''}${lines.join(',\n')}]`;
}

function auditLine(intent: IntentRecord) {
  return {
    id: intent.id,
    status: intent.status,
    amount: intent.amount,
    currency: intent.currency,
    created: intent.created,
    amount_capturable: amountCapturable(intent),
    amount_received: intent.amountReceived,
    amount_refunded: intent.amountRefunded,
    metadata: intent.metadata,
  };
}

function authenticate(
  world: World,
  request: FastifyRequest<{ Params: { id: string } }>,
  reply: FastifyReply,
): FastifyReply {
  const intent = world.store.intents.get(request.params.id);
  if (intent === undefined) {
    return json(reply, 404, renderRefusal(missingResource('payment_intent', request.params.id, 'id'), world, true));
  }
  const fromPage = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  const sent = (fromPage ? (request.body as Form).params : request.body) as
    | { readonly result?: unknown }
    | null
    | undefined;
  const result = sent?.result;
  if (result !== 'success' && result !== 'fail') {
    return reply.code(400).send({ error: { field: 'result', message: 'result: must be success or fail' } });
  }
  const outcome = completeAuthentication(world, intent, result === 'success');
  if (!outcome.ok) return json(reply, outcome.refusal.status, renderRefusal(outcome.refusal, world, true));
  if (!fromPage) return reply.send({ id: intent.id, status: outcome.value.status });
  if (intent.returnUrl === null) return reply.type('text/html').send(authenticatedPage(result === 'success'));
  return reply.redirect(returnAddress(intent, intent.returnUrl, result === 'success'), 303);
}

/** The seller's page with what the provider adds to it, so that the page can look its payment up. */
function returnAddress(intent: IntentRecord, returnUrl: string, success: boolean): string {
  const address = new URL(returnUrl);
  address.searchParams.set('payment_intent', intent.id);
  address.searchParams.set('payment_intent_client_secret', intent.clientSecret);
  address.searchParams.set('redirect_status', success ? 'succeeded' : 'failed');
  return address.href;
}

function json(reply: FastifyReply, status: number, body: string): FastifyReply {
  return reply.code(status).type('application/json').send(body);
}
