import { createPrivateKey, hash, hkdfSync, type KeyObject, sign } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  calculateJwkThumbprint,
  createRemoteJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTPayload,
  jwtVerify,
} from 'jose';
import { LRUCache } from 'lru-cache';
import type { OidcIssuer } from '../config.js';
import type { Clock } from '../domain/clock.js';
import { normalAddress } from '../domain/contacts.js';
import { limits } from '../limits.js';
import type { Viewer } from './platform.js';
import type { Revocations } from './revocations.js';

type Key = Awaited<ReturnType<typeof importJWK>>;

/** What a token is for. A token of one use is never accepted for another. */
type TokenUse = 'session' | 'place' | 'admission' | 'ticket' | 'receipt';

/** A place in line as the platform vouches for it. */
export interface SignedPlace {
  readonly entryId: string;
  readonly eventId: string;
  readonly personId: string;
  readonly number: number;
  readonly generation: number;
  readonly sinceMs: number;
}

export interface SignedAdmission extends SignedPlace {
  readonly endsAtMs: number;
}

function signedPlace(claims: JWTPayload): SignedPlace {
  return {
    entryId: String(claims.entry),
    eventId: String(claims.event),
    personId: String(claims.sub),
    number: Number(claims.number),
    generation: Number(claims.generation),
    sinceMs: Number(claims.since),
  };
}

/** Whom a new session is for. */
export type NewSession = Pick<Viewer, 'personId' | 'role' | 'organizerId' | 'identity'> & {
  readonly email?: string | null;
};

const issuer = 'floodgate';

/** What other issuers may sign with: key pairs only, whatever their key set says. */
const foreignAlgorithms = ['EdDSA', 'Ed25519', 'ES256', 'ES384', 'PS256', 'RS256', 'RS384', 'RS512'];

/** Reads the platform's Ed25519 key, or makes one. The file is readable by its owner alone. */
export async function loadTokenKey(file: string): Promise<JWK> {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as JWK;
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk = await exportJWK(privateKey);
  mkdirSync(dirname(file), { recursive: true });
  try {
    writeFileSync(file, JSON.stringify(jwk), { mode: 0o600, flag: 'wx' });
  } catch {
    // Another process made it a moment ago; theirs is the platform's key.
    return JSON.parse(readFileSync(file, 'utf8')) as JWK;
  }
  return jwk;
}

/** Signs and checks everything the platform signs: sessions, places in line, admissions, tickets (JWT, EdDSA). */
export class Tokens {
  readonly #clock: Clock;
  readonly #revocations: Revocations;
  readonly #privateKey: KeyObject;
  readonly #publicKey: Key;
  readonly #keyId: string;
  /** The header of everything that is signed here, encoded. */
  readonly #header: string;
  readonly #publicJwk: JWK;
  readonly #sessions = new LRUCache<string, Viewer>({ max: limits.tokenCacheEntries });
  /** Signed places and admissions: the same one is told many times. */
  readonly #signed = new LRUCache<string, string>({ max: limits.tokenCacheEntries });
  readonly #secretKey: Buffer;
  readonly #issuers: ReadonlyMap<string, OidcIssuer & { keys: ReturnType<typeof createRemoteJWKSet> }>;

  private constructor(
    { clock, revocations }: { readonly clock: Clock; readonly revocations: Revocations },
    keys: { privateKey: KeyObject; publicKey: Key; jwk: JWK; id: string; secret: string },
    issuers: readonly OidcIssuer[],
  ) {
    this.#clock = clock;
    this.#revocations = revocations;
    this.#privateKey = keys.privateKey;
    this.#publicKey = keys.publicKey;
    this.#publicJwk = keys.jwk;
    this.#keyId = keys.id;
    this.#header = encode({ alg: 'EdDSA', kid: keys.id });
    this.#secretKey = Buffer.from(keys.secret, 'base64url');
    this.#issuers = new Map(issuers.map((i) => [i.issuer, { ...i, keys: createRemoteJWKSet(new URL(i.jwksUrl)) }]));
  }

  static async create(
    judges: { readonly clock: Clock; readonly revocations: Revocations },
    privateJwk: JWK,
    issuers: readonly OidcIssuer[],
  ): Promise<Tokens> {
    const { d: secret = '', ...publicJwk } = privateJwk;
    const privateKey = createPrivateKey({ key: { ...privateJwk }, format: 'jwk' });
    const publicKey = await importJWK(publicJwk, 'EdDSA');
    return new Tokens(
      judges,
      { privateKey, publicKey, jwk: publicJwk, id: await calculateJwkThumbprint(publicJwk), secret },
      issuers,
    );
  }

  /** The public key as a JWK set, for whoever checks tickets or tokens elsewhere. */
  get jwks(): { keys: JWK[] } {
    return { keys: [{ ...this.#publicJwk, kid: this.#keyId, alg: 'EdDSA', use: 'sig' }] };
  }

  /** A new session of somebody. */
  session(viewer: NewSession, ttlMs: number): { token: string; expiresAtMs: number } {
    const expiresAtMs = this.#clock.nowMs() + ttlMs;
    const { role, organizerId, identity, email = null } = viewer;
    const claims = {
      role,
      ...(organizerId !== null && { org: organizerId }),
      ...(identity !== 'ANONYMOUS' && { identity }),
      ...(email !== null && { email }),
    };
    return { token: this.#sign('session', viewer.personId, claims, expiresAtMs), expiresAtMs };
  }

  /** Who a token speaks for; null when it is not valid now. Valid tokens are remembered, so that a signature is checked once. */
  async viewer(token: string): Promise<Viewer | null> {
    if (token.length > limits.tokenLength) return null;
    // Remembered by a digest: tokens are long, and there may be very many.
    const digest = hash('sha256', token, 'base64');
    let viewer = this.#sessions.get(digest) ?? null;
    if (viewer === null) {
      viewer = await this.#verifySession(token, digest);
      if (viewer !== null) this.#sessions.set(digest, viewer);
    }
    return viewer !== null && viewer.expiresAtMs > this.#clock.nowMs() && !this.#revocations.isRevoked(viewer)
      ? viewer
      : null;
  }

  /** Proof of a place, for whoever has to rebuild the line. */
  place(place: SignedPlace): string {
    const { personId, entryId, eventId, number, generation, sinceMs } = place;
    return this.#remember(`${entryId} ${number} ${generation}`, () => {
      const claims = { entry: entryId, event: eventId, number, generation, since: sinceMs };
      return this.#sign('place', personId, claims, null);
    });
  }

  /** Proof of an admission. `endsAtMs` is by the clock of the sale, `expiresAtMs` the same instant as people know it now. */
  admission(admission: SignedAdmission & { readonly expiresAtMs: number }): string {
    const { personId, entryId, eventId, number, generation, sinceMs, endsAtMs, expiresAtMs } = admission;
    return this.#remember(`${entryId} ${number} ${generation} ${endsAtMs} ${expiresAtMs}`, () => {
      const claims = { entry: entryId, event: eventId, number, generation, since: sinceMs, ends: endsAtMs };
      return this.#sign('admission', personId, claims, expiresAtMs);
    });
  }

  #remember(key: string, make: () => string): string {
    let text = this.#signed.get(key);
    if (text !== undefined) return text;
    text = make();
    this.#signed.set(key, text);
    return text;
  }

  /** What a place says; null when the platform did not sign it. */
  async readPlace(text: string): Promise<SignedPlace | null> {
    const claims = await this.#verify(text, 'place');
    return claims && signedPlace(claims);
  }

  /** What an admission says, over or not: whoever counts it judges its time. Null when the platform did not sign it. */
  async readAdmission(text: string): Promise<SignedAdmission | null> {
    const claims = await this.#verify(text, 'admission', 0);
    return claims && { ...signedPlace(claims), endsAtMs: Number(claims.ends) };
  }

  /** What the QR code of a ticket says: the same text whenever it is asked for. */
  ticket(ticket: { ticketId: string; eventId: string; seat: string; issuedAtMs: number }): string {
    return this.#sign('ticket', ticket.ticketId, { event: ticket.eventId, seat: ticket.seat }, null, ticket.issuedAtMs);
  }

  /** The claims of a ticket's QR text; null when the platform did not sign it. */
  async readTicket(text: string): Promise<{ ticketId: string; eventId: string; seat: string } | null> {
    const claims = await this.#verify(text, 'ticket');
    if (claims === null) return null;
    return { ticketId: String(claims.sub), eventId: String(claims.event), seat: String(claims.seat) };
  }

  /** Leave to read a receipt for a while, for whoever has the link. The same link for a minute: an order is read often. */
  receiptLink(receiptId: string): { token: string; expiresAtMs: number } {
    const issuedAtMs = Math.floor(this.#clock.nowMs() / 60_000) * 60_000;
    const expiresAtMs = issuedAtMs + limits.receiptLinkMs;
    const token = this.#remember(`${receiptId} ${issuedAtMs}`, () =>
      this.#sign('receipt', receiptId, {}, expiresAtMs, issuedAtMs),
    );
    return { token, expiresAtMs };
  }

  /** Which receipt a link is about; null when the platform did not sign it, or its time is over. */
  async readReceiptLink(token: string): Promise<string | null> {
    return (await this.#verify(token, 'receipt'))?.sub ?? null;
  }

  /** A JWT, in compact form. Signed here: by way of the library's asynchronous keys it costs three times as much. */
  #sign(
    use: TokenUse,
    subject: string,
    claims: JWTPayload,
    expiresAtMs: number | null,
    issuedAtMs = this.#clock.nowMs(),
  ): string {
    const text = `${this.#header}.${encode({
      use,
      iss: issuer,
      sub: subject,
      // To the millisecond where all of before an instant can be ended.
      iat: use === 'session' ? issuedAtMs / 1_000 : Math.floor(issuedAtMs / 1_000),
      ...(expiresAtMs !== null && { exp: Math.ceil(expiresAtMs / 1_000) }),
      ...claims,
    })}`;
    return `${text}.${sign(null, Buffer.from(text), this.#privateKey).toString('base64url')}`;
  }

  /** A secret of the platform for one purpose, the same on every process. */
  secret(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#secretKey, '', purpose, 32));
  }

  async #verify(token: string, use: TokenUse, nowMs = this.#clock.nowMs()): Promise<JWTPayload | null> {
    if (token.length > limits.tokenLength) return null;
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        issuer,
        algorithms: ['EdDSA'],
        currentDate: new Date(nowMs),
      });
      return payload.use === use ? payload : null;
    } catch {
      return null;
    }
  }

  async #verifySession(token: string, digest: string): Promise<Viewer | null> {
    const own = await this.#verify(token, 'session');
    if (own !== null) {
      const role = own.role === 'ORGANIZER' || own.role === 'ADMIN' ? own.role : 'GUEST';
      return {
        personId: String(own.sub),
        role,
        organizerId: typeof own.org === 'string' ? own.org : null,
        identity: own.identity === 'EMAIL' || own.identity === 'ACCOUNT' ? own.identity : 'ANONYMOUS',
        email: typeof own.email === 'string' ? own.email : null,
        session: digest,
        issuedAtMs: (own.iat ?? 0) * 1_000,
        expiresAtMs: (own.exp ?? 0) * 1_000,
      };
    }
    return this.#issuers.size === 0 ? null : this.#verifyForeign(token, digest);
  }

  /** A person vouched for by another issuer is that issuer's subject; such a token never carries a role here. */
  async #verifyForeign(token: string, digest: string): Promise<Viewer | null> {
    const foreign = this.#issuers.get(issuerOf(token) ?? '');
    if (foreign === undefined) return null;
    try {
      const { payload } = await jwtVerify(token, foreign.keys, {
        issuer: foreign.issuer,
        audience: foreign.audience,
        algorithms: foreignAlgorithms,
        requiredClaims: ['sub', 'exp'],
        currentDate: new Date(this.#clock.nowMs()),
      });
      const personId = `${foreign.issuer}#${payload.sub}`;
      if (personId.length > limits.idLength || /[|,\s]/.test(personId)) return null;
      return {
        personId,
        role: 'GUEST',
        organizerId: null,
        identity: 'ACCOUNT',
        // An address that the issuer has not proved may be anybody's.
        email: payload.email_verified === true ? normalAddress(String(payload.email)) : null,
        session: digest,
        issuedAtMs: (payload.iat ?? 0) * 1_000,
        expiresAtMs: (payload.exp ?? 0) * 1_000,
      };
    } catch {
      return null;
    }
  }
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

function issuerOf(token: string): string | null {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as JWTPayload;
    return typeof claims.iss === 'string' ? claims.iss : null;
  } catch {
    return null;
  }
}
