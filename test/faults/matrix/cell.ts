import { audit } from './auditor.js';
import type { Cut } from './cuts.js';
import type { Fault } from './faults.js';
import { reconcile } from './reconcile.js';
import { Scene } from './scene.js';
import type { Stage } from './stage.js';

/** What one fault at one cut point came to. */
export interface CellOutcome {
  readonly cut: Cut;
  readonly fault: Fault;
  /** null: there was nothing to try, and `notes` says why. */
  readonly ok: boolean | null;
  /** The state in which the order ended. */
  readonly end: string | null;
  readonly notes: readonly string[];
  readonly tookMs: number;
}

/** Plays an order to the cut point, lets the fault strike, sets everything right, plays on to the end, and audits. */
export async function playCell(stage: Stage, cut: Cut, fault: Fault): Promise<CellOutcome> {
  const startedMs = performance.now();
  const outcome = (ok: boolean | null, end: string | null, notes: readonly string[]): CellOutcome => ({
    ...{ cut, fault, ok, end, notes },
    tookMs: performance.now() - startedMs,
  });
  const unfit = fault.unfit(cut);
  if (unfit !== null) return outcome(null, null, [unfit]);
  let scene: Scene | null = null;
  try {
    stage.calm();
    scene = await Scene.open(stage);
    const end = await play(scene, cut, fault);
    const complaints = await judge(scene, cut, fault, end);
    if (complaints.length === 0) await retire(scene);
    return outcome(complaints.length === 0, end, complaints);
  } catch (error) {
    const story = scene === null ? [] : await tell(scene).catch(() => []);
    return outcome(false, null, [(error as Error).message, ...story]);
  }
}

async function play(scene: Scene, cut: Cut, fault: Fault): Promise<string> {
  const { stage, eventId } = scene;
  await fault.prepare(scene);
  await fault.strike(scene, await cut.reach(scene));
  if (!cut.isPaid) await scene.pay();
  await fault.afterwards(scene);
  await scene.over(fault.isSilent);
  await fault.last(scene);
  await stage.caughtUp();
  await stage.settled([eventId]);
  return (await scene.over()).state;
}

async function judge({ stage, eventId }: Scene, cut: Cut, fault: Fault, end: string): Promise<string[]> {
  await reconcile(stage, [eventId]);
  const { complaints } = await audit(stage, [eventId]);
  const told = complaints.map(({ rule, text }) => `[${rule}] ${text}`);
  const mayEnd = [cut.isRefund ? 'REFUNDED' : 'COMPLETED', ...fault.mayEnd];
  return mayEnd.includes(end) ? told : [`[end] the order ended ${end}, not ${mayEnd.join(' or ')}`, ...told];
}

/** Nobody comes to the event any more, so the processes need not look after it in later scenes. */
async function retire({ stage, eventId }: Scene): Promise<void> {
  await stage.sql(`UPDATE event SET state = 'DRAFT' WHERE id = $1`, [eventId]);
}

/** How far the order came, for whoever has to find out why it does not go on. */
async function tell({ stage, eventId }: Scene): Promise<string[]> {
  const steps = await stage.sql<{ told: string }>(
    `SELECT concat_ws(' ', s.step, s.attempt, 'tries', s.tries, CASE WHEN s.finished_at IS NULL THEN 'open' ELSE s.outcome END) AS told
     FROM order_step s JOIN orders o ON o.id = s.order_id WHERE o.event_id = $1 ORDER BY s.finished_at NULLS LAST`,
    [eventId],
  );
  return [...steps.map(({ told }) => told), ...stage.complaints()];
}
