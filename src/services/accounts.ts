import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { type Refusal, refuse } from '../domain/errors.js';
import { Account, Organizer } from '../entities/accounts.js';
import { limits } from '../limits.js';
import { globalKeys } from '../redis/keys.js';
import type { Platform } from './platform.js';
import type { Tokens } from './tokens.js';

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

export interface Session {
  readonly token: string;
  readonly expiresAtMs: number;
  readonly personId: string;
}

export class Accounts {
  readonly #platform: Platform;
  readonly #tokens: Tokens;
  /** A hash nobody's password has, so that an unknown address takes as long as a wrong password. */
  #decoy: Promise<string> | null = null;

  constructor(platform: Platform, tokens: Tokens) {
    this.#platform = platform;
    this.#tokens = tokens;
  }

  async startGuestSession(): Promise<Session> {
    const personId = this.#platform.clock.randomId();
    const session = await this.#tokens.session({ personId, role: 'GUEST', organizerId: null }, limits.guestSessionMs);
    return { ...session, personId };
  }

  async signIn(email: string, password: string): Promise<Session | Refusal<'UNAUTHENTICATED' | 'OVERLOADED'>> {
    const address = email.trim().toLowerCase();
    const attempts = globalKeys.signInAttempts(address);
    const [[, tried]] = (await this.#platform.redis.multi().incr(attempts).expire(attempts, 60, 'NX').exec()) as [
      [unknown, number],
    ];
    if (tried > limits.signInAttemptsPerMinute) {
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
    const { id: personId, role, organizerId } = account;
    const session = await this.#tokens.session({ personId, role, organizerId }, limits.accountSessionMs);
    return { ...session, personId };
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
