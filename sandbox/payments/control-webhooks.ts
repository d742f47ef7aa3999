import type { FastifyInstance, FastifyReply } from 'fastify';
import Stripe from 'stripe';
import { makeId, nowSeconds } from './ids.js';
import { sandboxLimits } from './limits.js';
import type { EventRecord } from './records.js';
import type { Forgery, Webhooks } from './webhooks.js';
import type { World } from './world.js';

/** Which events, in which order, how often. */
export interface WebhookChoice {
  readonly events?: readonly string[];
  readonly types?: readonly string[];
  /** Only events whose text contains this: the id of an intent, a refund, an order. */
  readonly about?: string;
  readonly order?: 'sent' | 'reversed';
  readonly times?: number;
}

export interface HandmadeWebhook extends Forgery {
  /** The event it is made from; the latest when absent. */
  readonly like?: string;
  readonly type?: string;
  readonly account?: string;
  readonly livemode?: boolean;
  readonly apiVersion?: string;
  /** Put over the fields of the object in it. */
  readonly object?: Readonly<Record<string, unknown>>;
  /** Stretches the body to about this many bytes. */
  readonly bytes?: number;
}

const text = { type: 'string', minLength: 1, maxLength: sandboxLimits.textLength };
const texts = { type: 'array', items: text, maxItems: sandboxLimits.resendEvents };
const choice = {
  events: texts,
  types: texts,
  about: text,
  order: { type: 'string', enum: ['sent', 'reversed'] },
  times: { type: 'integer', minimum: 1, maximum: sandboxLimits.resendTimes },
};
const handmade = {
  like: text,
  type: text,
  account: text,
  livemode: { type: 'boolean' },
  apiVersion: text,
  object: { type: 'object' },
  secret: text,
  ageSeconds: { type: 'integer' },
  bytes: { type: 'integer', minimum: 0, maximum: sandboxLimits.stretchedBytes },
};

function schemaOf(properties: object) {
  return { schema: { body: { type: 'object', properties, additionalProperties: false } } };
}

/** What becomes of webhooks on their way. Every call here answers when the subscriber has answered all it was sent. */
export function addWebhookRoutes(app: FastifyInstance, world: World, webhooks: Webhooks): void {
  app.post<{ Body: WebhookChoice & { lose?: boolean } }>(
    '/_sandbox/webhooks/release',
    schemaOf({ ...choice, lose: { type: 'boolean' } }),
    async ({ body }, reply) => {
      const events = ordered(webhooks.heldEvents(wantedBy(body)), body);
      if (body.lose !== true) return send(world, webhooks, events, body, reply);
      webhooks.lose(events);
      return { received: [] };
    },
  );
  app.post<{ Body: WebhookChoice }>('/_sandbox/webhooks/resend', schemaOf(choice), async ({ body }, reply) => {
    const wanted = wantedBy(body);
    const events: EventRecord[] = [];
    for (const event of world.store.events.oldestFirst()) if (wanted(event)) events.push(event);
    if (events.length <= sandboxLimits.resendEvents) return send(world, webhooks, ordered(events, body), body, reply);
    return bad(reply, `at most ${sandboxLimits.resendEvents} events are sent again at once`);
  });
  app.post<{ Body: HandmadeWebhook }>('/_sandbox/webhooks/send', schemaOf(handmade), async ({ body }, reply) => {
    if (world.settings.webhookUrl === '') return bad(reply, 'there is no webhookUrl');
    const made = forge(world, body);
    if (made === undefined) return bad(reply, 'there is no event to make it from');
    return { eventId: made.id, type: made.type, status: await webhooks.post(made.body, body) };
  });
}

function wantedBy({ events, types, about }: WebhookChoice): (event: EventRecord) => boolean {
  const ids = events && new Set(events);
  const kinds = types && new Set(types);
  return (event) =>
    (ids?.has(event.id) ?? true) &&
    (kinds?.has(event.type) ?? true) &&
    (about === undefined || event.body.includes(about));
}

function ordered(events: EventRecord[], { order }: WebhookChoice): EventRecord[] {
  return order === 'reversed' ? events.reverse() : events;
}

async function send(
  world: World,
  webhooks: Webhooks,
  events: readonly EventRecord[],
  { times = 1 }: WebhookChoice,
  reply: FastifyReply,
): Promise<unknown> {
  if (world.settings.webhookUrl === '') return bad(reply, 'there is no webhookUrl');
  return { received: await webhooks.deliver(events, times) };
}

function bad(reply: FastifyReply, message: string): FastifyReply {
  return reply.code(400).send({ error: { message } });
}

/** An event of its own that the provider never recorded. */
function forge(world: World, wanted: HandmadeWebhook): EventRecord | undefined {
  const like = wanted.like === undefined ? world.store.events.latest : world.store.events.get(wanted.like);
  if (like === undefined) return undefined;
  const event = JSON.parse(like.body) as Stripe.Event;
  const id = makeId('evt_');
  const created = nowSeconds();
  const type = wanted.type ?? like.type;
  const body = JSON.stringify({
    ...event,
    id,
    ...(wanted.account !== undefined && { account: wanted.account }),
    api_version: wanted.apiVersion ?? Stripe.API_VERSION,
    created,
    data: { ...event.data, object: { ...event.data.object, ...wanted.object } },
    livemode: wanted.livemode ?? false,
    type,
    ...(wanted.bytes !== undefined && { stretched: 'x'.repeat(wanted.bytes) }),
  });
  return { id, created, type, body };
}
