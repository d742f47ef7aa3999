import { expectSound, rushThrough } from '../support/rush.js';

jest.setTimeout(180_000);

test('Promise 31: a rolling restart under load, twice, with other scripts side by side, loses no hold, place or payment', async () => {
  const report = expectSound(
    await rushThrough([
      ['rolling-restart', 4],
      ['rolling-restart', 14],
    ]),
    ['rolling-restart', 'rolling-restart'],
  );
  expect(report.generation).toBe(1);
  expect(report.losses).toEqual({ holds: 0, admissions: 0, places: 0 });
  // Everybody who was connected has been told to come back.
  expect(report.sockets.reconnects).toBeGreaterThan(20);
});
