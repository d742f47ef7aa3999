import { loadScript, type ScriptName } from '../../src/redis/script.js';
import { playCampaign, playDrawn } from './campaign.js';
import { explain } from './report.js';
import { shrink } from './shrink.js';
import { openStage, type Stage } from './stage.js';

const lanes = 2;
const runs = 2_000;

const stages: Stage[] = [];
beforeAll(async () => {
  stages.push(...(await Promise.all(Array.from({ length: lanes }, () => openStage()))));
}, 120_000);
afterAll(async () => {
  await Promise.all(stages.map((stage) => stage.close()));
});

test('Promises 1, 4, 5, 7, 13 and 26: over 2,000 runs of the same orders, interleaved, cut and killed anywhere, money and seats agree', async () => {
  const { tally, failed } = await playCampaign(stages, { seed: 1, from: 1, to: runs });
  if (failed !== null) throw new Error(await explain(stages[0]!, failed));
  expect(tally.runs).toBe(runs);
  // Runs in which little happens prove little.
  expect(Object.keys(tally.endings).sort()).toEqual(['CANCELED', 'COMPLETED', 'EXPIRED', 'LOST', 'REFUNDED']);
  expect(tally.deaths).toBeGreaterThan(runs / 4);
  expect(tally.faults).toBeGreaterThan(runs / 4);
  expect(tally.choices).toBeGreaterThan(runs * 30);
}, 600_000);

test('The same seed gives the same choices, steps and answers', async () => {
  const [stage] = stages;
  for (let run = 1; run <= 10; run += 1) {
    const first = await playDrawn(stage!, 3, run);
    const again = await playDrawn(stage!, 3, run);
    expect(again.choices).toEqual(first.choices);
    expect(again.steps).toEqual(first.steps);
  }
}, 120_000);

/** Lets the stores of a lane do without one mechanism of a script. */
function takeOut(stage: Stage, script: ScriptName, mechanism: string, instead: string): () => void {
  const lua = loadScript(script);
  expect(lua).toContain(mechanism);
  stage.redis.defineCommand(script, { numberOfKeys: 1, lua: lua.replace(mechanism, instead) });
  return () => stage.redis.defineCommand(script, { numberOfKeys: 1, lua });
}

test('Promise 7: a mechanism taken out of seats.free is found, and a run of a few steps that shows it', async () => {
  const [stage] = stages;
  const putBack = takeOut(stage!, 'seats.free', "hold.state == 'CHECKOUT' or", "hold.state ~= 'RETURNING' or");
  const { failed } = await playCampaign([stage!], { seed: 1, from: 1, to: runs });
  const { shortest } = await shrink(stage!, failed!);
  putBack();
  expect(shortest?.complaints[0]?.rule).toBe(failed!.complaints[0]!.rule);
  expect(shortest!.steps.length).toBeLessThan(failed!.steps.length);
  expect(shortest!.steps.length).toBeLessThanOrEqual(60);
  // With the mechanism in its place the same run goes well.
  const { seed, run } = failed!.scenario;
  expect((await playDrawn(stage!, seed, run)).complaints).toEqual([]);
}, 300_000);
