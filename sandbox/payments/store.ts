import { IdempotencyKeys, type StoredKey } from './idempotency.js';
import { Journal } from './journal.js';
import { Ledger } from './ledger.js';
import { sandboxLimits } from './limits.js';
import type { BalanceRecord, DisputeRecord, EventRecord, IntentRecord, IntentStatus, RefundRecord } from './records.js';

/** One line of the journal. */
type Entry =
  | { readonly k: 'intent'; readonly v: IntentRecord }
  | { readonly k: 'refund'; readonly v: RefundRecord }
  | { readonly k: 'dispute'; readonly v: DisputeRecord }
  | { readonly k: 'balance'; readonly v: BalanceRecord }
  | { readonly k: 'event'; readonly v: EventRecord; readonly pending: boolean }
  | { readonly k: 'delivered'; readonly v: string }
  | { readonly k: 'key'; readonly v: StoredKey }
  | { readonly k: 'pruned'; readonly v: number };

/** What state files of earlier versions do not say of a payment. */
const unsaid = { manualTypes: ['card'], allowedTypes: null, excludedTypes: [], redirects: true, disputeId: null };

/** Everything the sandbox knows, in memory and, when a state file is given, in its journal. */
export class Store {
  readonly intents = new Ledger<IntentRecord>();
  readonly refunds = new Ledger<RefundRecord>();
  readonly disputes = new Ledger<DisputeRecord>();
  readonly balance = new Ledger<BalanceRecord>(sandboxLimits.balanceTransactions);
  readonly events = new Ledger<EventRecord>(sandboxLimits.events);
  readonly keys = new IdempotencyKeys();
  /** Events with a delivery still owed. */
  readonly pendingEvents = new Map<string, EventRecord>();
  readonly #intentOfCharge = new Map<string, string>();
  readonly #countByStatus = new Map<IntentStatus, number>();
  readonly #journal: Journal | undefined;

  constructor(stateFile: string | undefined) {
    this.#journal = stateFile === undefined ? undefined : new Journal(stateFile, () => this.#snapshot());
  }

  /** Reads the state file and rewrites it without what was overtaken. Call once, before anything else. */
  async restore(): Promise<void> {
    await this.#journal?.read((value) => this.#take(value as Entry));
    this.#journal?.compact();
  }

  get intentsByStatus(): Record<string, number> {
    return Object.fromEntries(this.#countByStatus);
  }

  intentOfCharge(chargeId: string): IntentRecord | undefined {
    const intentId = this.#intentOfCharge.get(chargeId);
    return intentId === undefined ? undefined : this.intents.get(intentId);
  }

  putIntent(intent: IntentRecord): void {
    this.#indexIntent(intent);
    this.#record({ k: 'intent', v: intent });
  }

  putRefund(refund: RefundRecord): void {
    this.refunds.put(refund);
    this.#record({ k: 'refund', v: refund });
  }

  putDispute(dispute: DisputeRecord): void {
    this.disputes.put(dispute);
    this.#record({ k: 'dispute', v: dispute });
  }

  putBalance(movement: BalanceRecord): void {
    this.balance.put(movement);
    this.#record({ k: 'balance', v: movement });
  }

  /** @param pending whether a webhook is owed for it, which survives a restart. */
  putEvent(event: EventRecord, pending: boolean): void {
    this.events.put(event);
    if (pending) this.pendingEvents.set(event.id, event);
    this.#record({ k: 'event', v: event, pending });
  }

  /** Delivered, lost on purpose or given up: nothing is owed any more. */
  settleEvent(id: string): void {
    if (this.pendingEvents.delete(id)) this.#record({ k: 'delivered', v: id });
  }

  finishKey(key: StoredKey): void {
    this.keys.finish(key);
    this.#record({ k: 'key', v: key });
  }

  pruneKeys(): number {
    const count = this.keys.prune();
    this.#record({ k: 'pruned', v: count });
    return count;
  }

  close(): void {
    this.#journal?.close();
  }

  #indexIntent(intent: IntentRecord): void {
    const before = this.intents.get(intent.id);
    if (before !== undefined) this.#count(before.status, -1);
    this.#count(intent.status, 1);
    // Only the latest charge of an intent is kept, so only that one can be found.
    const chargeBefore = before?.charge?.id;
    if (chargeBefore !== intent.charge?.id) {
      if (chargeBefore !== undefined) this.#intentOfCharge.delete(chargeBefore);
      if (intent.charge !== null) this.#intentOfCharge.set(intent.charge.id, intent.id);
    }
    this.intents.put(intent);
  }

  #count(status: IntentStatus, change: number): void {
    this.#countByStatus.set(status, (this.#countByStatus.get(status) ?? 0) + change);
  }

  #record(entry: Entry): void {
    this.#journal?.append(JSON.stringify(entry));
  }

  #take(entry: Entry): void {
    if (entry.k === 'intent') this.#indexIntent({ ...unsaid, ...entry.v });
    else if (entry.k === 'refund') this.refunds.put(entry.v);
    else if (entry.k === 'dispute') this.disputes.put(entry.v);
    else if (entry.k === 'balance') this.balance.put(entry.v);
    else if (entry.k === 'key') this.keys.restore(entry.v);
    else if (entry.k === 'pruned') this.keys.prune();
    else if (entry.k === 'delivered') this.pendingEvents.delete(entry.v);
    else {
      this.events.put(entry.v);
      if (entry.pending) this.pendingEvents.set(entry.v.id, entry.v);
    }
  }

  *#snapshot(): Generator<string> {
    for (const v of this.intents.oldestFirst()) yield JSON.stringify({ k: 'intent', v } satisfies Entry);
    for (const v of this.refunds.oldestFirst()) yield JSON.stringify({ k: 'refund', v } satisfies Entry);
    for (const v of this.disputes.oldestFirst()) yield JSON.stringify({ k: 'dispute', v } satisfies Entry);
    for (const v of this.balance.oldestFirst()) yield JSON.stringify({ k: 'balance', v } satisfies Entry);
    for (const v of this.keys.kept()) yield JSON.stringify({ k: 'key', v } satisfies Entry);
    for (const v of this.pendingEvents.values()) {
      if (this.events.get(v.id) === undefined) yield JSON.stringify({ k: 'event', v, pending: true } satisfies Entry);
    }
    for (const v of this.events.oldestFirst()) {
      yield JSON.stringify({ k: 'event', v, pending: this.pendingEvents.has(v.id) } satisfies Entry);
    }
  }
}
