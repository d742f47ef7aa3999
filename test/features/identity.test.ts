import { limits } from '../../src/limits.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { ApiClient, type Data } from '../support/client.js';
import { createHall, holdSeats, newKey, orderStream, startCheckout } from '../support/events.js';
import { createLine, join, joinQueue, pollEntry } from '../support/line.js';
import { type Mailbox, startMailbox } from '../support/mailbox.js';
import { pay } from '../support/orders.js';

let app: TestApp;
let mailbox: Mailbox;
beforeAll(async () => {
  mailbox = await startMailbox();
  app = await startTestApp({ env: { SMTP_URL: mailbox.smtpUrl } });
});
afterAll(async () => {
  await app.close();
  await mailbox.stop();
});

const sessionOf = ({ session }: Data) => new ApiClient(app.url, session.token);
const firstCode = ({ errors }: Data) => errors[0]?.code;
let addresses = 0;
const newAddress = () => `buyer${++addresses}@example.com`;

async function codeFor(email: string, count = 1): Promise<string> {
  await app.anonymous.mutate('requestEmailCode', { email }, 'request { email expiresAt }');
  return /\d{8}/.exec((await mailbox.newest(email.trim().toLowerCase(), count)).text)![0];
}

async function confirm(email: string, code: string): Promise<Data> {
  return app.anonymous.mutate('confirmEmail', { email, code }, 'session { token personId }');
}

/** A session of a verified address. */
async function verified(email: string, count = 1): Promise<ApiClient> {
  return sessionOf(await confirm(email, await codeFor(email, count)));
}

describe('A verified address', () => {
  test('is one person on every device, whatever the case it is typed in', async () => {
    const email = newAddress();
    const first = await confirm(email, await codeFor(email));
    const second = await confirm(email.toUpperCase(), await codeFor(` ${email.toUpperCase()} `, 2));
    expect(second.session.personId).toBe(first.session.personId);
    const { viewer } = await sessionOf(first).run('{ viewer { identity role } }');
    expect(viewer).toEqual({ identity: 'EMAIL', role: 'GUEST' });
  });

  test('is proved by the newest code alone, once, within its time and a few guesses', async () => {
    const email = newAddress();
    const old = await codeFor(email);
    const code = await codeFor(email, 2);
    if (old !== code) expect(firstCode(await confirm(email, old))).toBe('INVALID_INPUT');
    expect((await confirm(email, code)).session).not.toBeNull();
    expect(firstCode(await confirm(email, code))).toBe('INVALID_INPUT');

    const other = newAddress();
    const right = await codeFor(other);
    const wrong = right === '00000000' ? '00000001' : '00000000';
    for (let guess = 0; guess < limits.emailCodeTries; guess += 1)
      expect(firstCode(await confirm(other, wrong))).toBe('INVALID_INPUT');
    expect(firstCode(await confirm(other, right))).toBe('INVALID_INPUT');
  });

  test('is sent only so many codes a minute', async () => {
    const email = newAddress();
    for (let i = 0; i < limits.emailCodesPerMinute; i += 1) await codeFor(email, i + 1);
    const refused = await app.anonymous.mutate('requestEmailCode', { email }, 'request { email }');
    expect(firstCode(refused)).toBe('OVERLOADED');
  });
});

describe('An event that asks who you are', () => {
  test('takes a verified address, and nobody else, where it asks for EMAIL', async () => {
    const line = await createLine(app, { event: { identity: 'EMAIL' } });
    const guest = await app.guest();
    expect(firstCode(await joinQueue(guest, line.eventId))).toBe('IDENTITY_REQUIRED');
    expect(firstCode(await holdSeats(guest, line.eventId, { seatIds: ['1-1'] }))).toBe('IDENTITY_REQUIRED');
    expect(firstCode(await joinQueue(app.organizer, line.eventId))).toBe('IDENTITY_REQUIRED');
    const buyer = await verified(newAddress());
    expect(await join(buyer, line.eventId)).toMatchObject({ number: 1, state: 'ADMITTED' });
    expect((await holdSeats(buyer, line.eventId, { seatIds: ['1-1'] })).hold.state).toBe('HELD');
  });

  test('takes whoever has signed in, and nobody else, where it asks for ACCOUNT', async () => {
    const { eventId } = await createLine(app, { event: { identity: 'ACCOUNT' } });
    const email = newAddress();
    expect(firstCode(await joinQueue(await app.guest(), eventId))).toBe('IDENTITY_REQUIRED');
    expect(firstCode(await joinQueue(await verified(email), eventId))).toBe('IDENTITY_REQUIRED');
    const input = { email, code: await codeFor(email, 2), password: 'a good password' };
    const signedUp = sessionOf(await app.anonymous.mutate('signUp', input, 'session { token }'));
    const entry = await join(signedUp, eventId);
    const signIn = { email, password: 'a good password' };
    const signedIn = sessionOf(await app.anonymous.mutate('signIn', signIn, 'session { token }'));
    expect(await join(signedIn, eventId)).toMatchObject({ id: entry.id });
    const { viewer } = await signedIn.run('{ viewer { identity role } }');
    expect(viewer).toEqual({ identity: 'ACCOUNT', role: 'GUEST' });
  });

  test('cannot be made where no mail can be sent', async () => {
    const plain = await startTestApp();
    try {
      const hall = createHall(plain.organizer, { event: { identity: 'EMAIL' } });
      await expect(hall).rejects.toThrow('SMTP_URL');
    } finally {
      await plain.close();
    }
  });

  test("an organizer's password is not changed by whoever reads the organizer's mail", async () => {
    const email = 'organizer@example.com';
    const input = { email, code: await codeFor(email), password: 'another password' };
    expect(firstCode(await app.anonymous.mutate('signUp', input, 'session { token }'))).toBe('FORBIDDEN');
  });
});

describe('One person', () => {
  test('Promise 9: has one place on two devices of one address', async () => {
    const { eventId } = await createLine(app, { event: { identity: 'EMAIL' } });
    const email = newAddress();
    const entry = await join(await verified(email), eventId);
    const second = await verified(email, 2);
    expect(await join(second, eventId)).toMatchObject({ id: entry.id, number: entry.number });
    expect((await pollEntry(second, entry.id)).id).toBe(entry.id);
  });

  test('has one limit over all devices, holds and orders, also after a rebuild, and gets it back with a refund', async () => {
    const hall = await createHall(app.organizer, {
      event: { identity: 'EMAIL', maxSeatsPerPerson: 3, saleOpensAt: '2026-01-01T00:00:00Z' },
    });
    const email = newAddress();
    const [phone, laptop] = [await verified(email), await verified(email, 2)];
    const { hold } = await holdSeats(phone, hall.eventId, { seatIds: ['1-1', '1-2'] });
    expect(firstCode(await holdSeats(laptop, hall.eventId, { seatIds: ['1-3', '1-4'] }))).toBe('PERSON_LIMIT_REACHED');
    const { order } = await startCheckout(laptop, hold);
    await pay(app, phone.subscribe(orderStream, { orderId: order.id }));
    expect(firstCode(await holdSeats(phone, hall.eventId, { seatIds: ['1-3', '1-4'] }))).toBe('PERSON_LIMIT_REACHED');
    const { platform, inventory } = app.server.services;
    await platform.redis.flushall();
    await inventory.rebuild(hall.eventId);
    await platform.redis.hset(`fg2:{event:${hall.eventId}}:meta`, 'recoverUntil', 0);
    expect(firstCode(await holdSeats(phone, hall.eventId, { seatIds: ['1-3', '1-4'] }))).toBe('PERSON_LIMIT_REACHED');
    const refund = { orderId: order.id, idempotencyKey: newKey() };
    await app.organizer.mutate('refundOrder', refund, 'order { state }');
    const orders = phone.subscribe(orderStream, { orderId: order.id });
    await orders.until(({ state }) => state === 'REFUNDED');
    expect((await holdSeats(phone, hall.eventId, { seatIds: ['1-2', '1-3', '1-4'] })).hold.state).toBe('HELD');
  });
});

describe('A recovery code', () => {
  const codeOf = async (client: ApiClient, entryId: string): Promise<string> =>
    (await client.mutate('createRecoveryCode', { entryId }, 'code')).code;
  const recover = (code: string): Promise<Data> =>
    app.anonymous.mutate('recoverPlace', { code }, 'recovery { eventId session { token } }');

  test('Promise 9: finds the place of somebody without an account on another device', async () => {
    const { eventId } = await createLine(app);
    await join(await app.guest(), eventId);
    const phone = await app.guest();
    const entry = await join(phone, eventId);
    const code = await codeOf(phone, entry.id);
    expect(code).toMatch(/^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$/);
    expect(await codeOf(phone, entry.id)).toBe(code);
    const { recovery } = await recover(
      ` ${code.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')}`,
    );
    expect(recovery.eventId).toBe(eventId);
    expect(await join(sessionOf(recovery), eventId)).toMatchObject({ id: entry.id, number: 2 });
  });

  test('works after Redis was lost, and one of nobody finds nothing', async () => {
    const { eventId } = await createLine(app);
    const phone = await app.guest();
    const code = await codeOf(phone, (await join(phone, eventId)).id);
    await app.server.services.platform.redis.flushall();
    const { viewer } = await phone.run('{ viewer { personId } }');
    const { recovery } = await recover(code);
    expect((await sessionOf(recovery).run('{ viewer { personId } }')).viewer.personId).toBe(viewer.personId);
    expect(firstCode(await recover('0000-0000-0000'))).toBe('NOT_FOUND');
  });
});
