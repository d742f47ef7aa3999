import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { DataSource } from 'typeorm';
import type { Config } from '../config.js';
import type { Clock } from '../domain/clock.js';
import type { Identity } from '../entities/events.js';
import type { Mailer } from '../mail/mailer.js';
import type { PaymentGateway } from '../payments/gateway.js';
import type { Channels } from '../pubsub/channels.js';

/** What every service stands on; built once by the composition root. */
export interface Platform {
  readonly config: Config;
  readonly clock: Clock;
  readonly database: DataSource;
  readonly redis: Redis;
  readonly channels: Channels;
  readonly gateway: PaymentGateway;
  readonly mailer: Mailer;
  readonly log: Logger;
  /** Of this process, new at every start. */
  readonly processId: string;
}

/** Who asks. A person is the subject of a token; an account also has a role and an organizer. */
export interface Viewer {
  readonly personId: string;
  readonly role: 'GUEST' | 'ORGANIZER' | 'ADMIN';
  /** What vouches for the person: nothing but the session, a verified address, an account here or elsewhere. */
  readonly identity: Identity;
  /** The address that was proved for it; null: none was. */
  readonly email: string | null;
  readonly organizerId: string | null;
  /** Which session it is: the digest of its token. */
  readonly session: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}
