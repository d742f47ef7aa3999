import { playMatrix } from './matrix/matrix.js';
import { expectSound } from './matrix/table.js';

jest.setTimeout(240_000);

test('Promise 19: a payment that was begun so long ago that the provider has forgotten its key is looked up by our id, and no second one is made', async () => {
  const begun = { cuts: ['creating', 'created'], faults: ['api-week'] };
  const { outcomes } = expectSound(await playMatrix({ ...begun, lanes: 2, seed: 1 }));
  expect(outcomes.map(({ ok }) => ok)).toEqual([true, true]);
});
