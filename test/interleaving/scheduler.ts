import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * What may become of a call instead of an answer. Lost: the connection breaks before or after the call was carried out. The others are
 * the provider's own: it fails without having acted, fails although it has, or breaks the connection.
 */
export type Fault = 'request lost' | 'answer lost' | 'fails before' | 'fails after' | 'is cut';
export type Verdict = 'goes on' | Fault;

/** What can die: everything that runs in it stops for good, wherever it is. */
export interface Mortal {
  readonly name: string;
  readonly dead: boolean;
}

/** Whose code is running: a task, inside of a process of the platform or outside of any. */
export interface Fiber {
  readonly task: string;
  readonly process: Mortal | null;
  readonly scheduler: Scheduler;
}

/** Known to everything a task calls, however deep in the product or a library. */
export const fibers = new AsyncLocalStorage<Fiber>();

export interface OutsideCall {
  /** One line of the report. */
  readonly label: string;
  readonly faults: readonly Fault[];
  /** The Postgres backend it is carried out by, and whether it may have to wait for a lock there. */
  readonly backend?: number;
  readonly locks?: boolean;
  /** What it came to, in a word or two. */
  readonly tell?: (answer: unknown) => string;
  /** It is not chosen before this holds. */
  readonly isReady?: () => boolean;
  readonly kind?: 'go' | 'time';
}

/** What can be chosen next. `key` means the same in another run of the same scenario. */
export interface Option {
  readonly key: string;
  readonly kind: 'go' | 'time' | 'fault' | 'death';
  readonly task: string;
  /** What the task is about to do. */
  readonly label: string;
}

export interface Chooser {
  /** Null: the interleaved part is over. */
  choose(options: readonly Option[]): Option | null;
}

/** What the scheduler asks of the run it belongs to. */
export interface Host {
  /** Whether something is under way that no gate knows of. */
  isConnecting(): boolean;
  /** Whether a statement sent to this backend now may have to wait for a lock. */
  mayWait(backend: number): boolean;
  /** Whose locks it waits for. */
  blockersOf(backend: number): Promise<readonly number[]>;
  /** Whether locks may have been given up since this was last asked. */
  haveLocksMoved(): boolean;
  /** What can die now; empty when enough have died. */
  mortals(): readonly Mortal[];
  kill(name: string): Promise<void>;
  /** Whether another call may go wrong, and that one has. */
  mayFail(): boolean;
  failed(): void;
  /** Looks at the world after a step, before the next one is chosen. */
  look(): Promise<void>;
  complain(rule: string, text: string): void;
}

interface Gate extends OutsideCall {
  readonly fiber: Fiber;
  readonly open: (verdict: Verdict) => void;
  readonly flight: Flight | null;
}

/** A call on its way to a store. */
class Flight {
  landed = false;
  waited = false;
  answer = '';
  readonly done: Promise<true>;
  #settle: (landed: true) => void = () => {};

  constructor() {
    this.done = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  land(): void {
    this.landed = true;
    this.#settle(true);
  }
}

function present(): Fiber {
  const fiber = fibers.getStore();
  if (fiber === undefined) throw new Error('this is no task of a run');
  return fiber;
}

const never = new Promise<never>(() => {});
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
/** Only spares looking for a lock wait where the answer comes at once; what is decided does not depend on it. */
const soon = () => new Promise<false>((resolve) => setTimeout(resolve, 1, false));

/** Turns of the event loop after which nothing moves by itself any more: the product's batches take one. */
const quietTurns = 3;
const mostSteps = 4_000;

/** One step of a run, as it is told. */
export interface Step {
  readonly who: string;
  readonly what: string;
}

/**
 * Lets one task at a time go on, from one call to the next. Every call of a task to a store or to the provider stops at a gate before it
 * is sent. Nothing happens outside between the answer to one call and the sending of the next, so to die at a gate is to die between the
 * effect of the call before and its consequence.
 */
export class Scheduler {
  readonly choices: Option[] = [];
  readonly steps: Step[] = [];
  readonly #host: Host;
  readonly #taskOrder: string[] = [];
  /** Who waits for a lock, and for which backends. */
  readonly #waiting = new Map<Gate, readonly number[]>();
  #gates: Gate[] = [];
  #isWatching = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Starts a task; it comes to its first gate before anything is chosen. */
  start(task: string, body: () => Promise<void>): void {
    this.#taskOrder.push(task);
    const fiber = { task, process: null, scheduler: this };
    fibers.run(fiber, body).catch((error: Error) => this.#host.complain('harness', `${task}: ${error.stack}`));
  }

  /** A point at which a task waits for its turn, and for a condition. */
  async pause(label: string, isReady?: () => boolean): Promise<void> {
    await this.#stop({ label, faults: [], fiber: present(), flight: null, ...(isReady && { isReady }) });
  }

  /** Something that a task does to the world itself, when it is chosen. Its own calls pass no gate. */
  act<T>(label: string, work: () => Promise<T>, call: Omit<OutsideCall, 'label' | 'faults'> = {}): Promise<T> {
    return this.call(present(), { ...call, label, faults: [] }, () => fibers.exit(work));
  }

  /** Lets a call out when it is chosen. */
  async call<T>(fiber: Fiber, call: OutsideCall, act: (verdict: Verdict) => Promise<T>): Promise<T> {
    const flight = new Flight();
    const verdict = await this.#stop({ ...call, fiber, flight });
    try {
      const answer = await act(verdict);
      flight.answer = call.tell?.(answer) ?? '';
      return answer;
    } catch (error) {
      flight.answer = (error as Error).message;
      throw error;
    } finally {
      flight.land();
      // It comes at a moment nobody has chosen: what follows from it waits for its turn.
      if (flight.waited) await this.#stop({ fiber, flight: null, label: `has its answer: ${call.label}`, faults: [] });
      if (fiber.process?.dead) await never;
    }
  }

  /** Plays until nobody is left who could go on, or the chooser has had enough. */
  async play(chooser: Chooser): Promise<void> {
    await this.#settle();
    while (this.choices.length < mostSteps) {
      await this.#look();
      const option = chooser.choose(this.#options());
      if (option === null && this.#waiting.size === 0) return;
      if (option === null) await this.#untangle();
      else {
        this.choices.push(option);
        await this.#perform(option);
      }
      await this.#settle();
      if (this.#host.haveLocksMoved()) await this.#landWaiting();
    }
    this.#host.complain('harness', `not over after ${mostSteps} steps`);
  }

  #stop(gate: Omit<Gate, 'open'>): Promise<Verdict> {
    if (gate.fiber.process?.dead) return never;
    if (this.#isWatching) this.#host.complain('harness', `${gate.fiber.task} came unexpectedly to: ${gate.label}`);
    return new Promise((open) => this.#gates.push({ ...gate, open }));
  }

  /** Waits until every task stands at a gate, waits for a lock, or has ended. */
  async #settle(): Promise<void> {
    for (let quiet = 0; quiet < quietTurns; quiet = this.#host.isConnecting() ? 0 : quiet + 1) await turn();
  }

  async #look(): Promise<void> {
    this.#isWatching = true;
    await this.#host.look();
    this.#isWatching = false;
  }

  /**
   * Of each task its oldest gate, in the order of the cast. While somebody waits for a lock, others who may have to wait as well stay behind as
   * long as there is anybody else: in which order Postgres lets several of them go on is not for us to choose.
   */
  #options(): Option[] {
    const options: Option[] = [];
    const blockers = new Set([...this.#waiting.values()].flat());
    const isCrowding = ({ locks, backend }: Gate) =>
      locks === true && this.#waiting.size > 0 && !blockers.has(backend!);
    const gates = this.#taskOrder.flatMap((task) => this.#gateOf(task) ?? []);
    const calm = gates.filter((gate) => !isCrowding(gate));
    for (const gate of calm.some(({ kind }) => kind !== 'time') ? calm : gates) {
      const { task } = gate.fiber;
      const { label, kind = 'go' } = gate;
      options.push({ key: task, kind, task, label });
      if (this.#host.mayFail())
        for (const fault of gate.faults) options.push({ key: `${task}: ${fault}`, kind: 'fault', task, label });
    }
    for (const { name } of this.#host.mortals()) {
      const isBusy = [...this.#gates, ...this.#waiting.keys()].some(({ fiber }) => fiber.process?.name === name);
      if (isBusy) options.push({ key: `${name} dies`, kind: 'death', task: name, label: '' });
    }
    return options;
  }

  #gateOf(task: string): Gate | undefined {
    return this.#gates.find((gate) => gate.fiber.task === task && (gate.isReady?.() ?? true));
  }

  async #perform({ key, kind, task }: Option): Promise<void> {
    if (kind === 'death') {
      this.steps.push({ who: task, what: 'dies' });
      await this.#host.kill(task);
      this.#gates = this.#gates.filter(({ fiber }) => !fiber.process?.dead);
      for (const gate of this.#waiting.keys()) if (gate.fiber.process?.dead) this.#waiting.delete(gate);
      return;
    }
    const gate = this.#gateOf(task)!;
    this.#gates.splice(this.#gates.indexOf(gate), 1);
    const verdict = kind === 'fault' ? (key.slice(task.length + 2) as Fault) : 'goes on';
    if (verdict !== 'goes on') this.#host.failed();
    gate.open(verdict);
    const landed = gate.flight === null || (await this.#untilLandedOrWaiting(gate, gate.flight));
    const answer = landed ? (gate.flight?.answer ?? '') : 'waits for a lock';
    const tail = [verdict === 'goes on' ? '' : ` [${verdict}]`, answer === '' ? '' : ` → ${answer}`];
    this.steps.push({
      who: gate.fiber.process ? `${task} in ${gate.fiber.process.name}` : task,
      what: gate.label + tail.join(''),
    });
  }

  async #untilLandedOrWaiting(gate: Gate, flight: Flight): Promise<boolean> {
    const { backend } = gate;
    if (backend === undefined || !this.#host.mayWait(backend)) return flight.done;
    while (!(await Promise.race([flight.done, soon()]))) {
      const blockers = await this.#host.blockersOf(backend);
      if (blockers.length === 0 || flight.landed) continue;
      flight.waited = true;
      this.#waiting.set(gate, blockers);
      return false;
    }
    return true;
  }

  /** Whoever waited for a lock that was given up has its answer now, or waits for another one. */
  async #landWaiting(): Promise<void> {
    for (const gate of this.#waiting.keys()) {
      const flight = gate.flight!;
      let blockers: readonly number[] = [];
      while (!flight.landed && blockers.length === 0) {
        blockers = await this.#host.blockersOf(gate.backend!);
        if (blockers.length === 0) await Promise.race([flight.done, soon()]);
      }
      if (flight.landed) this.#waiting.delete(gate);
      else this.#waiting.set(gate, blockers);
    }
    await this.#settle();
  }

  /** Everybody waits for somebody else: Postgres ends that by refusing one of them. */
  async #untangle(): Promise<void> {
    const labels = [...this.#waiting.keys()].map(({ fiber, label }) => `${fiber.task} (${label})`);
    this.#host.complain('deadlock', `these wait for each other: ${labels.join(', ')}`);
    await Promise.race([...this.#waiting.keys()].map(({ flight }) => flight!.done));
    for (const gate of this.#waiting.keys()) if (gate.flight!.landed) this.#waiting.delete(gate);
  }
}
