import { randomFor } from '../../../bench/rush/random.js';
import { type CellOutcome, playCell } from './cell.js';
import { type Cut, cuts } from './cuts.js';
import { type Fault, faults } from './faults.js';
import { openWorkshop, Stage } from './stage.js';

export interface MatrixOptions {
  /** Names; absent: all of them. */
  readonly cuts?: readonly string[] | undefined;
  readonly faults?: readonly string[] | undefined;
  /** Cells at the same time, each lane on stores of its own. */
  readonly lanes: number;
  /** Which cells follow which: what one leaves behind is what the next one begins with. */
  readonly seed: number;
  /** Hears of each cell as it ends. */
  readonly told?: (outcome: CellOutcome) => void;
}

export interface Matrix {
  readonly cuts: readonly Cut[];
  readonly faults: readonly Fault[];
  readonly outcomes: readonly CellOutcome[];
}

const named = <T extends { readonly name: string }>(all: readonly T[], names: readonly string[] | undefined) =>
  names === undefined ? all : all.filter(({ name }) => names.includes(name));

/** Plays every chosen fault at every chosen cut point. */
export async function playMatrix(options: MatrixOptions): Promise<Matrix> {
  const chosen = { cuts: named(cuts, options.cuts), faults: named(faults, options.faults) };
  const random = randomFor(options.seed, 0);
  const cells = chosen.cuts.flatMap((cut) => chosen.faults.map((fault) => ({ cut, fault, rank: random.next() })));
  cells.sort((a, b) => a.rank - b.rank);
  const outcomes: CellOutcome[] = [];
  const workshop = await openWorkshop();
  try {
    const lanes = Math.min(options.lanes, cells.length);
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        let stage: Stage | null = null;
        try {
          for (let cell = cells.pop(); cell !== undefined; cell = cells.pop()) {
            stage ??= await Stage.open(workshop);
            const outcome = await playCell(stage, cell.cut, cell.fault);
            outcomes.push(outcome);
            options.told?.(outcome);
            // What a failure leaves behind is not to be blamed on the next cell.
            if (outcome.ok === false) {
              await stage.close();
              stage = null;
            }
          }
        } finally {
          await stage?.close();
        }
      }),
    );
  } finally {
    workshop.close();
  }
  return { ...chosen, outcomes };
}
