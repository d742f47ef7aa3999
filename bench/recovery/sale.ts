import { seedStadium, withServices } from '../../sandbox/seed.js';
import { type Config, readConfig } from '../../src/config.js';
import type { Event } from '../../src/entities/events.js';
import { entryGlobalId } from '../../src/services/line.js';
import { randomFor } from '../rush/random.js';
import type { BenchClient } from '../support/client.js';
import { joinAll } from '../support/people.js';
import { serverEnvironment, sessionOf } from '../support/product.js';
import type { Stores } from '../support/stores.js';
import { writeSale } from './ledger.js';

const admitPerSecond = 100;
/** People who are admitted when Redis is lost; nobody else is until one of them leaves. */
const activeCap = 200;

/** Somebody with a session and a place. */
export interface Person {
  readonly token: string;
  readonly entryId: string;
}

/** Two sales that are under way: one with people in line, one without a line. */
export interface Sales {
  readonly line: Event;
  readonly open: Event;
  /** The seats are in one category that has many left. */
  readonly categoryId: string;
  /** Has no stream; the platform learns of their admission from themselves. */
  readonly shows: Person;
  /** In the order of the line; the first of them are admitted. */
  readonly people: readonly Person[];
  /** Buys in the sale without a line. */
  readonly passerBy: string;
}

/** Publishes both events, writes their sales into the ledger, and lets everybody join. */
export async function openSales(
  stores: Stores,
  client: BenchClient,
  options: {
    readonly urls: { readonly database: string; readonly redis: string };
    readonly seats: number;
    readonly sold: number;
    readonly paying: number;
    readonly waiting: number;
    readonly seed: number;
  },
): Promise<Sales> {
  const config: Config = readConfig({ ...serverEnvironment(stores, options.urls), LOG_LEVEL: 'silent' });
  return withServices(config, async (services) => {
    const settings = { admitPerSecond, activeCap, saleOpensAt: null };
    const line = await seedStadium(services, options.seats, { ...settings, waitingRoom: 'ALWAYS' });
    const open = await seedStadium(services, options.seats, { ...settings, waitingRoom: 'NEVER' });
    for (const [at, event] of [line, open].entries()) {
      const published = (await services.catalogue.published(event.id))!;
      await writeSale(services.platform.database, published, { ...options, random: randomFor(options.seed, at) });
      await services.draws.noteOpening(published.ref);
      await services.inventory.reload(event.id);
    }
    const ref = (await services.catalogue.published(line.id))!.ref;
    await services.inventory.reserveNumbers(ref);
    const joined = await joinAll(client, ref, options.waiting + 1);
    const [shows, ...people] = await Promise.all(
      joined.map(async ({ person, entryId }) => ({
        token: await sessionOf(services, person),
        entryId: entryGlobalId(line.id, entryId),
      })),
    );
    return {
      line,
      open,
      categoryId: '0',
      shows: shows!,
      people,
      passerBy: await sessionOf(services, 'passer-by'),
    };
  });
}
