import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { normalAddress } from '../domain/contacts.js';
import { invalidInput, type Refusal, refuse } from '../domain/errors.js';
import { derivedId, inputDigest } from '../domain/ids.js';
import { Account, Organizer } from '../entities/accounts.js';
import { limits } from '../limits.js';
import { globalKeys } from '../redis/keys.js';
import type { Platform, Viewer } from './platform.js';
import type { Revocations } from './revocations.js';
import type { NewSession, Tokens } from './tokens.js';

const derive = promisify<string, Buffer, number, Buffer>(scrypt);

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, 32);
  return `scrypt$${salt.toString('base64')}$${hash.toString('base64')}`;
}

async function isPassword(password: string, stored: string): Promise<boolean> {
  const [, salt = '', hash = ''] = stored.split('$');
  const expected = Buffer.from(hash, 'base64');
  const given = await derive(password, Buffer.from(salt, 'base64'), 32);
  return expected.length === given.length && timingSafeEqual(expected, given);
}

const wrongCode = 'Is not the code that was sent to this address, or it has expired.';

export interface EmailCode {
  readonly email: string;
  readonly expiresAtMs: number;
}

export interface Session {
  readonly token: string;
  readonly expiresAtMs: number;
  readonly personId: string;
}

export class Accounts {
  readonly #platform: Platform;
  readonly #tokens: Tokens;
  readonly #revocations: Revocations;
  /** A hash nobody's password has, so that an unknown address takes as long as a wrong password. */
  #decoy: Promise<string> | null = null;

  constructor(platform: Platform, tokens: Tokens, revocations: Revocations) {
    this.#platform = platform;
    this.#tokens = tokens;
    this.#revocations = revocations;
  }

  startGuestSession(): Session {
    const personId = this.#platform.clock.randomId();
    return this.#openGuest(personId);
  }

  /** A session of a person who is known already: on another device. */
  resume(personId: string): Session {
    return this.#openGuest(personId);
  }

  /** Ends the session that asks, or all sessions of its person so far: their tokens are refused, their sockets closed. */
  async endSession(viewer: Viewer, { everywhere }: { readonly everywhere: boolean }): Promise<void> {
    if (everywhere) await this.#revocations.revokePerson(viewer.personId);
    await this.#revocations.revokeSession(viewer);
  }

  /** Sends a code to an address. The answer is the same whether or not anybody is known by it. */
  async requestEmailCode(
    email: string,
  ): Promise<EmailCode | Refusal<'INVALID_INPUT' | 'OVERLOADED' | 'MAIL_UNAVAILABLE'>> {
    const { mailer, redis, clock } = this.#platform;
    const address = normalAddress(email);
    if (address === null) return invalidInput('input.email', 'Must be an email address.');
    if (!mailer.enabled) return refuse('MAIL_UNAVAILABLE');
    if ((await this.#attempts('email-code', address)) > limits.emailCodesPerMinute)
      return refuse('OVERLOADED', { retryAfterMs: 60_000, message: 'Too many codes were sent to this address.' });
    const code = String(clock.randomBytes(4).readUInt32BE() % 100_000_000).padStart(8, '0');
    const key = globalKeys.emailCode(inputDigest(address));
    await redis
      .multi()
      .del(key)
      .hset(key, 'digest', inputDigest([address, code]), 'tries', 0)
      .pexpire(key, limits.emailCodeMs)
      .exec();
    const text = `Your code is ${code}.\n\nIt is valid for ${limits.emailCodeMs / 60_000} minutes. If you did not ask for it, ignore this mail.\n`;
    if (!mailer.send({ to: address, subject: `${code} is your code`, text })) return refuse('MAIL_UNAVAILABLE');
    return { email: address, expiresAtMs: clock.nowMs() + limits.emailCodeMs };
  }

  /** A session of the person who can read an address: the same person on every device. */
  async confirmEmail(email: string, code: string): Promise<Session | Refusal<'INVALID_INPUT' | 'OVERLOADED'>> {
    const address = await this.#proveAddress(email, code);
    if (typeof address !== 'string') return address;
    const personId = derivedId('email', address);
    return this.#open(
      { personId, role: 'GUEST', organizerId: null, identity: 'EMAIL', email: address },
      limits.guestSessionMs,
    );
  }

  /** An account of a buyer whose address has been proved. Whoever has one already gets the new password with it. */
  async signUp(
    email: string,
    code: string,
    password: string,
  ): Promise<Session | Refusal<'INVALID_INPUT' | 'OVERLOADED' | 'FORBIDDEN'>> {
    if (password.length < limits.passwordMinLength)
      return invalidInput('input.password', `Must have at least ${limits.passwordMinLength} characters.`);
    const address = await this.#proveAddress(email, code);
    if (typeof address !== 'string') return address;
    const passwordHash = await hashPassword(password);
    const rows: { id: string }[] = await this.#platform.database.query(
      `INSERT INTO account (id, email, password_hash, role) VALUES ($1, $2, $3, 'BUYER')
       ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash WHERE account.role = 'BUYER' RETURNING id`,
      [this.#platform.clock.randomId(), address, passwordHash],
    );
    if (rows[0] === undefined)
      return refuse('FORBIDDEN', { message: 'This address belongs to an organizer: sign in.' });
    // Whoever knew the old password is signed out.
    await this.#revocations.revokePerson(rows[0].id);
    return this.#openAccount({ id: rows[0].id, role: 'BUYER', organizerId: null, email: address });
  }

  async signIn(email: string, password: string): Promise<Session | Refusal<'UNAUTHENTICATED' | 'OVERLOADED'>> {
    const address = email.trim().toLowerCase();
    if ((await this.#attempts('sign-in', address)) > limits.signInAttemptsPerMinute) {
      return refuse('OVERLOADED', { retryAfterMs: 60_000, message: 'Too many attempts to sign in with this address.' });
    }
    // No account has such an address, and the ledger takes no text with it.
    const account = address.includes('\0')
      ? null
      : await this.#platform.database.getRepository(Account).findOneBy({ email: address });
    this.#decoy ??= hashPassword(this.#platform.clock.randomId());
    const right = await isPassword(password, account?.passwordHash ?? (await this.#decoy));
    if (account === null || !right)
      return refuse('UNAUTHENTICATED', { message: 'The address or the password is wrong.' });
    return this.#openAccount(account);
  }

  #open(viewer: NewSession, ttlMs: number): Session {
    return { personId: viewer.personId, ...this.#tokens.session(viewer, ttlMs) };
  }

  #openGuest(personId: string): Session {
    const viewer = { personId, role: 'GUEST', organizerId: null, identity: 'ANONYMOUS' } as const;
    return this.#open(viewer, limits.guestSessionMs);
  }

  #openAccount({ id: personId, role, organizerId, email }: Omit<Account, 'passwordHash' | 'createdAt'>): Session {
    const viewer = { personId, role: role === 'BUYER' ? ('GUEST' as const) : role, organizerId, email };
    return this.#open({ ...viewer, identity: 'ACCOUNT' }, limits.accountSessionMs);
  }

  /** How many times within a minute this has been tried for somebody. */
  async #attempts(what: string, whose: string): Promise<number> {
    const key = globalKeys.attempts(what, inputDigest(whose));
    const replies = await this.#platform.redis.multi().incr(key).expire(key, 60, 'NX').exec();
    const [error, count] = replies![0]!;
    if (error) throw error;
    return count as number;
  }

  /** The address, if the code is the one that was sent there: each code may be used once and guessed a few times. */
  async #proveAddress(email: string, code: string): Promise<string | Refusal<'INVALID_INPUT' | 'OVERLOADED'>> {
    const { redis } = this.#platform;
    const address = normalAddress(email);
    if (address === null) return invalidInput('input.email', 'Must be an email address.');
    const key = globalKeys.emailCode(inputDigest(address));
    const digest = await redis.hget(key, 'digest');
    if (digest === null) return invalidInput('input.code', wrongCode);
    if ((await redis.hincrby(key, 'tries', 1)) > limits.emailCodeTries) {
      await redis.del(key);
      return invalidInput('input.code', wrongCode);
    }
    if (digest !== inputDigest([address, code.replaceAll(/\s/g, '')])) return invalidInput('input.code', wrongCode);
    await redis.del(key);
    return address;
  }

  /** Makes the first organizer and account of an empty platform; null when there is one already. */
  async bootstrap(email: string, organizerName: string): Promise<{ email: string; password: string } | null> {
    const { database, clock } = this.#platform;
    if ((await database.getRepository(Account).count()) > 0) return null;
    const password = clock.randomBytes(12).toString('base64url');
    const organizer = { id: clock.randomId(), name: organizerName };
    await database.getRepository(Organizer).insert(organizer);
    await database.getRepository(Account).insert({
      id: clock.randomId(),
      email,
      passwordHash: await hashPassword(password),
      role: 'ADMIN',
      organizerId: organizer.id,
    });
    return { email, password };
  }
}
