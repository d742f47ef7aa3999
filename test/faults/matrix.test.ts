import { dailyFaults } from './matrix/faults.js';
import { type Matrix, playMatrix } from './matrix/matrix.js';
import { describeMatrix } from './matrix/table.js';

jest.setTimeout(480_000);

function expectSound(matrix: Matrix): Matrix {
  if (matrix.outcomes.some(({ ok }) => ok === false)) throw new Error(describeMatrix(matrix));
  return matrix;
}

test('Promises 6, 7, 16, 17, 19 and 21: killed, cut off or without Redis at any point of an order, it ends with its tickets and captured once, or without and nothing kept', async () => {
  const matrix = expectSound(await playMatrix({ faults: dailyFaults, lanes: 2, seed: 1 }));
  expect(matrix.outcomes).toHaveLength(matrix.cuts.length * dailyFaults.length);
  // Cells in which there was nothing to try prove nothing.
  expect(matrix.outcomes.filter(({ ok }) => ok === null)).toHaveLength(2);
});

test('Promise 19: a payment that was begun so long ago that the provider has forgotten its key is looked up by our id, and no second one is made', async () => {
  const begun = { cuts: ['creating', 'created'], faults: ['api-week'] };
  const { outcomes } = expectSound(await playMatrix({ ...begun, lanes: 2, seed: 1 }));
  expect(outcomes.map(({ ok }) => ok)).toEqual([true, true]);
});
