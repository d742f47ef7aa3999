import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import Stripe from 'stripe';
import type { DisputeWish, RefundWish } from '../../sandbox/payments/control-money.js';
import type { HandmadeWebhook, WebhookChoice } from '../../sandbox/payments/control-webhooks.js';
import type { FaultPlan } from '../../sandbox/payments/faults.js';
import type { BalanceRecord, DisputeStatus, RefundStatus } from '../../sandbox/payments/records.js';
import type { Settings } from '../../sandbox/payments/settings.js';
import type { Received } from '../../sandbox/payments/webhooks.js';
import { startProgram } from '../../sandbox/services/process.js';

export interface PaymentSandboxOptions {
  /** Absent: no webhooks until `settings({ webhookUrl })`. */
  readonly webhookUrl?: string;
  /** Absent: nothing survives a stop. */
  readonly stateFile?: string;
  /** 0 or absent: a free one. */
  readonly port?: number;
  /** In force from the first call on; quotas are the provider's own unless lifted here with 0. */
  readonly settings?: Partial<Settings>;
  readonly secretKey?: string;
  readonly webhookSecret?: string;
}

/** What the auditor needs of a payment. Amounts are minor units; `amount_refunded` counts captured money only. */
export interface AuditedIntent {
  readonly id: string;
  readonly status: string;
  readonly amount: number;
  readonly currency: string;
  readonly created: number;
  readonly amount_capturable: number;
  readonly amount_received: number;
  readonly amount_refunded: number;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface SandboxState {
  readonly intents: number;
  readonly intentsByStatus: Readonly<Record<string, number>>;
  readonly refunds: number;
  readonly disputes: number;
  readonly balanceTransactions: number;
  readonly events: number;
  readonly idempotencyKeys: number;
  readonly webhooksPending: number;
  readonly webhooksHeld: number;
  readonly webhooks: Readonly<Record<'delivered' | 'failedAttempts' | 'lost' | 'givenUp' | 'refusedFull', number>>;
  readonly api: Readonly<Record<'calls' | 'refusedByQuota' | 'replayed' | 'failedOnPurpose', number>>;
}

/** By currency and what it was about; amounts and fees are minor units, negative when money left. */
export type BalanceSums = Readonly<
  Record<string, Partial<Record<BalanceRecord['category'], { count: number; amount: number; fee: number }>>>
>;

/** What a buyer's browser got back: the public view of the intent, or `{ error }`. */
export interface BuyerAnswer {
  readonly httpStatus: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export type PlannedFault = FaultPlan & { readonly met: number };

export interface PaymentSandbox {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly secretKey: string;
  readonly webhookSecret: string;
  /** The real client, pointed here; never repeats a call by itself unless `config` says so. */
  client(config?: Stripe.StripeConfig): Stripe;
  /** Rejects with the named field when a value is refused. */
  settings(patch: Partial<Settings>): Promise<Settings>;
  state(): Promise<SandboxState>;
  intents(): Promise<AuditedIntent[]>;
  /** How many remembered answers were forgotten. */
  pruneIdempotencyKeys(): Promise<number>;
  /** The buyer pays, with a publishable key and the client secret, as in a browser. */
  confirm(clientSecret: string, paymentMethod: string): Promise<BuyerAnswer>;
  /** The buyer's answer on the bank's page. */
  authenticate(intentId: string, result: 'success' | 'fail'): Promise<BuyerAnswer>;
  /** Plans a fault for calls of an endpoint, after those planned before; resolves to all that are in force, with how often they were met. */
  fail(plan: Partial<FaultPlan> & Pick<FaultPlan, 'endpoint' | 'mode'>): Promise<readonly PlannedFault[]>;
  faults(): Promise<readonly PlannedFault[]>;
  /** All of them without an endpoint. */
  clearFaults(endpoint?: string): Promise<void>;
  /** The seller gives money back in the dashboard: all that is left without an amount. Rejects when the provider refuses, as all below do. */
  refund(intentId: string, wish?: RefundWish): Promise<Stripe.Refund>;
  /** Ends a pending refund, or returns (`failed`) one that had succeeded. */
  settleRefund(refundId: string, status: Exclude<RefundStatus, 'pending'>, reason?: string): Promise<Stripe.Refund>;
  /** The buyer's bank opens a dispute. */
  dispute(intentId: string, wish?: DisputeWish): Promise<Stripe.Dispute>;
  moveDispute(disputeId: string, status: DisputeStatus): Promise<Stripe.Dispute>;
  /** An authorisation's time is over. Unnoticed, the intent stays as it is until somebody wants to capture it. */
  expire(intentId: string, how?: { readonly noticed: boolean }): Promise<Stripe.PaymentIntent>;
  /** Ends a payment that is processing. */
  settlePayment(intentId: string, how: { readonly approved: boolean }): Promise<Stripe.PaymentIntent>;
  balance(): Promise<BalanceSums>;
  /** Sends webhooks held by the setting `webhookHold`, one after the other; resolves when each was answered. */
  releaseWebhooks(choice?: WebhookChoice): Promise<readonly Received[]>;
  /** Held webhooks that never arrive. */
  loseWebhooks(choice?: WebhookChoice): Promise<void>;
  /** Sends past events again, one after the other; resolves when each was answered. */
  resendWebhooks(choice?: WebhookChoice): Promise<readonly Received[]>;
  /** Sends one that the provider would not send like this; resolves to what the subscriber answered. */
  sendWebhook(webhook: HandmadeWebhook): Promise<Received>;
  /** SIGTERM; resolves to how it ended, `exit code 0` when clean. Safe to call twice. */
  stop(): Promise<string>;
  /** SIGKILL, as in a crash. */
  kill(): Promise<void>;
}

const root = new URL('../../', import.meta.url);

/** Starts the sandbox as a process of its own, which does not outlive the test. Rejects with its complaint if it cannot start. */
export async function startPaymentSandbox(options: PaymentSandboxOptions = {}): Promise<PaymentSandbox> {
  const { secretKey = 'sk_test_floodgate', webhookSecret = 'whsec_test_floodgate' } = options;
  const program = await startProgram(process.execPath, ['--import', 'tsx', 'sandbox/payments/main.ts'], {
    stopSignal: 'SIGTERM',
    cwd: fileURLToPath(root),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: String(options.port ?? 0),
      STRIPE_SECRET_KEY: secretKey,
      STRIPE_WEBHOOK_SECRET: webhookSecret,
      WEBHOOK_URL: options.webhookUrl ?? '',
      STATE_FILE: options.stateFile ?? '',
      SETTINGS: JSON.stringify(options.settings ?? {}),
    },
  });
  const { child } = program;
  if (child.stdout === null || child.stderr === null) throw new Error('the sandbox was started without pipes');
  const complaint = text(child.stderr);
  const firstLine = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
  const line = await Promise.race([firstLine.then(([found]) => found), program.ended.then(() => undefined)]);
  if (line === undefined) throw new Error(`the payment sandbox did not start: ${(await complaint).trim()}`);
  const { listening: url } = JSON.parse(line) as { listening: string };
  const port = Number(new URL(url).port);
  return {
    ...sandboxCalls(url),
    url,
    port,
    pid: program.pid,
    secretKey,
    webhookSecret,
    client: (config = {}) =>
      new Stripe(secretKey, {
        host: '127.0.0.1',
        port,
        protocol: 'http',
        maxNetworkRetries: 0,
        telemetry: false,
        ...config,
      }),
    stop: async () => {
      await program.stop();
      return program.ended;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await program.ended;
    },
  };
}

type SandboxCalls = Omit<
  PaymentSandbox,
  'url' | 'port' | 'pid' | 'secretKey' | 'webhookSecret' | 'client' | 'stop' | 'kill'
>;

const json = { 'content-type': 'application/json' };

function sandboxCalls(url: string): SandboxCalls {
  const send = <T>(path: string, body: object, method = 'POST') =>
    control<T>(`${url}/_sandbox${path}`, { method, headers: json, body: JSON.stringify(body) });
  return {
    ...moneyCalls(send),
    ...webhookCalls(send),
    settings: (patch) => send('/settings', patch, 'PATCH'),
    fail: (plan) => send('/faults', plan),
    faults: () => control(`${url}/_sandbox/faults`),
    clearFaults: async (endpoint) => {
      const query = endpoint === undefined ? '' : `?endpoint=${endpoint}`;
      await control(`${url}/_sandbox/faults${query}`, { method: 'DELETE' });
    },
    balance: () => control(`${url}/_sandbox/balance`),
    state: () => control(`${url}/_sandbox/state`),
    intents: () => control(`${url}/_sandbox/intents`),
    pruneIdempotencyKeys: async () => {
      const answer = await control<{ pruned: number }>(`${url}/_sandbox/idempotency-keys/prune`, { method: 'POST' });
      return answer.pruned;
    },
    confirm: (clientSecret, paymentMethod) => {
      const form = new URLSearchParams({ client_secret: clientSecret, payment_method: paymentMethod });
      const id = clientSecret.split('_secret_')[0];
      const headers = { authorization: 'Bearer pk_test_buyer' };
      return buyer(`${url}/v1/payment_intents/${id}/confirm`, { method: 'POST', headers, body: form });
    },
    authenticate: (intentId, result) =>
      buyer(`${url}/_sandbox/3ds/${intentId}`, { method: 'POST', headers: json, body: JSON.stringify({ result }) }),
  };
}

type Send = <T>(path: string, body: object) => Promise<T>;

function moneyCalls(
  send: Send,
): Pick<SandboxCalls, 'refund' | 'settleRefund' | 'dispute' | 'moveDispute' | 'expire' | 'settlePayment'> {
  return {
    refund: (intentId, wish = {}) => send(`/intents/${intentId}/refund`, wish),
    settleRefund: (refundId, status, reason) => send(`/refunds/${refundId}/settle`, { status, reason }),
    dispute: (intentId, wish = {}) => send(`/intents/${intentId}/dispute`, wish),
    moveDispute: (disputeId, status) => send(`/disputes/${disputeId}/move`, { status }),
    expire: (intentId, how = { noticed: true }) => send(`/intents/${intentId}/expire`, how),
    settlePayment: (intentId, how) => send(`/intents/${intentId}/settle`, how),
  };
}

function webhookCalls(
  send: Send,
): Pick<SandboxCalls, 'releaseWebhooks' | 'loseWebhooks' | 'resendWebhooks' | 'sendWebhook'> {
  return {
    releaseWebhooks: async (choice = {}) =>
      (await send<{ received: Received[] }>('/webhooks/release', choice)).received,
    loseWebhooks: async (choice = {}) => {
      await send('/webhooks/release', { ...choice, lose: true });
    },
    resendWebhooks: async (choice = {}) => (await send<{ received: Received[] }>('/webhooks/resend', choice)).received,
    sendWebhook: (webhook) => send('/webhooks/send', webhook),
  };
}

async function control<T>(url: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

async function buyer(url: string, init: RequestInit): Promise<BuyerAnswer> {
  const response = await fetch(url, init);
  return { httpStatus: response.status, body: (await response.json()) as Record<string, unknown> };
}

export interface ReceivedWebhook {
  readonly body: string;
  readonly signature: string;
  readonly event: Stripe.Event;
}

export interface WebhookReceiver {
  readonly url: string;
  /** In order of arrival, refused ones included. */
  readonly received: readonly ReceivedWebhook[];
  /** The status of the next answers; 200 to begin with. */
  answerWith(status: number): void;
  /** Resolves to everything received as soon as it satisfies `enough`, which is asked again after each arrival. */
  until(enough: (received: readonly ReceivedWebhook[]) => boolean): Promise<readonly ReceivedWebhook[]>;
  close(): Promise<void>;
}

/** A subscriber for webhooks on a free port. */
export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const received: ReceivedWebhook[] = [];
  const waiting = new Set<() => void>();
  let status = 200;
  const receive = async (request: IncomingMessage): Promise<void> => {
    const body = await text(request);
    const signature = String(request.headers['stripe-signature']);
    received.push({ body, signature, event: JSON.parse(body) as Stripe.Event });
    for (const check of waiting) check();
  };
  const server = createServer((request, response) => {
    const answered = status;
    void receive(request).finally(() => response.writeHead(answered).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`,
    received,
    answerWith: (next) => {
      status = next;
    },
    until: (enough) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!enough(received)) return;
          waiting.delete(check);
          resolve(received);
        };
        waiting.add(check);
        check();
      }),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
