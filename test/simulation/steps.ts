import type { WaitingRoom } from '../../src/redis/inventory.js';
import type { Selection } from '../../src/redis/seat-holds.js';

/**
 * What may happen to an event, in names that stay the same when other steps are left out: a hold is named by whoever claims it, a place in
 * line by whoever joins. A step that finds no hold or place of that name still makes sense: it is refused.
 */
export type Operation =
  | (HoldWish & { readonly op: 'claim'; readonly entry: string; readonly ttlMs: number; readonly digest: string })
  | (HoldWish & HoldStep & { readonly op: 'change'; readonly key: number })
  | (HoldStep & { readonly op: 'extend'; readonly key: number; readonly extensionMs: number })
  | (HoldStep & { readonly op: 'release' })
  | (HoldStep & { readonly op: 'checkout' })
  | { readonly op: 'read'; readonly hold: string }
  | { readonly op: 'confirm' | 'issue' | 'sell' | 'return' | 'free'; readonly hold: string; readonly order: Whose }
  /** Time has removed the tombstone of an ended hold. */
  | { readonly op: 'forget'; readonly hold: string }
  | {
      readonly op: 'allocate';
      readonly letter: string;
      readonly seats: readonly number[];
      /** Milliseconds since the start of the run; null: never. */
      readonly releaseAt: number | null;
    }
  | { readonly op: 'join'; readonly person: string; readonly entry: string }
  | { readonly op: 'leave'; readonly person: string; readonly entry: string }
  /** A poll by this person; null: the platform looks, which is nobody's presence. */
  | { readonly op: 'place'; readonly entry: string; readonly person: string | null }
  | {
      readonly op: 'presence';
      readonly process: string;
      readonly seen: readonly string[];
      readonly lost: readonly string[];
    }
  /** Checkouts a second that the payment provider can serve; 0: no bound. */
  | { readonly op: 'admit'; readonly checkoutsPerSecond: number }
  /** `repeated`: a chunk that was applied before comes again. */
  | { readonly op: 'draw'; readonly entries: number; readonly repeated: boolean }
  | { readonly op: 'numbers'; readonly to: number }
  | { readonly op: 'restore'; readonly process: string | null; readonly places: readonly ShownPlace[] }
  | {
      readonly op: 'settings';
      readonly admitPerSecond: number;
      readonly cap: number;
      readonly room: WaitingRoom;
      readonly action: 'close' | 'pause' | 'resume' | '';
    }
  | { readonly op: 'look'; readonly part: 'seats' | 'line' | 'sales' };

type Whose = 'own' | 'other';

export interface HoldStep {
  readonly hold: string;
  readonly person: string;
  /** The fence of the present claim, or that of an earlier one. */
  readonly fence: 'present' | 'earlier';
}

export interface HoldWish {
  readonly hold: string;
  readonly person: string;
  readonly wish: Selection;
  /** Letters of free places the person may have. */
  readonly letters: string;
}

/** A place that the platform gave before Redis was lost; instants are milliseconds since the start of the run. */
export interface ShownPlace {
  readonly entry: string;
  readonly person: string;
  readonly number: number;
  readonly state: 'W' | 'A';
  readonly since: number;
  readonly endsAt: number;
}

export type OperationName = Operation['op'];

export type StepOf<Op extends OperationName> = Extract<Operation, { readonly op: Op }>;

/** `at` is the event's time in milliseconds since the start of the run. `epoch`: the caller believes in another generation. */
export type Step = Operation & { readonly at: number; readonly epoch?: 'earlier' };

/** One line that JSON.parse reads again. */
export function stepLine(step: Step): string {
  return JSON.stringify(step);
}
