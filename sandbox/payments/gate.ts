import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Stripe from 'stripe';
import type { Endpoint } from './endpoint.js';
import { type Fault, type FaultPlace, placeOf } from './faults.js';
import { makeId } from './ids.js';
import { sandboxLimits } from './limits.js';
import type { Params } from './params.js';
import { Quota } from './quota.js';
import { badParameter, type Refusal } from './refusals.js';
import { renderIntent, renderPublicIntent } from './render.js';
import type { World } from './world.js';

/** A form as sent and as understood; the raw text is what idempotency keys compare. */
export interface Form {
  readonly raw: string;
  readonly params: Params;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly remembered: boolean;
}

interface Caller {
  readonly apiKey: string;
  readonly publishable: boolean;
}

/** A call that passed the door: who, what, and under which idempotency key. */
interface Entrant {
  readonly endpoint: Endpoint;
  readonly form: Form;
  readonly url: string;
  readonly id: string;
  readonly publishable: boolean;
  readonly requestId: string;
  readonly key: { readonly sent: string; readonly id: string; readonly fingerprint: string } | undefined;
}

const noForm: Form = { raw: '', params: {} };

/** Everything that happens to a call around its endpoint: key, quota, idempotency, latency, and faults on purpose. */
export class Gate {
  readonly counts = { calls: 0, refusedByQuota: 0, replayed: 0, failedOnPurpose: 0 };
  readonly #world: World;
  readonly #secretKey: string;
  readonly #quota = new Quota();
  readonly #hanging = new Set<FastifyReply>();

  constructor(world: World, secretKey: string) {
    this.#world = world;
    this.#secretKey = secretKey;
  }

  async serve(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    this.counts.calls += 1;
    const requestId = makeId('req_', 14);
    reply.headers({
      'content-type': 'application/json',
      'request-id': requestId,
      'stripe-version': Stripe.API_VERSION,
      'access-control-allow-origin': '*',
    });
    const caller = this.#authenticate(request.headers.authorization);
    if (!('apiKey' in caller)) return this.#refuse(reply, caller);
    if (caller.publishable && !endpoint.publishable) return this.#refuse(reply, secretKeyRequired);
    const limited = this.#limit(endpoint, caller, reply);
    if (limited !== undefined) return this.#refuse(reply, limited);
    const entrant = enter(endpoint, request, caller, requestId);
    if (entrant === undefined)
      return this.#refuse(reply, badParameter('idempotency_key', 'The Idempotency-Key is too long.'));
    const fault = this.#takeFault(entrant, 'door');
    if (fault !== undefined) return this.#failAtDoor(fault, reply);
    if (entrant.key === undefined) return this.#run(entrant, reply);
    reply.header('idempotency-key', entrant.key.sent);
    return this.#runOnce(entrant, entrant.key, reply);
  }

  /** Cuts the calls held by failure mode `hang`. */
  stop(): void {
    for (const reply of this.#hanging) reply.raw.destroy();
  }

  #authenticate(header: string | undefined): Caller | Refusal {
    const [scheme, credentials = ''] = (header ?? '').split(' ');
    const basic = scheme?.toLowerCase() === 'basic';
    const apiKey = basic ? (Buffer.from(credentials, 'base64').toString().split(':')[0] ?? '') : credentials;
    if (apiKey === this.#secretKey) return { apiKey, publishable: false };
    if (apiKey.startsWith('pk_')) return { apiKey, publishable: true };
    const message = apiKey === '' ? 'No API key was provided.' : `Invalid API key provided: ${apiKey.slice(0, 8)}…`;
    return { status: 401, type: 'invalid_request_error', message, remembered: false };
  }

  #limit(endpoint: Endpoint, caller: Caller, reply: FastifyReply): Refusal | undefined {
    const name = `${endpoint.method} ${endpoint.path}`;
    const reason = this.#quota.refuse(name, caller.publishable, this.#world.settings);
    if (reason === undefined) return undefined;
    this.counts.refusedByQuota += 1;
    reply.header('stripe-rate-limited-reason', reason);
    return rateExceeded;
  }

  async #runOnce(entrant: Entrant, key: NonNullable<Entrant['key']>, reply: FastifyReply): Promise<FastifyReply> {
    const { keys } = this.#world.store;
    const check = keys.begin(key.id, key.fingerprint);
    if (check.kind === 'mismatch') return this.#refuse(reply, keyReused);
    if (check.kind === 'inUse') return this.#refuse(reply, keyInUse);
    if (check.kind === 'new') {
      try {
        return await this.#run(entrant, reply);
      } finally {
        // Nothing to do after an answer was remembered; otherwise the key is free again.
        keys.forget(key.id);
      }
    }
    this.counts.replayed += 1;
    await this.#latency();
    reply.headers({ 'idempotent-replayed': 'true', 'original-request': check.stored.requestId });
    return send(reply, { ...check.stored, remembered: true });
  }

  async #run(entrant: Entrant, reply: FastifyReply): Promise<FastifyReply> {
    const planned = this.#takeFault(entrant, 'inside');
    const fault = planned?.mode;
    await this.#latency(planned?.latencyMs);
    const real = fault === 'before' ? brokenAnswer : this.#execute(entrant);
    const answer = fault === 'after' ? brokenAnswer : real;
    if (entrant.key !== undefined && answer.remembered) {
      const { id, fingerprint } = entrant.key;
      const { status, body } = answer;
      this.#world.store.finishKey({ id, fingerprint, status, body, requestId: entrant.requestId, atMs: Date.now() });
      // A remembered failure stays one: repeating it under this key is of no use, and the client is told so.
      if (status >= 500) reply.header('stripe-should-retry', 'false');
    }
    if (fault === 'cut') return cut(reply);
    if (fault === 'hang') return this.#hang(reply);
    return send(reply, answer);
  }

  /** What was planned for this call, or what the settings say of a share of all calls. */
  #takeFault(entrant: Entrant, place: FaultPlace): Fault | undefined {
    const { dice, faults, settings } = this.#world;
    const call = () => `${entrant.url}\n${entrant.form.raw}`;
    const planned = entrant.publishable ? undefined : faults.take(place, entrant.endpoint.name, call, dice);
    const { failureMode: mode, failureRate } = settings;
    const hit = planned === undefined && placeOf(mode) === place && dice.hits(failureRate);
    const fault = hit ? { mode, latencyMs: 0, retryAfterSeconds: null } : planned;
    if (fault !== undefined && fault.mode !== 'none') this.counts.failedOnPurpose += 1;
    return fault;
  }

  async #failAtDoor(fault: Fault, reply: FastifyReply): Promise<FastifyReply> {
    await this.#latency(fault.latencyMs);
    if (fault.mode === 'hangBefore') return this.#hang(reply);
    if (fault.mode === 'cutBefore') return cut(reply);
    if (fault.mode === 'unavailable') return send(reply, { ...brokenAnswer, status: 503 });
    if (fault.retryAfterSeconds !== null) reply.header('retry-after', String(fault.retryAfterSeconds));
    if (fault.mode === 'lock') return this.#refuse(reply, objectLocked);
    reply.header('stripe-rate-limited-reason', 'endpoint-rate');
    return this.#refuse(reply, rateExceeded);
  }

  #execute({ endpoint, form, id, publishable, requestId, key }: Entrant): Answer {
    const cause = { requestId, idempotencyKey: key?.sent ?? null };
    const outcome = endpoint.handle(this.#world, { params: form.params, id, publishable, cause });
    if (outcome.ok) return { status: 200, body: outcome.value, remembered: true };
    const { status, remembered } = outcome.refusal;
    return { status, body: renderRefusal(outcome.refusal, this.#world, publishable), remembered };
  }

  async #latency(plannedMs = 0): Promise<void> {
    const { latencyMs, latencyJitterMs } = this.#world.settings;
    const jitterMs = latencyJitterMs > 0 ? this.#world.dice.next() * latencyJitterMs : 0;
    const waitMs = plannedMs + latencyMs + jitterMs;
    if (waitMs > 0) await pause(waitMs);
  }

  #hang(reply: FastifyReply): FastifyReply {
    if (this.#hanging.size >= sandboxLimits.hangingCalls) return cut(reply);
    reply.hijack();
    this.#hanging.add(reply);
    const timer = setTimeout(() => reply.raw.destroy(), sandboxLimits.hangMs);
    reply.raw.on('close', () => {
      clearTimeout(timer);
      this.#hanging.delete(reply);
    });
    return reply;
  }

  #refuse(reply: FastifyReply, refusal: Refusal): FastifyReply {
    return send(reply, { status: refusal.status, body: renderRefusal(refusal, this.#world, true), remembered: false });
  }
}

const secretKeyRequired: Refusal = {
  status: 401,
  type: 'invalid_request_error',
  code: 'secret_key_required',
  message: 'This call takes a secret API key; a publishable key may only retrieve and confirm.',
  remembered: false,
};

const rateExceeded: Refusal = {
  status: 429,
  type: 'invalid_request_error',
  code: 'rate_limit',
  message: 'Request rate limit exceeded.',
  remembered: false,
};

const objectLocked: Refusal = {
  status: 429,
  type: 'invalid_request_error',
  code: 'lock_timeout',
  message: 'This object cannot be accessed right now because another request is using it.',
  remembered: false,
};

const keyReused: Refusal = {
  status: 400,
  type: 'idempotency_error',
  message: 'This Idempotency-Key was first used for another endpoint or with other parameters.',
  remembered: false,
};

const keyInUse: Refusal = {
  status: 409,
  type: 'idempotency_error',
  code: 'idempotency_key_in_use',
  message: 'Another request with this Idempotency-Key is still being executed.',
  remembered: false,
};

const brokenAnswer: Answer = {
  status: 500,
  body: JSON.stringify({ error: { type: 'api_error', message: 'The sandbox was told to fail this call.' } }),
  remembered: true,
};

export function renderRefusal(refusal: Refusal, world: World, publishable: boolean): string {
  const { type, code, message, param, declineCode, chargeId, intent } = refusal;
  const render = publishable ? renderPublicIntent : renderIntent;
  return JSON.stringify({
    error: {
      charge: chargeId,
      code,
      decline_code: declineCode,
      message,
      param,
      payment_intent: intent === undefined ? undefined : render(intent, world.pageUrl),
      type,
    },
  });
}

/** Undefined when the idempotency key is longer than the provider takes. */
function enter(endpoint: Endpoint, request: FastifyRequest, caller: Caller, requestId: string): Entrant | undefined {
  const form = ((endpoint.method === 'POST' ? request.body : request.query) as Form | undefined) ?? noForm;
  const id = (request.params as { readonly id?: string }).id ?? '';
  const sent = request.headers['idempotency-key'];
  const { publishable, apiKey } = caller;
  const entrant = { endpoint, form, url: request.url, id, publishable, requestId, key: undefined };
  if (endpoint.method !== 'POST' || typeof sent !== 'string' || sent === '') return entrant;
  if (sent.length > sandboxLimits.idempotencyKeyLength) return undefined;
  // The order of parameters is no difference.
  const sorted = form.raw.split('&').sort().join('&');
  const fingerprint = createHash('sha256').update(`${request.url}\n${sorted}`).digest('base64');
  return { ...entrant, key: { sent, id: `${apiKey} ${sent}`, fingerprint } };
}

function send(reply: FastifyReply, answer: Answer): FastifyReply {
  return reply.code(answer.status).send(answer.body);
}

function cut(reply: FastifyReply): FastifyReply {
  reply.hijack();
  reply.raw.destroy();
  return reply;
}
