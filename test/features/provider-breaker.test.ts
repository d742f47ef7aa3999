import { pino } from 'pino';
import { limits } from '../../src/limits.js';
import { ProviderCalls } from '../../src/payments/calls.js';
import type { ProviderAnswer } from '../../src/payments/gateway.js';
import { TestClock } from '../support/app.js';
import { eventually } from '../support/eventually.js';

const outage = async (): Promise<ProviderAnswer<string>> => ({ kind: 'unknown', reason: 'cut', trouble: 'outage' });
const declined = async (): Promise<ProviderAnswer<string>> => ({
  kind: 'refused',
  reason: 'no',
  code: 'card_declined',
});
const limited = async (): Promise<ProviderAnswer<string>> => ({ kind: 'unknown', reason: 'much', trouble: 'limited' });
const make = () =>
  new ProviderCalls({
    clock: new TestClock(),
    log: pino({ level: 'silent' }),
    quota: { take: async () => 0, holdBack: async () => {} },
  });

test('Refusals and too many calls do not open it, outages do, and then no call is made', async () => {
  const calls = make();
  for (let i = 0; i < 3 * limits.breakerOutages; i += 1) await calls.make('create', i % 2 === 0 ? declined : limited);
  expect(calls.outage()).toBeNull();
  for (let i = 0; i < limits.breakerOutages; i += 1)
    expect(await calls.make('create', outage)).toMatchObject({ trouble: 'outage' });
  expect(calls.outage()).not.toBeNull();
  let made = 0;
  const answer = await calls.make('cancel', async () => {
    made += 1;
    return declined();
  });
  expect(answer).toMatchObject({ kind: 'unknown', trouble: 'delayed', retryAfterMs: expect.any(Number) });
  expect(made).toBe(0);
});

test('One call asks whether the provider answers again; until it is answered no other is made', async () => {
  const calls = make();
  for (let i = 0; i < limits.breakerOutages; i += 1) await calls.make('create', outage);
  let answerProbe: (answer: ProviderAnswer<string>) => void = () => {};
  let made = 0;
  const probe = () => {
    made += 1;
    return new Promise<ProviderAnswer<string>>((resolve) => {
      answerProbe = resolve;
    });
  };
  const asked: Promise<ProviderAnswer<string>>[] = [];
  await eventually(() => {
    asked.push(calls.make('create', probe));
    expect(made).toBe(1);
  });
  for (let i = 0; i < 10; i += 1) expect(await calls.make('retrieve', probe)).toMatchObject({ trouble: 'delayed' });
  expect(made).toBe(1);
  answerProbe({ kind: 'ok', value: 'here' });
  await Promise.all(asked);
  expect(calls.outage()).toBeNull();
  expect(await calls.make('retrieve', async () => ({ kind: 'ok', value: 'open' }))).toEqual({
    kind: 'ok',
    value: 'open',
  });
});
