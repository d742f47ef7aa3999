import { isDeepStrictEqual } from 'node:util';
import type { Redis } from 'ioredis';
import { act } from './act.js';
import { type Call, resolve } from './calls.js';
import { dropEvent, loadEvent, type SimulatedEvent } from './event.js';
import { Follower, type Post } from './follower.js';
import { type Answer, isDue, newFence } from './model/answers.js';
import { foresee } from './model/model.js';
import { liveHolds } from './model/stock.js';
import { World } from './model/world.js';
import { type Observation, Observer } from './observe.js';
import { compareTrail, difference, portrayModel, portrayRedis, tableNames } from './portrait.js';
import type { Deed } from './promises/deed.js';
import { Promises } from './promises/promises.js';
import { type Scenario, startMs } from './scenario.js';
import type { Step } from './steps.js';

interface Finding {
  /** What failed, in words that stay the same when other steps are left out. */
  readonly title: string;
  readonly detail: readonly string[];
}

export interface RunResult {
  readonly scenario: Scenario;
  readonly steps: readonly Step[];
  /** What the last of the steps has shown. */
  readonly failure: Finding | null;
}

/** What came of each step, for whoever counts. */
export type Tally = (step: Step, code: string, marks: readonly string[]) => void;

export interface Stage {
  readonly redis: Redis;
  readonly post: Post;
}

export interface PlayOptions {
  /** The whole state is compared with the model's after so many steps. What is answered, published and promised is judged after each. */
  readonly compareEvery: number;
  readonly tally?: Tally | undefined;
}

/** Tables of best-available are many and seldom wrong alone: a wrong one leads to a wrong answer. */
const tablesEvery = 8;

/** Plays one event from its beginning until there is no next step or something is wrong. Null ends the run. */
export async function play(
  stage: Stage,
  scenario: Scenario,
  next: (world: World) => Step | null,
  options: PlayOptions,
): Promise<RunResult> {
  const event = await loadEvent(stage.redis, scenario);
  const follower = await Follower.start(stage.post, event);
  const run = new Run(event, follower, options);
  const steps: Step[] = [];
  try {
    await run.begin();
    for (;;) {
      const step = next(run.world);
      if (step === null) return { scenario, steps, failure: null };
      steps.push(step);
      const failure = await run.take(step);
      if (failure !== null) return { scenario, steps, failure };
    }
  } finally {
    await follower.stop();
    await dropEvent(event, run.holds);
  }
}

class Run {
  readonly world: World;
  readonly #event: SimulatedEvent;
  readonly #follower: Follower;
  readonly #options: PlayOptions;
  readonly #observer: Observer;
  readonly #promises: Promises;
  readonly #tables: readonly string[];
  #before!: Observation;
  /** The event's time as Redis has it. */
  #now = startMs;
  #taken = 0;

  constructor(event: SimulatedEvent, follower: Follower, options: PlayOptions) {
    this.#event = event;
    this.#follower = follower;
    this.#options = options;
    this.#observer = new Observer(event);
    this.#promises = new Promises(event.scenario);
    this.world = new World(event.scenario);
    this.#tables = tableNames(this.world);
  }

  get holds(): Iterable<string> {
    return this.#observer.known.keys();
  }

  async begin(): Promise<void> {
    this.#before = await this.#observer.look({ mark: 'mark', holds: [], allHolds: true, tables: [] });
    await this.#follower.until('mark');
    this.#follower.begin(this.#before);
  }

  /** What a step has shown to be wrong. */
  async take(step: Step): Promise<Finding | null> {
    const { world } = this;
    world.now = world.at(step.at);
    const call = resolve(step, world);
    if (call === null) return null;
    this.#taken += 1;
    const holds = this.#holdsToSee(step);
    const tables = this.#isDue(tablesEvery * this.#options.compareEvery) ? this.#tables : [];
    const { expected, deed } = await this.#perform(call, holds, tables);
    this.#options.tally?.(step, deed.answer.code, world.marks);
    const breach = this.#promises.judge(deed);
    if (breach !== null) return { title: breach.promise, detail: [breach.reason] };
    return this.#compareAnswer(expected, deed) ?? this.#compareState(deed.after, holds, tables) ?? this.#follow(deed);
  }

  /** Sends the call and the look at what came of it together, so that a step costs one round trip. */
  async #perform(
    call: Call,
    holds: ReadonlySet<string>,
    tables: readonly string[],
  ): Promise<{ readonly expected: Answer; readonly deed: Deed }> {
    const { world } = this;
    const { redis, keys } = this.#event;
    const before = this.#withKnown(this.#before, call.step);
    const mark = `mark ${this.#taken}`;
    const moved = this.#now === world.now ? null : redis.hset(keys.meta, 'lastNow', world.now);
    this.#now = world.now;
    const acting = act(this.#event, call, world).catch((error: Error): Answer => ({ code: `ERROR ${error.message}` }));
    const expected = foresee(world, call);
    // Whoever collects asks again until all is collected.
    if (world.marks.includes('more than one call collects')) await acting;
    const allHolds = this.#isDue(tablesEvery) || this.#options.compareEvery === 1;
    const looking = this.#observer.look({ mark, holds, allHolds, tables });
    const [answer, after] = await Promise.all([acting, looking, moved]);
    const published = await this.#follower.until(mark);
    this.#before = after;
    return { expected, deed: { call, answer, before, after, published, now: world.now } };
  }

  #isDue(every: number): boolean {
    return this.#taken % every === 0;
  }

  /** Those that a step may change: the one it names, and those whose deadline has passed. */
  #holdsToSee(step: Step): ReadonlySet<string> {
    const { world } = this;
    const due = liveHolds(world).filter((hold) => isDue(world, hold));
    return new Set([...due.map(({ name }) => name), ...('hold' in step ? [step.hold] : [])]);
  }

  /** What is known of a hold that ended long ago is still true; a step that names it is judged by that. */
  #withKnown(seen: Observation, step: Step): Observation {
    const known = 'hold' in step ? this.#observer.known.get(step.hold) : undefined;
    if (!('hold' in step) || known === undefined || seen.holds.has(step.hold)) return seen;
    return { ...seen, holds: new Map([...seen.holds, [step.hold, known]]) };
  }

  #compareAnswer(expected: Answer, { call: { step }, answer }: Deed): Finding | null {
    const { world } = this;
    let wanted = expected;
    if (expected.fence === newFence && typeof answer.fence === 'number' && answer.fence > world.lastFence) {
      world.lastFence = answer.fence;
      if ('hold' in step) world.holds.get(step.hold)!.fence = answer.fence;
      wanted = { ...expected, fence: answer.fence };
    }
    if (isDeepStrictEqual(wanted, answer)) return null;
    const detail = [`expected  ${JSON.stringify(wanted)}`, `answered  ${JSON.stringify(answer)}`];
    return { title: `the answer to ${step.op}`, detail };
  }

  #compareState(after: Observation, holds: ReadonlySet<string>, tables: readonly string[]): Finding | null {
    const { world } = this;
    const isDue = this.#isDue(this.#options.compareEvery);
    const differs =
      compareTrail(world, after) ??
      (isDue ? difference(portrayModel(world, holds, tables), portrayRedis(after, world)) : null);
    return differs && { title: `the state: ${differs.part}`, detail: differs.lines };
  }

  #follow({ published, before, after }: Deed): Finding | null {
    const reason = this.#follower.follow(published, before, after);
    return reason === null ? null : { title: 'Promises 22 and 23', detail: [reason] };
  }
}
