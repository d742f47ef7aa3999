import { createHmac } from 'node:crypto';
import { isRefusal } from '../../src/domain/errors.js';
import { derivedId } from '../../src/domain/ids.js';
import { isFinal, type OrderState, orderSteps } from '../../src/domain/order-states.js';
import { admitFromLine } from '../../src/redis/line.js';
import { fenceText, holdGlobalId } from '../../src/services/seat-holds.js';
import { eventId, seatIds } from './event.js';
import type { Process } from './process.js';
import { readEvents } from './provider.js';
import { nameOf, type Part } from './scenario.js';
import type { Scheduler } from './scheduler.js';
import type { Stage } from './stage.js';
import type { World } from './world.js';

/** What a part may touch. */
export interface Scene {
  readonly stage: Stage;
  readonly world: World;
  readonly scheduler: Scheduler;
  /** The process that serves a slot now. */
  processOf(slot: number): Process;
}

type Of<K extends Part['kind']> = Extract<Part, { readonly kind: K }>;

const mostTries = 3;
const mostRounds = 14;
const mostClaims = 3;

/** Puts a part on the stage: it comes to its first gate and waits to be chosen. */
export function cast(scene: Scene, part: Part): void {
  scene.scheduler.start(nameOf(part), () => bodyOf(scene, part));
}

function bodyOf(scene: Scene, part: Part): Promise<void> {
  switch (part.kind) {
    case 'buyer':
      return buyer(scene, part);
    case 'worker':
      return worker(scene, part);
    case 'cancel':
      return cancel(scene, part);
    case 'refund':
      return refund(scene, part);
    case 'webhooks':
      return webhooks(scene, part);
    case 'sweeper':
      return repeatedly(scene, part, 'sweeps', sweep);
    case 'reconciler':
      return repeatedly(scene, part, 'compares the stores', (process) => process.reconciler.inspect(eventId));
    case 'rebuild':
      return rebuild(scene, part);
    case 'time':
      return time(scene, part);
  }
}

/** A request of somebody who asks again, with the same keys, when there was no answer. Null: given up. */
async function ask<T>(scene: Scene, slot: number, work: (process: Process) => Promise<T>): Promise<T | null> {
  for (let tries = 1; tries <= mostTries; tries += 1) {
    try {
      return await scene.processOf(slot).serve(work);
    } catch {
      await scene.scheduler.pause('asks again');
    }
  }
  return null;
}

async function buyer(scene: Scene, { buyer: number, slot, seats, payment }: Of<'buyer'>): Promise<void> {
  const { world, scheduler } = scene;
  const viewer = world.buyer(number);
  const wish = { seatIds: seats.map((seat) => seatIds[seat]!) };
  let seen = -1;
  for (let claim = 1; claim <= mostClaims; claim += 1) {
    await scheduler.pause('comes for seats', () => world.changes !== seen);
    seen = world.changes;
    const request = {
      eventId,
      idempotencyKey: `hold-${claim}`,
      seats: wish,
      code: null,
      accessible: false,
      accessCode: null,
    };
    const held = await ask(scene, slot, ({ holds }) => holds.hold(viewer, request));
    if (held === null || isRefusal(held)) continue;
    const holdId = holdGlobalId(eventId, held.hold.holdId);
    const orderId = derivedId('order', eventId, held.hold.holdId);
    world.orders.set(number, orderId);
    const asked = { method: 'ONLINE' as const, withoutCode: false, idempotencyKey: `checkout-${claim}` };
    const checkout = { holdId, fence: fenceText(held.hold), ...asked };
    await scheduler.pause('goes to checkout');
    const started = await ask(scene, slot, ({ orders }) => orders.startCheckout(viewer, checkout));
    if (started === null || isRefusal(started)) continue;
    return pay(scene, orderId, payment);
  }
}

async function pay(
  { stage, world, scheduler }: Scene,
  orderId: string,
  payment: Of<'buyer'>['payment'],
): Promise<void> {
  if (payment === 'never pays') return;
  await scheduler.pause('sees the payment form', () => world.secrets.has(orderId));
  const secret = world.secrets.get(orderId)!;
  const enter = (card: string) =>
    scheduler.act(`pays with ${card}`, () => stage.provider.confirm(secret, card), { tell: statusOf });
  if (payment === 'is declined first') await enter('pm_card_chargeDeclined');
  await enter('pm_card_visa');
  if (payment !== 'pays at once') return;
  const id = secret.split('_secret_')[0]!;
  await scheduler.act('has the money taken at once', () => stage.account.paymentIntents.capture(id).catch(() => null));
}

const statusOf = (answer: unknown) => {
  const { body } = answer as { body: { status?: string; error?: { code?: string } } };
  return body.status ?? body.error?.code ?? '';
};

/** Takes what is due, a bounded number of times; whoever takes over from a dead process begins with what it finds. */
async function worker(scene: Scene, { slot, stepsAtOnce }: Of<'worker'>): Promise<void> {
  const { world, scheduler } = scene;
  for (let round = 1; round <= mostRounds; round += 1) {
    await scheduler.pause('looks for steps', () => world.hasDueSteps);
    const process = scene.processOf(slot);
    await process
      .serve(async ({ settlement }) => {
        const steps = await settlement.lease(orderSteps, stepsAtOnce);
        // Postgres answers them in no order.
        const sorted = steps.sort((a, b) => (a.orderId < b.orderId ? -1 : 1));
        await Promise.all(sorted.map((step) => settlement.take(step)));
      })
      .catch(() => {
        // The next round begins, in the process that took over if this one has died.
      });
  }
}

async function cancel(scene: Scene, { buyer: number, slot }: Of<'cancel'>): Promise<void> {
  const { world, scheduler } = scene;
  const orderId = () => world.orders.get(number)!;
  const isOpen = () => {
    const state = world.states.get(orderId());
    return state !== undefined && !isFinal(state as OrderState);
  };
  await scheduler.pause('wants to cancel', isOpen);
  const request = { orderId: orderId(), idempotencyKey: 'cancel' };
  await ask(scene, slot, ({ orders }) => orders.cancel(world.buyer(number), request));
}

async function refund(scene: Scene, { buyer: number, slot }: Of<'refund'>): Promise<void> {
  const { world, scheduler } = scene;
  const orderId = () => world.orders.get(number)!;
  await scheduler.pause('wants to refund', () =>
    ['CONFIRMED', 'COMPLETED'].includes(world.states.get(orderId()) ?? ''),
  );
  await scheduler.pause('refunds', () => world.states.get(orderId()) === 'COMPLETED');
  const request = { orderId: orderId(), seatIds: null, idempotencyKey: 'refund' };
  await ask(scene, slot, ({ refunds }) => refunds.refund(world.organizer, request));
}

/** Delivers events of an order as they are by then: some never, some twice, in any order. */
async function webhooks(scene: Scene, { buyer: number, slot, picks }: Of<'webhooks'>): Promise<void> {
  const { stage, world, scheduler } = scene;
  const orderId = () => world.orders.get(number)!;
  for (const pick of picks) {
    const isReady = () => world.intents.has(orderId());
    const events = await scheduler.act('looks for events', () => readEvents(stage, orderId(), world.suffix), {
      isReady,
    });
    if (events.length === 0) continue;
    const { type, body } = events[pick % events.length]!;
    await scheduler.pause(`delivers ${type}`);
    const seconds = Math.floor(Date.now() / 1_000);
    const digest = createHmac('sha256', stage.provider.webhookSecret).update(`${seconds}.${body}`).digest('hex');
    const taken = await ask(scene, slot, (process) =>
      process.webhooks.receive(Buffer.from(body), `t=${seconds},v1=${digest}`),
    );
    if (taken === false) world.complain('harness', `the signature of ${type} is wrong`);
  }
}

async function sweep(process: Process): Promise<void> {
  const event = await process.catalogue.published(eventId);
  if ((await admitFromLine(process.platform.redis, event!.ref)) === null) await process.inventory.wrongEpoch(eventId);
}

async function repeatedly(
  scene: Scene,
  { slot, times }: Of<'sweeper' | 'reconciler'>,
  label: string,
  work: (process: Process) => Promise<unknown>,
): Promise<void> {
  for (let time = 1; time <= times; time += 1) {
    await scene.scheduler.pause(label);
    await scene
      .processOf(slot)
      .serve(work)
      .catch(() => {
        // Loops go on with their next round.
      });
  }
}

async function rebuild(scene: Scene, { slot, loss }: Of<'rebuild'>): Promise<void> {
  const { scheduler, stage } = scene;
  if (loss) await scheduler.act('empties Redis', () => stage.redis.flushdb());
  await scheduler.pause('loads the event again');
  await scene
    .processOf(slot)
    .serve(({ inventory }) => (loss ? inventory.verifyAll() : inventory.reload(eventId)))
    .catch(() => {
      // Whoever meets the frozen event next loads it.
    });
}

async function time({ scheduler, world }: Scene, { jumpsMs }: Of<'time'>): Promise<void> {
  for (const ms of jumpsMs) await scheduler.act(`passes: ${ms / 1_000} s`, () => world.advance(ms), { kind: 'time' });
}
