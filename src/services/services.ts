import type { JWK } from 'jose';
import { Accounts } from './accounts.js';
import { Cancellations } from './cancellations.js';
import { Channels } from './channels.js';
import { Codes } from './codes.js';
import { Draws } from './draw.js';
import { EventCatalogue } from './event-catalogue.js';
import { Events } from './events.js';
import { InventoryService } from './inventory.js';
import { Line } from './line.js';
import { Mirrors } from './mirrors.js';
import { MoneyReconciler } from './money-reconciler.js';
import { MoneyReports } from './money-report.js';
import { OrderFeed } from './order-feed.js';
import { OrderLedger } from './order-ledger.js';
import { OrderReading } from './order-reading.js';
import { Orders } from './orders.js';
import { PaymentHealth } from './payment-health.js';
import type { Platform } from './platform.js';
import { ProviderEvents } from './provider-events.js';
import { ReceiptIssuing } from './receipt-issuing.js';
import { Receipts } from './receipts.js';
import { Reconciler } from './reconciler.js';
import { Recovery } from './recovery.js';
import { Refunds } from './refunds.js';
import { Revocations } from './revocations.js';
import { Sales } from './sales.js';
import { SeatHolds } from './seat-holds.js';
import { SeatMaps } from './seat-map.js';
import { Settlement } from './settlement.js';
import { Tokens } from './tokens.js';
import { Webhooks } from './webhooks.js';

/** All use cases of one process. */
export interface Services {
  readonly platform: Platform;
  readonly tokens: Tokens;
  readonly revocations: Revocations;
  readonly accounts: Accounts;
  readonly catalogue: EventCatalogue;
  readonly inventory: InventoryService;
  readonly events: Events;
  readonly holds: SeatHolds;
  readonly seatMaps: SeatMaps;
  readonly channels: Channels;
  readonly codes: Codes;
  readonly line: Line;
  readonly draws: Draws;
  readonly recovery: Recovery;
  readonly sales: Sales;
  readonly orders: Orders;
  readonly orderFeed: OrderFeed;
  readonly refunds: Refunds;
  readonly payments: PaymentHealth;
  readonly receipts: Receipts;
  readonly receiptIssuing: ReceiptIssuing;
  readonly settlement: Settlement;
  readonly webhooks: Webhooks;
  readonly providerEvents: ProviderEvents;
  readonly cancellations: Cancellations;
  readonly reconciler: Reconciler;
  readonly moneyReconciler: MoneyReconciler;
  readonly moneyReports: MoneyReports;
  stop(): void;
}

export async function buildServices(platform: Platform, tokenKey: JWK): Promise<Services> {
  const revocations = new Revocations(platform);
  const tokens = await Tokens.create({ clock: platform.clock, revocations }, tokenKey, platform.config.oidcIssuers);
  const catalogue = new EventCatalogue(platform);
  const inventory = new InventoryService(platform, catalogue);
  const draws = new Draws(platform, catalogue);
  const mirrors = new Mirrors(platform, catalogue, inventory, draws);
  const accounts = new Accounts(platform, tokens, revocations);
  const payments = new PaymentHealth(platform);
  const line = new Line(platform, { events: catalogue, inventory, mirrors, draws, tokens, payments });
  const ledger = new OrderLedger(platform);
  const reading = new OrderReading(platform, catalogue);
  const codes = new Codes(platform);
  const orders = new Orders(platform, { events: catalogue, inventory, ledger, reading, codes });
  const orderFeed = new OrderFeed(platform, reading);
  const events = new Events(platform, catalogue, inventory);
  const cancellations = new Cancellations(platform, events, ledger);
  const webhooks = new Webhooks(platform, ledger);
  const forget = await catalogue.start();
  const stopRevocations = await revocations.start();
  await orderFeed.start();
  const stopPayments = payments.start();
  payments.onChange(() => {
    if (payments.delayedSinceMs !== null) return;
    ledger.wakeDelayed().catch((error) => platform.log.warn({ err: error }, 'delayed orders go on by themselves'));
  });
  return {
    platform,
    tokens,
    revocations,
    accounts,
    catalogue,
    inventory,
    events,
    holds: new SeatHolds(platform, { events: catalogue, inventory, mirrors, codes }),
    seatMaps: new SeatMaps(catalogue, mirrors),
    channels: new Channels(platform, catalogue, inventory),
    codes,
    line,
    draws,
    recovery: new Recovery(platform, { events: catalogue, line, accounts, tokens }),
    sales: new Sales(platform, catalogue, payments),
    orders,
    orderFeed,
    refunds: new Refunds(platform, ledger, reading),
    payments,
    receipts: new Receipts(platform, tokens),
    receiptIssuing: new ReceiptIssuing(platform, reading),
    settlement: new Settlement(platform, catalogue, inventory, ledger),
    webhooks,
    providerEvents: new ProviderEvents(platform, ledger),
    cancellations,
    reconciler: new Reconciler(platform, catalogue, inventory),
    moneyReconciler: new MoneyReconciler(platform, ledger, webhooks),
    moneyReports: new MoneyReports(platform, catalogue),
    stop: () => {
      mirrors.stop();
      stopRevocations();
      orderFeed.stop();
      cancellations.stop();
      stopPayments();
      forget();
    },
  };
}
