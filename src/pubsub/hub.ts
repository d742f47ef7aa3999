import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  type OperationDefinitionNode,
} from 'graphql';
import { planSharing, type SharingPlan } from './broadcast.js';
import type { Execution, Prepared } from './execution.js';
import { type Listener, Watch } from './watch.js';

/** What one outlet makes of a text and others can use as well: kept as long as this very text. */
export interface SharedText {
  /** What of a message does not depend on the operation's id; null: not made yet. */
  rest: Buffer | null;
  /** Whole messages, by operation id. */
  readonly messages: Map<string, Buffer>;
}

/** Where one subscription goes. */
export interface Outlet {
  /**
   * Nothing to be heard by whoever has stopped the stream. A promise: the reader is behind, and nothing more is to be delivered until it resolves.
   * `shared`: for all who are told this text; null: there are no others.
   */
  deliver(payload: string, shared: SharedText | null): Promise<void> | void;
  /** Told once: the source has ended or the stream was stopped; with an error when it broke. */
  ended(error: Error | null): void;
}

/** The subscription as the transport holds it. */
export interface LiveStream {
  /** Delivers from here on. */
  begin(): void;
  stop(): void;
}

export interface HubOptions {
  /** False: every subscriber is executed for itself. */
  readonly shares: boolean;
  readonly execution: Execution;
  /** The context of a shared execution. Reading its viewer is a mistake of whoever declared the field. */
  readonly sharedContext: (onViewer: () => never) => unknown;
  readonly onMistake: (error: Error, operation: string) => void;
}

export interface HubCounts {
  readonly subscribers: number;
  readonly groups: number;
  /** Of these, `sharedExecutions` were for a whole group at once. */
  readonly executions: number;
  readonly sharedExecutions: number;
  readonly deliveries: number;
}

/** A text that is there, or being made for those who wait for it. */
interface Rendering {
  text: string | null;
  readonly shared: SharedText | null;
  readonly waiting: Subscriber[];
}

/** Subscribers who are told the same: one operation, the same variables, one audience. */
interface Group {
  readonly key: string;
  /** Nothing of whoever came first but what everybody has. */
  readonly prepared: Prepared;
  readonly operation: string;
  members: number;
  /** A field it selects has read the viewer after all: from then on everybody is executed for himself. */
  isBroken: boolean;
  /** Members with another cursor are told something else. A text is kept as long as somebody else keeps its update. */
  readonly renderings: WeakMap<object, Rendering>;
}

/**
 * The fan-out: executes a subscription once for all who are told the same, serialises it once, and gives every subscriber the same text.
 * The sources keep a cursor for each subscriber, so that one who is behind or late takes another update and nobody waits for anybody.
 * Whatever is not declared to be the same for all is executed for each subscriber.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #groups = new Map<string, Group>();
  readonly #plans = new WeakMap<OperationDefinitionNode, SharingPlan | null>();
  /** Documents are parsed once and cached; each has a number, which is shorter than its text. */
  readonly #numbers = new WeakMap<OperationDefinitionNode, number>();
  /** What was told last, whose it was, and its text: mostly the next one is told the same. */
  #last: { readonly group: Group; readonly update: object; readonly rendering: Rendering } | null = null;
  readonly #host: SubscriberHost = {
    prepare: (args) => this.#options.execution.prepare(args),
    render: (update, subscriber) => this.#render(update, subscriber),
    leave: (group) => this.#leave(group),
  };
  #lastNumber = 0;
  #subscribers = 0;
  #executions = 0;
  #sharedExecutions = 0;
  #deliveries = 0;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  get counts(): HubCounts {
    return {
      subscribers: this.#subscribers,
      groups: this.#groups.size,
      executions: this.#executions,
      sharedExecutions: this.#sharedExecutions,
      deliveries: this.#deliveries,
    };
  }

  /** Opens the source of a validated subscription; or answers why it cannot be opened. */
  async subscribe(args: ExecutionArgs, outlet: Outlet): Promise<LiveStream | ExecutionResult> {
    const source = await createSourceEventStream(args);
    if (!(Symbol.asyncIterator in source)) return source;
    if (!(source instanceof Watch)) throw new Error('the source of a subscription is no watch');
    const group = this.#options.shares ? this.#groupOf(args, source.audience) : null;
    if (group !== null) group.members += 1;
    this.#subscribers += 1;
    return new Subscriber(this.#host, source as Watch<object>, outlet, { group, args });
  }

  #groupOf(args: ExecutionArgs, audience: string | null): Group | null {
    const operation = getOperationAST(args.document, args.operationName);
    if (operation == null || audience === null) return null;
    let plan = this.#plans.get(operation);
    if (plan === undefined) {
      plan = planSharing(args.schema, args.document, operation);
      this.#plans.set(operation, plan);
      this.#lastNumber += 1;
      this.#numbers.set(operation, this.#lastNumber);
    }
    if (plan === null) return null;
    const given = args.variableValues ?? {};
    const values = plan.variables.filter((name) => Object.hasOwn(given, name)).map((name) => [name, given[name]]);
    const key = `${this.#numbers.get(operation)} ${JSON.stringify([audience, values])}`;
    const known = this.#groups.get(key);
    if (known !== undefined) return known.isBroken ? null : known;
    const { schema, document, operationName = null } = args;
    const group: Group = {
      key,
      prepared: this.#options.execution.prepare({ schema, document, operationName, variableValues: given }),
      operation: operation.name?.value ?? '',
      members: 0,
      isBroken: false,
      renderings: new WeakMap(),
    };
    this.#groups.set(key, group);
    return group;
  }

  #leave(group: Group | null): void {
    this.#subscribers -= 1;
    if (group === null) return;
    group.members -= 1;
    if (group.members > 0) return;
    this.#groups.delete(group.key);
    if (this.#last?.group === group) this.#last = null;
  }

  /** An update with its text; without it, it will be given to the subscriber when it is there. */
  #render(update: object, subscriber: Subscriber): Rendering {
    this.#deliveries += 1;
    const { group } = subscriber;
    if (group === null || group.isBroken) {
      const own = subscriber.prepared();
      const text = this.#tell(own, update, own.args.contextValue);
      if (typeof text === 'string') return { text, shared: null, waiting: [] };
      text.then(
        (made) => subscriber.receive(made, null),
        (error) => subscriber.fail(error),
      );
      return pending;
    }
    if (this.#last?.update !== update || this.#last.group !== group) {
      const rendering = group.renderings.get(update) ?? this.#renderShared(group, update);
      this.#last = { group, update, rendering };
    }
    const { rendering } = this.#last;
    if (rendering.text === null) rendering.waiting.push(subscriber);
    return rendering;
  }

  #renderShared(group: Group, update: object): Rendering {
    this.#sharedExecutions += 1;
    const rendering: Rendering = { text: null, shared: { rest: null, messages: new Map() }, waiting: [] };
    group.renderings.set(update, rendering);
    let mistake: Error | null = null;
    const contextValue = this.#options.sharedContext(() => {
      mistake = new Error('a field that is declared to tell everybody the same reads the viewer');
      throw mistake;
    });
    const deliver = (text: string) => {
      if (mistake === null) {
        rendering.text = text;
        for (const subscriber of rendering.waiting.splice(0)) subscriber.receive(text, rendering.shared);
        return;
      }
      if (!group.isBroken) this.#options.onMistake(mistake, group.operation);
      group.isBroken = true;
      for (const subscriber of rendering.waiting.splice(0)) subscriber.repeat(update);
    };
    const text = this.#tell(group.prepared, update, contextValue);
    if (typeof text === 'string' && mistake === null) rendering.text = text;
    else
      Promise.resolve(text).then(deliver, (error) => {
        for (const subscriber of rendering.waiting.splice(0)) subscriber.fail(error);
      });
    return rendering;
  }

  #tell(prepared: Prepared, update: object, contextValue: unknown): string | Promise<string> {
    this.#executions += 1;
    return this.#options.execution.tell(prepared, update, contextValue);
  }
}

/** For somebody who is executed for himself. */
const pending: Rendering = { text: null, shared: null, waiting: [] };

/** What a subscriber asks of its hub. */
interface SubscriberHost {
  prepare(args: ExecutionArgs): Prepared;
  render(update: object, subscriber: Subscriber): Rendering;
  leave(group: Group | null): void;
}

/** There may be tens of thousands, so it keeps of its operation only what it may still need. */
class Subscriber implements LiveStream, Listener {
  readonly group: Group | null;
  readonly #host: SubscriberHost;
  readonly #source: Watch<object>;
  readonly #outlet: Outlet;
  readonly #variables: ExecutionArgs['variableValues'];
  readonly #context: unknown;
  /** Whoever is told the same as others needs nothing of its own, unless that turns out to be a mistake. */
  #own: Prepared | null;
  /** A text is being made, or the reader is behind. */
  #isBusy = true;
  #hasLeft = false;

  constructor(
    host: SubscriberHost,
    source: Watch<object>,
    outlet: Outlet,
    { group, args }: { readonly group: Group | null; readonly args: ExecutionArgs },
  ) {
    this.#host = host;
    this.#source = source;
    this.#outlet = outlet;
    this.group = group;
    this.#own = group === null ? host.prepare(args) : null;
    this.#variables = args.variableValues;
    this.#context = args.contextValue;
    source.onNews(this);
  }

  begin(): void {
    this.#isBusy = false;
    this.news();
  }

  stop(): void {
    void this.#source.return();
    this.#end(null);
  }

  /** A text that had to be waited for. */
  receive(text: string, shared: SharedText | null): void {
    this.#isBusy = false;
    if (this.#send(text, shared)) this.news();
  }

  /** As it is executed for this one alone. */
  prepared(): Prepared {
    this.#own ??= this.#host.prepare({
      ...this.group!.prepared.args,
      variableValues: this.#variables,
      contextValue: this.#context,
    });
    return this.#own;
  }

  /** Takes the same update again. */
  repeat(update: object): void {
    const { text, shared } = this.#host.render(update, this);
    if (text !== null) this.receive(text, shared);
  }

  fail(error: Error): void {
    void this.#source.return();
    this.#end(error);
  }

  news(): void {
    while (!this.#isBusy && !this.#hasLeft) {
      const update = this.#source.take();
      if (update === null) {
        if (this.#source.hasEnded) this.#end(null);
        return;
      }
      const { text, shared } = this.#host.render(update, this);
      if (text === null) this.#isBusy = true;
      else if (!this.#send(text, shared)) return;
    }
  }

  /** False: nothing more until the reader has caught up. */
  #send(text: string, shared: SharedText | null): boolean {
    const behind = this.#outlet.deliver(text, shared);
    if (behind === undefined) return true;
    this.#isBusy = true;
    void behind.then(() => {
      this.#isBusy = false;
      this.news();
    });
    return false;
  }

  #end(error: Error | null): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#host.leave(this.group);
    this.#outlet.ended(error);
  }
}
