import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HistoryEvent } from '../../bench/rush/history.js';
import { expectSound, rushThrough } from '../support/rush.js';

jest.setTimeout(180_000);
const dir = mkdtempSync(join(tmpdir(), 'floodgate-history-'));
afterAll(() => rmSync(dir, { recursive: true }));

const checker = fileURLToPath(new URL('../../docs/check-history.py', import.meta.url));

/** What somebody says of a history who has not read a line of ours. */
function judge(file: string): Promise<{ readonly exitCode: number; readonly said: string }> {
  return new Promise((resolve) => {
    execFile('python3', [checker, file], (error, stdout, stderr) =>
      resolve({ exitCode: error === null ? 0 : Number(error.code), said: stdout + stderr }),
    );
  });
}

test('Promise 6: Redis killed, and flushed, under load: noticed, rebuilt, and no seat sold twice, no order without its seats or money', async () => {
  const history = join(dir, 'history.jsonl');
  const faults = [['redis-killed', 6] as const, ['redis-flushed', 20] as const];
  const report = expectSound(await rushThrough(faults, { history }), ['redis-killed', 'redis-flushed']);
  expect(report.generation).toBe(3);
  expect(report.losses.holds).toBeGreaterThan(0);

  expect(await judge(history)).toMatchObject({ exitCode: 0, said: expect.stringContaining('never two people') });
  const events = readFileSync(history, 'utf8').trimEnd().split('\n');
  const stolen = events.findIndex((text) => {
    const { type, operation } = JSON.parse(text) as HistoryEvent;
    return type === 'ok' && operation === 'holdSeats';
  });
  const thief = { ...(JSON.parse(events[stolen]!) as HistoryEvent), process: 100_000, owner: 'somebody else' };
  const forged = [...events.slice(0, stolen + 1), { ...thief, type: 'invoke', seats: null }, thief].map((event) =>
    typeof event === 'string' ? event : JSON.stringify(event),
  );
  writeFileSync(history, `${forged.join('\n')}\n`);
  expect(await judge(history)).toMatchObject({ exitCode: 1, said: expect.stringContaining('and of somebody else') });
});

test('Promise 6: Redis restarted with an old file, and replaced by a stale replica, under load: what it says is not believed', async () => {
  const faults = [['redis-old-file', 8] as const, ['redis-stale-replica', 22] as const];
  const report = expectSound(await rushThrough(faults), ['redis-old-file', 'redis-stale-replica']);
  expect(report.generation).toBe(3);
  expect(report.losses.holds).toBeGreaterThan(0);
});
