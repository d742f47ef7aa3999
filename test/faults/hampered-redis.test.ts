import { expectSound, rushThrough } from '../support/rush.js';

jest.setTimeout(180_000);

test('Promise 6: Redis paused for ten seconds, out of memory, and read-only, under load: no script is half done and nobody is forgotten', async () => {
  const report = expectSound(
    await rushThrough([
      ['redis-paused', 4],
      ['redis-full', 17],
      ['redis-read-only', 24],
    ]),
    ['redis-paused', 'redis-full', 'redis-read-only'],
  );
  // Only a server that was a replica in between may have taken over older data.
  expect(report.generation).toBe(2);
  const outages = Object.entries(report.refusals).filter(([name]) => name.startsWith('error:'));
  expect(outages.length).toBeGreaterThan(0);
});
