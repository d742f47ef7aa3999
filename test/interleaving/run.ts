import { orderSteps } from '../../src/domain/order-states.js';
import { limits } from '../../src/limits.js';
import { admitFromLine } from '../../src/redis/line.js';
import { cast } from './cast.js';
import type { Complaint } from './complaint.js';
import { eventId } from './event.js';
import { judge } from './judge.js';
import { Process } from './process.js';
import type { Scenario } from './scenario.js';
import { type Chooser, type Host, type Option, Scheduler, type Step } from './scheduler.js';
import { checkSeatBooks } from './seat-books.js';
import { clear, type Stage, warm } from './stage.js';
import { World } from './world.js';

export interface Outcome {
  readonly scenario: Scenario;
  readonly choices: readonly Option[];
  readonly steps: readonly Step[];
  readonly complaints: readonly Complaint[];
  readonly deaths: number;
  readonly faults: number;
  readonly alarms: readonly string[];
  readonly endings: readonly string[];
}

const mostRounds = 300;

/** Plays a scenario by these choices, lets everything come to rest, and judges it. */
export async function play(stage: Stage, scenario: Scenario, chooser: Chooser): Promise<Outcome> {
  const playing = await clear(stage);
  stage.statements.cutForGood(scenario.cutsForGood);
  await warm(stage.pool);
  const world = new World(stage, scenario, playing);
  const company = new Company(stage, world, scenario);
  const scheduler = new Scheduler(company);
  for (const part of scenario.parts)
    cast({ stage, world, scheduler, processOf: (slot) => company.processOf(slot) }, part);
  await world.look(true);
  await scheduler.play(chooser);
  let endings: readonly string[] = [];
  if (world.complaints.length === 0) {
    await rest(stage, world, new Process(stage, world, 'the healthy process'));
    const verdict = await judge(stage, world.suffix);
    world.complaints.push(...verdict.complaints);
    endings = verdict.endings;
  }
  return {
    scenario,
    choices: scheduler.choices,
    steps: scheduler.steps,
    complaints: world.complaints,
    deaths: company.deaths,
    faults: company.faults,
    alarms: world.alarms,
    endings,
  };
}

/** The processes of a run, and who of them may die. */
class Company implements Host {
  deaths = 0;
  faults = 0;
  readonly #stage: Stage;
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #processes = new Map<number, Process>();

  constructor(stage: Stage, world: World, scenario: Scenario) {
    this.#stage = stage;
    this.#world = world;
    this.#scenario = scenario;
    for (let slot = 1; slot <= scenario.slots; slot += 1) this.#start(slot, `process ${slot}`);
  }

  processOf(slot: number): Process {
    return this.#processes.get(Math.min(slot, this.#scenario.slots))!;
  }

  isConnecting = () => this.#stage.statements.isConnecting();
  mayWait = (backend: number) => this.#stage.statements.mayWait(backend);
  blockersOf = (backend: number) => this.#stage.statements.blockersOf(backend);
  haveLocksMoved = () => this.#stage.statements.haveLocksMoved();
  mayFail = () => this.faults < this.#scenario.faults;
  failed = () => {
    this.faults += 1;
  };
  mortals = () => (this.deaths < this.#scenario.deaths ? [...this.#processes.values()] : []);
  complain = (rule: string, text: string) => this.#world.complain(rule, text);

  async kill(name: string): Promise<void> {
    const [slot, process] = [...this.#processes].find(([, mortal]) => mortal.name === name)!;
    this.deaths += 1;
    process.die();
    await this.#stage.statements.cut(process);
    await warm(this.#stage.pool);
    this.#start(slot, `${name.replace(/\*+$/, '')}${'*'.repeat(this.deaths)}`);
  }

  async look(): Promise<void> {
    this.#world.tick();
    await this.#world.look();
    if (!this.#stage.commands.haveMoved()) return;
    const difference = await checkSeatBooks(this.#stage);
    if (difference !== null && this.#world.complaints.length === 0) this.#world.complain('books', difference);
  }

  #start(slot: number, name: string): void {
    this.#processes.set(slot, new Process(this.#stage, this.#world, name));
  }
}

/** Nobody comes any more: what has been begun is finished, what nobody finishes runs out, and the stores are compared. */
async function rest(stage: Stage, world: World, process: Process): Promise<void> {
  world.isResting = true;
  await sweep(process);
  await finishSteps(stage, world, process);
  await world.advance(limits.holdMaxMs + limits.checkoutTtlMs + limits.settleGraceMs);
  await sweep(process);
  for (let look = 1; look <= 2; look += 1) {
    await process.reconciler.inspect(eventId);
    await finishSteps(stage, world, process);
  }
}

/** Ends what is over by time; loads the event where nobody has finished doing so. */
async function sweep(process: Process): Promise<void> {
  const event = await process.catalogue.published(eventId);
  if ((await admitFromLine(process.platform.redis, event!.ref)) !== null) return;
  await process.inventory.rebuild(eventId);
  await sweep(process);
}

const nextDue = {
  name: 'next-due',
  text: 'SELECT min(GREATEST(run_at, leased_until)) AS due FROM order_step WHERE finished_at IS NULL',
};

/** Time passes to wherever a step is due, or the lease of somebody dead ends. */
async function finishSteps({ observer, time }: Stage, world: World, { settlement }: Process): Promise<void> {
  for (let round = 1; round <= mostRounds; round += 1) {
    const { rows } = await observer.query<{ due: Date | null }>(nextDue);
    const due = rows[0]!.due;
    if (due === null) return;
    if (due.getTime() >= time.nowMs) await world.advance(due.getTime() - time.nowMs + 1);
    const steps = await settlement.lease(orderSteps, limits.stepBatch);
    await Promise.all(steps.map((step) => settlement.take(step)));
  }
}
