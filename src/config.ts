import { existsSync, readFileSync } from 'node:fs';
import { limits } from './limits.js';

/** What the environment says, read once at the start. A value that cannot be meant stops the start with one clear line. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** Port of the metrics, at the same address; 0: any free one; null: no metrics. */
  readonly metricsPort: number | null;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** API processes on this machine. */
  readonly processes: number;
  readonly stripe: {
    readonly secretKey: string;
    readonly publishableKey: string;
    readonly webhookSecret: string;
    /** Another server that speaks Stripe's protocol; null: Stripe itself. */
    readonly apiUrl: string | null;
    /** The same server as buyers reach it. */
    readonly publicApiUrl: string;
    readonly callsPerSecond: number;
    readonly callsPerEndpointPerSecond: number;
  };
  /** For how long startCheckout waits for the payment form before it answers without; 0: it does not. */
  readonly checkoutWaitMs: number;
  readonly mail: {
    /** smtp:// or smtps://; null: no mail can be sent, and events cannot ask for verified addresses. */
    readonly url: string | null;
    readonly from: string;
  };
  /** A font file for what western fonts cannot write on receipts; null: those are used. */
  readonly receiptFont: string | null;
  /** File with the platform's Ed25519 key as a private JWK; made if absent. */
  readonly tokenKeyFile: string;
  readonly oidcIssuers: readonly OidcIssuer[];
  readonly explorer: boolean;
  /** Whether a subscription is executed once for all who are told the same. */
  readonly fanout: 'shared' | 'per-subscriber';
  readonly logLevel: string;
}

/** Somebody else who may vouch for people: tokens of this issuer for this audience are accepted. */
export interface OidcIssuer {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
}

export class ConfigError extends Error {}

type Environment = Readonly<Record<string, string | undefined>>;

function required(env: Environment, name: string, hint: string): string {
  const value = env[name];
  if (value === undefined || value === '') throw new ConfigError(`${name} is not set: ${hint}`);
  return value;
}

function integer(env: Environment, name: string, fallback: number, min: number, max: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new ConfigError(`${name} must be a whole number from ${min} to ${max}, not "${text}"`);
  }
  return value;
}

function url(name: string, text: string, protocols: readonly string[]): string {
  const parsed = URL.canParse(text) ? new URL(text) : null;
  if (parsed === null || !protocols.includes(parsed.protocol)) {
    throw new ConfigError(`${name} must be a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`);
  }
  return text;
}

function choice<T extends string>(env: Environment, name: string, choices: readonly T[], fallback: T): T {
  const text = env[name] || fallback;
  const found = choices.find((value) => value === text);
  if (found === undefined) throw new ConfigError(`${name} must be one of ${choices.join(', ')}, not "${text}"`);
  return found;
}

function font(file: string): string {
  // The library tells kinds of files apart by what is in them; other text would fail at the first receipt.
  const signature = existsSync(file) ? readFileSync(file).subarray(0, 4).toString('latin1') : '';
  if (!['\0\x01\0\0', 'OTTO', 'true', 'wOFF', 'wOF2'].includes(signature))
    throw new ConfigError(`RECEIPT_FONT must be a TrueType or OpenType font file, which ${file} is not`);
  return file;
}

function oidcIssuers(text: string | undefined): OidcIssuer[] {
  if (text === undefined || text === '') return [];
  return text.split(',').map((entry) => {
    const [issuer, audience, jwksUrl] = entry.trim().split('|');
    if (!issuer || !audience || !jwksUrl) {
      throw new ConfigError('OIDC_ISSUERS must be issuer|audience|jwksUrl, several joined by commas');
    }
    return { issuer, audience, jwksUrl: url('OIDC_ISSUERS', jwksUrl, ['https:', 'http:']) };
  });
}

export function readConfig(env: Environment): Config {
  const host = env.HOST || '127.0.0.1';
  const port = integer(env, 'PORT', 4000, 0, 65_535);
  const secretKey = required(env, 'STRIPE_SECRET_KEY', 'give your Stripe secret key, or use `npm start`');
  return Object.freeze({
    host,
    port,
    metricsPort: env.METRICS_PORT ? integer(env, 'METRICS_PORT', 0, 0, 65_535) : null,
    databaseUrl: url(
      'DATABASE_URL',
      required(env, 'DATABASE_URL', 'give the URL of a PostgreSQL 15 or later, or use `npm start`'),
      ['postgres:', 'postgresql:'],
    ),
    redisUrl: url('REDIS_URL', required(env, 'REDIS_URL', 'give the URL of a Redis 7 or later, or use `npm start`'), [
      'redis:',
      'rediss:',
    ]),
    processes: integer(env, 'WEB_CONCURRENCY', 1, 1, 64),
    stripe: Object.freeze({
      secretKey,
      publishableKey: env.STRIPE_PUBLISHABLE_KEY || secretKey.replace(/^sk_/, 'pk_').replace(/_[^_]*$/, '_publishable'),
      webhookSecret: required(env, 'STRIPE_WEBHOOK_SECRET', 'give the signing secret of your webhook endpoint'),
      apiUrl: env.STRIPE_API_URL ? url('STRIPE_API_URL', env.STRIPE_API_URL, ['http:', 'https:']) : null,
      publicApiUrl: env.STRIPE_PUBLIC_API_URL
        ? url('STRIPE_PUBLIC_API_URL', env.STRIPE_PUBLIC_API_URL, ['http:', 'https:'])
        : env.STRIPE_API_URL || 'https://api.stripe.com',
      callsPerSecond: integer(env, 'STRIPE_CALLS_PER_SECOND', limits.providerCallsPerSecond, 0, 100_000),
      callsPerEndpointPerSecond: integer(
        env,
        'STRIPE_CALLS_PER_ENDPOINT_PER_SECOND',
        limits.providerCallsPerEndpointPerSecond,
        0,
        100_000,
      ),
    }),
    checkoutWaitMs: integer(env, 'CHECKOUT_WAIT_MS', limits.checkoutWaitMs, 0, 5_000),
    mail: Object.freeze({
      url: env.SMTP_URL ? url('SMTP_URL', env.SMTP_URL, ['smtp:', 'smtps:']) : null,
      from: env.MAIL_FROM || 'Floodgate <no-reply@localhost>',
    }),
    receiptFont: env.RECEIPT_FONT ? font(env.RECEIPT_FONT) : null,
    tokenKeyFile: env.TOKEN_KEY_FILE || '.floodgate/token-key.json',
    oidcIssuers: Object.freeze(oidcIssuers(env.OIDC_ISSUERS)),
    fanout: choice(env, 'FANOUT', ['shared', 'per-subscriber'], 'shared'),
    explorer: choice(env, 'EXPLORER', ['on', 'off'], 'on') === 'on',
    logLevel: choice(env, 'LOG_LEVEL', ['silent', 'error', 'warn', 'info', 'debug'], 'info'),
  });
}
