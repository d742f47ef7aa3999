import { pino } from 'pino';
import { readConfig } from '../../../src/config.js';
import { makeDataSource } from '../../../src/database/data-source.js';
import { systemClock } from '../../../src/domain/clock.js';
import type { PaymentGateway } from '../../../src/payments/gateway.js';
import { Channels } from '../../../src/pubsub/channels.js';
import { connectRedis } from '../../../src/redis/connections.js';
import { EventCatalogue } from '../../../src/services/event-catalogue.js';
import { InventoryService } from '../../../src/services/inventory.js';
import type { Platform } from '../../../src/services/platform.js';
import { Reconciler } from '../../../src/services/reconciler.js';
import type { Stage } from './stage.js';

const nobody: PaymentGateway = new Proxy({} as PaymentGateway, {
  get: () => () => Promise.reject(new Error('comparing the stores calls no provider')),
});

/** Compares the stores as every process does at its own pace: two looks, since what differs once may be under way. */
export async function reconcile(stage: Stage, eventIds: readonly string[]): Promise<void> {
  const config = readConfig({
    DATABASE_URL: stage.databaseUrl,
    REDIS_URL: stage.redisServer.url,
    STRIPE_SECRET_KEY: stage.provider.secretKey,
    STRIPE_WEBHOOK_SECRET: stage.provider.webhookSecret,
  });
  const database = await makeDataSource(config.databaseUrl, 2).initialize();
  const redis = await connectRedis(config.redisUrl, () => {});
  const platform: Platform = {
    config,
    clock: systemClock,
    database,
    redis: redis.commands,
    channels: new Channels(redis.commands, redis.subscriber),
    gateway: nobody,
    mailer: { enabled: false, send: () => false, deliver: async () => {}, close: () => {} },
    log: pino({ level: 'silent' }),
    processId: 'reconciler',
  };
  try {
    const catalogue = new EventCatalogue(platform);
    const reconciler = new Reconciler(platform, catalogue, new InventoryService(platform, catalogue));
    for (const eventId of [...eventIds, ...eventIds]) await reconciler.inspect(eventId);
  } finally {
    await redis.close();
    await database.destroy();
  }
}
