import type { FastifyInstance, FastifyReply } from 'fastify';
import { moveDispute, openDispute } from './disputes.js';
import { renderRefusal } from './gate.js';
import { expireIntent, expireUnnoticed, settleIntent } from './intents.js';
import { sandboxLimits } from './limits.js';
import { type RefundMode, refundModes } from './methods.js';
import { type DisputeRecord, type IntentRecord, noCause, type RefundRecord } from './records.js';
import { createRefund, settleRefund, type WantedRefund } from './refunds.js';
import { done, missingResource, type Outcome, refused, unexpectedState } from './refusals.js';
import { renderIntent } from './render.js';
import { renderDispute, renderRefund } from './render-books.js';
import type { World } from './world.js';

export interface RefundWish extends Partial<Omit<WantedRefund, 'mode'>> {
  readonly mode?: RefundMode;
}

export interface DisputeWish {
  readonly amount?: number;
  readonly reason?: string;
  readonly inquiry?: boolean;
}

type Act<Body> = (id: string, body: Body) => Outcome<object>;

const amount = { type: 'integer', minimum: 1 };
const text = { type: 'string', minLength: 1, maxLength: sandboxLimits.textLength };
const flag = { type: 'boolean' };

function choice(values: readonly string[]) {
  return { type: 'string', enum: values };
}

/** What sellers do in the dashboard, what buyers' banks do, and what time does. Nothing here counts against a quota. */
export function addMoneyRoutes(app: FastifyInstance, world: World): void {
  const { store } = world;
  const route = <Body>(path: string, properties: object, required: readonly string[], act: Act<Body>): void => {
    const schema = { body: { type: 'object', properties, required, additionalProperties: false } };
    app.post<{ Params: { id: string } }>(path, { schema }, (request, reply) =>
      // The schema has been held against it.
      answer(world, reply, act(request.params.id, request.body as Body)),
    );
  };
  const withIntent = (id: string, act: (intent: IntentRecord) => Outcome<object>): Outcome<object> => {
    const intent = store.intents.get(id);
    return intent === undefined ? refused(missingResource('payment_intent', id, 'id')) : act(intent);
  };

  const reasons = choice(['duplicate', 'fraudulent', 'requested_by_customer']);
  const metadata = { type: 'object', maxProperties: sandboxLimits.metadataKeys, additionalProperties: text };
  const refundFields = { amount, reason: reasons, metadata, mode: choice(refundModes) };
  route<RefundWish>('/_sandbox/intents/:id/refund', refundFields, [], (id, body) =>
    withIntent(id, (intent) => {
      const wanted = { amount: undefined, reason: null, metadata: {}, ...body };
      return shown(createRefund(world, intent, wanted, noCause), (refund) => showRefund(world, refund));
    }),
  );

  route<DisputeWish>('/_sandbox/intents/:id/dispute', { amount, reason: text, inquiry: flag }, [], (id, body) =>
    withIntent(id, (intent) => {
      const wanted = { amount: undefined, reason: 'fraudulent', inquiry: false, ...body };
      return shown(openDispute(world, intent, wanted), (dispute) => renderDispute(dispute, store));
    }),
  );

  route<{ noticed?: boolean }>('/_sandbox/intents/:id/expire', { noticed: flag }, [], (id, { noticed = true }) =>
    withIntent(id, (intent) => {
      if (intent.status !== 'requires_capture')
        return refused(unexpectedState(intent, 'expired', ['requires_capture']));
      const expired = noticed ? expireIntent(world, intent) : expireUnnoticed(world, intent);
      return done(renderIntent(expired, world.pageUrl));
    }),
  );

  route<{ approved: boolean }>('/_sandbox/intents/:id/settle', { approved: flag }, ['approved'], (id, { approved }) =>
    withIntent(id, (intent) =>
      shown(settleIntent(world, intent, approved), (settled) => renderIntent(settled, world.pageUrl)),
    ),
  );

  type Settlement = { status: 'succeeded' | 'failed' | 'canceled'; reason?: string };
  const settlement = { status: choice(['succeeded', 'failed', 'canceled']), reason: text };
  route<Settlement>('/_sandbox/refunds/:id/settle', settlement, ['status'], (id, { status, reason }) => {
    const refund = store.refunds.get(id);
    if (refund === undefined) return refused(missingResource('refund', id, 'id'));
    return shown(settleRefund(world, refund, status, reason), (settled) => showRefund(world, settled));
  });

  const statuses = ['needs_response', 'under_review', 'won', 'lost', 'warning_under_review', 'warning_closed'];
  type Move = { status: DisputeRecord['status'] };
  route<Move>('/_sandbox/disputes/:id/move', { status: choice(statuses) }, ['status'], (id, { status }) => {
    const dispute = store.disputes.get(id);
    if (dispute === undefined) return refused(missingResource('dispute', id, 'id'));
    return shown(moveDispute(world, dispute, status), (moved) => renderDispute(moved, store));
  });
}

function showRefund(world: World, refund: RefundRecord): object {
  return renderRefund(refund, world.store.intents.get(refund.intentId));
}

function shown<T>(outcome: Outcome<T>, render: (value: T) => object): Outcome<object> {
  return outcome.ok ? done(render(outcome.value)) : outcome;
}

/** As the API would answer it. */
function answer(world: World, reply: FastifyReply, outcome: Outcome<object>): FastifyReply {
  if (outcome.ok) return reply.send(outcome.value);
  const { refusal } = outcome;
  return reply
    .code(refusal.status)
    .type('application/json')
    .send(renderRefusal(refusal, world, false));
}
