import { seedStadium, withServices } from '../../sandbox/seed.js';
import { readConfig } from '../../src/config.js';
import { limits } from '../../src/limits.js';
import { changeSettings } from '../../src/redis/inventory.js';
import { type EventRef, eventKeys } from '../../src/redis/keys.js';
import { entryGlobalId } from '../../src/services/line.js';
import { randomFor } from '../rush/random.js';
import type { BenchClient } from '../support/client.js';
import { attachAll, beat, joinAll, type Waiting } from '../support/people.js';
import { sessionOf } from '../support/product.js';
import type { Person } from './watchers.js';

const hallSeats = 60_000;
const unbounded = 1_000_000;
/** Those that serve whoever is not connected to the process that is measured. */
const otherProcesses = ['process-2', 'process-3', 'process-4', 'process-5'];
const beatEveryMs = 1_000;

/** A sale with very many people in line, of whom nobody is admitted before `admit`. */
export class Sale {
  /** Those who are to be connected, in the order of the line. */
  readonly watchers: readonly Person[];
  readonly #client: BenchClient;
  readonly #ref: EventRef;
  readonly #beating: NodeJS.Timeout;

  private constructor(client: BenchClient, ref: EventRef, watchers: readonly Person[]) {
    this.#client = client;
    this.#ref = ref;
    this.watchers = watchers;
    // One that is under way when the bench ends is lost with the connection.
    this.#beating = setInterval(() => this.#beat().catch(() => {}), beatEveryMs);
  }

  static async open(
    client: BenchClient,
    options: {
      readonly environment: Readonly<Record<string, string>>;
      readonly people: number;
      readonly connected: number;
      readonly seed: number;
    },
  ): Promise<Sale> {
    const { environment, people, connected, seed } = options;
    return withServices(readConfig({ ...environment, LOG_LEVEL: 'silent' }), async (services) => {
      const settings = { admitPerSecond: 1, activeCap: 1, saleOpensAt: null, waitingRoom: 'ALWAYS' } as const;
      const { id: eventId } = await seedStadium(services, hallSeats, settings);
      const { ref } = (await services.catalogue.published(eventId))!;
      for (let numbers = 0; numbers < people; numbers += limits.lineNumbers)
        await services.inventory.reserveNumbers(ref);
      const [watching, others] = divide(await joinAll(client, ref, people), connected, seed);
      for (const [at, process] of otherProcesses.entries()) {
        const served = others.filter((_, i) => i % otherProcesses.length === at);
        await attachAll(client, ref, process, served);
      }
      const watchers = watching.map(async ({ person, entryId }) => {
        return { token: await sessionOf(services, person), entryId: entryGlobalId(eventId, entryId) };
      });
      return new Sale(client, ref, await Promise.all(watchers));
    });
  }

  async admit(perSecond: number): Promise<void> {
    const settings = { admitPerSecond: perSecond, activeCap: unbounded, waitingRoom: 'ALWAYS', action: '' } as const;
    if ((await changeSettings(this.#client, this.#ref, settings)) === null) throw new Error('nobody knows the event');
  }

  async counts(): Promise<{ readonly waiting: number; readonly admitted: number }> {
    const keys = eventKeys(this.#ref);
    const [waiting, admitted] = await Promise.all([
      this.#client.zcard(keys.present),
      this.#client.zcard(keys.admitted),
    ]);
    return { waiting, admitted };
  }

  end(): void {
    clearInterval(this.#beating);
  }

  async #beat(): Promise<void> {
    for (const process of otherProcesses) await beat(this.#client, this.#ref, process);
  }
}

/** So many of them at random, and the others. */
function divide(all: readonly Waiting[], count: number, seed: number): readonly [Waiting[], Waiting[]] {
  const random = randomFor(seed, 0);
  const chosen: Waiting[] = [];
  const others: Waiting[] = [];
  for (const [at, one] of all.entries()) {
    const isChosen = random.hits((count - chosen.length) / (all.length - at));
    (isChosen ? chosen : others).push(one);
  }
  return [chosen, others];
}
