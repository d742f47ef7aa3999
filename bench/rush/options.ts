import { parseOptions, UsageError, wholeNumber } from '../support/command-line.js';

/** What may go wrong in a rush. */
export const faultKinds = [
  'redis-killed',
  'redis-flushed',
  'redis-old-file',
  'redis-stale-replica',
  'redis-paused',
  'redis-full',
  'redis-read-only',
  'rolling-restart',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface RushOptions {
  readonly buyers: number;
  readonly event: { readonly kind: 'demo' } | { readonly kind: 'stadium'; readonly seats: number };
  readonly seed: number;
  readonly json: boolean;
  /** The report and its picture are kept in docs/bench. */
  readonly save: boolean;
  readonly rampMs: number;
  /** For so long everybody who has come only waits, before the sale begins to let people in. */
  readonly waitMs: number;
  /** So many buyers end before the sale is measured by itself: code has been compiled by then. */
  readonly warmUp: number;
  readonly maxMs: number;
  readonly loadProcesses: number;
  readonly serverProcesses: number;
  readonly admitPerSecond: number;
  readonly activeCap: number;
  readonly providerQuota: 'stripe' | 'lifted';
  /** What goes wrong, and when after the start of the rush. */
  readonly faults: readonly { readonly kind: FaultKind; readonly atMs: number }[];
  /** A file to which every operation of every buyer is written; null: none. */
  readonly history: string | null;
  /** Files of the run are kept and their place is printed. */
  readonly keep: boolean;
}

export const usage = `npm run rush -- [options]
  --buyers N              synthetic buyers (500)
  --event demo|stadium:N  the demo hall, or a stadium of N seats (demo)
  --seed S                the same seed gives the same buyers (1)
  --ramp S                seconds in which all of them arrive (10)
  --wait S                seconds in which all who have come only wait, before anybody is admitted (0)
  --warm-up N             with --wait: buyers who end before the sale is measured by itself (0)
  --minutes M             bound of the whole run (30)
  --load-processes N      processes of buyers (1 per 4,000)
  --server-processes N    WEB_CONCURRENCY of the server (2)
  --admit-per-second N    admissions a second (100)
  --active-cap N          admitted buyers at a time (500, or a tenth of all)
  --provider-quota Q      stripe: the payment provider's quota is enforced; lifted: it is not (stripe)
  --history FILE          write every operation of every buyer to FILE (docs/rush-history.md)
  --fault KIND@S          let something fail S seconds after the start; may be given several times:
                          ${faultKinds.slice(0, 4).join(', ')},
                          ${faultKinds.slice(4).join(', ')}
  --save                  keep the report and a picture of it: docs/bench/rush.json, rush.svg
  --keep                  keep the files of the run
  --json                  the report as JSON in the last line`;

/** Reads the command line; throws UsageError with one line that names the bad option. */
export function readOptions(argv: readonly string[]): RushOptions {
  const values = parse(argv);
  const buyers = wholeNumber('buyers', values.buyers, 1, 200_000);
  if (values.save && values.fault.length > 0) throw new UsageError('--save does not go with --fault');
  return {
    buyers,
    event: readEvent(values.event),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 32 - 1),
    json: values.json,
    save: values.save,
    rampMs: wholeNumber('ramp', values.ramp, 0, 3_600) * 1_000,
    waitMs: wholeNumber('wait', values.wait, 0, 3_600) * 1_000,
    warmUp: wholeNumber('warm-up', values['warm-up'], 0, buyers - 1),
    maxMs: wholeNumber('minutes', values.minutes, 1, 600) * 60_000,
    loadProcesses: wholeNumber('load-processes', values['load-processes'] ?? String(Math.ceil(buyers / 4_000)), 1, 64),
    serverProcesses: wholeNumber('server-processes', values['server-processes'], 1, 64),
    admitPerSecond: wholeNumber('admit-per-second', values['admit-per-second'], 1, 10_000),
    activeCap: wholeNumber('active-cap', values['active-cap'] ?? String(defaultCap(buyers)), 1, 100_000),
    providerQuota: readQuota(values['provider-quota']),
    faults: values.fault.map(readFault),
    history: values.history ?? null,
    keep: values.keep,
  };
}

/** Buyers who vanish keep their slot until their admission ends; a cap that they alone could fill would stop the line. */
function defaultCap(buyers: number): number {
  return Math.max(500, Math.ceil(buyers / 10));
}

function parse(argv: readonly string[]) {
  return parseOptions({
    args: [...argv],
    options: {
      buyers: { type: 'string', default: '500' },
      event: { type: 'string', default: 'demo' },
      seed: { type: 'string', default: '1' },
      ramp: { type: 'string', default: '10' },
      wait: { type: 'string', default: '0' },
      'warm-up': { type: 'string', default: '0' },
      minutes: { type: 'string', default: '30' },
      'load-processes': { type: 'string' },
      'server-processes': { type: 'string', default: '2' },
      'admit-per-second': { type: 'string', default: '100' },
      'active-cap': { type: 'string' },
      'provider-quota': { type: 'string', default: 'stripe' },
      history: { type: 'string' },
      fault: { type: 'string', multiple: true, default: [] },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
    },
  });
}

function readEvent(text: string): RushOptions['event'] {
  if (text === 'demo') return { kind: 'demo' };
  const seats = /^stadium:(\d+)$/.exec(text)?.[1];
  if (seats === undefined) throw new UsageError(`--event takes demo or stadium:SEATS, not ${text}`);
  return { kind: 'stadium', seats: wholeNumber('event stadium', seats, 1, 100_000) };
}

function readQuota(text: string): RushOptions['providerQuota'] {
  if (text === 'stripe' || text === 'lifted') return text;
  throw new UsageError(`--provider-quota takes stripe or lifted, not ${text}`);
}

function readFault(text: string): RushOptions['faults'][number] {
  const [name, seconds = ''] = text.split('@');
  const kind = faultKinds.find((one) => one === name);
  if (kind === undefined) throw new UsageError(`--fault takes one of ${faultKinds.join(', ')}, not ${name}`);
  return { kind, atMs: wholeNumber(`fault ${kind}`, seconds, 0, 36_000) * 1_000 };
}
