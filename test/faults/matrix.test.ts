import { dailyFaults } from './matrix/faults.js';
import { playMatrix } from './matrix/matrix.js';
import { expectSound } from './matrix/table.js';

jest.setTimeout(480_000);

test('Promises 6, 7, 16, 17, 19 and 21: killed, cut off or without Redis at any point of an order, it ends with its tickets and captured once, or without and nothing kept', async () => {
  const matrix = expectSound(await playMatrix({ faults: dailyFaults, lanes: 2, seed: 1 }));
  expect(matrix.outcomes).toHaveLength(matrix.cuts.length * dailyFaults.length);
  // Cells in which there was nothing to try prove nothing.
  expect(matrix.outcomes.filter(({ ok }) => ok === null)).toHaveLength(2);
});
