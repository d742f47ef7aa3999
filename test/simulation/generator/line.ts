import type { ModelPlace } from '../model/world.js';
import { startMs } from '../scenario.js';
import type { Operation, OperationName, ShownPlace } from '../steps.js';
import { anyPerson, type Source } from './source.js';

const unknownEntry = 'e0';

/** Null: it is another kind of operation, or there is nothing to do it with. */
export function drawLineStep(op: OperationName, source: Source): Operation | null {
  const { random, world, names } = source;
  switch (op) {
    case 'join':
      return { op, person: anyPerson(source), entry: names.entry() };
    case 'leave': {
      const place = anyPlace(source);
      if (place === null || random.hits(0.1)) return { op, person: anyPerson(source), entry: unknownEntry };
      return { op, person: random.hits(0.1) ? anyPerson(source) : place.person, entry: place.entry };
    }
    case 'place': {
      const place = anyPlace(source);
      if (place === null || random.hits(0.05)) return { op, person: null, entry: unknownEntry };
      return { op, entry: place.entry, person: random.pick([null, place.person, place.person, anyPerson(source)]) };
    }
    case 'presence':
      return drawPresence(source);
    case 'admit':
      return { op, checkoutsPerSecond: random.hits(0.8) ? 0 : random.pick([-1, 0.5, 2, 20]) };
    case 'draw':
      if (world.phase !== 'DRAWING' && random.hits(0.9)) return null;
      return { op, entries: random.between(1, 4), repeated: random.hits(0.1) };
    case 'restore':
      return world.recovering || random.hits(0.01) ? drawRestoring(source) : null;
    default:
      return null;
  }
}

function anyPlace({ random, world }: Source): ModelPlace | null {
  return world.places.size === 0 ? null : random.pick([...world.places.values()]);
}

/** What one process has to say: most of those it names have come, some have gone. */
function drawPresence({ random, world }: Source): Operation | null {
  const named = [...world.places.keys()].filter(() => random.hits(0.4));
  if (named.length === 0) return null;
  const seen = named.filter(() => random.hits(0.65));
  const lost = named.filter((entry) => !seen.includes(entry));
  return { op: 'presence', process: random.pick(['one', 'one', 'two']), seen, lost };
}

/** Places of before, as their owners would show them; one person may have had several. */
function drawRestoring(source: Source): Operation {
  const { random, world, names } = source;
  const { oldNumbers, behindLobby } = world.scenario;
  const places = Array.from({ length: random.between(1, 3) }, (): ShownPlace => {
    const known = anyPlace(source);
    if (known !== null && random.hits(0.2)) return asShown(known);
    const isLobby = world.phase === 'LOBBY' && (behindLobby || random.hits(0.5));
    const number = isLobby ? 0 : random.between(1, oldNumbers + 1);
    const state = number > 0 && random.hits(0.4) ? 'A' : 'W';
    const times = { since: -random.between(1, 9) * 1_000, endsAt: random.pick([1_000, 300_000, 600_000]) };
    return { entry: names.entry(), person: anyPerson(source), number, state, ...times };
  });
  return { op: 'restore', process: random.pick([null, 'one']), places };
}

function asShown({ entry, person, number, state, since, admissionEndsAt }: ModelPlace): ShownPlace {
  const endsAt = admissionEndsAt === null ? 0 : admissionEndsAt - startMs;
  return { entry, person, number, state: state === 'A' ? 'A' : 'W', since: since - startMs, endsAt };
}
