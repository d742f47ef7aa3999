import { setTimeout as pause } from 'node:timers/promises';
import { limits } from '../../../src/limits.js';
import { eventKeys, sharedKeys } from '../../../src/redis/keys.js';
import type { Complaint } from '../../interleaving/complaint.js';
import { createHall } from '../../support/events.js';
import { audit } from './auditor.js';
import { Crowd, type CrowdCounts } from './crowd.js';
import type { Evidence } from './evidence.js';
import { until } from './patience.js';
import { reconcile } from './reconcile.js';
import { openWorkshop, Stage } from './stage.js';
import { Storm } from './storm.js';

export interface RandomOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Buyers at the same time. */
  readonly buyers: number;
  readonly told: (line: string) => void;
}

export interface RandomReport {
  readonly seed: number;
  readonly crowd: CrowdCounts;
  readonly faults: Readonly<Record<string, number>>;
  readonly webhooks: Readonly<Record<string, number>>;
  /** Orders by the state they ended in. */
  readonly endings: Readonly<Record<string, number>>;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
  readonly complaints: readonly Complaint[];
}

const seatsPerRow = 50;
const rowsPerMinute = 60;
const mostRows = 400;
const restMs = 180_000;

/** A crowd buys while things go wrong at random times; then everything is set right, comes to rest, and is audited. */
export async function playRandom(options: RandomOptions): Promise<RandomReport> {
  const { seed, minutes, buyers, told } = options;
  const workshop = await openWorkshop();
  let stage: Stage | null = null;
  try {
    stage = await Stage.open(workshop);
    const rows = Math.min(mostRows, Math.ceil(rowsPerMinute * minutes));
    const hall = await createHall(stage.organizer, { rows, seatsPerRow, event: { waitingRoom: 'NEVER' } });
    const crowd = new Crowd(stage, hall, seed);
    const startedMs = performance.now();
    const storm = new Storm(stage, seed, (name) =>
      told(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  ${name}`),
    );
    crowd.start(buyers);
    storm.start();
    await pause(minutes * 60_000);
    await storm.stop();
    await crowd.stop();
    told('quiet');
    await rest(stage, storm, hall.eventId);
    await reconcile(stage, [hall.eventId]);
    const { complaints, evidence } = await audit(stage, [hall.eventId]);
    return {
      ...{ seed, crowd: crowd.counts, faults: storm.counts, webhooks: stage.postman.counts, complaints },
      ...sumsOf(evidence),
    };
  } catch (error) {
    if (stage !== null) told(stage.complaints().join('\n'));
    throw error;
  } finally {
    await stage?.close();
    workshop.close();
  }
}

/** Late webhooks come, deadlines pass, and nothing is open any more. */
async function rest(stage: Stage, storm: Storm, eventId: string): Promise<void> {
  await storm.bring(storm.late);
  await stage.settled([eventId]);
  const open = async () => {
    const [row] = await stage.sql<{ open: number }>(
      `SELECT (SELECT count(*) FROM order_step s JOIN orders o ON o.id = s.order_id WHERE o.event_id = $1 AND s.finished_at IS NULL)::int AS open`,
      [eventId],
    );
    return row!.open;
  };
  await until(
    'every order to end',
    async () => {
      if ((await open()) === 0) return true;
      await passDeadlines(stage, eventId);
      await pause(200);
      return false;
    },
    restMs,
  );
  await until('every hold to end', async () => {
    const { meta } = sharedKeys(eventId);
    const past = Date.now() + 2 * (limits.holdMaxMs + limits.checkoutTtlMs + limits.settleGraceMs);
    const [generation, lastNow] = await stage.redis.hmget(meta, 'generation', 'lastNow');
    if (Number(lastNow) < past - limits.holdMaxMs) await stage.redis.hset(meta, 'lastNow', past);
    const keys = eventKeys({ eventId, generation: Number(generation) });
    return (await stage.redis.zcard(keys.deadlines)) + (await stage.redis.zcard(keys.payments)) === 0;
  });
  await stage.settled([eventId]);
}

/** Nobody pays any more, and what waits for its time gets it. Leases run out by themselves: somebody may be at work. */
async function passDeadlines(stage: Stage, eventId: string): Promise<void> {
  await stage.sql(
    `WITH due AS (UPDATE orders SET pay_by = LEAST(pay_by, now() - interval '1 second') WHERE event_id = $1 RETURNING id)
     UPDATE order_step s SET run_at = LEAST(run_at, now()) FROM due WHERE s.order_id = due.id AND s.finished_at IS NULL`,
    [eventId],
  );
}

function sumsOf({ orders, intents }: Evidence): Pick<RandomReport, 'endings' | 'capturedMinor' | 'refundedMinor'> {
  const endings: Record<string, number> = {};
  for (const { state } of orders) endings[state] = (endings[state] ?? 0) + 1;
  return {
    endings,
    capturedMinor: intents.reduce((sum, { amount_received }) => sum + amount_received, 0),
    refundedMinor: intents.reduce((sum, { amount_refunded }) => sum + amount_refunded, 0),
  };
}

export function describeRandom(report: RandomReport): string {
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .sort()
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  const { crowd, faults, webhooks, endings, capturedMinor, refundedMinor, complaints, seed } = report;
  const euros = (minor: number) => (minor / 100).toFixed(2);
  return [
    `orders      ${list(endings)}`,
    `money       ${euros(capturedMinor)} captured, ${euros(refundedMinor)} of it refunded, ${euros(capturedMinor - refundedMinor)} kept`,
    `buyers      ${crowd.buyers}: ${list(crowd.plans)}`,
    `requests    ${crowd.repeats} sent again, ${crowd.refundsAsked} refunds asked for; refused: ${list(crowd.refusals) || 'none'}`,
    `faults      ${list(faults)}`,
    `webhooks    ${list(webhooks)}`,
    `violations  ${complaints.length}`,
    ...complaints.slice(0, 50).map(({ rule, text }) => `  [${rule}] ${text}`),
    `seed        ${seed}`,
  ].join('\n');
}
