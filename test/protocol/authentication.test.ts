import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose';
import { Revocations } from '../../src/services/revocations.js';
import { startTestApp, type TestApp } from '../support/app.js';
import { ApiClient } from '../support/client.js';
import { createHall, holdSeats } from '../support/events.js';
import { openSocket } from '../support/raw-socket.js';

const issuer = 'https://people.example';
const audience = 'floodgate-test';

async function startIssuer() {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }];
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    sign: (claims: JWTPayload) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey),
    close: () => server.close(),
  };
}

let oidc: Awaited<ReturnType<typeof startIssuer>>;
let app: TestApp;
beforeAll(async () => {
  oidc = await startIssuer();
  app = await startTestApp({ env: { OIDC_ISSUERS: `${issuer}|${audience}|${oidc.url}` } });
});
afterAll(async () => {
  await app.close();
  oidc.close();
});

const viewerOf = async (token: string) => {
  const client = new ApiClient(app.url, token);
  return (await client.run('{ viewer { personId role } }')).viewer;
};

/** A token counts neither over HTTP nor over the WebSocket. */
async function expectRefused(token: string): Promise<void> {
  expect(await viewerOf(token)).toBeNull();
  const socket = await openSocket(app.url);
  socket.send({ type: 'connection_init', payload: { token } });
  expect(await socket.closed).toMatchObject({ code: 4403 });
}

const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600;
const platformKey = () => JSON.parse(readFileSync(app.config.tokenKeyFile, 'utf8'));

async function signAsPlatform(claims: JWTPayload): Promise<string> {
  const key = await importJWK(platformKey(), 'EdDSA');
  const jwt = new SignJWT({ use: 'session', role: 'GUEST', ...claims }).setProtectedHeader({ alg: 'EdDSA' });
  return jwt.setIssuer('floodgate').setSubject('somebody').setIssuedAt().sign(key);
}

test('A guest token is a person over HTTP and over the WebSocket alike', async () => {
  const { startGuestSession } = await app.anonymous.run(
    'mutation { startGuestSession { session { token personId expiresAt } errors { __typename } } }',
  );
  const { token, personId } = startGuestSession.session;
  expect(await viewerOf(token)).toEqual({ personId, role: 'GUEST' });
  const client = new ApiClient(app.url, token);
  expect(await client.runOverSocket('{ viewer { personId role } }')).toEqual({ viewer: { personId, role: 'GUEST' } });
  client.close();
});

test('Without a token a mutation answers UNAUTHENTICATED and a personal query is refused with that code', async () => {
  const { eventId, rows } = await createHall(app.organizer);
  const { errors, hold } = await holdSeats(app.anonymous, eventId, { seatIds: [rows[0]![0]!] });
  expect({ hold, code: errors[0].code }).toEqual({ hold: null, code: 'UNAUTHENTICATED' });
  const answer = await app.anonymous.send('{ order(id: "1") { id } }');
  expect(answer.errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED');
  expect((await app.anonymous.run('{ viewer { personId } }')).viewer).toBeNull();
});

test('A token that was changed, cut short or made up is refused', async () => {
  const { token } = await app.guest();
  await expectRefused('nonsense');
  await expectRefused(`${token!.slice(0, -4)}AAAA`);
  await expectRefused(token!.slice(0, -10));
  const socket = await openSocket(app.url);
  socket.send({ type: 'connection_init', payload: { token: 12 } });
  expect(await socket.closed).toMatchObject({ code: 4403 });
});

test('Only EdDSA is accepted: neither `alg: none` nor the public key used as a shared secret', async () => {
  expect(await viewerOf(await signAsPlatform({ exp: inAnHour() }))).toEqual({ personId: 'somebody', role: 'GUEST' });
  const claims = { iss: 'floodgate', sub: 'somebody', use: 'session', role: 'ADMIN', exp: inAnHour() };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  await expectRefused(`${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`);
  const { keys } = (await (await fetch(`${app.url}/.well-known/jwks.json`)).json()) as { keys: { x: string }[] };
  for (const secret of [Buffer.from(keys[0]!.x, 'base64url'), Buffer.from(JSON.stringify(keys[0]))]) {
    await expectRefused(await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret));
  }
  const { privateKey } = await generateKeyPair('EdDSA');
  await expectRefused(await new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey));
});

test('The published key set holds the public key alone', async () => {
  const { keys } = (await (await fetch(`${app.url}/.well-known/jwks.json`)).json()) as { keys: object[] };
  expect(keys).toEqual([
    { kty: 'OKP', crv: 'Ed25519', x: platformKey().x, kid: expect.any(String), alg: 'EdDSA', use: 'sig' },
  ]);
});

test('A token of another use is never a session: a place, an admission, a ticket and a link to a receipt are refused', async () => {
  const { eventId } = await createHall(app.organizer, { event: { waitingRoom: 'ALWAYS' } });
  const buyer = await app.guest();
  const { entry } = await buyer.mutate('joinQueue', { eventId }, 'entry { id place }');
  const stream = buyer.subscribe(
    'subscription ($entryId: ID!) { queuePositionChanged(entryId: $entryId) { state admission { token } } }',
    { entryId: entry.id },
  );
  const { admission } = await stream.until(({ state }) => state === 'ADMITTED');
  await expectRefused(entry.place);
  await expectRefused(admission.token);
  const ticket = { ticketId: entry.id, eventId, seat: '1-1', issuedAtMs: Date.now() };
  await expectRefused(app.server.services.tokens.ticket(ticket));
  await expectRefused(app.server.services.tokens.receiptLink(entry.id).token);
  await expectRefused(await signAsPlatform({ use: 'other', exp: inAnHour() }));
});

test('A person of a configured issuer is its subject, without a role here', async () => {
  const claims = { iss: issuer, aud: audience, sub: 'user-7', exp: inAnHour(), role: 'ADMIN', org: 'x' };
  expect(await viewerOf(await oidc.sign(claims))).toEqual({ personId: `${issuer}#user-7`, role: 'GUEST' });
  const { eventId, rows } = await createHall(app.organizer);
  const buyer = new ApiClient(app.url, await oidc.sign(claims));
  const { hold } = await holdSeats(buyer, eventId, { seatIds: [rows[0]![0]!] });
  expect(hold.state).toBe('HELD');
});

test('The address in a token of a configured issuer counts if that has proved it, and in no other form', async () => {
  const claims = { iss: issuer, aud: audience, sub: 'user-7', exp: inAnHour(), email: 'Somebody@example.com' };
  const addressIn = async (more: object) =>
    (await app.server.services.tokens.viewer(await oidc.sign({ ...claims, ...more })))?.email;
  expect(await addressIn({ email_verified: true })).toBe('somebody@example.com');
  for (const unproved of [
    {},
    { email_verified: false },
    { email_verified: 'true' },
    { email_verified: true, email: 'x' },
  ])
    expect(await addressIn(unproved)).toBeNull();
});

test('A token of an issuer that is not configured, for another audience or without an end is refused', async () => {
  const claims = { iss: issuer, aud: audience, sub: 'user-7', exp: inAnHour() };
  await expectRefused(await oidc.sign({ ...claims, iss: 'https://elsewhere.example' }));
  await expectRefused(await oidc.sign({ ...claims, aud: 'another' }));
  await expectRefused(await oidc.sign({ iss: issuer, aud: audience, sub: 'user-7' }));
  await expectRefused(await oidc.sign({ ...claims, exp: Math.floor(Date.now() / 1_000) - 3_600 }));
  await expectRefused(await oidc.sign({ ...claims, sub: 'a|b' }));
  const { privateKey } = await generateKeyPair('ES256');
  await expectRefused(await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey));
});

test('An expired token is refused, and a socket whose token expires is closed with 4506', async () => {
  await expectRefused(await signAsPlatform({ exp: Math.floor(Date.now() / 1_000) - 5 }));
  const viewer = { personId: 'brief', role: 'GUEST', identity: 'ANONYMOUS', organizerId: null } as const;
  const { token } = app.server.services.tokens.session(viewer, 60_000);
  const socket = await openSocket(app.url, { init: { token } });
  const lasting = await openSocket(app.url, { init: { token: (await app.guest()).token } });
  app.clock.advance(61_000);
  expect(await socket.closed).toMatchObject({ code: 4506 });
  await expectRefused(token);
  lasting.send({ type: 'ping' });
  expect(await lasting.next()).toEqual({ type: 'pong' });
  lasting.socket.close();
});

describe('Promise 25: access is checked again when a session is ended', () => {
  const endSession = (client: ApiClient, input: object) =>
    client.mutate('endSession', input, 'personId errors { __typename }');

  test('the token is refused and its socket closed with 4403; other sessions go on', async () => {
    const [ending, lasting] = [await app.guest(), await app.guest()];
    const socket = await openSocket(app.url, { init: { token: ending.token } });
    const other = await openSocket(app.url, { init: { token: lasting.token } });
    const { personId } = await viewerOf(ending.token!);
    expect(await endSession(ending, {})).toEqual({ personId, errors: [] });
    expect(await socket.closed).toMatchObject({ code: 4403 });
    await expectRefused(ending.token!);
    expect(await endSession(ending, {})).toMatchObject({ personId: null, errors: [{ code: 'UNAUTHENTICATED' }] });
    other.send({ type: 'ping' });
    expect(await other.next()).toEqual({ type: 'pong' });
    other.socket.close();
  });

  test('everywhere: the sessions a person has opened so far end, one opened afterwards does not', async () => {
    const viewer = { personId: 'many-devices', role: 'GUEST', identity: 'ANONYMOUS', organizerId: null } as const;
    const { tokens } = app.server.services;
    const [first, second] = [1, 2].map(() => {
      app.clock.advance(1);
      return tokens.session(viewer, 3_600_000).token;
    });
    const socket = await openSocket(app.url, { init: { token: second! } });
    app.clock.advance(1);
    expect(await endSession(new ApiClient(app.url, first!), { everywhere: true })).toMatchObject({ errors: [] });
    expect(await socket.closed).toMatchObject({ code: 4403 });
    for (const token of [first!, second!]) await expectRefused(token);
    app.clock.advance(1);
    expect(await viewerOf(tokens.session(viewer, 3_600_000).token)).toMatchObject({ personId: 'many-devices' });
  });

  test('every process knows it, also one that starts later or has not heard of it', async () => {
    const ending = await app.guest();
    await endSession(ending, {});
    const deaf = new Revocations({ ...app.server.services.platform });
    const viewer = { ...(await viewerOf((await app.guest()).token!)), session: digestOf(ending.token!), issuedAtMs: 0 };
    expect(deaf.isRevoked(viewer)).toBe(false);
    const stop = await deaf.start();
    expect(deaf.isRevoked(viewer)).toBe(true);
    const another = await app.guest();
    const closed = new Promise<void>((resolve) => deaf.onRevoked(resolve));
    await endSession(another, {});
    await closed;
    expect(deaf.isRevoked({ ...viewer, session: digestOf(another.token!) })).toBe(true);
    stop();
  });
});

const digestOf = (token: string) => createHash('sha256').update(token).digest('base64');
