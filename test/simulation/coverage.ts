import type { Tally } from './runner.js';
import type { OperationName } from './steps.js';

/**
 * Every answer that the scripts' contracts name. MORE is not among them: the typed calls ask again until the answer is final; that it came
 * shows in the things that happen on the way. A draw answers its caller nothing, whether it was not due or the epoch was another one, and
 * the caller of `numbers` is told nothing at all.
 */
const answers: Readonly<Record<OperationName, string>> = {
  claim:
    'OK KEY_REUSED SALE_NOT_OPEN PAUSED SALE_CLOSED NOT_ADMITTED RECOVERING PERSON_LIMIT HOARDING TAKEN SOLD_OUT NO_BLOCK NUMBERS WRONG_EPOCH',
  change:
    'OK NO_HOLD NOT_YOURS STALE_FENCE EXPIRED WRONG_STATE PAUSED SALE_CLOSED NOT_ADMITTED PERSON_LIMIT TAKEN SOLD_OUT NO_BLOCK WRONG_EPOCH',
  extend: 'OK NO_HOLD NOT_YOURS STALE_FENCE EXPIRED WRONG_STATE LIMIT WRONG_EPOCH',
  release: 'OK NO_HOLD NOT_YOURS STALE_FENCE EXPIRED WRONG_STATE WRONG_EPOCH',
  checkout: 'OK NO_HOLD NOT_YOURS STALE_FENCE EXPIRED WRONG_STATE NOT_ADMITTED SALE_CLOSED WRONG_EPOCH',
  read: 'OK NO_HOLD WRONG_EPOCH',
  confirm: 'OK LOST WRONG_EPOCH',
  issue: 'OK GONE WRONG_EPOCH',
  sell: 'OK NOT_ISSUING WRONG_EPOCH',
  return: 'OK NOT_SOLD WRONG_EPOCH',
  free: 'OK NOTHING WRONG_EPOCH',
  forget: 'OK',
  allocate: 'OK WRONG_EPOCH',
  join: 'OK QUEUE_FULL SALE_CLOSED NUMBERS WRONG_EPOCH',
  leave: 'OK NO_ENTRY NOT_YOURS WRONG_EPOCH',
  place: 'OK NO_ENTRY WRONG_EPOCH',
  presence: 'OK WRONG_EPOCH',
  admit: 'OK WRONG_EPOCH',
  draw: 'OK NOT_DRAWING',
  numbers: 'OK',
  restore: 'OK WRONG_EPOCH',
  settings: 'OK WRONG_EPOCH',
  look: 'OK WRONG_EPOCH',
};

/** What must have happened on the way. */
const events = [
  'holds collected',
  'channel opened',
  'more than one call collects',
  'taken over from a hold past its deadline',
  'seated again',
  'walked in',
  'back from absence',
  'lobby drawn',
  'sold out',
  'open again after being sold out',
  'place given back',
  'admission given back',
];

/** Counts what came of every step. */
export class Coverage {
  readonly counts = new Map<string, number>();
  steps = 0;

  readonly tally: Tally = (step, code, marks) => {
    this.steps += 1;
    this.#add(`${step.op} ${code}`);
    for (const mark of marks) this.#add(mark);
  };

  #add(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** What has not come once. */
  missing(): string[] {
    const wanted = Object.entries(answers).flatMap(([op, codes]) => codes.split(' ').map((code) => `${op} ${code}`));
    return [...wanted, ...events].filter((what) => !this.counts.has(what));
  }
}
