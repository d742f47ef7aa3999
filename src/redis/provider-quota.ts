import type { Redis } from 'ioredis';
import { globalKeys } from './keys.js';
import { runNumberScript } from './script.js';

export interface ProviderQuota {
  readonly callsPerSecond: number;
  readonly callsPerEndpointPerSecond: number;
}

/** Source: scripts/provider.quota.lua. Takes one call, or answers how many milliseconds to wait before asking again. */
export function takeProviderCall(client: Redis, endpoint: string, quota: ProviderQuota): Promise<number> {
  return runNumberScript(
    client,
    'provider.quota',
    globalKeys.providerQuota,
    endpoint,
    quota.callsPerSecond,
    quota.callsPerEndpointPerSecond,
  );
}
