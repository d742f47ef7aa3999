import { expectSound, rushThrough } from '../support/rush.js';

jest.setTimeout(180_000);

test('Promise 6: Redis killed, and flushed, under load: noticed, rebuilt, and no seat sold twice, no order without its seats or money', async () => {
  const report = expectSound(
    await rushThrough([
      ['redis-killed', 6],
      ['redis-flushed', 20],
    ]),
    ['redis-killed', 'redis-flushed'],
  );
  expect(report.generation).toBe(3);
  expect(report.losses.holds).toBeGreaterThan(0);
});

test('Promise 6: Redis restarted with an old file, and replaced by a stale replica, under load: what it says is not believed', async () => {
  const report = expectSound(
    await rushThrough([
      ['redis-old-file', 8],
      ['redis-stale-replica', 22],
    ]),
    ['redis-old-file', 'redis-stale-replica'],
  );
  expect(report.generation).toBe(3);
  expect(report.losses.holds).toBeGreaterThan(0);
});
