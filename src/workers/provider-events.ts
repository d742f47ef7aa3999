import { limits } from '../limits.js';
import type { Platform } from '../services/platform.js';
import type { Services } from '../services/services.js';
import { type Loop, startLoop } from './loop.js';

/** Takes over what happened to money at the provider, as its events come and whenever some are due again. */
export function startProviderEvents(
  platform: Platform,
  { webhooks, providerEvents }: Pick<Services, 'webhooks' | 'providerEvents'>,
): Loop {
  const loop = startLoop('provider-events', limits.providerEventPollMs, platform.log, () => providerEvents.round());
  webhooks.onJob(() => loop.wake());
  return loop;
}
