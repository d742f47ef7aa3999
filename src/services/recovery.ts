import { createHmac } from 'node:crypto';
import { type Refusal, refuse } from '../domain/errors.js';
import { sha256 } from '../domain/ids.js';
import { RecoveryCode } from '../entities/events.js';
import type { Accounts, Session } from './accounts.js';
import type { EventCatalogue } from './event-catalogue.js';
import type { Line } from './line.js';
import { splitEntryId } from './line.js';
import type { Platform, Viewer } from './platform.js';
import type { Tokens } from './tokens.js';

export interface Recovered {
  readonly session: Session;
  readonly eventId: string;
}

/** Digits and letters that nobody mistakes for each other (Crockford, "Base 32"). */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const codeCharacters = 12;

/**
 * Codes with which somebody without an account finds the own place on another device. A code is the same whenever it is asked for; the
 * ledger keeps its hash, so that it works after a loss of Redis and nobody can read it there.
 */
export class Recovery {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #line: Line;
  readonly #accounts: Accounts;
  readonly #secret: Buffer;

  constructor(
    platform: Platform,
    parts: {
      readonly events: EventCatalogue;
      readonly line: Line;
      readonly accounts: Accounts;
      readonly tokens: Tokens;
    },
  ) {
    this.#platform = platform;
    this.#events = parts.events;
    this.#line = parts.line;
    this.#accounts = parts.accounts;
    this.#secret = parts.tokens.secret('recovery codes');
  }

  async createCode(
    viewer: Viewer,
    entryId: string,
  ): Promise<string | Refusal<'NOT_FOUND' | 'FORBIDDEN' | 'REBUILDING'>> {
    if (viewer.identity !== 'ANONYMOUS')
      return refuse('FORBIDDEN', { message: 'Sign in on the other device: it finds your place.' });
    const place = await this.#line.read(viewer, entryId);
    if (place === null) return refuse('NOT_FOUND', { path: ['input', 'entryId'], message: 'You have no such place.' });
    if ('refused' in place) return place;
    const { eventId } = splitEntryId(entryId)!;
    const { personId } = viewer;
    const mac = createHmac('sha256', this.#secret).update(`${eventId} ${personId}`).digest();
    const code = Array.from(mac.subarray(0, codeCharacters), (byte) => alphabet[byte & 31]).join('');
    const row = { hash: hashOf(code), eventId, personId };
    await this.#platform.database
      .getRepository(RecoveryCode)
      .createQueryBuilder()
      .insert()
      .values(row)
      .orIgnore()
      .execute();
    return code.replace(/(.{4})(?=.)/g, '$1-');
  }

  /** A session of the person whose place the code stands for. */
  async recover(code: string): Promise<Recovered | Refusal<'NOT_FOUND'>> {
    const hash = hashOf(plain(code));
    const known = await this.#platform.database.getRepository(RecoveryCode).findOneBy({ hash });
    const event = known && (await this.#events.published(known.eventId));
    if (!known || !event)
      return refuse('NOT_FOUND', { path: ['input', 'code'], message: 'No place is known by this code.' });
    return { session: this.#accounts.resume(known.personId), eventId: known.eventId };
  }
}

/** As people type it: in any case, with any separators, with letters that look like digits. */
function plain(code: string): string {
  return code.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
}

function hashOf(code: string): string {
  return sha256(`recovery ${code}`);
}
