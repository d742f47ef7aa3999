import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { type Config, readConfig } from '../src/config.js';
import { makeDataSource } from '../src/database/data-source.js';
import { systemClock } from '../src/domain/clock.js';
import { isRefusal, type Refusal } from '../src/domain/errors.js';
import { Account } from '../src/entities/accounts.js';
import { Event, type WaitingRoom } from '../src/entities/events.js';
import { makeMailer } from '../src/mail/mailer.js';
import { freeCalls } from '../src/payments/calls.js';
import { StripeGateway } from '../src/payments/stripe.js';
import { Channels } from '../src/pubsub/channels.js';
import { connectRedis } from '../src/redis/connections.js';
import type { CreateEventInput } from '../src/services/events.js';
import type { Viewer } from '../src/services/platform.js';
import { buildServices, type Services } from '../src/services/services.js';
import { loadTokenKey } from '../src/services/tokens.js';
import { stadiumPlan } from './venues/stadium.js';

/** What a demo event sells, by the names of its categories; 8 % fee on every ticket. */
const hallPrices: Readonly<Record<string, number>> = {
  VIP: 8900,
  'Kategorie I': 5900,
  'Kategorie I Rollstuhl': 3900,
  'Kategorie II': 4500,
  'Kategorie II Rollstuhl': 2900,
  'Kategorie III': 3500,
  Fanblock: 2900,
  'Fanblock Rollstuhl': 1900,
  'C unten': 3900,
  Stehplatz: 2500,
};

/** Eight per cent as fee, and the tax on culture and sports, contained in both. */
const withFee = { feeMinor: 0, feeBasisPoints: 800, taxBasisPoints: 700, taxIncluded: true };

export interface SaleSettings {
  readonly admitPerSecond: number;
  readonly activeCap: number;
  readonly waitingRoom: WaitingRoom;
  readonly saleOpensAt: Date | null;
}

function unwrap<T>(result: T | Refusal): T {
  if (isRefusal(result))
    throw new Error(`${result.code}: ${result.message}${'errors' in result ? JSON.stringify(result.errors) : ''}`);
  return result as T;
}

/** Runs use cases without serving anything: for seeding. */
export async function withServices<T>(config: Config, work: (services: Services) => Promise<T>): Promise<T> {
  const log = pino({ level: 'silent' });
  const database = await makeDataSource(config.databaseUrl, 4).initialize();
  await database.runMigrations({ transaction: 'each' });
  const redis = await connectRedis(config.redisUrl, () => {});
  const services = await buildServices(
    {
      config,
      clock: systemClock,
      database,
      redis: redis.commands,
      channels: new Channels(redis.commands, redis.subscriber),
      gateway: new StripeGateway(config.stripe, freeCalls),
      mailer: makeMailer(config.mail, log),
      log,
      processId: 'seed',
    },
    await loadTokenKey(config.tokenKeyFile),
  );
  try {
    return await work(services);
  } finally {
    services.stop();
    await redis.close();
    await database.destroy();
  }
}

/** The first administrator, as a viewer. */
async function organizer(
  services: Services,
): Promise<{ viewer: Viewer; created: { email: string; password: string } | null }> {
  const created = await services.accounts.bootstrap('organizer@floodgate.example', 'Demo Events');
  const account = await services.platform.database.getRepository(Account).findOneByOrFail({ role: 'ADMIN' });
  const viewer = {
    personId: account.id,
    role: 'ADMIN',
    identity: 'ACCOUNT',
    email: null,
    organizerId: account.organizerId,
    session: 'seed',
    issuedAtMs: 0,
    expiresAtMs: Number.POSITIVE_INFINITY,
  } as const;
  return { viewer, created };
}

async function putOnSale(
  services: Services,
  viewer: Viewer,
  plan: string,
  input: Omit<CreateEventInput, 'venueId'>,
): Promise<Event> {
  const venue = unwrap(await services.events.importVenue(viewer, { name: null, plan }));
  const draft = unwrap(await services.events.create(viewer, { ...input, venueId: venue.id }));
  return unwrap(await services.events.publish(viewer, draft.id));
}

const eventDefaults = (services: Services, settings: SaleSettings) => ({
  startsAt: new Date(services.platform.clock.nowMs() + 30 * 86_400_000),
  timeZone: 'Europe/Berlin',
  currency: 'EUR',
  maxSeatsPerHold: 10,
  maxSeatsPerPerson: 10,
  holdTtlSeconds: null,
  identity: 'ANONYMOUS' as const,
  accessibleReleaseAt: null,
  focalPoint: null,
  ...settings,
});

/** The Riethsporthalle with its 248 standing places. */
export async function seedDemo(services: Services, settings: SaleSettings): Promise<Event> {
  const { viewer } = await organizer(services);
  const plan = readFileSync(new URL('./venues/riethsporthalle-erfurt.json', import.meta.url), 'utf8');
  return putOnSale(services, viewer, plan, {
    ...eventDefaults(services, settings),
    name: 'Cup night at the Riethsporthalle',
    prices: Object.entries(hallPrices).map(([category, priceMinor]) => ({ category, priceMinor, ...withFee })),
    standing: [{ section: 'Standing room', name: 'Standing room', category: 'Stehplatz', places: 248 }],
  });
}

/** A generated stadium for load. */
export async function seedStadium(services: Services, seats: number, settings: SaleSettings): Promise<Event> {
  const { viewer } = await organizer(services);
  const plan = stadiumPlan(seats);
  return putOnSale(services, viewer, JSON.stringify(plan), {
    ...eventDefaults(services, settings),
    name: `Stadium night (${seats} seats)`,
    prices: plan.categories.map(({ name }, at) => ({ category: name, priceMinor: 9000 - 1000 * at, ...withFee })),
    standing: [],
  });
}

/** A workshop: what a small organizer makes, with the defaults of everything. */
async function seedWorkshop(services: Services): Promise<Event> {
  const { viewer } = await organizer(services);
  const draft = unwrap(
    await services.events.create(viewer, {
      ...eventDefaults(services, { admitPerSecond: 20, activeCap: 500, waitingRoom: 'AUTO', saleOpensAt: null }),
      venueId: null,
      name: 'Bread baking workshop',
      prices: [{ category: 'Place', priceMinor: 4500, ...withFee, feeBasisPoints: 0 }],
      standing: [{ section: 'Bakery', name: 'Bakery', category: 'Place', places: 15 }],
    }),
  );
  return unwrap(await services.events.publish(viewer, draft.id));
}

/** Loads the demo once; a second run changes nothing. */
async function seed(): Promise<void> {
  const seeded = await withServices(readConfig(process.env), async (services) => {
    const { created } = await organizer(services);
    const events = services.platform.database.getRepository(Event);
    if ((await events.count()) === 0) {
      await seedDemo(services, { admitPerSecond: 20, activeCap: 200, waitingRoom: 'ALWAYS', saleOpensAt: null });
      await seedWorkshop(services);
    }
    const listed = await events.find({ where: { state: 'PUBLISHED' }, order: { createdAt: 'ASC' }, take: 2 });
    return {
      accounts: created === null ? [] : [{ ...created, role: 'ADMIN' }],
      events: listed.map(({ id, name }) => ({ id, name })),
    };
  });
  process.stdout.write(`${JSON.stringify(seeded)}\n`);
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').slice(-2).join('/')))
  await seed();
