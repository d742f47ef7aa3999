import type { DataSource } from 'typeorm';
import { type Refusal, refuse } from '../domain/errors.js';
import { isUuid } from '../domain/ids.js';
import { isFinal } from '../domain/order-states.js';
import { Refund } from '../entities/money.js';
import { Order, OrderLine, Ticket } from '../entities/orders.js';
import { limits } from '../limits.js';
import { Batcher } from './batcher.js';
import type { EventCatalogue, PublishedEvent } from './event-catalogue.js';
import type { Platform, Viewer } from './platform.js';
import { maySteer } from './sales.js';

/** An order with all its parts, as its owner sees it. */
export interface OrderView {
  readonly order: Order;
  readonly event: PublishedEvent;
  readonly lines: readonly OrderLine[];
  readonly tickets: readonly Ticket[];
  /** Oldest first. */
  readonly refunds: readonly Refund[];
}

type OrderRow = Order & {
  readonly lines: readonly OrderLine[];
  readonly tickets: readonly (Omit<Ticket, 'issuedAt'> & { readonly issuedAt: string })[];
  readonly refunds: readonly (Omit<Refund, 'createdAt' | 'settledAt'> & {
    readonly createdAt: string;
    readonly settledAt: string | null;
  })[];
};

/** An order with its parts in one statement: a buyer reads the own one several times a minute. */
function readingSql(database: DataSource): string {
  const columnsOf = (entity: typeof Order | typeof OrderLine | typeof Ticket | typeof Refund) =>
    database.getMetadata(entity).columns;
  const partsOf = (entity: typeof OrderLine | typeof Ticket | typeof Refund, by: string) => {
    const pairs = columnsOf(entity).map(({ propertyName, databaseName }) => `'${propertyName}', p.${databaseName}`);
    const { tableName } = database.getMetadata(entity);
    return `COALESCE((SELECT json_agg(json_build_object(${pairs.join(', ')}) ORDER BY ${by}) FROM ${tableName} p WHERE p.order_id = o.id), '[]')`;
  };
  const columns = columnsOf(Order).map(({ propertyName, databaseName }) => `o.${databaseName} AS "${propertyName}"`);
  return `SELECT ${columns.join(', ')}, ${partsOf(OrderLine, 'p.seat_index')} AS lines, ${partsOf(Ticket, 'p.seat_index')} AS tickets,
    ${partsOf(Refund, 'p.created_at, p.id')} AS refunds FROM orders o`;
}

const notFound = () => refuse('NOT_FOUND', { path: ['input', 'orderId'], message: 'There is no such order.' });

function refundOf({ createdAt, settledAt, ...refund }: OrderRow['refunds'][number]): Refund {
  return { createdAt: new Date(createdAt), settledAt: settledAt === null ? null : new Date(settledAt), ...refund };
}

/** Whether something of an order may still change: its state, or what became of its refunds. */
export function isAtRest({ order, refunds }: OrderView): boolean {
  return isFinal(order.state) && refunds.every(({ done, state }) => done && state !== 'PENDING');
}

/** Orders as the ledger has them. Whoever asks while others are being read is read together with whoever asks then. */
export class OrderReading {
  readonly #platform: Platform;
  readonly #events: EventCatalogue;
  readonly #sql: string;
  readonly #reader: Batcher<string, ReadonlyMap<string, OrderView>>;

  constructor(platform: Platform, events: EventCatalogue) {
    this.#platform = platform;
    this.#events = events;
    this.#sql = readingSql(platform.database);
    this.#reader = new Batcher(limits.stepBatch, async (ids): Promise<ReadonlyMap<string, OrderView>> => {
      const views = await this.readMany(ids);
      return new Map(views.map((view) => [view.order.id, view]));
    });
  }

  async find(id: string): Promise<OrderView | null> {
    if (!isUuid(id)) return null;
    return (await this.#reader.submit(id)).get(id) ?? null;
  }

  async load(id: string): Promise<OrderView> {
    const view = await this.find(id);
    if (view === null) throw new Error(`order ${id} is gone from the ledger`);
    return view;
  }

  /** For its buyer. */
  async owned(viewer: Viewer, id: string): Promise<OrderView | Refusal> {
    const view = await this.find(id);
    if (view === null || view.order.personId === viewer.personId) return view ?? notFound();
    return refuse('FORBIDDEN', { path: ['input', 'orderId'], message: 'This order belongs to somebody else.' });
  }

  /** For its event's organizer. */
  async steered(viewer: Viewer, id: string): Promise<OrderView | Refusal> {
    const view = await this.find(id);
    if (view === null || maySteer(viewer, view.event.event)) return view ?? notFound();
    const message = "This order belongs to another organizer's event.";
    return refuse('FORBIDDEN', { path: ['input', 'orderId'], message });
  }

  /** Those there are, in any order. */
  readMany(ids: readonly string[]): Promise<OrderView[]> {
    return this.#read('WHERE o.id = ANY($1)', [ids]);
  }

  async orderOfRefund(refundId: string): Promise<string | null> {
    if (!isUuid(refundId)) return null;
    const refund = await this.#platform.database.getRepository(Refund).findOneBy({ id: refundId });
    return refund?.orderId ?? null;
  }

  /** The newest orders of a person, bounded. */
  ofPerson(personId: string): Promise<OrderView[]> {
    return this.#read('WHERE o.person_id = $1 ORDER BY o.created_at DESC LIMIT $2', [personId, limits.pageItems]);
  }

  async #read(where: string, parameters: readonly unknown[]): Promise<OrderView[]> {
    const rows: OrderRow[] = await this.#platform.database.query(`${this.#sql} ${where}`, [...parameters]);
    const views = rows.map(async ({ lines, tickets, refunds, ...order }): Promise<OrderView | null> => {
      const event = await this.#events.published(order.eventId);
      const issued = tickets.map((ticket) => ({ ...ticket, issuedAt: new Date(ticket.issuedAt) }));
      return event && { order, event, lines, tickets: issued, refunds: refunds.map(refundOf) };
    });
    return (await Promise.all(views)).filter((view) => view !== null);
  }
}
