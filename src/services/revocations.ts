import { limits } from '../limits.js';
import { globalKeys } from '../redis/keys.js';
import type { Platform, Viewer } from './platform.js';

/** `session:` and the digest of a token, or `person:` and an id: all sessions of that person from before an instant. */
interface Revocation {
  readonly subject: string;
  readonly beforeMs: number;
  readonly expiresAtMs: number;
}

const revokeSql = `
  INSERT INTO revocation (subject, before, expires_at) VALUES ($1, $2, $3)
  ON CONFLICT (subject) DO UPDATE SET before = GREATEST(revocation.before, excluded.before),
    expires_at = GREATEST(revocation.expires_at, excluded.expires_at), recorded_at = now()`;

/** A minute back, for what was committed out of order. */
const readSql = `
  SELECT subject, before, expires_at AS "expiresAt", recorded_at AS "recordedAt" FROM revocation
  WHERE expires_at > $1 AND recorded_at > $2::timestamptz - interval '1 minute' ORDER BY recorded_at DESC LIMIT $3`;

/**
 * Sessions that were ended before their time. The ledger keeps them; every process has them at hand, hears of new ones at once, and reads
 * them again every now and then, because a message may get lost.
 */
export class Revocations {
  readonly #platform: Platform;
  readonly #known = new Map<string, Revocation>();
  readonly #listeners = new Set<() => void>();
  #readUntil = new Date(0);

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  async start(): Promise<() => void> {
    const { channels, log } = this.#platform;
    const silence = await channels.listen(globalKeys.revocationChannel, (message) =>
      this.#learn([message as Revocation]),
    );
    const read = () => {
      this.#read().catch((error) => log.warn({ err: error }, 'revoked sessions could not be read'));
    };
    const forget = channels.onReconnect(read);
    const timer = setInterval(read, limits.revocationReadMs);
    await this.#read();
    return () => {
      silence();
      forget();
      clearInterval(timer);
    };
  }

  /** Calls back when somebody's session may have ended. */
  onRevoked(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isRevoked(viewer: Viewer): boolean {
    if (this.#known.size === 0) return false;
    const ofPerson = this.#known.get(`person:${viewer.personId}`);
    return this.#known.has(`session:${viewer.session}`) || (ofPerson?.beforeMs ?? 0) > viewer.issuedAtMs;
  }

  revokeSession({ session, expiresAtMs }: Viewer): Promise<void> {
    return this.#revoke({ subject: `session:${session}`, beforeMs: this.#platform.clock.nowMs(), expiresAtMs });
  }

  /** All sessions of a person that were opened before now. */
  revokePerson(personId: string): Promise<void> {
    const nowMs = this.#platform.clock.nowMs();
    const expiresAtMs = nowMs + Math.max(limits.guestSessionMs, limits.accountSessionMs);
    return this.#revoke({ subject: `person:${personId}`, beforeMs: nowMs, expiresAtMs });
  }

  async #revoke(revocation: Revocation): Promise<void> {
    const { database, channels, log } = this.#platform;
    const { subject, beforeMs, expiresAtMs } = revocation;
    await database.query(revokeSql, [subject, new Date(beforeMs), new Date(expiresAtMs)]);
    this.#learn([revocation]);
    await channels
      .publish(globalKeys.revocationChannel, revocation)
      .catch((error) => log.warn({ err: error }, 'a revoked session could not be announced'));
  }

  async #read(): Promise<void> {
    const { database, clock, log } = this.#platform;
    const now = new Date(clock.nowMs());
    for (const [subject, { expiresAtMs }] of this.#known) if (expiresAtMs <= now.getTime()) this.#known.delete(subject);
    const rows: { subject: string; before: Date; expiresAt: Date; recordedAt: Date }[] = await database.query(readSql, [
      now,
      this.#readUntil,
      limits.revocations,
    ]);
    if (rows.length === limits.revocations)
      log.error({ alarm: true }, 'there are more revoked sessions than are kept at hand: the oldest are accepted');
    if (rows[0] !== undefined) this.#readUntil = rows[0].recordedAt;
    this.#learn(
      rows.map(({ subject, before, expiresAt }) => ({
        subject,
        beforeMs: before.getTime(),
        expiresAtMs: expiresAt.getTime(),
      })),
    );
  }

  #learn(revocations: readonly Revocation[]): void {
    let isNews = false;
    for (const revocation of revocations) {
      if ((this.#known.get(revocation.subject)?.beforeMs ?? -1) >= revocation.beforeMs) continue;
      this.#known.set(revocation.subject, revocation);
      isNews = true;
    }
    if (isNews) for (const listener of this.#listeners) listener();
  }
}
