import { join } from 'node:path';
import { seedDemo, seedStadium, withServices } from '../../sandbox/seed.js';
import { readConfig } from '../../src/config.js';
import type { RushOptions } from './options.js';
import type { Stack } from './stack.js';

/** Puts the event of the run on sale, before the server starts, and answers its id. */
export async function openEvent(options: RushOptions, stack: Stack): Promise<string> {
  const config = readConfig({
    DATABASE_URL: stack.databaseUrl,
    REDIS_URL: stack.redisUrl,
    STRIPE_SECRET_KEY: 'sk_test_unused',
    STRIPE_WEBHOOK_SECRET: 'whsec_unused',
    TOKEN_KEY_FILE: join(stack.home, 'token-key.json'),
  });
  const { admitPerSecond, activeCap } = options;
  const settings = { admitPerSecond, activeCap, waitingRoom: true, saleOpensAt: null };
  const event = await withServices(config, (services) =>
    options.event.kind === 'demo' ? seedDemo(services, settings) : seedStadium(services, options.event.seats, settings),
  );
  return event.id;
}
