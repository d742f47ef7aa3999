import type { Cut, Stop } from './cuts.js';
import type { ProviderFault } from './provider-line.js';
import type { Scene } from './scene.js';

/** Something that goes wrong exactly at a cut point. */
export interface Fault {
  readonly name: string;
  readonly title: string;
  /** For the head of a column. */
  readonly short: string;
  /** Why there is nothing to try at this cut point, or null. */
  unfit(cut: Cut): string | null;
  /** States, besides the one that everything aims at, in which the order may end. */
  readonly mayEnd: readonly string[];
  /** Nobody will tell of the payment: the order is found paid at its deadline. */
  readonly isSilent: boolean;
  /** Before the order is begun. */
  prepare(scene: Scene): Promise<void>;
  /** Happens at the cut point, and lets the order go on. */
  strike(scene: Scene, stop: Stop): Promise<void>;
  /** After the buyer has paid. */
  afterwards(scene: Scene): Promise<void>;
  /** After the order has ended. */
  last(scene: Scene): Promise<void>;
}

const nothing = async () => {};
const fits = () => null;
const plain = {
  unfit: fits,
  mayEnd: [],
  isSilent: false,
  prepare: nothing,
  afterwards: nothing,
  last: nothing,
} as const;

/** Ways in which an order may end that nobody could pay in time. */
const tooLate = ['EXPIRED', 'LOST'];

async function killAll({ stage, eventId }: Scene, stop: Stop): Promise<void> {
  await stage.kill(stage.apis, stop.go);
  await stage.endLeases(eventId);
}

/** The order goes on as soon as one of them is up. */
async function startAll({ stage }: Scene): Promise<void> {
  const starting = stage.apis.map((api) => api.start());
  for (const start of starting) stage.later(start);
  await Promise.any(starting);
}

const apiKilled: Fault = {
  ...plain,
  name: 'api-killed',
  title: 'every process of the API killed',
  short: 'API',
  strike: async (scene, stop) => {
    await killAll(scene, stop);
    await startAll(scene);
  },
};

const workerKilled: Fault = {
  ...plain,
  name: 'worker-killed',
  title: 'the process at work killed, the other one goes on',
  short: 'work',
  unfit: ({ name }) => (name === 'authorised' ? 'Nobody is at work on the order: it waits for its buyer.' : null),
  strike: async ({ stage, eventId }, stop) => {
    const worker = stop.worker!;
    await stage.kill([worker], stop.go);
    // Whoever stores a webhook holds no lease, and the other process may have one by now.
    if (stop.storing === null) await stage.endLeases(eventId);
    // The other process has to do without it.
    stage.later(worker.start());
  },
};

const apiDownForAWeek: Fault = {
  ...plain,
  name: 'api-week',
  title: 'every process of the API killed, and back a week later',
  short: 'API7d',
  mayEnd: tooLate,
  isSilent: true,
  strike: async (scene, stop) => {
    const { postman } = scene.stage;
    postman.policy = 'keep';
    await killAll(scene, stop);
    await scene.weekPasses();
    await startAll(scene);
  },
  last: async ({ stage: { postman } }) => {
    postman.policy = 'bring';
    await postman.bringKept();
  },
};

const redisLost = (name: string, title: string, short: string, data: 'empty' | 'old'): Fault => ({
  ...plain,
  name,
  title,
  short,
  prepare: async ({ stage }) => {
    if (data === 'old') await stage.redisServer.keep();
  },
  strike: async ({ stage }, stop) => {
    await stage.redisServer.crash(data);
    await stop.go();
  },
});

const redisFlushed: Fault = {
  ...plain,
  name: 'redis-flushed',
  title: 'Redis flushed',
  short: 'flush',
  strike: async ({ stage }, stop) => {
    await stage.redis.flushall();
    await stop.go();
  },
};

const postgresCrashed: Fault = {
  ...plain,
  name: 'postgres',
  title: 'Postgres crashed and restarted',
  short: 'PG',
  strike: async ({ stage, eventId }, stop) => {
    await stage.crashPostgres();
    await stop.go();
    // What it was writing is lost, and with it the word that it has given the step up.
    if (stop.isInLedger && stop.storing === null) await stage.endLeases(eventId);
  },
};

const providerFails = (name: string, title: string, short: string, fault: ProviderFault): Fault => ({
  ...plain,
  name,
  title,
  short,
  unfit: ({ callsFollow }) => (callsFollow ? null : 'The provider has answered and is not called again.'),
  strike: async ({ stage }, stop) => {
    stage.line.spoilNext(fault);
    await stop.go();
  },
  last: async ({ stage }) => {
    if (stage.line.spoilt === 0) throw new Error('the provider was not called, so nothing was tried');
  },
});

/** No letter arrives from here on: not the one either that is being stored, whose transaction is cut. */
async function silence({ stage }: Scene, stop: Stop, policy: 'lose' | 'keep'): Promise<void> {
  stage.postman.policy = policy;
  if (stop.storing !== null) await stage.sql('SELECT pg_terminate_backend($1)', [stop.storing]);
  await stop.go();
}

const webhookLost: Fault = {
  ...plain,
  name: 'webhook-lost',
  title: 'webhooks lost from here on',
  short: 'lost',
  isSilent: true,
  strike: (scene, stop) => silence(scene, stop, 'lose'),
};

const webhookRepeated: Fault = {
  ...plain,
  name: 'webhook-tenfold',
  title: 'every webhook ten times at once, earlier ones too',
  short: '×10',
  strike: async (scene, stop) => {
    const { postman } = scene.stage;
    postman.copies = 10;
    // Copies of one that is being stored wait for it.
    scene.stage.later(postman.bringAll(10));
    await stop.go();
  },
};

const webhookReversed: Fault = {
  ...plain,
  name: 'webhook-reversed',
  title: 'webhooks in reverse order',
  short: 'rev',
  strike: async ({ stage: { postman } }, stop) => {
    postman.policy = 'keep';
    await stop.go();
  },
  afterwards: async (scene) => {
    await scene.sent('payment_intent.amount_capturable_updated');
    await scene.stage.postman.bringAllReversed();
  },
  last: async ({ stage: { postman } }) => {
    await postman.bringAllReversed();
    postman.policy = 'bring';
  },
};

const webhookLate: Fault = {
  ...plain,
  name: 'webhook-week',
  title: 'webhooks a week late',
  short: 'late',
  isSilent: true,
  strike: (scene, stop) => silence(scene, stop, 'keep'),
  last: async (scene) => {
    const { postman } = scene.stage;
    await scene.weekPasses();
    postman.policy = 'bring';
    await postman.bringKept();
    await postman.bringAll(1);
  },
};

export const faults: readonly Fault[] = [
  apiKilled,
  workerKilled,
  apiDownForAWeek,
  redisLost('redis-empty', 'Redis killed, and back empty', 'R-0', 'empty'),
  redisLost('redis-old', 'Redis killed, and back with old data', 'R-old', 'old'),
  redisFlushed,
  postgresCrashed,
  providerFails('provider-500', 'the provider answers 500', '500', 'broken'),
  providerFails('provider-hangs', 'the provider acts and does not answer', 'hang', 'hang'),
  providerFails('provider-cut', 'the provider acts and the connection breaks', 'cut', 'cut'),
  providerFails('provider-429', 'the provider answers 429', '429', 'limited'),
  webhookLost,
  webhookRepeated,
  webhookReversed,
  webhookLate,
];

/** What runs with every test: a crash, money that has moved without a word of it, and an empty Redis. */
export const dailyFaults: readonly string[] = ['api-killed', 'redis-flushed', 'provider-cut'];
