import { randomUUID } from 'node:crypto';
import { hoardBudgetMs } from '../../src/domain/hoarding.js';
import { encodePriceList } from '../../src/domain/money.js';
import { limits } from '../../src/limits.js';
import { type EventRef, eventKeys } from '../../src/redis/keys.js';
import { epochOf, serverOf } from '../../src/redis/script.js';
import { type ClaimAnswer, type ClaimRequest, claimSeats, type Selection } from '../../src/redis/seat-holds.js';
import { type BenchClient, callFunction, loadAsFunction } from '../support/client.js';
import { type HallFacts, loadHall } from '../support/halls.js';
import { admitPeople } from '../support/people.js';
import type { Sold } from './states.js';

/** A hall in one state, with people who may claim. */
export interface ClaimHall {
  readonly ref: EventRef;
  readonly facts: HallFacts;
  readonly sold: Sold;
  readonly people: readonly string[];
}

/** As many as there are in the busiest minute: few people would lie in small tables, which Redis searches from the beginning. */
const admittedPeople = 500;
/** Nobody is held up by the pace of the line here. */
const pace = { admitPerSecond: 1_000, activeCap: 1_000, waitingRoom: 'ALWAYS' as const };

/** Loads a hall whose buyers come out of a line, as in the busiest minute: their admission is checked by every claim. */
export async function loadClaimHall(client: BenchClient, facts: HallFacts, sold: Sold): Promise<ClaimHall> {
  const ref = await loadHall(client, facts, { sold, line: pace, opensInMs: 0, numbers: 1_000 });
  return { ref, facts, sold, people: await admitPeople(client, ref, admittedPeople) };
}

/** One kind of claim in one hall, always with the same answer. */
export interface ClaimCase {
  readonly name: string;
  readonly hall: ClaimHall;
  readonly expected: 'OK' | 'NO_BLOCK';
  /** What the next claim asks for. */
  wish(): Selection;
}

/** Claims and releases by turns: every claim meets the state in which the hall was loaded. */
export class Claims {
  readonly #client: BenchClient;
  /** So many claims and releases are sent at once. */
  readonly #inFlight: number;

  private constructor(client: BenchClient, inFlight: number) {
    this.#client = client;
    this.#inFlight = inFlight;
  }

  static async for(client: BenchClient, inFlight: number): Promise<Claims> {
    await loadAsFunction(client, 'seats.release');
    await loadAsFunction(client, 'seats.read');
    return new Claims(client, inFlight);
  }

  async repeat(claim: ClaimCase, count: number): Promise<void> {
    const { ref } = claim.hall;
    let version = Number(await this.#client.hget(eventKeys(ref).meta, 'version'));
    for (let done = 0; done < count; done += this.#inFlight) {
      const answers: Promise<void>[] = [];
      for (let i = 0; i < Math.min(this.#inFlight, count - done); i += 1) {
        answers.push(this.#once(claim, done + i, version + 1));
        // A claim and its release are one version each; a refusal is none.
        if (claim.expected === 'OK') version += 2;
      }
      answers.push(this.#readOne(ref));
      await Promise.all(answers);
    }
  }

  /** Nobody else claims here, so the fence is known before the answer has come: the release is sent right behind the claim. */
  async #once(claim: ClaimCase, serial: number, fence: number): Promise<void> {
    const { people } = claim.hall;
    const [holdId, person] = [randomUUID(), people[serial % people.length]!];
    const claiming = this.hold(claim.hall, { holdId, person, selection: claim.wish() });
    const releasing = claim.expected === 'OK' ? this.release(claim.hall.ref, { holdId, person, fence }) : 'OK';
    const [{ code }, released] = [await claiming, await releasing];
    if (code !== claim.expected || released !== 'OK')
      throw new Error(`${claim.name}: a claim was answered ${code}, its release ${released}`);
  }

  /**
   * Redis collects Lua's garbage at every 50th call of a script or function. Claims and releases by turns would make it always one or always
   * the other that pays; with one call more in every batch a claim pays as often as it does in a rush.
   */
  async #readOne(ref: EventRef): Promise<void> {
    const read = await callFunction(this.#client, 'seats.read', eventOf(this.#client, ref), 'none');
    if (read !== 'NO_HOLD') throw new Error(`a hold that nobody made was answered ${read}`);
  }

  /** The product's own claim, with what a request of a buyer comes to. */
  hold(
    hall: ClaimHall,
    request: Pick<ClaimRequest, 'holdId' | 'person' | 'selection'> & Partial<ClaimRequest>,
  ): Promise<ClaimAnswer> {
    const { layout } = hall.facts;
    const prices = layout.categories.map((_, at) => ({ priceMinor: 9_000 - 100 * at, feeMinor: 700 }));
    return claimSeats(this.#client, hall.ref, {
      digest: '0123456789abcdef',
      letters: '.',
      prices: encodePriceList('EUR', prices),
      ttlMs: limits.holdTtlMs,
      maxMs: limits.holdMaxMs,
      seatsPerPerson: limits.seatsPerPerson,
      hoardBudgetMs: hoardBudgetMs({ maxSeatsPerPerson: limits.seatsPerPerson, holdTtlMs: limits.holdTtlMs }),
      newEntryId: randomUUID(),
      categories: layout.categories.length,
      ...request,
    });
  }

  /** Answers the code of the script. */
  release(
    ref: EventRef,
    { holdId, person, fence }: { readonly holdId: string; readonly person: string; readonly fence: number },
  ): Promise<string> {
    return callFunction(
      this.#client,
      'seats.release',
      eventOf(this.#client, ref),
      holdId,
      person,
      fence,
      limits.tombstoneMs,
    );
  }
}

function eventOf(client: BenchClient, ref: EventRef): { readonly key: string; readonly epoch: string } {
  return { key: eventKeys(ref).meta, epoch: epochOf(ref.generation, serverOf(client)!) };
}
