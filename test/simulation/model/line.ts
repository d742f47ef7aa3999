import { limits } from '../../../src/limits.js';
import type { StepOf } from '../steps.js';
import { type Answer, placeAnswer } from './answers.js';
import { comeBack, countPoll, endPlace, givePlace, goAway, nextNumber, note, settle, waitingCount } from './places.js';
import type { World } from './world.js';

export function join(world: World, { person, entry }: StepOf<'join'>): Answer {
  const { clock } = world;
  const place = world.placeOf(person);
  if (place !== null) settle(world, place);
  if (place?.state === 'W' || place?.state === 'A') {
    countPoll(world, place);
    return placeAnswer(world, place);
  }
  if (world.phase === 'CLOSED') return { code: 'SALE_CLOSED' };
  if (waitingCount(world) >= (world.scenario.lineEntries ?? limits.lineEntries)) return { code: 'QUEUE_FULL' };
  const isLobby = world.phase === 'LOBBY' && !world.scenario.behindLobby;
  const number = isLobby ? 0 : nextNumber(world);
  if (number === null) return { code: 'NUMBERS' };
  if (place !== null) world.places.delete(place.entry);
  const given = givePlace(world, person, entry, number);
  given.attached = { until: clock + limits.pollPresenceMs };
  if (isLobby) world.lobby.push(entry);
  note(world, 'join', given);
  return placeAnswer(world, given);
}

export function leave(world: World, { entry, person }: StepOf<'leave'>): Answer {
  const place = world.places.get(entry);
  if (place === undefined) return { code: 'NO_ENTRY' };
  if (place.person !== person) return { code: 'NOT_YOURS' };
  settle(world, place);
  if (place.state === 'W' || place.state === 'A') endPlace(world, place, 'L');
  return placeAnswer(world, place);
}

export function look(world: World, { entry, person }: StepOf<'place'>): Answer {
  const place = world.places.get(entry);
  if (place === undefined) return { code: 'NO_ENTRY' };
  settle(world, place);
  if (place.state === 'W' && place.person === person) countPoll(world, place);
  return placeAnswer(world, place);
}

export function presence(world: World, { process, seen, lost }: StepOf<'presence'>): Answer {
  world.beats.set(process, world.now);
  for (const entry of seen) {
    const place = world.places.get(entry);
    if (place === undefined) continue;
    settle(world, place);
    if (place.state === 'W') comeBack(world, place, { process });
  }
  for (const entry of lost) {
    const place = world.places.get(entry);
    if (!place?.attached || !('process' in place.attached) || place.attached.process !== process) continue;
    place.attached = null;
    if (place.state === 'W' && place.number > 0 && place.awayUntil === null) goAway(world, place);
  }
  return { code: 'OK' };
}
