import type { Redis } from 'ioredis';
import { limits } from '../../src/limits.js';
import { changeSettings } from '../../src/redis/inventory.js';
import type { EventRef } from '../../src/redis/keys.js';
import {
  admitFromLine,
  allowNumbers,
  applyDraw,
  joinLine,
  leaveLine,
  type PlaceAnswer,
  readPlace,
  reportPresence,
  restorePlaces,
  snapshotLine,
} from '../../src/redis/line.js';
import { confirmCheckout, freeSeats, issueSeats, markSold, returnSeats } from '../../src/redis/orders.js';
import { readSales } from '../../src/redis/sales.js';
import {
  allocateSeats,
  type ChangeAnswer,
  type CheckoutAnswer,
  type ClaimAnswer,
  changeHold,
  checkoutHold,
  claimSeats,
  extendHold,
  readHold,
  releaseHold,
  type StoredHold,
} from '../../src/redis/seat-holds.js';
import { snapshotSeats } from '../../src/redis/seat-map.js';
import { type Call, orderIdOf } from './calls.js';
import type { SimulatedEvent } from './event.js';
import type { Answer } from './model/answers.js';
import { revenueOf } from './model/orders.js';
import { chunkStart, drawnOrder } from './model/steering.js';
import type { World } from './model/world.js';
import { priceListOf, startMs } from './scenario.js';
import type { Operation, StepOf } from './steps.js';

/** Makes a call as the services make it, and puts the answer into the words of the model. Sends everything before it first waits. */
export async function act(event: SimulatedEvent, call: Call, world: World): Promise<Answer> {
  const { step } = call;
  const ref = step.epoch === 'earlier' ? { ...event.ref, generation: 0 } : event.ref;
  switch (step.op) {
    case 'claim':
    case 'change':
    case 'extend':
    case 'release':
    case 'checkout':
    case 'read':
      return actOnHold(event, ref, step, call);
    case 'confirm':
    case 'issue':
    case 'sell':
    case 'return':
    case 'free':
      return actOnOrder(event, ref, step.op, call, world);
    case 'join':
    case 'leave':
    case 'place':
      return place(await actOnPlace(event, ref, step));
    default:
      return actOnLine(event, ref, step, world);
  }
}

async function actOnHold(
  { redis, scenario }: SimulatedEvent,
  ref: EventRef,
  step: Extract<Operation, { readonly op: 'claim' | 'change' | 'extend' | 'release' | 'checkout' | 'read' }>,
  { fence }: Call,
): Promise<Answer> {
  const holdId = step.hold;
  if (step.op === 'read') return held(await readHold(redis, ref, holdId));
  const { person } = step;
  const action = { holdId, person, fence };
  const digest = 'key' in step ? `key-${step.hold}-${step.key}` : '';
  const { seatsPerPerson, holdMaxMs: maxMs, hoardBudgetMs, layout } = scenario;
  const categories = layout.categories.length;
  switch (step.op) {
    case 'claim': {
      const { wish: selection, letters, ttlMs, entry: newEntryId } = step;
      const prices = priceListOf(scenario);
      const rest = { selection, letters, prices, ttlMs, maxMs, seatsPerPerson, hoardBudgetMs, newEntryId, categories };
      return held(await claimSeats(redis, ref, { holdId, person, digest: step.digest, ...rest }));
    }
    case 'change': {
      const { wish: selection, letters } = step;
      return held(await changeHold(redis, ref, { ...action, digest, selection, letters, seatsPerPerson, categories }));
    }
    case 'extend':
      return held(await extendHold(redis, ref, { ...action, extensionMs: step.extensionMs, digest }));
    case 'release':
      return held(await releaseHold(redis, ref, action));
    case 'checkout':
      return held(await checkoutHold(redis, ref, { ...action, orderId: orderIdOf(holdId) }));
  }
}

/** A refusal as it is; of a hold what its owner is told. */
function held(answer: ClaimAnswer | ChangeAnswer | CheckoutAnswer): Answer {
  if (answer.code === 'OK') return { code: 'OK', ...described(answer.hold) };
  return answer.code === 'NO_HOLD' ? { code: 'NO_HOLD' } : answer;
}

function described(hold: StoredHold): object {
  const { state, owner, seats, orderId, createdAtMs: createdAt, fence, nowMs: now } = hold;
  const { expiresAtMs: expiresAt, extensionsEndAtMs: extensionsEndAt, payByMs: payBy } = hold;
  const fields = { state, owner, seats, orderId, createdAt, fence, now };
  if (state === 'HELD') return { ...fields, expiresAt, extensionsEndAt };
  return state === 'CHECKOUT' ? { ...fields, expiresAt, payBy } : fields;
}

async function actOnOrder(
  { redis }: SimulatedEvent,
  ref: EventRef,
  op: 'confirm' | 'issue' | 'sell' | 'return' | 'free',
  { order }: Call,
  world: World,
): Promise<Answer> {
  const { hold: holdId, orderId, person, seats, prices, payBy: payByMs } = order!;
  const seated = { ref, holdId, orderId };
  switch (op) {
    case 'confirm':
      return { code: await confirmCheckout(redis, { ...seated, payByMs, freeAtMs: payByMs + limits.settleGraceMs }) };
    case 'issue':
      return issueSeats(redis, { ...seated, person, seats, prices }).then((answer) => ({ ...answer }));
    case 'sell':
      return { code: await markSold(redis, { ...seated, person, revenue: revenueOf(world, seats) }) };
    case 'return':
      return {
        code: await returnSeats(redis, {
          ...seated,
          backHoldId: seated.holdId,
          person,
          seats,
          prices,
          revenue: revenueOf(world, seats),
        }),
      };
    case 'free':
      return { code: await freeSeats(redis, seated) };
  }
}

async function actOnPlace(
  { redis, scenario }: SimulatedEvent,
  ref: EventRef,
  step: StepOf<'join'> | StepOf<'leave'> | StepOf<'place'>,
): Promise<PlaceAnswer> {
  const { entry, person } = step;
  if (step.op === 'leave') return leaveLine(redis, ref, entry, step.person);
  if (step.op === 'place') return readPlace(redis, ref, entry, person);
  // The platform's own bound cannot be reached here.
  const lineEntries = scenario.lineEntries ?? limits.lineEntries;
  return joinLine(redis, ref, { person: step.person, newEntryId: entry }, lineEntries);
}

function place(answer: PlaceAnswer): Answer {
  if (answer.code !== 'OK') return answer;
  const { entryId: entry, number, person, state, sinceMs: since, admissionEndsAtMs: endsAt } = answer.place;
  const { phase, shiftMs: shift, nowMs: now } = answer.place;
  return { code: 'OK', entry, number, person, state, since, endsAt, phase, shift, now };
}

type LineOperation = StepOf<
  'presence' | 'admit' | 'draw' | 'numbers' | 'restore' | 'settings' | 'allocate' | 'look' | 'forget'
>;

async function actOnLine(event: SimulatedEvent, ref: EventRef, step: LineOperation, world: World): Promise<Answer> {
  const { redis } = event;
  switch (step.op) {
    case 'presence': {
      const { process: processId, seen, lost } = step;
      return done(await reportPresence(redis, ref, { processId, seen, lost }));
    }
    case 'admit':
      return (await admitFromLine(redis, ref, step.checkoutsPerSecond).then(given)) ?? lostEpoch;
    case 'draw': {
      const from = chunkStart(world, step);
      const chunk = drawnOrder(world).slice(from, from + step.entries);
      return (await applyDraw(redis, ref, from, chunk).then(given)) ?? { code: 'NOT_DRAWING' };
    }
    case 'numbers':
      await allowNumbers(redis, ref, step.to);
      return { code: 'OK' };
    case 'restore': {
      const places = step.places.map(({ entry: entryId, person, number, state, since, endsAt }) => {
        const endsAtMs = state === 'A' ? startMs + endsAt : 0;
        return { entryId, person, number, state, sinceMs: startMs + since, endsAtMs };
      });
      const restored = await restorePlaces(redis, ref, step.process, places);
      return restored === null ? lostEpoch : { code: 'OK', restored };
    }
    case 'settings': {
      const { admitPerSecond, cap: activeCap, room: waitingRoom, action } = step;
      const changed = await changeSettings(redis, ref, { admitPerSecond, activeCap, waitingRoom, action });
      return changed === null ? lostEpoch : { code: 'OK', pausedAt: changed.pausedAtMs, pausedMs: changed.pausedMs };
    }
    case 'allocate': {
      const { letter, seats: indexes, releaseAt } = step;
      const releaseAtMs = releaseAt === null ? null : startMs + releaseAt;
      return done(await allocateSeats(redis, ref, { letter, releaseAtMs, indexes }));
    }
    case 'look':
      return look(redis, ref, step.part);
    case 'forget':
      await redis.del(event.keys.hold(step.hold));
      return { code: 'OK' };
  }
}

const lostEpoch: Answer = { code: 'WRONG_EPOCH' };
const done = (isDone: boolean): Answer => (isDone ? { code: 'OK' } : lostEpoch);
const given = (answer: object | null): Answer | null => (answer === null ? null : { code: 'OK', ...answer });

async function look(redis: Redis, ref: EventRef, part: StepOf<'look'>['part']): Promise<Answer> {
  if (part === 'seats') {
    const seats = await snapshotSeats(redis, ref);
    if (seats === null) return lostEpoch;
    return { code: 'OK', status: seats.status, channels: seats.channels, now: seats.nowMs };
  }
  if (part === 'line') {
    const line = await snapshotLine(redis, ref);
    if (line === null) return lostEpoch;
    return { code: 'OK', phase: line.phase, uncounted: line.uncounted, gone: bitsOf(line.gone) };
  }
  const sales = await readSales(redis, ref);
  if (sales === null) return lostEpoch;
  const { waiting, admitted, phase, nowMs: now } = sales;
  const fields = Object.entries(sales.counts).filter(([, count]) => count !== '0');
  const counts = Object.fromEntries(fields.map(([field, count]) => [field, Number(count)]));
  return { code: 'OK', waiting, admitted, phase, counts, now };
}

/** Numbers whose bit is set, most significant bit of a byte first; there is no number 0. */
export function bitsOf(bitmap: Uint8Array): number[] {
  const numbers: number[] = [];
  for (let number = 1; number < bitmap.length * 8; number += 1)
    if ((bitmap[number >> 3]! >> (7 - (number & 7))) & 1) numbers.push(number);
  return numbers;
}
