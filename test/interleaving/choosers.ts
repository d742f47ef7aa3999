import type { Random } from '../../bench/rush/random.js';
import type { Chooser, Option } from './scheduler.js';

/** How often a step is a disaster, as long as any are left, a move of time, or the one before which somebody falls asleep. */
const disasterRate = 0.03;
const timeRate = 0.025;
const sleepRate = 0.03;

/**
 * Draws who goes on. Each run has a manner: anybody at any time; the same one for a while; or by rank, where now and then the first one becomes
 * the last. Besides, somebody may fall asleep in the middle of something, until nobody else can go on and no time is left to pass.
 */
export class Drawn implements Chooser {
  readonly #random: Random;
  readonly #manner: 'anybody' | 'for a while' | 'by rank';
  readonly #ranks = new Map<string, number>();
  readonly #asleep = new Set<string>();
  #sleepsLeft: number;
  #last = '';

  constructor(random: Random) {
    this.#random = random;
    this.#manner = random.pick(['anybody', 'for a while', 'for a while', 'by rank']);
    this.#sleepsLeft = random.pick([0, 1, 1, 2]);
  }

  choose(options: readonly Option[]): Option | null {
    const random = this.#random;
    const disasters = options.filter(({ kind }) => kind === 'fault' || kind === 'death');
    const moves = options.filter(({ kind }) => kind === 'time');
    const able = options.filter(({ kind }) => kind === 'go');
    const awake = able.filter(({ task }) => !this.#asleep.has(task));
    if (disasters.length > 0 && random.hits(disasterRate)) return this.#disaster(disasters);
    if (moves.length > 0 && (awake.length === 0 || random.hits(timeRate))) return random.pick(moves);
    const candidates = awake.length > 0 ? awake : able;
    if (candidates.length === 0) return null;
    const chosen = this.#ordinary(candidates);
    this.#last = chosen.task;
    if (this.#sleepsLeft === 0 || candidates.length === 1 || !random.hits(sleepRate)) return chosen;
    this.#sleepsLeft -= 1;
    this.#asleep.add(chosen.task);
    return this.choose(options);
  }

  /** A death as often as a fault, though there are more faults to choose from. */
  #disaster(disasters: readonly Option[]): Option {
    const kind = this.#random.hits(0.5) ? 'death' : 'fault';
    const wanted = disasters.filter((option) => option.kind === kind);
    return this.#random.pick(wanted.length > 0 ? wanted : disasters);
  }

  #ordinary(options: readonly Option[]): Option {
    const random = this.#random;
    if (this.#manner === 'anybody') return random.pick(options);
    if (this.#manner === 'for a while') {
      const same = options.find(({ task }) => task === this.#last);
      return same !== undefined && random.hits(0.85) ? same : random.pick(options);
    }
    const rankOf = ({ task }: Option) => {
      const rank = this.#ranks.get(task) ?? random.next();
      this.#ranks.set(task, rank);
      return rank;
    };
    const first = options.reduce((best, option) => (rankOf(option) > rankOf(best) ? option : best));
    if (random.hits(0.04)) this.#ranks.set(first.task, Math.min(...this.#ranks.values()) - 1);
    return first;
  }
}

/** Takes recorded choices, as they were. */
export class Recorded implements Chooser {
  readonly #choices: readonly Option[];
  #next = 0;

  constructor(choices: readonly Option[]) {
    this.#choices = choices;
  }

  choose(options: readonly Option[]): Option | null {
    const key = this.#choices[this.#next++]?.key;
    return options.find((option) => option.key === key) ?? null;
  }
}

/**
 * A piece of a run that means the same when others are left out: a task goes on until it is about to do something, for the `times`th time, or
 * as far as it can; or something happens to a task, or to all.
 */
export type Segment =
  | { readonly task: string; readonly until: string | null; readonly times: number }
  | { readonly event: Option };

/** The segments of a list of choices: a new one wherever somebody else goes on. */
export function segmentsOf(choices: readonly Option[]): Segment[] {
  const segments: Segment[] = [];
  for (let at = 0; at < choices.length; ) {
    const first = choices[at]!;
    if (first.kind !== 'go') {
      segments.push({ event: first });
      at += 1;
      continue;
    }
    let end = at + 1;
    while (choices[end]?.key === first.key) end += 1;
    const until = choices.slice(end).find(({ task }) => task === first.task)?.label ?? null;
    const times = 1 + choices.slice(at + 1, end).filter(({ label }) => label === until).length;
    segments.push({ task: first.task, until, times });
    at = end;
  }
  return segments;
}

/** Takes segments as far as they fit; then everybody goes on in the order of the cast, and nothing bad happens any more. */
export class Segmented implements Chooser {
  readonly #segments: readonly Segment[];
  #next = 0;
  /** How often the task of the present segment has been about to do what ends it; null: it has not gone on yet. */
  #met: number | null = null;

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
  }

  choose(options: readonly Option[]): Option | null {
    for (;;) {
      const segment = this.#segments[this.#next];
      if (segment === undefined) return options.find(({ kind }) => kind === 'go') ?? null;
      const option = 'event' in segment ? this.#happen(segment.event, options) : this.#goOn(segment, options);
      if (option !== undefined) return option;
      this.#next += 1;
      this.#met = null;
    }
  }

  #happen(event: Option, options: readonly Option[]): Option | undefined {
    if (this.#met !== null) return undefined;
    this.#met = 0;
    return options.find(({ key, label }) => key === event.key && label === event.label);
  }

  #goOn({ task, until, times }: Exclude<Segment, { event: Option }>, options: readonly Option[]): Option | undefined {
    const option = options.find(({ key }) => key === task);
    if (option === undefined) return undefined;
    this.#met = this.#met === null ? 0 : this.#met + (option.label === until ? 1 : 0);
    return this.#met === times ? undefined : option;
  }
}
