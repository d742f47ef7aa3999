import { join } from 'node:path';
import { seedStadium, withServices } from '../../sandbox/seed.js';
import type { RunningPostgres } from '../../sandbox/services/postgres.js';
import type { RunningRedis } from '../../sandbox/services/redis.js';
import { readConfig } from '../../src/config.js';
import type { EventRef } from '../../src/redis/keys.js';
import type { PublishedEvent } from '../../src/services/event-catalogue.js';
import type { Services } from '../../src/services/services.js';
import { type Api, startApi } from './api.js';
import type { Stores } from './stores.js';

const sessionMs = 3_600_000;

/** What the product is started with: stores of the bench, and a payment provider that nobody is. */
export function serverEnvironment(stores: Stores, urls: { readonly database: string; readonly redis: string }) {
  return {
    DATABASE_URL: urls.database,
    REDIS_URL: urls.redis,
    STRIPE_SECRET_KEY: 'sk_test_unused',
    STRIPE_WEBHOOK_SECRET: 'whsec_unused',
    // Nobody answers there: no step of an order falls due while something is measured.
    STRIPE_API_URL: 'http://127.0.0.1:9',
    TOKEN_KEY_FILE: join(stores.home, 'token-key.json'),
  };
}

/** A token of a guest. */
export async function sessionOf(services: Services, personId: string): Promise<string> {
  const guest = { personId, role: 'GUEST', identity: 'ANONYMOUS', organizerId: null } as const;
  return services.tokens.session(guest, sessionMs).token;
}

/** What a page with a seat map asks for. */
export const seatChanges = `subscription ($eventId: ID!) { seatMapChanged(eventId: $eventId) {
  ... on SeatMapSnapshot { epoch version layoutVersion states }
  ... on SeatMapDelta { epoch version fromVersion layoutVersion seats states }
} }`;

/** The product in one process, with one event on sale that has no line. */
export interface Product {
  readonly api: Api;
  readonly postgres: RunningPostgres;
  readonly socketUrl: string;
  readonly eventId: string;
  readonly ref: EventRef;
  readonly published: PublishedEvent;
  /** Sessions of guests. */
  readonly tokens: readonly string[];
}

export async function startProduct(
  stores: Stores,
  redis: RunningRedis,
  options: {
    readonly hallSeats: number;
    readonly guests: number;
    readonly inspected?: boolean;
    /** Where it tells its metrics. */
    readonly metricsPort?: number;
    /** Somebody who takes payments, without a quota; otherwise nobody is. */
    readonly provider?: { readonly url: string; readonly secretKey: string; readonly webhookSecret: string };
  },
): Promise<Product> {
  const postgres = await stores.startPostgres();
  const { provider } = options;
  const environment = {
    ...serverEnvironment(stores, { database: postgres.url, redis: redis.url }),
    ...(provider && {
      STRIPE_API_URL: provider.url,
      STRIPE_SECRET_KEY: provider.secretKey,
      STRIPE_WEBHOOK_SECRET: provider.webhookSecret,
      STRIPE_CALLS_PER_SECOND: '0',
      STRIPE_CALLS_PER_ENDPOINT_PER_SECOND: '0',
    }),
  };
  const settings = { admitPerSecond: 100, activeCap: 100, saleOpensAt: null, waitingRoom: 'NEVER' } as const;
  const seeded = await withServices(readConfig({ ...environment, LOG_LEVEL: 'silent' }), async (services) => {
    const { id: eventId } = await seedStadium(services, options.hallSeats, settings);
    const published = (await services.catalogue.published(eventId))!;
    const { ref } = published;
    const guests = Array.from({ length: options.guests }, (_, at) => `guest-${at}`);
    return { eventId, ref, published, tokens: await Promise.all(guests.map((guest) => sessionOf(services, guest))) };
  });
  const metrics = options.metricsPort === undefined ? {} : { METRICS_PORT: String(options.metricsPort) };
  const api = await startApi(stores, { ...environment, ...metrics }, 1, options.inspected);
  return { ...seeded, api, postgres, socketUrl: `${api.url.replace(/^http/, 'ws')}/graphql` };
}
