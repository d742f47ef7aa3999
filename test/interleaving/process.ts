import { Codes } from '../../src/services/codes.js';
import { EventCatalogue, type PublishedEvent } from '../../src/services/event-catalogue.js';
import { InventoryService } from '../../src/services/inventory.js';
import type { Mirrors } from '../../src/services/mirrors.js';
import { OrderLedger } from '../../src/services/order-ledger.js';
import { OrderReading } from '../../src/services/order-reading.js';
import { Orders } from '../../src/services/orders.js';
import type { Platform } from '../../src/services/platform.js';
import { Reconciler } from '../../src/services/reconciler.js';
import { Refunds } from '../../src/services/refunds.js';
import { SeatHolds } from '../../src/services/seat-holds.js';
import { Settlement } from '../../src/services/settlement.js';
import { Webhooks } from '../../src/services/webhooks.js';
import { gateProvider } from './gate-provider.js';
import { fibers, type Mortal } from './scheduler.js';
import type { Stage } from './stage.js';
import type { World } from './world.js';

/** What a request to a process that dies comes to. */
class Died extends Error {
  override name = 'Died';
}

/** Knows the event as it was when the process started, until it hears of another generation. */
class Catalogue extends EventCatalogue {
  #known: PublishedEvent | null;

  constructor(platform: Platform, known: PublishedEvent) {
    super(platform);
    this.#known = known;
  }

  override forget(eventId: string): void {
    this.#known = null;
    super.forget(eventId);
  }

  override changed(eventId: string): Promise<void> {
    this.#known = null;
    return super.changed(eventId);
  }

  override async published(eventId: string): Promise<PublishedEvent | null> {
    return this.#known ?? super.published(eventId);
  }
}

/**
 * A process of the platform: the product's services over a platform of its own. Its connections to the stores belong to the lane, but what
 * it has open in Postgres dies with it.
 */
export class Process implements Mortal {
  readonly catalogue: EventCatalogue;
  readonly inventory: InventoryService;
  readonly holds: SeatHolds;
  readonly orders: Orders;
  readonly refunds: Refunds;
  readonly settlement: Settlement;
  readonly webhooks: Webhooks;
  readonly reconciler: Reconciler;
  readonly platform: Platform;
  readonly name: string;
  dead = false;
  readonly #death: Promise<never>;
  #die: (reason: Died) => void = () => {};

  constructor(stage: Stage, world: World, name: string) {
    this.name = name;
    this.platform = stage.platform({
      clock: world.clock,
      gateway: gateProvider(stage, world),
      log: world.log,
      processId: name,
    });
    this.catalogue = new Catalogue(this.platform, stage.published);
    this.inventory = new InventoryService(this.platform, this.catalogue);
    const ledger = new OrderLedger(this.platform);
    const codes = new Codes(this.platform);
    // Nobody watches a hold here.
    this.holds = new SeatHolds(this.platform, {
      events: this.catalogue,
      inventory: this.inventory,
      mirrors: {} as Mirrors,
      codes,
    });
    const { catalogue, inventory } = this;
    const reading = new OrderReading(this.platform, catalogue);
    this.orders = new Orders(this.platform, { events: catalogue, inventory, ledger, reading, codes });
    this.refunds = new Refunds(this.platform, ledger, reading);
    this.settlement = new Settlement(this.platform, this.catalogue, this.inventory, ledger);
    this.webhooks = new Webhooks(this.platform, ledger);
    this.reconciler = new Reconciler(this.platform, this.catalogue, this.inventory);
    this.#death = new Promise((_, reject) => {
      this.#die = reject;
    });
    this.#death.catch(() => {});
  }

  /** A request of the task that is running. Rejects when the process dies; what it had begun stands where it stood. */
  serve<T>(work: (process: this) => Promise<T>): Promise<T> {
    const fiber = fibers.getStore();
    if (fiber === undefined) return work(this);
    if (this.dead) return this.#death;
    return Promise.race([this.#death, fibers.run({ ...fiber, process: this }, () => work(this))]);
  }

  die(): void {
    this.dead = true;
    this.#die(new Died(`${this.name} has died`));
  }
}
