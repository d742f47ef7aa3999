import type { Redis } from 'ioredis';
import { lowestPrecedence, type ProviderEndpoint, precedenceOf } from '../domain/provider-calls.js';
import { limits } from '../limits.js';
import { globalKeys } from './keys.js';
import { runNumberScript } from './script.js';

export interface ProviderQuota {
  readonly callsPerSecond: number;
  readonly callsPerEndpointPerSecond: number;
}

/** Source: scripts/provider.quota.lua. Takes one call, or answers how many milliseconds to wait before asking again. */
export function takeProviderCall(client: Redis, endpoint: ProviderEndpoint, quota: ProviderQuota): Promise<number> {
  return runNumberScript(
    client,
    'provider.quota',
    globalKeys.providerQuota,
    endpoint,
    quota.callsPerSecond,
    quota.callsPerEndpointPerSecond,
    precedenceOf[endpoint],
    lowestPrecedence,
  );
}

/** Source: scripts/provider.hold.lua. Nobody calls for that long, at one endpoint or at all. */
export async function holdProviderCalls(client: Redis, what: ProviderEndpoint | 'account', ms: number): Promise<void> {
  await runNumberScript(client, 'provider.hold', globalKeys.providerQuota, what, ms);
}

/** How many milliseconds nobody may call at this endpoint, because the provider has said so. */
export function readProviderHold(client: Redis, endpoint: ProviderEndpoint): Promise<number> {
  return runNumberScript(client, 'provider.hold', globalKeys.providerQuota, endpoint, 0);
}

/** Says to all processes that calls fail, for as long as it is repeated. Answers since when; the first to say so is right. */
export async function reportDelay(client: Redis, sinceMs: number): Promise<number> {
  const { paymentDelayShownMs } = limits;
  await client.set(globalKeys.paymentDelay, sinceMs, 'PX', paymentDelayShownMs, 'NX');
  await client.pexpire(globalKeys.paymentDelay, paymentDelayShownMs);
  return (await readDelay(client)) ?? sinceMs;
}

export async function endDelay(client: Redis): Promise<void> {
  await client.del(globalKeys.paymentDelay);
}

/** Since when calls fail in some process; null: in none. */
export async function readDelay(client: Redis): Promise<number | null> {
  const sinceMs = await client.get(globalKeys.paymentDelay);
  return sinceMs === null ? null : Number(sinceMs);
}
