import Stripe from 'stripe';
import { refuseCharge } from '../domain/currencies.js';
import type { IntentStatus } from '../domain/order-states.js';
import { heldMethods, paymentMethods } from '../domain/payment-methods.js';
import type { ProviderEndpoint } from '../domain/provider-calls.js';
import { limits } from '../limits.js';
import type {
  AuditedIntent,
  Calls,
  Intent,
  ListPage,
  ListWindow,
  PaymentGateway,
  ProviderAnswer,
  ProviderDispute,
  ProviderEvent,
  ProviderMovement,
  ProviderRefund,
  UnknownAnswer,
} from './gateway.js';

export interface StripeSettings {
  readonly secretKey: string;
  readonly webhookSecret: string;
  readonly apiUrl: string | null;
}

type MethodOptions = Stripe.PaymentIntentCreateParams.PaymentMethodOptions;

/** What the types of the package say of a method: one whose money can be authorised first takes `capture_method`. */
type Handover<M extends keyof MethodOptions> = 'capture_method' extends keyof Exclude<
  MethodOptions[M],
  string | null | undefined
>
  ? 'hold'
  : 'charge';

/** The table of methods is the one the package knows, or this does not compile. */
const methods: {
  readonly [M in Exclude<keyof MethodOptions, 'card_present' | 'interac_present'>]-?: Handover<M>;
} = paymentMethods;

const captureLater: MethodOptions = Object.fromEntries(
  heldMethods.filter((method) => method in methods).map((method) => [method, { capture_method: 'manual' }]),
);

/** Currencies Stripe charges without decimals need no conversion: amounts are minor units here as there. */
function describeIntent(intent: Stripe.PaymentIntent): Intent {
  return {
    id: intent.id,
    status: intent.status as IntentStatus,
    amountMinor: intent.amount,
    currency: intent.currency.toUpperCase(),
    clientSecret: intent.client_secret,
    orderId: intent.metadata.order_id ?? null,
    lastDecline: intent.last_payment_error?.decline_code ?? intent.last_payment_error?.code ?? null,
  };
}

const idOf = (object: string | { readonly id: string } | null): string | null =>
  typeof object === 'string' || object === null ? object : object.id;

function describeRefund(refund: Stripe.Refund): ProviderRefund {
  const states = { succeeded: 'SUCCEEDED', failed: 'FAILED', canceled: 'FAILED' } as const;
  return {
    id: refund.id,
    intentId: idOf(refund.payment_intent),
    refundId: refund.metadata?.refund_id ?? null,
    amountMinor: refund.amount,
    state: states[refund.status as keyof typeof states] ?? 'PENDING',
    failure: refund.failure_reason ?? (refund.status === 'canceled' ? 'canceled' : null),
  };
}

/** An inquiry of the bank (warning_…) takes no money yet. */
function describeDispute(dispute: Stripe.Dispute): ProviderDispute {
  // What was lost and is appealed against stays lost until it is won.
  const states: Partial<Record<Stripe.Dispute.Status, ProviderDispute['state']>> = {
    won: 'WON',
    warning_closed: 'WON',
    prevented: 'WON',
    lost: 'LOST',
    appeal_needs_response: 'LOST',
    appeal_under_review: 'LOST',
  };
  return {
    id: dispute.id,
    intentId: idOf(dispute.payment_intent),
    amountMinor: dispute.amount,
    state: states[dispute.status] ?? 'OPEN',
    withdrawn: !dispute.status.startsWith('warning_') && dispute.status !== 'prevented',
  };
}

/** Of an authorisation that was let go the charge says refunded although nothing had been taken. */
function describeAudited(intent: Stripe.PaymentIntent): AuditedIntent {
  const charge = typeof intent.latest_charge === 'object' ? intent.latest_charge : null;
  return {
    eventId: intent.metadata.event_id ?? null,
    receivedMinor: intent.amount_received,
    refundedMinor: charge?.captured ? charge.amount_refunded : 0,
    ...describeIntent(intent),
  };
}

function describeMovement({ id, reporting_category: category, source }: Stripe.BalanceTransaction): ProviderMovement {
  const about = typeof source === 'object' ? source : null;
  if (about?.object !== 'charge' && about?.object !== 'refund' && about?.object !== 'dispute')
    return { id, category, source: null };
  const isCharge = about.object === 'charge';
  const amountMinor = isCharge ? about.amount_captured : about.amount;
  const orderId = isCharge ? (about.metadata.order_id ?? null) : null;
  const intentId = idOf(about.payment_intent);
  return { id, category, source: { kind: about.object, id: about.id, amountMinor, intentId, orderId } };
}

function describeEvent(event: Stripe.Event): ProviderEvent {
  const about = event.data.object;
  const intent = about.object === 'payment_intent' ? describeIntent(about) : null;
  const changed = about.object === 'refund' || about.object === 'dispute' ? { kind: about.object, id: about.id } : null;
  return { id: event.id, type: event.type, own: event.account === undefined, intent, changed };
}

/** What a webhook is for: these, and no other events, are missed. */
const toldTypes = [
  'payment_intent.amount_capturable_updated',
  'payment_intent.succeeded',
  'payment_intent.canceled',
  'refund.created',
  'refund.updated',
  'refund.failed',
  'charge.dispute.created',
  'charge.dispute.updated',
  'charge.dispute.closed',
  'charge.dispute.funds_withdrawn',
  'charge.dispute.funds_reinstated',
];

const pageOf = ({ fromMs, toMs, after }: ListWindow) => ({
  created: { gte: Math.floor(fromMs / 1_000), lte: Math.floor(toMs / 1_000) },
  limit: 100,
  ...(after !== null && { starting_after: after }),
});

function describePage<S extends { readonly id: string }, T>(
  { data, has_more }: { readonly data: readonly S[]; readonly has_more: boolean },
  describe: (item: S) => T,
): ListPage<T> {
  return { items: data.map(describe), after: has_more ? (data.at(-1)?.id ?? null) : null };
}

function judge(error: unknown): Exclude<ProviderAnswer<never>, { kind: 'ok' }> {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  const reason = `${error.type}: ${error.code ?? error.statusCode ?? 'no answer'}`;
  if (error instanceof Stripe.errors.StripeConnectionError) return { kind: 'unknown', reason, trouble: 'outage' };
  // Another call has this very object, or this key: that is no matter of the quota.
  if (error.statusCode === 409 || error.code === 'lock_timeout') return { kind: 'unknown', reason };
  if (error.statusCode === 429) return { kind: 'unknown', reason, trouble: 'limited', ...howMuch(error.headers) };
  if (error.statusCode !== undefined && error.statusCode >= 500) {
    // What was stored earlier says nothing about now.
    if (error.headers?.['idempotent-replayed'] === 'true') return { kind: 'broken', reason };
    return { kind: 'unknown', reason, trouble: 'outage' };
  }
  return { kind: 'refused', reason, code: error.code ?? error.type };
}

/** Which rate was too high, and for how long to wait, where it says so. */
function howMuch(headers: Readonly<Record<string, string>> = {}): Pick<UnknownAnswer, 'limited' | 'retryAfterMs'> {
  const seconds = Number(headers['retry-after']);
  const limited = headers['stripe-rate-limited-reason']?.startsWith('endpoint-') ? 'endpoint' : 'account';
  return { limited, ...(seconds > 0 && { retryAfterMs: Math.ceil(seconds * 1_000) }) };
}

/** Stripe through its own package. */
export class StripeGateway implements PaymentGateway {
  readonly #stripe: Stripe;
  readonly #webhookSecret: string;
  readonly calls: Calls;

  constructor(settings: StripeSettings, calls: Calls) {
    const api = settings.apiUrl === null ? null : new URL(settings.apiUrl);
    this.#stripe = new Stripe(settings.secretKey, {
      maxNetworkRetries: 0,
      timeout: limits.providerTimeoutMs,
      telemetry: false,
      ...(api && {
        host: api.hostname,
        port: api.port || (api.protocol === 'https:' ? '443' : '80'),
        protocol: api.protocol === 'https:' ? ('https' as const) : ('http' as const),
      }),
    });
    this.#webhookSecret = settings.webhookSecret;
    this.calls = calls;
  }

  #call<T>(endpoint: ProviderEndpoint, act: () => Promise<T>): Promise<ProviderAnswer<T>> {
    return this.calls.make(endpoint, async (): Promise<ProviderAnswer<T>> => {
      try {
        return { kind: 'ok', value: await act() };
      } catch (error) {
        return judge(error);
      }
    });
  }

  createIntent: PaymentGateway['createIntent'] = async (request) => {
    const refusal = refuseCharge(request.currency, request.amountMinor);
    if (refusal !== null) return { kind: 'refused', reason: refusal, code: 'amount_not_allowed' };
    return this.#call('create', async () => {
      const intent = await this.#stripe.paymentIntents.create(
        {
          amount: request.amountMinor,
          currency: request.currency.toLowerCase(),
          automatic_payment_methods: { enabled: true },
          payment_method_options: captureLater,
          metadata: { order_id: request.orderId, event_id: request.eventId },
        },
        { idempotencyKey: request.idempotencyKey },
      );
      return describeIntent(intent);
    });
  };

  retrieveIntent: PaymentGateway['retrieveIntent'] = (intentId) =>
    this.#call('retrieve', async () => describeIntent(await this.#stripe.paymentIntents.retrieve(intentId)));

  captureIntent: PaymentGateway['captureIntent'] = (intentId, idempotencyKey) =>
    this.#call('capture', async () =>
      describeIntent(await this.#stripe.paymentIntents.capture(intentId, {}, { idempotencyKey })),
    );

  cancelIntent: PaymentGateway['cancelIntent'] = (intentId, idempotencyKey) =>
    this.#call('cancel', async () =>
      describeIntent(await this.#stripe.paymentIntents.cancel(intentId, {}, { idempotencyKey })),
    );

  createRefund: PaymentGateway['createRefund'] = ({ intentId, refundId, amountMinor, idempotencyKey }) =>
    this.#call('refund', async () => {
      const refund = await this.#stripe.refunds.create(
        { payment_intent: intentId, amount: amountMinor, metadata: { refund_id: refundId } },
        { idempotencyKey },
      );
      return describeRefund(refund);
    });

  retrieveRefund: PaymentGateway['retrieveRefund'] = (id) =>
    this.#call('retrieve', async () => describeRefund(await this.#stripe.refunds.retrieve(id)));

  listRefunds: PaymentGateway['listRefunds'] = (intentId) =>
    this.#call('list', async () => {
      const { data } = await this.#stripe.refunds.list({ payment_intent: intentId, limit: 100 });
      return data.map(describeRefund);
    });

  retrieveDispute: PaymentGateway['retrieveDispute'] = (id) =>
    this.#call('retrieve', async () => describeDispute(await this.#stripe.disputes.retrieve(id)));

  /** Page by page: each is a call of its own in the quota. */
  findIntent: PaymentGateway['findIntent'] = async (orderId, sinceMs) => {
    const created = { gte: Math.floor(sinceMs / 1_000) - 60 };
    for (let after: string | undefined; ; ) {
      const wish = { created, limit: 100, ...(after !== undefined && { starting_after: after }) };
      const page = await this.#call('list', () => this.#stripe.paymentIntents.list(wish));
      if (page.kind !== 'ok') return page;
      const { data, has_more: hasMore } = page.value;
      const found = data.find(({ metadata }) => metadata.order_id === orderId);
      if (found !== undefined || !hasMore)
        return { kind: 'ok', value: found === undefined ? null : describeIntent(found) };
      after = data.at(-1)!.id;
    }
  };

  auditIntent: PaymentGateway['auditIntent'] = (intentId) =>
    this.#call('list', async () =>
      describeAudited(await this.#stripe.paymentIntents.retrieve(intentId, { expand: ['latest_charge'] })),
    );

  listIntents: PaymentGateway['listIntents'] = (window) =>
    this.#call('list', async () => {
      const page = { expand: ['data.latest_charge'], ...pageOf(window) };
      return describePage(await this.#stripe.paymentIntents.list(page), describeAudited);
    });

  listMovements: PaymentGateway['listMovements'] = (window) =>
    this.#call('list', async () => {
      const page = { expand: ['data.source'], ...pageOf(window) };
      return describePage(await this.#stripe.balanceTransactions.list(page), describeMovement);
    });

  listEvents: PaymentGateway['listEvents'] = (window) =>
    this.#call('list', async () => {
      const page = { types: toldTypes, ...pageOf(window) };
      return describePage(await this.#stripe.events.list(page), describeEvent);
    });

  readWebhook(body: Buffer, signature: string): ProviderEvent | null {
    let event: Stripe.Event;
    try {
      event = this.#stripe.webhooks.constructEvent(
        body,
        signature,
        this.#webhookSecret,
        limits.webhookToleranceSeconds,
      );
    } catch {
      return null;
    }
    return describeEvent(event);
  }
}
