import { randomUUID } from 'node:crypto';
import { limits } from '../../src/limits.js';
import type { EventRef } from '../../src/redis/keys.js';
import { admitFromLine, joinLine, reportPresence } from '../../src/redis/line.js';
import type { BenchClient } from './client.js';

/** Sent at once: enough to keep Redis busy, few enough that no command waits for its timeout. */
const atOnce = 500;

/** Somebody in line. */
export interface Waiting {
  readonly person: string;
  readonly entryId: string;
}

/** Lets so many people join a line, in batches that are sent at once. */
export async function joinAll(client: BenchClient, ref: EventRef, count: number): Promise<Waiting[]> {
  const people = Array.from({ length: count }, () => ({ person: randomUUID(), entryId: randomUUID() }));
  for (let at = 0; at < count; at += atOnce) {
    const joined = people
      .slice(at, at + atOnce)
      .map(({ person, entryId }) => joinLine(client, ref, { person, newEntryId: entryId }));
    for (const { code } of await Promise.all(joined)) if (code !== 'OK') throw new Error(`a join was answered ${code}`);
  }
  return people;
}

/** Says that a process serves them, in batches as the product reports them. */
export async function attachAll(
  client: BenchClient,
  ref: EventRef,
  processId: string,
  people: readonly Waiting[],
): Promise<void> {
  for (let at = 0; at < people.length; at += limits.presenceBatch) {
    const seen = people.slice(at, at + limits.presenceBatch).map(({ entryId }) => entryId);
    if (!(await reportPresence(client, ref, { processId, seen, lost: [] }))) throw new Error('nobody knows the event');
  }
}

/** Says that a process lives. */
export async function beat(client: BenchClient, ref: EventRef, processId: string): Promise<void> {
  await reportPresence(client, ref, { processId, seen: [], lost: [] });
}

/** People with an admission: so many, or as many as the line lets look for the seats that are left. */
export async function admitPeople(client: BenchClient, ref: EventRef, count: number): Promise<string[]> {
  const people = await joinAll(client, ref, count);
  let admitted = 0;
  for (;;) {
    const round = await admitFromLine(client, ref);
    if (round === null || round.admitted === 0) break;
    admitted += round.admitted;
  }
  if (admitted === 0) throw new Error('nobody was admitted');
  return people.slice(0, admitted).map(({ person }) => person);
}
